//! The acquirer's own pace: a bare client on a plain socket that sends one upload after the other and waits for each
//! answer, without a store, a bus or another thread. The floor of the drain.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smartpos::app::config::Config;
use smartpos::domain::host::{HostAnswer, HostRequest, SignInRequest};
use smartpos::domain::ids::{Batch, Stan};
use smartpos::domain::link::ConnectionId;
use smartpos::domain::offline::OfflineSale;
use smartpos::domain::secret::{DoubleKey, SecretBytes};
use smartpos::domain::time;
use smartpos::host::session::{Host, HostEvent, HostOutput};

/// The master key that the simulated acquirer expects.
const MASTER: u128 = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210;

pub struct Client {
    host: Host,
    address: String,
    line: Option<(ConnectionId, TcpStream)>,
    began: Instant,
}

impl Client {
    /// Signed in at this acquirer.
    pub fn sign_in(config: &Config, address: &str) -> Result<Self, Box<dyn Error>> {
        let mut host = Host::new(Arc::new(config.profile.clone()), config.identity());
        host.set_master(DoubleKey(MASTER.to_be_bytes()));
        let mut client = Self { host, address: address.to_owned(), line: None, began: Instant::now() };
        let stan = Stan::new(999_999).ok_or("stan")?;
        let request = SignInRequest { stan, batch: Batch::new(1).ok_or("batch")? };
        match client.ask(HostRequest::SignIn(request))? {
            HostAnswer::SignIn(answer) if answer.response.approved() && client.host.install_pending() => Ok(client),
            _ => Err("the acquirer did not let the bare client in".into()),
        }
    }

    /// How long each of these took on average.
    pub fn upload(&mut self, sales: impl Iterator<Item = OfflineSale>) -> Result<Duration, Box<dyn Error>> {
        let begin = Instant::now();
        let mut count = 0u32;
        for sale in sales {
            match self.ask(HostRequest::OfflineSale { sale: Box::new(sale), repeat: false })? {
                HostAnswer::OfflineSale(answer) if answer.response.approved() => count += 1,
                _ => return Err("the acquirer did not take an upload".into()),
            }
        }
        Ok(begin.elapsed() / count.max(1))
    }

    fn ask(&mut self, request: HostRequest) -> Result<HostAnswer, Box<dyn Error>> {
        self.tell(HostEvent::Ask(request));
        loop {
            while let Some(output) = self.host.poll() {
                match output {
                    HostOutput::Connect { connection, .. } => {
                        let stream = TcpStream::connect(&self.address)?;
                        stream.set_nodelay(true)?;
                        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
                        self.line = Some((connection, stream));
                        self.tell(HostEvent::Connected { connection });
                    }
                    HostOutput::Write { connection, bytes } => {
                        self.stream()?.write_all(bytes.expose())?;
                        self.tell(HostEvent::Written { connection });
                    }
                    HostOutput::Answered(answer) => return Ok(answer),
                    HostOutput::Failed(failure) => return Err(failure.evidence.into()),
                    HostOutput::Disconnect { .. } | HostOutput::Reached | HostOutput::Noticed(_) => {}
                }
            }
            let mut buffer = [0u8; 4096];
            let count = self.stream()?.read(&mut buffer)?;
            let connection = self.line.as_ref().map(|line| line.0).ok_or("no line")?;
            if count == 0 {
                return Err("the acquirer hung up".into());
            }
            self.tell(HostEvent::Received { connection, bytes: SecretBytes::new(buffer[..count].to_vec()) });
        }
    }

    fn stream(&mut self) -> Result<&mut TcpStream, Box<dyn Error>> {
        Ok(&mut self.line.as_mut().ok_or("no line")?.1)
    }

    fn tell(&mut self, event: HostEvent) {
        let now = 1_000_000 + u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.host.handle(time::Instant(now), event);
    }
}
