//! A log of what went over the line, in the form of the recorded transcripts.
//!
//! Owns: the file. It holds the simulated card's data, which are made up.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::domain::time::Instant;

/// An open trace.
pub struct Trace {
    file: File,
}

impl Trace {
    /// Starts a new file.
    pub fn create(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        Ok(Self { file })
    }

    /// `->` is host to reader, `<-` reader to host.
    pub fn bytes(&mut self, now: Instant, arrow: &str, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|b| format!(" {b:02X}")).collect();
        self.line(now, &format!("{arrow}{hex}"));
    }

    /// A remark.
    pub fn remark(&mut self, now: Instant, text: &str) {
        self.line(now, &format!("-- {text}"));
    }

    fn line(&mut self, now: Instant, text: &str) {
        let tenths = now.0 / 100;
        // A full disk must not stop the simulator.
        let _lost = writeln!(self.file, "{:>7}.{} {text}", tenths / 10, tenths % 10);
    }
}
