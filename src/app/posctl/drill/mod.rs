//! `posctl drill`: exercises against the training daemon, guided and judged.
//!
//! Owns: telling, doing to the surroundings what the drill wants, looking, and leaving everything mended. Must not know:
//! what is right; that is the drill's own (`diagnose::drill`). It has no private door: it looks over the bus like any app.

mod host;
mod sight;

use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::posctl::Exit;
use crate::app::posctl::cli::DrillArguments;
use crate::app::posctl::error::Fault;
use crate::app::posctl::output::Voice;
use crate::app::posctl::training::trains;
use crate::bus::client::Client;
use crate::diagnose::drill::{Deed, Drill, DrillName, Judge, Miss, Step, drill};
use crate::diagnose::text::Text;
use crate::driver::clock;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Lists the drills, or runs one.
pub async fn obey(client: &Client, arguments: &DrillArguments, voice: Voice) -> Result<Exit, Fault> {
    match DrillName::from_word(&arguments.name) {
        None => {
            list(voice);
            Ok(Exit::Done)
        }
        Some(name) => run(client, name, &arguments.host_control, voice).await,
    }
}

fn list(voice: Voice) {
    let all: Vec<_> = DrillName::ALL.iter().map(|name| (name.as_str(), drill(*name))).collect();
    let object = |(name, drill): &(&str, &Drill)| {
        json!({
            "drill": name,
            "title_zh": drill.title.zh, "title_en": drill.title.en,
            "happens_zh": drill.happens.zh, "happens_en": drill.happens.en,
            "right_zh": drill.right.zh, "right_en": drill.right.en,
            "judged_zh": drill.judged.zh, "judged_en": drill.judged.en,
        })
    };
    voice.tell(&json!({"drills": all.iter().map(object).collect::<Vec<_>>()}), || {
        let text = |text: Text| text.in_language(voice.language);
        let lines = all.iter().map(|(name, drill)| format!("{name:<15} {}", text(drill.title)));
        let how = voice
            .pick("开始：posctl drill 名称（只在培训模式）", "to begin: posctl drill NAME (in training mode only)");
        lines.chain([how.to_owned()]).collect::<Vec<_>>().join("\n")
    });
}

/// What a drill needs while it runs.
struct Lesson<'c> {
    client: &'c Client,
    drill: &'static Drill,
    control: &'c Path,
    voice: Voice,
}

/// How it went.
enum End {
    Passed,
    Failed(Miss),
    Left,
}

async fn run(client: &Client, name: DrillName, control: &Path, voice: Voice) -> Result<Exit, Fault> {
    if !trains(&client.manager().await?) {
        return Err(Fault::NotTraining);
    }
    let lesson = Lesson { client, drill: drill(name), control, voice };
    // Whether the host can be ordered about is found out before anybody is told anything.
    lesson.order(Deed::Mend)?;
    lesson.introduce(name);
    let start = clock::now().mono;
    let end = lesson.play().await;
    // Whatever came of it: nothing is left broken.
    let mended = lesson.order(Deed::Mend);
    let end = end?;
    mended?;
    Ok(lesson.conclude(name, &end, clock::now().mono.since(start)))
}

impl Lesson<'_> {
    fn order(&self, deed: Deed) -> Result<(), Fault> {
        if !self.drill.needs_host() {
            return Ok(());
        }
        host::give(self.control, host::orders(deed))
            .map_err(|source| Fault::TrainingHost { socket: self.control.display().to_string(), source })
    }

    fn say(&self, text: Text) -> &'static str {
        text.in_language(self.voice.language)
    }

    fn introduce(&self, name: DrillName) {
        let Drill { title, happens, judged, .. } = self.drill;
        self.voice.tell(&json!({"event": "drill", "drill": name.as_str()}), || {
            self.voice.pick(
                format!("演练：{}\n  情况：{}\n  判定：{}", title.zh, happens.zh, judged.zh),
                format!("Drill: {}\n  What happens: {}\n  How it is judged: {}", title.en, happens.en, judged.en),
            )
        });
    }

    async fn play(&self) -> Result<End, Fault> {
        let machine = |source| Fault::Machine { doing: "SIGINT".to_owned(), source };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(machine)?;
        let before = sight::before(self.client).await?;
        let mut judge = Judge::new(self.drill, clock::now().mono);
        self.begin(&judge).await?;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = interrupt.recv() => return Ok(End::Left),
                _ = look.tick() => {}
            }
            let sight = sight::look(self.client, &before).await?;
            match judge.look(clock::now().mono, &sight) {
                Step::Stay => {}
                Step::Next => self.begin(&judge).await?,
                Step::Passed => return Ok(End::Passed),
                Step::Failed(miss) => return Ok(End::Failed(miss)),
            }
        }
    }

    /// A stage begins: first its deed, then the word to the person.
    async fn begin(&self, judge: &Judge) -> Result<(), Fault> {
        let Some(stage) = judge.stage() else { return Ok(()) };
        match stage.deed {
            Deed::Nothing => {}
            Deed::CutPower => self.cut_power().await?,
            deed => self.order(deed)?,
        }
        let (say, left) = (stage.say, judge.left(clock::now().mono));
        self.voice.tell(
            &json!({"event": "stage", "text_zh": say.zh, "text_en": say.en, "deed": format!("{:?}", stage.deed), "seconds": left}),
            || self.voice.pick(format!("→ {}（{left} 秒内）", say.zh), format!("-> {} (within {left} s)", say.en)),
        );
        Ok(())
    }

    /// Kills the training daemon, and nothing else: its process is asked for before and after it has said what it is.
    async fn cut_power(&self) -> Result<(), Fault> {
        let pid = self.client.daemon_pid().await?;
        if !trains(&self.client.manager().await?) || self.client.daemon_pid().await? != pid {
            return Err(Fault::NotTraining);
        }
        let target = i32::try_from(pid).map_err(|_| Fault::NotTraining)?;
        match kill(Pid::from_raw(target), Signal::SIGKILL) {
            Ok(()) => Ok(()),
            // Another user's: a person has to do it.
            Err(Errno::EPERM) => {
                self.voice.tell(&json!({"event": "cut-power-yourself"}), || {
                    self.voice
                        .pick(
                            "无权结束服务：请拔掉电源，或以 root 运行演练",
                            "no right to kill the daemon: pull the plug, or run the drill as root",
                        )
                        .to_owned()
                });
                Ok(())
            }
            Err(errno) => Err(Fault::Machine { doing: format!("kill {pid}"), source: errno.into() }),
        }
    }

    fn conclude(&self, name: DrillName, end: &End, took: Duration) -> Exit {
        let seconds = took.as_secs();
        let (word, miss, exit) = match end {
            End::Passed => ("passed", None, Exit::Done),
            End::Failed(miss) => ("failed", Some(*miss), Exit::Declined),
            End::Left => ("left", None, Exit::Cancelled),
        };
        let why = miss.map(Miss::text);
        let object = json!({
            "event": "result", "drill": name.as_str(), "result": word, "seconds": seconds,
            "miss": miss.map(Miss::as_str), "why_zh": why.map(|w| w.zh), "why_en": why.map(|w| w.en),
            "right_zh": self.drill.right.zh, "right_en": self.drill.right.en,
        });
        self.voice.tell(&object, || {
            let head = match end {
                End::Passed => self.voice.pick("通过", "passed"),
                End::Failed(_) => self.voice.pick("未通过", "not passed"),
                End::Left => self.voice.pick("已中止", "left"),
            };
            let why = why.map_or_else(String::new, |why| format!("\n  {}", self.say(why)));
            let right = self.say(self.drill.right);
            self.voice.pick(
                format!("{head}，用时 {seconds} 秒{why}\n  正确做法：{right}"),
                format!("{head}, after {seconds} s{why}\n  What is right: {right}"),
            )
        });
        exit
    }
}
