//! Host machine and connection driver together, against sockets that play the acquirer from the vectors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

mod host_support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use host_support::*;
use smartpos::domain::cause::Cause;
use smartpos::domain::host::{HostAnswer, HostFailure, KeyCheck, MacCheck};
use smartpos::domain::time::Instant;
use smartpos::driver::tcp::{self, Acquirer, Command, Event};
use smartpos::host::session::{Host, HostEvent, HostOutput};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// The machine, the driver, and the real clock.
struct Wired {
    host: Host,
    start: std::time::Instant,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
}

impl Wired {
    fn new(addresses: &[SocketAddr], timers: &str) -> Self {
        let list: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
        let profile = profile(&format!("addresses = [{}]\n[timers]\n{timers}\n", list.join(", ")));
        let acquirer = Acquirer { endpoints: profile.addresses.clone(), trust: profile.trust.clone() };
        let mut host = Host::new(profile, identity());
        host.set_master(TMK);
        let (commands, command_receiver) = mpsc::channel(16);
        let (event_sender, events) = mpsc::channel(16);
        tokio::spawn(tcp::run(acquirer, command_receiver, event_sender));
        Self { host, start: std::time::Instant::now(), commands, events }
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.start.elapsed().as_micros()).unwrap())
    }

    /// Gives an event to the machine and goes on until it answers, fails or has a connection.
    async fn until_done(&mut self, event: HostEvent) -> Result<Option<HostAnswer>, HostFailure> {
        self.host.handle(self.now(), event);
        timeout(PATIENCE, self.run()).await.expect("nothing came of it")
    }

    async fn run(&mut self) -> Result<Option<HostAnswer>, HostFailure> {
        loop {
            while let Some(output) = self.host.poll() {
                let command = match output {
                    HostOutput::Connect { connection, address_index, deadline } => {
                        Command::Connect { connection, address_index, within: deadline.since(self.now()) }
                    }
                    HostOutput::Write { connection, bytes } => Command::Write { connection, bytes },
                    HostOutput::Disconnect { connection } => Command::Disconnect { connection },
                    HostOutput::Reached => return Ok(None),
                    HostOutput::Answered(answer) => return Ok(Some(answer)),
                    HostOutput::Failed(failure) => return Err(failure),
                    HostOutput::Noticed(_) => continue,
                };
                self.commands.send(command).await.unwrap();
            }
            let wait = self.host.deadline().map_or(PATIENCE, |deadline| deadline.since(self.now()));
            match timeout(wait, self.events.recv()).await {
                Ok(event) => self.host.handle(self.now(), translated(event.unwrap())),
                Err(_) => self.host.expire(self.now()),
            }
        }
    }
}

fn translated(event: Event) -> HostEvent {
    match event {
        Event::Connected { connection } => HostEvent::Connected { connection },
        Event::ConnectFailed { connection, failure } => HostEvent::ConnectFailed { connection, failure },
        Event::Received { connection, bytes } => HostEvent::Received { connection, bytes },
        Event::Written { connection } => HostEvent::Written { connection },
        Event::WriteFailed { connection, nothing_written, evidence } => {
            HostEvent::WriteFailed { connection, nothing_written, evidence }
        }
        Event::Closed { connection, evidence } => HostEvent::Closed { connection, evidence },
    }
}

fn server(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    address
}

fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// One request as framed on the wire.
fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

fn answer_to(body: &[u8]) -> Vec<u8> {
    match body[11..13] {
        [0x08, 0x00] => vector("signin_resp_004"),
        [0x02, 0x00] => vector("sale_resp_00"),
        [0x04, 0x00] => vector("reversal_resp_00"),
        _ => panic!("not expected: {}", hex(&body[11..13])),
    }
}

/// Answers from the vectors; what it was asked can be looked at.
fn acquirer() -> (SocketAddr, Receiver<Vec<u8>>) {
    let (asked, asks) = channel();
    let address = server(move |mut stream| {
        while let Some(body) = request(&mut stream) {
            stream.write_all(&answer_to(&body)).unwrap();
            let _ = asked.send(body);
        }
    });
    (address, asks)
}

#[tokio::test]
async fn a_terminal_signs_in_sells_and_reverses_over_one_connection() {
    let (address, asks) = acquirer();
    let mut wired = Wired::new(&[closed_port(), address], "");
    let Ok(Some(HostAnswer::SignIn(answer))) = wired.until_done(HostEvent::Ask(sign_in())).await else { panic!() };
    assert!(matches!(answer.keys, KeyCheck::Good { .. }));
    assert!(wired.host.install_pending());
    assert_eq!(wired.until_done(HostEvent::Reach).await, Ok(None));
    let Ok(Some(HostAnswer::Sale(answer))) = wired.until_done(HostEvent::Ask(sale())).await else { panic!() };
    assert_eq!((answer.response.code.as_str(), answer.mac), ("00", MacCheck::Good));
    let Ok(Some(HostAnswer::Reversal { mac, .. })) = wired.until_done(HostEvent::Ask(reversal())).await else {
        panic!()
    };
    assert_eq!(mac, MacCheck::Good);
    let types: Vec<_> = asks.try_iter().map(|body| hex(&body[11..13])).collect();
    assert_eq!(types, ["0800", "0200", "0400"]);
}

#[tokio::test]
async fn a_host_that_closes_after_each_answer_is_reconnected_without_a_false_sent() {
    let address = server(|mut stream| {
        let body = request(&mut stream).unwrap();
        stream.write_all(&answer_to(&body)).unwrap();
    });
    let mut wired = Wired::new(&[address], "");
    wired.host.restore(&key("F62_key_block_004_MAK8")).unwrap();
    for _ in 0..20 {
        let answer = wired.until_done(HostEvent::Ask(sale())).await;
        // The race is real: a request may leave just before the close is seen. Then it must count as sent.
        match answer {
            Ok(Some(HostAnswer::Sale(answer))) => assert_eq!(answer.mac, MacCheck::Good),
            Err(failure) => assert!(failure.sent, "{}", failure.evidence),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn no_address_at_all_is_n05_and_nothing_was_sent() {
    let mut wired = Wired::new(&[closed_port(), closed_port()], "");
    wired.host.restore(&key("F62_key_block_004_MAK8")).unwrap();
    let failure = wired.until_done(HostEvent::Ask(sale())).await.unwrap_err();
    assert_eq!((failure.cause, failure.sent), (Cause::N05, false));
}

#[tokio::test]
async fn a_host_that_accepts_and_says_nothing_is_n10_after_the_answer_timer() {
    let (hold, _held) = channel();
    let address = server(move |stream| hold.send(stream).unwrap());
    let mut wired = Wired::new(&[address], "sign_in = 1");
    let failure = wired.until_done(HostEvent::Ask(sign_in())).await.unwrap_err();
    assert_eq!((failure.cause, failure.sent), (Cause::N10, true));
    assert!(wired.start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn half_a_message_and_a_close_is_b06() {
    let address = server(|mut stream| {
        let _ = request(&mut stream);
        let _ = stream.write_all(&vector("signin_resp_004")[..40]);
    });
    let mut wired = Wired::new(&[address], "");
    let failure = wired.until_done(HostEvent::Ask(sign_in())).await.unwrap_err();
    assert_eq!((failure.cause, failure.sent), (Cause::B06, true));
    assert!(failure.evidence.ends_with("half a message had come"), "{}", failure.evidence);
}

#[tokio::test]
async fn a_web_page_is_n08() {
    let address = server(|mut stream| {
        let _ = request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n");
    });
    let mut wired = Wired::new(&[address], "");
    let failure = wired.until_done(HostEvent::Ask(sign_in())).await.unwrap_err();
    assert_eq!((failure.cause, failure.sent), (Cause::N08, true));
}
