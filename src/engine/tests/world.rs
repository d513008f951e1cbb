//! A world of chance around the bench: apps, customers, operators, devices, power cuts, and an acquirer with a ledger
//! of its own, by which it is judged in the end who was charged.

use std::collections::HashMap;
use std::time::Duration;

use super::bench::*;
use crate::domain::card::{CardRead, TapFailure};
use crate::domain::cause::Cause;
use crate::domain::device::DeviceState;
use crate::domain::host::{HostAnswer, HostTime, KeyCheck, MacCheck, ProcessingRequest};
use crate::domain::ids::{Batch, IdempotencyKey, OperatorId, Stan, TransactionId};
use crate::domain::offline::{Forwarding, OfflineLimits, OfflineMode, Resolution};
use crate::domain::outcome::{Outcome, Role, TransactionState};
use crate::domain::scan::{OperatorCode, PayScheme, Scan};
use crate::domain::secret::{PinBlock, SecretBytes};
use crate::domain::time::Civil;
use crate::engine::command::{Command, CommandId, Device, NewTransaction};
use crate::engine::event::Event;
use crate::engine::sign_in::State;
use crate::engine::snapshot::TransactionView;

/// A small generator; a failure prints its seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        // Spread, so that neighbouring seeds do not begin alike.
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            dice.roll(2);
        }
        dice
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let index = self.roll(u64::try_from(from.len()).unwrap());
        from[usize::try_from(index).unwrap()].clone()
    }
}

/// What the acquirer did to the cardholder.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Charge {
    Charged,
    Reversed,
}

pub struct World {
    pub bench: Bench,
    pub dice: Dice,
    ledger: HashMap<(Stan, Batch), Charge>,
    /// The request whose fate is decided, and whether the acquirer took it in.
    decided: Option<(Asked, bool)>,
    /// What is never true in a sale, only in the accounts of a broken one.
    pub steps: usize,
}

const APPROVALS: [&str; 2] = ["00", "11"];
const REFUSALS: [&str; 14] = ["51", "55", "05", "91", "96", "98", "68", "30", "97", "03", "77", "99", "A0", "94"];

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut settings = settings();
        settings.operator_required = dice.percent(20);
        settings.confirm_amount = dice.percent(50);
        settings.offline = OfflineLimits {
            enabled: dice.percent(70),
            per_sale: 5_000,
            sum: 8_000,
            count: 6,
            per_card_per_day: 2,
            ..OfflineLimits::default()
        };
        let mut bench = Bench::new(settings);
        if dice.percent(90) {
            bench.devices_up();
            bench.load_master_key();
            bench.sign_in_well();
        }
        if dice.percent(50) {
            bench.staffed();
        }
        Self { bench, dice, ledger: HashMap::new(), decided: None, steps: 0 }
    }

    /// One thing happens, whatever it is.
    pub fn step(&mut self) {
        self.steps += 1;
        match self.dice.roll(100) {
            0..45 => self.forward(),
            45..55 => self.app(),
            55..65 => self.host(),
            65..72 => self.customer(),
            72..77 => self.operator(),
            77 => self.scan(),
            78..83 => self.device(),
            83..91 => self.time(),
            91..94 => self.power_cut(),
            94..96 => self.storage(),
            96..98 => self.ceremony(),
            _ => self.clerk(),
        }
        self.observe();
    }

    /// The acquirer decides about a new request the moment it arrives.
    fn observe(&mut self) {
        let Wire::Asked(asked) = &self.bench.wire else {
            self.decided = None;
            return;
        };
        if self.decided.as_ref().is_some_and(|(known, _)| known == asked) {
            return;
        }
        let asked = asked.clone();
        let takes = self.dice.percent(70);
        match &asked {
            Asked::Sale { stan, batch, .. } if takes => {
                let old = self.ledger.insert((*stan, *batch), Charge::Charged);
                assert_eq!(old, None, "the acquirer saw trace {stan} twice");
            }
            // A repeat of what is there already charges nobody again.
            Asked::OfflineSale { stan, batch, .. } if takes => {
                self.ledger.insert((*stan, *batch), Charge::Charged);
            }
            Asked::Reversal { stan, batch, .. } if takes => {
                if let Some(charge) = self.ledger.get_mut(&(*stan, *batch)) {
                    *charge = Charge::Reversed;
                }
            }
            _ => {}
        }
        self.decided = Some((asked, takes));
    }

    /// The next good thing.
    fn forward(&mut self) {
        match self.bench.wire.clone() {
            Wire::Reaching => return self.bench.event(Event::HostReached),
            Wire::Asked(_) => return self.host(),
            Wire::Idle | Wire::Up => {}
        }
        let snapshot = self.bench.engine.snapshot();
        if let Some(active) = snapshot.terminal.active {
            match self.bench.state(active) {
                TransactionState::AwaitingConfirmation => self.bench.event(Event::AmountConfirmed),
                TransactionState::AwaitingCard => self.read_card(),
                TransactionState::AwaitingPin => self.bench.pin(),
                _ => self.time(),
            }
        } else if let Some(id) = self.payment(|state| state == TransactionState::Created) {
            drop(self.bench.start(id));
        } else if self.dice.percent(20) {
            self.bench.devices_up();
            self.bench.load_master_key();
            self.bench.event(Event::StorageChanged { fault: None });
        } else {
            self.create();
        }
    }

    fn read_card(&mut self) {
        let card = self.any_card();
        self.bench.event(Event::CardRead(card));
    }

    fn any_card(&mut self) -> Box<CardRead> {
        let pan = self.dice.pick(&["6200000000000000018", "6200000000000000026", "6200000000000000034"]);
        Box::new(CardRead { pin_required: self.dice.percent(40), ..*card_of(pan) })
    }

    fn create(&mut self) {
        let uid = self.dice.pick(&[1000, 2000]);
        let amount = self.dice.pick(&[1, 1234, 5_000_001]);
        let key = format!("k{}", self.dice.roll(30));
        let confirm_amount = self.dice.pick(&[None, Some(true), Some(false)]);
        let mode = self.dice.pick(&[
            OfflineMode::OnlineOnly,
            OfflineMode::OnlineOnly,
            OfflineMode::PreferOnline,
            OfflineMode::OfflineOnly,
        ]);
        self.bench.send(Command::Create(NewTransaction { confirm_amount, mode, ..new_sale(uid, &key, amount) }));
    }

    /// Any payment in such a state, by what is in memory.
    fn payment(&mut self, wanted: impl Fn(TransactionState) -> bool) -> Option<TransactionId> {
        let ids: Vec<_> = self.bench.disk.payments.keys().copied().filter(|id| wanted(self.bench.state(*id))).collect();
        if ids.is_empty() { None } else { Some(self.dice.pick(&ids)) }
    }

    fn app(&mut self) {
        let uid = self.dice.pick(&[1000, 1000, 2000]);
        let caller = caller(uid);
        let id = self.payment(|_| true).unwrap_or(TransactionId(99));
        let command = match self.dice.roll(12) {
            0 | 1 => return self.create(),
            2 => Command::Start { caller, id },
            3 => Command::Cancel { caller, id },
            4 => Command::Acknowledge { caller, id },
            5 => Command::FindByKey { caller, key: IdempotencyKey::new("k1").unwrap() },
            6 => match self.bench.disk.payments.get(&id).and_then(|(v, _)| v.code.clone()) {
                Some(code) => Command::FindByCode { caller, code },
                None => return,
            },
            7 => Command::ClientGone { connection: caller.connection },
            8 => return self.supervisor(id),
            9 => Command::SignOut,
            10 => Command::Echo,
            _ => Command::SignIn,
        };
        self.bench.send(command);
    }

    /// Somebody decides about what is unsent, and may have the right to. Nothing is given up here: what is given up while
    /// nobody knows whether the acquirer has it cannot be compared any more.
    fn supervisor(&mut self, id: TransactionId) {
        let Some(code) = self.bench.disk.payments.get(&id).and_then(|(v, _)| v.code.clone()) else { return };
        let (caller, note) = (caller(1000), "note".to_owned());
        let command = match self.dice.roll(4) {
            0 => Command::Drain,
            1 => Command::Hold { caller, code, note },
            _ => {
                let decision = self.dice.pick(&[Resolution::Retry, Resolution::Retry, Resolution::Proceed]);
                Command::Resolve { caller, code, decision, note }
            }
        };
        self.bench.send(command);
    }

    fn asks(&mut self) -> ProcessingRequest {
        if self.dice.percent(80) { ProcessingRequest::None } else { self.dice.pick(ProcessingRequest::ALL) }
    }

    fn host(&mut self) {
        let event = self.host_event();
        self.bench.event(event);
    }

    /// What the host or the way there comes up with.
    fn host_event(&mut self) -> Event {
        let cause = self.dice.pick(&[Cause::N05, Cause::N09, Cause::N10, Cause::B06]);
        let Some((asked, taken)) = self.decided.clone() else {
            return match self.dice.roll(4) {
                0 => Event::HostFailed(failure(cause, false)),
                _ => Event::HostReached,
            };
        };
        let lost = Event::HostFailed(failure(cause, true));
        let asks = self.asks();
        if self.dice.percent(10) {
            return lost;
        }
        match asked {
            Asked::Echo => Event::HostReplied(HostAnswer::Echo(response("00"))),
            Asked::SignOut { .. } => Event::HostReplied(HostAnswer::SignOut(response("00"))),
            Asked::SignIn { .. } => {
                let (code, keys) = match self.dice.roll(12) {
                    0 => (self.dice.pick(&REFUSALS), KeyCheck::NotSent),
                    1 => ("00", self.dice.pick(&[bad_keys(Cause::K03), bad_keys(Cause::K05), KeyCheck::NotSent])),
                    _ => ("00", good_keys()),
                };
                Event::HostReplied(self.sign_in_answer(code, keys, asks))
            }
            // Charged: the answer is good, falsified, or one that the acquirer wants reversed.
            Asked::Sale { .. } if taken => match self.dice.roll(8) {
                0 => Event::HostReplied(sale_answer("00", MacCheck::Bad, asks)),
                1 => Event::HostReplied(sale_answer("10", MacCheck::Good, asks)),
                2 => Event::HostReplied(sale_answer("68", MacCheck::NotDue, asks)),
                3 => Event::HostReplied(HostAnswer::Echo(response("00"))),
                _ => Event::HostReplied(sale_answer(self.dice.pick(&APPROVALS), MacCheck::Good, asks)),
            },
            Asked::Sale { .. } => match self.dice.roll(5) {
                0 => Event::HostFailed(failure(cause, false)),
                1 => Event::HostReplied(sale_answer("00", self.dice.pick(&[MacCheck::Bad, MacCheck::NotDue]), asks)),
                _ => Event::HostReplied(sale_answer(self.dice.pick(&REFUSALS), MacCheck::NotDue, asks)),
            },
            Asked::OfflineSale { repeat, .. } => {
                let (code, mac) = match (taken, self.dice.roll(6)) {
                    (_, 0) => ("00", MacCheck::Bad),
                    // Said of a first one it means that another payment is there.
                    (true, 1) if repeat || self.dice.percent(10) => ("94", MacCheck::NotDue),
                    (true, _) => (self.dice.pick(&APPROVALS), MacCheck::Good),
                    (false, 1 | 2) => ("51", MacCheck::NotDue),
                    (false, 3) => ("97", MacCheck::NotDue),
                    (false, 4) => ("A0", MacCheck::NotDue),
                    (false, _) => ("91", MacCheck::NotDue),
                };
                Event::HostReplied(HostAnswer::OfflineSale(sale_parts(code, mac, asks)))
            }
            Asked::ScriptReport { .. } => Event::HostReplied(HostAnswer::ScriptReport(response("00"))),
            Asked::Reversal { .. } => {
                let (code, mac) = match (taken, self.dice.roll(5)) {
                    (_, 0) => ("00", MacCheck::Bad),
                    (true, 1) => ("25", MacCheck::NotDue),
                    (true, _) => ("00", MacCheck::Good),
                    (false, 1) => ("A0", MacCheck::NotDue),
                    (false, _) => ("96", MacCheck::NotDue),
                };
                Event::HostReplied(HostAnswer::Reversal { response: response(code), mac, asks })
            }
        }
    }

    /// The acquirer's clock is right, most of the time.
    fn sign_in_answer(&mut self, code: &str, keys: KeyCheck, asks: ProcessingRequest) -> HostAnswer {
        let mut answer = sign_in_answer(code, keys, asks);
        if let HostAnswer::SignIn(answer) = &mut answer
            && self.dice.percent(90)
        {
            let Civil { month, day, hour, minute, second, .. } = self.bench.now.wall.civil(480);
            answer.host_time = Some(HostTime { month, day, hour, minute, second });
        }
        answer
    }

    fn customer(&mut self) {
        let event = match self.dice.roll(10) {
            0 => Event::CardRead(self.any_card()),
            1 | 2 => Event::CardFailed(self.dice.pick(TapFailure::ALL)),
            3 => Event::AmountConfirmed,
            4 => Event::PinEntered(PinBlock([3; 8])),
            5 => Event::PinBypassed,
            6 => Event::EntryProgressed { digits: 2 },
            7 => Event::EntryCancelled,
            8 => Event::EntryTimedOut,
            _ => Event::EntryFailed(Cause::H05),
        };
        self.bench.event(event);
    }

    fn operator(&mut self) {
        let operator = OperatorId::new(self.dice.pick(&["01", "10", "77"])).unwrap();
        let password = SecretBytes::new(b"270361".to_vec());
        match self.dice.roll(9) {
            0 => drop(self.bench.send(Command::OperatorSignIn { operator, password })),
            1 => drop(self.bench.send(Command::OperatorSignInAtKeypad)),
            2 => drop(self.bench.send(Command::OperatorSignOut)),
            3 => {
                let role = self.dice.pick(Role::ALL);
                self.bench.send(Command::OperatorSet { operator, role, password });
            }
            4 => drop(self.bench.send(Command::OperatorUnlock { operator })),
            5 => self.bench.event(Event::OperatorNumberEntered(operator)),
            6 => self.bench.event(Event::PasswordEntered(password)),
            _ => {
                // The core finishes what it was asked for, perhaps long ago.
                let good = self.dice.percent(60);
                let asked = self.bench.did.iter().rev().find_map(|d| match d {
                    Did::CheckPassword(id) => Some(Event::PasswordChecked { id: *id, good }),
                    Did::HashPassword(id) => Some(Event::PasswordHashed { id: *id, hash: "hash".to_owned() }),
                    _ => None,
                });
                let nobodys = Event::PasswordChecked { id: CommandId(u64::MAX), good };
                self.bench.event(asked.unwrap_or(nobodys));
            }
        }
    }

    fn scan(&mut self) {
        let operator = OperatorId::new(self.dice.pick(&["01", "10", "77"])).unwrap();
        let code = OperatorCode::new(operator.clone(), &[7; 26]);
        let scan = match self.dice.roll(6) {
            0 => {
                self.bench.send(Command::OperatorCodeSet { operator, secret: code.secret });
                return;
            }
            1 => {
                self.bench.send(Command::OperatorCodeRevoke { operator });
                return;
            }
            2 => Scan::Payment { scheme: PayScheme::WeChat, code: SecretBytes::new(b"101234567890123456".to_vec()) },
            3 => Scan::Unknown,
            _ => Scan::Operator(code),
        };
        self.bench.event(Event::CodeScanned { scan, on_file: false });
    }

    fn device(&mut self) {
        let device = self.dice.pick(&[Device::Reader, Device::Keypad, Device::Scanner]);
        let state = self.dice.pick(&[DeviceState::Ready, DeviceState::Ready, DeviceState::Absent, DeviceState::Failed]);
        let cause = self.dice.pick(&[None, Some(Cause::H02)]);
        self.bench.device(device, state, cause);
    }

    fn clerk(&mut self) {
        let device = self.dice.pick(&[Device::Reader, Device::Keypad, Device::Scanner]);
        let command = match self.dice.roll(4) {
            0 => Command::Inhibit { caller: caller(5), device, why: "why".to_owned() },
            1 | 2 => Command::InhibitEnded { device },
            _ => Command::ResetReader,
        };
        self.bench.send(command);
    }

    fn time(&mut self) {
        let span = self.dice.pick(&[
            Duration::from_millis(1),
            Duration::from_secs(1),
            Duration::from_secs(10),
            Duration::from_secs(61),
            Duration::from_secs(400),
            Duration::from_secs(86_400),
        ]);
        if self.dice.percent(80) {
            self.bench.pass(span);
        } else {
            // The core is late; the next event finds deadlines that have passed.
            self.bench.set(self.bench.now.mono.after(span));
            self.customer();
        }
    }

    fn power_cut(&mut self) {
        match self.dice.roll(3) {
            0 => self.bench.restart(),
            1 => {
                let event = self.host_event();
                self.bench.die_before_commit(event);
            }
            _ => {
                let event = self.host_event();
                self.bench.die_before_act(event);
            }
        }
        if self.dice.percent(80) {
            self.bench.devices_up();
            self.bench.load_master_key();
        }
    }

    fn storage(&mut self) {
        let fault = self.dice.pick(&[None, None, Some("disk full".to_owned())]);
        self.bench.event(Event::StorageChanged { fault });
    }

    fn ceremony(&mut self) {
        let check = self.dice.pick(&[Some("8CA64D"), Some("8CA64D"), Some("112233"), None]);
        let asking_component = self.dice.pick(&[None, None, Some(1)]);
        // The core asks first, nearly always.
        if self.bench.engine.keys_may_change() || self.dice.percent(10) {
            let master_check = check.map(str::to_owned);
            self.bench.event(Event::KeysChanged { master_check, pending_component: None, asking_component });
        }
    }

    /// Everything is put right and left to run until nothing is open; then the books are compared.
    pub fn settle(&mut self) {
        for _ in 0..400 {
            self.observe();
            match self.bench.wire.clone() {
                Wire::Reaching => self.bench.event(Event::HostReached),
                Wire::Asked(asked) => self.answer_well(&asked),
                Wire::Idle | Wire::Up => {
                    if self.put_right() {
                        break;
                    }
                }
            }
        }
        self.bench.pass(Duration::from_secs(25));
        assert!(self.bench.open.is_empty(), "no reply to {:?}", self.bench.open);
        self.compare_books();
    }

    fn answer_well(&mut self, asked: &Asked) {
        let none = ProcessingRequest::None;
        match asked {
            Asked::SignIn { .. } => {
                let answer = self.sign_in_answer("00", good_keys(), none);
                self.bench.reply(answer);
            }
            Asked::SignOut { .. } => self.bench.reply(HostAnswer::SignOut(response("00"))),
            Asked::Echo => self.bench.reply(HostAnswer::Echo(response("00"))),
            Asked::OfflineSale { stan, batch, .. } => {
                self.ledger.insert((*stan, *batch), Charge::Charged);
                self.bench.reply(HostAnswer::OfflineSale(sale_parts("00", MacCheck::Good, none)));
            }
            Asked::ScriptReport { .. } => self.bench.reply(HostAnswer::ScriptReport(response("00"))),
            // What was taken in and is lost comes as lost; the reversal puts it right.
            Asked::Sale { .. } => self.bench.fail(Cause::B06, true),
            Asked::Reversal { stan, batch, .. } => {
                let charge = self.ledger.get_mut(&(*stan, *batch));
                let code = if charge.is_some() { "00" } else { "25" };
                if let Some(charge) = charge {
                    *charge = Charge::Reversed;
                }
                self.bench.answer_reversal(code);
            }
        }
    }

    /// Whether there was nothing left to do.
    fn put_right(&mut self) -> bool {
        let snapshot = self.bench.engine.snapshot();
        let master_check = Some("8CA64D".to_owned());
        if snapshot.keys.asking_component.is_some() || snapshot.keys.master_check != master_check {
            self.bench.load_master_key();
        } else if self.bench.engine.storage_fault.is_some() {
            self.bench.event(Event::StorageChanged { fault: None });
        } else if let Some(active) = snapshot.terminal.active {
            drop(self.bench.cancel(active));
        } else if !self.bench.engine.sign_in.is_on() {
            let stopped = matches!(self.bench.engine.sign_in.state, State::Stopped { .. } | State::Off { .. });
            if stopped {
                self.bench.send(Command::SignIn);
            } else {
                self.bench.pass(Duration::from_secs(60));
            }
        } else if snapshot.open_reversals > 0
            || snapshot.queue.totals.waiting > 0
            || !self.bench.disk.scripts.is_empty()
        {
            self.bench.pass(Duration::from_secs(60));
        } else if let Some(id) = self.held() {
            self.send_again(id);
        } else {
            return true;
        }
        false
    }

    fn held(&self) -> Option<TransactionId> {
        let held = |v: &&(TransactionView, String)| v.0.forwarding == Some(Forwarding::Held);
        self.bench.disk.payments.values().find(held).map(|(v, _)| v.id)
    }

    fn send_again(&mut self, id: TransactionId) {
        let supervised = |world: &Self| world.bench.engine.operators.supervisor_on_duty();
        if !supervised(self) {
            self.bench.pass(Duration::from_secs(1_000));
            drop(self.bench.set_operator("01", Role::Supervisor));
            drop(self.bench.operator_in("01", true));
        }
        if supervised(self) {
            let code = self.bench.view(id).code.unwrap();
            let (caller, note) = (caller(5), "settled".to_owned());
            drop(self.bench.ask(Command::Resolve { caller, code, decision: Resolution::Retry, note }));
        }
    }

    /// Every cardholder who was charged has an approved payment, and the other way round.
    fn compare_books(&self) {
        for (view, _) in self.bench.disk.payments.values() {
            let Some(trace) = view.stan.zip(view.batch) else {
                assert!(!matches!(view.outcome, Some(Outcome::Approved | Outcome::Unknown)), "{view:?}");
                continue;
            };
            let charged = self.ledger.get(&trace) == Some(&Charge::Charged);
            let good = matches!(view.outcome, Some(Outcome::Approved | Outcome::ApprovedOffline));
            // What is held waits for a person, who asks the acquirer.
            if view.forwarding != Some(Forwarding::Held) {
                assert_eq!(charged, good, "{view:?}: {:?}", self.ledger.get(&trace));
                assert!(view.forwarding.is_none_or(|f| f == Forwarding::Accepted), "{view:?}");
            }
            assert_ne!(view.outcome, Some(Outcome::Unknown));
        }
        let known: Vec<_> = self.bench.disk.payments.values().filter_map(|(v, _)| v.stan.zip(v.batch)).collect();
        for trace in self.ledger.keys() {
            assert!(known.contains(trace), "charged without a payment: {trace:?}");
        }
    }
}
