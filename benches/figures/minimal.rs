//! The least program of the daemon's kind: a database, a place on the bus, word to the service manager. The floor of
//! memory and start; run as a process of its own by this same file.

use std::error::Error;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zbus::connection::Builder;
use zbus::interface;

/// What `main` is asked with to be this.
pub const WORD: &str = "minimal";

struct Face;

#[interface(name = "org.example.Minimal")]
impl Face {
    #[zbus(property)]
    fn state(&self) -> &str {
        "ready"
    }
}

/// Serves until it is killed.
pub fn run(bus: &str, directory: &Path) -> Result<(), Box<dyn Error>> {
    let db = rusqlite::Connection::open(directory.join("minimal.db"))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE IF NOT EXISTS sale (id INTEGER PRIMARY KEY, amount INTEGER) STRICT")?;
    let (_work, wait) = std::sync::mpsc::channel::<i64>();
    std::thread::spawn(move || {
        for amount in wait {
            // Nobody asks it to: it is here for its size.
            let _ = db.execute("INSERT INTO sale (amount) VALUES (?1)", [amount]);
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let builder = Builder::address(bus).serve_at("/minimal", Face).name("org.example.Minimal");
        let _connection = builder.build().await?;
        sd_notify::notify(&[sd_notify::NotifyState::Ready])?;
        std::future::pending::<()>().await;
        Ok(())
    })
}

/// One that has said `READY=1`; dropping it ends it.
pub struct Minimal(Child);

impl Minimal {
    pub fn start(bus: &str, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let socket = directory.join("minimal.sock");
        // Left over from the one before.
        let _ = std::fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket)?;
        notify.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORD).arg(bus).arg(directory).env("NOTIFY_SOCKET", &socket).stdin(Stdio::null());
        let started = Self(command.spawn()?);
        notify.recv(&mut [0; 64])?;
        Ok(started)
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Minimal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
