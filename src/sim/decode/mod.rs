//! Captured host messages as JSON, sensitive fields masked.
//!
//! Owns: reading hexadecimal text, finding the message in what was captured, the JSON. Must not know: keys. There is no
//! switch that shows a masked field.
//!
//! Taken are a whole frame with its two-byte length, a frame without it (TPDU first), or a bare message (MTI first);
//! also the lines of `smartpos-sim acquirer --capture`, one object per line then. Output:
//! `{"header": …, "mti": …, "bitmap": …, "fields": {"2": …}, "emv": {…}}`; a field is its digits, its text, or
//! hexadecimal digits if it is binary. What cannot be decoded gives `{"error": …, "offset": …, "field": …}`, where
//! `offset` counts bytes from the start of what was given.

mod mask;
mod show;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::codec::frame::strip_length;
use crate::codec::iso8583::{DecodeError, Message};

/// Longest input: a day's capture, not a disk.
const MAX_INPUT: u64 = 64 << 20;
/// TPDU and header.
const HEADER_BYTES: usize = 11;

/// Arguments of this subcommand.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The message in hexadecimal digits, or - for standard input.
    #[arg(value_name = "HEX", required_unless_present = "file", conflicts_with = "file")]
    hex: Option<String>,
    /// Read from a file: hexadecimal text, capture lines, or the bare bytes.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Prints each message; the error is that of the first one that could not be decoded.
pub fn run(args: Args) -> Result<(), String> {
    let input = read(&args)?;
    let messages = messages(&input)?;
    let pretty = messages.len() == 1;
    let mut first_error = None;
    let mut out = std::io::stdout().lock();
    for bytes in &messages {
        let text = match decode(bytes) {
            Ok(shown) => render(&shown, pretty),
            Err(failure) => {
                let text = render(&failure, pretty);
                first_error.get_or_insert(failure.to_string());
                text
            }
        };
        writeln!(out, "{text}").map_err(|e| format!("nobody reads the output: {e}"))?;
    }
    first_error.map_or(Ok(()), Err)
}

/// Why a message could not be decoded, and where.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What was wrong; never a value.
    pub error: String,
    /// Bytes from the start of what was given.
    pub offset: usize,
    /// Which field was being read.
    pub field: Option<u8>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "byte {}", self.offset)?;
        if let Some(field) = self.field {
            write!(f, ", field {field}")?;
        }
        write!(f, ": {}", self.error)
    }
}

/// Decodes one captured message to what is shown of it.
pub fn decode(captured: &[u8]) -> Result<impl Serialize + use<>, Failure> {
    let framed = strip_length(captured);
    let (skipped, body) = match &framed {
        Ok(body) => (2, *body),
        Err(_) => (0, captured),
    };
    if body.first() == Some(&0x60) {
        let (header, message) = Message::decode(body).map_err(|e| failure(e, skipped, 0))?;
        return Ok(show::shown(Some(&header), &message));
    }
    // A header of zeros in front: the codec's only way in is a whole frame.
    let mut whole = Zeroizing::new(Vec::with_capacity(HEADER_BYTES + body.len()));
    whole.resize(HEADER_BYTES, 0);
    whole.extend_from_slice(body);
    match (Message::decode(&whole), framed) {
        (Ok((_, message)), _) => Ok(show::shown(None, &message)),
        // Neither a message nor a whole frame, but a TPDU where a frame has it: the length is what is wrong.
        (Err(_), Err(error)) if captured.get(2) == Some(&0x60) => {
            Err(Failure { error: error.to_string(), offset: 0, field: None })
        }
        (Err(error), _) => Err(failure(error, skipped, HEADER_BYTES)),
    }
}

fn failure(error: DecodeError, skipped: usize, added: usize) -> Failure {
    let offset = (error.offset + skipped).saturating_sub(added);
    Failure { error: error.kind.to_string(), offset, field: error.field }
}

fn render(value: &impl Serialize, pretty: bool) -> String {
    // Only strings and numbers: this cannot fail.
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    text.unwrap_or_default()
}

fn read(args: &Args) -> Result<Zeroizing<Vec<u8>>, String> {
    match (&args.file, args.hex.as_deref()) {
        (Some(path), _) => read_file(path),
        (None, Some("-")) => {
            let mut input = Zeroizing::new(Vec::new());
            let read = std::io::stdin().lock().take(MAX_INPUT).read_to_end(&mut input);
            read.map(|_| input).map_err(|e| format!("standard input cannot be read: {e}"))
        }
        (None, hex) => Ok(Zeroizing::new(hex.unwrap_or_default().as_bytes().to_vec())),
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let failed = |e| format!("{} cannot be read: {e}", path.display());
    let mut input = Zeroizing::new(Vec::new());
    fs::File::open(path).map_err(failed)?.take(MAX_INPUT).read_to_end(&mut input).map_err(failed)?;
    Ok(input)
}

/// The messages in an input: one per capture line, else all of it is one.
fn messages(input: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, String> {
    let Some(text) = std::str::from_utf8(input).ok().filter(|text| is_text(text)) else {
        return Ok(vec![Zeroizing::new(input.to_vec())]);
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let captured = |line: &&str| line.starts_with("in ") || line.starts_with("out ");
    if lines.is_empty() {
        return Err("nothing to decode; give a message in hexadecimal digits".to_owned());
    }
    if lines.iter().all(captured) {
        return lines.iter().map(|line| unhex(line.rsplit(' ').next().unwrap_or_default())).collect();
    }
    Ok(vec![unhex(text)?])
}

/// Whether this is text that a person could have typed, not bytes that happen to be UTF-8.
fn is_text(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E))
}

/// Hexadecimal digits, with blanks and colons between them if one likes.
fn unhex(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let digits = digits.char_indices().filter(|(_, c)| !c.is_ascii_whitespace() && *c != ':');
    let mut nibbles = Zeroizing::new(Vec::with_capacity(text.len()));
    for (at, c) in digits {
        let nibble = c.to_digit(16).and_then(|n| u8::try_from(n).ok());
        nibbles.push(nibble.ok_or_else(|| format!("character {at} is no hexadecimal digit"))?);
    }
    let (pairs, rest) = nibbles.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("an odd number of hexadecimal digits: the last byte is cut".to_owned());
    }
    Ok(Zeroizing::new(pairs.iter().map(|[high, low]| high << 4 | low).collect()))
}

#[cfg(test)]
mod tests;
