//! The bare zbus program that D-Bus calls are compared with.

use std::sync::OnceLock;
use std::time::Duration;

use nix::unistd::{Pid, gettid};
use zbus::connection::Builder;
use zbus::interface;

pub const NAME: &str = "org.example.Echo";
pub const PATH: &str = "/echo";

/// The thread that serves it.
static THREAD: OnceLock<Pid> = OnceLock::new();

struct Echo;

#[interface(name = "org.example.Echo")]
impl Echo {
    fn ping(&self) -> u32 {
        1
    }
}

/// Serves it on this bus until the process ends, once; gives the thread that does.
pub fn start(address: &str) -> Result<Pid, Box<dyn std::error::Error>> {
    if let Some(serving) = THREAD.get() {
        return Ok(*serving);
    }
    let address = address.to_owned();
    let (ready, wait) = std::sync::mpsc::channel();
    // The echo has a thread and a runtime of its own, like the daemon has a process of its own.
    std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let builder = Builder::address(address.as_str()).serve_at(PATH, Echo).name(NAME);
            let _connection = builder.build().await?;
            ready.send(gettid())?;
            std::future::pending::<()>().await;
            Ok(())
        })
    });
    let serving = wait.recv_timeout(Duration::from_secs(10))?;
    Ok(*THREAD.get_or_init(|| serving))
}
