//! Whom a person can call: the shop's own support and the acquirer's, as configured.

use crate::domain::outcome::words;

words! {
    /// Whose support it is.
    Party {
        /// The shop's own: network, devices, this machine, operators.
        Shop = "shop",
        /// The acquirer's: registration, keys, host.
        Acquirer = "acquirer",
    }
}

/// How to reach one of them. What is not configured is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Who answers.
    pub name: String,
    /// Telephone number.
    pub phone: String,
    /// When somebody answers.
    pub hours: String,
    /// Web address.
    pub url: String,
}

impl Contact {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Name and value of what is known, in the order of the configuration.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("name", &self.name), ("phone", &self.phone), ("hours", &self.hours), ("url", &self.url)];
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.as_str()))
    }
}

/// Both of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts {
    /// The shop's own.
    pub shop: Contact,
    /// The acquirer's.
    pub acquirer: Contact,
}

impl Contacts {
    /// One of the two.
    pub fn of(&self, party: Party) -> &Contact {
        match party {
            Party::Shop => &self.shop,
            Party::Acquirer => &self.acquirer,
        }
    }
}
