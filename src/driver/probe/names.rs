//! Whether the acquirer's names resolve, and if not, whether any name does.

use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::{Boxed, literal};
use crate::domain::diagnosis::{Fault, Finding, Found, Step};
use crate::domain::link::Endpoint;

/// What came of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// It has addresses.
    Known,
    /// It has none.
    Unknown,
    /// Nobody said anything.
    Silent,
}

/// Resolves the names of the acquirer, with those of the control hosts as contrast.
pub async fn names(acquirer: &[Endpoint], control: &[Endpoint], within: Duration) -> Finding {
    let named = |all: &[Endpoint]| all.iter().filter(|e| literal(e).is_none()).cloned().collect::<Vec<_>>();
    let (own, others) = (named(acquirer), named(control));
    if own.is_empty() {
        return Finding::new(Step::Names, Found::NotNeeded, "the acquirer is known by address");
    }
    let ask = |endpoint: &Endpoint| -> Boxed<'_, Resolved> {
        let endpoint = endpoint.clone();
        Box::pin(async move { resolve(&endpoint, within).await })
    };
    let answers = join_all(own.iter().chain(&others).map(ask)).await;
    let (ours, theirs) = answers.split_at(own.len().min(answers.len()));
    let list = own.iter().map(|e| e.host.as_str()).collect::<Vec<_>>().join(", ");
    let finding = |found, evidence: String| Finding::new(Step::Names, found, evidence);
    if ours.contains(&Resolved::Known) {
        finding(Found::Worked, format!("{list}: resolved"))
    } else if theirs.contains(&Resolved::Known) {
        finding(Found::Failed(Fault::AcquirerUnknown), format!("{list}: not known, while other names are"))
    } else if ours.contains(&Resolved::Unknown) {
        finding(Found::Failed(Fault::NameUnknown), format!("{list}: not known"))
    } else {
        finding(Found::Failed(Fault::NoNameServer), format!("{list}: no name server answers"))
    }
}

pub(super) async fn resolve(endpoint: &Endpoint, within: Duration) -> Resolved {
    match timeout(within, lookup_host((endpoint.host.as_str(), endpoint.port))).await {
        Ok(Ok(mut found)) => found.next().map_or(Resolved::Unknown, |_| Resolved::Known),
        Ok(Err(error)) if is_unknown(&error) => Resolved::Unknown,
        Ok(Err(_)) | Err(_) => Resolved::Silent,
    }
}

/// The resolver says so by its words only; they are not translated, since this program sets no locale.
fn is_unknown(error: &io::Error) -> bool {
    let text = error.to_string();
    ["not known", "No address associated"].iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_name_server() {
        let acquirer = ["192.0.2.7:5610".parse().unwrap(), "[2001:db8::7]:5610".parse().unwrap()];
        let control = ["nowhere.invalid:80".parse().unwrap()];
        assert_eq!(names(&acquirer, &control, Duration::from_secs(1)).await.found, Found::NotNeeded);
    }
}
