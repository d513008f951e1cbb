//! A durable commit against a raw overwrite of 4 KiB and `fdatasync` on the same file system.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::host::{ReversalReason, ReversalRequest};
use smartpos::domain::ids::{AuthCode, Batch, IdempotencyKey, Rrn, Stan, TerminalId, TransactionCode, TransactionId};
use smartpos::domain::offline::OfflineMode;
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
    let written = written()?;
    for _ in 0..100 {
        sell(&mut store, &mut number, &mut Times::default())?;
    }
    let per_sale = (self::written()? - written) as f64 / 100.0 / 1024.0;
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

/// Bytes this process has sent towards the disk.
fn written() -> Result<u64, Box<dyn std::error::Error>> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|l| l.strip_prefix("write_bytes: ")).ok_or("no write_bytes in /proc/self/io")?;
    Ok(line.trim().parse()?)
}

/// The three commits of an online sale.
fn sell(store: &mut Store, number: &mut u64, times: &mut Times) -> Result<(), Box<dyn std::error::Error>> {
    *number += 1;
    let mut view = created(*number).ok_or("a payment of this bench is not valid")?;
    let mut commit = |records: &[Record]| {
        let begin = Instant::now();
        let done = store.commit(WallTime(1_700_000_000_000_000), records);
        times.add(begin.elapsed());
        done
    };
    commit(&[Record::Created { view: Box::new(view.clone()), fingerprint: "sale 12800 CNY".into() }])?;

    let stan = Stan::new((*number % 999_999) as u32 + 1).ok_or("stan")?;
    let batch = Batch::new(1).ok_or("batch")?;
    view.state = TransactionState::Authorising;
    view.stan = Some(stan);
    view.batch = Some(batch);
    view.code = TerminalId::new("99000001").map(|t| TransactionCode::new(&t, batch, stan));
    view.masked_pan = Some("620000******0018".into());
    view.scheme = Some("unionpay".into());
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
        mode: OfflineMode::OnlineOnly,
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
