//! From a response code to a cause of the catalogue.

use crate::domain::cause::Cause;
use crate::domain::response::{Response, ResponseAction};

/// The cause a response stands for; `None` for approvals and for refusals that concern only this card.
pub fn cause_of(response: &Response) -> Option<Cause> {
    if response.approved() {
        return None;
    }
    match response.code.as_str() {
        "03" => Some(Cause::B03),
        "30" => Some(Cause::S06),
        "77" => Some(Cause::B04),
        "97" => Some(Cause::B02),
        "99" => Some(Cause::K02),
        "A0" => Some(Cause::K01),
        _ => match response.action {
            ResponseAction::Later => Some(Cause::B01),
            ResponseAction::Reverse => Some(Cause::B06),
            ResponseAction::Block => Some(Cause::B02),
            ResponseAction::Software => Some(Cause::S06),
            ResponseAction::SignIn => Some(Cause::K01),
            ResponseAction::None => None,
        },
    }
}
