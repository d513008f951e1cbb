//! What it proves: engine and store together survive a power cut after every single step of a sale, and need three
//! commits for one.

mod store_common;

use std::path::Path;

use smartpos::domain::amount::{Amount, Currency, Money};
use smartpos::domain::card::{CardRead, Scheme};
use smartpos::domain::cause::Cause;
use smartpos::domain::device::DeviceState;
use smartpos::domain::host::{
    HostAnswer, HostFailure, HostRequest, KeyCheck, MacCheck, ProcessingRequest, SaleAnswer, SignInAnswer,
};
use smartpos::domain::ids::{AuthCode, Batch, IdempotencyKey, Rrn, TransactionId};
use smartpos::domain::offline::OfflineMode;
use smartpos::domain::outcome::{Outcome, TransactionKind, TransactionState};
use smartpos::domain::pan::Pan;
use smartpos::domain::response::{Response, ResponseAction, ResponseClass};
use smartpos::domain::secret::{PinBlock, SecretBytes};
use smartpos::engine::action::Action;
use smartpos::engine::command::{Caller, Command, CommandId, Device, NewTransaction};
use smartpos::engine::event::Event;
use smartpos::engine::machine::{Engine, Output};
use smartpos::engine::snapshot::TransactionView;
use smartpos::store::Store;
use store_common::*;

/// The core loop in small: commit, then act.
struct Core {
    engine: Engine,
    store: Store,
    commits: usize,
    /// What the host was asked last.
    asked: Option<HostRequest>,
}

impl Core {
    fn start(directory: &Path) -> Self {
        let store = open(directory);
        let engine = Engine::recover(settings(), store.load().unwrap(), 1, NOW);
        let mut core = Self { engine, store, commits: 0, asked: None };
        core.drain();
        core
    }

    fn event(&mut self, event: Event) {
        self.engine.handle(NOW, event);
        self.drain();
    }

    fn drain(&mut self) {
        let mut records = Vec::new();
        let mut actions = Vec::new();
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Record(record) => records.push(record),
                Output::Act(action) => actions.push(action),
            }
        }
        self.store.commit(NOW.wall, &records).unwrap();
        self.commits += usize::from(!records.is_empty());
        for action in actions {
            if let Action::AskHost(request) = action {
                self.asked = Some(request);
            }
        }
    }

    fn come_up(&mut self) {
        for device in [Device::Reader, Device::Keypad] {
            self.event(Event::DeviceChanged { device, state: DeviceState::Ready, cause: None });
        }
        let master_check = Some("8CA64D".to_owned());
        self.event(Event::KeysChanged { master_check, pending_component: None, asking_component: None });
        self.event(Event::HostReached);
        self.event(Event::HostReplied(HostAnswer::SignIn(SignInAnswer {
            response: response("00"),
            batch: Batch::new(7),
            host_time: None,
            keys: KeyCheck::Good { wrapped: vec![1] },
            asks: ProcessingRequest::None,
        })));
    }

    /// Sends whatever is to be reversed; says whether there was something.
    fn reverse(&mut self) -> bool {
        self.asked = None;
        self.event(Event::HostReached);
        let Some(HostRequest::Reversal(request)) = self.asked.take() else { return false };
        assert!(request.pan.expose() == PAN);
        let (mac, asks) = (MacCheck::Good, ProcessingRequest::None);
        self.event(Event::HostReplied(HostAnswer::Reversal { response: response("00"), mac, asks }));
        true
    }
}

fn response(code: &str) -> Response {
    let class = if code == "00" { ResponseClass::Approved } else { ResponseClass::Refused };
    let text = String::new();
    Response { code: code.to_owned(), class, action: ResponseAction::None, zh: text.clone(), en: text }
}

fn asked(command: Command) -> Event {
    Event::Asked { id: CommandId(1), command, stored: None }
}

fn caller() -> Caller {
    Caller { uid: 1000, connection: ":1.1".to_owned() }
}

fn card() -> Box<CardRead> {
    Box::new(CardRead {
        scheme: Scheme::UnionPay,
        pan: Pan::new(PAN).unwrap(),
        expiry: None,
        sequence_number: None,
        track2: None,
        request_tags: SecretBytes::new(vec![1]),
        reversal_tags: SecretBytes::new(vec![2]),
        script_tags: SecretBytes::new(vec![0x95, 0x05]),
        pin_required: true,
    })
}

fn answer(code: &str) -> Event {
    Event::HostReplied(HostAnswer::Sale(SaleAnswer {
        response: response(code),
        rrn: Rrn::new("1"),
        auth_code: AuthCode::new("2"),
        settlement_date: None,
        card_org: None,
        issuer: None,
        host_date: None,
        acquirer: None,
        issuer_script: false,
        mac: if code == "00" { MacCheck::Good } else { MacCheck::NotDue },
        asks: ProcessingRequest::None,
    }))
}

/// The steps of a sale, the last one being how the host ends it.
fn steps(end: Event) -> Vec<Event> {
    let new = NewTransaction {
        caller: caller(),
        kind: TransactionKind::Sale,
        key: IdempotencyKey::new("k").unwrap(),
        money: Money { amount: Amount::new(1234).unwrap(), currency: Currency::CNY },
        confirm_amount: None,
        detached: false,
        reference: None,
        mode: OfflineMode::OnlineOnly,
    };
    vec![
        asked(Command::Create(new)),
        asked(Command::Start { caller: caller(), id: TransactionId(1) }),
        Event::AmountConfirmed,
        Event::CardRead(card()),
        Event::PinEntered(PinBlock([1; 8])),
        Event::HostReached,
        end,
    ]
}

#[test]
fn a_sale_takes_three_commits() {
    for end in [answer("00"), answer("51")] {
        let directory = tempfile::tempdir().unwrap();
        let mut core = Core::start(directory.path());
        core.come_up();
        let before = core.commits;
        for event in steps(end) {
            core.event(event);
        }
        assert_eq!(core.commits - before, 3);
        let view = core.store.find_by_key(1000, &IdempotencyKey::new("k").unwrap()).unwrap().unwrap().0;
        // Who is connected is not stored.
        let stored = TransactionView { owner: caller(), ..view };
        assert_eq!(*core.engine.snapshot().transactions[&stored.id], stored);
    }
}

#[test]
fn a_power_cut_after_any_step_ends_in_an_outcome_that_is_true() {
    let silence = HostFailure { cause: Cause::B06, sent: true, connect: None, evidence: "silence".to_owned() };
    let unanswered = Event::HostFailed(silence);
    let ends = [
        (answer("00"), Outcome::Approved, false),
        (answer("51"), Outcome::Declined, false),
        (unanswered, Outcome::Cancelled, true),
    ];
    for (end, outcome, reversed) in ends {
        let directory = tempfile::tempdir().unwrap();
        let mut core = Core::start(directory.path());
        core.come_up();
        for (step, event) in steps(end).into_iter().enumerate() {
            core.event(event);
            // The power goes here; another machine starts from what the disk holds.
            let cut = tempfile::tempdir().unwrap();
            copy_files(directory.path(), cut.path());
            let mut again = Core::start(cut.path());
            again.come_up();
            let was_reversed = again.reverse();
            let view = again.store.list(&EVERYTHING).unwrap().remove(0);
            let expected = match step {
                0..=4 => (Outcome::Cancelled, false),
                5 => (Outcome::Cancelled, true),
                _ => (outcome, reversed),
            };
            assert_eq!((view.outcome, view.reversed), (Some(expected.0), expected.1), "step {step}");
            assert_eq!((view.state, was_reversed), (TransactionState::Finished, expected.1), "step {step}");
            assert!(again.store.load().unwrap().reversals.is_empty());
            assert!(!again.reverse(), "nothing is reversed twice");
        }
    }
}
