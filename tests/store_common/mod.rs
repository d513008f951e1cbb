//! Payments and records for the tests of the store.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::cause::Cause;
use smartpos::domain::host::{ReversalReason, ReversalRequest};
use smartpos::domain::ids::{
    AuthCode, Batch, IdempotencyKey, MerchantId, Rrn, Stan, TerminalId, TransactionCode, TransactionId,
};
use smartpos::domain::offline::{Forwarding, OfflineLimits, OfflineMode, OfflineMoment, OfflineSale};
use smartpos::domain::outcome::{Outcome, TransactionKind, TransactionState};
use smartpos::domain::pan::Pan;
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::time::{Instant, Now, WallTime};
use smartpos::engine::command::{Caller, ListFilter, NewTransaction};
use smartpos::engine::record::Record;
use smartpos::engine::settings::{ForwardSettings, Settings};
use smartpos::engine::snapshot::TransactionView;
use smartpos::store::Store;
use smartpos::store::vault::Vault;

pub const PAN: &str = "6225887654321098765";
pub const EVERYTHING: ListFilter = ListFilter { uid: None, outcome: None, before: None, limit: 500 };

/// When the commits of these tests take place.
pub const AT: WallTime = WallTime(1_795_492_800_000_000);

pub fn database(directory: &Path) -> PathBuf {
    directory.join("pos.db")
}

pub fn log(directory: &Path) -> PathBuf {
    directory.join("pos.db-wal")
}

pub fn open(directory: &Path) -> Store {
    Store::open(&database(directory), Vault::new(&[7; 32])).unwrap()
}

/// A payment as it is created.
pub fn created(id: u64) -> TransactionView {
    let new = NewTransaction {
        caller: Caller { uid: 1000, connection: ":1.5".to_owned() },
        kind: TransactionKind::Sale,
        key: IdempotencyKey::new(&format!("order-{id}")).unwrap(),
        money: Money { amount: Amount::new(1000 + id).unwrap(), currency: Currency::CNY },
        confirm_amount: None,
        detached: false,
        reference: Some(format!("table {id}")),
        mode: OfflineMode::OnlineOnly,
    };
    TransactionView::new(TransactionId(id), new, WallTime(1_795_492_800_000_000 + id))
}

/// The same with its request on the way.
pub fn sent(id: u64) -> TransactionView {
    let (batch, stan) = (Batch::new(7).unwrap(), stan(id));
    TransactionView {
        state: TransactionState::Authorising,
        code: Some(TransactionCode::new(&TerminalId::new("99000001").unwrap(), batch, stan)),
        stan: Some(stan),
        batch: Some(batch),
        masked_pan: Some(Pan::new(PAN).unwrap().masked()),
        scheme: Some("unionpay".to_owned()),
        ..created(id)
    }
}

/// The same with everything an answer brings.
pub fn approved(id: u64) -> TransactionView {
    TransactionView {
        state: TransactionState::Finished,
        outcome: Some(Outcome::Approved),
        rrn: Rrn::new("000000000042"),
        auth_code: AuthCode::new("A1B2C3"),
        response_code: Some("00".to_owned()),
        response_text: Some(("交易成功".to_owned(), "Approved".to_owned())),
        finished_at: Some(WallTime(1_795_492_805_000_000 + id)),
        ..sent(id)
    }
}

/// The same without an answer.
pub fn reversing(id: u64) -> TransactionView {
    TransactionView {
        state: TransactionState::Reversing,
        outcome: Some(Outcome::Unknown),
        cause: Some(Cause::B06),
        evidence: "no answer within 30 s".to_owned(),
        ..sent(id)
    }
}

/// The same with its reversal acknowledged.
pub fn taken_back(id: u64) -> TransactionView {
    TransactionView {
        state: TransactionState::Finished,
        outcome: Some(Outcome::Cancelled),
        reversed: true,
        finished_at: Some(WallTime(1_795_492_900_000_000 + id)),
        ..reversing(id)
    }
}

pub fn stan(id: u64) -> Stan {
    Stan::new(u32::try_from(id).unwrap()).unwrap()
}

pub fn reversal(id: u64) -> ReversalRequest {
    ReversalRequest {
        stan: stan(id),
        batch: Batch::new(7).unwrap(),
        money: created(id).money,
        pan: Pan::new(PAN).unwrap(),
        expiry: Some("3012".to_owned()),
        sequence_number: Some(1),
        pin_sent: true,
        tags: SecretBytes::new(vec![0x9F, 0x36, 0x02, 0x01, 0x42, 0x95, 0x05]),
        auth_code: None,
        reason: ReversalReason::Other,
    }
}

pub fn create(id: u64) -> Record {
    Record::Created { view: Box::new(created(id)), fingerprint: format!("sale|{id}") }
}

pub fn send(id: u64) -> Record {
    Record::Sent { view: Box::new(sent(id)), next: stan(id).next(), reversal: Box::new(reversal(id)) }
}

pub fn change(view: TransactionView) -> Record {
    Record::Changed { view: Box::new(view) }
}

pub fn close(id: u64) -> Record {
    Record::ReversalClosed { id: TransactionId(id), response_code: None }
}

/// The card of an offline payment: each its own.
pub fn card(id: u64) -> Pan {
    Pan::new(&format!("6225{id:015}")).unwrap()
}

pub fn offline_sale(id: u64) -> OfflineSale {
    OfflineSale {
        stan: stan(id),
        batch: Batch::new(7).unwrap(),
        money: created(id).money,
        pan: card(id),
        expiry: Some("3012".to_owned()),
        sequence_number: Some(1),
        tags: SecretBytes::new([reversal(1).tags.expose(), &[0x9F; 120]].concat()),
    }
}

/// The payment as it is when it was accepted offline.
pub fn offline(id: u64) -> TransactionView {
    TransactionView {
        state: TransactionState::Finished,
        outcome: Some(Outcome::ApprovedOffline),
        forwarding: Some(Forwarding::Waiting),
        mode: OfflineMode::PreferOnline,
        finished_at: Some(AT),
        ..sent(id)
    }
}

/// Limits that are never reached.
pub fn no_limits() -> OfflineLimits {
    OfflineLimits {
        enabled: true,
        per_sale: u64::MAX,
        sum: u64::MAX,
        count: u32::MAX,
        oldest: Duration::MAX,
        sign_in: Duration::MAX,
        per_card_per_day: u32::MAX,
        free_bytes: 0,
    }
}

/// The moment of an offline payment: each a second after the one before.
pub fn moment(id: u64) -> OfflineMoment {
    OfflineMoment { at: WallTime(AT.0 + id * 1_000_000), day: 20_781, signed_in_at: AT }
}

/// To be accepted offline.
pub fn queue(id: u64) -> Record {
    Record::Queued {
        view: Box::new(offline(id)),
        next: stan(id).next(),
        sale: Box::new(offline_sale(id)),
        limits: Box::new(no_limits()),
        moment: moment(id),
    }
}

/// An offline payment in its two commits; how it stands is changed from there.
pub fn sale_offline(store: &mut Store, id: u64) {
    store.commit(AT, &[create(id)]).unwrap();
    let committed = store.commit(AT, &[queue(id)]).unwrap();
    assert_eq!(committed.verdict.unwrap().result, Ok(()));
}

/// The same payment somewhere else on its way to the host.
pub fn forwarded(id: u64, forwarding: Forwarding) -> Record {
    change(TransactionView { forwarding: Some(forwarding), attempts: 1, ..offline(id) })
}

/// When the engine of these tests lives.
pub const NOW: Now = Now { mono: Instant(1_000_000), wall: WallTime(1_795_492_800_000_000) };

/// Of an engine on top of the store.
pub fn settings() -> Settings {
    Settings {
        terminal_id: TerminalId::new("99000001").unwrap(),
        merchant_id: MerchantId::new("104110045110001").unwrap(),
        currency: Currency::CNY,
        max_amount: 5_000_000,
        pin_above: 100_000,
        operator_required: false,
        confirm_amount: true,
        utc_offset_minutes: 480,
        card_wait: Duration::from_secs(60),
        start_wait: Duration::from_secs(300),
        keys_max_age: Duration::from_secs(86_400),
        clock_tolerance: Duration::from_secs(300),
        reader_power: false,
        scanner: false,
        reversal_ends: vec!["25".to_owned()],
        reversal_retries: 3,
        offline: OfflineLimits::default(),
        forwarding: ForwardSettings::default(),
        safe_mode: None,
        boot: "boot-1".to_owned(),
    }
}

/// One online sale, in the three commits the engine makes of it.
pub fn sale(store: &mut Store, id: u64) {
    store.commit(AT, &[create(id)]).unwrap();
    store.commit(AT, &[send(id)]).unwrap();
    store.commit(AT, &[close(id), change(approved(id))]).unwrap();
}

/// Everything the store says, as comparable text; the card number only as whether it is the right one.
pub fn contents(store: &Store) -> String {
    let mut text = String::new();
    let found = store.load().unwrap();
    writeln!(
        text,
        "{} {} {} {:?} {:?}",
        found.next_stan, found.batch, found.next_id, found.on_duty, found.signed_in_at
    )
    .unwrap();
    writeln!(text, "{:?} {:?}", found.queue, found.clock).unwrap();
    for r in &found.scripts {
        writeln!(text, "script {} {}", r.id, r.report.pan.expose() == PAN).unwrap();
    }
    for r in &found.reversals {
        writeln!(text, "{} {}", r.attempts, r.standing).unwrap();
        let q = &r.request;
        let right = q.pan.expose() == PAN && q.tags.expose() == reversal(1).tags.expose();
        writeln!(text, "reversal {} {} {} {} {:?} {:?}", r.id, q.stan, q.batch, q.reason, q.auth_code, q.money)
            .unwrap();
        writeln!(text, "  {right} {:?} {:?} {}", q.expiry, q.sequence_number, q.pin_sent).unwrap();
    }
    for o in &found.operators {
        writeln!(text, "operator {o:?}").unwrap();
    }
    for view in &found.open {
        writeln!(text, "open {}", view.id).unwrap();
    }
    for view in store.list(&EVERYTHING).unwrap() {
        let (again, fingerprint) = store.find_by_key(view.owner.uid, &view.key).unwrap().unwrap();
        assert_eq!(again, view);
        writeln!(text, "{fingerprint} {view:?}").unwrap();
    }
    let keys = store.working_keys().unwrap().map(|k| k.expose().to_vec());
    writeln!(text, "working keys {keys:?}, master key {}", store.master_key().unwrap().is_some()).unwrap();
    text
}

/// The files as a power cut leaves them.
pub fn copy_files(from: &Path, to: &Path) {
    for file in [database, log] {
        std::fs::copy(file(from), file(to)).unwrap();
    }
}

/// Runs one ignored test of this very binary in a process of its own, through these words of another program.
pub fn run_child(through: &[&str], test: &str, directory: &Path) -> std::process::Output {
    let program = std::env::current_exe().unwrap();
    let (first, rest) = through.split_first().unwrap();
    std::process::Command::new(first)
        .args(rest)
        .arg(program)
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD, directory)
        .output()
        .unwrap()
}

/// Where a child finds its directory.
pub fn child_directory() -> PathBuf {
    PathBuf::from(std::env::var_os(CHILD).expect("run by its parent test only"))
}

const CHILD: &str = "STORE_TEST_DIRECTORY";
