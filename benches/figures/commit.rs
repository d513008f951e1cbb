//! A durable commit against a raw overwrite of 4 KiB and `fdatasync` on the same file system.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::host::{ReversalReason, ReversalRequest};
use smartpos::domain::ids::{AuthCode, Batch, IdempotencyKey, Rrn, Stan, TerminalId, TransactionCode, TransactionId};
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
use crate::stats::{Pair, Row, Times};

/// Sales that bring the log to its working size.
const SETTLE: u64 = 250;
const AT: WallTime = WallTime(1_700_000_000_000_000);
const ROUNDS: u64 = 15;
const SALES_A_ROUND: u64 = 8;

/// The file that is overwritten.
pub struct Raw {
    file: File,
    next: u64,
}

impl Raw {
    const PAGES: u64 = 256;

    pub fn new(directory: &Path) -> std::io::Result<Self> {
        let file = File::options().create(true).truncate(true).write(true).open(directory.join("raw"))?;
        file.write_all_at(&vec![0x5A; (Self::PAGES * 4096) as usize], 0)?;
        file.sync_all()?;
        Ok(Self { file, next: 0 })
    }

    pub fn overwrite(&mut self) -> std::io::Result<()> {
        self.next = (self.next + 1) % Self::PAGES;
        self.file.write_all_at(&[self.next as u8; 4096], self.next * 4096)?;
        self.file.sync_data()
    }
}

pub fn measure() -> Figure {
    let directory = tempfile::Builder::new().prefix("commit").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut raw = Raw::new(directory.path())?;
    let path = directory.path().join("pos.db");
    let open = || Store::open(&path, Vault::new(&[7; 32]));
    let mut store = open()?;
    let mut number = 0;
    let first = compare(&mut store, &mut raw, &mut number, 5)?;
    while number < SETTLE {
        sell(&mut store, &mut number, &mut Times::default())?;
    }
    let steady = compare(&mut store, &mut raw, &mut number, ROUNDS)?;
    let per_sale = kib_each(|| sell(&mut store, &mut number, &mut Times::default()))?;
    let per_offline = kib_each(|| sell_offline(&mut store, &mut number))?;
    drop(store);
    let reopened = compare(&mut open()?, &mut raw, &mut number, 5)?;
    Ok(vec![
        steady.row("durable commit, raw 4 KiB overwrite + fdatasync", "≤ 1.2"),
        reopened.row("the same, the first 120 after a restart", "≤ 1.2"),
        first.row("the same, the first 120 of a new database", "–"),
        Row::new(
            "KiB written by the store per online sale, its 3 commits",
            format!("{per_sale:.0} KiB"),
            "12 KiB",
            "≤ 60 KiB",
        )
        .ratio(per_sale / 12.0),
        Row::new(
            "KiB written by the store per offline sale, its 2 commits",
            format!("{per_offline:.0} KiB"),
            "8 KiB",
            "≤ 40 KiB",
        )
        .ratio(per_offline / 8.0),
    ])
}

fn compare(
    store: &mut Store,
    raw: &mut Raw,
    number: &mut u64,
    rounds: u64,
) -> Result<Pair, Box<dyn std::error::Error>> {
    let mut pair = Pair::default();
    for _ in 0..rounds {
        let (mut product, mut floor) = (Times::default(), Times::default());
        for _ in 0..SALES_A_ROUND {
            sell(store, number, &mut product)?;
            for _ in 0..3 {
                let begin = Instant::now();
                raw.overwrite()?;
                floor.add(begin.elapsed());
            }
        }
        pair.round(&product, &floor);
    }
    Ok(pair)
}

/// Enough for the checkpoints to have their share.
const COUNTED: u32 = 300;

/// KiB towards the disk for one of these, on average.
fn kib_each(
    mut work: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let before = written()?;
    for _ in 0..COUNTED {
        work()?;
    }
    Ok((written()? - before) as f64 / f64::from(COUNTED) / 1024.0)
}

/// Bytes this process has sent towards the disk.
fn written() -> Result<u64, Box<dyn std::error::Error>> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|l| l.strip_prefix("write_bytes: ")).ok_or("no write_bytes in /proc/self/io")?;
    Ok(line.trim().parse()?)
}

/// The three commits of an online sale.
pub fn sell(store: &mut Store, number: &mut u64, times: &mut Times) -> Result<(), Box<dyn std::error::Error>> {
    *number += 1;
    let mut view = created(*number).ok_or("a payment of this bench is not valid")?;
    let mut commit = |records: &[Record]| {
        let begin = Instant::now();
        let done = store.commit(AT, records);
        times.add(begin.elapsed());
        done
    };
    commit(&[Record::Created { view: Box::new(view.clone()), fingerprint: "sale 12800 CNY".into() }])?;

    let (stan, batch) = numbered(&mut view, *number)?;
    view.state = TransactionState::Authorising;
    let reversal = reversal(&view, stan, batch).ok_or("reversal")?;
    commit(&[Record::Sent { view: Box::new(view.clone()), next: stan.next(), reversal: Box::new(reversal) }])?;

    view.state = TransactionState::Finished;
    view.outcome = Some(Outcome::Approved);
    view.rrn = Rrn::new("060110160003");
    view.auth_code = AuthCode::new("123456");
    view.response_code = Some("00".into());
    view.response_text = Some(("交易成功".into(), "approved".into()));
    view.finished_at = Some(WallTime(1_700_000_001_000_000));
    let id = view.id;
    commit(&[Record::ReversalClosed { id, response_code: None }, Record::Changed { view: Box::new(view) }])?;
    Ok(())
}

/// The two commits of an offline one.
fn sell_offline(store: &mut Store, number: &mut u64) -> Result<(), Box<dyn std::error::Error>> {
    *number += 1;
    let mut view = created(*number).ok_or("a payment of this bench is not valid")?;
    store.commit(AT, &[Record::Created { view: Box::new(view.clone()), fingerprint: "sale 12800 CNY".into() }])?;
    let (stan, batch) = numbered(&mut view, *number)?;
    view.state = TransactionState::Finished;
    view.outcome = Some(Outcome::ApprovedOffline);
    view.forwarding = Some(Forwarding::Waiting);
    view.finished_at = Some(AT);
    let sale = OfflineSale {
        stan,
        batch,
        money: view.money,
        pan: Pan::new(&format!("62{number:017}")).ok_or("pan")?,
        expiry: Some("3012".into()),
        sequence_number: Some(1),
        tags: SecretBytes::new(vec![0x9F; 130]),
    };
    let limits = OfflineLimits { enabled: true, count: u32::MAX, sum: u64::MAX, ..OfflineLimits::default() };
    let moment = OfflineMoment { at: AT, day: 19_700, signed_in_at: AT };
    let (view, sale, limits) = (Box::new(view), Box::new(sale), Box::new(limits));
    let judged = store.commit(AT, &[Record::Queued { view, next: stan.next(), sale, limits, moment }])?;
    judged.verdict.and_then(|v| v.result.ok()).ok_or("not accepted offline")?;
    Ok(())
}

/// Trace, batch and code, and what the card told.
fn numbered(view: &mut TransactionView, number: u64) -> Result<(Stan, Batch), Box<dyn std::error::Error>> {
    let stan = Stan::new((number % 999_999) as u32 + 1).ok_or("stan")?;
    let batch = Batch::new(1).ok_or("batch")?;
    view.stan = Some(stan);
    view.batch = Some(batch);
    view.code = TerminalId::new("99000001").map(|t| TransactionCode::new(&t, batch, stan));
    view.masked_pan = Some("620000******0018".into());
    view.scheme = Some("unionpay".into());
    Ok((stan, batch))
}

fn created(number: u64) -> Option<TransactionView> {
    let new = NewTransaction {
        caller: Caller { uid: 1000, connection: ":1.7".into() },
        kind: TransactionKind::Sale,
        // As random as a UUID, so that the index is hit at random places as in life.
        key: IdempotencyKey::new(&format!("{:016x}-{number}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)))?,
        money: Money { amount: Amount::new(12_800)?, currency: Currency::CNY },
        confirm_amount: None,
        detached: false,
        reference: Some(format!("order {number}")),
        mode: OfflineMode::PreferOnline,
    };
    Some(TransactionView::new(TransactionId(number), new, WallTime(1_700_000_000_000_000 + number)))
}

fn reversal(view: &TransactionView, stan: Stan, batch: Batch) -> Option<ReversalRequest> {
    Some(ReversalRequest {
        stan,
        batch,
        money: view.money,
        pan: Pan::new("6200000000000000018")?,
        expiry: Some("3012".into()),
        sequence_number: Some(1),
        pin_sent: true,
        tags: SecretBytes::new(vec![0x9F; 64]),
        auth_code: None,
        reason: ReversalReason::Other,
    })
}
