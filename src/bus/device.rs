//! `org.smartposd.Pos1.Reader` and `.Keypad`: the shape of every device. The contracts are in `xml/`.

use zbus::message::Header;
use zbus::{Connection, OwnedFd, interface};

use crate::bus::authority::Right;
use crate::bus::error::{Error, Result};
use crate::bus::gate::{ANSWER, Gate, Visit};
use crate::bus::lease;
use crate::bus::options::printable;
use crate::bus::terminal::done;
use crate::bus::view;
use crate::engine::command::{Command, Device, RefusalKind};

/// Characters of who and why.
const NOTE: usize = 64;

/// The object `/org/smartposd/Pos1/Reader0`.
pub(super) struct Reader {
    pub(super) gate: Gate,
}

#[interface(name = "org.smartposd.Pos1.Reader", introspection_docs = false)]
impl Reader {
    #[zbus(property)]
    fn state(&self) -> &str {
        self.gate.snapshot().reader.state.as_str()
    }

    #[zbus(property)]
    fn model(&self) -> String {
        self.gate.snapshot().reader.model.clone()
    }

    #[zbus(property)]
    fn firmware(&self) -> String {
        self.gate.snapshot().reader.firmware.clone()
    }

    #[zbus(property)]
    fn last_cause(&self) -> &str {
        view::cause(self.gate.snapshot().reader.last_cause)
    }

    async fn reset(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        done(self.gate.ask(&visit, Command::ResetReader, ANSWER).await?)
    }

    async fn power_cycle(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        done(self.gate.ask(&visit, Command::PowerCycleReader, ANSWER).await?)
    }

    #[zbus(out_args("lease"))]
    async fn inhibit(
        &self,
        who: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedFd> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        inhibit(&self.gate, visit, Device::Reader, who, why).await
    }
}

/// The object `/org/smartposd/Pos1/Keypad0`.
pub(super) struct Keypad {
    pub(super) gate: Gate,
}

#[interface(name = "org.smartposd.Pos1.Keypad", introspection_docs = false)]
impl Keypad {
    #[zbus(property)]
    fn state(&self) -> &str {
        self.gate.snapshot().keypad.state.as_str()
    }

    #[zbus(property)]
    fn model(&self) -> String {
        self.gate.snapshot().keypad.model.clone()
    }

    #[zbus(property)]
    fn firmware(&self) -> String {
        self.gate.snapshot().keypad.firmware.clone()
    }

    #[zbus(property)]
    fn last_cause(&self) -> &str {
        view::cause(self.gate.snapshot().keypad.last_cause)
    }

    async fn power_cycle(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        self.gate.admit(connection, &header, Right::Maintain).await?;
        Err(Error::new(RefusalKind::WrongState, "no power switch is configured: there is none for keypads"))
    }

    #[zbus(out_args("lease"))]
    async fn inhibit(
        &self,
        who: &str,
        why: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedFd> {
        let visit = self.gate.admit(connection, &header, Right::Maintain).await?;
        inhibit(&self.gate, visit, Device::Keypad, who, why).await
    }
}

pub(super) async fn inhibit(gate: &Gate, visit: Visit, device: Device, who: &str, why: &str) -> Result<OwnedFd> {
    printable("who", who, NOTE)?;
    printable("why", why, NOTE)?;
    let held = gate.leases.take(device)?;
    let (daemon, holder) = lease::pair()?;
    let command = Command::Inhibit { caller: visit.caller.clone(), device, why: format!("{who}: {why}") };
    // From here on the lease ends by itself: also when the caller has gone before it could get its end, or when the
    // core answers too late, since the holder's end is then dropped on the way out.
    let answer = gate.ask(&visit, command, ANSWER).await;
    let refused = matches!(&answer, Err(why) if why.kind() != RefusalKind::Internal);
    if !refused {
        let gate = gate.clone();
        tokio::spawn(async move {
            daemon.released().await;
            gate.tell(Command::InhibitEnded { device }).await;
            drop(held);
        });
    }
    done(answer?)?;
    Ok(OwnedFd::from(holder))
}
