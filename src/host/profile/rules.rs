//! Settings that are good each by itself and cannot be together.

use super::SignInCode;
use super::offline;
use super::read::Places;
use super::responses::ResponseTable;
use crate::domain::response::ResponseAction;
use crate::host::key_block::MakRule;
use crate::host::mac::MacMethod;
use crate::host::settings::{At, Complaints};

/// Usual seconds for one address.
pub(super) const CONNECT: i64 = 5;
/// Usual seconds for all addresses.
pub(super) const REACH: i64 = 10;
/// Usual seconds for the answer to a sign-in.
pub(super) const SIGN_IN: i64 = 10;
/// Connecting and signing in together: a caller on D-Bus gives up after 25 seconds and must have the reason before.
const SIGN_IN_ALTOGETHER: i64 = 20;

pub(super) fn check(places: &Places, responses: &ResponseTable, complaints: &Complaints) {
    mac_key_length(places, complaints);
    sign_in_code(places, complaints);
    timers(places, complaints);
    checked_answers(places, responses, complaints);
    reversal_ends(places, responses, complaints);
    offline::check(places, responses, complaints);
}

fn mac_key_length(places: &Places, complaints: &Complaints) {
    let (Some(method), Some(mak)) = (&places.mac_method, &places.mak) else { return };
    let needed = match (method.value, mak.value) {
        (MacMethod::X919 | MacMethod::Cbc3Des, MakRule::Single) => "double",
        (MacMethod::X99, MakRule::Double) => "single",
        _ => return,
    };
    let set = if needed == "double" { "single" } else { "double" };
    let text = format!(
        "`keys.mak` is \"{set}\", but MAC method {} ({}) needs a MAC key of {} bytes; write mak = \"{needed}\" or \"auto\", or another method",
        method.value,
        method.place,
        if needed == "double" { 16 } else { 8 },
    );
    complaints.add(&mak.place, text);
}

fn sign_in_code(places: &Places, complaints: &Complaints) {
    let Some(At { value: code, place }) = &places.sign_in else { return };
    if let Some(at) = places.encrypt_track.as_ref().filter(|at| at.value)
        && *code != SignInCode::DoubleWithTrack
    {
        let text = format!(
            "`message.sign_in_code` is \"{}\", which brings no track key, but `track.encryption` is on ({}); write \"004\" or encryption = false",
            code.digits(),
            at.place,
        );
        complaints.add(place, text);
    }
    if *code != SignInCode::Single {
        return;
    }
    if let Some(at) = places.mak.as_ref().filter(|at| at.value == MakRule::Double) {
        let text = format!(
            "`message.sign_in_code` is \"001\", which brings single-length keys, but `keys.mak` is \"double\" ({}); write \"003\" or \"004\", or mak = \"auto\"",
            at.place,
        );
        complaints.add(place, text);
    }
    if let Some(at) = places.mac_method.as_ref().filter(|at| matches!(at.value, MacMethod::X919 | MacMethod::Cbc3Des)) {
        let text = format!(
            "`message.sign_in_code` is \"001\", which brings single-length keys, but MAC method {} ({}) needs a double-length one; write \"003\" or \"004\", or method = \"ecb\" or \"x99\"",
            at.value, at.place,
        );
        complaints.add(place, text);
    }
}

fn timers(places: &Places, complaints: &Complaints) {
    let value = |at: &Option<At<i64>>, usual| at.as_ref().map_or(usual, |at| at.value);
    let (connect, reach) = (value(&places.connect, CONNECT), value(&places.reach, REACH));
    let sign_in = value(&places.sign_in_timer, SIGN_IN);
    if connect > reach
        && let Some(at) = places.connect.as_ref().or(places.reach.as_ref())
    {
        let text = format!(
            "`timers.connect` is {connect} for one address, but `timers.reach` allows {reach} for all of them; write a connect of at most {reach}"
        );
        complaints.add(&at.place, text);
    }
    if reach + sign_in > SIGN_IN_ALTOGETHER
        && let Some(at) = places.sign_in_timer.as_ref().or(places.reach.as_ref())
    {
        let text = format!(
            "`timers.reach` ({reach}) and `timers.sign_in` ({sign_in}) are more than {SIGN_IN_ALTOGETHER} seconds together, so a caller would give up before the reason is known; make them shorter"
        );
        complaints.add(&at.place, text);
    }
}

fn checked_answers(places: &Places, responses: &ResponseTable, complaints: &Complaints) {
    let Some(list) = &places.due else { return };
    unknown_codes("mac.check_answers", list, responses, complaints);
    if !list.value.iter().any(|at| at.value == "00") {
        let text = "`mac.check_answers` lacks \"00\", so anybody could approve a payment; add \"00\"";
        complaints.add(&list.place, text);
    }
}

fn reversal_ends(places: &Places, responses: &ResponseTable, complaints: &Complaints) {
    let Some(list) = &places.end_codes else { return };
    unknown_codes("reversal.end_codes", list, responses, complaints);
    if !list.value.iter().any(|at| at.value == "00") {
        complaints.add(&list.place, "`reversal.end_codes` lacks \"00\", so no reversal would ever end; add \"00\"");
    }
    for code in &list.value {
        let action = responses.resolve(&code.value).action;
        if matches!(action, ResponseAction::SignIn | ResponseAction::Later) {
            let text = format!(
                "`reversal.end_codes` has \"{}\", whose action is \"{action}\": the reversal was not done, and the customer would stay charged; remove it",
                code.value
            );
            complaints.add(&code.place, text);
        }
    }
}

pub(super) fn unknown_codes(
    name: &str,
    list: &At<Vec<At<String>>>,
    responses: &ResponseTable,
    complaints: &Complaints,
) {
    for code in list.value.iter().filter(|at| !responses.knows(&at.value)) {
        let text = format!(
            "`{name}` has \"{}\", which is not in the table `responses`; add it there or remove it",
            code.value
        );
        complaints.add(&code.place, text);
    }
}
