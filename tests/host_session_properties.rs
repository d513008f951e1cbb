//! Whatever happens in whatever order, the host machine ends every request, and "nothing was sent" is never a guess.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

mod host_support;

use std::collections::BTreeSet;
use std::time::Duration;

use host_support::*;
use proptest::prelude::*;
use smartpos::domain::host::{HostAnswer, HostRequest, MacCheck};
use smartpos::domain::link::{ConnectFailureKind, ConnectionId};
use smartpos::host::session::HostEvent;

/// One thing the world does. Connections are named by how many back from the newest.
#[derive(Clone, Debug)]
enum Step {
    Reach,
    AskSale,
    AskReversal,
    AskUpload(bool),
    AskScriptReport,
    Leave,
    Connected(u32),
    Refused(u32),
    Written(u32),
    WriteFailed(u32, bool),
    Closed(u32),
    Answer(u32, &'static str),
    Part(u32, usize),
    Noise(u32, Vec<u8>),
    Pass(u64),
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly the newest connection, sometimes an older one.
    let back = || prop_oneof![6 => Just(0_u32), 1 => Just(1), 1 => Just(2)];
    let names = prop::sample::select(vec![
        "sale_resp_00",
        "sale_resp_51",
        "reversal_resp_00",
        "signin_resp_97",
        "offline_sale_resp_00",
        "offline_sale_resp_94",
        "script_result_resp_00",
    ]);
    prop_oneof![
        2 => Just(Step::Reach),
        4 => Just(Step::AskSale),
        2 => Just(Step::AskReversal),
        2 => any::<bool>().prop_map(Step::AskUpload),
        1 => Just(Step::AskScriptReport),
        1 => Just(Step::Leave),
        8 => back().prop_map(Step::Connected),
        3 => back().prop_map(Step::Refused),
        8 => back().prop_map(Step::Written),
        3 => (back(), any::<bool>()).prop_map(|(at, nothing)| Step::WriteFailed(at, nothing)),
        3 => back().prop_map(Step::Closed),
        6 => (back(), names).prop_map(|(at, name)| Step::Answer(at, name)),
        1 => (back(), 1..100_usize).prop_map(|(at, length)| Step::Part(at, length)),
        1 => (back(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, bytes)| Step::Noise(at, bytes)),
        2 => (0..60_u64).prop_map(Step::Pass),
        1 => Just(Step::Expire),
    ]
}

/// What the world knows of the request under way.
#[derive(Default)]
struct Model {
    asked: bool,
    /// What kind of answer it can have.
    kind: Option<fn(&HostAnswer) -> bool>,
    newest: u32,
    /// Connections on which its bytes may have left.
    may_have_left: BTreeSet<u32>,
}

impl Model {
    fn see(&mut self, outs: Vec<Out>) {
        for out in outs {
            match out {
                Out::Connect(ConnectionId(number), _) => {
                    assert_eq!(number, self.newest + 1, "a number was used twice");
                    self.newest = number;
                }
                Out::Write(ConnectionId(number), _) => {
                    assert!(self.asked, "written without being asked");
                    assert_eq!(number, self.newest, "written to an old connection");
                    assert!(self.may_have_left.insert(number), "written twice on one connection");
                }
                Out::Answered(answer) => {
                    assert!(self.asked && !self.may_have_left.is_empty(), "an answer to nothing");
                    assert!(self.kind.is_some_and(|kind| kind(&answer)), "the answer to something else: {answer:?}");
                    if let HostAnswer::Sale(sale) | HostAnswer::OfflineSale(sale) = answer {
                        assert_ne!(sale.mac, MacCheck::Bad);
                    }
                    self.end();
                }
                Out::Failed(failure) => {
                    assert!(failure.sent || self.may_have_left.is_empty(), "it may have left: {}", failure.evidence);
                    self.end();
                }
                Out::Reached | Out::Disconnect(_) => {}
            }
        }
    }

    fn end(&mut self) {
        self.asked = false;
        self.may_have_left.clear();
    }
}

fn ask(rig: &mut Rig, model: &mut Model, request: HostRequest, kind: fn(&HostAnswer) -> bool) -> Vec<Out> {
    model.asked = true;
    model.kind = Some(kind);
    rig.tell(HostEvent::Ask(request))
}

fn run(steps: Vec<Step>) {
    let mut rig = Rig::signed_in("addresses = [\"a:1\", \"b:2\", \"c:3\"]\n[offline]\nrepeat = \"0221\"\n");
    let mut model = Model::default();
    for step in steps {
        let connection = |back: u32| ConnectionId(model.newest.saturating_sub(back));
        let seen = "seen".to_owned();
        let outs = match step {
            Step::Reach => rig.tell(HostEvent::Reach),
            Step::AskSale => ask(&mut rig, &mut model, sale(), |a| matches!(a, HostAnswer::Sale(_))),
            Step::AskReversal => ask(&mut rig, &mut model, reversal(), |a| matches!(a, HostAnswer::Reversal { .. })),
            Step::AskUpload(repeat) => {
                ask(&mut rig, &mut model, upload(repeat), |a| matches!(a, HostAnswer::OfflineSale(_)))
            }
            Step::AskScriptReport => {
                ask(&mut rig, &mut model, script_report(), |a| matches!(a, HostAnswer::ScriptReport(_)))
            }
            Step::Leave => {
                model.end();
                rig.tell(HostEvent::Leave)
            }
            Step::Connected(at) => rig.tell(HostEvent::Connected { connection: connection(at) }),
            Step::Refused(at) => rig.refuse(connection(at), ConnectFailureKind::Refused),
            Step::Written(at) => rig.tell(HostEvent::Written { connection: connection(at) }),
            Step::WriteFailed(at, nothing_written) => {
                let connection = connection(at);
                if nothing_written {
                    model.may_have_left.remove(&connection.0);
                }
                rig.tell(HostEvent::WriteFailed { connection, nothing_written, evidence: seen })
            }
            Step::Closed(at) => rig.tell(HostEvent::Closed { connection: connection(at), evidence: seen }),
            Step::Answer(at, name) => rig.receive(connection(at), &vector(name)),
            Step::Part(at, length) => rig.receive(connection(at), &vector("sale_resp_00")[..length]),
            Step::Noise(at, bytes) => rig.receive(connection(at), &bytes),
            Step::Pass(seconds) => rig.pass(Duration::from_secs(seconds)),
            Step::Expire if rig.host.deadline().is_some() => rig.expire(),
            Step::Expire => Vec::new(),
        };
        model.see(outs);
        assert!(!model.asked || rig.host.deadline().is_some(), "a request waits without a deadline");
    }
    // Left alone, everything ends: at most three attempts, the answer, the idle connection.
    for _ in 0..10 {
        if rig.host.deadline().is_none() {
            break;
        }
        let outs = rig.expire();
        model.see(outs);
    }
    assert!(rig.host.deadline().is_none() && !model.asked, "something waits for ever");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_request_ends_and_nothing_sent_is_certain(steps in prop::collection::vec(step(), 1..60)) {
        run(steps);
    }
}
