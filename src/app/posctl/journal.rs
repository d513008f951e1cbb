//! `posctl journal …` and `posctl backup`: the books, checked, printed, and kept elsewhere.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::app::posctl::cli::JournalCommand;
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::Voice;
use crate::app::posctl::secret::{Wanted, obtain};
use crate::app::posctl::transactions::time;
use crate::bus::client::{Client, JournalRow};

/// As many rows as the daemon gives at once.
const PAGE: u32 = 1000;

/// `posctl journal …`
pub async fn obey(client: &Client, command: JournalCommand, voice: Voice) -> Result<(), Fault> {
    match command {
        JournalCommand::Verify => verify(client, voice).await,
        JournalCommand::Export { after, limit } => export(client, after, limit.unwrap_or(u64::MAX), voice).await,
    }
}

async fn verify(client: &Client, voice: Voice) -> Result<(), Fault> {
    let check = client.verify_journal().await?;
    let rows = check.rows;
    match check.broken {
        None => {
            voice.tell(&json!({"rows": rows, "whole": true}), || {
                voice.pick(format!("流水日志完整，共 {rows} 行"), format!("the journal is whole: {rows} rows"))
            });
            Ok(())
        }
        Some((row, what)) => Err(Fault::JournalBroken { row, what }),
    }
}

async fn export(client: &Client, mut after: u64, mut left: u64, voice: Voice) -> Result<(), Fault> {
    while left > 0 {
        let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
        let rows = client.export_journal(after, limit).await?;
        for row in &rows {
            voice.tell(&object(row), || line(row));
        }
        let Some(last) = rows.last().map(|row| row.number).filter(|number| *number > after) else { return Ok(()) };
        if u32::try_from(rows.len()).is_ok_and(|n| n < limit) {
            return Ok(());
        }
        after = last;
        left = left.saturating_sub(u64::from(limit));
    }
    Ok(())
}

/// The entry as it was chained, byte for byte, so that it can be checked again; and as an object, for programs.
fn object(row: &JournalRow) -> Value {
    let parsed = serde_json::from_str::<Value>(&row.entry).ok();
    json!({"number": row.number, "at": row.at, "entry": row.entry, "chain": row.chain, "parsed": parsed})
}

fn line(row: &JournalRow) -> String {
    format!("{}  {} UTC  {}  {}", row.number, time(row.at), row.chain, row.entry)
}

/// `posctl backup`: the file is there whole, or not at all.
pub async fn back_up(client: &Client, path: &Path, descriptor: Option<u16>, voice: Voice) -> Result<(), Fault> {
    let machine = |source| Fault::Machine { doing: path.display().to_string(), source };
    let passphrase = obtain(Wanted::Passphrase, descriptor, voice.language)?;
    // Its own name from the start: an older backup is never written over.
    let file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(machine)?;
    let written = match file.try_clone().map_err(machine) {
        Ok(end) => client.backup(passphrase, OwnedFd::from(end)).await.map_err(Fault::from),
        Err(fault) => Err(fault),
    };
    if let Err(fault) = written {
        // What is in it is worthless. If it cannot be removed, the complaint about the backup matters more.
        let _ = std::fs::remove_file(path);
        return Err(fault);
    }
    let bytes = file.metadata().map_err(machine)?.len();
    voice.tell(&json!({"file": path.display().to_string(), "bytes": bytes}), || {
        let path = path.display();
        voice.pick(
            format!("已备份到 {path}（{bytes} 字节）；没有口令就无法恢复，请分开保管"),
            format!("backed up to {path} ({bytes} bytes); it opens only with the passphrase, keep that elsewhere"),
        )
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_row_keeps_its_entry_byte_for_byte() {
        let entry = "{\"b\":1, \"a\":2}".to_owned();
        let row = JournalRow { number: 7, at: 1_700_000_000_000_000, entry: entry.clone(), chain: "ab".to_owned() };
        let told = object(&row);
        assert_eq!(told["entry"], entry.as_str());
        assert_eq!(told["parsed"]["a"], 2);
        assert_eq!(line(&row), format!("7  2023-11-14 22:13:20 UTC  ab  {entry}"));
    }
}
