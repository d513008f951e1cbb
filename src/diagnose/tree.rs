//! The decision tree: from what probes found to the first broken link, by elimination.
//!
//! Owns: which finding outweighs which. Must not know: how anything is looked at. The rule behind all of it: whoever answers
//! acquits everything on the way to him. An answer of the acquirer acquits the whole network; an answer of any other
//! host outside acquits the shop's part of it; and only where nobody outside answers is the shop's part accused, from
//! the cable outwards.

use crate::domain::cause::Cause;
use crate::domain::diagnosis::{Fault, Finding, Found, Step, Verdict};

/// A step, what it means, and whether a contrast rules the other side out.
struct Blame {
    cause: Cause,
    step: Step,
    sure: bool,
}

/// The steps of the shop's own network, nearest first.
const OWN: [Step; 3] = [Step::Link, Step::Address, Step::Gateway];

/// Names the first broken link.
pub fn judge(mut findings: Vec<Finding>, milliseconds: u64) -> Verdict {
    findings.sort_by_key(|finding| finding.step);
    let case = Case { findings: &findings };
    let blame = case.service().or_else(|| case.network()).or_else(|| case.known());
    let ruled_out = case.ruled_out(blame.as_ref());
    let evidence = blame.as_ref().map_or_else(String::new, |blame| case.evidence(blame));
    Verdict {
        cause: blame.as_ref().map(|b| b.cause),
        step: blame.as_ref().map(|b| b.step),
        evidence,
        sure: blame.as_ref().is_none_or(|b| b.sure),
        ruled_out,
        findings,
        milliseconds,
    }
}

/// Everything found, with the questions one asks of it.
struct Case<'a> {
    findings: &'a [Finding],
}

impl Case<'_> {
    fn at(&self, step: Step) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.step == step)
    }

    fn found(&self, step: Step) -> Found {
        self.at(step).map_or(Found::NotRun, |finding| finding.found)
    }

    fn fault(&self, step: Step) -> Option<Fault> {
        match self.found(step) {
            Found::Failed(fault) => Some(fault),
            Found::Worked | Found::NotRun | Found::NotNeeded | Found::TimedOut => None,
        }
    }

    fn worked(&self, step: Step) -> bool {
        self.found(step) == Found::Worked
    }

    /// Somebody else outside answers.
    fn outside(&self) -> bool {
        !self.portal() && (self.worked(Step::Control) || self.worked(Step::ControlByName))
    }

    /// The acquirer's machine answers, if only by taking the connection.
    fn reached(&self) -> bool {
        self.worked(Step::Acquirer) || self.worked(Step::Tls) || self.worked(Step::Host)
    }

    fn portal(&self) -> bool {
        [Step::Portal, Step::Tls, Step::Host].iter().any(|step| self.fault(*step) == Some(Fault::WebPage))
    }

    fn contrast_failed(&self) -> bool {
        self.fault(Step::Control).is_some() || self.fault(Step::ControlByName).is_some()
    }

    /// Whether there is any complaint at all about the way to the host.
    fn complaint(&self) -> bool {
        let toward = [Step::Names, Step::Acquirer, Step::Tls, Step::Host];
        let own = self.fault(Step::Address).is_some() || self.own_link_broken();
        own || toward.iter().any(|step| self.found(*step).failed()) || self.found(Step::Host) == Found::TimedOut
    }

    fn router_silent(&self) -> bool {
        self.fault(Step::Gateway).is_some_and(|fault| fault != Fault::Weak)
    }

    /// Where the own network carries, but badly: the radio, or what is lost on the way to the next router.
    fn weak(&self) -> Option<Step> {
        [Step::Link, Step::Gateway].into_iter().find(|step| self.fault(*step) == Some(Fault::Weak))
    }

    fn own_link_broken(&self) -> bool {
        matches!(self.fault(Step::Link), Some(fault) if fault != Fault::Weak)
    }

    /// A daemon that does not work tries nothing; what is behind it does not matter yet.
    fn service(&self) -> Option<Blame> {
        match self.fault(Step::Service) {
            Some(Fault::Known(cause)) => Some(sure(cause, Step::Service)),
            _ => None,
        }
    }

    /// The first broken link between this machine and an answer of the host.
    fn network(&self) -> Option<Blame> {
        if self.worked(Step::Host) || !self.complaint() {
            return None;
        }
        if self.fault(Step::Tls) == Some(Fault::Certificate) {
            // A certificate's dates cannot be judged by a clock that is wrong itself.
            let clock = self.fault(Step::Clock).is_some();
            return Some(if clock { sure(Cause::P01, Step::Clock) } else { sure(Cause::N09, Step::Tls) });
        }
        if self.portal() {
            let step = [Step::Host, Step::Tls].into_iter().find(|s| self.fault(*s) == Some(Fault::WebPage));
            return Some(sure(Cause::N08, step.unwrap_or(Step::Portal)));
        }
        if self.reached() {
            return self.host_blame(true);
        }
        if self.outside() {
            return Some(self.beyond_the_shop());
        }
        self.own_part().or_else(|| self.without_contrast())
    }

    /// The acquirer is not reached, another host is.
    fn beyond_the_shop(&self) -> Blame {
        if !self.worked(Step::ControlByName) {
            match self.fault(Step::Names) {
                Some(Fault::NoNameServer | Fault::NameUnknown) => return sure(Cause::N04, Step::Names),
                // Names lead somewhere, and nobody is there: the name server tells stories.
                _ if self.names_mislead() => return sure(Cause::N04, Step::ControlByName),
                _ => {}
            }
        }
        if self.fault(Step::Names) == Some(Fault::AcquirerUnknown) {
            return sure(Cause::N05, Step::Names);
        }
        if self.found(Step::Acquirer).failed() {
            return sure(Cause::N05, Step::Acquirer);
        }
        self.host_blame(true).unwrap_or(Blame { cause: Cause::N05, step: Step::Acquirer, sure: true })
    }

    /// Every host known by name is away, one known by address answers.
    fn names_mislead(&self) -> bool {
        // Where the acquirer is known by address, names do not matter.
        let needed = !matches!(self.found(Step::Names), Found::NotNeeded | Found::NotRun);
        needed && self.worked(Step::Control) && self.fault(Step::ControlByName).is_some()
    }

    /// Nobody outside answers: the own part, from the cable outwards.
    fn own_part(&self) -> Option<Blame> {
        if self.own_link_broken() {
            return Some(sure(Cause::N01, Step::Link));
        }
        if self.fault(Step::Address).is_some() {
            return Some(sure(Cause::N02, Step::Address));
        }
        if self.fault(Step::Acquirer) == Some(Fault::Refused) && !self.all_refused() {
            // A refusal is an answer: whoever gave it stands behind the shop's network.
            return Some(sure(Cause::N05, Step::Acquirer));
        }
        if !self.contrast_failed() {
            return None;
        }
        if self.router_silent() {
            return Some(sure(Cause::N03, Step::Gateway));
        }
        if let Some(step) = self.weak() {
            return Some(sure(Cause::N07, step));
        }
        let by_address = self.fault(Step::Control).is_some();
        if !by_address && matches!(self.fault(Step::Names), Some(Fault::NoNameServer | Fault::NameUnknown)) {
            return Some(Blame { cause: Cause::N04, step: Step::Names, sure: false });
        }
        let step = if by_address { Step::Control } else { Step::ControlByName };
        Some(Blame { cause: Cause::N06, step, sure: self.worked(Step::Gateway) })
    }

    /// A firewall that refuses everything answers for everybody.
    fn all_refused(&self) -> bool {
        [Step::Control, Step::ControlByName].iter().any(|step| self.fault(*step) == Some(Fault::Refused))
    }

    /// No other host could be asked: the likeliest.
    fn without_contrast(&self) -> Option<Blame> {
        let guess = |cause, step| Some(Blame { cause, step, sure: false });
        match self.fault(Step::Names) {
            Some(Fault::NoNameServer | Fault::NameUnknown) => return guess(Cause::N04, Step::Names),
            Some(Fault::AcquirerUnknown) => return guess(Cause::N05, Step::Names),
            _ => {}
        }
        match self.fault(Step::Acquirer) {
            Some(Fault::Unreachable | Fault::NoRoute) => return guess(Cause::N02, Step::Acquirer),
            Some(_) if self.router_silent() => {
                return guess(Cause::N03, Step::Gateway);
            }
            Some(_) => return guess(Cause::N05, Step::Acquirer),
            None => {}
        }
        self.host_blame(false)
    }

    /// The connection stands; what comes of it.
    fn host_blame(&self, sure: bool) -> Option<Blame> {
        let blame = |cause, step| Some(Blame { cause, step, sure });
        let weak = self.weak().filter(|_| !self.outside());
        match self.found(Step::Host) {
            Found::Failed(Fault::Known(cause)) => blame(cause, Step::Host),
            Found::Failed(fault) => match weak {
                Some(step) => blame(Cause::N07, step),
                None if fault == Fault::NoByte => blame(Cause::N10, Step::Host),
                None => blame(Cause::B06, Step::Host),
            },
            Found::TimedOut => weak.map_or_else(|| blame(Cause::B06, Step::Host), |step| blame(Cause::N07, step)),
            Found::NotRun | Found::NotNeeded if self.fault(Step::Tls).is_some() => blame(Cause::N05, Step::Tls),
            Found::NotRun | Found::NotNeeded | Found::Worked => None,
        }
    }

    /// What the daemon knows of itself, in the order in which it matters to a payment.
    fn known(&self) -> Option<Blame> {
        const ORDER: [Step; 9] = [
            Step::Storage,
            Step::Keys,
            Step::Terminal,
            Step::Reader,
            Step::Keypad,
            Step::Clock,
            Step::Power,
            Step::Operator,
            // Last: cards are taken without it.
            Step::Scanner,
        ];
        ORDER.into_iter().find_map(|step| match self.fault(step) {
            Some(Fault::Known(cause)) => Some(sure(cause, step)),
            _ => None,
        })
    }

    fn evidence(&self, blame: &Blame) -> String {
        let said = |step: Step| self.at(step).map(|f| f.evidence.clone()).filter(|e| !e.is_empty());
        let seen = said(blame.step).unwrap_or_default();
        // The contrast is part of the evidence.
        let contrast = match blame.cause {
            Cause::N04 | Cause::N05 | Cause::N10 | Cause::B06 if self.outside() => {
                [Step::ControlByName, Step::Control].into_iter().find(|s| self.worked(*s)).and_then(said)
            }
            Cause::N03 | Cause::N06 if blame.step != Step::Acquirer => said(Step::Acquirer),
            _ => None,
        };
        match contrast {
            Some(contrast) if contrast != seen => format!("{seen}; {contrast}"),
            _ => seen,
        }
    }

    /// Everything that worked, and everything an answer from behind it acquits.
    fn ruled_out(&self, blame: Option<&Blame>) -> Vec<Step> {
        let answered = self.worked(Step::Host);
        let outside = answered || self.reached() || self.outside();
        let proven = |step: Step| {
            (outside && OWN.contains(&step))
                || (answered && step < Step::Host && !matches!(step, Step::Control | Step::ControlByName))
        };
        let accused = |step: Step| blame.is_some_and(|blame| blame.step == step);
        let innocent = |f: &&Finding| !accused(f.step) && (f.found == Found::Worked || proven(f.step));
        self.findings.iter().filter(innocent).map(|f| f.step).collect()
    }
}

const fn sure(cause: Cause, step: Step) -> Blame {
    Blame { cause, step, sure: true }
}
