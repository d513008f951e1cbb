//! What must hold for any bytes whatever on the product's wires. Run by libFuzzer (see the README beside) and, over seeded
//! damage to real messages, by `tests/fuzz_smoke.rs` in every test run.
//!
//! Each entry takes raw bytes and panics when a promise is broken: no panic, no hang, errors that point into the input, and
//! whatever is accepted is written back as the same bytes.

use smartpos::codec::apdu::{Command, Response};
use smartpos::codec::dol;
use smartpos::codec::frame::{Framer, strip_length};
use smartpos::codec::iso8583::{Format, Message, Spec, Value};
use smartpos::codec::tlv::{self, Object, Tag, TlvError, Writer};
use smartpos::domain::scan::{LONGEST_CODE, Scan};
use smartpos::domain::time::Instant;
use smartpos::reader::pn532::frame::{self, Decoder, Frame, MAX_BODY};
use smartpos::scanner::stream::{Piece, Stream};

/// Host messages: the decoder on one frame, the framer on a stream.
pub fn message(input: &[u8]) {
    decoded(input);
    if let Ok(body) = strip_length(input) {
        assert_eq!(body.len() + 2, input.len());
    }
    let whole = frames(input, input.len().max(1));
    let cut = frames(input, usize::from(input.first().copied().unwrap_or(1)).max(1));
    assert!(whole == cut, "frames depend on where the stream is cut");
}

fn decoded(input: &[u8]) {
    let (header, message) = match Message::decode(input) {
        Ok(decoded) => decoded,
        Err(error) => {
            assert!(error.offset <= input.len(), "error points past the end: {error}");
            return;
        }
    };
    let wire = message.encode(&header);
    assert!(strip_length(&wire) == Ok(input), "not the bytes that were read");
    let covered = message.mab();
    assert!(covered.len() + 11 <= input.len() && covered[..2] == input[11..13]);
    let mut built = Message::new(message.mti());
    for (field, value) in message.fields() {
        let set = match (value, Spec::field(field).map(|spec| spec.format)) {
            (Value::Digits(digits), _) => built.set_digits(field, digits),
            (Value::Text(text), _) => built.set_text(field, text),
            (Value::Bytes(bytes), Some(Format::B | Format::Ans)) => built.set_bytes(field, bytes),
            (Value::Bytes(_), _) => panic!("field {field} is not text"),
        };
        assert_eq!(set, Ok(()), "a value that was read cannot be set");
    }
    assert!(built.encode(&header) == wire, "not the bytes when built from its fields");
}

/// The frames of a stream that comes in pieces of this size, and whether it ends in an error.
fn frames(input: &[u8], size: usize) -> (Vec<Vec<u8>>, bool) {
    const MAX: usize = 300;
    let mut framer = Framer::new(MAX);
    let mut found = Vec::new();
    for mut piece in input.chunks(size) {
        loop {
            match framer.push(&mut piece) {
                Ok(Some(frame)) => {
                    assert!(frame.len() <= MAX);
                    found.push(frame.to_vec());
                }
                Ok(None) => break assert!(piece.is_empty()),
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

/// What a card sends: objects, data object lists, answers; and commands, which the simulated card reads.
pub fn tlv(input: &[u8]) {
    objects(input);
    if let Ok(entries) = dol::entries(input) {
        let total: usize = entries.iter().map(|(_, length)| usize::from(*length)).sum();
        match dol::fill(input, |tag| (tag.0 % 2 == 0).then(|| input.to_vec())) {
            Ok(filled) => assert_eq!(filled.len(), total),
            Err(_) => assert!(total > dol::MAX_LENGTH),
        }
    }
    if let Ok(command) = Command::parse(input) {
        assert!(command.to_bytes().is_ok_and(|bytes| *bytes == input), "not the command that was read");
    }
    if let Ok(response) = Response::parse(input) {
        assert_eq!(response.body.len() + 2, input.len());
    }
}

fn objects(input: &[u8]) {
    let checked = tlv::check(input);
    let mut read = 0;
    let mut inner = Vec::new();
    let result = rewrite(tlv::objects(input), &mut inner, &mut read);
    assert_eq!(result.map(|()| read), checked);
    match checked {
        Err(error) => assert!(error.offset <= input.len(), "error points past the end: {error}"),
        Ok(count) => {
            // Zero bytes between objects and long forms of length are not kept; the objects are.
            assert_eq!(tlv::check(&inner), Ok(count));
            let again = tlv::objects(&inner).map(|object| object.map(|object| object.tag));
            assert!(again.eq(tlv::objects(input).map(|object| object.map(|object| object.tag))));
        }
    }
    for tag in [Tag(0x5A), Tag(0x9F26), Tag(0xBF0C)] {
        let found = tlv::find_anywhere(input, tag);
        assert!(found.is_ok() || checked.is_err());
        let path = tlv::find(input, &[Tag(0x6F), Tag(0xA5), tag]);
        assert!(path.is_ok() || checked.is_err());
        assert!(!matches!((path, found), (Ok(Some(_)), Ok(None))), "found by path only");
    }
}

/// Writes the objects anew, constructed ones from their children.
fn rewrite<'a>(
    objects: impl Iterator<Item = Result<Object<'a>, TlvError>>,
    out: &mut Vec<u8>,
    read: &mut usize,
) -> Result<(), TlvError> {
    for object in objects {
        let object = object?;
        *read += 1;
        let mut inner = Vec::new();
        rewrite(object.children(), &mut inner, read)?;
        let value = if object.is_constructed() { &inner } else { object.value };
        let mut writer = Writer::new();
        writer.put(object.tag, value);
        out.extend_from_slice(writer.as_bytes());
    }
    Ok(())
}

/// The reader's line: frames found in any stream, however it is cut, and found again after any rubbish.
pub fn reader_frame(input: &[u8]) {
    let whole = bodies(input, input.len().max(1));
    let cut = bodies(input, usize::from(input.first().copied().unwrap_or(1)).max(1));
    assert!(whole == cut, "frames depend on where the stream is cut");
    for body in &whole {
        assert!((1..=MAX_BODY).contains(&body.len()));
    }
    found_behind(input);
    if let Ok(written) = frame::encode(input)
        // The one body that is the error frame.
        && input != [0x7F]
    {
        assert!(bodies(written.expose(), 1) == [input], "not the body that was written");
    }
}

/// The bodies in a stream that comes in pieces of this size; other frames as bodies of their first letter.
fn bodies(input: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::default();
    let mut found = Vec::new();
    for mut piece in input.chunks(size) {
        while let Some(item) = decoder.next(&mut piece) {
            if let Ok(frame) = item {
                found.push(content(&frame));
            }
        }
        assert!(piece.is_empty(), "bytes left although nothing came");
    }
    found
}

fn content(frame: &Frame) -> Vec<u8> {
    match frame {
        Frame::Body(body) => body.expose().to_vec(),
        Frame::Ack | Frame::Nack | Frame::Error => frame.kind().as_bytes()[..1].to_vec(),
    }
}

/// Whatever came before, a frame behind a pause is found: nothing that is held can hide it for good.
fn found_behind(input: &[u8]) {
    let mut decoder = Decoder::default();
    let mut rest = input;
    while decoder.next(&mut rest).is_some() {}
    // Each silence gives up one held start code.
    for _ in 0..=MAX_BODY {
        let mut nothing: &[u8] = &[];
        let held = decoder.cut().is_some();
        while decoder.next(&mut nothing).is_some() {}
        if !held {
            break;
        }
    }
    let Ok(written) = frame::encode(&[0xD5, 0x03, 0x32, 0x01, 0x06, 0x07]) else { panic!("a short body is refused") };
    let mut rest = written.expose();
    let found = std::iter::from_fn(|| decoder.next(&mut rest)).flatten().map(|frame| content(&frame)).last();
    assert!(found.as_deref() == Some(&[0xD5, 0x03, 0x32, 0x01, 0x06, 0x07][..]), "a frame behind a pause was lost");
}

/// The code scanner's serial line: codes and replies do not depend on where the stream is cut, and whatever is given out as a
/// code is short, printable and made of bytes that came.
pub fn scanner_line(input: &[u8]) {
    for replies in [false, true] {
        let whole = pieces(replies, input, input.len().max(1));
        let cut = pieces(replies, input, usize::from(input.first().copied().unwrap_or(1)).max(1));
        assert!(whole == cut, "pieces depend on where the stream is cut");
        for piece in whole {
            let Piece::Code(code) = piece else { continue };
            let code_bytes = code.expose();
            assert!(
                (1..=LONGEST_CODE).contains(&code_bytes.len()) && code_bytes.iter().all(|b| (b' '..=b'~').contains(b))
            );
            assert!(input.windows(code_bytes.len()).any(|window| window == code_bytes), "a code that never came");
            let _ = Scan::classify(&code, &[]).kind();
        }
    }
}

fn pieces(replies: bool, input: &[u8], size: usize) -> Vec<Piece> {
    let mut stream = Stream::new(replies);
    input.chunks(size).for_each(|chunk| stream.feed(Instant(0), chunk));
    stream.expire(Instant(1_000_000));
    assert_eq!(stream.deadline(), None, "silence is not the end");
    std::iter::from_fn(|| stream.poll()).collect()
}
