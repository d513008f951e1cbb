//! The chip's commands and answers as values.
//!
//! Owns: codes, parameter layouts, status bytes. Must not know: frames, time, what a card says.
//! Follows: UM0701-02 §7 for the commands this reader needs; values as recorded from libnfc and nfcpy.

mod target;

use std::fmt;

use crate::domain::secret::SecretBytes;
use crate::reader::pn532::command::target::targets;

pub use crate::reader::pn532::command::target::Target;

const HOST_TO_CHIP: u8 = 0xD4;
const CHIP_TO_HOST: u8 = 0xD5;
/// The most card bytes one `InDataExchange` takes.
pub const MAX_EXCHANGE: usize = 262;

/// Rates the chip's serial port can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BaudRate {
    /// 9 600.
    B9600,
    /// 19 200.
    B19200,
    /// 38 400.
    B38400,
    /// 57 600.
    B57600,
    /// 115 200, the rate after power-up.
    B115200,
    /// 230 400.
    B230400,
    /// 460 800.
    B460800,
    /// 921 600.
    B921600,
    /// 1 288 000, the chip's own odd limit.
    B1288000,
}

impl BaudRate {
    /// All rates in the order of their codes 00 ..= 08.
    const CODES: [(Self, u32); 9] = [
        (Self::B9600, 9_600),
        (Self::B19200, 19_200),
        (Self::B38400, 38_400),
        (Self::B57600, 57_600),
        (Self::B115200, 115_200),
        (Self::B230400, 230_400),
        (Self::B460800, 460_800),
        (Self::B921600, 921_600),
        (Self::B1288000, 1_288_000),
    ];

    /// Bits per second, for the host's serial port.
    pub fn bits_per_second(self) -> u32 {
        Self::CODES.iter().find(|(rate, _)| *rate == self).map_or(115_200, |(_, bits)| *bits)
    }

    /// The rate of so many bits per second; `None` if the chip has none such.
    pub fn from_bits_per_second(bits: u32) -> Option<Self> {
        Self::CODES.iter().find(|(_, b)| *b == bits).map(|(rate, _)| *rate)
    }

    fn code(self) -> u8 {
        Self::CODES.iter().position(|(rate, _)| *rate == self).and_then(|i| u8::try_from(i).ok()).unwrap_or(4)
    }
}

/// The radio side a target is looked for on; all at 106 kbit/s, which every payment card has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modulation {
    /// ISO/IEC 14443 type A.
    TypeA,
    /// ISO/IEC 14443 type B, any application family.
    TypeB,
}

/// One command to the chip.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// Echo of these bytes: tests the line in both directions.
    DiagnoseLine(Vec<u8>),
    /// Which chip, which firmware.
    GetFirmwareVersion,
    /// New rate; it applies once the host has acknowledged the answer.
    SetSerialBaudRate(BaudRate),
    /// Lets the chip answer ATR and select ISO-DEP cards (RATS) by itself.
    SetParameters,
    /// Normal mode, no security module: must be the first command after waking up.
    SamConfiguration,
    /// Switches the radio field.
    RfField {
        /// Whether the field is on.
        on: bool,
    },
    /// How often the chip tries to activate something before it gives up. FF is "for ever".
    RfRetries {
        /// Tries for ATR_REQ.
        atr: u8,
        /// Tries for PSL_REQ.
        psl: u8,
        /// Tries for passive activation.
        passive: u8,
    },
    /// Looks for up to `max` (1 or 2) cards and activates them.
    InListPassiveTarget {
        /// How many cards to look for.
        max: u8,
        /// Where to look.
        modulation: Modulation,
    },
    /// Sends bytes to a card and fetches its answer.
    InDataExchange {
        /// Which card.
        target: u8,
        /// The command to the card; empty to fetch the rest of a chained answer.
        bytes: SecretBytes,
    },
    /// Lets go of a card (0: all) and forgets it.
    InRelease {
        /// Which card.
        target: u8,
    },
}

impl Command {
    /// The command's code, which is all of it that may be printed.
    pub fn code(&self) -> u8 {
        match self {
            Self::DiagnoseLine(_) => 0x00,
            Self::GetFirmwareVersion => 0x02,
            Self::SetSerialBaudRate(_) => 0x10,
            Self::SetParameters => 0x12,
            Self::SamConfiguration => 0x14,
            Self::RfField { .. } | Self::RfRetries { .. } => 0x32,
            Self::InListPassiveTarget { .. } => 0x4A,
            Self::InDataExchange { .. } => 0x40,
            Self::InRelease { .. } => 0x52,
        }
    }

    /// TFI, code and parameters.
    pub fn body(&self) -> SecretBytes {
        let parameters: &[u8] = match self {
            Self::DiagnoseLine(echo) => &[&[0x00], echo.as_slice()].concat(),
            Self::GetFirmwareVersion => &[],
            Self::SetSerialBaudRate(rate) => &[rate.code()],
            // Bit 2: automatic ATR_RES, bit 4: automatic RATS.
            Self::SetParameters => &[0x14],
            Self::SamConfiguration => &[0x01],
            Self::RfField { on } => &[0x01, u8::from(*on)],
            Self::RfRetries { atr, psl, passive } => &[0x05, *atr, *psl, *passive],
            Self::InListPassiveTarget { max, modulation: Modulation::TypeA } => &[*max, 0x00],
            Self::InListPassiveTarget { max, modulation: Modulation::TypeB } => &[*max, 0x03, 0x00],
            Self::InDataExchange { target, bytes } => return card_command(*target, bytes),
            Self::InRelease { target } => &[*target],
        };
        SecretBytes::new([&[HOST_TO_CHIP, self.code()], parameters].concat())
    }
}

/// Built in one allocation of the right size, so that no copy of card data is left behind by growth.
fn card_command(target: u8, bytes: &SecretBytes) -> SecretBytes {
    let mut body = Vec::with_capacity(3 + bytes.expose().len());
    body.extend_from_slice(&[HOST_TO_CHIP, 0x40, target]);
    body.extend_from_slice(bytes.expose());
    SecretBytes::new(body)
}

/// The chip's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Chip family; 32 is the PN532.
    pub ic: u8,
    /// Firmware version.
    pub version: u8,
    /// Its revision.
    pub revision: u8,
}

impl Firmware {
    /// The family byte of the PN532.
    pub const PN532: u8 = 0x32;

    /// The chip's name.
    pub fn model(self) -> String {
        if self.ic == Self::PN532 { "PN532".into() } else { format!("PN5xx (IC {:02X})", self.ic) }
    }
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.version, self.revision)
    }
}

/// What a status byte means for the one who waits for the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Good.
    Ok,
    /// No answer, a damaged answer, or the chip saw the card leave: it is going or gone.
    CardLost,
    /// Several cards talked at once.
    Collision,
    /// The chip itself is in trouble or in a state that should not be.
    ChipFault(u8),
}

impl Status {
    fn of(byte: u8) -> Self {
        match byte & 0x3F {
            0x00 => Self::Ok,
            // No answer; CRC, parity, bit count, framing; field time-out; protocol; BCC; released, swapped, gone.
            0x01..=0x05 | 0x0A | 0x0B | 0x13 | 0x23 | 0x29 | 0x2A | 0x2B => Self::CardLost,
            0x06 => Self::Collision,
            other => Self::ChipFault(other),
        }
    }
}

/// One answer of the chip.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// The bytes of [`Command::DiagnoseLine`] as they came back.
    Echo(Vec<u8>),
    /// Identity.
    Firmware(Firmware),
    /// Done, nothing to say.
    Done,
    /// The cards found, none to two.
    Targets(Vec<Target>),
    /// The card's answer.
    Exchanged {
        /// How it went.
        status: Status,
        /// More of the answer waits to be fetched.
        more: bool,
        /// What the card said.
        bytes: SecretBytes,
    },
    /// The card was let go, or could not be.
    Released(Status),
}

/// Why a body is not the answer to the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not from the chip.
    #[error("not an answer of the chip")]
    Direction,
    /// The answer to something else, probably an earlier command.
    #[error("the answer to another command")]
    OtherCommand,
    /// Too short, too long or contradicting itself.
    #[error("malformed answer to command {0:02X}")]
    Shape(u8),
}

impl Answer {
    /// Reads the body of an answer to `command`.
    ///
    /// # Errors
    /// [`AnswerError`] when it is not one.
    pub fn parse(command: &Command, body: &[u8]) -> Result<Self, AnswerError> {
        let code = command.code();
        let shape = AnswerError::Shape(code);
        let [direction, answered, rest @ ..] = body else {
            return Err(shape);
        };
        if *direction != CHIP_TO_HOST {
            return Err(AnswerError::Direction);
        }
        if *answered != code.wrapping_add(1) {
            return Err(AnswerError::OtherCommand);
        }
        match command {
            Command::DiagnoseLine(_) => match rest {
                [0x00, echo @ ..] => Ok(Self::Echo(echo.to_vec())),
                _ => Err(shape),
            },
            Command::GetFirmwareVersion => match rest {
                [ic, version, revision, _support] => {
                    Ok(Self::Firmware(Firmware { ic: *ic, version: *version, revision: *revision }))
                }
                _ => Err(shape),
            },
            Command::SetSerialBaudRate(_)
            | Command::SetParameters
            | Command::SamConfiguration
            | Command::RfField { .. }
            | Command::RfRetries { .. } => match rest {
                [] => Ok(Self::Done),
                _ => Err(shape),
            },
            Command::InListPassiveTarget { modulation, .. } => {
                targets(*modulation, rest).map(Self::Targets).ok_or(shape)
            }
            Command::InDataExchange { .. } => match rest {
                [status, bytes @ ..] => Ok(Self::Exchanged {
                    status: Status::of(*status),
                    more: status & 0x40 != 0,
                    bytes: SecretBytes::new(bytes.to_vec()),
                }),
                [] => Err(shape),
            },
            Command::InRelease { .. } => match rest {
                [status] => Ok(Self::Released(Status::of(*status))),
                _ => Err(shape),
            },
        }
    }
}

#[cfg(test)]
mod tests;
