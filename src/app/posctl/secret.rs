//! Passwords, key components, passphrases, card numbers: from the terminal without echo, or from a file descriptor; handed on as a pipe.
//!
//! Owns: the terminal's settings while a secret is typed. Must not know: what the secret opens. Nothing typed here is
//! ever printed, and every copy is wiped.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::pipe2;
use zeroize::Zeroizing;

use crate::app::posctl::error::{Fault, SecretFault};
use crate::app::posctl::text::pick;
use crate::domain::prompt::Language;
use crate::domain::secret::SecretBytes;

/// The daemon takes no more either.
const LONGEST: usize = 256;
/// Milliseconds a person may take for the next key.
const NEXT_KEY: u16 = 60_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The password of an operator, to sign in.
    Password,
    /// A new password, typed twice.
    NewPassword,
    /// A component of the master key, typed twice.
    Component,
    /// The passphrase of a backup, typed twice.
    Passphrase,
    /// A card number, typed twice.
    CardNumber,
}

/// The secret, checked for form, as the read end of a pipe.
pub fn obtain(wanted: Wanted, descriptor: Option<u16>, language: Language) -> Result<OwnedFd, Fault> {
    let secret = match descriptor {
        Some(number) => line_of(number)?,
        None => typed(wanted, language)?,
    };
    if secret.is_empty() {
        return Err(SecretFault::Empty.into());
    }
    fits(wanted, &secret)?;
    into_pipe(&secret).map_err(|error| Fault::Machine { doing: "pipe".to_owned(), source: error.into() })
}

/// The passphrase of a backup that is there: typed once, since it is tried at once.
pub fn passphrase(descriptor: Option<u16>, language: Language) -> Result<SecretBytes, Fault> {
    let mut secret = match descriptor {
        Some(number) => line_of(number)?,
        None => {
            let terminal = terminal()?;
            ask(&terminal, pick(language, "备份口令：", "Passphrase of the backup: "))?
        }
    };
    Ok(SecretBytes::new(std::mem::take(&mut *secret)))
}

/// Whether it has the form of what is asked for.
fn fits(wanted: Wanted, secret: &[u8]) -> Result<(), SecretFault> {
    match wanted {
        Wanted::Component if !is_component(secret) => Err(SecretFault::NotAComponent),
        Wanted::Passphrase if !(12..=128).contains(&secret.len()) => Err(SecretFault::NotAPassphrase),
        Wanted::CardNumber if !is_card_number(secret) => Err(SecretFault::NotACardNumber),
        // The daemon judges passwords.
        Wanted::Password | Wanted::NewPassword | Wanted::Component | Wanted::Passphrase | Wanted::CardNumber => Ok(()),
    }
}

/// The read end of a pipe that holds this.
pub fn into_pipe(secret: &[u8]) -> nix::Result<OwnedFd> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    // Fits into the pipe at once, so that this cannot wait for a reader.
    let mut left = secret;
    while !left.is_empty() {
        let written = nix::unistd::write(&writer, left)?;
        left = left.get(written..).unwrap_or_default();
    }
    Ok(reader)
}

/// 32 hex digits, in groups if one likes.
fn is_component(secret: &[u8]) -> bool {
    let digits = secret.iter().filter(|b| **b != b' ');
    digits.clone().count() == 32 && digits.clone().all(u8::is_ascii_hexdigit)
}

/// 8 to 19 digits, in groups as on the card if one likes.
fn is_card_number(secret: &[u8]) -> bool {
    let digits = secret.iter().filter(|b| **b != b' ');
    (8..=19).contains(&digits.clone().count()) && digits.clone().all(u8::is_ascii_digit)
}

/// The first line behind the descriptor.
fn line_of(number: u16) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    // A number is no proof that it is ours to close: others are opened anew through /proc.
    let file = match number {
        0 => std::io::stdin().as_fd().try_clone_to_owned().map(File::from),
        number => File::open(format!("/proc/self/fd/{number}")),
    };
    let mut file = file.map_err(|_| SecretFault::Descriptor)?;
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    while let Some(byte) = next_byte(&mut file)? {
        match byte {
            b'\n' => break,
            _ if line.len() == LONGEST => return Err(SecretFault::TooLong),
            byte => line.push(byte),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// The next byte, `None` at the end. Read one by one, so that no buffer keeps a copy.
fn next_byte(file: &mut File) -> Result<Option<u8>, SecretFault> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::from(NEXT_KEY)) {
        Ok(0) => return Err(SecretFault::GivenUp),
        Ok(_) => {}
        Err(_) => return Err(SecretFault::Descriptor),
    }
    let mut byte = Zeroizing::new([0u8; 1]);
    match file.read(byte.as_mut_slice()) {
        Ok(0) => Ok(None),
        Ok(_) => Ok(byte.first().copied()),
        Err(_) => Err(SecretFault::Descriptor),
    }
}

fn typed(wanted: Wanted, language: Language) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    let terminal = terminal()?;
    let (zh, en) = match wanted {
        Wanted::Password => ("操作员密码：", "Operator password: "),
        Wanted::NewPassword => ("新密码（6 至 32 个字符）：", "New password (6 to 32 characters): "),
        Wanted::Passphrase => ("备份口令（12 至 128 字节）：", "Passphrase of the backup (12 to 128 bytes): "),
        Wanted::CardNumber => ("卡号（8 至 19 位）：", "Card number (8 to 19 digits): "),
        Wanted::Component => ("密钥分量（32 位十六进制数）：", "Key component (32 hex digits): "),
    };
    let first = ask(&terminal, pick(language, zh, en))?;
    if wanted == Wanted::Password {
        return Ok(first);
    }
    let second = ask(&terminal, pick(language, "再输入一次：", "Once more: "))?;
    if *first == *second { Ok(first) } else { Err(SecretFault::Differ) }
}

fn terminal() -> Result<File, SecretFault> {
    File::options().read(true).write(true).open("/dev/tty").map_err(|_| SecretFault::NoTerminal)
}

fn ask(terminal: &File, prompt: &str) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    let quiet = Quiet::new(terminal.as_fd())?;
    let mut screen = terminal;
    let _ = screen.write_all(prompt.as_bytes());
    let mut keys = terminal.try_clone().map_err(|_| SecretFault::NoTerminal)?;
    let entered = edit(|| next_byte(&mut keys));
    let _ = screen.write_all(b"\n");
    drop(quiet);
    entered
}

/// Line editing: nothing is shown, not even how much has been typed.
fn edit(mut next: impl FnMut() -> Result<Option<u8>, SecretFault>) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const BACKSPACE: u8 = 8;
    const CTRL_U: u8 = 21;
    const DELETE: u8 = 127;
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    loop {
        match next()? {
            None | Some(CTRL_C | CTRL_D) => return Err(SecretFault::GivenUp),
            Some(b'\n' | b'\r') => return Ok(line),
            Some(BACKSPACE | DELETE) => {
                line.pop();
            }
            Some(CTRL_U) => line.clear(),
            Some(_) if line.len() == LONGEST => return Err(SecretFault::TooLong),
            Some(byte) => line.push(byte),
        }
    }
}

/// No echo, and Ctrl-C as a plain key, until dropped: so the terminal is never left mute.
struct Quiet<'f> {
    terminal: BorrowedFd<'f>,
    before: Termios,
}

impl<'f> Quiet<'f> {
    fn new(terminal: BorrowedFd<'f>) -> Result<Self, SecretFault> {
        let before = tcgetattr(terminal).map_err(|_| SecretFault::NoTerminal)?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::ICANON | LocalFlags::ISIG);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &quiet).map_err(|_| SecretFault::NoTerminal)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(keys: &[u8]) -> Result<Vec<u8>, SecretFault> {
        let mut keys = keys.iter().copied();
        edit(|| Ok(keys.next())).map(|line| line.to_vec())
    }

    #[test]
    fn keys_can_be_taken_back_and_the_entry_given_up() {
        assert_eq!(edited(b"12x\x7f3\r"), Ok(b"123".to_vec()));
        assert_eq!(edited(b"wrong\x15right\n"), Ok(b"right".to_vec()));
        assert_eq!(edited(b"12\x03"), Err(SecretFault::GivenUp));
        assert_eq!(edited(b"12"), Err(SecretFault::GivenUp));
        assert_eq!(edited(&[b'x'; LONGEST + 1]), Err(SecretFault::TooLong));
    }

    #[test]
    fn a_component_has_32_hex_digits_in_any_grouping() {
        assert!(is_component(b"0123 4567 89ab cdef FEDC BA98 7654 3210"));
        assert!(!is_component(b"0123456789abcdefFEDCBA987654321"));
        assert!(!is_component(b"0123456789abcdefFEDCBA987654321g"));
    }

    #[test]
    fn a_card_number_and_a_passphrase_are_checked_for_form_before_they_leave() {
        assert_eq!(fits(Wanted::CardNumber, b"6200 0000 0000 0000 018"), Ok(()));
        assert_eq!(fits(Wanted::CardNumber, b"6200-0000"), Err(SecretFault::NotACardNumber));
        assert_eq!(fits(Wanted::CardNumber, b"62000000000000000189"), Err(SecretFault::NotACardNumber));
        assert_eq!(fits(Wanted::Passphrase, b"eleven byte"), Err(SecretFault::NotAPassphrase));
        assert_eq!(fits(Wanted::Passphrase, b"twelve bytes"), Ok(()));
    }

    #[test]
    fn the_pipe_holds_the_secret_and_then_ends() {
        let mut read = Vec::new();
        File::from(into_pipe(b"271828").unwrap()).read_to_end(&mut read).unwrap();
        assert_eq!(read, b"271828");
    }
}
