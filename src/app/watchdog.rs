//! systemd's watchdog, fed by progress: the main thread pings only while the core thread still turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::driver::ticks::Ticks;

/// Turned by the core, watched by the main thread.
#[derive(Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// One more turn of the core loop.
    pub fn turn(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn turns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Half of systemd's watchdog period, if it is on.
pub fn period() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|d| d / 2)
}

/// Pings as long as the core answers. `nudge` makes the core turn once; an idle core would otherwise look frozen.
pub async fn feed(period: Duration, progress: Progress, nudge: impl AsyncFn()) -> std::io::Result<()> {
    let ticks = Ticks::every(period)?;
    let mut seen = progress.turns();
    loop {
        nudge().await;
        ticks.next().await?;
        let turns = progress.turns();
        if turns != seen {
            seen = turns;
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// Tells the service manager, if there is one.
pub fn tell(states: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(states);
}
