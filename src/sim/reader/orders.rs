//! The words of the control socket.
//!
//! Owns: parsing and carrying out one line. Must not know: sockets.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use super::chip::Event;
use super::server::Server;
use super::trace::Trace;

/// All words, for the error message and `help`.
const WORDS: &str = "card in [remove-after N] | card out | card two | card remove-after N | card set NAME VALUE … | \
                     noise N | babble N | corrupt [N] | flip [N] | truncate [N] | oversize [N] | nack [N] | drop [N] | \
                     error [N] | silence on|off | hang | reset | delay MS | byte-gap MS | card-time MS | more-above N | \
                     unplug | plug | unlock | trace FILE | trace off | status | help | quit";

impl Server {
    /// Carries out one line.
    pub(super) fn order(&mut self, line: &str) -> Result<String, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let now = self.clock.now();
        let faults = &mut self.chip.line.faults;
        match words.as_slice() {
            ["card", rest @ ..] => return self.card_order(rest),
            ["noise", n] => faults.noise = usize::from(number::<u16>(n)?),
            ["babble", n] => self.chip.line.babble(now, usize::from(number::<u16>(n)?)),
            ["corrupt", n @ ..] => faults.corrupt = count(n)?,
            ["flip", n @ ..] => faults.flip = count(n)?,
            ["truncate", n @ ..] => faults.truncate = count(n)?,
            ["oversize", n @ ..] => faults.oversize = count(n)?,
            ["nack", n @ ..] => faults.nack = count(n)?,
            ["drop", n @ ..] => faults.drop = count(n)?,
            ["error", n @ ..] => faults.error = count(n)?,
            ["silence", "on"] => faults.silent = true,
            ["silence", "off"] => faults.silent = false,
            ["hang"] => faults.hung = true,
            ["delay", ms] => faults.delay = Duration::from_millis(number(ms)?),
            ["byte-gap", ms] => faults.byte_gap = Duration::from_millis(number(ms)?),
            ["reset"] => self.chip.handle(now, Event::Reset),
            ["card-time", ms] => self.chip.settings.card_time = Duration::from_millis(number(ms)?),
            ["more-above", n] => self.chip.settings.more_above = number(n)?,
            ["unplug"] => self.unplug(),
            ["plug"] => self.plug()?,
            ["unlock"] => self.unlock()?,
            ["trace", "off"] => self.trace = None,
            ["trace", file] => self.trace = Some(Trace::create(Path::new(file))?),
            ["status"] => return Ok(self.status()),
            ["help"] => return Ok(WORDS.to_owned()),
            ["quit"] => self.quit = true,
            _ => return Err(format!("not understood: {line}; there are: {WORDS}")),
        }
        Ok(String::new())
    }

    fn card_order(&mut self, words: &[&str]) -> Result<String, String> {
        let now = self.clock.now();
        match words {
            ["in"] => self.hand.put(now, &mut self.chip),
            // In one order, so that the reader has no time in between.
            ["in", "remove-after", n] => {
                let apdus = number(n)?;
                self.hand.put(now, &mut self.chip);
                self.chip.field.remove_after(apdus);
            }
            ["out"] => self.hand.take(&mut self.chip),
            ["two"] => self.hand.put_two(now, &mut self.chip),
            ["remove-after", n] => self.chip.field.remove_after(number(n)?),
            ["set", pairs @ ..] => self.hand.change(&mut self.chip, pairs)?,
            _ => return Err(format!("not understood: card {}; there are: {WORDS}", words.join(" "))),
        }
        Ok(String::new())
    }

    fn status(&self) -> String {
        let yes = |b: bool| if b { "yes" } else { "no" };
        format!(
            "plugged={} cards={} field={} polling={} polls={} commands={} apdus={} rate={}",
            yes(self.is_plugged()),
            self.chip.field.present(),
            if self.chip.field.is_on() { "on" } else { "off" },
            yes(self.chip.is_polling()),
            self.chip.polls(),
            self.chip.commands(),
            self.chip.field.apdus(),
            self.chip.rate(),
        )
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is no number that fits here"))
}

/// How often a fault happens: once if nothing is said.
fn count(words: &[&str]) -> Result<u32, String> {
    match words {
        [] => Ok(1),
        [n] => number(n),
        _ => Err("one number at most".to_owned()),
    }
}
