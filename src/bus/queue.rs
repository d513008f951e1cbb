//! `org.smartposd.Pos1.Queue`: what the host does not have yet. The contract is `xml/org.smartposd.Pos1.Queue.xml`.

use std::collections::BTreeMap;
use std::os::fd;

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, interface};
use zeroize::Zeroizing;

use crate::bus::authority::Right;
use crate::bus::error::{Error, Result};
use crate::bus::gate::{ANSWER, Gate};
use crate::bus::options::{Given, Options, note};
use crate::bus::result::Row;
use crate::bus::secret_fd::read_secret;
use crate::bus::terminal::{done, unexpected};
use crate::bus::{unsent, view};
use crate::domain::ids::{CodeError, TransactionCode};
use crate::domain::offline::Resolution;
use crate::domain::pan::Pan;
use crate::domain::secret::SecretBytes;
use crate::engine::command::{Command, Refusal, RefusalKind, Reply};

/// On the object `/org/smartposd/Pos1/Terminal0`.
pub(super) struct Queue {
    pub(super) gate: Gate,
}

#[interface(name = "org.smartposd.Pos1.Queue", introspection_docs = false)]
impl Queue {
    #[zbus(property)]
    fn depth(&self) -> u32 {
        self.gate.snapshot().queue.totals.waiting
    }

    #[zbus(property)]
    fn held(&self) -> u32 {
        let snapshot = self.gate.snapshot();
        snapshot.queue.totals.held.saturating_add(snapshot.held_reversals)
    }

    #[zbus(property)]
    fn reversals(&self) -> u32 {
        self.gate.snapshot().open_reversals
    }

    #[zbus(property)]
    fn oldest_at(&self) -> u64 {
        self.gate.snapshot().queue.totals.oldest.map_or(0, |t| t.0)
    }

    #[zbus(property)]
    fn pending_amounts(&self) -> BTreeMap<String, u64> {
        let queue = self.gate.snapshot().queue.clone();
        let there = queue.totals.count() > 0;
        there.then(|| (queue.currency.to_owned(), queue.totals.sum)).into_iter().collect()
    }

    #[zbus(property)]
    fn draining(&self) -> bool {
        self.gate.snapshot().queue.draining
    }

    #[zbus(property)]
    fn cause(&self) -> &str {
        view::cause(self.gate.snapshot().queue.cause)
    }

    #[zbus(out_args("waiting"))]
    async fn drain(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u32> {
        let visit = self.gate.admit(connection, &header, Right::Queue).await?;
        Options::none(options)?;
        match self.gate.ask(&visit, Command::Drain, ANSWER).await? {
            Reply::Draining { waiting } => Ok(waiting),
            other => Err(unexpected(&other)),
        }
    }

    #[zbus(out_args("rows"))]
    async fn list(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Queue).await?;
        let wanted = unsent::Wanted::from_options(options, None)?;
        unsent::list(&self.gate, connection, &visit, wanted).await
    }

    #[zbus(out_args("rows"))]
    async fn list_held(
        &self,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Row>> {
        let visit = self.gate.admit(connection, &header, Right::Queue).await?;
        let wanted = unsent::Wanted::from_options(options, Some(true))?;
        unsent::list(&self.gate, connection, &visit, wanted).await
    }

    async fn hold(
        &self,
        code: &str,
        note: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Queue).await?;
        let code = transaction_code(code)?;
        let note = self::note(note)?;
        let owner = unsent::owner(&self.gate, &visit, &code).await?;
        if owner != Some(visit.caller.uid) {
            // Whether there is one at all is not told without the right either.
            self.gate.allow(connection, &visit, Right::Resolve).await?;
        }
        let command = Command::Hold { caller: visit.caller.clone(), code, note };
        done(self.gate.ask(&visit, command, ANSWER).await?)
    }

    async fn resolve(
        &self,
        code: &str,
        decision: &str,
        note: &str,
        options: Given,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Resolve).await?;
        Options::none(options)?;
        let code = transaction_code(code)?;
        let decision = Resolution::from_word(decision).ok_or_else(|| {
            let known: Vec<_> = Resolution::ALL.iter().map(|r| r.as_str()).collect();
            Error::invalid(format!("a decision is one of: {}", known.join(", ")))
        })?;
        let note = self::note(note)?;
        let command = Command::Resolve { caller: visit.caller.clone(), code, decision, note };
        done(self.gate.ask(&visit, command, ANSWER).await?)
    }

    async fn deny_card(
        &self,
        pan: OwnedFd,
        note: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Resolve).await?;
        let note = self::note(note)?;
        let pan = card_number(&read_secret(fd::OwnedFd::from(pan)).await?)?;
        done(self.gate.ask(&visit, Command::DenyCard { pan, note }, ANSWER).await?)
    }

    #[zbus(signal)]
    async fn progress(
        emitter: &SignalEmitter<'_>,
        sent: u32,
        left: u32,
        held: u32,
        seconds_left: u32,
    ) -> zbus::Result<()>;
}

fn transaction_code(text: &str) -> Result<TransactionCode> {
    let refused = |why: CodeError| Refusal::because(RefusalKind::InvalidArgument, why.cause(), why.to_string());
    text.parse().map_err(|why| Error::from(refused(why)))
}

/// The digits of a card number, in groups as they stand on the card if one likes.
fn card_number(text: &SecretBytes) -> Result<Pan> {
    let wrong = || Error::invalid("a card number has 8 to 19 digits");
    // As long as the text, so that it does not grow and leave a copy behind.
    let mut digits = Zeroizing::new(String::with_capacity(text.expose().len()));
    for byte in text.expose().iter().filter(|b| **b != b' ') {
        if !byte.is_ascii_digit() {
            return Err(wrong());
        }
        digits.push(char::from(*byte));
    }
    Pan::new(&digits).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pan(text: &str) -> Option<Pan> {
        card_number(&SecretBytes::new(text.as_bytes().to_vec())).ok()
    }

    #[test]
    fn a_card_number_is_eight_to_nineteen_digits_in_any_grouping() {
        assert!(pan("6200000000000000018") == Pan::new("6200000000000000018"));
        assert!(pan("6200 0000 0000 0000 018") == Pan::new("6200000000000000018"));
        for wrong in ["", "1234567", "62000000000000000181", "62000000x0000018", "6200-0000-0000-0018"] {
            assert!(pan(wrong).is_none(), "{wrong}");
        }
    }
}
