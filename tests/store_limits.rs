//! What it proves: each limit of offline payments alone refuses, in the very commit that would store the payment, with its
//! own word; at the limit it passes; and what is refused leaves nothing.

mod store_common;

use std::path::Path;
use std::time::Duration;

use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::offline::{Forwarding, OfflineLimits, OfflineMoment, OfflineRefusal};
use smartpos::domain::time::WallTime;
use smartpos::engine::record::{Record, Verdict};
use smartpos::store::vault::Vault;
use smartpos::store::{OpenOptions, Store};
use store_common::*;

const FREE: u64 = 1 << 30;

/// A store on a disk with room for as much as is known.
fn open_with_room(directory: &Path) -> Store {
    let options = OpenOptions { free_bytes: |_| Some(FREE), ..OpenOptions::default() };
    Store::open_on(&database(directory), Vault::new(&[7; 32]), &options).unwrap()
}

/// Three unsent payments, one of them held, accepted 100, 101 and 102 s after `AT`; and one that the host has.
fn with_some_unsent(directory: &Path) -> Store {
    let mut store = open_with_room(directory);
    for id in 100..=103 {
        sale_offline(&mut store, id);
    }
    store.commit(AT, &[forwarded(101, Forwarding::Held)]).unwrap();
    store.commit(AT, &[forwarded(103, Forwarding::Accepted), wiped(103)]).unwrap();
    store
}

fn wiped(id: u64) -> Record {
    Record::CardDataWiped { id: smartpos::domain::ids::TransactionId(id) }
}

/// Asks for payment 200 of 1200 fen, 1000 s after `AT`, with these limits.
fn ask(store: &mut Store, limits: OfflineLimits, change: impl FnOnce(&mut OfflineMoment)) -> Verdict {
    let mut moment = OfflineMoment { at: WallTime(AT.0 + 1_000_000_000), ..moment(200) };
    change(&mut moment);
    let record = Record::Queued {
        view: Box::new(offline(200)),
        next: stan(201),
        sale: Box::new(offline_sale(200)),
        limits: Box::new(limits),
        moment,
    };
    store.commit(AT, &[record]).unwrap().verdict.unwrap()
}

/// One line of the table: the limits as they just pass and as they just refuse.
type Row = (OfflineRefusal, OfflineLimits, OfflineLimits);

fn table() -> Vec<Row> {
    let seconds = Duration::from_secs;
    let micro = Duration::from_micros(1);
    // 1100 + 1101 + 1102 fen are unsent, 1200 are asked for.
    vec![
        (OfflineRefusal::Disabled, no_limits(), OfflineLimits { enabled: false, ..no_limits() }),
        (
            OfflineRefusal::Amount,
            OfflineLimits { per_sale: 1200, ..no_limits() },
            OfflineLimits { per_sale: 1199, ..no_limits() },
        ),
        (OfflineRefusal::Sum, OfflineLimits { sum: 4503, ..no_limits() }, OfflineLimits { sum: 4502, ..no_limits() }),
        (OfflineRefusal::Count, OfflineLimits { count: 4, ..no_limits() }, OfflineLimits { count: 3, ..no_limits() }),
        (
            OfflineRefusal::Age,
            OfflineLimits { oldest: seconds(900), ..no_limits() },
            OfflineLimits { oldest: seconds(900) - micro, ..no_limits() },
        ),
        (
            OfflineRefusal::SignInAge,
            OfflineLimits { sign_in: seconds(1000), ..no_limits() },
            OfflineLimits { sign_in: seconds(1000) - micro, ..no_limits() },
        ),
        (
            OfflineRefusal::Card,
            OfflineLimits { per_card_per_day: 1, ..no_limits() },
            OfflineLimits { per_card_per_day: 0, ..no_limits() },
        ),
        (
            OfflineRefusal::Storage,
            OfflineLimits { free_bytes: FREE, ..no_limits() },
            OfflineLimits { free_bytes: FREE + 1, ..no_limits() },
        ),
    ]
}

#[test]
fn each_limit_alone_refuses_and_what_is_at_the_limit_passes() {
    for (refusal, passes, refuses) in table() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = with_some_unsent(directory.path());
        store.commit(AT, &[create(200)]).unwrap();
        let before = contents(&store);
        let verdict = ask(&mut store, refuses, |_| {});
        assert_eq!((verdict.id.0, verdict.result), (200, Err(refusal)));
        assert_eq!(verdict.totals.count(), 3, "{refusal}");
        assert_eq!(contents(&store), before, "{refusal}: a refused payment left something");
        let verdict = ask(&mut store, passes, |_| {});
        assert_eq!((verdict.result, verdict.totals.count(), verdict.totals.sum), (Ok(()), 4, 4503), "{refusal}");
        assert_eq!(store.load().unwrap().next_stan, stan(201));
    }
}

#[test]
fn a_refused_payment_does_not_take_the_rest_of_its_commit_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open_with_room(directory.path());
    store.commit(AT, &[create(1)]).unwrap();
    let Record::Queued { view, next, sale, moment, .. } = queue(1) else { unreachable!() };
    let refused = Record::Queued { view, next, sale, limits: Box::new(OfflineLimits::default()), moment };
    let verdict = store.commit(AT, &[create(2), refused, create(3)]).unwrap().verdict.unwrap();
    assert_eq!(verdict.result, Err(OfflineRefusal::Disabled));
    let found = store.load().unwrap();
    assert_eq!(found.open.iter().map(|v| v.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((found.next_stan, found.queue.count()), (stan(1), 0));
}

#[test]
fn a_card_is_counted_by_the_day_whatever_became_of_its_payments() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open_with_room(directory.path());
    let limits = OfflineLimits { per_card_per_day: 2, ..no_limits() };
    let mut use_card = |id: u64, day: u32| {
        store.commit(AT, &[create(id)]).unwrap();
        let mut sale = offline_sale(id);
        sale.pan = card(77);
        let record = Record::Queued {
            view: Box::new(offline(id)),
            next: stan(id).next(),
            sale: Box::new(sale),
            limits: Box::new(limits.clone()),
            moment: OfflineMoment { day, ..moment(id) },
        };
        let verdict = store.commit(AT, &[record]).unwrap().verdict.unwrap();
        if verdict.result.is_ok() {
            store.commit(AT, &[forwarded(id, Forwarding::Accepted), wiped(id)]).unwrap();
        }
        verdict.result
    };
    assert_eq!(use_card(1, 10), Ok(()));
    assert_eq!(use_card(2, 10), Ok(()));
    assert_eq!(use_card(3, 10), Err(OfflineRefusal::Card), "though the host has both");
    assert_eq!(use_card(4, 11), Ok(()), "another day");
}

#[test]
fn a_card_on_the_deny_list_is_refused_however_it_came_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open_with_room(directory.path());
    // Refused by the host when it was forwarded.
    sale_offline(&mut store, 200);
    let id = smartpos::domain::ids::TransactionId(200);
    store.commit(AT, &[forwarded(200, Forwarding::Held), Record::CardDenied { id }]).unwrap();
    // By a person; twice does not hurt.
    store.deny_card(AT, &card(300), "stolen, 6225000000000000300 is its number").unwrap();
    store.deny_card(AT, &card(300), "again").unwrap();
    for (payment, denied) in [(201, 200), (202, 300)] {
        store.commit(AT, &[create(payment)]).unwrap();
        let mut sale = offline_sale(payment);
        sale.pan = card(denied);
        let Record::Queued { view, next, limits, moment, .. } = queue(payment) else { unreachable!() };
        let record = Record::Queued { view, next, limits, moment, sale: Box::new(sale) };
        assert_eq!(store.commit(AT, &[record]).unwrap().verdict.unwrap().result, Err(OfflineRefusal::Denied));
    }
    drop(store);
    let mut store = open_with_room(directory.path());
    assert_eq!(store.commit(AT, &[create(203), queue(203)]).unwrap().verdict.unwrap().result, Ok(()));
}

#[test]
fn an_age_that_cannot_be_true_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = with_some_unsent(directory.path());
    store.commit(AT, &[create(200)]).unwrap();
    let ahead = |moment: &mut OfflineMoment| moment.signed_in_at = WallTime(moment.at.0 + 601_000_000);
    assert_eq!(ask(&mut store, no_limits(), ahead).result, Err(OfflineRefusal::Clock));
    let back = |moment: &mut OfflineMoment| {
        moment.at = WallTime(AT.0 - 600_000_000);
        moment.signed_in_at = moment.at;
    };
    assert_eq!(ask(&mut store, no_limits(), back).result, Err(OfflineRefusal::Clock), "the oldest lies ahead");
    let a_little = |moment: &mut OfflineMoment| moment.signed_in_at = WallTime(moment.at.0 + 2_000_000);
    assert_eq!(ask(&mut store, no_limits(), a_little).result, Ok(()));
}

#[test]
fn a_disk_that_does_not_tell_its_room_counts_as_full() {
    let directory = tempfile::tempdir().unwrap();
    let options = OpenOptions { free_bytes: |_| None, ..OpenOptions::default() };
    let mut store = Store::open_on(&database(directory.path()), Vault::new(&[7; 32]), &options).unwrap();
    let verdict = store.commit(AT, &[create(1), queue(1)]).unwrap().verdict.unwrap();
    assert_eq!(verdict.result, Err(OfflineRefusal::Storage));
}

#[test]
fn money_of_another_currency_is_counted_apart() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = with_some_unsent(directory.path());
    let money = Money { amount: Amount::new(5000).unwrap(), currency: "HKD".parse::<Currency>().unwrap() };
    let mut view = created(200);
    view.money = money;
    store.commit(AT, &[Record::Created { view: Box::new(view), fingerprint: String::new() }]).unwrap();
    let (mut view, mut sale) = (offline(200), offline_sale(200));
    (view.money, sale.money) = (money, money);
    let limits = Box::new(OfflineLimits { sum: 5000, ..no_limits() });
    let (view, sale) = (Box::new(view), Box::new(sale));
    let record = Record::Queued { view, sale, limits, next: stan(201), moment: moment(200) };
    let verdict = store.commit(AT, &[record]).unwrap().verdict.unwrap();
    assert_eq!((verdict.result, verdict.totals.sum, verdict.totals.count()), (Ok(()), 5000, 4));
}

#[test]
fn what_is_sent_cannot_differ_in_money_from_what_was_shown() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open_with_room(directory.path());
    store.commit(AT, &[create(1)]).unwrap();
    let Record::Queued { view, next, limits, moment, .. } = queue(1) else { unreachable!() };
    let record = Record::Queued { view, next, limits, moment, sale: Box::new(offline_sale(2)) };
    store.commit(AT, &[record]).unwrap_err();
    assert_eq!(store.load().unwrap().queue.count(), 0);
}
