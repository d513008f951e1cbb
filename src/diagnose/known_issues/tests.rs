use super::table::ISSUES;
use super::*;
use crate::domain::inventory::{Driven, Package};

fn names(inventory: &Inventory) -> Vec<&'static str> {
    matching(inventory).iter().map(|issue| issue.name).collect()
}

fn adapter(vendor: &str, product: &str, release: &str, port: &str) -> Adapter {
    Adapter {
        vendor: vendor.to_owned(),
        product: product.to_owned(),
        release: release.to_owned(),
        ports: if port.is_empty() { vec![] } else { vec![port.to_owned()] },
        ..Adapter::default()
    }
}

fn with(port: &str, adapters: Vec<Adapter>) -> Inventory {
    Inventory { port: port.to_owned(), adapters, ..Inventory::default() }
}

#[test]
fn a_machine_of_which_nothing_is_known_has_no_issue() {
    assert_eq!(names(&Inventory::default()), Vec::<&str>::new());
    let unknown = with("ttyUSB0", vec![adapter("", "", "", "ttyUSB0")]);
    assert_eq!(names(&unknown), Vec::<&str>::new());
}

#[test]
fn every_issue_has_both_texts_and_a_public_source() {
    for (i, issue) in ISSUES.iter().enumerate() {
        assert!(!issue.sources.is_empty() && !issue.conditions.is_empty(), "{}", issue.name);
        assert!(issue.sources.iter().all(|source| source.starts_with("https://")), "{}", issue.name);
        for text in [issue.effect, issue.remedy] {
            assert!(!text.zh.is_ascii() && text.en.is_ascii() && !text.en.is_empty(), "{}", issue.name);
        }
        assert!(ISSUES[..i].iter().all(|other| other.name != issue.name), "{}", issue.name);
    }
}

#[test]
fn versions_are_compared_as_numbers_with_the_edges_where_the_sources_put_them() {
    for (version, has) in
        [("3.51.2", true), ("3.51.3", false), ("3.7.0", true), ("3.6.23", false), ("3.9", true), ("", false)]
    {
        let inventory = Inventory { sqlite: version.to_owned(), ..Inventory::default() };
        assert_eq!(names(&inventory).contains(&"sqlite-wal-reset"), has, "{version}");
    }
    let cp2102 = |kernel: &str| Inventory {
        kernel: kernel.to_owned(),
        ..with("ttyUSB0", vec![adapter("10c4", "ea60", "0100", "ttyUSB0")])
    };
    assert_eq!(names(&cp2102("5.10.0-8-amd64")), ["cp2102-drops-characters"]);
    assert_eq!(names(&cp2102("5.8.18")), Vec::<&str>::new());
    assert_eq!(names(&cp2102("5.15.0")), Vec::<&str>::new());
    assert_eq!(names(&cp2102("6.12.48+deb13-arm64")), Vec::<&str>::new());
}

#[test]
fn an_adapter_counts_for_the_reader_only_if_the_readers_port_is_on_it() {
    let clone = adapter("067b", "2303", "0300", "ttyUSB1");
    assert_eq!(names(&with("ttyUSB1", vec![clone.clone()])), ["pl2303hx-clone"]);
    assert_eq!(names(&with("ttyUSB0", vec![clone])), Vec::<&str>::new());
    assert_eq!(names(&with("ttyUSB1", vec![adapter("067B", "2303", "0400", "ttyUSB1")])), Vec::<&str>::new());
    // One that no driver has taken has no port, and that is the point.
    let mut dumb = with("", vec![adapter("067b", "23a3", "0105", "")]);
    dumb.kernel = "5.15.2".to_owned();
    assert_eq!(names(&dumb), ["pl2303gc-not-recognised"]);
}

#[test]
fn an_old_kernel_and_a_slow_timer_are_named_for_their_adapters() {
    let mut ch340 = with("ttyUSB0", vec![adapter("1a86", "7523", "0264", "ttyUSB0")]);
    ch340.kernel = "5.4.0-1100-raspi".to_owned();
    assert_eq!(names(&ch340), ["ch340-inaccurate-921600"]);
    let mut ftdi = with("ttyUSB0", vec![Adapter { latency: Some(16), ..adapter("0403", "6001", "0600", "ttyUSB0") }]);
    assert_eq!(names(&ftdi), ["ftdi-latency"]);
    ftdi.adapters[0].latency = Some(2);
    assert_eq!(names(&ftdi), Vec::<&str>::new());
}

#[test]
fn packages_boards_consoles_and_firmware_are_looked_at() {
    let package = |name: &str, version: &str| Package { name: name.to_owned(), version: version.to_owned() };
    let mut inventory = with("ttyUSB0", vec![adapter("1a86", "7523", "", "ttyUSB0")]);
    inventory.packages = vec![package("brltty", "6.4-4"), package("modemmanager", "1.14.12-0.2")];
    assert_eq!(names(&inventory), ["brltty-takes-adapter", "modemmanager-probes-ports"]);
    inventory.packages = vec![package("modemmanager", "1.24.0-1")];
    assert_eq!(names(&inventory), Vec::<&str>::new());

    let mut pi = with("ttyS0", vec![]);
    pi.board = "Raspberry Pi 3 Model B Rev 1.2".to_owned();
    pi.consoles = vec!["tty1".to_owned(), "ttyS0".to_owned()];
    pi.reader = Driven { model: "PN532".to_owned(), firmware: "1.4".to_owned() };
    assert_eq!(names(&pi), ["console-on-reader-port", "raspberry-pi-mini-uart", "pn532-before-1-6"]);
    pi.reader.firmware = "1.6".to_owned();
    pi.consoles.pop();
    pi.port = "ttyAMA0".to_owned();
    assert_eq!(names(&pi), Vec::<&str>::new());
}

/// The table for people; `UPDATE_CATALOGUE=1 cargo test --lib known_issues` makes it anew.
#[test]
fn the_table_on_paper_is_the_one_in_the_program() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnose/KNOWN_ISSUES.md");
    let mut text =
        "# Known issues\n\nPublished faults of parts and programs, matched with the inventory of a machine by \
                    `posctl inventory`, `posctl doctor` and the fault report. Made from `known_issues/table.rs`.\n\n\
                    | issue | effect | what to do | source |\n|---|---|---|---|\n"
            .to_owned();
    for issue in &ISSUES {
        let sources: Vec<_> = issue.sources.iter().map(|source| format!("<{source}>")).collect();
        let both = |words: Text| format!("{}<br>{}", words.en, words.zh);
        let (effect, remedy) = (both(issue.effect), both(issue.remedy));
        text += &format!(
            "| {} ({}) | {effect} | {remedy} | {} |\n",
            issue.name,
            issue.certainty.as_str(),
            sources.join(" ")
        );
    }
    if std::env::var_os("UPDATE_CATALOGUE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert!(std::fs::read_to_string(&file).unwrap_or_default() == text, "make it anew with UPDATE_CATALOGUE=1");
}
