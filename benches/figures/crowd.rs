//! Sixteen clients at once, without and with payments being made, against the bare zbus echo in turn.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder as Runtime, Runtime as Running};
use zbus::Connection;
use zbus::connection::Builder;

use crate::owner::Owner;
use crate::scene::{PIN_FROM, Scene};
use crate::stats::Pair;
use crate::{Figure, echo};

const CLIENTS: usize = 16;
const ROUNDS: u32 = 15;
const SLICE: Duration = Duration::from_millis(250);

pub fn measure(scene: &Scene) -> Figure {
    let echo = format!("/proc/self/task/{}/schedstat", echo::start(&scene.rig.bus_address)?);
    let daemon = format!("/proc/{}/task", scene.rig.daemon_pid());
    let seller = Seller::start(&scene.rig.bus_address);
    let runtime = Runtime::new_current_thread().enable_all().build()?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(runtime.block_on(Builder::address(scene.rig.bus_address.as_str()).build())?);
    }
    let (mut quiet, mut busy, mut kept, mut work) =
        (Pair::default(), Pair::default(), Pair::default(), Pair::default());
    let mut sold = 0;
    for _ in 0..ROUNDS {
        let begin = (worked_all(&daemon)?, worked(&echo)?);
        let (product, floor) = (rate(&runtime, &clients, true)?, rate(&runtime, &clients, false)?);
        let end = (worked_all(&daemon)?, worked(&echo)?);
        let each = |time: f64, rate: f64| time / (rate * SLICE.as_secs_f64());
        work.round_of(each(end.0 - begin.0, product), each(end.1 - begin.1, floor));
        seller.begin()?;
        let (product_busy, floor_busy) = (rate(&runtime, &clients, true)?, rate(&runtime, &clients, false)?);
        sold += seller.end()?;
        quiet.round_of(product, floor);
        busy.round_of(product_busy, floor_busy);
        kept.round_of(product_busy / product, floor_busy / floor);
    }
    let calls = |rate: f64| format!("{rate:.0} /s");
    let percent = |part: f64| format!("{:.0} %", part * 100.0);
    let sold = format!("the same while payments are made ({sold} of them)");
    Ok(vec![
        quiet.row_in("calls of 16 clients at once, bare zbus echo", "≥ 0.8", calls),
        busy.row_in(&sold, "≥ 0.8", calls),
        kept.row_in("of their throughput kept while payments are made", "≥ 1, up to noise", percent),
        work.row("processor time of the daemon per call, of the echo", "≤ 1.25"),
    ])
}

/// Processor time that a thread has used, in microseconds.
fn worked(schedstat: &str) -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string(schedstat)?;
    Ok(text.split(' ').next().unwrap_or_default().parse::<f64>()? / 1e3)
}

fn worked_all(threads: &str) -> Result<f64, Box<dyn Error>> {
    std::fs::read_dir(threads)?.map(|thread| worked(&format!("{}/schedstat", thread?.path().display()))).sum()
}

/// Calls a second of all clients together.
fn rate(runtime: &Running, clients: &[Connection], product: bool) -> Result<f64, Box<dyn Error>> {
    runtime.block_on(async {
        let begin = Instant::now();
        let tasks: Vec<_> = clients.iter().map(|client| tokio::spawn(calls(client.clone(), product, begin))).collect();
        let mut sum = 0u32;
        for task in tasks {
            sum += task.await??;
        }
        Ok(f64::from(sum) / begin.elapsed().as_secs_f64())
    })
}

async fn calls(client: Connection, product: bool, begin: Instant) -> zbus::Result<u32> {
    let mut made = 0;
    while begin.elapsed() < SLICE {
        if product {
            let asked = ("org.smartposd.Pos1.Terminal", "State");
            let properties = Some("org.freedesktop.DBus.Properties");
            client
                .call_method(Some("org.smartposd.Pos1"), "/org/smartposd/Pos1/Terminal0", properties, "Get", &asked)
                .await?;
        } else {
            client.call_method(Some(echo::NAME), echo::PATH, Some(echo::NAME), "Ping", &()).await?;
        }
        made += 1;
    }
    Ok(made)
}

/// An app on a thread of its own that sells without a pause between `begin` and `end`.
struct Seller {
    go: Sender<()>,
    done: Receiver<Result<u32, String>>,
    selling: Arc<AtomicBool>,
}

impl Seller {
    fn start(address: &str) -> Self {
        let (go, wait) = channel();
        let (tell, done) = channel();
        let selling = Arc::new(AtomicBool::new(false));
        let (on, address) = (Arc::clone(&selling), address.to_owned());
        std::thread::spawn(move || {
            while wait.recv().is_ok() {
                let sold = sell(&address, &on).map_err(|e| e.to_string());
                if tell.send(sold).is_err() {
                    return;
                }
            }
        });
        Self { go, done, selling }
    }

    fn begin(&self) -> Result<(), Box<dyn Error>> {
        self.selling.store(true, Ordering::Relaxed);
        Ok(self.go.send(())?)
    }

    /// How many payments were approved.
    fn end(&self) -> Result<u32, Box<dyn Error>> {
        self.selling.store(false, Ordering::Relaxed);
        Ok(self.done.recv()??)
    }
}

fn sell(address: &str, on: &AtomicBool) -> Result<u32, Box<dyn Error>> {
    let runtime = Runtime::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut owner = Owner::on(address).await?;
        let mut sold = 0;
        while on.load(Ordering::Relaxed) {
            // The simulated chip has to share the processor with the crowd, and is slow at times.
            let Ok(sale) = owner.begin(PIN_FROM / 2).await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            owner.until("finished").await?;
            owner.acknowledge(&sale).await?;
            sold += 1;
        }
        Ok(sold)
    })
}
