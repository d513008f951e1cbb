//! What a capture is told of everything that comes in and goes out.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::Core;
use crate::app::record::Recorder;
use crate::diagnose::events::JournalEvent;
use crate::domain::time::{Instant, Now};
use crate::driver::evdev::KeypadDeviceEvent;
use crate::driver::serial::{SerialCommand, SerialEvent};
use crate::driver::tcp;
use crate::engine::command::{Command, Refusal, RefusalKind, Reply};
use crate::engine::signal::Signal;

impl Core {
    pub(super) fn begin_recording(
        &mut self,
        now: Now,
        connection: String,
        to: OwnedFd,
        span: Duration,
        bytes: usize,
    ) -> Result<Reply, Refusal> {
        if self.recorder.as_ref().is_some_and(|recorder| !recorder.is_over(now.mono)) {
            return Err(Refusal::new(RefusalKind::Busy, "a capture is under way; stop it first"));
        }
        let title = [format!("smartposd {}", env!("CARGO_PKG_VERSION")), format!("at {}", now.wall.0)];
        match Recorder::begin(to, now.mono, span, bytes, &title) {
            Ok(recorder) => {
                self.recorder = Some(recorder.wanted_by(connection));
                tracing::info!(
                    POS_EVENT = JournalEvent::Capture.as_str(),
                    POS_COMPONENT = "service",
                    "a redacted capture of all wires has begun"
                );
                Ok(Reply::Done)
            }
            Err(why) => Err(Refusal::new(RefusalKind::Internal, format!("the capture cannot begin: {why}"))),
        }
    }

    pub(super) fn stop_recording(&mut self, now: Instant) -> Reply {
        if let Some(recorder) = self.recorder.take() {
            recorder.end(now);
            tracing::info!(
                POS_EVENT = JournalEvent::Capture.as_str(),
                POS_COMPONENT = "service",
                "the capture of all wires has ended"
            );
        }
        Reply::Done
    }

    /// A client has left the bus: what it wanted captured nobody waits for.
    pub(super) fn leave_recording(&mut self, now: Instant, connection: &str) {
        if self.recorder.as_ref().is_some_and(|recorder| recorder.is_wanted_by(connection)) {
            self.stop_recording(now);
        }
    }

    pub(super) fn expire_recording(&mut self, now: Instant) {
        if self.recorder.as_ref().is_some_and(|recorder| recorder.is_over(now)) {
            self.stop_recording(now);
        }
    }

    pub(super) fn record_serial(&mut self, now: Instant, event: &SerialEvent) {
        let Some(recorder) = &mut self.recorder else { return };
        match event {
            SerialEvent::Opened { .. } => recorder.reader(now, "open"),
            SerialEvent::Received(bytes) => recorder.reader_bytes(now, false, bytes.expose()),
            SerialEvent::Closed { .. } => recorder.reader(now, "closed"),
        }
    }

    pub(super) fn record_to_reader(&mut self, command: &SerialCommand) {
        let Some(recorder) = &mut self.recorder else { return };
        let now = (self.clock)().mono;
        match command {
            SerialCommand::Write(bytes) => recorder.reader_bytes(now, true, bytes.expose()),
            SerialCommand::SetBaud(rate) => recorder.reader(now, &format!("baud {rate}")),
            SerialCommand::Reopen => recorder.reader(now, "reopen"),
        }
    }

    pub(super) fn record_key(&mut self, now: Instant, event: &KeypadDeviceEvent) {
        let Some(recorder) = &mut self.recorder else { return };
        match event {
            KeypadDeviceEvent::Opened { .. } => recorder.keypad(now, "open"),
            KeypadDeviceEvent::Closed { .. } => recorder.keypad(now, "closed"),
            KeypadDeviceEvent::Key { code, value, .. } => {
                recorder.key(now, *code, self.keypad.meaning(*code), *value);
            }
            KeypadDeviceEvent::SynDropped { .. } => recorder.keypad(now, "lost"),
        }
    }

    pub(super) fn record_network(&mut self, now: Instant, event: &tcp::Event) {
        let Some(recorder) = &mut self.recorder else { return };
        match event {
            tcp::Event::Connected { .. } => recorder.host(now, "open"),
            tcp::Event::ConnectFailed { failure, .. } => recorder.host(now, &format!("failed {}", failure.kind)),
            tcp::Event::Received { bytes, .. } => recorder.host_bytes(now, bytes.expose()),
            tcp::Event::Written { .. } => {}
            tcp::Event::WriteFailed { .. } | tcp::Event::Closed { .. } => recorder.host(now, "closed"),
        }
    }

    pub(super) fn record_to_network(&mut self, now: Instant, command: &tcp::Command) {
        let Some(recorder) = &mut self.recorder else { return };
        match command {
            tcp::Command::Connect { address_index, .. } => recorder.host(now, &format!("connect {address_index}")),
            tcp::Command::Write { bytes, .. } => recorder.host_request(now, bytes.expose()),
            tcp::Command::Disconnect { .. } => recorder.host(now, "disconnect"),
        }
    }

    pub(super) fn record_request(&mut self, now: Instant, command: &Command) {
        let Some(recorder) = &mut self.recorder else { return };
        match command {
            Command::Create(new) => {
                let (amount, currency) = (new.money.amount.minor(), new.money.currency.alpha());
                recorder.app(now, &format!("{} {amount} {currency} {}", new.kind, new.mode));
            }
            Command::Start { .. } => recorder.app(now, "start"),
            Command::Cancel { .. } => recorder.app(now, "cancel"),
            Command::SignIn => recorder.app(now, "sign-in"),
            _ => {}
        }
    }

    pub(super) fn record_signal(&mut self, signal: &Signal) {
        let Some(recorder) = &mut self.recorder else { return };
        let now = (self.clock)().mono;
        match signal {
            Signal::TransactionFinished { outcome, .. } => recorder.app(now, &format!("finished {outcome}")),
            Signal::PromptChanged { prompt, .. } => {
                let word = prompt.word();
                // How many digits are in is told by the keys already, without their rhythm.
                if word != "enter-pin" || self.shown != word {
                    recorder.app(now, &format!("prompt {word}"));
                }
            }
            _ => {}
        }
    }
}
