//! The two strong measures against a mute card reader, on a thread of their own: reset line and USB power.
//!
//! Owns: that thread. Must not know: when a measure is due. Both may block in the kernel (a hanging hub, a GPIO expander
//! behind a slow bus), which must not hold up a payment: orders wait in a queue of one, and one that finds it full is
//! refused to whoever gave it.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use embedded_hal::digital::OutputPin;
use linux_embedded_hal::Delay;
use tokio::sync::mpsc;

use crate::driver::gpio::ResetLine;
use crate::driver::usb::UsbPower;

/// Which measures there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name of the reader's reset line.
    pub reset_line: Option<String>,
    /// The directory of GPIO chips.
    pub devices: PathBuf,
    /// How the reader's power is switched by USB.
    pub power: Option<UsbPower>,
}

/// A measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairCommand {
    /// Pulse the reset line.
    PulseReset,
    /// Switch off and on the USB device of this serial port.
    PowerCycle {
        /// As the serial driver opened it.
        port: PathBuf,
    },
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairEvent {
    /// The reset line is in hand.
    LineHeld,
    /// The reader has been reset.
    Pulsed,
    /// The reader's power was off and is on.
    PowerCycled {
        /// The USB device.
        device: String,
    },
    /// An earlier daemon was killed while the power was off; it is on again.
    PowerRestored {
        /// The file that was written.
        switch: PathBuf,
    },
    /// The reset line could not be taken or pulsed; the sentence says what to do.
    LineFailed(String),
    /// The power could not be switched; the sentence says what to do.
    PowerFailed(String),
}

/// Starts the thread if there is anything for it to do. It ends when the sender is dropped.
pub fn start(
    settings: Settings,
    events: mpsc::Sender<RepairEvent>,
) -> std::io::Result<Option<SyncSender<RepairCommand>>> {
    if settings.reset_line.is_none() && settings.power.is_none() {
        return Ok(None);
    }
    let (orders, inlet) = sync_channel(1);
    let line = settings.reset_line.map(|name| ResetLine::named(name, settings.devices));
    let run = move || run(line, settings.power.as_ref(), &inlet, &events);
    std::thread::Builder::new().name("repair".into()).spawn(run)?;
    Ok(Some(orders))
}

fn run<P: OutputPin<Error: Display>>(
    mut line: Option<ResetLine<P>>,
    power: Option<&UsbPower>,
    orders: &Receiver<RepairCommand>,
    events: &mpsc::Sender<RepairEvent>,
) {
    // A core that is gone has ended the daemon; the orders end, too.
    let tell = |event| events.blocking_send(event).unwrap_or(());
    match power.map(|power| power.recover(&mut Delay)) {
        Some(Ok(Some(switch))) => tell(RepairEvent::PowerRestored { switch }),
        Some(Err(error)) => tell(RepairEvent::PowerFailed(error.to_string())),
        Some(Ok(None)) | None => {}
    }
    match line.as_mut().map(ResetLine::hold) {
        Some(Ok(())) => tell(RepairEvent::LineHeld),
        Some(Err(error)) => tell(RepairEvent::LineFailed(error.to_string())),
        None => {}
    }
    for order in orders {
        tell(match (order, &mut line, power) {
            (RepairCommand::PulseReset, Some(line), _) => match line.pulse(&mut Delay) {
                Ok(()) => RepairEvent::Pulsed,
                Err(error) => RepairEvent::LineFailed(error.to_string()),
            },
            (RepairCommand::PowerCycle { port }, _, Some(power)) => match power.cycle(&port, &mut Delay) {
                Ok(device) => RepairEvent::PowerCycled { device },
                Err(error) => RepairEvent::PowerFailed(error.to_string()),
            },
            (RepairCommand::PulseReset, None, _) => RepairEvent::LineFailed("no reset line is configured".to_owned()),
            (RepairCommand::PowerCycle { .. }, _, None) => {
                RepairEvent::PowerFailed("no power switch is configured".to_owned())
            }
        });
    }
}

#[cfg(test)]
mod tests;
