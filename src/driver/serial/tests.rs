//! What it proves: over a pty the driver opens, holds, loses and finds its port again, and sleeps in between.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use super::*;

/// The far end of a serial line; dropping it unplugs the reader.
struct Line {
    master: std::fs::File,
    path: PathBuf,
}

impl Line {
    fn plug() -> Self {
        let pty = openpty(None, None).unwrap();
        let mut raw = tcgetattr(pty.slave.as_fd()).unwrap();
        cfmakeraw(&mut raw);
        tcsetattr(pty.slave.as_fd(), SetArg::TCSANOW, &raw).unwrap();
        let path = nix::unistd::ttyname(pty.slave.as_fd()).unwrap();
        Self { master: pty.master.into(), path }
    }

    /// Lets `link` lead here, in one step, as udev does.
    fn link(&self, link: &Path) {
        let next = link.with_extension("next");
        symlink(&self.path, &next).unwrap();
        std::fs::rename(next, link).unwrap();
    }
}

struct Driver {
    commands: mpsc::Sender<SerialCommand>,
    events: mpsc::Receiver<SerialEvent>,
    task: tokio::task::JoinHandle<()>,
}

impl Driver {
    fn start(path: &Path) -> Self {
        let (commands, take_commands) = mpsc::channel(16);
        let (give_events, events) = mpsc::channel(16);
        let settings = Settings { choice: Choice::Path(path.to_owned()), baud: 115_200 };
        Self { commands, events, task: tokio::spawn(run(settings, take_commands, give_events)) }
    }

    async fn event(&mut self) -> SerialEvent {
        tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await.expect("an event in time").unwrap()
    }

    async fn opened(&mut self) {
        match self.event().await {
            SerialEvent::Opened { .. } => {}
            SerialEvent::Received(_) => panic!("bytes before opening"),
            SerialEvent::Closed { reason } => panic!("closed: {reason}"),
        }
    }

    async fn closed(&mut self) -> String {
        match self.event().await {
            SerialEvent::Closed { reason } => reason,
            SerialEvent::Opened { .. } => panic!("opened"),
            SerialEvent::Received(_) => panic!("bytes"),
        }
    }

    async fn received(&mut self, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.event().await {
                SerialEvent::Received(bytes) => all.extend_from_slice(bytes.expose()),
                SerialEvent::Opened { .. } => panic!("opened"),
                SerialEvent::Closed { reason } => panic!("closed: {reason}"),
            }
        }
        all
    }

    async fn tell(&self, command: SerialCommand) {
        self.commands.send(command).await.unwrap();
    }

    async fn write(&self, bytes: &[u8]) {
        self.tell(SerialCommand::Write(SecretBytes::new(bytes.to_vec()))).await;
    }
}

/// Reads so many bytes at the far end.
async fn far_end(line: &Line, count: usize) -> Vec<u8> {
    let mut master = line.master.try_clone().unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; count];
        master.read_exact(&mut bytes).unwrap();
        bytes
    });
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("bytes in time").unwrap()
}

fn link_in(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("reader")
}

#[tokio::test]
async fn bytes_pass_both_ways() {
    let (dir, mut line) = (tempfile::tempdir().unwrap(), Line::plug());
    line.link(&link_in(&dir));
    let mut driver = Driver::start(&link_in(&dir));
    driver.opened().await;
    let all: Vec<u8> = (0..=255).collect();
    line.master.write_all(&all).unwrap();
    assert!(driver.received(256).await == all, "every byte value arrives unchanged");
    driver.write(&all).await;
    assert!(far_end(&line, 256).await == all, "every byte value leaves unchanged");
}

#[tokio::test]
async fn the_port_is_held_exclusively() {
    let (dir, line) = (tempfile::tempdir().unwrap(), Line::plug());
    line.link(&link_in(&dir));
    let mut driver = Driver::start(&link_in(&dir));
    driver.opened().await;
    assert!(tokio_serial::new(line.path.to_string_lossy(), 115_200).open_native_async().is_err());
    drop(driver.commands);
    tokio::time::timeout(Duration::from_secs(10), driver.task).await.expect("the driver ends").unwrap();
    assert!(tokio_serial::new(line.path.to_string_lossy(), 115_200).open_native_async().is_ok());
}

#[tokio::test]
async fn a_port_that_somebody_else_holds_is_taken_once_it_is_free() {
    let (dir, line) = (tempfile::tempdir().unwrap(), Line::plug());
    line.link(&link_in(&dir));
    let other = tokio_serial::new(line.path.to_string_lossy(), 115_200).open_native_async().unwrap();
    let mut driver = Driver::start(&link_in(&dir));
    assert!(driver.closed().await.contains("check the path and who may open it"));
    drop(other);
    driver.opened().await;
}

#[tokio::test]
async fn an_unplugged_reader_is_noticed_and_found_again_under_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut line = Line::plug();
    line.link(&link_in(&dir));
    let mut driver = Driver::start(&link_in(&dir));
    driver.opened().await;
    for round in 0..3u8 {
        let unplugged = std::time::Instant::now();
        drop(line);
        assert!(driver.closed().await.contains("plug the device in again"));
        assert!(unplugged.elapsed() < Duration::from_secs(1), "an unplug is to be noticed within a second");
        // What is written meanwhile is dropped and does not reach the next reader.
        driver.write(&[0xEE; 8]).await;
        line = Line::plug();
        line.link(&link_in(&dir));
        let plugged = std::time::Instant::now();
        loop {
            match driver.event().await {
                SerialEvent::Opened { .. } => break,
                // The reason may change from "gone" to "not there" in between.
                SerialEvent::Closed { .. } => {}
                SerialEvent::Received(_) => panic!("bytes from nowhere"),
            }
        }
        assert!(plugged.elapsed() < Duration::from_secs(3), "a reader is to be usable within three seconds");
        line.master.write_all(&[round; 4]).unwrap();
        assert!(driver.received(4).await == [round; 4]);
        driver.write(&[round; 3]).await;
        assert!(far_end(&line, 3).await == [round; 3]);
    }
}

#[tokio::test]
async fn a_reader_that_comes_later_is_found_without_being_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(&link_in(&dir));
    assert!(driver.closed().await.contains("plug the device in"));
    let line = Line::plug();
    line.link(&link_in(&dir));
    driver.opened().await;
}

#[tokio::test]
async fn a_reopen_closes_and_opens() {
    let (dir, line) = (tempfile::tempdir().unwrap(), Line::plug());
    line.link(&link_in(&dir));
    let mut driver = Driver::start(&link_in(&dir));
    driver.opened().await;
    driver.tell(SerialCommand::Reopen).await;
    assert!(driver.closed().await.contains("reopened"));
    driver.opened().await;
}

#[tokio::test]
async fn a_new_rate_applies_behind_what_was_written_and_a_reopened_port_is_back_at_its_own() {
    let (dir, line) = (tempfile::tempdir().unwrap(), Line::plug());
    line.link(&link_in(&dir));
    let mut driver = Driver::start(&link_in(&dir));
    driver.opened().await;
    // The crate sets rates in a way that only the kernel's newer call reads back.
    let rate = || rustix::termios::tcgetattr(line.master.as_fd()).unwrap().output_speed();
    assert_eq!(rate(), 115_200);
    driver.write(&[1, 2, 3]).await;
    driver.tell(SerialCommand::SetBaud(460_800)).await;
    driver.write(&[4]).await;
    assert!(far_end(&line, 4).await == [1, 2, 3, 4]);
    assert_eq!(rate(), 460_800);
    driver.tell(SerialCommand::Reopen).await;
    driver.closed().await;
    driver.opened().await;
    assert_eq!(rate(), 115_200);
}

/// How often the only thread of the runtime went to sleep; each time it had been woken before.
fn sleeps() -> u64 {
    tokio::runtime::Handle::current().metrics().worker_park_count(0)
}

/// An hour of virtual time in which nothing happens.
async fn quiet_hour(driver: &mut Driver) {
    let nothing = tokio::time::timeout(Duration::from_secs(3_600), driver.events.recv()).await;
    assert!(nothing.is_err(), "nothing was to happen");
}

#[tokio::test(start_paused = true)]
async fn nothing_wakes_an_idle_port() {
    let (dir, line) = (tempfile::tempdir().unwrap(), Line::plug());
    line.link(&link_in(&dir));
    let mut driver = Driver::start(&link_in(&dir));
    driver.opened().await;
    let before = sleeps();
    quiet_hour(&mut driver).await;
    assert!(sleeps() - before <= 8, "{} wake-ups in an idle hour", sleeps() - before);
}

#[tokio::test(start_paused = true)]
async fn nothing_wakes_while_there_is_no_port() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(&link_in(&dir));
    driver.closed().await;
    let before = sleeps();
    quiet_hour(&mut driver).await;
    assert!(sleeps() - before <= 8, "{} wake-ups in an hour without a reader", sleeps() - before);
}
