//! The connection driver against real sockets: plain, TLS, and everything that answers wrongly or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should stop at once")]

mod host_support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use smartpos::domain::link::{
    CertificatePin, ConnectFailure, ConnectFailureKind as Kind, ConnectionId, Endpoint, Trust,
};
use smartpos::domain::secret::SecretBytes;
use smartpos::driver::tcp::{self, Acquirer, Command, Event};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The driver with both ends of its channels.
struct Link {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
}

impl Link {
    fn new(endpoints: &[Endpoint], trust: Trust) -> Self {
        let (commands, command_receiver) = mpsc::channel(8);
        // As small as can be: reading must wait for room, not lose bytes.
        let (event_sender, events) = mpsc::channel(1);
        tokio::spawn(tcp::run(Acquirer { endpoints: endpoints.to_vec(), trust }, command_receiver, event_sender));
        Self { commands, events }
    }

    fn to(address: SocketAddr, trust: Trust) -> Self {
        Self::new(&[endpoint(address)], trust)
    }

    async fn command(&self, command: Command) {
        timeout(PATIENCE, self.commands.send(command)).await.unwrap().unwrap();
    }

    async fn connect(&self, number: u32, address_index: usize, within: Duration) {
        self.command(Command::Connect { connection: ConnectionId(number), address_index, within }).await;
    }

    async fn write(&self, number: u32, bytes: &[u8]) {
        let bytes = SecretBytes::new(bytes.to_vec());
        self.command(Command::Write { connection: ConnectionId(number), bytes }).await;
    }

    async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("the driver says nothing").expect("the driver has ended")
    }

    async fn expect(&mut self, shown: &str) {
        assert_eq!(show(&self.event().await), shown);
    }

    async fn failure(&mut self) -> ConnectFailure {
        self.connect(1, 0, Duration::from_secs(5)).await;
        match self.event().await {
            Event::ConnectFailed { connection: ConnectionId(1), failure } => failure,
            other => panic!("{}", show(&other)),
        }
    }

    async fn received(&mut self, number: u32, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.event().await {
                Event::Received { connection, bytes } if connection == ConnectionId(number) => {
                    assert!(bytes.expose().len() <= 4096);
                    all.extend_from_slice(bytes.expose());
                }
                other => panic!("{}", show(&other)),
            }
        }
        all
    }
}

fn show(event: &Event) -> String {
    match event {
        Event::Connected { connection } => format!("connected {connection}"),
        Event::ConnectFailed { connection, failure } => format!("connect-failed {connection} {}", failure.kind),
        Event::Received { connection, bytes } => format!("received {connection} {}", bytes.expose().len()),
        Event::Written { connection } => format!("written {connection}"),
        Event::WriteFailed { connection, nothing_written, .. } => {
            format!("write-failed {connection} nothing={nothing_written}")
        }
        Event::Closed { connection, .. } => format!("closed {connection}"),
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    address.to_string().parse().unwrap()
}

/// A server that does `serve` with each of its connections, one after the other.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
    address
}

/// Sends back what comes.
fn echo(mut stream: impl Read + Write) {
    let mut buffer = [0; 1024];
    while let Ok(count) = stream.read(&mut buffer) {
        if count == 0 || stream.write_all(&buffer[..count]).is_err() || stream.flush().is_err() {
            return;
        }
    }
}

/// Waits on another thread, so that the driver under test goes on.
async fn blocking<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(wait).await.unwrap()
}

/// A port on which nobody listens.
fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

// --- plain ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn bytes_go_out_and_come_back_in_order() {
    let mut link = Link::to(server(echo), Trust::Plain);
    link.connect(1, 0, PATIENCE).await;
    link.expect("connected 1").await;
    for round in 0..3_u8 {
        let message = vec![round; 300];
        link.write(1, &message).await;
        link.expect("written 1").await;
        assert_eq!(link.received(1, 300).await, message);
    }
}

#[tokio::test]
async fn a_flood_is_passed_on_in_pieces_and_nothing_is_lost() {
    let flood: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
    let sent = flood.clone();
    let address = server(move |mut stream| stream.write_all(&sent).unwrap());
    let mut link = Link::to(address, Trust::Plain);
    link.connect(1, 0, PATIENCE).await;
    link.expect("connected 1").await;
    assert!(link.received(1, flood.len()).await == flood);
    link.expect("closed 1").await;
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let failure = Link::to(closed_port(), Trust::Plain).failure().await;
    assert_eq!(failure.kind, Kind::Refused);
    assert!(failure.evidence.contains("refused"), "{}", failure.evidence);
}

#[tokio::test]
async fn an_address_that_swallows_everything_times_out_in_its_span() {
    // A queue of one, filled: the kernel drops further attempts without a word.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _fill = TcpStream::connect(address).unwrap();

    let mut link = Link::to(address, Trust::Plain);
    link.connect(1, 0, Duration::from_millis(300)).await;
    match timeout(Duration::from_secs(2), link.event()).await.expect("the span was not kept") {
        Event::ConnectFailed { failure, .. } => assert_eq!(failure.kind, Kind::TimedOut),
        other => panic!("{}", show(&other)),
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_so() {
    let endpoint = "no-such-host.invalid:5610".parse().unwrap();
    let failure = Link::new(&[endpoint], Trust::Plain).failure().await;
    assert_eq!(failure.kind, Kind::NameNotFound);
}

#[tokio::test]
async fn an_index_beyond_the_profile_is_a_setup_failure() {
    let mut link = Link::new(&[], Trust::Plain);
    assert_eq!(link.failure().await.kind, Kind::Setup);
}

#[tokio::test]
async fn a_closed_connection_takes_no_write_and_says_that_nothing_left() {
    let mut link = Link::to(server(drop), Trust::Plain);
    link.connect(1, 0, PATIENCE).await;
    link.expect("connected 1").await;
    link.expect("closed 1").await;
    link.write(1, b"late").await;
    link.expect("write-failed 1 nothing=true").await;
}

#[tokio::test]
async fn a_write_for_another_connection_goes_nowhere() {
    let mut link = Link::to(server(echo), Trust::Plain);
    link.connect(7, 0, PATIENCE).await;
    link.expect("connected 7").await;
    link.write(6, b"old").await;
    link.expect("write-failed 6 nothing=true").await;
    link.write(7, b"new").await;
    link.expect("written 7").await;
    assert_eq!(link.received(7, 3).await, b"new");
}

#[tokio::test]
async fn a_write_the_host_never_reads_fails_as_possibly_sent() {
    let (hold, held) = std::sync::mpsc::channel();
    let address = server(move |stream| hold.send(stream).unwrap());
    let mut link = Link::to(address, Trust::Plain);
    link.connect(1, 0, PATIENCE).await;
    link.expect("connected 1").await;
    // More than both kernels' buffers take.
    link.write(1, &vec![0; 64 << 20]).await;
    link.expect("write-failed 1 nothing=false").await;
    drop(held);
}

#[tokio::test]
async fn what_the_host_has_not_got_when_the_connection_is_given_up_never_arrives() {
    use std::sync::mpsc::channel;
    // More than its window takes while it reads nothing, less than this kernel takes.
    const SENT: usize = 1_000_000;
    let (given_up, may_read) = channel::<()>();
    let (got, count) = channel();
    let may_read = std::sync::Mutex::new(may_read);
    let address = server(move |mut stream| {
        nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::RcvBuf, &4_096).unwrap();
        may_read.lock().unwrap().recv().unwrap();
        let (mut all, mut piece) = (0, [0; 4_096]);
        while let Ok(n @ 1..) = stream.read(&mut piece) {
            all += n;
        }
        got.send(all).unwrap();
    });
    let mut link = Link::to(address, Trust::Plain);
    link.connect(1, 0, PATIENCE).await;
    link.expect("connected 1").await;
    link.write(1, &vec![7; SENT]).await;
    link.expect("written 1").await;
    link.command(Command::Disconnect { connection: ConnectionId(1) }).await;
    // Commands are served in order: after this answer the connection is given up.
    link.write(1, b"x").await;
    link.expect("write-failed 1 nothing=true").await;
    given_up.send(()).unwrap();
    let all = blocking(move || count.recv_timeout(PATIENCE).unwrap()).await;
    assert!(all < SENT, "the host has got all of it after it was given up");
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older_whatever_it_was_doing() {
    let mut link = Link::new(&[endpoint(server(echo)), endpoint(server(echo))], Trust::Plain);
    link.connect(1, 0, PATIENCE).await;
    link.expect("connected 1").await;
    link.connect(2, 1, PATIENCE).await;
    link.expect("connected 2").await;
    link.write(1, b"old").await;
    link.expect("write-failed 1 nothing=true").await;
    link.command(Command::Disconnect { connection: ConnectionId(1) }).await;
    link.write(2, b"new").await;
    link.expect("written 2").await;
    assert_eq!(link.received(2, 3).await, b"new");
}

#[tokio::test]
async fn an_attempt_under_way_can_be_dropped() {
    let tls = Trust::PinnedCertificate { pin: CertificatePin::Fingerprint([0; 32]), server_name: None };
    let (hold, held) = std::sync::mpsc::channel();
    let address = server(move |stream| hold.send(stream).unwrap());
    let mut link = Link::to(address, tls);
    link.connect(1, 0, PATIENCE).await;
    let mut accepted = blocking(move || held.recv_timeout(PATIENCE).unwrap()).await;
    link.write(1, b"too early").await;
    link.expect("write-failed 1 nothing=true").await;
    link.command(Command::Disconnect { connection: ConnectionId(9) }).await;
    link.command(Command::Disconnect { connection: ConnectionId(1) }).await;
    // The peer sees the end of it; no event is left over.
    accepted.set_read_timeout(Some(PATIENCE)).unwrap();
    let seen = blocking(move || accepted.read_to_end(&mut Vec::new()).map_err(|error| error.kind())).await;
    assert!(!matches!(seen, Err(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)), "still open");
    link.write(1, b"gone").await;
    link.expect("write-failed 1 nothing=true").await;
}

#[tokio::test]
async fn the_driver_ends_with_its_command_channel() {
    let Link { commands, mut events } = Link::to(server(echo), Trust::Plain);
    drop(commands);
    assert!(timeout(PATIENCE, events.recv()).await.unwrap().is_none());
}

// --- TLS --------------------------------------------------------------------------------------------------------

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: PathBuf,
    _directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        Self::named("Acquirer CA")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let pem = directory.path().join("ca.pem");
        std::fs::write(&pem, certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), pem, _directory: directory }
    }

    fn trust(&self, server_name: Option<&str>) -> Trust {
        Trust::PinnedCa { ca: self.pem.clone(), server_name: server_name.map(str::to_owned) }
    }

    fn host(&self, name: &str) -> HostCertificate {
        self.host_dated(name, 2020, 2099)
    }

    fn host_dated(&self, name: &str, from: i32, to: i32) -> HostCertificate {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        HostCertificate { chain: certificate.der().clone(), pem: certificate.pem(), key: key.serialize_der() }
    }
}

struct HostCertificate {
    chain: CertificateDer<'static>,
    pem: String,
    key: Vec<u8>,
}

impl HostCertificate {
    fn serve(&self) -> SocketAddr {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.chain.clone()], key)
            .unwrap();
        let config = Arc::new(config);
        server(move |stream| echo(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream)))
    }

    fn sha256(&self) -> [u8; 32] {
        sha256sum(&self.chain)
    }
}

/// Another implementation than the driver's: coreutils.
fn sha256sum(bytes: &[u8]) -> [u8; 32] {
    use std::process::{Command, Stdio};
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    host_support::unhex(&output[..64]).try_into().unwrap()
}

async fn works(address: SocketAddr, trust: Trust) {
    let mut link = Link::to(address, trust);
    link.connect(1, 0, PATIENCE).await;
    match link.event().await {
        Event::Connected { .. } => {}
        Event::ConnectFailed { failure, .. } => panic!("{}", failure.evidence),
        other => panic!("{}", show(&other)),
    }
    link.write(1, b"over TLS").await;
    link.expect("written 1").await;
    assert_eq!(link.received(1, 8).await, b"over TLS");
}

/// The certificate is refused, and the evidence says this.
async fn refused(address: SocketAddr, trust: Trust, said: &str) {
    let failure = Link::to(address, trust).failure().await;
    assert_eq!(failure.kind, Kind::CertificateRefused, "{}", failure.evidence);
    assert!(failure.evidence.contains(said), "{}", failure.evidence);
    assert!(failure.evidence.contains("SHA-256"), "{}", failure.evidence);
}

#[tokio::test]
async fn the_pinned_authority_is_trusted_for_the_right_name() {
    let authority = Authority::new();
    let address = authority.host("pos.bank.example").serve();
    works(address, authority.trust(Some("pos.bank.example"))).await;
    works(authority.host("127.0.0.1").serve(), authority.trust(None)).await;
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let authority = Authority::new();
    let trust = authority.trust(Some("pos.bank.example"));
    let other = Authority::named("Another CA").host("pos.bank.example").serve();
    refused(other, trust.clone(), "not issued by the pinned authority").await;
    let imitation = Authority::new().host("pos.bank.example").serve();
    refused(imitation, trust, "wrongly signed").await;
}

#[tokio::test]
async fn another_name_is_refused_and_both_are_shown() {
    let authority = Authority::new();
    let address = authority.host("pos.bank.example").serve();
    refused(address, authority.trust(Some("pos.bank.test")), "not for pos.bank.test").await;
    refused(address, authority.trust(None), "not for 127.0.0.1").await;
}

#[tokio::test]
async fn an_expired_certificate_and_one_of_the_future_are_refused_with_their_dates() {
    let authority = Authority::new();
    let trust = authority.trust(Some("a.example"));
    let expired = authority.host_dated("a.example", 2019, 2020);
    refused(expired.serve(), trust.clone(), "expired on 2020-01-01 00:00:00 UTC, and our clock says").await;
    let future = authority.host_dated("a.example", 2098, 2099);
    refused(future.serve(), trust, "valid only from 2098-01-01 00:00:00 UTC").await;
}

fn pinned(sha: [u8; 32], server_name: Option<&str>) -> Trust {
    Trust::PinnedCertificate { pin: CertificatePin::Fingerprint(sha), server_name: server_name.map(str::to_owned) }
}

#[tokio::test]
async fn the_pinned_certificate_is_trusted_whoever_issued_it() {
    let host = Authority::new().host("pos.bank.example");
    works(host.serve(), pinned(host.sha256(), None)).await;
    works(host.serve(), pinned(host.sha256(), Some("pos.bank.example"))).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("host.pem");
    std::fs::write(&file, &host.pem).unwrap();
    works(host.serve(), Trust::PinnedCertificate { pin: CertificatePin::File(file), server_name: None }).await;
}

#[tokio::test]
async fn a_pinned_certificate_is_still_checked_for_date_and_for_the_name_that_is_set() {
    let authority = Authority::new();
    let other = authority.host("pos.bank.example");
    refused(other.serve(), pinned([7; 32], None), "not the pinned one").await;
    refused(other.serve(), pinned(other.sha256(), Some("else.example")), "not for else.example").await;
    let expired = authority.host_dated("a.example", 2019, 2020);
    refused(expired.serve(), pinned(expired.sha256(), None), "expired on 2020-01-01").await;
    let future = authority.host_dated("a.example", 2098, 2099);
    refused(future.serve(), pinned(future.sha256(), None), "is the clock wrong?").await;
}

#[tokio::test]
async fn a_stolen_certificate_without_its_key_is_refused() {
    let authority = Authority::new();
    let good = authority.host("pos.bank.example");
    // The right certificate in front of somebody else's key.
    let thief =
        HostCertificate { key: authority.host("pos.bank.example").key, chain: good.chain.clone(), pem: String::new() };
    let provider = rustls::crypto::ring::default_provider();
    let key = provider
        .key_provider
        .load_private_key(PrivateKeyDer::from(PrivatePkcs8KeyDer::from(thief.key.clone())))
        .unwrap();
    let certified = Arc::new(rustls::sign::CertifiedKey::new(vec![thief.chain.clone()], key));
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let config = Arc::new(config);
    let address =
        server(move |stream| echo(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream)));
    refused(address, pinned(good.sha256(), None), "wrongly signed").await;
    refused(address, authority.trust(Some("pos.bank.example")), "wrongly signed").await;
}

#[tokio::test]
async fn a_web_page_where_tls_should_be_is_said_so() {
    let address = server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 512]);
    });
    let failure = Link::to(address, pinned([0; 32], None)).failure().await;
    assert_eq!(failure.kind, Kind::NotTls, "{}", failure.evidence);
}

#[tokio::test]
async fn a_host_that_hangs_up_during_the_handshake_is_said_so() {
    let address = server(|mut stream| {
        let _ = stream.read(&mut [0; 512]);
    });
    let failure = Link::to(address, pinned([0; 32], None)).failure().await;
    assert_eq!(failure.kind, Kind::Handshake, "{}", failure.evidence);
}

#[tokio::test]
async fn a_host_that_accepts_and_says_nothing_costs_no_more_than_the_span() {
    let (hold, _held) = std::sync::mpsc::channel();
    let address = server(move |stream| hold.send(stream).unwrap());
    let mut link = Link::to(address, pinned([0; 32], None));
    link.connect(1, 0, Duration::from_millis(300)).await;
    match timeout(Duration::from_secs(2), link.event()).await.expect("the span was not kept") {
        Event::ConnectFailed { failure, .. } => {
            assert_eq!(failure.kind, Kind::TimedOut);
            assert!(failure.evidence.contains("no TLS handshake"), "{}", failure.evidence);
        }
        other => panic!("{}", show(&other)),
    }
}

#[tokio::test]
async fn a_certificate_file_that_is_missing_or_no_certificate_is_a_setup_failure() {
    let authority = Authority::new();
    let address = authority.host("a.example").serve();
    let missing = Trust::PinnedCa { ca: "/nonexistent/ca.pem".into(), server_name: None };
    let failure = Link::to(address, missing).failure().await;
    assert_eq!(failure.kind, Kind::Setup);
    assert!(failure.evidence.contains("/nonexistent/ca.pem"), "{}", failure.evidence);
    std::fs::write(&authority.pem, "no PEM at all").unwrap();
    let failure = Link::to(address, authority.trust(None)).failure().await;
    assert_eq!(failure.kind, Kind::Setup);
    assert!(failure.evidence.contains("no PEM certificate"), "{}", failure.evidence);
}

#[tokio::test]
async fn a_plain_client_is_never_made_of_a_tls_setting() {
    // A host without TLS that would answer anything: not a byte of ours may reach it in clear.
    let (heard, hears) = std::sync::mpsc::channel();
    let address = server(move |mut stream| {
        let mut first = [0; 5];
        let _ = stream.read_exact(&mut first);
        let _ = heard.send(first);
        let _ = stream.write_all(&[0, 2, 0x60, 0x60]);
    });
    let mut link = Link::to(address, pinned([0; 32], None));
    let failure = link.failure().await;
    assert!(matches!(failure.kind, Kind::NotTls | Kind::Handshake), "{}", failure.evidence);
    let first = hears.recv_timeout(PATIENCE).unwrap();
    assert_eq!(first[..2], [0x16, 3], "not a TLS handshake record");
    link.write(1, b"secret").await;
    link.expect("write-failed 1 nothing=true").await;
}
