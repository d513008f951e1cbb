//! The bare zbus program that D-Bus calls are compared with.

use std::time::Duration;

use zbus::connection::Builder;
use zbus::interface;

pub const NAME: &str = "org.example.Echo";
pub const PATH: &str = "/echo";

struct Echo;

#[interface(name = "org.example.Echo")]
impl Echo {
    fn ping(&self) -> u32 {
        1
    }
}

/// Serves it on this bus until the process ends; a second one gives way to the first.
pub fn start(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let address = address.to_owned();
    let (ready, wait) = std::sync::mpsc::channel();
    // The echo has a thread and a runtime of its own, like the daemon has a process of its own.
    std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let built = Builder::address(address.as_str()).serve_at(PATH, Echo).name(NAME).build().await;
            let _connection = match built {
                Ok(connection) => connection,
                Err(zbus::Error::NameTaken) => return Ok(ready.send(())?),
                Err(other) => return Err(other.into()),
            };
            ready.send(())?;
            std::future::pending::<()>().await;
            Ok(())
        })
    });
    Ok(wait.recv_timeout(Duration::from_secs(10))?)
}
