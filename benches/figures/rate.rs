//! Sales a minute with one app, four and sixteen that never rest, the card left in the field.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::Figure;
use crate::owner::Owner;
use crate::stats::{Pair, Row, Times};
use crate::wear::shop;

const APPS: [u32; 3] = [1, 4, 16];
const ROUNDS: u32 = 5;
const SLICE: Duration = Duration::from_secs(3);
/// Between two tries to start while another app has the reader.
const AGAIN: Duration = Duration::from_millis(10);

pub fn measure() -> Figure {
    let rig = shop("benches/rate")?;
    let mut pairs = [Pair::default(), Pair::default()];
    let mut one = Times::default();
    let mut sold = 0;
    for _ in 0..ROUNDS {
        let [alone, few, many] = APPS.map(|apps| slice(&rig.bus_address, apps));
        let (alone, few, many) = (alone?, few?, many?);
        sold += alone.0 + few.0 + many.0;
        one.add_value(alone.1);
        pairs[0].round_of(few.1, alone.1);
        pairs[1].round_of(many.1, alone.1);
    }
    let charged = rig.ledger()["charged"].as_u64().ok_or("the ledger tells no number of charges")?;
    if charged != u64::from(sold) {
        return Err(format!("{sold} sales were approved, {charged} are charged").into());
    }
    let rate = |sales: f64| format!("{sales:.0} /min");
    let [few, many] = pairs;
    Ok(vec![
        Row::new("online sales with 1 app that never rests, simulated reader and card", rate(one.median()), "–", "–"),
        few.row_in("the same with 4 apps; with 1", "≥ 1, up to noise", rate),
        many.row_in("the same with 16 apps; with 1", "≥ 1, up to noise", rate),
    ])
}

/// Sales of so many apps for a while: how many, and how many a minute.
fn slice(address: &str, apps: u32) -> Result<(u32, f64), Box<dyn Error>> {
    let (stop, sold) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let begin = Instant::now();
    let sellers: Vec<_> = (0..apps)
        .map(|_| {
            let (address, stop, sold) = (address.to_owned(), Arc::clone(&stop), Arc::clone(&sold));
            std::thread::spawn(move || sell(&address, &stop, &sold).map_err(|e| e.to_string()))
        })
        .collect();
    std::thread::park_timeout(SLICE.saturating_sub(begin.elapsed()));
    stop.store(true, Ordering::Relaxed);
    for seller in sellers {
        seller.join().map_err(|_| "an app panicked")??;
    }
    // Each ends the sale it has begun, so that none is left over: that time counts.
    let sold = sold.load(Ordering::Relaxed);
    Ok((sold, f64::from(sold) * 60.0 / begin.elapsed().as_secs_f64()))
}

fn sell(address: &str, stop: &AtomicBool, sold: &AtomicU32) -> Result<(), Box<dyn Error>> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut owner = Owner::on(address).await?;
        while !stop.load(Ordering::Relaxed) {
            let sale = owner.create(500, "online-only").await?;
            while let Err(refused) = owner.start(&sale).await {
                if stop.load(Ordering::Relaxed) {
                    owner.cancel(&sale).await?;
                    owner.until("finished").await?;
                    return owner.acknowledge(&sale).await;
                }
                // The simulated chip, too, has to share the processor with the crowd, and is missed at times.
                if !["Busy", "ReaderUnavailable"].iter().any(|name| refused.to_string().contains(name)) {
                    return Err(refused);
                }
                tokio::time::sleep(AGAIN).await;
            }
            owner.until("finished").await?;
            if owner.outcome(&sale).await? == "approved" {
                sold.fetch_add(1, Ordering::Relaxed);
            }
            owner.acknowledge(&sale).await?;
        }
        Ok(())
    })
}
