//! Amounts as people type them.

use crate::app::posctl::error::Fault;
use crate::domain::amount::{Amount, Currency, Money};

/// Reads `12.80` with the digits the currency has. No float is ever involved.
pub fn parse(text: &str, currency: &str) -> Result<Money, Fault> {
    let currency: Currency =
        currency.to_ascii_uppercase().parse().map_err(|_| Fault::Currency { given: shown(currency) })?;
    let wrong = || Fault::Amount { given: shown(text), currency };
    let digits = usize::from(currency.exponent());
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) | Some(("", _)) => return Err(wrong()),
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || fraction.len() > digits {
        return Err(wrong());
    }
    let minor = format!("{whole}{fraction:0<digits$}").parse::<u64>().map_err(|_| wrong())?;
    Ok(Money { amount: Amount::new(minor).ok_or_else(wrong)?, currency })
}

/// Minor units with their currency; without a known currency just the numbers.
pub fn show(minor: u64, currency: &str) -> String {
    match (Amount::new(minor), currency.parse::<Currency>()) {
        (Some(amount), Ok(currency)) => Money { amount, currency }.to_string(),
        _ => format!("{currency} {minor}").trim().to_owned(),
    }
}

/// What was typed, made harmless for a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(text: &str, currency: &str) -> Option<u64> {
        parse(text, currency).ok().map(|money| money.amount.minor())
    }

    #[test]
    fn an_amount_has_as_many_digits_after_the_point_as_its_currency() {
        assert_eq!(minor("128", "CNY"), Some(12_800));
        assert_eq!(minor("128.5", "CNY"), Some(12_850));
        assert_eq!(minor("128.05", "cny"), Some(12_805));
        assert_eq!(minor("0.01", "CNY"), Some(1));
        assert_eq!(minor("128", "JPY"), Some(128));
        assert_eq!(minor("1.234", "KWD"), Some(1_234));
        assert_eq!(minor("9999999999.99", "CNY"), Some(999_999_999_999));
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for wrong in
            ["", ".", "1.", ".5", "-1", "+1", "1,5", "1e3", "0", "0.00", "1.005", "１２", "10000000000", " 1", "1.2.3"]
        {
            assert_eq!(minor(wrong, "CNY"), None, "{wrong:?}");
        }
        assert_eq!(minor("1.5", "JPY"), None);
        assert_eq!(minor("1", "XXX"), None);
        assert_eq!(minor("99999999999999999999999999", "CNY"), None);
    }
}
