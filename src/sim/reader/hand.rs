//! The customer's hand: which card it holds and when it brings it to the reader.
//!
//! Owns: cards outside the field, the moment of the tap. Must not know: frames, the port.

use std::time::Duration;

use super::card::card;
use super::card::emv::Counter;
use super::card::settings::{CardSettings, Kind};
use super::chip::{Chip, Event};
use super::picc::Picc;
use crate::domain::time::Instant;

/// What the hand does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tap {
    /// Nothing: cards come and go by command.
    ByCommand,
    /// A card comes so long after each first poll and leaves when the reader lets go of it.
    Waiting { delay: Duration, polls_seen: u64 },
    /// On its way.
    Moving { delay: Duration, arrives: Instant },
    /// On the reader, and whether the reader has found it.
    There { delay: Duration, found: bool },
}

/// The hand.
pub struct Hand {
    settings: CardSettings,
    counter: Counter,
    holding: Vec<Picc>,
    tap: Tap,
}

impl Hand {
    /// A hand with one card; with a delay it taps by itself.
    #[must_use]
    pub fn new(settings: CardSettings, tap_delay: Option<Duration>) -> Self {
        let counter = Counter::default();
        let holding = vec![card(&settings, &counter)];
        let tap = match tap_delay {
            None => Tap::ByCommand,
            Some(delay) => Tap::Waiting { delay, polls_seen: 0 },
        };
        Self { settings, counter, holding, tap }
    }

    /// Holds this card instead, which taps on command only.
    pub fn hold(&mut self, picc: Picc) {
        self.holding = vec![picc];
    }

    /// Changes the card; what lies on the reader is taken away first.
    pub fn change(&mut self, chip: &mut Chip, pairs: &[&str]) -> Result<(), String> {
        let mut settings = self.settings.clone();
        let (pairs, rest) = pairs.as_chunks::<2>();
        if pairs.is_empty() || !rest.is_empty() {
            return Err("card set takes names and values, as: card set kind visa pin yes".to_owned());
        }
        for [name, value] in pairs {
            settings.set(name, value)?;
        }
        chip.field.take_away();
        self.holding = vec![card(&settings, &self.counter)];
        self.settings = settings;
        Ok(())
    }

    /// Lays the card on the reader.
    pub fn put(&mut self, now: Instant, chip: &mut Chip) {
        let mut cards = chip.field.take_away();
        cards.append(&mut self.holding);
        cards.truncate(1);
        chip.handle(now, Event::CardsPlaced(cards));
    }

    /// Lays two cards on the reader: the one in the hand, and a Visa card from the same purse.
    pub fn put_two(&mut self, now: Instant, chip: &mut Chip) {
        let mut cards = chip.field.take_away();
        cards.append(&mut self.holding);
        cards.truncate(1);
        let mut second = CardSettings { kind: Kind::Visa, pan: None, ..self.settings.clone() };
        second.uid = second.uid.iter().map(|b| !b).collect();
        cards.push(card(&second, &Counter::default()));
        chip.handle(now, Event::CardsPlaced(cards));
    }

    /// Takes the card away.
    pub fn take(&mut self, chip: &mut Chip) {
        let mut cards = chip.field.take_away();
        cards.truncate(1);
        if !cards.is_empty() {
            self.holding = cards;
        }
    }

    /// Moves the hand by itself, where it was told to.
    pub fn expire(&mut self, now: Instant, chip: &mut Chip) {
        self.tap = match self.tap {
            Tap::ByCommand => Tap::ByCommand,
            Tap::Waiting { delay, polls_seen } if chip.polls() > polls_seen => {
                Tap::Moving { delay, arrives: now.after(delay) }
            }
            Tap::Moving { delay, arrives } if arrives <= now => {
                self.put(now, chip);
                Tap::There { delay, found: chip.field.targets().next().is_some() }
            }
            Tap::There { delay, found } => {
                let held = chip.field.targets().next().is_some();
                if chip.field.present() > 0 && (held || !found) {
                    Tap::There { delay, found: found || held }
                } else {
                    self.take(chip);
                    Tap::Waiting { delay, polls_seen: chip.polls() }
                }
            }
            still @ (Tap::Waiting { .. } | Tap::Moving { .. }) => still,
        };
    }

    /// When the hand moves next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.tap {
            Tap::Moving { arrives, .. } => Some(arrives),
            Tap::ByCommand | Tap::Waiting { .. } | Tap::There { .. } => None,
        }
    }
}
