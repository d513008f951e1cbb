//! Money as integer minor units, and ISO 4217 currencies.

use std::fmt;
use std::str::FromStr;

/// The largest amount field 4 can carry: 12 digits.
pub const MAX_MINOR: u64 = 999_999_999_999;

/// An amount in minor units (fen, cents) without its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

impl Amount {
    /// The smallest there is.
    pub const MIN: Self = Self(1);

    /// Takes 1 ..= 999 999 999 999 minor units; `None` outside, since no payment may be zero or exceed field 4.
    pub const fn new(minor: u64) -> Option<Self> {
        if minor == 0 || minor > MAX_MINOR { None } else { Some(Self(minor)) }
    }

    /// The number of minor units.
    pub const fn minor(self) -> u64 {
        self.0
    }
}

/// An amount with its currency, as shown to a person: `CNY 12.34`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// Minor units.
    pub amount: Amount,
    /// Which currency they are of.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (alpha, _, exponent) = self.currency.row();
        let scale = 10u64.pow(u32::from(exponent));
        let minor = self.amount.minor();
        match exponent {
            0 => write!(f, "{alpha} {minor}"),
            e => write!(f, "{alpha} {}.{:0width$}", minor / scale, minor % scale, width = usize::from(e)),
        }
    }
}

/// Alphabetic code, numeric code, digits after the point.
type Row = (&'static str, u16, u8);

/// Currencies a terminal may be asked for; source: ISO 4217.
const CURRENCIES: [Row; 16] = [
    ("CNY", 156, 2),
    ("HKD", 344, 2),
    ("MOP", 446, 2),
    ("TWD", 901, 2),
    ("USD", 840, 2),
    ("EUR", 978, 2),
    ("GBP", 826, 2),
    ("JPY", 392, 0),
    ("KRW", 410, 0),
    ("SGD", 702, 2),
    ("THB", 764, 2),
    ("AUD", 36, 2),
    ("CAD", 124, 2),
    ("CHF", 756, 2),
    ("RUB", 643, 2),
    ("KWD", 414, 3),
];

/// An ISO 4217 currency that this daemon knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(u8);

impl Currency {
    /// Renminbi, 156.
    pub const CNY: Self = Self(0);

    fn row(self) -> Row {
        // The index is only ever made from CURRENCIES; the fallback keeps this total.
        CURRENCIES.get(usize::from(self.0)).copied().unwrap_or(("CNY", 156, 2))
    }

    /// `CNY`.
    pub fn alpha(self) -> &'static str {
        self.row().0
    }

    /// `156`.
    pub fn numeric(self) -> u16 {
        self.row().1
    }

    /// Digits after the point.
    pub fn exponent(self) -> u8 {
        self.row().2
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha())
    }
}

/// Not an ISO 4217 code this daemon knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown currency; write an ISO 4217 code such as CNY")]
pub struct UnknownCurrency;

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let index = CURRENCIES.iter().position(|row| row.0 == s).ok_or(UnknownCurrency)?;
        u8::try_from(index).map(Self).map_err(|_| UnknownCurrency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_with_its_currency_and_point() {
        let cny = Money { amount: Amount::new(1234).unwrap(), currency: Currency::CNY };
        assert_eq!(cny.to_string(), "CNY 12.34");
        let yen = Money { amount: Amount::new(500).unwrap(), currency: "JPY".parse().unwrap() };
        assert_eq!(yen.to_string(), "JPY 500");
        assert!("XXX".parse::<Currency>().is_err());
    }

    #[test]
    fn zero_and_thirteen_digits_are_no_amount() {
        assert_eq!(Amount::new(0), None);
        assert_eq!(Amount::new(MAX_MINOR + 1), None);
        assert!(Amount::new(MAX_MINOR).is_some());
    }
}
