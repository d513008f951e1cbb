//! The control socket of the training host: lines out, one line of answer each.
//!
//! Must not know: why. The host is a process of its own; this is how its line is cut and mended from outside.

use std::io::{BufRead, BufReader, Error, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::diagnose::drill::Deed;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The orders for a deed.
pub fn orders(deed: Deed) -> &'static [&'static str] {
    match deed {
        Deed::Nothing | Deed::CutPower => &[],
        Deed::CutLine => &["fault any ignore sticky"],
        Deed::LoseAnswer => &["fault 0200 drop x1"],
        Deed::StopHost => &["fault refuse", "hang-up"],
        Deed::Mend => &["clear"],
    }
}

/// Gives orders, each of which has to be carried out.
pub fn give(socket: &Path, orders: &[&str]) -> Result<(), Error> {
    if orders.is_empty() {
        return Ok(());
    }
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    for order in orders {
        stream.write_all(format!("{order}\n").as_bytes())?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        if !answer.starts_with("ok") {
            return Err(Error::new(ErrorKind::InvalidData, format!("{order}: {}", answer.trim())));
        }
    }
    Ok(())
}
