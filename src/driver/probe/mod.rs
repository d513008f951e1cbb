//! Probes of a diagnosis: each looks at one thing, within its own time, and says what it saw or why it could not look.
//!
//! Owns: sockets and files for looking. Must not know: what follows from what was seen. A probe sends no message to the
//! acquirer, never any card data, and writes nothing.

mod acquirer;
mod control;
mod disk;
mod gateway;
mod local;
mod names;
mod netlink;
mod power;

pub use acquirer::acquirer;
pub use control::{Contrast, control};
pub use disk::disk;
pub use gateway::gateway;
pub use local::{Local, Router, local};
pub use names::names;
pub use power::power;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::Poll;

use crate::domain::diagnosis::Finding;
use crate::domain::link::Endpoint;
use crate::driver::clock;

/// The address, if it is given as one.
fn literal(endpoint: &Endpoint) -> Option<IpAddr> {
    endpoint.host.parse().ok()
}

/// Addresses of endpoints that are given by address.
pub fn literals(endpoints: &[Endpoint]) -> Vec<IpAddr> {
    endpoints.iter().filter_map(literal).collect()
}

/// Runs a probe and adds how long it took.
pub async fn timed(probe: impl Future<Output = Finding>) -> Finding {
    let start = clock::now().mono;
    let finding = probe.await;
    finding.took(u64::try_from(clock::now().mono.since(start).as_millis()).unwrap_or(u64::MAX))
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs all at once and gives their results in order.
async fn all<T: Unpin>(futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut open: Vec<(Option<Boxed<'_, T>>, Option<T>)> = futures.into_iter().map(|f| (Some(f), None)).collect();
    std::future::poll_fn(|cx| {
        let mut waits = false;
        for (future, result) in &mut open {
            let Some(running) = future else { continue };
            match running.as_mut().poll(cx) {
                Poll::Ready(value) => (*future, *result) = (None, Some(value)),
                Poll::Pending => waits = true,
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    open.into_iter().filter_map(|(_, result)| result).collect()
}

/// Runs all at once and gives the first result that is one.
async fn first<T>(futures: Vec<Boxed<'_, Option<T>>>) -> Option<T> {
    let mut open: Vec<Option<Boxed<'_, Option<T>>>> = futures.into_iter().map(Some).collect();
    std::future::poll_fn(|cx| {
        let mut waits = false;
        for slot in &mut open {
            let Some(running) = slot else { continue };
            match running.as_mut().poll(cx) {
                Poll::Ready(Some(value)) => return Poll::Ready(Some(value)),
                Poll::Ready(None) => *slot = None,
                Poll::Pending => waits = true,
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(None) }
    })
    .await
}
