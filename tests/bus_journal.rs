//! What it proves: the journal is checked and read through the bus as the core tells it; a backup arrives in the caller's
//! file whole and only there; capabilities name the rule in the way and what is left.

#[path = "common/bus.rs"]
mod bus;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use bus::{App, Called, PrivateBus, Stage, World, none, pipe_with, refuse};
use smartpos::bus::names;
use smartpos::domain::offline::OfflineRefusal;
use smartpos::domain::time::WallTime;
use smartpos::engine::command::{Command, JournalCheck, RefusalKind, Reply};
use zbus::{Fd, OwnedVariant};

type Journal = Vec<(u64, u64, String, String)>;

#[tokio::test]
async fn a_whole_journal_and_a_broken_one_are_both_answers() {
    let Some(bus) = PrivateBus::start("a_whole_journal_and_a_broken_one_are_both_answers") else { return };
    let mut broken = false;
    let script = move |world: &mut World, command: Command| match command {
        Command::VerifyJournal if std::mem::replace(&mut broken, true) => {
            let broken = Some((4, "the row was altered".to_owned()));
            Reply::JournalChecked(JournalCheck { rows: 9, broken }).into()
        }
        other => world.usual(other),
    };
    let _stage = Stage::open(&bus, Box::new(script)).await;
    let app = App::on(&bus).await;
    let whole: Called<(u64, u64, String)> = app.manager("VerifyJournal", &()).await;
    assert_eq!(whole, Ok((3, 0, String::new())));
    let broken: Called<(u64, u64, String)> = app.manager("VerifyJournal", &()).await;
    assert_eq!(broken, Ok((9, 4, "the row was altered".to_owned())));
}

#[tokio::test]
async fn the_journal_is_read_page_by_page() {
    let Some(bus) = PrivateBus::start("the_journal_is_read_page_by_page") else { return };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    for limit in [0u32, 1001] {
        let refused: Called<Journal> = app.manager("ExportJournal", &(0u64, limit)).await;
        assert_eq!(refused.map(drop).unwrap_err().0, "InvalidArgument");
    }
    assert!(stage.commands().is_empty());
    let first: Journal = app.manager("ExportJournal", &(0u64, 2u32)).await.unwrap();
    let numbers: Vec<_> = first.iter().map(|row| row.0).collect();
    assert_eq!(numbers, [1, 2]);
    let (_, at, entry, chain) = &first[1];
    assert_eq!((*at, entry.as_str(), chain.len()), (1_800_000_000_000_002, "{\"n\":2}", 64));
    let rest: Journal = app.manager("ExportJournal", &(2u64, 1000u32)).await.unwrap();
    assert_eq!(rest.len(), 1);
}

async fn back_up(app: &App, passphrase: &[u8], to: &File) -> Called<()> {
    let passphrase = pipe_with(passphrase);
    app.manager("Backup", &(Fd::from(&passphrase), Fd::from(to), none())).await
}

#[tokio::test]
async fn a_backup_arrives_in_the_callers_file() {
    let Some(bus) = PrivateBus::start("a_backup_arrives_in_the_callers_file") else { return };
    let script = |world: &mut World, command: Command| match command {
        Command::Backup { passphrase, to } => {
            let mut file = File::from(to);
            file.write_all(b"sealed under ").unwrap();
            file.write_all(&passphrase.expose().to_ascii_uppercase()).unwrap();
            Reply::Done.into()
        }
        other => world.usual(other),
    };
    let _stage = Stage::open(&bus, Box::new(script)).await;
    let app = App::on(&bus).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pos.backup");
    assert_eq!(back_up(&app, b"twelve bytes\n", &File::create(&path).unwrap()).await, Ok(()));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "sealed under TWELVE BYTES");
}

#[tokio::test]
async fn a_backup_that_could_hurt_is_refused_before_the_core_is_asked() {
    let Some(bus) = PrivateBus::start("a_backup_that_could_hurt_is_refused_before_the_core_is_asked") else { return };
    let stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pos.backup");
    let empty = File::create(&path).unwrap();
    assert_eq!(back_up(&app, b"eleven byte", &empty).await.unwrap_err().0, "InvalidArgument");
    assert_eq!(back_up(&app, &[b'x'; 129], &empty).await.unwrap_err().0, "InvalidArgument");
    let (_reader, writer) = std::io::pipe().unwrap();
    let cases = [
        ("only for reading", File::open(&path).unwrap()),
        ("a pipe", File::from(OwnedFd::from(writer))),
        ("a device", File::options().write(true).open("/dev/null").unwrap()),
    ];
    for (what, file) in cases {
        assert_eq!(back_up(&app, b"twelve bytes", &file).await.expect_err(what).0, "InvalidArgument", "{what}");
    }
    std::fs::write(&path, "an older backup").unwrap();
    let full = File::options().write(true).open(&path).unwrap();
    assert_eq!(back_up(&app, b"twelve bytes", &full).await.unwrap_err().0, "InvalidArgument");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "an older backup");
    assert!(stage.commands().is_empty(), "the core was asked: {:?}", stage.commands());
}

#[tokio::test]
async fn a_backup_that_the_core_refuses_leaves_the_file_empty() {
    let Some(bus) = PrivateBus::start("a_backup_that_the_core_refuses_leaves_the_file_empty") else { return };
    let script = |_: &mut World, command: Command| match command {
        Command::Backup { .. } => refuse(RefusalKind::Busy, None, "a payment is under way; try again when it is over"),
        _ => Reply::Done.into(),
    };
    let _stage = Stage::open(&bus, Box::new(script)).await;
    let app = App::on(&bus).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pos.backup");
    let refused = back_up(&app, b"twelve bytes", &File::create(&path).unwrap()).await;
    assert_eq!(refused.unwrap_err().0, "Busy");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[tokio::test]
async fn a_way_to_be_paid_names_the_rule_in_the_way_and_what_is_left() {
    let Some(bus) = PrivateBus::start("a_way_to_be_paid_names_the_rule_in_the_way_and_what_is_left") else { return };
    let mut first = bus::snapshot();
    first.queue.currency = "CNY";
    let offline = &mut first.capabilities[1];
    *offline = bus::snapshot().capabilities[0].clone();
    offline.amount_left = Some(12_000);
    offline.count_left = Some(7);
    offline.until = Some(WallTime(99));
    let stage = Stage::starting_with(&bus, first, Box::new(World::usual), bus::same_user()).await.unwrap();
    let app = App::on(&bus).await;
    type Ways = HashMap<String, HashMap<String, OwnedVariant>>;
    let ways: Ways = app.property(names::ROOT, names::MANAGER_INTERFACE, "Capabilities").await;
    let offline = &ways["card-offline"];
    assert_eq!(bool::try_from(&offline["available"]), Ok(true));
    assert_eq!(u64::try_from(&offline["amount-left"]), Ok(12_000));
    assert_eq!(<&str>::try_from(&offline["currency"]), Ok("CNY"));
    assert_eq!(u32::try_from(&offline["count-left"]), Ok(7));
    assert_eq!(u64::try_from(&offline["until"]), Ok(99));
    assert!(!offline.contains_key("refusal") && !ways["card-online"].contains_key("currency"));
    stage
        .core(|world| {
            world.change(Vec::new(), |s| {
                s.capabilities[1].available = false;
                s.capabilities[1].refusal = Some(OfflineRefusal::Age);
            });
        })
        .await;
    let ways: Ways = app.property(names::ROOT, names::MANAGER_INTERFACE, "Capabilities").await;
    assert_eq!(<&str>::try_from(&ways["card-offline"]["refusal"]), Ok("offline-age"));
    let features: Vec<String> = app.property(names::ROOT, names::MANAGER_INTERFACE, "Features").await;
    for feature in ["offline", "queue", "journal", "backup", "causes", "faults", "record"] {
        assert!(features.iter().any(|f| f == feature), "{features:?}");
    }
}
