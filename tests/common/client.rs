//! A terminal of the plainest kind, to talk ISO 8583 to an acquirer over TCP: the shared codec and the daemon's own
//! ciphers, none of the daemon's machines.

#![allow(dead_code, reason = "each test file uses its own part of the client")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use smartpos::codec::frame::{Framer, Header};
use smartpos::codec::iso8583::{Message, Mti};
use smartpos::domain::pan::Pan;
use smartpos::domain::secret::{DoubleKey, Pin, PinCipher};
use smartpos::host::des::DesKey;
use smartpos::host::key_block::{CheckLength, KeyBlockRule, MakRule, WorkingKeys};
use smartpos::host::mac::{MacMethod, MacRule};
use smartpos::host::pin_block::PinSealer;

use super::rig::{PAN, PATIENCE};

pub const HEADER: Header =
    Header { tpdu: [0x60, 0x00, 0x03, 0x00, 0x00], header: [0x60, 0x31, 0x00, 0x31, 0x00, 0x00] };
const MASTER: DoubleKey = DoubleKey(0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210_u128.to_be_bytes());
const RULE: KeyBlockRule = KeyBlockRule { mak: MakRule::ByBlock, check: CheckLength::Four };

/// What came back.
#[derive(Debug)]
pub enum Came {
    /// A message of the protocol, and the request in its header.
    Answer(Box<Message>, u8),
    /// A frame that is none.
    Garbage,
    /// Bytes that are no frame.
    Unframed(Vec<u8>),
    /// The end, after so many bytes of a frame.
    End(usize),
    /// Nothing, after so many bytes of a frame.
    Silence(usize),
}

impl Came {
    pub fn code(&self) -> &str {
        match self {
            Self::Answer(message, _) => message.text(39).unwrap(),
            other => panic!("no answer: {other:?}"),
        }
    }
}

/// A terminal of the plainest kind.
pub struct Terminal {
    pub stream: TcpStream,
    framer: Framer,
    buffer: Vec<u8>,
    keys: Option<WorkingKeys>,
    pub trace: u32,
}

impl Terminal {
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        Self { stream, framer: Framer::new(Framer::USUAL_MAX), buffer: Vec::new(), keys: None, trace: 0 }
    }

    pub fn signed_in(address: &str) -> Self {
        let mut terminal = Self::connect(address);
        assert_eq!(terminal.sign_in().unwrap(), "00");
        terminal
    }

    pub fn send(&mut self, message: &Message) {
        self.stream.write_all(&message.encode(&HEADER)).unwrap();
    }

    /// The next thing that comes, within this time.
    pub fn receive(&mut self, within: Duration) -> Came {
        self.stream.set_read_timeout(Some(within)).unwrap();
        let mut half = 0;
        loop {
            let mut rest = self.buffer.as_slice();
            match self.framer.push(&mut rest) {
                Ok(Some(frame)) => {
                    self.buffer = rest.to_vec();
                    return match Message::decode(&frame) {
                        Ok((header, message)) => Came::Answer(Box::new(message), header.processing_request()),
                        Err(_) => Came::Garbage,
                    };
                }
                Ok(None) => self.buffer.clear(),
                Err(_) => return Came::Unframed(std::mem::take(&mut self.buffer)),
            }
            let mut chunk = [0; 1_024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Came::End(half),
                Ok(n) => {
                    half += n;
                    self.buffer.extend_from_slice(&chunk[..n]);
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Came::Silence(half);
                }
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Came::End(half),
                Err(e) => panic!("{e}"),
            }
        }
    }

    pub fn ask(&mut self, message: &Message) -> Came {
        self.send(message);
        self.receive(PATIENCE)
    }

    fn next_trace(&mut self) -> String {
        self.trace += 1;
        format!("{:06}", self.trace)
    }

    pub fn management(&mut self, mti: Mti, code: &str) -> Message {
        let mut message = Message::new(mti);
        message.set_digits(11, &self.next_trace()).unwrap();
        message.set_text(41, "99000001").unwrap();
        message.set_text(42, "999000000000001").unwrap();
        message.set_digits(60, &format!("00000002{code}")).unwrap();
        if mti == Mti::SIGN_IN {
            message.set_text(63, "01 ").unwrap();
        }
        message
    }

    /// Signs in and installs the keys; the response code, or why the keys are not good.
    pub fn sign_in(&mut self) -> Result<String, String> {
        let request = self.management(Mti::SIGN_IN, "004");
        let Came::Answer(answer, _) = self.ask(&request) else { panic!("no answer to the sign-in") };
        assert_eq!(answer.text(11), request.text(11));
        if let Some(block) = answer.bytes(62) {
            self.keys = Some(WorkingKeys::unwrap_block(&MASTER, block, RULE).map_err(|why| why.to_string())?);
        }
        Ok(answer.text(39).unwrap().to_owned())
    }

    /// A sale typed in by hand, without PIN.
    pub fn sale(&mut self, minor: u64) -> Message {
        let mut message = Message::new(Mti::FINANCIAL);
        for (field, digits) in [
            (2, PAN),
            (3, "000000"),
            (4, &format!("{minor:012}")),
            (11, &self.next_trace()),
            (14, "3012"),
            (22, "012"),
            (25, "00"),
            (60, "2200000200060"),
        ] {
            message.set_digits(field, digits).unwrap();
        }
        for (field, text) in [(41, "99000001"), (42, "999000000000001"), (49, "156")] {
            message.set_text(field, text).unwrap();
        }
        self.signed(message)
    }

    /// The same with this PIN.
    pub fn sale_with_pin(&mut self, minor: u64, pin: &str) -> Message {
        let mut message = self.sale(minor);
        let pik = self.keys.as_ref().unwrap().pik.clone();
        let digits = pin.bytes().map(|b| b - b'0').collect();
        let block = PinSealer::with_pan(pik, &Pan::new(PAN).unwrap()).encipher(&Pin::new(digits).unwrap());
        message.set_digits(22, "011").unwrap();
        message.set_digits(26, "12").unwrap();
        message.set_bytes(52, &block.0).unwrap();
        message.set_digits(53, "2600000000000000").unwrap();
        self.signed(message)
    }

    pub fn reversal(&mut self, of: &Message) -> Message {
        let mut message = of.clone();
        message.set_mti(Mti::REVERSAL);
        message.set_text(39, "98").unwrap();
        self.signed(message)
    }

    pub fn signed(&self, mut message: Message) -> Message {
        message.set_bytes(64, &self.mac(&message)).unwrap();
        message
    }

    pub fn mac(&self, message: &Message) -> [u8; 8] {
        let mak: &DesKey = &self.keys.as_ref().expect("signed in").mak;
        MacRule::from(MacMethod::Ecb).field(mak, &message.mab()).unwrap()
    }

    /// Whether the host answers an echo test on this connection, and nothing before it.
    pub fn echoes(&mut self) -> bool {
        let echo = self.management(Mti::MANAGEMENT, "301");
        self.send(&echo);
        match self.receive(PATIENCE) {
            Came::Answer(answer, _) => answer.mti() == Mti::MANAGEMENT.answer() && answer.text(11) == echo.text(11),
            _ => false,
        }
    }
}
