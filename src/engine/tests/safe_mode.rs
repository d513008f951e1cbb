//! In safe mode nothing is sent and no payment is taken, the reason is named everywhere, and what is on file stays readable.

use super::bench::*;
use crate::domain::cause::Cause;
use crate::domain::ids::IdempotencyKey;
use crate::domain::outcome::TerminalState;
use crate::engine::command::{Command, Reply};
use crate::engine::line::Line;
use crate::engine::settings::Standstill;

#[test]
fn nothing_leaves_and_everything_says_why() {
    let mut bench = Bench::ready();
    let id = bench.reversing("order-1");
    let evidence = "five starts in ten minutes".to_owned();
    bench.settings.safe_mode = Some(Standstill { cause: Cause::S01, evidence: evidence.clone() });
    bench.restart();
    bench.take_asked();
    let snapshot = bench.engine.snapshot();
    assert_eq!((snapshot.terminal.state, snapshot.terminal.cause), (TerminalState::OutOfService, Some(Cause::S01)));
    assert_eq!(snapshot.terminal.evidence, evidence);
    let [online, offline, qr, cash] = snapshot.capabilities;
    assert!(!online.available && online.cause == Some(Cause::S01));
    assert!(!offline.available && !qr.available && cash.available);
    // The reversal is there, and stays there.
    assert_eq!(snapshot.open_reversals, 1);
    bench.load_master_key();
    bench.pass(std::time::Duration::from_secs(10_000));
    assert_eq!((bench.engine.line, bench.take_asked().len()), (Line::Idle, 0));
    let create = Command::Create(new_sale(1000, "order-2", 100));
    for command in [Command::SignIn, Command::Echo, Command::Drain, create] {
        let refusal = bench.ask(command).unwrap_err();
        assert_eq!(refusal.cause, Some(Cause::S01));
        assert!(refusal.text.contains(&evidence), "{}", refusal.text);
    }
    let key = IdempotencyKey::new("order-1").unwrap();
    assert_eq!(bench.ask(Command::FindByKey { caller: caller(1000), key }), Ok(Reply::Transaction(id)));
}
