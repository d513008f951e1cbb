//! 0400: takes a charge back, exactly once.
//!
//! Owns: how the original is found and compared. Must not know: how the answer travels.
//!
//! Format 30, terminal 97, merchant 03, MAC A0, forced code, original unknown or never charged 25, another amount 64,
//! another card or approval 22. A repeated reversal is answered 00 again and changes nothing. An upload cannot be reversed:
//! it is an original that is unknown.

use super::centre::{Centre, Extras, Moment, forced_code, is_approval};
use super::ledger::{Entry, Kind, Status};
use super::request::{Field60, Refusal, forbid, number, require, text};
use crate::codec::iso8583::Message;
use crate::domain::pan::Pan;

impl Centre {
    pub(super) fn reversal(&mut self, request: &Message, moment: &Moment<'_>) -> Result<Extras, Refusal> {
        require(request, &[3, 4, 11, 22, 25, 39, 41, 42, 49, 60, 64])?;
        let field60 = Field60::financial(request)?;
        // A track or a PIN must not be kept after the sale, so a reversal cannot have it.
        forbid(request, &[26, 35, 36, 37, 52, 53])?;
        self.identify(request)?;
        self.check_mac(request)?;
        if !matches!(text(request, 39)?, "06" | "96" | "98" | "A0") {
            return Err(Refusal::new("30", "field 39 of a reversal must be 06, 96, 98 or A0"));
        }
        let code = forced_code(moment.plan)?;
        // The batch is the original's, which may be over by now.
        let key = self.key(request, field60.batch)?;
        let original =
            self.ledger.find(&key).filter(|entry| entry.kind == Kind::Online && entry.status != Status::Declined);
        let Some(original) = original.cloned() else {
            self.counters.unknown_originals += 1;
            return Err(Refusal::new("25", "no charge with this batch and trace"));
        };
        compare(request, &original)?;
        let mut extras = Extras { repeated: &[2], sign: is_approval(&code), code, ..Extras::default() };
        extras.digits.push((15, moment.date()));
        match original.status {
            Status::Reversed => self.counters.repeated_reversals += 1,
            Status::Charged | Status::Declined => {
                let reason = text(request, 39)?.to_owned();
                let reversed = Entry { at: moment.wall.0, status: Status::Reversed, code: reason, ..original };
                extras.record = Some(self.ledger.write(key, reversed));
            }
        }
        Ok(extras)
    }
}

/// Whether a request is about the card and the amount of an earlier one.
pub(super) fn compare(request: &Message, original: &Entry) -> Result<(), Refusal> {
    // Of a partial approval the terminal names what it asked for.
    if number(request, 4)? != original.asked || text(request, 49)? != original.currency {
        return Err(Refusal::new("64", "the amount differs from the original's"));
    }
    if let Some(pan) = request.text(2).and_then(Pan::new)
        && pan.masked() != original.pan
    {
        return Err(Refusal::new("22", "the card differs from the original's"));
    }
    match request.text(38) {
        Some(auth) if auth.trim_end() != original.auth => {
            Err(Refusal::new("22", "the authorisation code differs from the original's"))
        }
        _ => Ok(()),
    }
}
