//! Commands of the GM65 family (GM60, GM65, GM805): frames to the scanner, and its replies.
//!
//! Owns: the bytes, as the maker publishes them: `7E 00 | type | count | address (2) | data | CRC (2)`, where the CRC is
//! CRC-16/XMODEM over type to data and `AB CD` asks for no check. A reply is `02` or `03` (heartbeat) `00 | status | count |
//! data | CRC`, mostly with the fixed CRC `33 31`. Must not know: when what is sent.

/// The scanner need not check this frame.
pub const NO_CHECK: [u8; 2] = [0xAB, 0xCD];
/// What most replies bear in place of a CRC.
const FIXED_CHECK: [u8; 2] = [0x33, 0x31];

/// What a frame asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Read settings.
    Read = 0x07,
    /// Change settings, until the power is off.
    Write = 0x08,
    /// Keep the settings for good.
    Save = 0x09,
    /// Say that you are there.
    Heartbeat = 0x0A,
}

/// Where the command to read one code is written to.
pub const TRIGGER: u16 = 0x0002;
/// The rate of the line, two bytes.
pub const RATE: u16 = 0x002A;
/// The version of its program; newer devices do not tell it.
pub const VERSION: u16 = 0x00E2;

/// A frame with its CRC.
pub fn frame(kind: Kind, address: u16, data: &[u8]) -> Vec<u8> {
    let mut frame = unchecked(kind, address, data);
    let check = crc(frame.get(2..frame.len() - 2).unwrap_or_default()).to_be_bytes();
    let at = frame.len() - 2;
    frame.splice(at.., check);
    frame
}

/// A frame that the scanner takes without looking at its CRC.
pub fn unchecked(kind: Kind, address: u16, data: &[u8]) -> Vec<u8> {
    let count = u8::try_from(data.len()).unwrap_or(u8::MAX);
    let [high, low] = address.to_be_bytes();
    let mut frame = vec![0x7E, 0x00, kind as u8, count, high, low];
    frame.extend(data.iter().take(usize::from(count)));
    frame.extend(NO_CHECK);
    frame
}

/// Say that you are there.
pub fn heartbeat() -> Vec<u8> {
    frame(Kind::Heartbeat, 0, &[0])
}

/// Read one code now.
pub fn trigger() -> Vec<u8> {
    frame(Kind::Write, TRIGGER, &[1])
}

/// Tell the version of your program.
pub fn ask_version() -> Vec<u8> {
    frame(Kind::Read, VERSION, &[1])
}

/// CRC-16/XMODEM: polynomial 1021, from 0, most significant bit first.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    })
}

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whether it answers a heartbeat.
    pub heartbeat: bool,
    /// 0: done.
    pub status: u8,
    /// What was asked for.
    pub data: Vec<u8>,
}

/// What a reply may begin with: bytes that stand in no code.
pub fn begins(byte: u8) -> bool {
    matches!(byte, 0x02 | 0x03)
}

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a reply.
    Unfinished,
    /// A whole reply.
    Whole(Reply),
    /// No reply.
    Broken,
}

/// Looks at bytes that began as a reply.
pub fn parse(bytes: &[u8]) -> Parsed {
    match bytes {
        [] | [0x02 | 0x03] | [0x02 | 0x03, 0] | [0x02 | 0x03, 0, _] => Parsed::Unfinished,
        [0x02 | 0x03, 0, _, 0, ..] => Parsed::Broken,
        [head @ (0x02 | 0x03), 0, status, count, rest @ ..] => {
            let Some((data, check)) = rest.split_at_checked(usize::from(*count)) else { return Parsed::Unfinished };
            let Some(check) = check.get(..2) else { return Parsed::Unfinished };
            let whole = bytes.get(2..4 + data.len()).unwrap_or_default();
            let right = check == FIXED_CHECK || check == NO_CHECK || check == crc(whole).to_be_bytes();
            match right {
                true => Parsed::Whole(Reply { heartbeat: *head == 0x03, status: *status, data: data.to_vec() }),
                false => Parsed::Broken,
            }
        }
        _ => Parsed::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_frame_is_made_byte_for_byte() {
        let published: [(&str, Vec<u8>, &[u8]); 7] = [
            ("trigger", trigger(), &[0x7E, 0, 0x08, 0x01, 0, 0x02, 0x01, 0x02, 0xDA]),
            ("save", frame(Kind::Save, 0, &[0]), &[0x7E, 0, 0x09, 0x01, 0, 0, 0, 0xDE, 0xC8]),
            ("115200", unchecked(Kind::Write, RATE, &[0x1A, 0]), &[0x7E, 0, 0x08, 0x02, 0, 0x2A, 0x1A, 0, 0xAB, 0xCD]),
            ("9600", frame(Kind::Write, RATE, &[0x39, 1]), &[0x7E, 0, 0x08, 0x02, 0, 0x2A, 0x39, 1, 0xA7, 0xEA]),
            ("factory", frame(Kind::Save, 0, &[2]), &[0x7E, 0, 0x09, 0x01, 0, 0, 0x02, 0xFE, 0x8A]),
            ("heartbeat", heartbeat(), &[0x7E, 0, 0x0A, 0x01, 0, 0, 0, 0x30, 0x1A]),
            ("version", unchecked(Kind::Read, VERSION, &[1]), &[0x7E, 0, 0x07, 0x01, 0, 0xE2, 0x01, 0xAB, 0xCD]),
        ];
        for (name, made, wanted) in published {
            assert_eq!(made, wanted, "{name}");
        }
    }

    #[test]
    fn the_checksum_of_every_published_frame_is_right() {
        let frames: [&[u8]; 5] = [
            &[0x08, 0x01, 0, 0x02, 0x01, 0x02, 0xDA],
            &[0x09, 0x01, 0, 0, 0, 0xDE, 0xC8],
            &[0x08, 0x02, 0, 0x2A, 0x39, 0x01, 0xA7, 0xEA],
            &[0x09, 0x01, 0, 0, 0x02, 0xFE, 0x8A],
            &[0x0A, 0x01, 0, 0, 0, 0x30, 0x1A],
        ];
        for frame in frames {
            let (body, check) = frame.split_at(frame.len() - 2);
            assert_eq!(crc(body).to_be_bytes(), check, "{frame:02X?}");
        }
        assert_eq!(crc(b"123456789"), 0x31C3);
    }

    #[test]
    fn published_replies_are_read_at_any_cut() {
        let done: &[u8] = &[0x02, 0, 0, 1, 0, 0x33, 0x31];
        let alive: &[u8] = &[0x03, 0, 0, 1, 0, 0x33, 0x31];
        for (reply, heartbeat) in [(done, false), (alive, true)] {
            for cut in 0..reply.len() {
                assert_eq!(parse(&reply[..cut]), Parsed::Unfinished, "{cut}");
            }
            assert_eq!(parse(reply), Parsed::Whole(Reply { heartbeat, status: 0, data: vec![0] }));
        }
    }

    #[test]
    fn a_reply_with_a_wrong_check_or_head_is_none() {
        for wrong in [[0x02, 0, 0, 1, 0, 0x33, 0x32].as_slice(), &[0x02, 1], &[0x02, 0, 0, 0], &[0x04], &[0x41, 0x42]] {
            assert_eq!(parse(wrong), Parsed::Broken, "{wrong:02X?}");
        }
        let body = [0x00, 0x01, 0x69];
        let mut checked = vec![0x02, 0x00];
        checked.extend(body);
        checked.extend(crc(&body).to_be_bytes());
        assert_eq!(parse(&checked), Parsed::Whole(Reply { heartbeat: false, status: 0, data: vec![0x69] }));
    }
}
