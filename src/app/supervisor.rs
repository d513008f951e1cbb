//! The drivers as supervised components: each has a name, any end is seen, and one that ends or is told to begins anew.
//!
//! Owns: the tasks and their budgets. A panic needs no care here: it ends the process, and systemd starts it again.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::diagnose::events::JournalEvent;
use crate::domain::heal::Part;
use crate::domain::time::Instant;
use crate::driver::evdev as keypad_device;
use crate::driver::{clock, link_watch, serial, tcp};

/// What the core asks of the main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Begin the driver of this part anew.
    RestartComponent(Part),
    /// End the service in order; systemd starts it again.
    RestartService,
    /// Restart the machine.
    Reboot,
    /// End the service in order and forget the failed starts.
    LeaveSafeMode,
}

/// A component that ends more often than this within [`SPAN`] is given up: the service restarts.
const MOST: usize = 5;
/// As above.
const SPAN: Duration = Duration::from_secs(3600);
/// Between an end and the next beginning.
const PAUSE: Duration = Duration::from_millis(200);

/// A driver with its settings and its ends of the channels, which outlive each of its runs.
pub(super) trait Component: Send + 'static {
    /// Runs it; never ends, while all is well.
    fn run(&mut self) -> impl Future<Output = ()> + Send;
}

/// A serial line: the reader's or the scanner's.
pub(super) struct SerialLine {
    pub(super) settings: serial::Settings,
    pub(super) commands: mpsc::Receiver<serial::SerialCommand>,
    pub(super) events: mpsc::Sender<serial::SerialEvent>,
}

impl Component for SerialLine {
    async fn run(&mut self) {
        serial::hold(&self.settings, &mut self.commands, &self.events).await;
    }
}

/// Where keys go.
pub(super) type KeyOutlet = Box<dyn Fn(keypad_device::KeypadDeviceEvent) + Send + Sync>;

/// The keypad's input device.
pub(super) struct KeypadDevice {
    pub(super) settings: keypad_device::Settings,
    pub(super) commands: mpsc::Receiver<keypad_device::KeypadCommand>,
    pub(super) events: KeyOutlet,
}

impl Component for KeypadDevice {
    async fn run(&mut self) {
        keypad_device::hold(&self.settings, &mut self.commands, &self.events).await;
    }
}

/// The connection to the acquirer.
pub(super) struct Network {
    pub(super) acquirer: tcp::Acquirer,
    pub(super) commands: mpsc::Receiver<tcp::Command>,
    pub(super) events: mpsc::Sender<tcp::Event>,
}

impl Component for Network {
    async fn run(&mut self) {
        tcp::serve(&self.acquirer, &mut self.commands, &self.events).await;
    }
}

/// The watch of links, addresses and routes.
pub(super) struct Links {
    pub(super) changes: mpsc::Sender<()>,
}

impl Component for Links {
    async fn run(&mut self) {
        if let Err(error) = link_watch::run(&self.changes).await {
            tracing::warn!(
                POS_EVENT = JournalEvent::HostNotice.as_str(),
                POS_COMPONENT = "link",
                POS_EVIDENCE = %error,
                "links are not watched; sign-in waits out its pauses"
            );
            // Beginning anew would say it again and again.
            self.changes.closed().await;
        }
    }
}

/// All components.
#[derive(Default)]
pub(super) struct Supervisor {
    tasks: JoinSet<&'static str>,
    orders: Vec<(Part, mpsc::Sender<()>)>,
}

impl Supervisor {
    /// Takes a component in: it is begun again whenever it ends, and anew whenever that is ordered for this part.
    pub(super) fn add(&mut self, name: &'static str, part: Part, component: impl Component) {
        let (order, orders) = mpsc::channel(1);
        self.orders.push((part, order));
        self.tasks.spawn(keep(name, orders, component));
    }

    /// The way to have drivers begun anew.
    pub(super) fn again(&self) -> Again {
        Again(self.orders.clone())
    }

    /// The name of a component that is given up; never, while all is well.
    pub(super) async fn given_up(&mut self) -> &'static str {
        match self.tasks.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(_)) => "a driver",
            None => std::future::pending().await,
        }
    }
}

/// Orders to begin anew.
pub(super) struct Again(Vec<(Part, mpsc::Sender<()>)>);

impl Again {
    /// Begins the part's driver anew.
    pub(super) fn restart(&self, part: Part) {
        for (_, order) in self.0.iter().filter(|(of, _)| *of == part) {
            // A full channel has the order in it already.
            let _ = order.try_send(());
        }
    }
}

/// Whether one more end is within the budget.
fn bears(ends: &mut Vec<Instant>, now: Instant) -> bool {
    ends.retain(|end| now.since(*end) < SPAN);
    ends.push(now);
    ends.len() <= MOST
}

async fn keep<C: Component>(name: &'static str, mut orders: mpsc::Receiver<()>, mut component: C) -> &'static str {
    let mut ends = Vec::new();
    loop {
        // Dropping the component's future closes what it holds; its channels stay.
        let ended = tokio::select! {
            () = component.run() => true,
            order = orders.recv() => match order {
                Some(()) => false,
                None => return name,
            },
        };
        if !ended {
            tracing::info!(
                POS_EVENT = JournalEvent::Measure.as_str(),
                POS_COMPONENT = "heal",
                "component {name} begins anew"
            );
            continue;
        }
        if !bears(&mut ends, clock::now().mono) {
            tracing::error!(
                POS_EVENT = JournalEvent::DaemonFailed.as_str(),
                POS_COMPONENT = "heal",
                "component {name} has ended {MOST} times within an hour: given up"
            );
            return name;
        }
        tracing::warn!(
            POS_EVENT = JournalEvent::Measure.as_str(),
            POS_COMPONENT = "heal",
            "component {name} has ended; it begins anew"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    struct Short(Arc<AtomicUsize>);

    impl Component for Short {
        async fn run(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    struct Echo(mpsc::Receiver<u32>, mpsc::Sender<u32>);

    impl Component for Echo {
        async fn run(&mut self) {
            self.1.send(0).await.unwrap();
            while let Some(number) = self.0.recv().await {
                self.1.send(number).await.unwrap();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_component_that_ends_begins_anew_until_its_budget_is_used_up() {
        let runs = Arc::new(AtomicUsize::new(0));
        let mut all = Supervisor::default();
        all.add("short", Part::Host, Short(runs.clone()));
        assert_eq!(all.given_up().await, "short");
        assert_eq!(runs.load(Relaxed), MOST + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_component_that_is_told_to_begins_anew_with_the_same_channel() {
        let (send, receive) = mpsc::channel::<u32>(4);
        let (tell, mut told) = mpsc::channel::<u32>(4);
        let mut all = Supervisor::default();
        all.add("echo", Part::Reader, Echo(receive, tell));
        assert_eq!(told.recv().await, Some(0));
        send.send(7).await.unwrap();
        assert_eq!(told.recv().await, Some(7));
        all.again().restart(Part::Keypad);
        all.again().restart(Part::Reader);
        assert_eq!(told.recv().await, Some(0));
        send.send(8).await.unwrap();
        assert_eq!(told.recv().await, Some(8));
    }
}
