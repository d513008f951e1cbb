//! From the merged table to the profile: one function for each table of the file.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::offline::{self, OfflinePlaces};
use super::rules;
use super::{
    Forms, KeySettings, Limits, MacSettings, PinFormat, PinSettings, Profile, ReversalSettings, SignInCode, Timers,
};
use super::{qr, responses};
use crate::codec::frame::Header;
use crate::domain::amount::{Currency, MAX_MINOR};
use crate::domain::link::{CertificatePin, Endpoint, Trust};
use crate::host::key_block::{CheckLength, KeyBlockRule, MakRule};
use crate::host::mac::{MacForm, MacMethod, MacRule};
use crate::host::settings::{At, Complaint, Complaints, Section, Table};

/// Where the settings that can contradict each other were written; `None` where a default stands.
#[derive(Default)]
pub(super) struct Places {
    pub(super) mac_method: Option<At<MacMethod>>,
    pub(super) mak: Option<At<MakRule>>,
    pub(super) sign_in: Option<At<SignInCode>>,
    pub(super) encrypt_track: Option<At<bool>>,
    pub(super) due: Option<At<Vec<At<String>>>>,
    pub(super) end_codes: Option<At<Vec<At<String>>>>,
    pub(super) reach: Option<At<i64>>,
    pub(super) connect: Option<At<i64>>,
    pub(super) sign_in_timer: Option<At<i64>>,
    pub(super) max_amount: Option<At<i64>>,
    pub(super) pin_above: Option<At<i64>>,
    pub(super) offline: OfflinePlaces,
}

pub(super) fn profile(table: &Table) -> Result<Profile, Vec<Complaint>> {
    let complaints = Complaints::default();
    let root = Section::root(table, &complaints);
    let mut places = Places::default();
    let addresses = addresses(&root);
    let trust = trust(root.section("tls"));
    let header = header(root.section("frame"));
    let forms = forms(root.section("message"), &mut places);
    let mut mac = mac(root.section("mac"), &mut places);
    let keys = keys(root.section("keys"), &mut places);
    let pin = pin(root.section("pin"));
    let encrypt_track = track(root.section("track"), &mut places);
    let timers = timers(root.section("timers"), &mut places);
    let reversal = reversal(root.section("reversal"), &mut places);
    let limits = limits(root.section("limits"), &mut places);
    let offline = offline::read(root.section("offline"), &mut places.offline);
    let payment_codes = qr::read(root.section("qr"));
    let utc_offset_minutes = clock(root.section("clock"));
    let responses = responses::read(root.section("responses"));
    root.finish();
    if let (Some(mac), None) = (&mut mac, &places.due) {
        mac.due.extend(responses.approving().map(str::to_owned));
    }
    rules::check(&places, &responses, &complaints);
    let complete = (|| {
        Some(Profile {
            addresses: addresses?,
            trust: trust?,
            header: header?,
            forms: forms?,
            mac: mac?,
            keys,
            pin,
            encrypt_track,
            timers,
            reversal,
            limits: limits?,
            offline,
            payment_codes,
            utc_offset_minutes,
            responses,
        })
    })();
    let found = complaints.into_sorted();
    match complete {
        Some(profile) if found.is_empty() => Ok(profile),
        _ => Err(found),
    }
}

/// How many addresses are tried at most; more would never be reached within the timer.
const MOST_ADDRESSES: usize = 8;

fn addresses(root: &Section<'_>) -> Option<Vec<Endpoint>> {
    let list = root.texts("addresses");
    let list = root.need("addresses", list, "addresses = [\"host:port\"]")?;
    if list.value.is_empty() || list.value.len() > MOST_ADDRESSES {
        root.refuse(&list.place, format!("`addresses` has {} entries; write 1 to {MOST_ADDRESSES}", list.value.len()));
        return None;
    }
    let mut found: Vec<Endpoint> = Vec::new();
    for At { value, place } in list.value {
        match value.parse::<Endpoint>() {
            Err(error) => root.refuse(&place, format!("`addresses` has \"{value}\"; {error}")),
            Ok(endpoint) if found.contains(&endpoint) => {
                root.refuse(&place, format!("`addresses` names {endpoint} twice; remove one of them"));
            }
            Ok(endpoint) => found.push(endpoint),
        }
    }
    Some(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TlsMode {
    Off,
    PinnedCa,
    PinnedCertificate,
}

fn trust(tls: Section<'_>) -> Option<Trust> {
    let modes =
        [("off", TlsMode::Off), ("pinned-ca", TlsMode::PinnedCa), ("pinned-certificate", TlsMode::PinnedCertificate)];
    let mode = tls.choice("mode", &modes);
    let mode = tls.need("mode", mode, "mode = \"pinned-ca\", \"pinned-certificate\" or \"off\"");
    let ca = tls.text("ca");
    let certificate = tls.text("certificate");
    let fingerprint =
        tls.parsed("fingerprint", "the 64 hexadecimal digits of a SHA-256, with or without colons", sha256);
    let server_name = tls.text("server_name");
    let mode = mode.map(|m| m.value);
    let useless = |set: Option<&At<String>>, key: &str, used_by: &[TlsMode], remedy: &str| {
        if let (Some(at), Some(mode)) = (set, mode)
            && !used_by.contains(&mode)
        {
            tls.refuse(&at.place, format!("`tls.{key}` has no use with this `tls.mode`; {remedy}"));
        }
    };
    let either = "remove it, or write mode = \"pinned-ca\"";
    useless(ca.as_ref(), "ca", &[TlsMode::PinnedCa], either);
    let either = "remove it, or write mode = \"pinned-certificate\"";
    useless(certificate.as_ref(), "certificate", &[TlsMode::PinnedCertificate], either);
    let text = fingerprint.as_ref().map(|at| At { value: String::new(), place: at.place.clone() });
    useless(text.as_ref(), "fingerprint", &[TlsMode::PinnedCertificate], either);
    let either = "remove it, or switch TLS on";
    useless(server_name.as_ref(), "server_name", &[TlsMode::PinnedCa, TlsMode::PinnedCertificate], either);
    let server_name = server_name.map(|at| at.value);
    let trust = match mode {
        None => None,
        Some(TlsMode::Off) => Some(Trust::Plain),
        Some(TlsMode::PinnedCa) => tls
            .need("ca", ca, "ca = \"/etc/smartposd/acquirer-ca.pem\"")
            .map(|ca| Trust::PinnedCa { ca: PathBuf::from(ca.value), server_name }),
        Some(TlsMode::PinnedCertificate) => match (certificate, fingerprint) {
            (Some(file), None) => {
                Some(Trust::PinnedCertificate { pin: CertificatePin::File(file.value.into()), server_name })
            }
            (None, Some(sha)) => {
                Some(Trust::PinnedCertificate { pin: CertificatePin::Fingerprint(sha.value), server_name })
            }
            (Some(_), Some(sha)) => {
                tls.refuse(
                    &sha.place,
                    "`tls.fingerprint` and `tls.certificate` both name the certificate; keep one of them",
                );
                None
            }
            (None, None) => tls.need(
                "fingerprint",
                None,
                "fingerprint = \"SHA-256 of the host's certificate\" or certificate = \"file.pem\"",
            ),
        },
    };
    tls.finish();
    trust
}

fn sha256(text: &str) -> Option<[u8; 32]> {
    hex(&text.replace(':', ""))
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (place, at) in out.iter_mut().zip((0..).step_by(2)) {
        *place = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(out)
}

fn header(frame: Section<'_>) -> Option<Header> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let tpdu = frame.parsed("tpdu", "ten digits that begin with 60, as the acquirer gave them", |t| {
        hex::<5>(t).filter(|_| digits(t) && t.starts_with("60"))
    });
    let tpdu = frame.need("tpdu", tpdu, "tpdu = \"6000030000\" as the acquirer gave it");
    let header =
        frame.parsed("header", "twelve digits with a 0 in the sixth place (the host fills that one in)", |t| {
            hex::<6>(t).filter(|_| digits(t) && t.as_bytes().get(5) == Some(&b'0'))
        });
    let header = frame.need("header", header, "header = \"603100310000\" as the acquirer gave it");
    frame.finish();
    Some(Header { tpdu: tpdu?.value, header: header?.value })
}

fn forms(message: Section<'_>, places: &mut Places) -> Option<Forms> {
    let codes = [("001", SignInCode::Single), ("003", SignInCode::Double), ("004", SignInCode::DoubleWithTrack)];
    let sign_in = message.choice("sign_in_code", &codes);
    places.sign_in = message.need("sign_in_code", sign_in, "sign_in_code = \"003\" or \"004\" as the acquirer says");
    let reader_ability = message.number("reader_ability", 0..=9, "(6: contactless)").map_or(6, |at| at.value);
    let ic_condition = message.number("ic_condition", 0..=9, "(0: normal)").map_or(0, |at| at.value);
    let management = message.number("management_f60_digits", 11..=13, "digits");
    if let Some(At { value: 12, place }) = &management {
        message.refuse(place, "`message.management_f60_digits` is 12; write 11, or 13 to add 60.4 and 60.5");
    }
    let device_info = message.truth("device_info").is_some_and(|at| at.value);
    let operator = message.parsed("operator", "three characters: \"01 \" (with the blank) or \"001\"", |text| {
        let good = text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
        good.then(|| text.to_owned())
    });
    let operator = operator.map_or_else(|| "01 ".to_owned(), |at| at.value);
    let longest_pin = message.number("longest_pin", 4..=12, "digits").map_or(12, |at| at.value);
    message.finish();
    Some(Forms {
        sign_in: places.sign_in.as_ref()?.value,
        reader_ability: small(reader_ability),
        ic_condition: small(ic_condition),
        management_f60_digits: small(management.map_or(11, |at| at.value)),
        device_info,
        operator,
        longest_pin: small(longest_pin),
    })
}

fn mac(mac: Section<'_>, places: &mut Places) -> Option<MacSettings> {
    let methods: Vec<_> = MacMethod::ALL.iter().map(|m| (m.as_str(), *m)).collect();
    let method = mac.choice("method", &methods);
    places.mac_method =
        mac.need("method", method, "method = \"ecb\", \"x99\", \"x919\" or \"cbc3des\" as the acquirer says");
    let forms: Vec<_> = MacForm::ALL.iter().map(|f| (f.as_str(), *f)).collect();
    let form = mac.choice("form", &forms);
    places.due = mac.texts("check_answers");
    let due = match &places.due {
        Some(list) => list.value.iter().map(|at| at.value.clone()).collect(),
        // Completed with every approving code once the table of codes is read.
        None => BTreeSet::from(["00".to_owned(), "10".to_owned()]),
    };
    let check_others = mac.truth("check_others").is_none_or(|at| at.value);
    mac.finish();
    let method = places.mac_method.as_ref()?.value;
    let rule = MacRule { method, form: form.map_or_else(|| method.usual_form(), |at| at.value) };
    Some(MacSettings { rule, due, check_others })
}

fn keys(keys: Section<'_>, places: &mut Places) -> KeySettings {
    let rules = [("auto", MakRule::ByBlock), ("single", MakRule::Single), ("double", MakRule::Double)];
    places.mak = keys.choice("mak", &rules);
    let check = keys.number("check_value_bytes", 3..=4, "bytes").map_or(4, |at| at.value);
    let hours = keys.number("max_age_hours", 1..=720, "hours").map_or(24, |at| at.value);
    keys.finish();
    let check = if check == 3 { CheckLength::Three } else { CheckLength::Four };
    let mak = places.mak.as_ref().map_or(MakRule::ByBlock, |at| at.value);
    KeySettings { block: KeyBlockRule { mak, check }, max_age: seconds(hours * 3600) }
}

fn pin(pin: Section<'_>) -> PinSettings {
    let formats = [("with-pan", PinFormat::WithPan), ("without-pan", PinFormat::WithoutPan)];
    let format = pin.choice("format", &formats).map_or(PinFormat::WithPan, |at| at.value);
    pin.finish();
    PinSettings { format }
}

fn track(track: Section<'_>, places: &mut Places) -> bool {
    places.encrypt_track = track.truth("encryption");
    track.finish();
    places.encrypt_track.as_ref().is_some_and(|at| at.value)
}

fn timers(timers: Section<'_>, places: &mut Places) -> Timers {
    places.connect = timers.number("connect", 1..=30, "seconds");
    places.reach = timers.number("reach", 1..=30, "seconds");
    places.sign_in_timer = timers.number("sign_in", 1..=30, "seconds");
    let answer = timers.number("answer", 5..=60, "seconds");
    let idle_close = timers.number("idle_close", 0..=600, "seconds");
    timers.finish();
    let of = |at: &Option<At<i64>>, usual| seconds(at.as_ref().map_or(usual, |at| at.value));
    Timers {
        connect: of(&places.connect, rules::CONNECT),
        reach: of(&places.reach, rules::REACH),
        answer: of(&answer, 45),
        sign_in: of(&places.sign_in_timer, rules::SIGN_IN),
        idle_close: of(&idle_close, 20),
    }
}

fn reversal(reversal: Section<'_>, places: &mut Places) -> ReversalSettings {
    let retries = reversal.number("retries", 0..=20, "repeats").map_or(3, |at| at.value);
    places.end_codes = reversal.texts("end_codes");
    reversal.finish();
    let end_codes: BTreeSet<String> = match &places.end_codes {
        Some(list) => list.value.iter().map(|at| at.value.clone()).collect(),
        None => ["00", "12", "22", "25", "94"].map(String::from).into(),
    };
    ReversalSettings { retries: small(retries), end_codes }
}

fn limits(limits: Section<'_>, places: &mut Places) -> Option<Limits> {
    let most = i64::try_from(MAX_MINOR).unwrap_or(i64::MAX);
    places.pin_above = limits.number("pin_above", 0..=most, "minor units (fen)");
    let max_amount = limits.number("max_amount", 1..=most, "minor units (fen)");
    places.max_amount = limits.need("max_amount", max_amount, "max_amount = 5000000 (minor units: 50 000.00)");
    let currency = limits.parsed("currency", "an ISO 4217 code such as CNY", |text| text.parse::<Currency>().ok());
    limits.finish();
    Some(Limits {
        pin_above: places.pin_above.as_ref().map_or(0, |at| at.value).unsigned_abs(),
        max_amount: places.max_amount.as_ref()?.value.unsigned_abs(),
        currency: currency.map_or(Currency::CNY, |at| at.value),
    })
}

fn clock(clock: Section<'_>) -> i16 {
    let offset = clock.number("utc_offset_minutes", -720..=840, "minutes (China: 480)").map_or(480, |at| at.value);
    clock.finish();
    i16::try_from(offset).unwrap_or(480)
}

fn small(number: i64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

pub(super) fn seconds(number: i64) -> Duration {
    Duration::from_secs(number.unsigned_abs())
}
