//! TCP and TLS to every address of the acquirer. Only for when the core has no connection: some hosts take one only.

use std::time::Duration;

use futures_util::future::join_all;

use super::Boxed;
use crate::domain::diagnosis::{Fault, Finding, Found, Step};
use crate::domain::link::{ConnectFailure, ConnectFailureKind};
use crate::driver::tcp::{self, Acquirer};

/// Opens a connection to each address and closes it again; nothing is sent.
pub async fn acquirer(to: &Acquirer, within: Duration) -> [Finding; 2] {
    let attempt = |index: usize| -> Boxed<'_, Result<(), ConnectFailure>> {
        Box::pin(async move { tcp::attempt(to, index, within).await })
    };
    let results = join_all((0..to.endpoints.len()).map(attempt)).await;
    sum(to, &results)
}

fn sum(to: &Acquirer, results: &[Result<(), ConnectFailure>]) -> [Finding; 2] {
    let plain = !to.trust.has_tls();
    let tcp = |found, seen: &str| Finding::new(Step::Acquirer, found, seen);
    let tls = |found, seen: &str| Finding::new(Step::Tls, found, seen);
    let no_tls = || tls(Found::NotNeeded, "this line has no TLS");
    if let Some((_, at)) = results.iter().zip(&to.endpoints).find(|(result, _)| result.is_ok()) {
        let seen = format!("{at} takes the connection");
        let secured = if plain { no_tls() } else { tls(Found::Worked, "the certificate is the right one") };
        return [tcp(Found::Worked, &seen), secured];
    }
    let failures: Vec<&ConnectFailure> = results.iter().filter_map(|r| r.as_ref().err()).collect();
    let seen = to.endpoints.iter().zip(&failures).map(|(at, f)| format!("{at}: {}", f.evidence)).collect::<Vec<_>>();
    let seen = seen.join("; ");
    // A certificate outweighs any line that is merely down.
    let beyond = failures.iter().find_map(|failure| match failure.kind {
        ConnectFailureKind::CertificateRefused | ConnectFailureKind::Setup => Some(Found::Failed(Fault::Certificate)),
        _ => None,
    });
    let other = failures.iter().find_map(|failure| match failure.kind {
        ConnectFailureKind::NotTls => Some(Found::Failed(Fault::WebPage)),
        ConnectFailureKind::Handshake => Some(Found::Failed(Fault::Refused)),
        _ => None,
    });
    if let Some(found) = beyond.or(other) {
        return [tcp(Found::Worked, "a connection is taken"), tls(found, &seen)];
    }
    let fault = |wanted| failures.iter().any(|failure| failure.kind == wanted);
    let found = if failures.is_empty() {
        Found::NotRun
    } else if fault(ConnectFailureKind::Refused) {
        Found::Failed(Fault::Refused)
    } else if fault(ConnectFailureKind::TimedOut) {
        Found::Failed(Fault::Silent)
    } else {
        Found::Failed(Fault::Unreachable)
    };
    [tcp(found, &seen), if plain { no_tls() } else { tls(Found::NotRun, "no connection") }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::link::Trust;

    fn failed(kind: ConnectFailureKind) -> Result<(), ConnectFailure> {
        Err(ConnectFailure { kind, evidence: String::new() })
    }

    #[test]
    fn one_address_that_works_is_enough_and_a_wrong_certificate_outweighs_a_dead_line() {
        use ConnectFailureKind::{CertificateRefused, Refused, TimedOut, Unreachable};
        let two = ["192.0.2.7:1", "192.0.2.8:1"].map(|text| text.parse().unwrap()).to_vec();
        let ca = "/nonexistent".into();
        let to = Acquirer { endpoints: two, trust: Trust::PinnedCa { ca, server_name: None } };
        let found = |results: &[Result<(), ConnectFailure>]| sum(&to, results).map(|finding| finding.found);
        assert_eq!(found(&[failed(TimedOut), Ok(())]), [Found::Worked, Found::Worked]);
        let certificate = Found::Failed(Fault::Certificate);
        assert_eq!(found(&[failed(CertificateRefused), failed(TimedOut)]), [Found::Worked, certificate]);
        assert_eq!(found(&[failed(TimedOut), failed(Refused)])[0], Found::Failed(Fault::Refused));
        assert_eq!(found(&[failed(TimedOut), failed(Unreachable)])[0], Found::Failed(Fault::Silent));
        assert_eq!(found(&[failed(Unreachable), failed(Unreachable)])[0], Found::Failed(Fault::Unreachable));
    }
}
