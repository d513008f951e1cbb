//! The daemon's host machine against the simulated acquirer, both under one virtual clock, without a socket.
//!
//! Proves: whatever happens to requests and answers, repeating an upload until it is answered charges the cardholder once
//! and no answer is taken for one that it is not; and what the answer to a sale says is all that a script report needs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

mod host_support;

use std::collections::VecDeque;

use host_support::{Out, Rig, batch, card, money, offline_sale, sale, script_report, sign_in, stan};
use proptest::prelude::*;
use serde_json::Value as Json;
use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::card::CardRead;
use smartpos::domain::host::{HostAnswer, HostFailure, HostRequest, MacCheck, SaleAnswer, SaleRequest};
use smartpos::domain::link::{ConnectFailureKind, ConnectionId};
use smartpos::domain::offline::{OfflineSale, ScriptReport};
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::time::{Instant, Now, WallTime};
use smartpos::host::session::HostEvent;
use smartpos::sim::acquirer::centre::Centre;
use smartpos::sim::acquirer::host::{Event, Host as Acquirer, LinkId, Output};
use smartpos::sim::acquirer::keys::Entropy;
use smartpos::sim::acquirer::ledger::Ledger;
use smartpos::sim::acquirer::settings::Settings;

/// 1 June 2026, 10:00 UTC at the machines' instant 0.
const START: u64 = 1_780_308_000_000_000;

struct World {
    till: Rig,
    acquirer: Acquirer,
    /// The connection that stands.
    line: Option<ConnectionId>,
    outs: VecDeque<Out>,
}

impl World {
    /// Signed in.
    fn new(local: &str, settings: Settings) -> Self {
        let mut state = 1u32;
        let entropy: Entropy = Box::new(move |bytes| {
            for byte in bytes {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = state.to_be_bytes()[0];
            }
        });
        let acquirer = Acquirer::new(Centre::new(settings, Ledger::default(), entropy));
        let mut world = Self { till: Rig::new(local), acquirer, line: None, outs: VecDeque::new() };
        world.sign_in();
        world
    }

    fn sign_in(&mut self) {
        assert!(matches!(self.ask(sign_in()), Ok(HostAnswer::SignIn(answer)) if answer.response.approved()));
        assert!(self.till.host.install_pending());
    }

    fn order(&mut self, line: &str) -> String {
        self.acquirer.order(line).unwrap()
    }

    fn ledger(&mut self) -> Json {
        serde_json::from_str(&self.order("ledger")).unwrap()
    }

    fn now(&self) -> Now {
        let Instant(micros) = self.till.now;
        Now { mono: self.till.now, wall: WallTime(START + micros) }
    }

    /// Lets both machines talk until the request has its answer or its failure. Every wait in it has a deadline.
    fn ask(&mut self, request: HostRequest) -> Result<HostAnswer, HostFailure> {
        let outs = self.till.tell(HostEvent::Ask(request));
        self.outs.extend(outs);
        loop {
            while let Some(out) = self.outs.pop_front() {
                match out {
                    Out::Answered(answer) => return Ok(answer),
                    Out::Failed(failure) => return Err(failure),
                    other => self.carry_out(other),
                }
            }
            let due = [self.till.host.deadline(), self.acquirer.deadline()].into_iter().flatten().min();
            self.till.now = due.expect("both wait for ever");
            let now = self.now();
            self.acquirer.expire(now);
            self.deliver();
            let outs = self.till.pass(std::time::Duration::ZERO);
            self.outs.extend(outs);
        }
    }

    fn carry_out(&mut self, out: Out) {
        let now = self.now();
        match out {
            Out::Connect(connection, _) => {
                self.hang_up();
                self.line = Some(connection);
                self.acquirer.handle(now, Event::Connected { link: LinkId(connection.0.into()) });
                self.deliver();
                let outs = match self.line {
                    Some(_) => self.till.tell(HostEvent::Connected { connection }),
                    None => self.till.refuse(connection, ConnectFailureKind::Refused),
                };
                self.outs.extend(outs);
            }
            Out::Write(connection, bytes) => {
                let outs = self.till.tell(HostEvent::Written { connection });
                self.outs.extend(outs);
                if self.line == Some(connection) {
                    let link = LinkId(connection.0.into());
                    self.acquirer.handle(now, Event::Received { link, bytes: &bytes });
                    self.deliver();
                }
            }
            Out::Disconnect(connection) if self.line == Some(connection) => self.hang_up(),
            Out::Disconnect(_) | Out::Reached => {}
            Out::Answered(_) | Out::Failed(_) => panic!("two results of one request"),
        }
    }

    fn hang_up(&mut self) {
        if let Some(ConnectionId(number)) = self.line.take() {
            let now = self.now();
            self.acquirer.handle(now, Event::Closed { link: LinkId(number.into()) });
        }
    }

    /// What the acquirer has put out, to the till.
    fn deliver(&mut self) {
        while let Some(output) = self.acquirer.poll() {
            let (link, news) = match output {
                Output::Send { link, bytes } => (link, Some(bytes.to_vec())),
                Output::SendBare { link, bytes } => (link, Some(bytes)),
                Output::Close { link } | Output::Reset { link } => (link, None),
                Output::Record(_) | Output::Remark(_) | Output::Captured { .. } | Output::Listen(_) => continue,
            };
            let Some(connection) = self.line.filter(|line| LinkId(line.0.into()) == link) else { continue };
            let outs = match news {
                Some(bytes) => self.till.receive(connection, &bytes),
                None => {
                    self.line = None;
                    self.till.tell(HostEvent::Closed { connection, evidence: "end of stream".into() })
                }
            };
            self.outs.extend(outs);
        }
    }
}

/// Repeats an upload until the host has it, as the daemon does; gives how often it was sent.
fn forward(world: &mut World, sale: &OfflineSale) -> u32 {
    for attempt in 0..60 {
        // What is left over of the exchange before is nobody's any more.
        world.outs.clear();
        let request = HostRequest::OfflineSale { sale: Box::new(sale.clone()), repeat: attempt > 0 };
        match world.ask(request) {
            Ok(HostAnswer::OfflineSale(SaleAnswer { response, mac, .. })) if mac != MacCheck::Bad => {
                if response.approved() || response.code == "94" {
                    return attempt + 1;
                }
            }
            Ok(HostAnswer::OfflineSale(_)) | Err(_) => {}
            Ok(other) => panic!("{other:?}"),
        }
    }
    panic!("sixty times in vain");
}

fn numbered(trace: u32, minor: u64) -> OfflineSale {
    let money = Money { amount: Amount::new(minor).unwrap(), currency: Currency::CNY };
    OfflineSale { stan: stan(trace), money, tags: tags(minor), ..offline_sale() }
}

/// The card's data for this amount.
fn tags(minor: u64) -> SecretBytes {
    let text = host_support::hex(card().request_tags.expose());
    let amounts = [format!("9F0206{:012}", 100), format!("9F0206{minor:012}")];
    assert!(text.contains(&amounts[0]));
    SecretBytes::new(host_support::unhex(&text.replace(&amounts[0], &amounts[1])))
}

fn fault() -> impl Strategy<Value = String> {
    let kinds = [
        "ignore",
        "drop",
        "close before",
        "close after",
        "html",
        "delay 700",
        "delay 50000",
        "late 300",
        "late 50000",
        "duplicate",
        "foreign",
        "foreign only",
        "garbage",
        "garbage raw",
        "half",
        "half hang",
        "oversize",
        "wrong-mac",
        "code 91",
        "code 96",
        "code 51",
        "code 05 charged",
        "asks 3",
    ];
    let named = prop::sample::select(kinds.to_vec()).prop_map(str::to_owned);
    let flipped = (0..1200_u16).prop_map(|bit| format!("bitflip {bit}"));
    let kind = prop_oneof![4 => named, 1 => flipped];
    let connecting = prop::sample::select(vec!["refuse x1", "connect close", "connect html", "hang-accept"]);
    prop_oneof![
        8 => (kind, 0..4_u8).prop_map(|(kind, skip)| format!("upload {kind} skip {skip}")),
        1 => connecting.prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_upload_is_charged_exactly_once_whatever_happens_on_the_way(
        amounts in prop::collection::vec(1..30_000_u64, 1..8),
        faults in prop::collection::vec(fault(), 0..24),
        marked: bool,
        repeats_are_00: bool,
    ) {
        let local = if marked { "[offline]\nrepeat = \"0221\"\n" } else { "" };
        let repeat_code = if repeats_are_00 { "00" } else { "94" }.to_owned();
        let mut world = World::new(local, Settings { repeat_code, ..Settings::default() });
        for fault in &faults {
            world.order(&format!("fault {fault}"));
        }
        let mut sent = 0;
        for (trace, minor) in (10..).zip(&amounts) {
            sent += u64::from(forward(&mut world, &numbered(trace, *minor)));
        }
        let ledger = world.ledger();
        let offline = &ledger["offline"];
        prop_assert_eq!(offline["charged"].as_u64().unwrap(), amounts.len() as u64);
        prop_assert_eq!(offline["charged_sum"].as_u64().unwrap(), amounts.iter().sum::<u64>());
        prop_assert_eq!((&offline["declined"], &ledger["uploads_conflicting"]), (&Json::from(0), &Json::from(0)));
        let of = |mti: &str| ledger["requests"][mti].as_u64().unwrap_or(0);
        prop_assert!(of("0220") + of("0221") <= sent);
        prop_assert!(marked || of("0221") == 0);
    }
}

#[test]
fn the_answer_to_a_sale_is_all_that_a_script_report_needs() {
    let mut world = World::new("", Settings { check_arqc: false, ..Settings::default() });
    world.order("fault 0200 script");
    let Ok(HostAnswer::Sale(sold)) = world.ask(sale()) else { panic!("no sale") };
    assert!(sold.response.approved() && sold.mac == MacCheck::Good && sold.issuer_script);
    let HostRequest::ScriptReport { stan: own, report } = script_report() else { panic!() };
    let report = ScriptReport {
        original: (stan(3), batch(2), sold.host_date.unwrap()),
        money: money(),
        pin_sent: false,
        acquirer: sold.acquirer,
        rrn: sold.rrn,
        auth_code: sold.auth_code,
        ..*report
    };
    let asked = world.ask(HostRequest::ScriptReport { stan: own, report: Box::new(report) });
    assert!(matches!(asked, Ok(HostAnswer::ScriptReport(response)) if response.code == "00"));
    let ledger = world.ledger();
    assert_eq!((&ledger["script_reports"], &ledger["script_reports_unasked"]), (&Json::from(1), &Json::from(0)));
    assert_eq!(ledger["scripts_issued"], 1);
}

#[test]
fn a_sale_and_an_upload_in_one_batch_are_both_charged_and_told_apart() {
    let mut world = World::new("", Settings::default());
    let card = CardRead { request_tags: tags(250), ..card() };
    let money = Money { amount: Amount::new(250).unwrap(), currency: Currency::CNY };
    let online = SaleRequest { stan: stan(9), batch: batch(2), money, card, pin_block: None };
    assert!(matches!(world.ask(HostRequest::Sale(Box::new(online))), Ok(HostAnswer::Sale(a)) if a.response.approved()));
    assert_eq!(forward(&mut world, &numbered(10, 300)), 1);
    let ledger = world.ledger();
    assert_eq!(
        (&ledger["online"]["charged_sum"], &ledger["offline"]["charged_sum"]),
        (&Json::from(250), &Json::from(300))
    );
    assert_eq!(ledger["charged_sum"], 550);
}

#[test]
fn after_the_host_has_lost_its_keys_an_upload_waits_for_the_next_sign_in() {
    let mut world = World::new("", Settings::default());
    world.order("forget-keys");
    let sale = numbered(10, 300);
    let request = |repeat| HostRequest::OfflineSale { sale: Box::new(sale.clone()), repeat };
    let refused = world.ask(request(false));
    assert!(matches!(refused, Ok(HostAnswer::OfflineSale(a)) if a.response.code == "A0" && a.mac == MacCheck::NotDue));
    world.sign_in();
    assert_eq!(forward(&mut world, &sale), 1);
    assert_eq!(world.ledger()["offline"]["charged"], 1);
}
