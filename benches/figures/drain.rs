//! How fast the shipped daemon forwards a queue, against the acquirer's own pace, and whether an item costs more in a long
//! queue than in a short one. The daemon's own journal tells when the first one left and when the last one was taken.

use std::error::Error;
use std::time::{Duration, Instant, SystemTime};

use smartpos::app::config;
use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::ids::{Batch, IdempotencyKey, Stan, TerminalId, TransactionCode, TransactionId};
use smartpos::domain::offline::{Forwarding, OfflineLimits, OfflineMode, OfflineMoment, OfflineSale};
use smartpos::domain::outcome::{Outcome, TransactionKind, TransactionState};
use smartpos::domain::pan::Pan;
use smartpos::domain::secret::SecretBytes;
use smartpos::domain::time::WallTime;
use smartpos::engine::command::{Caller, NewTransaction};
use smartpos::engine::record::Record;
use smartpos::engine::snapshot::TransactionView;
use smartpos::store::Store;
use smartpos::store::vault::Vault;

use crate::Figure;
use crate::pace::Client;
use crate::rig::{Rig, pause, start_acquirer};
use crate::stats::Row;
use crate::wear::shop;

const PATIENCE: Duration = Duration::from_secs(1_800);
/// Field 55 of the simulated card.
const TAGS: &str = "9F2608A1B2C3D4E5F607089F2701809F101307010103A0A000010A010000000000112233449F3704112233449F3602000195\
                    0500000000009A032601019C01009F02060000000001005F2A02015682027C009F1A0201569F03060000000000009F3303E0E1C8";

/// One queue.
struct Drained {
    items: u32,
    each: Duration,
    floor: Duration,
    commits: f64,
    peak_mib: f64,
}

pub fn measure(is_big: bool) -> Figure {
    // Long ones cost minutes.
    let lengths: &[u32] = if is_big { &[1, 100, 10_000, 100_000] } else { &[1, 100, 10_000] };
    let mut all = Vec::new();
    for items in lengths {
        eprintln!("figures: drain of {items}");
        all.push(drain(*items)?);
    }
    let milliseconds = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let mut rows = Vec::new();
    for one in &all {
        let figure = format!("forwarding, each of {} queued sales; a bare client at the same acquirer", one.items);
        let ratio = one.each.as_secs_f64() / one.floor.as_secs_f64();
        rows.push(Row::new(&figure, milliseconds(one.each), milliseconds(one.floor), "–").ratio(ratio));
    }
    if let [_, short, .., long] = all.as_slice() {
        let figure = format!("the same, of {} queued sales; of {}", long.items, short.items);
        let ratio = long.each.as_secs_f64() / short.each.as_secs_f64();
        rows.push(Row::new(&figure, milliseconds(long.each), milliseconds(short.each), "≤ 1.2: flat").ratio(ratio));
        rows.push(Row::new("commits of one forwarded sale", format!("{:.2}", long.commits), "2", "≤ 2"));
        let figure = format!("peak memory while {} are forwarded; {}", long.items, short.items);
        let mib = |m: f64| format!("{m:.1} MiB");
        let row = Row::new(&figure, mib(long.peak_mib), mib(short.peak_mib), "≤ 1.2: bounded");
        rows.push(row.ratio(long.peak_mib / short.peak_mib));
    }
    Ok(rows)
}

fn drain(items: u32) -> Result<Drained, Box<dyn Error>> {
    let mut rig = shop("benches/drain")?;
    rig.stop_daemon();
    let (first, rows_before) = fill(&rig, items)?;

    let apart = tempfile::tempdir()?;
    let (_acquirer, address) = start_acquirer(apart.path(), "127.0.0.1:0", &[]);
    let mut client = Client::sign_in(&config::load(&rig.path("smartposd.toml"))?, &address)?;
    let floor = client.upload((1..=items).filter_map(|n| sale(n, first.batch)))?;

    rig.start_daemon();
    let end = Instant::now() + PATIENCE;
    // Asked seldom: each answer is a program of its own beside the daemon.
    while rig.ledger()["charged"] != items {
        if Instant::now() > end {
            return Err(format!("{items} were not forwarded in time: {}", rig.ledger()).into());
        }
        (0..if items > 100 { 50 } else { 1 }).for_each(|_| pause());
    }
    let guard = || rig.posctl(&["queue", "guard", "--for", "removal"]).status.success();
    while !guard() && Instant::now() < end {
        pause();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", rig.daemon_pid()))?;
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<f64>().ok());
    rig.stop_daemon();
    let store = open(&rig)?;
    let check = store.verify_journal()?;
    if let Some((row, what)) = check.broken {
        return Err(format!("the journal is broken at {row}: {what}").into());
    }
    let taken = taken(&store, rows_before, items)?;
    Ok(Drained {
        items,
        each: taken.0 / items,
        floor,
        commits: f64::from(taken.1) / f64::from(items),
        peak_mib: peak.ok_or("no VmHWM")? / 1024.0,
    })
}

/// From the commit before the first upload to the one after the last answer, and how many there were.
fn taken(store: &Store, mut after: u64, items: u32) -> Result<(Duration, u32), Box<dyn Error>> {
    let (mut begin, mut end, mut commits, mut accepted) = (None, WallTime(0), 0, 0);
    loop {
        let rows = store.export_journal(after, 1000)?;
        let Some(last) = rows.last() else { break };
        after = last.number;
        for row in &rows {
            let is_accepted = row.entry.contains("\"accepted\"");
            if is_accepted || row.entry.contains("\"in-flight\"") {
                begin.get_or_insert(row.at);
                end = row.at;
                commits += 1;
                accepted += u32::from(is_accepted);
            }
        }
    }
    if accepted != items {
        return Err(format!("the journal knows of {accepted} forwarded payments, not of {items}").into());
    }
    let micros = end.0.saturating_sub(begin.ok_or("nothing was forwarded")?.0);
    Ok((Duration::from_micros(micros), commits))
}

fn open(rig: &Rig) -> Result<Store, Box<dyn Error>> {
    let state = rig.path("state");
    let vault = Vault::find(None, &state.join(smartpos::store::vault::KEY_FILE))?;
    Ok(Store::open(&state.join(smartpos::store::DATABASE), vault)?)
}

/// Where the numbers of the queue begin.
struct First {
    id: u64,
    batch: Batch,
}

/// Queues so many as the engine would; gives the number of the journal's last row, too.
fn fill(rig: &Rig, items: u32) -> Result<(First, u64), Box<dyn Error>> {
    let mut store = open(rig)?;
    let found = store.load()?;
    let first = First { id: found.next_id.0, batch: found.batch };
    let now = u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros())?;
    let at = WallTime(now - 60_000_000);
    let limits = OfflineLimits {
        enabled: true,
        per_sale: u64::MAX,
        sum: u64::MAX,
        count: u32::MAX,
        per_card_per_day: u32::MAX,
        free_bytes: 0,
        ..OfflineLimits::default()
    };
    // The next one is created with the commit that queues this one: half the time, the same tables.
    let mut waiting = None;
    for n in 1..=items + 1 {
        let view = created(&first, n, at).ok_or("a payment of this bench is not valid")?;
        let mut records: Vec<Record> = waiting.take().into_iter().collect();
        if n <= items {
            records.push(Record::Created { view: Box::new(view.clone()), fingerprint: "sale 100 CNY".into() });
        }
        let judged = store.commit(at, &records)?.verdict;
        if judged.is_some_and(|v| v.result.is_err()) {
            return Err("a payment was not accepted offline".into());
        }
        let sale = sale(n, first.batch).ok_or("a sale of this bench is not valid")?;
        waiting = Some(Record::Queued {
            view: Box::new(queued(view, &sale, at)),
            next: sale.stan.next(),
            sale: Box::new(sale),
            limits: Box::new(limits.clone()),
            moment: OfflineMoment { at: WallTime(at.0 + u64::from(n)), day: 20_000, signed_in_at: at },
        });
    }
    let totals = store.queue_totals()?;
    if totals.waiting != items {
        return Err(format!("{} are queued instead of {items}", totals.waiting).into());
    }
    Ok((first, store.verify_journal()?.rows))
}

fn money() -> Option<Money> {
    Some(Money { amount: Amount::new(100)?, currency: Currency::CNY })
}

fn created(first: &First, n: u32, at: WallTime) -> Option<TransactionView> {
    let new = NewTransaction {
        caller: Caller { uid: nix::unistd::geteuid().as_raw(), connection: ":1.7".into() },
        kind: TransactionKind::Sale,
        key: IdempotencyKey::new(&format!("{:016x}-{n}", u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15)))?,
        money: money()?,
        confirm_amount: None,
        detached: false,
        reference: Some(format!("order {n}")),
        mode: OfflineMode::PreferOnline,
    };
    Some(TransactionView::new(TransactionId(first.id + u64::from(n) - 1), new, at))
}

fn queued(view: TransactionView, sale: &OfflineSale, at: WallTime) -> TransactionView {
    TransactionView {
        state: TransactionState::Finished,
        outcome: Some(Outcome::ApprovedOffline),
        forwarding: Some(Forwarding::Waiting),
        code: TerminalId::new("99000001").map(|t| TransactionCode::new(&t, sale.batch, sale.stan)),
        stan: Some(sale.stan),
        batch: Some(sale.batch),
        masked_pan: Some(sale.pan.masked()),
        scheme: Some("unionpay".into()),
        finished_at: Some(at),
        ..view
    }
}

/// Each of another card, with a trace that the sign-in has not used.
fn sale(n: u32, batch: Batch) -> Option<OfflineSale> {
    let tags = (0..TAGS.len()).step_by(2).map(|i| u8::from_str_radix(TAGS.get(i..i + 2)?, 16).ok());
    Some(OfflineSale {
        stan: Stan::new(n + 1_000)?,
        batch,
        money: money()?,
        pan: Pan::new(&format!("62{n:017}"))?,
        expiry: Some("3012".into()),
        sequence_number: Some(1),
        tags: SecretBytes::new(tags.collect::<Option<_>>()?),
    })
}
