//! The PN532's commands: parameters checked, work done, answer built.
//!
//! Owns: codes, parameters and answers. Must not know: frames, serial rates in use, time of day.
//! Spec: UM0701-02 §7. A command with bad parameters is a syntax error, as on the chip.

use std::time::Duration;

use super::chip::{Chip, RATES};
use super::field::RfError;
use super::registers;

/// Must come first after power-up.
pub const SAM_CONFIGURATION: u8 = 0x14;

/// IC PN532; what it can do: ISO 14443 A and B, ISO 18092.
const CHIP: u8 = 0x32;
const ABILITIES: u8 = 0x07;
/// Version 1.6, as the recorded clients know it.
pub const USUAL_FIRMWARE: [u8; 2] = [0x01, 0x06];
/// One try to find a card in the field.
const POLL_TRY: Duration = Duration::from_millis(5);
/// The most that InDataExchange hands over at once.
const MAX_EXCHANGE: usize = 262;
/// SetParameters: send RATS without being told.
const AUTO_RATS: u8 = 0x10;
const MORE: u8 = 0x40;

/// How a chip is built and what the host has configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keep silent until SAMConfiguration has come, as the chip's manual demands.
    pub strict_sam: bool,
    /// Version and revision of the firmware.
    pub firmware: [u8; 2],
    /// Chooses noise.
    pub seed: u64,
    /// The most bytes of an answer that InDataExchange hands over before it says "more" (at most 262).
    pub more_above: usize,
    /// Time the card takes for each command.
    pub card_time: Duration,
}

/// What the host has configured and what is under way between two commands; lost with power.
#[derive(Clone, Debug)]
pub struct Configured {
    parameters: u8,
    /// Retries of passive activation; FF is for ever.
    passive_retries: u8,
    /// Time-out code of item 02.
    rf_timeout: u8,
    /// Rest of an answer that the host has still to fetch.
    rest: Vec<u8>,
    /// First parts of a long command.
    gathered: Vec<u8>,
    last_error: u8,
}

impl Default for Configured {
    fn default() -> Self {
        Self {
            parameters: 0x14,
            passive_retries: 0xFF,
            rf_timeout: 0x0A,
            rest: Vec::new(),
            gathered: Vec::new(),
            last_error: 0,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strict_sam: false,
            firmware: USUAL_FIRMWARE,
            seed: 1,
            more_above: MAX_EXCHANGE,
            card_time: Duration::ZERO,
        }
    }
}

/// What the chip does about a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Reaction {
    /// An answer, at once or later.
    Answer {
        /// From now.
        after: Duration,
        /// Code and parameters.
        bytes: Vec<u8>,
    },
    /// Nothing until a card comes, or until then.
    Poll {
        /// When to give up and the answer then; none waits until aborted.
        give_up: Option<(Duration, Vec<u8>)>,
    },
    /// The answer at the old rate, then the new one.
    ChangeRate {
        /// Baud.
        rate: u32,
        /// Code and parameters.
        bytes: Vec<u8>,
    },
    /// The answer, then sleep.
    Sleep {
        /// Code and parameters.
        bytes: Vec<u8>,
    },
    /// The error frame.
    SyntaxError,
}

/// Does a command: its code and parameters.
pub fn react(chip: &mut Chip, command: &[u8]) -> Reaction {
    let Some((&code, parameters)) = command.split_first() else { return Reaction::SyntaxError };
    match code {
        0x00 => diagnose(chip, parameters),
        0x02 => {
            let [version, revision] = chip.settings.firmware;
            at_once(code, &[CHIP, version, revision, ABILITIES])
        }
        0x04 => general_status(chip),
        0x06 => read_registers(chip, parameters),
        0x08 => write_registers(chip, parameters),
        0x10 => match parameters {
            [rate] => match RATES.get(usize::from(*rate)) {
                Some(&rate) => Reaction::ChangeRate { rate, bytes: vec![code + 1] },
                None => Reaction::SyntaxError,
            },
            _ => Reaction::SyntaxError,
        },
        0x12 => match parameters {
            [bits] => {
                chip.configured.parameters = *bits;
                at_once(code, &[])
            }
            _ => Reaction::SyntaxError,
        },
        SAM_CONFIGURATION => match parameters {
            [1..=4] | [1..=4, _] | [1..=4, _, _] => at_once(code, &[]),
            _ => Reaction::SyntaxError,
        },
        0x16 => match parameters {
            [_] | [_, _] => Reaction::Sleep { bytes: vec![code + 1, 0x00] },
            _ => Reaction::SyntaxError,
        },
        0x32 => rf_configuration(chip, parameters),
        0x40 => data_exchange(chip, parameters),
        0x42 => {
            let answer = chip.field.communicate(parameters);
            rf_answer(chip, code, answer)
        }
        0x44 | 0x52 | 0x54 => target_command(chip, code, parameters),
        0x4A => list_passive_target(chip, parameters),
        0x60 => auto_poll(chip, parameters),
        // No initiator ever comes near this chip: card emulation waits until it is aborted.
        0x8C => Reaction::Poll { give_up: None },
        0x86 | 0x88 | 0x8E | 0x90 => at_once(code, &[RfError::Context.code()]),
        0x8A => at_once(code, &[0x00, 0x00]),
        _ => Reaction::SyntaxError,
    }
}

/// Whether a command looks for cards.
#[must_use]
pub fn is_poll(command: &[u8]) -> bool {
    matches!(command, [0x4A | 0x60, ..])
}

fn at_once(code: u8, parameters: &[u8]) -> Reaction {
    later(Duration::ZERO, code, parameters)
}

fn later(after: Duration, code: u8, parameters: &[u8]) -> Reaction {
    Reaction::Answer { after, bytes: [&[code.wrapping_add(1)][..], parameters].concat() }
}

fn rf_answer(chip: &mut Chip, code: u8, answer: Result<Vec<u8>, RfError>) -> Reaction {
    chip.configured.last_error = answer.as_ref().err().map_or(0, |e| e.code());
    match answer {
        Ok(bytes) => later(chip.settings.card_time, code, &[&[0x00][..], &bytes].concat()),
        Err(RfError::Timeout) => later(rf_timeout(chip), code, &[RfError::Timeout.code()]),
        Err(error @ (RfError::Protocol | RfError::Context)) => at_once(code, &[error.code()]),
    }
}

/// Time-out code of item 02: 100 us doubled for each step above 1; 0 means none, taken here as the longest.
fn rf_timeout(chip: &Chip) -> Duration {
    let code = match chip.configured.rf_timeout {
        0 | 17.. => 16,
        code => u32::from(code),
    };
    Duration::from_micros(100 << (code - 1))
}

fn diagnose(chip: &mut Chip, parameters: &[u8]) -> Reaction {
    match parameters {
        [0x00, ..] => at_once(0x00, parameters),
        // ROM and RAM tests.
        [0x01] | [0x02] => at_once(0x00, &[0x00]),
        [0x06] => {
            let status = if chip.field.is_there() { 0x00 } else { RfError::Timeout.code() };
            at_once(0x00, &[status])
        }
        _ => Reaction::SyntaxError,
    }
}

fn general_status(chip: &Chip) -> Reaction {
    let mut out = vec![chip.configured.last_error, u8::from(chip.field.is_on())];
    let targets: Vec<u8> = chip.field.targets().collect();
    out.push(u8::try_from(targets.len()).unwrap_or(u8::MAX));
    for target in targets {
        // 106 kbit/s both ways, type A.
        out.extend([target, 0x00, 0x00, 0x00]);
    }
    out.push(0x00);
    at_once(0x04, &out)
}

fn read_registers(chip: &Chip, parameters: &[u8]) -> Reaction {
    let (addresses, rest) = parameters.as_chunks::<2>();
    if addresses.is_empty() || !rest.is_empty() {
        return Reaction::SyntaxError;
    }
    let values: Vec<u8> = addresses.iter().map(|a| chip.registers.read(u16::from_be_bytes(*a))).collect();
    at_once(0x06, &values)
}

fn write_registers(chip: &mut Chip, parameters: &[u8]) -> Reaction {
    let (writes, rest) = parameters.as_chunks::<3>();
    if writes.is_empty() || !rest.is_empty() {
        return Reaction::SyntaxError;
    }
    for [high, low, value] in writes {
        chip.registers.write(u16::from_be_bytes([*high, *low]), *value);
    }
    at_once(0x08, &[])
}

fn rf_configuration(chip: &mut Chip, parameters: &[u8]) -> Reaction {
    let good = match parameters {
        [0x01, bits] => {
            chip.field.switch(bits & 0x01 != 0);
            true
        }
        [0x02, _, _, timeout] => {
            chip.configured.rf_timeout = *timeout;
            true
        }
        [0x04, _] => true,
        [0x05, _, _, passive] => {
            chip.configured.passive_retries = *passive;
            true
        }
        [0x0A, analog @ ..] => analog.len() == 11,
        [0x0B, analog @ ..] => analog.len() == 8,
        [0x0C, analog @ ..] => analog.len() == 3,
        [0x0D, analog @ ..] => analog.len() == 9,
        _ => false,
    };
    if good { at_once(0x32, &[]) } else { Reaction::SyntaxError }
}

fn target_command(chip: &mut Chip, code: u8, parameters: &[u8]) -> Reaction {
    let &[target] = parameters else { return Reaction::SyntaxError };
    let done = match code {
        0x44 => chip.field.deselect(target),
        0x52 => chip.field.release(target),
        _ => chip.field.targets().find(|n| *n == target).map(|_| ()).ok_or(RfError::Context),
    };
    at_once(code, &[done.err().map_or(0, RfError::code)])
}

fn data_exchange(chip: &mut Chip, parameters: &[u8]) -> Reaction {
    const CODE: u8 = 0x40;
    let Some((&head, command)) = parameters.split_first() else { return Reaction::SyntaxError };
    if head & MORE != 0 {
        chip.configured.gathered.extend_from_slice(command);
        return at_once(CODE, &[0x00]);
    }
    if command.is_empty() && !chip.configured.rest.is_empty() {
        return hand_over(chip, Duration::ZERO);
    }
    let mut whole = std::mem::take(&mut chip.configured.gathered);
    whole.extend_from_slice(command);
    match chip.field.exchange(head & 0x3F, &whole) {
        Ok(answer) => {
            chip.configured.rest = answer;
            chip.configured.last_error = 0;
            hand_over(chip, chip.settings.card_time)
        }
        Err(error) => {
            chip.configured.rest.clear();
            rf_answer(chip, CODE, Err(error))
        }
    }
}

/// Gives the host as much of the answer as fits, and says whether there is more.
fn hand_over(chip: &mut Chip, after: Duration) -> Reaction {
    let limit = chip.settings.more_above.clamp(1, MAX_EXCHANGE);
    let rest = &mut chip.configured.rest;
    let later_part = rest.split_off(limit.min(rest.len()));
    let part = std::mem::replace(rest, later_part);
    let status = if chip.configured.rest.is_empty() { 0x00 } else { MORE };
    later(after, 0x40, &[&[status][..], &part].concat())
}

fn list_passive_target(chip: &mut Chip, parameters: &[u8]) -> Reaction {
    const CODE: u8 = 0x4A;
    let (found, max) = match parameters {
        [max @ 1..=2, 0x00, uid @ ..] if matches!(uid.len(), 0 | 4 | 7 | 8 | 10 | 12) => {
            chip.registers.write(registers::FIFO, 0x00);
            (find_type_a(chip, usize::from(*max), uid), *max)
        }
        // FeliCa, type B and Jewel: looked for, never there.
        [max @ 1..=2, 0x01 | 0x02, request @ ..] if request.len() == 5 => (Vec::new(), *max),
        [max @ 1..=2, 0x03, _, ..] => (Vec::new(), *max),
        [max @ 1..=1, 0x04] => (Vec::new(), *max),
        _ => return Reaction::SyntaxError,
    };
    if found.is_empty() {
        // The request that nobody answered is still in the FIFO; nfcpy looks there.
        chip.registers.write(registers::FIFO, 0x26);
        let tries = chip.configured.passive_retries;
        let wait = POLL_TRY * (u32::from(tries) + 1) * u32::from(max);
        return Reaction::Poll { give_up: (tries != 0xFF).then(|| (wait, vec![CODE + 1, 0x00])) };
    }
    let count = u8::try_from(found.len()).unwrap_or(u8::MAX);
    later(chip.settings.card_time, CODE, &[&[count][..], &found.concat()].concat())
}

fn find_type_a(chip: &mut Chip, max: usize, uid: &[u8]) -> Vec<Vec<u8>> {
    chip.configured.rest.clear();
    chip.configured.gathered.clear();
    let auto_rats = chip.configured.parameters & AUTO_RATS != 0;
    chip.field.list_type_a(max, uid, auto_rats)
}

fn auto_poll(chip: &mut Chip, parameters: &[u8]) -> Reaction {
    const CODE: u8 = 0x60;
    let [polls @ 1..=255, period @ 1..=15, types @ ..] = parameters else { return Reaction::SyntaxError };
    if types.is_empty() || types.len() > 15 {
        return Reaction::SyntaxError;
    }
    // 00 and 10: any type A; 20: type A with ISO 14443-4.
    let wanted = types.iter().find(|t| matches!(t, 0x00 | 0x10 | 0x20));
    let found = if wanted.is_some() { find_type_a(chip, 2, &[]) } else { Vec::new() };
    if found.is_empty() {
        let wait = Duration::from_millis(150) * u32::from(*period) * u32::from(*polls);
        return Reaction::Poll { give_up: (*polls != 0xFF).then(|| (wait, vec![CODE + 1, 0x00])) };
    }
    let mut out = vec![u8::try_from(found.len()).unwrap_or(u8::MAX)];
    for entry in found {
        out.extend([wanted.copied().unwrap_or(0x10), u8::try_from(entry.len()).unwrap_or(u8::MAX)]);
        out.extend(entry);
    }
    later(chip.settings.card_time, CODE, &out)
}
