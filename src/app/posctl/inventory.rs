//! `posctl inventory`: what the terminal consists of, with versions, and the published issues that fit it.
//!
//! Owns: how it is put together and shown; the fault report and the doctor take it from here. Must not know: how the
//! machine is read ([`crate::driver::inventory`]), what is an issue ([`crate::diagnose::known_issues`]).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::app::machine;
use crate::app::posctl::output::{Voice, snake_keys, table, text};
use crate::bus::BusAddress;
use crate::bus::client::{Client, Row};
use crate::diagnose::known_issues::{Issue, matching};
use crate::domain::inventory::{Adapter, Driven, Inventory};
use crate::driver::device_path::{Choice, Role, candidates};
use crate::driver::inventory::{Roots, port};
use crate::store::sqlite_version;

/// Takes the inventory and shows it; the daemon may be down.
pub async fn show(address: &BusAddress, config: &Path, voice: Voice) {
    let inventory = match Client::connect(address).await {
        Ok(client) => {
            let manager = snake_keys(&client.manager().await.unwrap_or_default());
            let mut inventory = of(&client, &manager, config).await;
            let silent = manager.is_empty().then(|| "smartposd: it does not answer".to_owned());
            inventory.missing.extend(silent);
            inventory
        }
        Err(why) => {
            let mut inventory = take(&Row::new(), &Row::new(), &Row::new(), config);
            inventory.missing.push(format!("smartposd: {why}"));
            inventory
        }
    };
    voice.tell(&value(&inventory), || lines(&inventory, voice));
}

/// The same with the devices that the daemon drives.
pub async fn of(client: &Client, manager: &Row, config: &Path) -> Inventory {
    let reader = snake_keys(&client.reader().await.unwrap_or_default());
    let keypad = snake_keys(&client.keypad().await.unwrap_or_default());
    let scanner = client.scanner().await.map(|row| snake_keys(&row));
    Inventory { scanner: scanner.as_ref().map(driven), ..take(manager, &reader, &keypad, config) }
}

/// The inventory of this machine, and of what the daemon has told (with names in snake case; empty: nothing).
pub fn take(manager: &Row, reader: &Row, keypad: &Row, config: &Path) -> Inventory {
    let roots = Roots::default();
    let (board, serial) = roots.board();
    let (packages, why) = match roots.packages() {
        Ok(packages) => (packages, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    Inventory {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        build: format!("{} {}", if cfg!(debug_assertions) { "debug" } else { "release" }, std::env::consts::ARCH),
        daemon: text(manager, "version").to_owned(),
        sqlite: sqlite_version().to_owned(),
        tls: library("rustls"),
        kernel: machine::kernel(),
        system: machine::system("PRETTY_NAME"),
        board,
        serial,
        consoles: roots.consoles(),
        port: reader_port(config),
        reader: driven(reader),
        keypad: driven(keypad),
        scanner: None,
        adapters: roots.adapters(),
        packages,
        missing: why.into_iter().collect(),
    }
}

fn driven(row: &Row) -> Driven {
    Driven { model: text(row, "model").to_owned(), firmware: text(row, "firmware").to_owned() }
}

/// The port that the configuration gives to the reader, or the one the daemon would take.
fn reader_port(config: &Path) -> String {
    let text = std::fs::read_to_string(config).unwrap_or_default();
    let settings: toml::Table = text.parse().unwrap_or_default();
    let path = settings.get("reader").and_then(|reader| reader.get("path")).and_then(toml::Value::as_str);
    let choice = match path {
        Some(path) if path != "auto" => Choice::Path(PathBuf::from(path)),
        _ => Choice::Auto(Role::Reader),
    };
    candidates(&choice).first().map(|path| port(path)).unwrap_or_default()
}

/// Version of a library that this program was built with.
fn library(name: &str) -> String {
    let lock = include_str!("../../../Cargo.lock");
    let after = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).map(|(_, rest)| rest);
    let version = after.and_then(|rest| rest.split('"').next()).unwrap_or_default();
    format!("{name} {version}")
}

/// For programs and for the fault report.
pub fn value(inventory: &Inventory) -> Value {
    let adapters: Vec<Value> = inventory.adapters.iter().map(adapter_value).collect();
    let packages: serde_json::Map<String, Value> =
        inventory.packages.iter().map(|p| (p.name.clone(), p.version.clone().into())).collect();
    let device = |driven: &Driven| json!({"model": driven.model, "firmware": driven.firmware});
    json!({
        "posctl": inventory.program,
        "build": inventory.build,
        "smartposd": inventory.daemon,
        "sqlite": inventory.sqlite,
        "tls": inventory.tls,
        "kernel": inventory.kernel,
        "system": inventory.system,
        "board": inventory.board,
        "serial": inventory.serial,
        "consoles": inventory.consoles,
        "reader": device(&inventory.reader),
        "reader_port": inventory.port,
        "keypad": device(&inventory.keypad),
        "scanner": inventory.scanner.as_ref().map(device),
        "adapters": adapters,
        "packages": packages,
        "missing": inventory.missing,
        "known_issues": issues(inventory),
    })
}

/// The issues that fit.
pub fn issues(inventory: &Inventory) -> Vec<Value> {
    let of = |issue: &&Issue| {
        json!({
            "name": issue.name,
            "certainty": issue.certainty.as_str(),
            "effect_zh": issue.effect.zh,
            "effect_en": issue.effect.en,
            "remedy_zh": issue.remedy.zh,
            "remedy_en": issue.remedy.en,
            "sources": issue.sources,
        })
    };
    matching(inventory).iter().map(of).collect()
}

fn adapter_value(adapter: &Adapter) -> Value {
    json!({
        "id": format!("{}:{}", adapter.vendor, adapter.product),
        "release": adapter.release,
        "name": adapter.name,
        "ports": adapter.ports,
        "latency_milliseconds": adapter.latency,
    })
}

fn lines(inventory: &Inventory, voice: Voice) -> String {
    let unknown = voice.pick("未知", "unknown");
    let shown = |text: &str| if text.trim().is_empty() { unknown.to_owned() } else { text.to_owned() };
    let device = |driven: &Driven| shown(format!("{} {}", driven.model, driven.firmware).trim());
    let mut rows: Vec<[String; 2]> = [
        (("本程序", "this program"), format!("{} ({})", inventory.program, inventory.build)),
        (("服务", "daemon"), shown(&inventory.daemon)),
        (("数据库", "database"), format!("SQLite {}", inventory.sqlite)),
        (("加密传输", "TLS"), inventory.tls.clone()),
        (("内核", "kernel"), shown(&inventory.kernel)),
        (("系统", "system"), shown(&inventory.system)),
        (("主板", "board"), shown(&inventory.board)),
        (("主板序列号", "serial number"), shown(&inventory.serial)),
        (("控制台", "console"), shown(&inventory.consoles.join(" "))),
        (("读卡器", "card reader"), device(&inventory.reader)),
        (("读卡器串口", "reader's port"), shown(&inventory.port)),
        (("键盘", "keypad"), device(&inventory.keypad)),
    ]
    .map(|((zh, en), text)| [voice.pick(zh, en).to_owned(), text])
    .into();
    let scanner = inventory.scanner.as_ref();
    rows.extend(scanner.map(|driven| [voice.pick("扫码枪", "scanner").to_owned(), device(driven)]));
    rows.extend(inventory.adapters.iter().map(|a| {
        let what = format!("{}:{} {} {} {}", a.vendor, a.product, a.release, a.name, a.ports.join(" "));
        [voice.pick("USB 转接器", "USB adapter").to_owned(), what.trim().to_owned()]
    }));
    rows.extend(
        inventory
            .packages
            .iter()
            .map(|p| [voice.pick("软件包", "package").to_owned(), format!("{} {}", p.name, p.version)]),
    );
    rows.extend(inventory.missing.iter().map(|what| [voice.pick("缺少", "left out").to_owned(), what.clone()]));
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    format!("{}\n\n{}", table(&rows), issue_lines(inventory, voice))
}

/// The issues for people; says so when there is none.
pub fn issue_lines(inventory: &Inventory, voice: Voice) -> String {
    let found = matching(inventory);
    if found.is_empty() {
        return voice.pick("已知问题：没有与本机相符的", "Known issues: none that fits this machine").to_owned();
    }
    let mut lines = vec![voice.pick("已知问题：", "Known issues:").to_owned()];
    for issue in found {
        lines.push(format!("- {} ({})", issue.name, issue.certainty.as_str()));
        lines.push(format!("  {}", issue.effect.in_language(voice.language)));
        let head = voice.pick("怎么办：", "What to do: ");
        lines.push(format!("  {head}{}", issue.remedy.in_language(voice.language)));
        lines.extend(issue.sources.iter().map(|source| format!("  {source}")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::prompt::Language;

    #[test]
    fn what_is_not_known_is_said_to_be_unknown_and_issues_have_their_source() {
        let mut inventory = take(&Row::new(), &Row::new(), &Row::new(), Path::new("/nowhere"));
        inventory.sqlite = "3.46.1".to_owned();
        let told = value(&inventory);
        assert!(told["tls"].as_str().unwrap().starts_with("rustls 0."), "{told}");
        let named: Vec<_> =
            told["known_issues"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
        assert!(named.contains(&"sqlite-wal-reset"), "{told}");
        let zh = lines(&inventory, Voice { language: Language::Zh, json: false });
        assert!(zh.contains("服务") && zh.contains("未知") && zh.contains("https://www.sqlite.org/wal.html"), "{zh}");
    }

    #[test]
    fn the_library_that_this_build_has_is_sound() {
        let inventory = take(&Row::new(), &Row::new(), &Row::new(), Path::new("/nowhere"));
        assert!(!matching(&inventory).iter().any(|issue| issue.name.starts_with("sqlite")), "{}", inventory.sqlite);
    }
}
