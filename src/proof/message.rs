//! What travels between the terminal and the acquirer, as far as the simulation looks at it.

use crate::domain::host::{HostAnswer, HostRequest, KeyCheck, ReversalReason, SaleAnswer};
use crate::domain::ids::{Batch, Stan};
use crate::domain::pan::Pan;

/// Batch and trace: how acquirers tell payments apart.
pub type Trace = (u32, u32);

/// As a pair that can be sorted.
pub fn trace(batch: Batch, stan: Stan) -> Trace {
    (batch.get(), stan.get())
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it asks.
    pub body: Body,
    /// The working keys it was made with, by their number; `None`: there were none.
    pub keys: Option<u32>,
}

/// What a request asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// 0800.
    SignIn(Trace),
    /// 0820 / 002.
    SignOut(Trace),
    /// 0820 / 301.
    Echo,
    /// 0200.
    Sale(Charged, bool),
    /// 0400.
    Reversal(Charged, ReversalReason),
    /// 0220; whether it is marked as a repeat.
    Offline(Charged, bool),
    /// 0620 of another payment's script.
    Script(Trace, Trace),
}

/// Who is to pay what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Batch and trace.
    pub trace: Trace,
    /// Minor units.
    pub minor: u64,
    /// Which card, by its number in the wallet.
    pub card: usize,
}

impl Message {
    /// Of a request that leaves.
    pub fn new(request: &HostRequest, keys: Option<u32>, card_of: impl Fn(&Pan) -> usize) -> Self {
        let body = match request {
            HostRequest::SignIn(r) => Body::SignIn(trace(r.batch, r.stan)),
            HostRequest::SignOut { stan, batch } => Body::SignOut(trace(*batch, *stan)),
            HostRequest::Echo { .. } => Body::Echo,
            HostRequest::Sale(r) => {
                let charged = Charged {
                    trace: trace(r.batch, r.stan),
                    minor: r.money.amount.minor(),
                    card: card_of(&r.card.pan),
                };
                Body::Sale(charged, r.pin_block.is_some())
            }
            HostRequest::Reversal(r) => {
                let charged =
                    Charged { trace: trace(r.batch, r.stan), minor: r.money.amount.minor(), card: card_of(&r.pan) };
                Body::Reversal(charged, r.reason)
            }
            HostRequest::OfflineSale { sale, repeat } => {
                let charged = Charged {
                    trace: trace(sale.batch, sale.stan),
                    minor: sale.money.amount.minor(),
                    card: card_of(&sale.pan),
                };
                Body::Offline(charged, *repeat)
            }
            HostRequest::ScriptReport { stan, report } => {
                let (original, batch, _) = &report.original;
                Body::Script(trace(*batch, *stan), trace(*batch, *original))
            }
        };
        Self { body, keys }
    }

    /// The host machine of a terminal takes an answer only for the request that is under way: same kind, same trace.
    pub fn same_exchange(&self, other: &Self) -> bool {
        match (&self.body, &other.body) {
            (Body::SignIn(a), Body::SignIn(b))
            | (Body::SignOut(a), Body::SignOut(b))
            | (Body::Script(a, _), Body::Script(b, _)) => a == b,
            (Body::Echo, Body::Echo) => true,
            (Body::Sale(a, _), Body::Sale(b, _))
            | (Body::Reversal(a, _), Body::Reversal(b, _))
            | (Body::Offline(a, _), Body::Offline(b, _)) => a.trace == b.trace,
            _ => false,
        }
    }

    /// For the table.
    pub fn kind(&self) -> &'static str {
        match &self.body {
            Body::SignIn(_) => "0800 sign-ins",
            Body::SignOut(_) => "0820 sign-outs",
            Body::Echo => "0820 echo tests",
            Body::Sale(..) => "0200 sales",
            Body::Reversal(..) => "0400 reversals",
            Body::Offline(_, false) => "0220 uploads",
            Body::Offline(_, true) => "0220 uploads repeated",
            Body::Script(..) => "0620 script reports",
        }
    }

    /// Whether the host checks a MAC on it.
    pub fn has_mac(&self) -> bool {
        matches!(self.body, Body::Sale(..) | Body::Reversal(..) | Body::Offline(..) | Body::Script(..))
    }

    /// The trace it bears, and whether the trace is its own, not an earlier message's.
    pub fn trace(&self) -> Option<(Trace, bool)> {
        match &self.body {
            Body::SignIn(t) | Body::SignOut(t) | Body::Script(t, _) => Some((*t, true)),
            Body::Echo => None,
            Body::Sale(c, _) => Some((c.trace, true)),
            Body::Reversal(c, _) => Some((c.trace, false)),
            Body::Offline(c, _) => Some((c.trace, true)),
        }
    }
}

/// An answer, for the log.
pub fn said(answer: &HostAnswer) -> String {
    let parts = |what: &str, a: &SaleAnswer| {
        let script = if a.issuer_script { " script" } else { "" };
        format!("{what} {} mac {}{script} asks {:?}", a.response.code, a.mac, a.asks)
    };
    match answer {
        HostAnswer::SignIn(a) => {
            let keys = match &a.keys {
                KeyCheck::Good { wrapped } => format!("keys {wrapped:?}"),
                KeyCheck::Bad { cause, .. } => format!("keys bad {cause}"),
                KeyCheck::NotSent => "no keys".to_owned(),
            };
            format!("0810 {} {keys} batch {:?} asks {:?}", a.response.code, a.batch.map(Batch::get), a.asks)
        }
        HostAnswer::SignOut(response) | HostAnswer::Echo(response) => format!("0830 {}", response.code),
        HostAnswer::Sale(a) => parts("0210", a),
        HostAnswer::OfflineSale(a) => parts("0230", a),
        HostAnswer::Reversal { response, mac, asks } => format!("0410 {} mac {mac} asks {asks:?}", response.code),
        HostAnswer::ScriptReport(response) => format!("0630 {}", response.code),
    }
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |t: &Trace| format!("{:06}/{:06}", t.0, t.1);
        match &self.body {
            Body::SignIn(t) => write!(f, "0800 {}", shown(t)),
            Body::SignOut(t) => write!(f, "0820 {}", shown(t)),
            Body::Echo => write!(f, "echo"),
            Body::Sale(c, pin) => {
                write!(f, "0200 {} {} card {}{}", shown(&c.trace), c.minor, c.card, if *pin { " pin" } else { "" })
            }
            Body::Reversal(c, reason) => {
                write!(f, "0400 {} {} card {} reason {reason}", shown(&c.trace), c.minor, c.card)
            }
            Body::Offline(c, repeat) => {
                let repeat = if *repeat { " repeat" } else { "" };
                write!(f, "0220 {} {} card {}{repeat}", shown(&c.trace), c.minor, c.card)
            }
            Body::Script(t, original) => write!(f, "0620 {} of {}", shown(t), shown(original)),
        }
    }
}
