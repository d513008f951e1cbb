//! `org.smartposd.Pos1.Manager`: the daemon as a whole. The contract is `xml/org.smartposd.Pos1.Manager.xml`.

use std::collections::BTreeMap;
use std::os::fd;

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, Variant, interface};

use crate::bus::authority::Right;
use crate::bus::error::{Error, Result};
use crate::bus::gate::{ANSWER, Gate, LONG_ANSWER};
use crate::bus::options::{Given, Options, note};
use crate::bus::result::Row;
use crate::bus::secret_fd::read_secret;
use crate::bus::target_fd::take_target;
use crate::bus::terminal::{done, unexpected};
use crate::bus::{diagnosis, explain, faults, hints, self_test, upkeep, view};
use crate::domain::heal::{Fault, Measure};
use crate::domain::upkeep::UpkeepQuestion;
use crate::engine::command::{Command, Reply};
use crate::engine::snapshot::{Capability, WAYS};

/// What this build can do beyond the members of the contract.
const FEATURES: &[&str] = &[
    "sale",
    "operator-at-keypad",
    "keys-at-keypad",
    "offline",
    "queue",
    "journal",
    "backup",
    "causes",
    "diagnosis-steps",
    "heal",
    "training",
    "hints",
    "maintenance",
    "faults",
    "record",
    "self-test",
];
/// Rows of the journal in one answer.
const MAX_ROWS: u16 = 1000;
/// Bytes of a backup's passphrase.
const PASSPHRASE: std::ops::RangeInclusive<usize> = 12..=128;

/// The object `/org/smartposd/Pos1`.
pub(super) struct Manager {
    pub(super) gate: Gate,
}

#[interface(name = "org.smartposd.Pos1.Manager", introspection_docs = false)]
impl Manager {
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn features(&self) -> Vec<&str> {
        FEATURES.to_vec()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn training(&self) -> bool {
        self.gate.training()
    }

    #[zbus(property)]
    fn hints(&self) -> Vec<Row> {
        hints::rows(&self.gate.snapshot().habits)
    }

    #[zbus(property)]
    fn mistakes(&self) -> BTreeMap<String, u32> {
        hints::totals(&self.gate.snapshot().habits)
    }

    #[zbus(property)]
    fn notices(&self) -> Vec<Row> {
        upkeep::notices(&self.gate.snapshot().notices)
    }

    #[zbus(property)]
    fn health(&self) -> &str {
        view::health(&self.gate.snapshot())
    }

    #[zbus(property)]
    fn components(&self) -> Vec<(String, String, String)> {
        let own = |part: view::Part| (part.name.to_owned(), part.state.to_owned(), part.cause.to_owned());
        view::parts(&self.gate.snapshot()).into_iter().map(own).collect()
    }

    #[zbus(property)]
    fn capabilities(&self) -> BTreeMap<String, Row> {
        let snapshot = self.gate.snapshot();
        let currency = snapshot.queue.currency;
        WAYS.iter().zip(&snapshot.capabilities).map(|(way, c)| ((*way).to_owned(), capability(c, currency))).collect()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn support_contacts(&self) -> BTreeMap<&'static str, BTreeMap<&'static str, String>> {
        faults::contacts(self.gate.support())
    }

    #[zbus(out_args("faults"))]
    async fn last_faults(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.enter(connection, &header).await?;
        Options::none(options)?;
        faults::last(&self.gate, &visit).await
    }

    #[zbus(out_args("changes"))]
    async fn timeline(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.enter(connection, &header).await?;
        Options::none(options)?;
        faults::timeline(&self.gate, &visit).await
    }

    async fn record(
        &self,
        to: OwnedFd,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        let mut options = Options::new(options);
        let (seconds, bytes) = (options.number("seconds")?, options.number("bytes")?);
        options.finish()?;
        let command = faults::record(&visit, take_target(fd::OwnedFd::from(to))?, seconds, bytes)?;
        done(self.gate.ask(&visit, command, ANSWER).await?)
    }

    async fn stop_recording(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        done(self.gate.ask(&visit, Command::StopRecording, ANSWER).await?)
    }

    #[zbus(out_args("rows"))]
    async fn run_diagnosis(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        Options::none(options)?;
        diagnosis::run(&self.gate, connection, &visit).await
    }

    #[zbus(out_args("rows"))]
    async fn self_test(
        &self,
        level: &str,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        self_test::run(&self.gate, &visit, level, options).await
    }

    #[zbus(out_args("entry"))]
    async fn explain_cause(&self, cause: &str) -> Result<Row> {
        explain::row(cause)
    }

    #[zbus(out_args("rows", "broken", "what"))]
    async fn verify_journal(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(u64, u64, String)> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        match self.gate.ask(&visit, Command::VerifyJournal, LONG_ANSWER).await? {
            Reply::JournalChecked(check) => {
                let (broken, what) = check.broken.unwrap_or_default();
                Ok((check.rows, broken, what))
            }
            other => Err(unexpected(&other)),
        }
    }

    #[zbus(out_args("rows"))]
    async fn export_journal(
        &self,
        after: u64,
        limit: u32,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<(u64, u64, String, String)>> {
        let visit = self.gate.admit(connection, &header, Right::ReadAll).await?;
        let limit = u16::try_from(limit).ok().filter(|l| (1..=MAX_ROWS).contains(l));
        let limit = limit.ok_or_else(|| Error::invalid(format!("limit is 1 to {MAX_ROWS}")))?;
        match self.gate.ask(&visit, Command::ExportJournal { after, limit }, ANSWER).await? {
            Reply::Journal(rows) => Ok(rows.into_iter().map(|r| (r.number, r.at.0, r.entry, r.chain)).collect()),
            other => Err(unexpected(&other)),
        }
    }

    #[zbus(out_args("faults"))]
    async fn heal_log(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        let limit = newest(options)?;
        match self.gate.ask(&visit, Command::HealLog { limit }, ANSWER).await? {
            Reply::Faults(faults) => Ok(faults.iter().map(fault_row).collect()),
            other => Err(unexpected(&other)),
        }
    }

    async fn leave_safe_mode(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        Options::none(options)?;
        done(self.gate.ask(&visit, Command::LeaveSafeMode, ANSWER).await?)
    }

    #[zbus(out_args("items"))]
    async fn maintenance_due(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        Options::none(options)?;
        upkeep::ask(&self.gate, &visit, UpkeepQuestion::Due).await
    }

    #[zbus(out_args("counters"))]
    async fn maintenance_trends(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        Options::none(options)?;
        upkeep::ask(&self.gate, &visit, UpkeepQuestion::Trends).await
    }

    #[zbus(out_args("lines"))]
    async fn maintenance_log(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        let limit = newest(options)?;
        upkeep::ask(&self.gate, &visit, UpkeepQuestion::Log { limit }).await
    }

    async fn maintenance_done(
        &self,
        item: &str,
        note: &str,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        Options::none(options)?;
        let (item, note, uid) = (upkeep::work(item)?, self::note(note)?, visit.caller.uid);
        let done = Command::Upkeep(UpkeepQuestion::Done { item, uid, note });
        self::done(self.gate.ask(&visit, done, ANSWER).await?)
    }

    async fn backup(
        &self,
        passphrase: OwnedFd,
        to: OwnedFd,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        Options::none(options)?;
        let to = take_target(fd::OwnedFd::from(to))?;
        let passphrase = read_secret(fd::OwnedFd::from(passphrase)).await?;
        if !PASSPHRASE.contains(&passphrase.expose().len()) {
            let (min, max) = (PASSPHRASE.start(), PASSPHRASE.end());
            return Err(Error::invalid(format!("a backup's passphrase has {min} to {max} bytes")));
        }
        done(self.gate.ask(&visit, Command::Backup { passphrase, to }, LONG_ANSWER).await?)
    }

    #[zbus(signal)]
    async fn diagnosis_step(emitter: &SignalEmitter<'_>, step: Row) -> zbus::Result<()>;
}

/// How many rows, newest first.
fn newest(options: Given) -> Result<u16> {
    let mut options = Options::new(options);
    let limit = options.number("limit")?.unwrap_or(100);
    options.finish()?;
    let limit = u16::try_from(limit).ok().filter(|l| (1..=MAX_ROWS).contains(l));
    limit.ok_or_else(|| Error::invalid(format!("limit is 1 to {MAX_ROWS}")))
}

fn fault_row(fault: &Fault) -> Row {
    let mut row = Row::from([
        ("part", Variant::from(fault.part.as_str())),
        ("cause", Variant::from(fault.cause.as_str())),
        ("began", Variant::from(fault.began.0)),
    ]);
    if let Some(lasted) = fault.lasted {
        row.insert("milliseconds", Variant::from(u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX)));
    }
    if let Some(number) = fault.number {
        row.insert("number", Variant::from(number));
    }
    let texts = |of: fn(&Measure) -> &'static str| fault.measures.iter().map(of).collect::<Vec<_>>();
    row.insert("rungs", Variant::from(texts(|m| m.rung.as_str())));
    row.insert("effects", Variant::from(texts(|m| m.effect.as_str())));
    row
}

fn capability(capability: &Capability, currency: &'static str) -> Row {
    let mut row = Row::from([("available", Variant::from(capability.available))]);
    if let Some(cause) = capability.cause {
        row.insert("cause", Variant::from(cause.as_str()));
    }
    if let Some(refusal) = capability.refusal {
        row.insert("refusal", Variant::from(refusal.as_str()));
    }
    if let Some(until) = capability.until {
        row.insert("until", Variant::from(until.0));
    }
    if let Some(left) = capability.amount_left {
        row.insert("amount-left", Variant::from(left));
        row.insert("currency", Variant::from(currency));
    }
    if let Some(left) = capability.count_left {
        row.insert("count-left", Variant::from(left));
    }
    row
}
