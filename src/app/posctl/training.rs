//! `posctl training …`: change between real payments and training, and say which of the two it is.
//!
//! Owns: what has to hold before the change. The change itself is the service manager's: the two units exclude each other.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::app::posctl::cli::{Occasion, TrainingCommand};
use crate::app::posctl::error::Fault;
use crate::app::posctl::guard;
use crate::app::posctl::output::{Voice, print, text, truth};
use crate::bus::client::{Client, ClientError, Row};
use crate::domain::training::MARK;

/// The units.
const LIVE: &str = "smartposd.service";
const TRAINING: &str = "smartposd-training.service";
/// How long systemctl may take: the daemon that goes ends in order first.
const CHANGE: Duration = Duration::from_secs(60);
/// How long the other daemon may take to be there.
const APPEAR: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Whether the daemon is one of training.
pub fn trains(manager: &Row) -> bool {
    truth(manager, "Training")
}

/// The mark of a result that is not real.
pub fn mark(result: &Row, voice: Voice) -> &'static str {
    let [zh, en] = MARK;
    if truth(result, "training") { voice.pick(zh, en) } else { "" }
}

/// Says so before anything else where nothing is real.
pub async fn banner(client: &Client, voice: Voice) {
    // Whatever is wrong with the daemon, the command itself says it.
    if !voice.json && client.manager().await.is_ok_and(|manager| trains(&manager)) {
        print(voice.pick(
            "【培训】培训模式：不动用资金，不连接收单机构",
            "[TRAINING] training mode: no money moves, and nothing reaches the acquirer",
        ));
    }
}

/// `posctl training …`
pub async fn obey(client: &Client, command: TrainingCommand, voice: Voice) -> Result<(), Fault> {
    match command {
        TrainingCommand::Status => status(client, voice).await,
        TrainingCommand::Start => {
            ready_to_leave(client).await?;
            change(client, TRAINING, true).await?;
            status(client, voice).await
        }
        TrainingCommand::Stop => {
            change(client, LIVE, false).await?;
            status(client, voice).await
        }
    }
}

async fn status(client: &Client, voice: Voice) -> Result<(), Fault> {
    let (manager, terminal) = tokio::try_join!(client.manager(), client.terminal())?;
    let (training, state, cause) = (trains(&manager), text(&terminal, "State"), text(&terminal, "Cause"));
    voice.tell(&json!({"training": training, "state": state, "cause": cause}), || {
        let (zh, en) = match training {
            true => (
                "培训模式。练习：posctl drill list；结束：posctl training stop",
                "training mode. Exercises: posctl drill list; to end it: posctl training stop",
            ),
            false => (
                "正式收款，不是培训。开始培训：posctl training start",
                "real payments, no training. To begin a training: posctl training start",
            ),
        };
        format!("{} ({state})", voice.pick(zh, en))
    });
    Ok(())
}

/// Real payments are not left while one is under way, nor while the acquirer does not have everything.
async fn ready_to_leave(client: &Client) -> Result<(), Fault> {
    match client.manager().await {
        Ok(manager) if trains(&manager) => return Ok(()),
        Ok(_) => {}
        // Nobody serves: nothing is left.
        Err(ClientError::NoDaemon) => return Ok(()),
        Err(other) => return Err(other.into()),
    }
    if text(&client.terminal().await?, "State") == "busy" {
        return Err(Fault::PaymentUnderWay);
    }
    guard::refuse(client, Occasion::Training).await
}

/// Has the service manager change over, and waits for the other daemon.
async fn change(client: &Client, unit: &str, training: bool) -> Result<(), Fault> {
    let machine = |source| Fault::Machine { doing: format!("systemctl start {unit}"), source };
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    let mut order = Command::new("systemctl");
    let mut order = order.args(["start", unit]).stdin(Stdio::null()).spawn().map_err(machine)?;
    let ended = async {
        loop {
            match order.try_wait() {
                Ok(None) => sleep(LOOK).await,
                other => return other,
            }
        }
    };
    let status = timeout(CHANGE, ended).await.map_err(|_| machine(late()))?.map_err(machine)?;
    if status.is_none_or(|status| !status.success()) {
        return Err(machine(std::io::Error::other("see systemctl status")));
    }
    let there = async {
        while !client.manager().await.is_ok_and(|manager| trains(&manager) == training) {
            sleep(LOOK).await;
        }
    };
    timeout(APPEAR, there).await.map_err(|_| machine(late()))
}
