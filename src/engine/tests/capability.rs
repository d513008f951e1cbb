//! What can be paid now, for every cause of the catalogue: card online, card offline. A new cause does not compile until
//! somebody has said what it means for the till.

use std::time::Duration;

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::host::{KeyCheck, ProcessingRequest};
use crate::domain::offline::{OfflineLimits, OfflineRefusal};
use crate::domain::time::WallTime;
use crate::engine::command::{Command, Device};
use crate::engine::event::Event;
use crate::engine::offline::leaves_offline;
use crate::engine::settings::Settings;
use crate::engine::snapshot::WAYS;

fn bench() -> Bench {
    Bench::ready_with(offline_settings())
}

/// Signed in once, and now again with an end like this.
fn signing_in(end: impl FnOnce(&mut Bench)) -> Bench {
    let mut bench = bench();
    bench.send(Command::SignIn);
    bench.reach();
    end(&mut bench);
    bench
}

fn refused(code: &str) -> Bench {
    signing_in(|b| b.reply(sign_in_answer(code, KeyCheck::NotSent, ProcessingRequest::None)))
}

fn wrong_keys(cause: Cause) -> Bench {
    signing_in(|b| b.reply(sign_in_answer("00", bad_keys(cause), ProcessingRequest::None)))
}

fn device(device: Device, state: DeviceState, cause: Cause) -> Bench {
    let mut bench = bench();
    bench.device(device, state, Some(cause));
    bench
}

fn sale_answered(code: &str) -> Bench {
    let mut bench = bench();
    bench.authorising("1");
    bench.answer_sale(code);
    bench
}

/// The terminal in that trouble; `None` where the trouble is no state of the terminal but the answer to one call, a
/// notice, or one that the engine is not told of (it then says nothing about what can be paid).
fn in_trouble(cause: Cause) -> Option<Bench> {
    Some(match cause {
        Cause::N01
        | Cause::N02
        | Cause::N03
        | Cause::N04
        | Cause::N05
        | Cause::N06
        | Cause::N07
        | Cause::N08
        | Cause::N09
        | Cause::N10
        | Cause::B06 => signing_in(|b| b.fail(cause, false)),
        Cause::H01 => device(Device::Reader, DeviceState::Absent, cause),
        Cause::H10 => device(Device::Scanner, DeviceState::Absent, cause),
        Cause::H11 => device(Device::Scanner, DeviceState::Failed, cause),
        Cause::H02 | Cause::H03 | Cause::H09 => device(Device::Reader, DeviceState::Failed, cause),
        Cause::H05 => device(Device::Keypad, DeviceState::Absent, cause),
        Cause::H06 | Cause::H07 => device(Device::Keypad, DeviceState::Failed, cause),
        Cause::B01 => refused("91"),
        Cause::B02 => refused("97"),
        Cause::B03 => refused("03"),
        Cause::S06 => refused("30"),
        Cause::B04 => sale_answered("77"),
        Cause::K01 => sale_answered("A0"),
        Cause::K02 => sale_answered("99"),
        Cause::K03 | Cause::K05 => wrong_keys(cause),
        Cause::K04 => {
            let mut bench = bench();
            bench.master_key(None);
            bench
        }
        Cause::K06 => {
            let mut bench = bench();
            bench.pass(Duration::from_secs(86_401));
            bench
        }
        Cause::O01 | Cause::O03 => {
            let mut bench = Bench::ready_with(Settings { operator_required: true, ..offline_settings() });
            bench.set_operator("01", crate::domain::outcome::Role::Supervisor).unwrap();
            if cause == Cause::O01 {
                bench.operator_in("01", false).unwrap_err();
            }
            bench
        }
        Cause::O02 => {
            let mut bench = Bench::ready_with(Settings { operator_required: true, ..offline_settings() });
            bench.staffed();
            bench.ask(Command::OperatorSignOut).unwrap();
            for _ in 0..5 {
                drop(bench.operator_in("10", false));
                bench.pass(Duration::from_secs(70));
                if bench.wire == Wire::Reaching {
                    bench.sign_in_well();
                }
            }
            bench
        }
        Cause::S03 | Cause::S04 => {
            let asks = if cause == Cause::S03 {
                ProcessingRequest::UpdateSoftware
            } else {
                ProcessingRequest::DownloadParameters
            };
            signing_in(|b| b.reply(sign_in_answer("00", good_keys(), asks)))
        }
        Cause::P01 => {
            let mut bench = bench();
            bench.settings.boot = "another".to_owned();
            bench.restart();
            bench.devices_up();
            bench.load_master_key();
            bench
        }
        Cause::P02 | Cause::S02 => {
            let mut bench = bench();
            bench.event(Event::StorageChanged { fault: Some("no space left".to_owned()) });
            bench
        }
        Cause::H04
        | Cause::H08
        | Cause::S01
        | Cause::S05
        | Cause::S07
        | Cause::O04
        | Cause::O05
        | Cause::P03
        | Cause::P04 => {
            return None;
        }
    })
}

/// Card online, card offline.
fn expected(cause: Cause) -> (bool, bool) {
    match cause {
        // The line, the bank, the keys: only the host is out of reach.
        Cause::N01
        | Cause::N02
        | Cause::N03
        | Cause::N04
        | Cause::N05
        | Cause::N06
        | Cause::N07
        | Cause::N08
        | Cause::N10
        | Cause::B01
        | Cause::B04
        | Cause::B06
        | Cause::K01
        | Cause::K02
        | Cause::K03
        | Cause::K05
        | Cause::K06
        | Cause::S06 => (false, true),
        // Nobody may sell, nothing reads cards, nothing is safe.
        Cause::N09
        | Cause::H01
        | Cause::H02
        | Cause::H03
        | Cause::H09
        | Cause::S02
        | Cause::S07
        | Cause::O01
        | Cause::O02
        | Cause::O03
        | Cause::B02
        | Cause::B03
        | Cause::K04
        | Cause::P02 => (false, false),
        // A new boot: nothing is known of the time, and the sign-in is on its way.
        Cause::P01 => (false, false),
        // Notices, a scanner that no card payment misses, and a keypad without which cards that need no PIN still work.
        Cause::H04
        | Cause::H05
        | Cause::H06
        | Cause::H07
        | Cause::H08
        | Cause::H10
        | Cause::H11
        | Cause::S01
        | Cause::S03
        | Cause::S04
        | Cause::S05
        | Cause::O04
        | Cause::O05
        | Cause::P03
        | Cause::P04 => (true, true),
    }
}

#[test]
fn every_cause_leaves_the_ways_to_pay_that_the_table_says() {
    let mut tried = 0;
    for cause in Cause::ALL {
        let Some(bench) = in_trouble(*cause) else { continue };
        tried += 1;
        let [online, offline, qr, cash] = bench.engine.snapshot().capabilities;
        assert_eq!((online.available, offline.available), expected(*cause), "{cause}: {online:?} {offline:?}");
        assert!(!qr.available && cash.available, "{cause}");
        if !online.available && *cause != Cause::P01 && *cause != Cause::S02 {
            assert!(online.cause.is_some(), "{cause}: a way that does not work says why");
        }
        if !offline.available {
            assert!(offline.cause.is_some() || offline.refusal.is_some(), "{cause}: {offline:?}");
        }
    }
    assert_eq!(tried, Cause::ALL.len() - 9);
    assert_eq!(WAYS, ["card-online", "card-offline", "qr", "cash"]);
}

#[test]
fn a_cause_that_closes_the_terminal_closes_it_offline_too() {
    for cause in Cause::ALL {
        let (online, offline) = expected(*cause);
        assert!(online || offline == leaves_offline(*cause), "{cause}");
    }
}

#[test]
fn the_offline_row_says_up_to_what_and_until_when() {
    let limits = OfflineLimits { enabled: true, per_sale: 3_000, sum: 5_000, count: 3, ..OfflineLimits::default() };
    let mut bench = Bench::ready_with(Settings { offline: limits, ..settings() });
    let row = |b: &Bench| b.engine.snapshot().capabilities[1].clone();
    let signed_in = bench.engine.snapshot().terminal.signed_in_at.unwrap();
    let week = 7 * 86_400_000_000;
    assert_eq!((row(&bench).amount_left, row(&bench).count_left), (Some(3_000), Some(3)));
    assert_eq!(row(&bench).until, Some(WallTime(signed_in.0 + week)));
    let at = bench.now.wall;
    bench.accepted_offline("1", 3_000, "6200000000000000018");
    assert_eq!((row(&bench).amount_left, row(&bench).count_left), (Some(2_000), Some(2)));
    assert_eq!(row(&bench).until, Some(WallTime(at.0 + 86_400_000_000)), "the oldest must not become older");
    bench.accepted_offline("2", 1_999, "6200000000000000026");
    bench.accepted_offline("3", 1, "6200000000000000034");
    assert!(!row(&bench).available);
    assert_eq!(row(&bench).refusal, Some(OfflineRefusal::Count));
}

#[test]
fn a_terminal_whose_profile_allows_no_offline_says_so() {
    let bench = Bench::ready();
    let row = bench.engine.snapshot().capabilities[1].clone();
    assert_eq!((row.available, row.refusal, row.cause), (false, Some(OfflineRefusal::Disabled), None));
    assert_eq!((row.amount_left, row.count_left, row.until), (None, None, None));
}

#[test]
fn whose_payment_has_the_reader_is_visible_and_named_to_whoever_comes_second() {
    let mut bench = bench();
    let first = bench.create(1000, "1", 100);
    let second = bench.create(2000, "2", 100);
    bench.start(first).unwrap();
    assert_eq!(bench.engine.snapshot().terminal.active_owner.as_deref(), Some("uid 1000"));
    let refused = bench.ask(Command::Start { caller: caller(2000), id: second }).unwrap_err();
    assert!(refused.text.contains("uid 1000"), "{}", refused.text);
    bench.cancel(first).unwrap();
    assert_eq!(bench.engine.snapshot().terminal.active_owner, None);
}
