//! What the tests of the host machine share: the vectors' keys and messages, and a machine under virtual time.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use serde_json::Value as Json;
use smartpos::codec::frame::strip_length;
use smartpos::codec::iso8583::Message;
use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::card::{CardRead, Scheme};
use smartpos::domain::host::{
    HostAnswer, HostFailure, HostRequest, ReversalReason, ReversalRequest, SaleRequest, SignInRequest,
};
use smartpos::domain::ids::{AuthCode, Batch, MerchantId, Rrn, Stan, TerminalId};
use smartpos::domain::link::{ConnectFailure, ConnectFailureKind, ConnectionId};
use smartpos::domain::offline::{OfflineSale, ScriptReport};
use smartpos::domain::pan::Pan;
use smartpos::domain::secret::{DoubleKey, Pin, PinBlock, SecretBytes, Track2};
use smartpos::domain::time::Instant;
use smartpos::host::des::DesKey;
use smartpos::host::mac::{MacMethod, MacRule};
use smartpos::host::message::Identity;
use smartpos::host::profile::{Profile, Source};
use smartpos::host::session::{Host, HostEvent, HostOutput, Notice};

pub const SHIPPED: &str = include_str!("../../src/host/profiles/unionpay-example.toml");
pub const TMK: DoubleKey =
    DoubleKey([0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10]);
pub const PAN: &str = "6200000000000000018";

pub fn vectors() -> &'static Json {
    static VECTORS: LazyLock<Json> =
        LazyLock::new(|| serde_json::from_str(include_str!("../vectors/iso8583.json")).unwrap());
    &VECTORS
}

pub fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A whole message of the vectors, LEN included.
pub fn vector(name: &str) -> Vec<u8> {
    let found = vectors()["messages"].as_array().unwrap().iter().find(|m| m["name"] == name);
    unhex(found.unwrap_or_else(|| panic!("no vector {name}"))["hex"].as_str().unwrap())
}

/// A key of the vectors.
pub fn key(name: &str) -> Vec<u8> {
    unhex(vectors()["keys"][name].as_str().unwrap())
}

pub fn mak() -> DesKey {
    DesKey::new(&key("MAK_single")).unwrap()
}

/// Makes a variant of a message and gives it a right MAC again if it has one.
pub fn altered(frame: &[u8], change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let (header, mut message) = Message::decode(strip_length(frame).unwrap()).unwrap();
    change(&mut message);
    if message.has(64) {
        let mac = MacRule::from(MacMethod::Ecb).field(&mak(), &message.mab()).unwrap();
        message.set_bytes(64, &mac).unwrap();
    }
    message.encode(&header)
}

/// The shipped profile with local changes; read once for each.
pub fn profile(local: &str) -> Arc<Profile> {
    static READ: Mutex<BTreeMap<String, Arc<Profile>>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap();
    Arc::clone(read.entry(local.to_owned()).or_insert_with(|| read_profile(local)))
}

fn read_profile(local: &str) -> Arc<Profile> {
    let sources =
        [("shipped", SHIPPED), ("local", local)].map(|(file, text)| Source { file: file.into(), text: text.into() });
    Arc::new(Profile::read(&sources).unwrap_or_else(|all| panic!("{all:?}")))
}

pub fn identity() -> Identity {
    Identity {
        terminal: TerminalId::new("99000001").unwrap(),
        merchant: MerchantId::new("999000000000001").unwrap(),
        device: Some("000000000001".to_owned()),
    }
}

pub fn batch(n: u32) -> Batch {
    Batch::new(n).unwrap()
}

pub fn stan(n: u32) -> Stan {
    Stan::new(n).unwrap()
}

pub fn money() -> Money {
    Money { amount: Amount::new(100).unwrap(), currency: Currency::CNY }
}

pub fn sign_in() -> HostRequest {
    HostRequest::SignIn(SignInRequest { stan: stan(1), batch: batch(1) })
}

pub fn card() -> CardRead {
    let tags = "9F2608A1B2C3D4E5F607089F2701809F101307010103A0A000010A010000000000112233449F3704112233449F3602000195\
                0500000000009A032601019C01009F02060000000001005F2A02015682027C009F1A0201569F03060000000000009F3303E0E1C8";
    CardRead {
        scheme: Scheme::UnionPay,
        pan: Pan::new(PAN).unwrap(),
        expiry: Some("3012".into()),
        sequence_number: Some(1),
        track2: Track2::new("6200000000000000018D30122010000000000".into()),
        request_tags: SecretBytes::new(unhex(&tags.replace(' ', ""))),
        reversal_tags: SecretBytes::new(Vec::new()),
        script_tags: SecretBytes::new(vec![0x95, 0x05]),
        pin_required: true,
    }
}

pub fn pin() -> Pin {
    Pin::new(vec![1, 2, 3, 4, 5, 6]).unwrap()
}

pub fn sale_with(pin_block: Option<PinBlock>) -> HostRequest {
    HostRequest::Sale(Box::new(SaleRequest { stan: stan(3), batch: batch(2), money: money(), card: card(), pin_block }))
}

pub fn sale() -> HostRequest {
    sale_with(None)
}

pub fn reversal() -> HostRequest {
    let tags = "950500000000009F1E0830303030303030319F101307010103A0A000010A010000000000112233449F36020001";
    HostRequest::Reversal(Box::new(ReversalRequest {
        stan: stan(3),
        batch: batch(2),
        money: money(),
        pan: Pan::new(PAN).unwrap(),
        expiry: Some("3012".into()),
        sequence_number: Some(1),
        pin_sent: true,
        tags: SecretBytes::new(unhex(tags)),
        auth_code: None,
        reason: ReversalReason::NoAnswer,
    }))
}

pub fn offline_sale() -> OfflineSale {
    OfflineSale {
        stan: stan(10),
        batch: batch(2),
        money: money(),
        pan: Pan::new(PAN).unwrap(),
        expiry: Some("3012".into()),
        sequence_number: Some(1),
        tags: card().request_tags,
    }
}

/// 0220, or whatever the profile makes of a repeat.
pub fn upload(repeat: bool) -> HostRequest {
    HostRequest::OfflineSale { sale: Box::new(offline_sale()), repeat }
}

/// 0620 about the sale of the vectors.
pub fn script_report() -> HostRequest {
    let tags = "950500000000009F101307010103A0A000010A010000000000112233449F2608A1B2C3D4E5F607089F3602000182027C00DF3105\
                00000000009F1A0201569A032601019F3303E0E1C89F370411223344";
    let report = ScriptReport {
        original: (stan(3), batch(2), "0601".into()),
        money: money(),
        pan: Pan::new(PAN).unwrap(),
        sequence_number: Some(1),
        pin_sent: true,
        acquirer: Some("00010000".into()),
        rrn: Rrn::new("060110160003"),
        auth_code: AuthCode::new("123456"),
        tags: SecretBytes::new(unhex(tags)),
    };
    HostRequest::ScriptReport { stan: stan(12), report: Box::new(report) }
}

/// A machine, its clock, and what it has put out.
pub struct Rig {
    pub host: Host,
    pub now: Instant,
    pub notices: Vec<Notice>,
}

/// One output other than a notice.
#[allow(clippy::large_enum_variant, reason = "a few at a time")]
pub enum Out {
    Connect(ConnectionId, usize),
    Write(ConnectionId, Vec<u8>),
    Disconnect(ConnectionId),
    Reached,
    Answered(HostAnswer),
    Failed(HostFailure),
}

impl Rig {
    pub fn new(local: &str) -> Self {
        let mut host = Host::new(profile(local), identity());
        host.set_master(TMK);
        Self { host, now: Instant(1_000_000), notices: Vec::new() }
    }

    /// With the vectors' keys installed.
    pub fn signed_in(local: &str) -> Self {
        let mut rig = Self::new(local);
        rig.host.restore(&key("F62_key_block_004_MAK8")).unwrap();
        rig
    }

    pub fn tell(&mut self, event: HostEvent) -> Vec<Out> {
        self.host.handle(self.now, event);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Out> {
        let mut outs = Vec::new();
        while let Some(output) = self.host.poll() {
            outs.push(match output {
                HostOutput::Connect { connection, address_index, .. } => Out::Connect(connection, address_index),
                HostOutput::Write { connection, bytes } => Out::Write(connection, bytes.expose().to_vec()),
                HostOutput::Disconnect { connection } => Out::Disconnect(connection),
                HostOutput::Reached => Out::Reached,
                HostOutput::Answered(answer) => Out::Answered(answer),
                HostOutput::Failed(failure) => Out::Failed(failure),
                HostOutput::Noticed(notice) => {
                    self.notices.push(notice);
                    continue;
                }
            });
        }
        outs
    }

    /// Jumps to the next deadline.
    pub fn expire(&mut self) -> Vec<Out> {
        self.now = self.host.deadline().expect("nothing is waited for");
        self.host.expire(self.now);
        self.drain()
    }

    pub fn pass(&mut self, span: Duration) -> Vec<Out> {
        self.now = self.now.after(span);
        self.host.expire(self.now);
        self.drain()
    }

    /// Asks, connects if need be, and lets the request leave. Gives the connection and the bytes.
    #[track_caller]
    pub fn send(&mut self, request: HostRequest) -> (ConnectionId, Vec<u8>) {
        let mut outs = self.tell(HostEvent::Ask(request));
        if let [Out::Connect(connection, _)] = outs[..] {
            outs = self.tell(HostEvent::Connected { connection });
        }
        match &outs[..] {
            [Out::Write(connection, bytes)] => {
                let found = (*connection, bytes.clone());
                assert!(self.tell(HostEvent::Written { connection: found.0 }).is_empty());
                found
            }
            other => panic!("no write but {}", names(other)),
        }
    }

    pub fn receive(&mut self, connection: ConnectionId, bytes: &[u8]) -> Vec<Out> {
        self.tell(HostEvent::Received { connection, bytes: SecretBytes::new(bytes.to_vec()) })
    }

    pub fn refuse(&mut self, connection: ConnectionId, kind: ConnectFailureKind) -> Vec<Out> {
        let failure = ConnectFailure { kind, evidence: kind.as_str().to_owned() };
        self.tell(HostEvent::ConnectFailed { connection, failure })
    }

    pub fn noticed(&self) -> Vec<&'static str> {
        self.notices.iter().map(|notice| notice.kind.as_str()).collect()
    }
}

pub fn names(outs: &[Out]) -> String {
    let name = |out: &Out| match out {
        Out::Connect(id, at) => format!("connect {id} to {at}"),
        Out::Write(id, _) => format!("write {id}"),
        Out::Disconnect(id) => format!("disconnect {id}"),
        Out::Reached => "reached".into(),
        Out::Answered(_) => "answered".into(),
        Out::Failed(failure) => format!("failed {} sent={}", failure.cause, failure.sent),
    };
    outs.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[track_caller]
pub fn the_answer(outs: Vec<Out>) -> HostAnswer {
    let shown = names(&outs);
    let answers: Vec<_> = outs
        .into_iter()
        .filter_map(|out| match out {
            Out::Answered(answer) => Some(answer),
            _ => None,
        })
        .collect();
    match <[HostAnswer; 1]>::try_from(answers) {
        Ok([answer]) => answer,
        Err(_) => panic!("not one answer but: {shown}"),
    }
}

#[track_caller]
pub fn the_failure(outs: Vec<Out>) -> HostFailure {
    let shown = names(&outs);
    outs.into_iter()
        .find_map(|out| match out {
            Out::Failed(failure) => Some(failure),
            _ => None,
        })
        .unwrap_or_else(|| panic!("no failure but: {shown}"))
}
