//! The file itself: a tar archive, compressed, only for its owner.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Writes a new archive; one that is there already is never written over. What was begun and failed is taken away.
pub fn write(path: &Path, at: u64, parts: &[(&str, String)]) -> io::Result<()> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let written = fill(file, at, parts);
    if written.is_err() {
        // The complaint about the report matters more than one about its remains.
        let _ = std::fs::remove_file(path);
    }
    written
}

fn fill(file: File, at: u64, parts: &[(&str, String)]) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (name, text) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(text.len()).unwrap_or(u64::MAX));
        header.set_mode(0o600);
        header.set_mtime(at);
        archive.append_data(&mut header, format!("smartposd-report/{name}"), text.as_bytes())?;
    }
    archive.into_inner()?.finish()?.sync_all()
}
