//! The chip's commands and answers as values.
//!
//! Owns: codes, parameter layouts, status bytes. Must not know: frames, time, what a card says.
//! Follows: UM0701-02 §7 for the commands this reader needs; values as recorded from libnfc and nfcpy.

use std::fmt;

use crate::domain::secret::SecretBytes;

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

/// A card in the field. Its serial number is read past: a payment does not need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The number the chip gave it.
    pub number: u8,
    /// Whether it speaks ISO/IEC 14443-4, as every payment card does.
    pub iso_dep: bool,
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

fn targets(modulation: Modulation, answer: &[u8]) -> Option<Vec<Target>> {
    let (&count, mut rest) = answer.split_first()?;
    if count > 2 {
        return None;
    }
    let mut found = Vec::new();
    for _ in 0..count {
        let (target, behind) = match modulation {
            Modulation::TypeA => type_a(rest)?,
            Modulation::TypeB => type_b(rest)?,
        };
        found.push(target);
        rest = behind;
    }
    rest.is_empty().then_some(found)
}

/// Number, ATQA (2), SAK, length and UID, then ATS (its first byte is its length) if the card has one.
fn type_a(from: &[u8]) -> Option<(Target, &[u8])> {
    let [number, _atqa_high, _atqa_low, sak, uid_length, rest @ ..] = from else {
        return None;
    };
    let (_uid, rest) = rest.split_at_checked(usize::from(*uid_length))?;
    if sak & 0x20 == 0 {
        return Some((Target { number: *number, iso_dep: false }, rest));
    }
    // The ATS is missing when the chip was told not to ask for it, or the card did not answer.
    let Some(length) = rest.first() else {
        return Some((Target { number: *number, iso_dep: false }, rest));
    };
    let (_ats, rest) = rest.split_at_checked(usize::from(*length).max(1))?;
    Some((Target { number: *number, iso_dep: true }, rest))
}

/// Number, ATQB (12), length and ATTRIB answer.
fn type_b(from: &[u8]) -> Option<(Target, &[u8])> {
    let (number, rest) = from.split_first()?;
    let (atqb, rest) = rest.split_at_checked(12)?;
    let (length, rest) = rest.split_first()?;
    let (_attrib, rest) = rest.split_at_checked(usize::from(*length))?;
    // Protocol info, second byte, bit 0: ISO/IEC 14443-4.
    let iso_dep = atqb.first() == Some(&0x50) && atqb.get(10).is_some_and(|b| b & 0x01 != 0);
    Some((Target { number: *number, iso_dep }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits.chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
    }

    fn list(modulation: Modulation) -> Command {
        Command::InListPassiveTarget { max: 2, modulation }
    }

    #[test]
    fn bodies_are_those_independent_drivers_send() {
        let cases = [
            (Command::DiagnoseLine(b"libnfc".to_vec()), "D4 00 00 6C 69 62 6E 66 63"),
            (Command::GetFirmwareVersion, "D4 02"),
            (Command::SetSerialBaudRate(BaudRate::B921600), "D4 10 07"),
            (Command::SetSerialBaudRate(BaudRate::B115200), "D4 10 04"),
            (Command::SetParameters, "D4 12 14"),
            (Command::SamConfiguration, "D4 14 01"),
            (Command::RfField { on: false }, "D4 32 01 00"),
            (Command::RfField { on: true }, "D4 32 01 01"),
            (Command::RfRetries { atr: 0, psl: 1, passive: 2 }, "D4 32 05 00 01 02"),
            (Command::InListPassiveTarget { max: 1, modulation: Modulation::TypeA }, "D4 4A 01 00"),
            (Command::InListPassiveTarget { max: 1, modulation: Modulation::TypeB }, "D4 4A 01 03 00"),
            (Command::InRelease { target: 0 }, "D4 52 00"),
            (
                Command::InDataExchange { target: 1, bytes: SecretBytes::new(bytes("00A4040000")) },
                "D4 40 01 00 A4 04 00 00",
            ),
        ];
        for (command, hex) in cases {
            assert_eq!(command.body().expose(), bytes(hex), "{hex}");
        }
    }

    #[test]
    fn recorded_answers_are_understood() {
        let read = |command: &Command, hex: &str| Answer::parse(command, &bytes(hex));
        let firmware = Firmware { ic: 0x32, version: 1, revision: 6 };
        assert!(read(&Command::GetFirmwareVersion, "D5 03 32 01 06 07") == Ok(Answer::Firmware(firmware)));
        assert_eq!((firmware.model(), firmware.to_string()), ("PN532".into(), "1.6".into()));
        assert!(read(&Command::SamConfiguration, "D5 15") == Ok(Answer::Done));
        let echo = Command::DiagnoseLine(b"libnfc".to_vec());
        assert!(read(&echo, "D5 01 00 6C 69 62 6E 66 63") == Ok(Answer::Echo(b"libnfc".to_vec())));
        let dep = vec![Target { number: 1, iso_dep: true }];
        let plain = vec![Target { number: 1, iso_dep: false }];
        let a = list(Modulation::TypeA);
        let b = list(Modulation::TypeB);
        assert!(read(&a, "D5 4B 01 01 0004 20 04 08112233 0578807002") == Ok(Answer::Targets(dep.clone())));
        assert!(read(&a, "D5 4B 01 01 0004 20 04 08112233") == Ok(Answer::Targets(plain.clone())));
        assert!(read(&a, "D5 4B 01 01 0004 08 04 08112233") == Ok(Answer::Targets(plain)));
        assert!(read(&b, "D5 4B 01 01 50 11223344 00000000 008181 01 00") == Ok(Answer::Targets(dep)));
        assert!(read(&a, "D5 4B 00") == Ok(Answer::Targets(vec![])));
        let two = "D5 4B 02 01 0004 20 04 08112233 0578807002 02 0004 20 04 08445566 0578807002";
        assert!(matches!(read(&a, two), Ok(Answer::Targets(t)) if t.len() == 2));
    }

    #[test]
    fn every_cut_of_a_target_list_is_refused_or_has_fewer_facts_but_never_panics() {
        let whole = bytes("D5 4B 02 01 0004 20 04 08112233 0578807002 02 0004 20 04 08445566 0578807002");
        for end in 0..whole.len() {
            let answer = Answer::parse(&list(Modulation::TypeA), &whole[..end]);
            // The only shorter list that is whole is one whose last card gave no ATS.
            assert!(answer.is_err() || end == whole.len() - 5, "cut at {end}");
        }
    }

    #[test]
    fn a_chained_answer_and_its_status_are_told_apart() {
        let exchange = Command::InDataExchange { target: 1, bytes: SecretBytes::new(vec![]) };
        let read = |hex: &str| match Answer::parse(&exchange, &bytes(hex)) {
            Ok(Answer::Exchanged { status, more, bytes }) => (status, more, bytes.expose().len()),
            _ => panic!("not an exchange"),
        };
        assert_eq!(read("D5 41 40 01 02 03"), (Status::Ok, true, 3));
        assert_eq!(read("D5 41 00 90 00"), (Status::Ok, false, 2));
        assert_eq!(read("D5 41 01"), (Status::CardLost, false, 0));
        assert_eq!(read("D5 41 29"), (Status::CardLost, false, 0));
        assert_eq!(read("D5 41 06"), (Status::Collision, false, 0));
        assert_eq!(read("D5 41 27"), (Status::ChipFault(0x27), false, 0));
    }

    #[test]
    fn an_answer_to_something_else_is_not_taken() {
        let parse = |hex: &str| Answer::parse(&Command::GetFirmwareVersion, &bytes(hex)).err();
        assert_eq!(parse("D5 41 00"), Some(AnswerError::OtherCommand));
        assert_eq!(parse("D4 03 32 01 06 07"), Some(AnswerError::Direction));
        assert_eq!(parse("D5 03 32 01 06"), Some(AnswerError::Shape(0x02)));
        assert_eq!(parse("D5"), Some(AnswerError::Shape(0x02)));
    }
}
