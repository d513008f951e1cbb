//! `posctl training …`: change between real payments and training, and say which of the two it is.
//!
//! Owns: what has to hold before the change. The change itself is the service
//! manager's: one daemon is stopped, then the other is started, and never is there none because of a training.

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
const HOST: &str = "smartposd-training-host.service";
/// How long systemctl may take: the daemon that goes ends in order first.
const CHANGE: Duration = Duration::from_secs(60);
/// How long the other daemon may take to be there.
const APPEAR: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// A daemon that works says within this whether it trains.
const PATIENCE: Duration = Duration::from_secs(4);

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
    if voice.json {
        return;
    }
    let told = tokio::time::timeout(PATIENCE, client.manager()).await;
    if matches!(told, Ok(Ok(manager)) if trains(&manager)) {
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
            if ready_to_leave(client).await? {
                manage("stop", &[LIVE]).await?;
                if let Err(fault) = begin(client, TRAINING, true).await {
                    // Rather real payments than none; what is said is why there is no training.
                    manage("stop", &[TRAINING, HOST]).await?;
                    begin(client, LIVE, false).await?;
                    return Err(fault);
                }
            }
            status(client, voice).await
        }
        TrainingCommand::Stop => {
            manage("stop", &[TRAINING, HOST]).await?;
            begin(client, LIVE, false).await?;
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

/// Real payments are not left while one is under way, nor while the acquirer does not have everything. `false`: they were
/// left before.
async fn ready_to_leave(client: &Client) -> Result<bool, Fault> {
    match client.manager().await {
        Ok(manager) if trains(&manager) => return Ok(false),
        Ok(_) => {}
        // Nobody serves: nothing is left.
        Err(ClientError::NoDaemon) => return Ok(true),
        Err(other) => return Err(other.into()),
    }
    if text(&client.terminal().await?, "State") == "busy" {
        return Err(Fault::PaymentUnderWay);
    }
    guard::refuse(client, Occasion::Training).await.map(|()| true)
}

/// Has the service manager start a daemon, and waits until it serves.
async fn begin(client: &Client, unit: &str, training: bool) -> Result<(), Fault> {
    manage("start", &[unit]).await?;
    let there = async {
        // Asked only when it is there: a call would start the live one.
        while !client.serves().await.unwrap_or(false)
            || !client.manager().await.is_ok_and(|manager| trains(&manager) == training)
        {
            sleep(LOOK).await;
        }
    };
    timeout(APPEAR, there).await.map_err(|_| machine(unit, late()))
}

/// Has the service manager do something about units, and waits until it is done.
async fn manage(verb: &str, units: &[&str]) -> Result<(), Fault> {
    let name = format!("{verb} {}", units.join(" "));
    let mut order = Command::new("systemctl");
    let order = order.arg(verb).args(units).stdin(Stdio::null()).spawn();
    let mut order = order.map_err(|source| machine(&name, source))?;
    let ended = async {
        loop {
            match order.try_wait() {
                Ok(None) => sleep(LOOK).await,
                other => return other,
            }
        }
    };
    let status =
        timeout(CHANGE, ended).await.unwrap_or_else(|_| Err(late())).map_err(|source| machine(&name, source))?;
    if status.is_some_and(|status| status.success()) {
        return Ok(());
    }
    Err(machine(&name, std::io::Error::other("see systemctl status and journalctl -u")))
}

fn late() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::TimedOut)
}

fn machine(what: &str, source: std::io::Error) -> Fault {
    Fault::Machine { doing: format!("systemctl: {what}"), source }
}
