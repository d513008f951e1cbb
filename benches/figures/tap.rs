//! From the reader's last byte to the owner's signal, and the daemon's own share of a tap, against the least program that
//! has a serial line and a bus connection, in turn.

use std::time::{Duration, Instant};

use crate::Figure;
use crate::owner::Owner;
use crate::pulse::Pulse;
use crate::relay::{EXCHANGED, LISTED, Mark};
use crate::scene::{PIN_FROM, Scene};
use crate::stats::{Pair, Times};

const ROUNDS: u32 = 41;
/// Before a tap of the floor, as long as a payment takes to come to its tap: what has slept is slower.
const PAUSE: Duration = Duration::from_millis(30);

pub fn measure(scene: &Scene) -> Figure {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare(scene))
}

async fn compare(scene: &Scene) -> Figure {
    let mut owner = Owner::on(&scene.rig.bus_address).await?;
    let name = owner.connection.unique_name().map(ToString::to_string).ok_or("no name on the bus")?;
    let mut pulse = Pulse::start(&scene.rig.bus_address, &name, scene.rig.dir.path())?;
    let (mut plain, mut committed, mut share) = (Pair::default(), Pair::default(), Pair::default());
    let mut turns = Times::default();
    for _ in 0..ROUNDS {
        // A card that is read, up to the question for the PIN: nothing is written to disk in between.
        scene.notes.take();
        let sale = owner.begin(PIN_FROM).await?;
        let heard = owner.until("awaiting-pin").await?;
        let tap = Tap::from(&scene.notes.take(), heard).ok_or("the line was not noted")?;
        owner.cancel(&sale).await?;
        owner.until("finished").await?;
        owner.acknowledge(&sale).await?;

        // A card that needs no PIN: trace, reversal and request are on disk before the state is told.
        let sale = owner.begin(PIN_FROM - 1).await?;
        let heard = owner.until("authorising").await?;
        let sent = Tap::from(&scene.notes.take(), heard).ok_or("the line was not noted")?;
        owner.until("finished").await?;
        owner.acknowledge(&sale).await?;

        let count = tap.turns.len();
        tokio::time::sleep(PAUSE).await;
        let turning = pulse.turns(count)?;
        let begin = pulse.signal(false)?;
        let signal = owner.signal("Pulse").await? - begin;

        tokio::time::sleep(PAUSE).await;
        pulse.turns(count)?;
        let begin = pulse.signal(true)?;
        let commit = owner.signal("Pulse").await? - begin;

        plain.round_of(micros(tap.last), micros(signal));
        committed.round_of(micros(sent.last), micros(commit));
        turns.add_value(count as f64);
        let own: Duration = tap.turns.iter().sum();
        share.round_of(micros(own + tap.last), micros(turning + signal));
    }
    let milliseconds = |t: f64| format!("{:.2} ms", t / 1e3);
    let figure =
        format!("daemon's own share of a tap: {:.0} turns of the line and the signal, bare programs", turns.median());
    Ok(vec![
        plain.row("last reader byte → signal at the owner, bare serial + zbus program", "≤ 1.5"),
        committed
            .row("the same with the commit before the request, floor with fdatasync", "≤ 1.5 signal + 1.2 fdatasync"),
        share.row_in(&figure, "≤ 5 ms", milliseconds),
    ])
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What one tap took of the daemon.
struct Tap {
    /// From each answer of the reader to the next command, from the card's discovery to its last answer.
    turns: Vec<Duration>,
    /// From the card's last answer to the signal.
    last: Duration,
}

impl Tap {
    fn from(marks: &[Mark], heard: Instant) -> Option<Self> {
        let is = |mark: &Mark, wanted: [u8; 2]| matches!(mark, Mark::Answer(code, _) if *code == wanted);
        let first = marks.iter().position(|m| is(m, EXCHANGED))?;
        let found = marks.get(..first)?.iter().rposition(|m| is(m, LISTED))?;
        let last = marks.iter().rposition(|m| is(m, EXCHANGED))?;
        let pairs = marks.get(found..last)?.windows(2);
        let turns = pairs.filter_map(|pair| match pair {
            [Mark::Answer(_, answered), Mark::Command(asked)] => Some(*asked - *answered),
            _ => None,
        });
        let Mark::Answer(_, end) = marks.get(last)? else { return None };
        Some(Self { turns: turns.collect(), last: heard - *end })
    }
}
