//! What it proves: what is unsent is counted without a slip, listed oldest first, handed out one by one at a cost that does
//! not grow with the queue, and never leaves it but by the host's word or a person's.

mod store_common;

use smartpos::domain::host::ReversalReason;
use smartpos::domain::ids::{AuthCode, Batch, Rrn, TransactionId};
use smartpos::domain::offline::{Forwarding, OfflineMoment, QueueTotals, ReversalStanding, ScriptReport};
use smartpos::domain::pan::Pan;
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::time::{ClockAnchor, Instant, WallTime};
use smartpos::engine::command::QueueFilter;
use smartpos::engine::record::{QueueHead, Record};
use smartpos::store::{Store, StoreError};
use store_common::*;

fn id(n: u64) -> TransactionId {
    TransactionId(n)
}

fn wiped(n: u64) -> Record {
    Record::CardDataWiped { id: id(n) }
}

/// What the tables hold, counted row by row.
fn recount(store: &Store) -> QueueTotals {
    let mut totals = QueueTotals::default();
    let mut after = None;
    loop {
        let page = store.list_queue(&QueueFilter { held: false, after, limit: 7 }).unwrap();
        let Some(last) = page.last() else { return totals };
        after = Some(last.id);
        for view in page.iter().filter(|v| v.outcome != Some(smartpos::domain::outcome::Outcome::Unknown)) {
            match view.forwarding.unwrap() {
                Forwarding::Waiting | Forwarding::InFlight => totals.waiting += 1,
                Forwarding::Held => totals.held += 1,
                Forwarding::Accepted | Forwarding::Abandoned => panic!("{} is not unsent", view.id),
            }
            totals.sum += view.money.amount.minor();
            let at = moment(view.id.0).at;
            totals.oldest = Some(totals.oldest.map_or(at, |oldest| oldest.min(at)));
        }
    }
}

/// Numbers that look random and are the same each time.
fn dice(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn the_totals_equal_a_recount_after_any_sequence_of_changes() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let mut state = 88_172_645_463_325_252;
    let mut stands: Vec<Forwarding> = Vec::new();
    for step in 0..400 {
        let n = stands.len() as u64;
        if step % 4 == 0 {
            sale_offline(&mut store, n + 1);
            stands.push(Forwarding::Waiting);
        } else {
            let at = usize::try_from(dice(&mut state) % n).unwrap();
            let to = Forwarding::ALL[usize::try_from(dice(&mut state) % 5).unwrap()];
            let over = !to.unsent();
            let mut records = vec![forwarded(at as u64 + 1, to)];
            if over {
                records.push(wiped(at as u64 + 1));
            }
            // What the host has, and what was given up, stays so: only its end may be told again.
            let may = match stands[at] {
                Forwarding::Accepted => to == Forwarding::Accepted,
                Forwarding::Abandoned => over,
                Forwarding::Waiting | Forwarding::InFlight | Forwarding::Held => true,
            };
            assert_eq!(store.commit(AT, &records).is_ok(), may, "{} to {to}", stands[at]);
            if may {
                stands[at] = to;
            }
        }
        assert_eq!(store.queue_totals().unwrap(), recount(&store), "step {step}");
    }
    assert!(Forwarding::ALL.iter().all(|f| stands.contains(f)));
    let before = store.queue_totals().unwrap();
    drop(store);
    assert_eq!(open(directory.path()).load().unwrap().queue, before);
}

/// All that can be sent, in the order it is handed out.
fn heads(store: &Store) -> Vec<u64> {
    let mut found = Vec::new();
    let mut after = None;
    while let Some(QueueHead { view, .. }) = store.next_queued(after).unwrap() {
        found.push(view.id.0);
        after = Some(view.id);
    }
    found
}

#[test]
fn payments_are_handed_out_oldest_first_and_held_ones_do_not_stand_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    assert!(store.next_queued(None).unwrap().is_none());
    // Payment 4 was made first but accepted after 5; 6 at the same moment as 5.
    for (n, second) in [(2, 2), (3, 3), (5, 10), (4, 20), (6, 10)] {
        let Record::Queued { view, next, sale, limits, .. } = queue(n) else { unreachable!() };
        let at = OfflineMoment { at: WallTime(AT.0 + second * 1_000_000), ..moment(n) };
        let queued = Record::Queued { view, next, sale, limits, moment: at };
        store.commit(AT, &[create(n), queued]).unwrap();
    }
    assert_eq!(heads(&store), [2, 3, 5, 6, 4]);
    store.commit(AT, &[forwarded(3, Forwarding::Held)]).unwrap();
    store.commit(AT, &[forwarded(5, Forwarding::InFlight)]).unwrap();
    assert_eq!(heads(&store), [2, 5, 6, 4]);
    // Behind one that has gone meanwhile.
    store.commit(AT, &[forwarded(5, Forwarding::Accepted), wiped(5)]).unwrap();
    assert_eq!(store.next_queued(Some(id(5))).unwrap().unwrap().view.id, id(6));
    assert!(store.next_queued(Some(id(4))).unwrap().is_none());
    assert!(store.next_queued(Some(id(99))).unwrap().is_none(), "behind a payment that never was");
}

#[test]
fn a_head_holds_exactly_what_is_to_be_sent_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale_offline(&mut store, 1);
    drop(store);
    let head = open(directory.path()).next_queued(None).unwrap().unwrap();
    assert!(head.sale == offline_sale(1));
    assert_eq!(head.accepted_at, moment(1).at);
    let nobody = smartpos::engine::command::Caller { uid: 1000, connection: String::new() };
    let expected = smartpos::engine::snapshot::TransactionView { owner: nobody, ..offline(1) };
    // How a payment may be accepted was said when it was created.
    assert_eq!(head.view, smartpos::engine::snapshot::TransactionView { mode: created(1).mode, ..expected });
}

#[test]
fn card_data_of_an_unsent_payment_cannot_be_wiped_and_afterwards_they_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    sale_offline(&mut store, 1);
    assert!(matches!(store.commit(AT, &[wiped(1)]), Err(StoreError::Impossible(_))));
    assert!(store.commit(AT, &[wiped(2)]).is_err());
    assert_eq!(heads(&store), [1]);
    // In either order within a commit.
    store.commit(AT, &[wiped(1), forwarded(1, Forwarding::Abandoned)]).unwrap();
    drop(store);
    let db = rusqlite::Connection::open(database(directory.path())).unwrap();
    let sealed: Option<Vec<u8>> = db.query_row("SELECT sealed FROM offline", [], |r| r.get(0)).unwrap();
    assert_eq!(sealed, None);
}

#[test]
fn a_payment_that_is_not_stored_cannot_be_forwarded() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.commit(AT, &[create(1)]).unwrap();
    store.commit(AT, &[forwarded(1, Forwarding::Waiting)]).unwrap_err();
    store.commit(AT, &[create(2), queue(2)]).unwrap();
    assert!(store.commit(AT, &[queue(2)]).is_err(), "nor stored twice");
    let out_of_the_queue = smartpos::engine::snapshot::TransactionView { forwarding: None, ..offline(2) };
    store.commit(AT, &[change(out_of_the_queue)]).unwrap_err();
    assert_eq!(heads(&store), [2]);
}

fn listed(store: &Store, held: bool, after: Option<u64>, limit: u16) -> Vec<(u64, Forwarding, u32)> {
    let filter = QueueFilter { held, after: after.map(id), limit };
    let page = store.list_queue(&filter).unwrap();
    page.iter().map(|v| (v.id.0, v.forwarding.unwrap(), v.attempts)).collect()
}

#[test]
fn the_list_shows_payments_and_reversals_with_their_tries_oldest_first() {
    use Forwarding::{Held, InFlight, Waiting};
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    // A request under way has a reversal on disk, but it is not an open one.
    for n in [1, 2, 3] {
        store.commit(AT, &[create(n)]).unwrap();
        store.commit(AT, &[send(n)]).unwrap();
    }
    for n in [1, 2] {
        let due = Record::ReversalDue { id: id(n), reason: ReversalReason::NoAnswer };
        store.commit(AT, &[change(reversing(n)), due]).unwrap();
    }
    let tried = |n, attempts, standing| Record::ReversalTried { id: id(n), attempts, standing };
    store.commit(AT, &[tried(1, 4, ReversalStanding::Held)]).unwrap();
    store.commit(AT, &[tried(2, 2, ReversalStanding::Due)]).unwrap();
    for n in 10..=13 {
        sale_offline(&mut store, n);
    }
    store.commit(AT, &[forwarded(10, InFlight)]).unwrap();
    store.commit(AT, &[forwarded(12, Held)]).unwrap();
    store.commit(AT, &[forwarded(13, Forwarding::Accepted), wiped(13)]).unwrap();
    let all = [(1, Held, 4), (2, Waiting, 2), (10, InFlight, 1), (11, Waiting, 0), (12, Held, 1)];
    assert_eq!(listed(&store, false, None, 500), all);
    assert_eq!(listed(&store, true, None, 500), [(1, Held, 4), (12, Held, 1)]);
    assert_eq!(listed(&store, false, Some(2), 2), all[2..4]);
    assert_eq!(listed(&store, false, Some(13), 2), [], "13 has left the queue, and is still a place in it");
    assert_eq!(listed(&store, false, Some(99), 2), []);
    assert_eq!(listed(&store, true, Some(1), 1), [(12, Held, 1)]);
    store.commit(AT, &[tried(1, 5, ReversalStanding::Waived)]).unwrap();
    assert_eq!(listed(&store, true, None, 1), [(1, Held, 5)]);
    let found = store.load().unwrap();
    let standing = found.reversals.iter().map(|r| (r.id.0, r.attempts, r.standing)).collect::<Vec<_>>();
    use ReversalStanding::{Due, Waived};
    assert_eq!(standing, [(1, 5, Waived), (2, 2, Due), (3, 0, Due)]);
    assert_eq!(found.open.iter().map(|v| v.attempts).collect::<Vec<_>>(), [5, 2, 0]);
}

fn report(n: u64) -> ScriptReport {
    ScriptReport {
        original: (stan(n), Batch::new(7).unwrap(), "1124".to_owned()),
        money: created(n).money,
        pan: Pan::new(PAN).unwrap(),
        sequence_number: Some(1),
        pin_sent: false,
        acquirer: Some("00000000".to_owned()),
        rrn: Rrn::new("000000000042"),
        auth_code: AuthCode::new("A1"),
        tags: SecretBytes::new(vec![0xDF, 0x31, 0x05]),
    }
}

#[test]
fn a_script_report_is_kept_until_it_leaves_and_the_clock_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for n in [1, 2] {
        sale(&mut store, n);
        store.commit(AT, &[Record::ScriptDue { id: id(n), report: Box::new(report(n)) }]).unwrap();
    }
    let clock = ClockAnchor { boot: "b".to_owned(), mono: Instant(5), wall: AT };
    store.commit(AT, &[Record::ClockTrusted(clock.clone())]).unwrap();
    drop(store);
    let mut store = open(directory.path());
    let found = store.load().unwrap();
    assert_eq!(found.clock, Some(clock));
    assert!(found.scripts.len() == 2 && found.scripts[1].report == report(2) && found.scripts[1].id == id(2));
    store.commit(AT, &[Record::ScriptSent { id: id(1), next: stan(9) }]).unwrap();
    let found = store.load().unwrap();
    assert_eq!((found.scripts.len(), found.next_stan), (1, stan(9)));
    assert!(store.commit(AT, &[Record::ScriptSent { id: id(1), next: stan(10) }]).is_err(), "it is sent once");
}

/// As many queued payments as there may be, straight into the tables: `accept` is not what is measured.
fn fill(store: Store, directory: &std::path::Path, count: u64) -> Store {
    drop(store);
    let mut db = rusqlite::Connection::open(database(directory)).unwrap();
    let tx = db.transaction().unwrap();
    for sql in [
        "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1000 + ?1 - 1)
         INSERT INTO payment (id, uid, key, fingerprint, kind, amount, currency, state, outcome, evidence, created_at)
         SELECT i, 1000, 'k' || i, 'f', 'sale', 1000 + i, 'CNY', 'finished', 'approved-offline', '', 0 FROM n",
        "INSERT INTO offline (id, accepted_at, day, card, sealed)
         SELECT id, 1795492900000000 + id, 1, randomblob(16), zeroblob(300) FROM payment WHERE id >= 1000 AND ?1 > 0",
        "UPDATE payment SET forwarding = CASE id % 10 WHEN 0 THEN 'held' ELSE 'waiting' END WHERE id >= 1000 AND ?1 > 0",
    ] {
        tx.execute(sql, [i64::try_from(count).unwrap()]).unwrap();
    }
    tx.commit().unwrap();
    drop(db);
    open(directory)
}

/// How often this thread reads from a file: no clock, so that a busy machine changes nothing.
fn pages_read(work: impl FnOnce()) -> u64 {
    let read = || {
        let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        let line = io.lines().find_map(|l| l.strip_prefix("syscr: ")).unwrap();
        line.parse::<u64>().unwrap()
    };
    let before = read();
    work();
    read() - before
}

#[test]
fn a_long_queue_costs_no_more_per_payment_than_a_short_one() {
    let few = tempfile::tempdir().unwrap();
    let many = tempfile::tempdir().unwrap();
    let mut starts = Vec::new();
    let costs = [(few.path(), 10), (many.path(), 100_000)].map(|(directory, count)| {
        let mut store = open(directory);
        sale_offline(&mut store, 1);
        drop(fill(store, directory, count));
        let mut store = None;
        starts.push(pages_read(|| {
            let opened = open(directory);
            opened.load().unwrap();
            store = Some(opened);
        }));
        let mut store = store.unwrap();
        let totals = store.queue_totals().unwrap();
        assert_eq!(u64::from(totals.count()), count + 1);
        assert_eq!(totals.sum, 1001 + (1000..1000 + count).map(|i| 1000 + i).sum::<u64>());
        assert_eq!(totals.oldest, Some(moment(1).at));
        pages_read(|| {
            for n in 1..=20 {
                assert_eq!(store.next_queued(None).unwrap().unwrap().view.id, id(n));
                store.commit(AT, &[forwarded(n, Forwarding::InFlight)]).unwrap();
                store.commit(AT, &[forwarded(n, Forwarding::Accepted), wiped(n)]).unwrap();
                assert_eq!(store.queue_totals().unwrap().oldest, Some(WallTime(1_795_492_900_001_000)));
                assert_eq!(store.list_queue(&QueueFilter { held: true, after: None, limit: 1 }).unwrap().len(), 1);
                sale_offline(&mut store, n + 1);
            }
        })
    });
    assert!(starts[1] < starts[0] + 50, "a start reads {starts:?} times");
    let [few, many] = costs;
    // A deeper tree may cost some pages more, a scan would cost thousands.
    assert!(many < few + 200, "{few} reads with 10 queued, {many} with 100 000");
}
