//! The daemon's configuration: shipped files load, profile files are laid over each other, mistakes are named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use smartpos::app::config::{self, Config, ConfigError, Journal, ScannerConfig};
use smartpos::domain::prompt::Language;
use smartpos::keypad::{Key, Keymap};
use smartpos::scanner::{Kind, Trigger};

const SHIPPED_PROFILE: &str = include_str!("../src/host/profiles/unionpay-example.toml");
const SHIPPED_CONFIG: &str = include_str!("../debian/smartposd.toml");

/// A machine's `/usr/share` and `/etc` in miniature.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap() };
        std::fs::create_dir(machine.path("share")).unwrap();
        std::fs::create_dir(machine.path("etc")).unwrap();
        machine.write("share/unionpay-example.toml", SHIPPED_PROFILE);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Writes a configuration and gives its path.
    fn config(&self, text: &str) -> PathBuf {
        let dirs = format!("profile_dirs = [{:?}, {:?}]\n", self.path("share"), self.path("etc"));
        let path = self.path("smartposd.toml");
        std::fs::write(&path, dirs + text).unwrap();
        path
    }

    fn load(&self, text: &str) -> Result<Config, Vec<String>> {
        let path = self.config(text);
        config::load(&path).map_err(|error| match error {
            ConfigError::Refused(complaints) => complaints
                .iter()
                .map(|complaint| complaint.to_string().replace(self.root.path().to_str().unwrap(), ""))
                .collect(),
            ConfigError::Unreadable { .. } => panic!("{error}"),
        })
    }
}

const USUAL: &str = "terminal_id = \"99000001\"\nmerchant_id = \"999000000000001\"\nprofile = \"unionpay-example\"\n";

#[test]
fn the_shipped_configuration_loads_as_it_is() {
    let machine = Machine::new();
    let config = machine.load(SHIPPED_CONFIG).unwrap();
    assert_eq!(config.terminal_id.as_str(), "99000001");
    assert_eq!((config.reader.path, config.reader.baud_max, config.keypad.path), (None, 460_800, None));
    assert_eq!(config.state_dir, Path::new("/var/lib/smartposd"));
    assert!(config.operator_required && !config.confirm_amount);
    assert_eq!((config.language, config.journal), (Language::Zh, Journal::Auto));
    assert_eq!(config.profile_files, [machine.path("share/unionpay-example.toml")]);
}

#[test]
fn every_setting_of_the_shipped_configuration_may_be_given() {
    let machine = Machine::new();
    let text = ["licence =", "serial =", "state_dir =", "reset_line =", "[keypad.keys]", "KEY_KPPLUS =", "55 ="]
        .iter()
        .fold(SHIPPED_CONFIG.to_owned(), |text, key| text.replace(&format!("# {key}"), key));
    assert_eq!(text.len(), SHIPPED_CONFIG.len() - 14, "a commented setting was renamed");
    let config = machine.load(&text).unwrap();
    assert_eq!(config.device.as_deref(), Some("000000000001"));
    assert_eq!(config.reader.reset_line.as_deref(), Some("GPIO20"));
    let map = config.keypad.keymap;
    assert!(map.key(78) == Some(Key::Clear) && map.key(55).is_none(), "KPPLUS clears, KPASTERISK does nothing");
}

#[test]
fn keys_are_given_by_kernel_name_or_code_and_keyboards_may_be_taken() {
    let machine = Machine::new();
    let usual = machine.load(USUAL).unwrap().keypad;
    assert!(usual.keymap == Keymap::default() && !usual.keyboards);
    let text = "[keypad]\nkeyboards = true\n[keypad.keys]\nKEY_Q = \"1\"\n353 = \"cancel\"\nKEY_OK = \"f\"\nKEY_ESC = \"none\"\n";
    let keypad = machine.load(&format!("{USUAL}{text}")).unwrap().keypad;
    assert!(keypad.keyboards);
    let expected = [(16, Some(Key::Digit(1))), (353, Some(Key::Cancel)), (0x160, Some(Key::Letter(15))), (1, None)];
    for (code, key) in expected {
        assert!(keypad.keymap.key(code) == key, "code {code}");
    }
    assert!(keypad.keymap.key(2) == Some(Key::Digit(1)), "what is not overridden stays");
}

#[test]
fn the_readers_reset_line_and_power_switch_are_optional() {
    let machine = Machine::new();
    let reader = machine.load(USUAL).unwrap().reader;
    assert_eq!((reader.reset_line, reader.usb_power), (None, false));
    let text = "[reader]\nreset_line = \"GPIO20\"\npower_cycle = \"usb\"\n";
    let reader = machine.load(&format!("{USUAL}{text}")).unwrap().reader;
    assert_eq!((reader.reset_line.as_deref(), reader.usb_power), (Some("GPIO20"), true));
    let summary = config::check(&machine.config(&format!("{USUAL}{text}"))).unwrap();
    assert!(summary.contains("up to 460800 baud, reset line GPIO20, power cycle by USB"), "{summary}");
    let text = "[reader]\nreset_line = \"\"\npower_cycle = \"gpio\"\n";
    assert_eq!(
        machine.load(&format!("{USUAL}{text}")).unwrap_err(),
        [
            "/smartposd.toml:6: `reader.reset_line` is \"\"; write the name of a GPIO line as gpioinfo shows it, such as \"GPIO20\"",
            "/smartposd.toml:7: `reader.power_cycle` is \"gpio\"; write one of: none, usb",
        ]
    );
    let error = machine.load(&format!("{USUAL}[reader]\nreset_line = 20\n")).unwrap_err();
    assert_eq!(error, ["/smartposd.toml:6: `reader.reset_line` must be text in quotes, not a number"]);
}

#[test]
fn a_scanner_is_there_only_where_one_is_configured() {
    let machine = Machine::new();
    assert_eq!(machine.load(USUAL).unwrap().scanner, None);
    assert_eq!(machine.load(&format!("{USUAL}[scanner]\nkind = \"none\"\n")).unwrap().scanner, None);
    let scanner = machine.load(&format!("{USUAL}[scanner]\nkind = \"gm65\"\n")).unwrap().scanner.unwrap();
    let usual = ScannerConfig { path: None, baud: 9_600, kind: Kind::Gm65, trigger: Trigger::Gm65 };
    assert_eq!(scanner, usual);
    let text = "[scanner]\nkind = \"line\"\npath = \"/dev/ttyACM0\"\nbaud = 115200\ntrigger = \"honeywell\"\n";
    let scanner = machine.load(&format!("{USUAL}{text}")).unwrap().scanner.unwrap();
    let path = Some(PathBuf::from("/dev/ttyACM0"));
    assert_eq!(scanner, ScannerConfig { path, baud: 115_200, kind: Kind::Line, trigger: Trigger::Honeywell });
    let summary = config::check(&machine.config(&format!("{USUAL}{text}"))).unwrap();
    assert!(summary.contains("scanner   /dev/ttyACM0, 115200 baud"), "{summary}");
    let wrong = |text: &str| machine.load(&format!("{USUAL}[scanner]\n{text}")).unwrap_err();
    assert_eq!(
        wrong("kind = \"line\"\nbaud = 12345\ntrigger = \"gm65\"\nport = 1\n"),
        [
            "/smartposd.toml:7: `scanner.baud` is 12345; write one of: 9600, 19200, 38400, 57600, 115200",
            "/smartposd.toml:8: `scanner.trigger` is \"gm65\", which a scanner of kind \"line\" does not understand",
            "/smartposd.toml:9: unknown setting `scanner.port`; write one of: path, baud, kind, trigger",
        ]
    );
    assert_eq!(
        wrong("path = \"/dev/ttyACM0\"\n"),
        ["/smartposd.toml:5: `scanner.kind` is missing; write kind = \"gm65\", \"line\" or \"none\""]
    );
}

#[test]
fn the_ranges_of_payment_codes_are_the_profiles() {
    let machine = Machine::new();
    let shipped = machine.load(USUAL).unwrap().profile.payment_codes;
    let named: Vec<_> = shipped.iter().map(|r| (r.scheme.as_str(), r.prefixes.clone(), r.digits.clone())).collect();
    assert_eq!(named, [("unionpay", 62..=62, 19..=19), ("alipay", 25..=30, 16..=24), ("wechat", 10..=15, 18..=18)]);
    machine.write(
        "etc/unionpay-example.toml",
        "[qr.alipay]\nprefix = \"28\"\n[qr.wechat]\ndigits = \"24-16\"\n[qr.paypal]\n",
    );
    assert_eq!(
        machine.load(USUAL).unwrap_err(),
        [
            "/etc/unionpay-example.toml:4: `qr.wechat.digits` is \"24-16\"; write how many digits: \"19\", \"16-24\"",
            "/etc/unionpay-example.toml:5: unknown setting `qr.paypal`; write one of: unionpay, alipay, wechat",
        ]
    );
}

#[test]
fn mistakes_in_the_keys_are_named_with_what_to_write() {
    let machine = Machine::new();
    let text = "[keypad]\nkeyboards = 1\n[keypad.keys]\nkpslash = \"clear\"\nKEY_KPSLSH = \"clear\"\nPLUS_AND_MINUS_TOGETHER = \"1\"\n\
                0 = \"1\"\n768 = \"1\"\nKEY_KPSLASH = \"enter\"\nKEY_KPPLUS = 1\nKEY_KPMINUS = \"clear\"\n74 = \"cancel\"\n";
    let key_needed = "write a kernel name such as KEY_KPSLASH or a code of 1 to 767; evtest shows both";
    assert_eq!(
        machine.load(&format!("{USUAL}{text}")).unwrap_err(),
        [
            "/smartposd.toml:6: `keypad.keyboards` must be true or false, not a number".to_owned(),
            "/smartposd.toml:8: `keypad.keys.kpslash` is no key; did you mean `KEY_KPSLASH`?".to_owned(),
            "/smartposd.toml:9: `keypad.keys.KEY_KPSLSH` is no key; did you mean `KEY_KPSLASH`?".to_owned(),
            format!("/smartposd.toml:10: `keypad.keys.PLUS_AND_MINUS_TOGETHER` is no key; {key_needed}"),
            format!("/smartposd.toml:11: `keypad.keys.0` is no key; {key_needed}"),
            format!("/smartposd.toml:12: `keypad.keys.768` is no key; {key_needed}"),
            "/smartposd.toml:13: `keypad.keys.KEY_KPSLASH` is \"enter\": unknown key action; write 0-9, a-f, dot, ok, cancel, \
             backspace, clear or none"
                .to_owned(),
            "/smartposd.toml:14: `keypad.keys.KEY_KPPLUS` must be text in quotes, not a number".to_owned(),
            "/smartposd.toml:16: `keypad.keys.74` is the same key as on line 15; remove one".to_owned(),
        ]
    );
}

#[test]
fn keys_that_leave_no_way_to_type_are_refused() {
    let machine = Machine::new();
    let text = "[keypad]\n[keypad.keys]\nKEY_5 = \"none\"\nKEY_KP5 = \"none\"\nKEY_NUMERIC_5 = \"none\"\n";
    assert_eq!(
        machine.load(&format!("{USUAL}{text}")).unwrap_err(),
        ["/smartposd.toml:6: `keypad.keys`: no key is left for the digit 5; remove the override that takes it away"]
    );
    let error = machine.load(&format!("{USUAL}[keypad]\nkeys = \"none\"\n")).unwrap_err();
    assert_eq!(error, ["/smartposd.toml:6: `keypad.keys` must be a table, not text; write [keypad.keys]"]);
}

#[test]
fn a_file_in_etc_is_laid_over_the_shipped_one() {
    let machine = Machine::new();
    machine.write("etc/unionpay-example.toml", "[timers]\nanswer = 20\n");
    let config = machine.load(USUAL).unwrap();
    assert_eq!(config.profile.timers.answer, Duration::from_secs(20));
    assert_eq!(config.profile_files.len(), 2);
}

#[test]
fn a_profile_may_stand_on_another() {
    let machine = Machine::new();
    machine.write("etc/bank.toml", "base = \"unionpay-example\"\n[timers]\nanswer = 25\n");
    machine.write("etc/branch.toml", "base = \"bank\"\naddresses = [\"branch:1\"]\n");
    let config = machine.load(&USUAL.replace("unionpay-example", "branch")).unwrap();
    assert_eq!(config.profile.timers.answer, Duration::from_secs(25));
    assert_eq!(config.profile.addresses[0].to_string(), "branch:1");
    let names: Vec<_> = config.profile_files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["unionpay-example.toml", "bank.toml", "branch.toml"]);
}

#[test]
fn profiles_that_stand_on_each_other_are_refused() {
    let machine = Machine::new();
    machine.write("etc/a.toml", "base = \"b\"\n");
    machine.write("etc/b.toml", "base = \"a\"\n");
    assert_eq!(
        machine.load(&USUAL.replace("unionpay-example", "a")).unwrap_err(),
        ["/etc/b.toml:1: `base` goes round or too deep (a on b on a); remove one"]
    );
}

#[test]
fn a_profile_that_is_not_there_is_refused_with_those_that_are() {
    let machine = Machine::new();
    assert_eq!(
        machine.load(&USUAL.replace("example", "exampel")).unwrap_err(),
        ["/smartposd.toml:4: profile \"unionpay-exampel\" is not in /share or /etc; there is: unionpay-example"]
    );
}

#[test]
fn complaints_of_the_profile_come_with_those_of_the_configuration() {
    let machine = Machine::new();
    machine.write("etc/unionpay-example.toml", "[timers]\nanswer = 0\n");
    assert_eq!(
        machine.load(&format!("{USUAL}colour = 1\n")).unwrap_err(),
        [
            "/smartposd.toml:5: unknown setting `colour`; write one of: terminal_id, merchant_id, licence, serial, profile, \
             profile_dirs, state_dir, operator_required, confirm_amount, language, journal, reader, keypad, tamper, scanner, diagnosis, heal, maintenance, training, support",
            "/etc/unionpay-example.toml:2: `timers.answer` is 0; write 5 to 60 seconds",
        ]
    );
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let machine = Machine::new();
    let text = "terminal_id = \"1\"\nprofile = \"../x\"\nserial = \"\"\nlanguage = \"fr\"\njournal = \"syslog\"\nstate_dir = \"var\"\n\
                [reader]\npath = \"ttyS0\"\nbaud_max = 100000\n[keypad]\npaht = \"auto\"\n";
    assert_eq!(
        machine.load(text).unwrap_err(),
        [
            "/smartposd.toml:1: `merchant_id` is missing; write merchant_id = \"999000000000001\" as the acquirer gave it",
            "/smartposd.toml:2: `terminal_id` is \"1\"; write the 8 letters or digits the acquirer gave",
            "/smartposd.toml:3: `profile` is \"../x\"; write a name of small letters, digits, - and _",
            "/smartposd.toml:4: `serial` is \"\"; write up to 32 letters or digits",
            "/smartposd.toml:5: `language` is \"fr\"; write one of: zh, en",
            "/smartposd.toml:6: `journal` is \"syslog\"; write one of: auto, journald, stderr",
            "/smartposd.toml:7: `state_dir` is \"var\"; write a path that begins with /",
            "/smartposd.toml:9: `reader.path` is \"ttyS0\"; write \"auto\" or a path that begins with /dev/",
            "/smartposd.toml:10: `reader.baud_max` is 100000; write one of: 9600, 57600, 115200, 230400, 460800, 921600",
            "/smartposd.toml:12: unknown setting `keypad.paht`; did you mean `path`?",
        ]
    );
}

#[test]
fn a_profile_that_wants_licence_and_serial_gets_them_or_says_so() {
    let machine = Machine::new();
    machine.write("etc/unionpay-example.toml", "[message]\ndevice_info = true\n");
    assert_eq!(
        machine.load(&format!("{USUAL}licence = \"0000\"\n")).unwrap_err(),
        ["/smartposd.toml:4: `serial` is missing, and the profile unionpay-example wants it at sign-in \
          (message.device_info); write serial = \"…\""]
    );
    let config = machine.load(&format!("{USUAL}licence = \"0000\"\nserial = \"00000001\"\n")).unwrap();
    assert_eq!(config.identity().device.as_deref(), Some("000000000001"));
}

#[test]
fn check_looks_at_the_certificate_file_too() {
    let machine = Machine::new();
    let ca = machine.path("ca.pem");
    machine.write("etc/unionpay-example.toml", &format!("[tls]\nmode = \"pinned-ca\"\nca = {ca:?}\n"));
    let path = machine.config(USUAL);
    let complaints = config::check(&path).unwrap_err();
    assert!(complaints[0].starts_with(&format!("{}: No such file", ca.display())), "{complaints:?}");
    machine.write("ca.pem", "DER bytes");
    assert!(config::check(&path).unwrap_err()[0].contains("no PEM certificate"));
    machine.write("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    let summary = config::check(&path).unwrap();
    assert!(summary.contains("host      127.0.0.1:5610 (TLS, pinned authority)"), "{summary}");
}

#[test]
fn a_configuration_that_is_not_there_says_what_to_do() {
    let error = config::load(Path::new("/nonexistent/smartposd.toml")).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/smartposd.toml: No such file"), "{error}");
    assert!(error.to_string().ends_with("write one, or name another with --config"), "{error}");
}

#[test]
fn control_hosts_have_a_default_and_are_read_with_complaints() {
    let machine = Machine::new();
    assert_eq!(machine.load(USUAL).unwrap().control_hosts.len(), 4);
    let with = |hosts: &str| machine.load(&format!("{USUAL}[diagnosis]\ncontrol_hosts = {hosts}\n"));
    assert!(with("[]").unwrap().control_hosts.is_empty());
    assert_eq!(with("[\"192.0.2.1:443\"]").unwrap().control_hosts[0].to_string(), "192.0.2.1:443");
    let said = with("[\"192.0.2.1\"]").unwrap_err();
    assert!(said[0].contains("`diagnosis.control_hosts` has \"192.0.2.1\"; write \"host:port\""), "{said:?}");
    let nine = format!("[{}]", "\"192.0.2.1:443\", ".repeat(9));
    assert!(with(&nine).unwrap_err()[0].contains("more than 8 hosts"));
}
