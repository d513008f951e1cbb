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
mod wear;

pub use acquirer::acquirer;
pub use control::{Contrast, control};
pub use disk::disk;
pub use gateway::gateway;
pub use local::{Local, Router, local};
pub use names::names;
pub use power::power;
pub use wear::{Wear, wear};

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use crate::domain::diagnosis::Finding;
use crate::domain::link::Endpoint;
use crate::domain::time::Instant;
use crate::driver::clock;

/// The address, if it is given as one.
fn literal(endpoint: &Endpoint) -> Option<IpAddr> {
    endpoint.host.parse().ok()
}

/// Addresses of endpoints that are given by address.
pub fn literals(endpoints: &[Endpoint]) -> Vec<IpAddr> {
    endpoints.iter().filter_map(literal).collect()
}

/// Milliseconds since then.
pub fn milliseconds(start: Instant) -> u64 {
    clock::now().mono.milliseconds_since(start)
}

/// Runs a probe and adds how long it took.
pub async fn timed(probe: impl Future<Output = Finding>) -> Finding {
    let start = clock::now().mono;
    let finding = probe.await;
    finding.took(milliseconds(start))
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
