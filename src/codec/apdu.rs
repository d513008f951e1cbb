//! Commands to a card and its answers (EMV Book 1, 11.1; Book 3, 6).
//!
//! Owns: the commands this product sends, status words. Must not know: how an APDU travels, what an answer means to a
//! payment. Commands are built by the crate `emv`, whose checks on them are sound; they are wrapped because its own type
//! prints its contents. Answers are read by ours: borrowed, and nothing is printed but the status.

use std::fmt;

use emv::core::apdu::{Cla, Command as Inner, Ins, sw};
use emv::core::application_cryptogram_type::ApplicationCryptogramType;
use emv::core::generate_ac::{self, SignatureRequest};
use emv::core::select::{SelectOccurrence, select_by_name};
use emv::core::{get_data, processing_options, read_record};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::codec::tlv::Tag;

/// The name of the contactless directory.
pub const PPSE: &[u8] = b"2PAY.SYS.DDF01";

/// Why bytes are not a command or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ApduError {
    /// Fewer bytes than a header, or than a status word.
    #[error("{length} bytes are too few")]
    TooShort {
        /// As found.
        length: usize,
    },
    /// The length byte and the bytes that follow disagree.
    #[error("length byte and data disagree")]
    WrongLength,
    /// More than a short APDU carries.
    #[error("data does not fit a short APDU")]
    TooLong,
    /// A class, name, record or file number that no card has.
    #[error("a parameter is out of its range")]
    BadParameter,
    /// Not a status word of ISO 7816-4.
    #[error("{0} is not a status word")]
    BadStatus(StatusWord),
}

/// Which cryptogram is asked of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cryptogram {
    /// Decline offline.
    Aac,
    /// Approve offline.
    Tc,
    /// Go online.
    Arqc,
}

/// A command. Wiped when dropped; its `Debug` shows only the header.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(Inner);

impl Command {
    /// SELECT by name: the PPSE or an application.
    pub fn select(name: &[u8]) -> Result<Self, ApduError> {
        select_by_name(name, SelectOccurrence::FirstOrOnly).map(Self).map_err(refused)
    }

    /// SELECT by name, the next application whose name begins so.
    pub fn select_next(name: &[u8]) -> Result<Self, ApduError> {
        select_by_name(name, SelectOccurrence::NextOccurrence).map(Self).map_err(refused)
    }

    /// GET PROCESSING OPTIONS with the filled PDOL (empty if the card has none).
    pub fn get_processing_options(pdol_values: &[u8]) -> Result<Self, ApduError> {
        processing_options::command(pdol_values).map(Self).map_err(refused)
    }

    /// READ RECORD.
    pub fn read_record(file: u8, record: u8) -> Result<Self, ApduError> {
        read_record::command(file, record).map(Self).map_err(refused)
    }

    /// GENERATE AC with the filled CDOL.
    pub fn generate_ac(kind: Cryptogram, cdol_values: &[u8]) -> Result<Self, ApduError> {
        let kind = match kind {
            Cryptogram::Aac => ApplicationCryptogramType::Aac,
            Cryptogram::Tc => ApplicationCryptogramType::Tc,
            Cryptogram::Arqc => ApplicationCryptogramType::Arqc,
        };
        if cdol_values.len() > 0xFF {
            return Err(ApduError::TooLong);
        }
        Ok(Self(generate_ac::command(kind, SignatureRequest::None, cdol_values.to_vec())))
    }

    /// GET DATA of one object.
    pub fn get_data(tag: Tag) -> Result<Self, ApduError> {
        get_data::command(tag).map(Self).map_err(refused)
    }

    /// GET RESPONSE, after `61 xx`.
    pub fn get_response(length: u8) -> Self {
        let (cla, ins) = (Cla::INTER_INDUSTRY, Ins::GET_RESPONSE);
        Self(Inner { cla, ins, p1: 0, p2: 0, data: Vec::new(), le: Some(length) })
    }

    /// The same command asking for another length, after `6C xx`.
    #[must_use]
    pub fn with_length(&self, length: u8) -> Self {
        let mut again = self.clone();
        again.0.le = Some(length);
        again
    }

    /// Reads a command, for the card's side.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApduError> {
        if bytes.len() < 4 {
            return Err(ApduError::TooShort { length: bytes.len() });
        }
        if bytes.first() == Some(&0xFF) {
            return Err(ApduError::BadParameter);
        }
        let command = Inner::from_bytes(bytes).map(Self).map_err(|_| ApduError::WrongLength)?;
        // A length byte of zero in front of no data is taken by the crate, but no terminal may send it.
        if command.to_bytes()?.as_slice() != bytes {
            return Err(ApduError::WrongLength);
        }
        Ok(command)
    }

    /// The bytes for the card.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ApduError> {
        self.0.to_bytes().map(Zeroizing::new).map_err(refused)
    }

    /// Class, instruction and both parameters.
    pub fn header(&self) -> [u8; 4] {
        [self.0.cla.0, self.0.ins.0, self.0.p1, self.0.p2]
    }

    /// What goes with it.
    pub fn body(&self) -> &[u8] {
        &self.0.data
    }

    /// How many bytes of answer are asked for; 0 means any number.
    pub fn expected(&self) -> Option<u8> {
        self.0.le
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        self.0.data.zeroize();
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [cla, ins, p1, p2] = self.header();
        write!(f, "{cla:02X}{ins:02X}{p1:02X}{p2:02X}[{}]", self.0.data.len())
    }
}

fn refused(error: emv::Error) -> ApduError {
    match error {
        emv::Error::LengthTooLong => ApduError::TooLong,
        // Whatever else building a command complains of is a parameter.
        _ => ApduError::BadParameter,
    }
}

/// The two bytes that end every answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Done.
    pub const OK: Self = Self(sw::OK);
    /// No such file or application.
    pub const FILE_NOT_FOUND: Self = Self(sw::FILE_NOT_FOUND);
    /// No such record.
    pub const RECORD_NOT_FOUND: Self = Self(sw::RECORD_NOT_FOUND);
    /// The application is blocked.
    pub const INVALIDATED: Self = Self(sw::SELECTED_FILE_INVALIDATED);
    /// The function is not there, or the card is blocked.
    pub const FUNCTION_NOT_SUPPORTED: Self = Self(sw::FUNCTION_NOT_SUPPORTED);
    /// Not now: in GET PROCESSING OPTIONS, try another application.
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(sw::CONDITIONS_OF_USE_NOT_SATISFIED);
    /// The customer has to confirm on the phone first.
    pub const SEE_PHONE: Self = Self(sw::NO_CURRENT_EF);

    /// Whether it is `90 00`.
    pub fn is_ok(self) -> bool {
        self == Self::OK
    }

    /// How many bytes wait for GET RESPONSE, if it is `61 xx` (0 means 256 or more).
    pub fn bytes_waiting(self) -> Option<u8> {
        let [first, second] = self.0.to_be_bytes();
        (first == 0x61).then_some(second)
    }

    /// The length to ask for instead, if it is `6C xx`.
    pub fn right_length(self) -> Option<u8> {
        let [first, second] = self.0.to_be_bytes();
        (first == 0x6C).then_some(second)
    }

    /// The bytes on the wire.
    pub fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusWord({self})")
    }
}

/// A card's answer, borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// Everything before the status word.
    pub body: &'a [u8],
    /// How it ended.
    pub status: StatusWord,
}

impl<'a> Response<'a> {
    /// Splits an answer. A last pair outside `61 xx` to `6F xx` and `9x xx` means the answer was damaged.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ApduError> {
        let Some((body, last)) = bytes.split_last_chunk::<2>() else {
            return Err(ApduError::TooShort { length: bytes.len() });
        };
        let status = StatusWord(u16::from_be_bytes(*last));
        match last {
            [0x61..=0x6F | 0x90..=0x9F, _] => Ok(Self { body, status }),
            _ => Err(ApduError::BadStatus(status)),
        }
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.body.len(), self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(command: Result<Command, ApduError>) -> Vec<u8> {
        command.unwrap().to_bytes().unwrap().to_vec()
    }

    #[test]
    fn the_commands_of_a_tap_are_the_books() {
        assert_eq!(bytes(Command::select(PPSE)), b"\x00\xA4\x04\x00\x0E2PAY.SYS.DDF01\x00");
        assert_eq!(bytes(Command::get_processing_options(&[])), [0x80, 0xA8, 0, 0, 2, 0x83, 0, 0]);
        assert_eq!(bytes(Command::read_record(1, 2)), [0x00, 0xB2, 2, 0x0C, 0]);
        assert_eq!(bytes(Command::generate_ac(Cryptogram::Arqc, &[7])), [0x80, 0xAE, 0x80, 0, 1, 7, 0]);
        assert_eq!(bytes(Ok(Command::get_response(0x1A))), [0x00, 0xC0, 0, 0, 0x1A]);
        assert_eq!(bytes(Ok(Command::read_record(1, 2).unwrap().with_length(9))), [0x00, 0xB2, 2, 0x0C, 9]);
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        assert_eq!(Command::select(b"1234"), Err(ApduError::BadParameter));
        assert_eq!(Command::read_record(31, 1), Err(ApduError::BadParameter));
        assert_eq!(Command::read_record(1, 0), Err(ApduError::BadParameter));
        assert_eq!(Command::get_processing_options(&[0; 253]), Err(ApduError::TooLong));
        assert_eq!(Command::generate_ac(Cryptogram::Tc, &[0; 256]), Err(ApduError::TooLong));
    }

    #[test]
    fn a_command_is_read_as_it_was_written() {
        let written = Command::get_processing_options(&[1, 2, 3]).unwrap();
        let read = Command::parse(&written.to_bytes().unwrap()).unwrap();
        assert_eq!(read, written);
        assert_eq!(Command::parse(&[0, 0xA4, 4]), Err(ApduError::TooShort { length: 3 }));
        assert_eq!(Command::parse(&[0, 0xA4, 4, 0, 9, 1]), Err(ApduError::WrongLength));
        assert_eq!(Command::parse(&[0, 0xA4, 4, 0, 0, 1]), Err(ApduError::WrongLength));
        assert_eq!(Command::parse(&[0xFF, 0xA4, 4, 0]), Err(ApduError::BadParameter));
    }

    #[test]
    fn an_answer_ends_in_a_status_word() {
        let answer = Response::parse(&[0x6F, 0x00, 0x90, 0x00]).unwrap();
        assert_eq!((answer.body, answer.status), (&[0x6F, 0x00][..], StatusWord::OK));
        assert_eq!(Response::parse(&[0x90]), Err(ApduError::TooShort { length: 1 }));
        assert_eq!(Response::parse(&[0x00, 0x00]), Err(ApduError::BadStatus(StatusWord(0))));
        assert_eq!(StatusWord(0x6114).bytes_waiting(), Some(0x14));
        assert_eq!(StatusWord(0x6C09).right_length(), Some(9));
        assert_eq!(StatusWord::SEE_PHONE, StatusWord(0x6986));
    }

    #[test]
    fn neither_command_nor_answer_prints_its_contents() {
        let command = Command::generate_ac(Cryptogram::Arqc, &[0x62; 8]).unwrap();
        assert_eq!(format!("{command:?}"), "80AE8000[8]");
        assert_eq!(format!("{:?}", Response::parse(&[0x62, 0x62, 0x90, 0x00]).unwrap()), "[2] 9000");
    }
}
