//! A property read of the daemon against a bare zbus method on the same bus, in turn.

use std::time::Instant;

use zbus::connection::Builder;

use crate::scene::Scene;
use crate::stats::{Pair, Times};
use crate::{Figure, echo};

const ROUNDS: u32 = 25;
const CALLS: u32 = 300;

pub fn measure(scene: &Scene) -> Figure {
    echo::start(&scene.rig.bus_address)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare(&scene.rig.bus_address))
}

async fn compare(address: &str) -> Figure {
    let client = Builder::address(address).build().await?;
    let mut pair = Pair::default();
    let mut tails = Pair::default();
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
            client.call_method(Some(echo::NAME), echo::PATH, Some(echo::NAME), "Ping", &()).await?;
            floor.add(begin.elapsed());
        }
        pair.round(&product, &floor);
        tails.round_of(product.quantile(0.99) / product.median(), floor.quantile(0.99) / floor.median());
    }
    Ok(vec![
        pair.row("D-Bus property read / bare zbus echo", "≤ 1.25"),
        tails.row_in("the same, p99 / median, median of the rounds", "≤ 2", |t| format!("{t:.2}")),
    ])
}
