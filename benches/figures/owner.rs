//! An app that makes payments and hears of them.

use std::collections::HashMap;
use std::error::Error;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde::Serialize;
use zbus::connection::Builder;
use zbus::{Connection, DynamicType, Message, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SERVICE: &str = "org.smartposd.Pos1";
const TERMINAL: &str = "/org/smartposd/Pos1/Terminal0";
const PATIENCE: Duration = Duration::from_secs(40);

pub struct Owner {
    pub connection: Connection,
    messages: MessageStream,
    made: u32,
}

impl Owner {
    pub async fn on(address: &str) -> Result<Self> {
        let connection = Builder::address(address).build().await?;
        let mut messages = MessageStream::from(&connection);
        // Answers come here too, and nobody takes them out between two signals; a full queue would stop the connection.
        messages.set_max_queued(NonZeroUsize::new(4096).unwrap_or(NonZeroUsize::MIN));
        Ok(Self { connection, messages, made: 0 })
    }

    /// Creates and starts a sale; gives its object.
    pub async fn begin(&mut self, minor: u64) -> Result<String> {
        let sale = self.create(minor, "online-only").await?;
        self.start(&sale).await?;
        Ok(sale)
    }

    /// Creates a sale of this mode; gives its object.
    pub async fn create(&mut self, minor: u64, mode: &str) -> Result<String> {
        self.made += 1;
        let name = self.connection.unique_name().map(ToString::to_string).unwrap_or_default();
        let key = format!("bench{name}-{}", self.made);
        let options = HashMap::from([("mode", Variant::from(mode.to_owned()))]);
        let created =
            self.call(TERMINAL, "Terminal", "CreateTransaction", &("sale", key, minor, "CNY", options)).await?;
        Ok(created.body().deserialize::<OwnedObjectPath>()?.to_string())
    }

    /// Starts it; refused while another payment has the reader.
    pub async fn start(&self, payment: &str) -> Result<()> {
        self.call(payment, "Transaction", "Start", &()).await.map(drop)
    }

    /// How it ended.
    pub async fn outcome(&self, payment: &str) -> Result<String> {
        let asked = ("org.smartposd.Pos1.Transaction", "Outcome");
        let properties = Some("org.freedesktop.DBus.Properties");
        let answer = self.connection.call_method(Some(SERVICE), payment, properties, "Get", &asked).await?;
        Ok(String::try_from(answer.body().deserialize::<OwnedVariant>()?)?)
    }

    /// Waits until the payment is in this state: when that was heard.
    pub async fn until(&mut self, wanted: &str) -> Result<Instant> {
        loop {
            let (member, now, message) = self.next().await?;
            if member != "StateChanged" {
                continue;
            }
            let (_, state): (String, String) = message.body().deserialize()?;
            if state == wanted {
                return Ok(now);
            }
            if state == "finished" {
                return Err(format!("the payment finished before it was {wanted}").into());
            }
        }
    }

    /// Waits for a signal: when it was heard.
    pub async fn signal(&mut self, wanted: &str) -> Result<Instant> {
        loop {
            let (member, now, _) = self.next().await?;
            if member == wanted {
                return Ok(now);
            }
        }
    }

    async fn next(&mut self) -> Result<(String, Instant, Message)> {
        let message = tokio::time::timeout(PATIENCE, self.messages.next()).await?.ok_or("the bus is gone")??;
        let now = Instant::now();
        let member = message.header().member().map(ToString::to_string).unwrap_or_default();
        Ok((member, now, message))
    }

    pub async fn cancel(&self, payment: &str) -> Result<()> {
        self.call(payment, "Transaction", "Cancel", &()).await.map(drop)
    }

    pub async fn acknowledge(&self, payment: &str) -> Result<()> {
        self.call(payment, "Transaction", "Acknowledge", &()).await.map(drop)
    }

    async fn call<B: Serialize + DynamicType>(
        &self,
        path: &str,
        face: &str,
        method: &str,
        body: &B,
    ) -> Result<Message> {
        let face = format!("{SERVICE}.{face}");
        Ok(self.connection.call_method(Some(SERVICE), path, Some(face.as_str()), method, body).await?)
    }
}
