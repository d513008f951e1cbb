//! `posctl record`: a redacted capture of the wires, into a file of the caller's.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::app::posctl::error::Fault;
use crate::app::posctl::output::Voice;
use crate::bus::client::Client;

/// Records for so many seconds, or until Ctrl-C or a termination signal.
pub async fn record(client: &Client, path: &Path, seconds: u32, reset: bool, voice: Voice) -> Result<(), Fault> {
    let machine = |source| Fault::Machine { doing: path.display().to_string(), source };
    let file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(machine)?;
    let end = file.try_clone().map_err(machine)?;
    if let Err(refused) = client.record(OwnedFd::from(end), seconds).await {
        // Nothing is in it. If it cannot be removed, the complaint about the capture matters more.
        let _ = std::fs::remove_file(path);
        return Err(refused.into());
    }
    if reset {
        client.reset_reader().await?;
    }
    voice.tell(&json!({"event": "recording", "seconds": seconds}), || {
        voice.pick(
            format!("正在记录 {seconds} 秒；按 Ctrl-C 提前结束"),
            format!("recording for {seconds} s; Ctrl-C ends it sooner"),
        )
    });
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(machine)?;
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(u64::from(seconds))) => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
    client.stop_recording().await?;
    let bytes = file.metadata().map_err(machine)?.len();
    voice.tell(&json!({"event": "recorded", "file": path.display().to_string(), "bytes": bytes}), || {
        let path = path.display();
        voice.pick(format!("已记录到 {path}"), format!("recorded to {path}"))
    });
    Ok(())
}
