//! What the terminal has promised, by what it said and sent: the checker's own books. They know nothing of the engine's
//! memory or the store's tables; what those hold is compared with them.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{Body, Charged, Message, Trace};
use crate::domain::card::CardRead;
use crate::domain::ids::{IdempotencyKey, TransactionId};
use crate::domain::outcome::Outcome;
use crate::domain::time::WallTime;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule, in a word.
    pub rule: &'static str,
    /// What was seen.
    pub what: String,
}

/// Says that a rule was broken.
pub fn broken<T>(rule: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { rule, what: what.into() })
}

/// Whether everything that was checked holds.
pub type Checked = Result<(), Violation>;

/// One payment, as its app knows it.
#[derive(Clone, Debug)]
pub struct Promise {
    /// Whose.
    pub uid: u32,
    /// Under which key.
    pub key: IdempotencyKey,
    /// Minor units.
    pub minor: u64,
    /// How it ended, as far as anybody was told.
    pub told: Option<Outcome>,
}

/// A place in the queue: when it was accepted, then its number.
pub type Place = (WallTime, TransactionId);

/// What a card showed when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its number in the wallet.
    pub index: usize,
    /// Whether the host has to check a PIN.
    pub pin: bool,
    /// Whether it has expired.
    pub expired: bool,
    /// Whether its chip data are complete.
    pub complete: bool,
}

/// The checker's books.
#[derive(Default)]
pub struct Books {
    /// By the daemon's number.
    pub promises: BTreeMap<TransactionId, Promise>,
    /// The card that was read last for a payment.
    pub cards: BTreeMap<TransactionId, Shown>,
    /// When a payment was accepted offline, by the true time.
    pub accepted: BTreeMap<TransactionId, u64>,
    /// What each trace was used for first.
    first_use: BTreeMap<Trace, Message>,
    /// Whose payment a trace was used for.
    pub payment_of: BTreeMap<Trace, TransactionId>,
    /// Script reports that have left, by the payment's trace.
    scripts: BTreeSet<Trace>,
    /// Cards that the host has refused for good when their payments were forwarded, or a person has.
    pub denied: BTreeSet<usize>,
    /// The payment that was forwarded last.
    last_upload: Option<Place>,
}

impl Books {
    /// An app has learnt of its payment.
    pub fn exists(&mut self, id: TransactionId, uid: u32, key: &IdempotencyKey, minor: u64) -> Checked {
        let other = self.promises.iter().find(|(n, p)| **n != id && p.uid == uid && p.key == *key);
        if let Some((other, _)) = other {
            return broken("one key, two payments", format!("{key} of uid {uid} is both {other} and {id}"));
        }
        let new = Promise { uid, key: key.clone(), minor, told: None };
        let known = self.promises.entry(id).or_insert(new);
        if known.uid != uid || known.key != *key || known.minor != minor {
            return broken("one payment, two keys", format!("payment {id} is {known:?}, now {key} of uid {uid}"));
        }
        Ok(())
    }

    /// Somebody is told how a payment ended.
    pub fn told(&mut self, id: TransactionId, outcome: Outcome) -> Checked {
        // One that no app knows: its creator died before the reply. Nothing was promised to anybody then.
        let Some(promise) = self.promises.get_mut(&id) else { return Ok(()) };
        let before = promise.told;
        let may = match before {
            None => true,
            Some(Outcome::Unknown) => matches!(outcome, Outcome::Unknown | Outcome::Cancelled),
            Some(word) => word == outcome,
        };
        if !may {
            return broken("a word is kept", format!("payment {id} was told {before:?}, now {outcome}"));
        }
        promise.told = Some(outcome);
        Ok(())
    }

    /// A card was read for a payment.
    pub fn read_card(&mut self, id: TransactionId, index: usize, card: &CardRead) {
        let shown = Shown {
            index,
            pin: card.pin_required,
            expired: card.expiry.as_deref().is_some_and(|e| e < "2611"),
            complete: card.expiry.is_some() && !card.request_tags.expose().is_empty(),
        };
        self.cards.insert(id, shown);
    }

    /// A request leaves.
    pub fn sent(&mut self, message: &Message, payment: Option<TransactionId>) -> Checked {
        let Some((trace, own)) = message.trace() else { return Ok(()) };
        let first = self.first_use.get(&trace);
        match (&message.body, first) {
            // A reversal bears the trace of what it takes back, and its amount and card.
            (Body::Reversal(back, _), Some(Message { body: Body::Sale(sale, _), .. })) if back == sale => {}
            // The process ended between the commit and the request: that counts as sent.
            (Body::Reversal(back, _), None) => match payment {
                Some(id) => self.charge(id, back)?,
                None => return broken("a reversal is of its payment", format!("{message}, but of none")),
            },
            (Body::Reversal(again, _), Some(Message { body: Body::Reversal(first, _), .. })) if again == first => {}
            (Body::Reversal(..), other) => {
                return broken("a reversal is of its payment", format!("{message}, but {other:?}"));
            }
            // A repeat is the same payment to the digit.
            (Body::Offline(again, repeat), Some(Message { body: Body::Offline(sale, _), .. })) => {
                if again != sale || !repeat {
                    return broken("a repeat is the same", format!("{message}, first {sale:?}"));
                }
            }
            (_, Some(other)) if own => {
                return broken("no trace is used twice", format!("{message}, but earlier {other}"));
            }
            (_, _) => {
                self.first_use.insert(trace, message.clone());
            }
        }
        if let Body::Script(_, original) = &message.body
            && !self.scripts.insert(*original)
        {
            return broken("a script is reported once", message.to_string());
        }
        if let (Body::Sale(charged, _) | Body::Offline(charged, _), Some(id)) = (&message.body, payment) {
            self.charge(id, charged)?;
        }
        Ok(())
    }

    /// A request that may charge a cardholder leaves.
    fn charge(&mut self, id: TransactionId, charged: &Charged) -> Checked {
        if let Some((trace, _)) = self.payment_of.iter().find(|(t, n)| **n == id && **t != charged.trace) {
            return broken("one payment, one trace", format!("payment {id} has {trace:?} and {:?}", charged.trace));
        }
        self.payment_of.insert(charged.trace, id);
        if let Some(promise) = self.promises.get(&id).filter(|p| p.minor != charged.minor) {
            let what = format!("payment {id}: {} is charged as {}", promise.minor, charged.minor);
            return broken("the amount is the app's", what);
        }
        if let Some(card) = self.cards.get(&id).filter(|c| c.index != charged.card) {
            let what = format!("payment {id}: {card:?} is charged as card {}", charged.card);
            return broken("the card is the customer's", what);
        }
        Ok(())
    }

    /// An upload leaves while these wait, oldest first: it must be the oldest, or the next behind the last one.
    pub fn upload(&mut self, place: Place, waiting: &[Place]) -> Checked {
        let oldest = waiting.first();
        let next = self.last_upload.and_then(|last| waiting.iter().find(|n| **n > last));
        let right = oldest == Some(&place) || next == Some(&place);
        let last = self.last_upload.replace(place);
        if right {
            return Ok(());
        }
        broken("the queue keeps its order", format!("{place:?} is sent after {last:?} while {waiting:?} wait"))
    }
}
