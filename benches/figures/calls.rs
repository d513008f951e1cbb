//! A property read of the daemon against a bare zbus method on the same bus, in turn.

use std::time::Instant;

use zbus::connection::Builder;
use zbus::interface;

use crate::Figure;
use crate::rig::Rig;
use crate::stats::{Pair, Row, Times};

struct Echo;

#[interface(name = "org.example.Echo")]
impl Echo {
    fn ping(&self) -> u32 {
        1
    }
}

const ROUNDS: u32 = 15;
const CALLS: u32 = 400;

pub fn measure(rig: &Rig) -> Figure {
    let address = rig.bus_address.clone();
    let (ready, wait) = std::sync::mpsc::channel();
    // The echo has a thread and a runtime of its own, like the daemon has a process of its own.
    std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let builder = Builder::address(address.as_str()).serve_at("/echo", Echo).name("org.example.Echo");
            let _connection = builder.build().await?;
            ready.send(())?;
            std::future::pending::<()>().await;
            Ok(())
        })
    });
    wait.recv_timeout(std::time::Duration::from_secs(10))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare(&rig.bus_address))
}

async fn compare(address: &str) -> Figure {
    let client = Builder::address(address).build().await?;
    let mut pair = Pair::default();
    for _ in 0..ROUNDS {
        let mut product = Times::default();
        let mut floor = Times::default();
        for _ in 0..CALLS {
            let begin = Instant::now();
            let properties = Some("org.freedesktop.DBus.Properties");
            let asked = ("org.smartposd.Pos1.Terminal", "State");
            client
                .call_method(Some("org.smartposd.Pos1"), "/org/smartposd/Pos1/Terminal0", properties, "Get", &asked)
                .await?;
            product.add(begin.elapsed());
            let begin = Instant::now();
            client.call_method(Some("org.example.Echo"), "/echo", Some("org.example.Echo"), "Ping", &()).await?;
            floor.add(begin.elapsed());
        }
        pair.round(&product, &floor);
    }
    let tail = pair.product.quantile(0.99);
    let middle = pair.product.median();
    Ok(vec![
        pair.row("D-Bus property read / bare zbus echo", "≤ 1.25"),
        Row::new("the same, p99 / median", format!("{tail:.0} µs"), format!("{middle:.0} µs"), "≤ 2")
            .ratio(tail / middle),
    ])
}
