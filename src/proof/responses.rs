//! The acquirer's table of response codes, as the example profile has it, as far as the simulated host uses it.

use crate::domain::response::{Response, ResponseAction, ResponseClass};

/// The payment is approved.
pub const APPROVALS: [&str; 4] = ["00", "00", "11", "A2"];
/// Not now.
pub const TEMPORARY: [&str; 4] = ["91", "96", "98", "A0"];
/// Never.
pub const PERMANENT: [&str; 5] = ["51", "14", "05", "43", "57"];
/// Whatever a payment may be answered with that is not plainly approved; some are in no table.
pub const ANYTHING: [&str; 22] = [
    "68", "68", "10", "51", "55", "05", "14", "25", "22", "12", "91", "96", "98", "30", "97", "03", "77", "99", "A0",
    "94", "Z9", "01",
];
/// What a sign-in may be refused with.
pub const REFUSALS: [&str; 9] = ["91", "96", "94", "77", "A0", "30", "97", "03", "58"];

/// What a code means.
pub fn response(code: &str) -> Response {
    use ResponseAction as A;
    use ResponseClass as C;
    let (class, action) = match code {
        "00" | "11" | "A2" => (C::Approved, A::None),
        "10" | "68" => (C::Refused, A::Reverse),
        "77" => (C::Operator, A::SignIn),
        "99" | "A0" => (C::Retry, A::SignIn),
        "97" => (C::Operator, A::Block),
        "30" => (C::Refused, A::Software),
        "90" | "91" | "92" | "96" => (C::Refused, A::Later),
        "98" => (C::System, A::Later),
        _ => (C::Refused, A::None),
    };
    Response { code: code.to_owned(), class, action, zh: format!("应答{code}"), en: format!("answer {code}") }
}

/// What it means in the answer to a sign-in, where some codes ask for something else.
pub fn at_sign_in(code: &str) -> Response {
    let meant = response(code);
    let action = match code {
        "68" | "77" | "94" | "99" | "A0" => ResponseAction::Later,
        "03" | "58" => ResponseAction::Block,
        _ => meant.action,
    };
    Response { action, ..meant }
}
