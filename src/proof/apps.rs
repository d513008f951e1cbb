//! The payment apps on the bus: what they ask for, and what they believe.
//!
//! Owns: each app's orders and what it was told about them. An app that got no answer asks again with the same key, as the
//! contract wants it; some apps also do what they should not.

use super::dice::Dice;
use crate::domain::amount::{Amount, Currency, Money};
use crate::domain::ids::{IdempotencyKey, TransactionId};
use crate::domain::offline::OfflineMode;
use crate::domain::outcome::TransactionKind;
use crate::engine::command::{Caller, NewTransaction};

/// One thing to be paid.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which app wants it.
    pub app: usize,
    /// Its key.
    pub key: IdempotencyKey,
    /// Minor units.
    pub minor: u64,
    /// Whether without the host.
    pub mode: OfflineMode,
    /// Whether the customer confirms.
    pub confirm: Option<bool>,
    /// Not tied to a connection.
    pub detached: bool,
    /// The payment, as far as the app knows.
    pub id: Option<TransactionId>,
}

/// One app on one bus connection.
#[derive(Clone, Debug)]
pub struct App {
    /// Unix user.
    pub uid: u32,
    connection: u32,
}

/// All apps and their orders.
pub struct Apps {
    /// The apps.
    pub all: Vec<App>,
    /// What they want paid, oldest first.
    pub orders: Vec<Order>,
    connections: u32,
    /// How often payments may go offline, in a hundred.
    offline: u64,
}

impl Apps {
    /// Two tills and a script, and a second process of the first till's user.
    pub fn new(offline: u64) -> Self {
        let uids = [1000, 2000, 3000, 1000];
        let all = uids.iter().zip(1..).map(|(uid, connection)| App { uid: *uid, connection }).collect();
        Self { all, orders: Vec::new(), connections: 4, offline }
    }

    /// Any of them.
    pub fn any(&self, dice: &mut Dice) -> usize {
        dice.index(self.all.len())
    }

    /// As the bus vouches for it.
    pub fn caller(&self, app: usize) -> Caller {
        let (uid, connection) = self.all.get(app).map_or((0, 0), |a| (a.uid, a.connection));
        Caller { uid, connection: format!(":1.{connection}") }
    }

    /// The app of a uid that speaks for an order.
    pub fn caller_of(&self, order: &Order) -> Caller {
        self.caller(order.app)
    }

    /// It dies and comes back with a new connection. Gives the old one.
    pub fn die(&mut self, app: usize) -> String {
        let old = self.caller(app).connection;
        self.connections += 1;
        if let Some(app) = self.all.get_mut(app) {
            app.connection = self.connections;
        }
        old
    }

    /// A new wish, with a new key. Gives its place.
    pub fn wish(&mut self, minor: u64, dice: &mut Dice) -> Option<usize> {
        let place = self.orders.len();
        let mode = if dice.percent(self.offline) {
            dice.one_of([OfflineMode::PreferOnline, OfflineMode::OfflineOnly])
        } else {
            OfflineMode::OnlineOnly
        };
        let app = self.any(dice);
        self.orders.push(Order {
            app,
            key: IdempotencyKey::new(&format!("k{place}"))?,
            minor,
            mode,
            confirm: dice.one_of([None, None, Some(true), Some(false)]),
            detached: self.all.get(app).is_some_and(|a| a.uid == 3000),
            id: None,
        });
        Some(place)
    }

    /// The request for an order.
    pub fn request(&self, place: usize) -> Option<NewTransaction> {
        let order = self.orders.get(place)?;
        Some(NewTransaction {
            caller: self.caller_of(order),
            kind: TransactionKind::Sale,
            key: order.key.clone(),
            money: Money { amount: Amount::new(order.minor)?, currency: Currency::CNY },
            confirm_amount: order.confirm,
            detached: order.detached,
            reference: None,
            mode: order.mode,
        })
    }

    /// Any order that exists as a payment, as far as its app knows.
    pub fn known(&self, dice: &mut Dice) -> Option<usize> {
        let known: Vec<usize> =
            (0..self.orders.len()).filter(|n| self.orders.get(*n).is_some_and(|o| o.id.is_some())).collect();
        dice.pick(&known).copied()
    }
}
