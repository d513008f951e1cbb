//! What it proves: the objects on the bus are exactly what the XML in `src/bus/xml` promises, and nothing else.

#[path = "common/bus.rs"]
mod bus;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bus::{App, PrivateBus, Stage};
use smartpos::bus::names;

/// Every member of an interface in one line each: kind, name, types, directions, names, annotations.
fn members(xml: &str, interface: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut inside = false;
    let mut member = String::new();
    for tag in Tags(xml) {
        let attribute = |name: &str| attribute(tag, name).unwrap_or_default();
        match tag.split([' ', '\n', '/']).next().unwrap_or_default() {
            "interface" => inside = attribute("name") == interface,
            "method" | "signal" | "property" if inside => {
                let kind = tag.split([' ', '\n']).next().unwrap_or_default();
                member = format!("{kind} {} {} {}", attribute("name"), attribute("type"), attribute("access"));
                if tag.ends_with('/') {
                    found.insert(std::mem::take(&mut member));
                }
            }
            "arg" if inside => {
                let direction = attribute("direction");
                member += &format!(" [{direction} {} {}]", attribute("type"), attribute("name"));
            }
            "annotation" if inside => member += &format!(" <{}={}>", attribute("name"), attribute("value")),
            "" if inside
                && (tag.starts_with("/method") || tag.starts_with("/signal") || tag.starts_with("/property")) =>
            {
                found.insert(std::mem::take(&mut member));
            }
            _ => {}
        }
    }
    found
}

/// The tags of a document, without comments.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let start = self.0.find('<')?;
            let rest = &self.0[start..];
            if let Some(comment) = rest.strip_prefix("<!--") {
                self.0 = &comment[comment.find("-->")? + 3..];
                continue;
            }
            let end = rest.find('>')?;
            self.0 = &rest[end + 1..];
            return Some(&rest[1..end]);
        }
    }
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let marker = format!(" {name}=\"");
    let start = tag.find(&marker)? + marker.len();
    tag[start..].split('"').next()
}

fn promised() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bus/xml");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let read = |p: &std::path::PathBuf| {
        let interface = p.file_stem().unwrap().to_string_lossy().into_owned();
        (interface, fs::read_to_string(p).unwrap())
    };
    files.iter().map(read).collect()
}

async fn live(app: &App, path: &str) -> String {
    app.call(path, "org.freedesktop.DBus.Introspectable", "Introspect", &()).await.unwrap()
}

#[tokio::test]
async fn live_introspection_and_the_contract_are_the_same() {
    let Some(bus) = PrivateBus::start("live_introspection_and_the_contract_are_the_same") else { return };
    let _stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let payment = app.create("contract").await;
    let mut served = BTreeSet::new();
    for path in [names::ROOT, names::TERMINAL, names::READER, names::KEYPAD, names::SCANNER, &payment] {
        let xml = live(&app, path).await;
        // The object's own interfaces; those of objects below it follow in nested nodes.
        let own = xml.splitn(3, "<node").take(2).collect::<Vec<_>>().join("<node");
        for (interface, promise) in promised() {
            if own.contains(&format!("interface name=\"{interface}\"")) {
                assert_eq!(members(&own, &interface), members(&promise, &interface), "{interface} at {path}");
                assert!(!members(&promise, &interface).is_empty(), "{interface} was not read");
                served.insert(interface);
            }
        }
        let strange: Vec<_> = Tags(&own)
            .filter_map(|t| t.strip_prefix("interface").and_then(|t| attribute(t, "name")))
            .filter(|i| !i.starts_with("org.freedesktop.DBus.") && !promised().iter().any(|p| p.0 == **i))
            .collect();
        assert!(strange.is_empty(), "on the bus at {path}, but not in the contract: {strange:?}");
    }
    let all: BTreeSet<_> = promised().into_iter().map(|p| p.0).collect();
    assert_eq!(served, all, "in the contract, but not on the bus");
}

#[tokio::test]
async fn the_root_is_an_object_manager_of_everything() {
    let Some(bus) = PrivateBus::start("the_root_is_an_object_manager_of_everything") else { return };
    let _stage = Stage::usual(&bus).await;
    let app = App::on(&bus).await;
    let payment = app.create("managed").await;
    let objects: zbus::fdo::ManagedObjects =
        app.call(names::ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &()).await.unwrap();
    let has = |path: &str, interface: &str| {
        objects.iter().any(|(p, i)| p.as_str() == path && i.keys().any(|k| k.as_str() == interface))
    };
    assert!(has(names::TERMINAL, names::TERMINAL_INTERFACE) && has(names::TERMINAL, names::KEYS_INTERFACE));
    assert!(has(names::TERMINAL, names::QUEUE_INTERFACE));
    assert!(has(names::READER, names::READER_INTERFACE) && has(names::KEYPAD, names::KEYPAD_INTERFACE));
    assert!(has(&payment, names::TRANSACTION_INTERFACE));
}

#[test]
fn every_member_of_the_contract_says_since_when_and_each_method_its_errors() {
    for (interface, xml) in promised() {
        let body = &xml[xml.find("<interface").unwrap()..];
        for (at, _) in body.match_indices("    <method ").chain(body.match_indices("    <property ")) {
            let before = &body[..at];
            let comment = &before[before.rfind("<!--").unwrap()..];
            let name = attribute(body[at..].trim_start().strip_prefix('<').unwrap(), "name").unwrap();
            assert!(comment.trim_end().ends_with("-->"), "{interface}.{name} has no comment of its own");
            assert!(comment.contains("Since: "), "{interface}.{name} does not say since when");
            if body[at..].trim_start().starts_with("<method") {
                assert!(comment.contains("Errors: "), "{interface}.{name} does not name its errors");
            }
        }
    }
}
