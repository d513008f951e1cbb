//! Requests: 0800, 0820, 0200, 0400. Those without a customer waiting are in `offline`.

use thiserror::Error;

use super::{ECHO, Expected, Identity, Kind, PURCHASE, SIGN_OUT};
use crate::codec::iso8583::{EncodeError, Message};
use crate::domain::amount::Money;
use crate::domain::cause::Cause;
use crate::domain::host::{HostRequest, ReversalRequest, SaleRequest, SignInRequest};
use crate::domain::ids::{Batch, Stan};
use crate::domain::secret::SecretBytes;
use crate::host::des::DesKey;
use crate::host::key_block::WorkingKeys;
use crate::host::mac::MacError;
use crate::host::profile::{PinFormat, Profile};
use crate::host::track::{self, TrackError};

/// Why a request cannot be written. Nothing has been sent then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Money cannot move without working keys.
    #[error("no working keys; sign in first")]
    NoWorkingKeys,
    /// The profile wants the track enciphered, and the last sign-in brought no key for it.
    #[error("track.encryption is on, but the host sent no track key: check message.sign_in_code in the profile")]
    NoTrackKey,
    /// The MAC key does not fit the method.
    #[error(transparent)]
    Mac(#[from] MacError),
    /// The track cannot be enciphered.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// A value does not fit its field.
    #[error(transparent)]
    Field(#[from] EncodeError),
    /// `message.device_info` is on, and there is none.
    #[error("message.device_info is on: set licence and serial in smartposd.toml")]
    NoDeviceInfo,
}

impl RequestError {
    /// The cause to show.
    pub fn cause(&self) -> Cause {
        match self {
            Self::NoWorkingKeys => Cause::K06,
            Self::NoTrackKey | Self::Mac(_) => Cause::K05,
            Self::Track(_) | Self::Field(_) | Self::NoDeviceInfo => Cause::S06,
        }
    }
}

/// Writes requests for one terminal at one acquirer.
pub struct Writer<'a> {
    /// The acquirer's ways.
    pub profile: &'a Profile,
    /// Who we are.
    pub identity: &'a Identity,
    /// The installed keys, if any.
    pub keys: Option<&'a WorkingKeys>,
}

impl Writer<'_> {
    /// The whole frame with its LEN, and what its answer will look like.
    pub fn write(&self, request: &HostRequest) -> Result<(SecretBytes, Expected), RequestError> {
        let (message, expected) = match request {
            HostRequest::SignIn(request) => (self.sign_in(request)?, expected(Kind::SignIn, Some(request.stan), None)),
            HostRequest::SignOut { stan, batch } => {
                (self.management(Some(*stan), *batch, SIGN_OUT)?, expected(Kind::SignOut, Some(*stan), None))
            }
            HostRequest::Echo { batch } => (self.management(None, *batch, ECHO)?, expected(Kind::Echo, None, None)),
            HostRequest::Sale(sale) => (self.sale(sale)?, expected(Kind::Sale, Some(sale.stan), Some(sale.money))),
            HostRequest::Reversal(reversal) => {
                (self.reversal(reversal)?, expected(Kind::Reversal, Some(reversal.stan), Some(reversal.money)))
            }
            HostRequest::OfflineSale { sale, repeat } => {
                let kind = self.upload_kind(*repeat);
                (self.offline_sale(kind, sale)?, expected(kind, Some(sale.stan), Some(sale.money)))
            }
            HostRequest::ScriptReport { stan, report } => {
                (self.script_report(*stan, report)?, expected(Kind::ScriptReport, Some(*stan), Some(report.money)))
            }
        };
        Ok((SecretBytes::new(message.encode(&self.profile.header)), expected))
    }

    fn sign_in(&self, request: &SignInRequest) -> Result<Message, RequestError> {
        let forms = &self.profile.forms;
        let mut message = self.start(Kind::SignIn)?;
        message.set_digits(11, &request.stan.to_string())?;
        message.set_digits(60, &self.management_f60(request.batch, forms.sign_in.digits()))?;
        if forms.device_info {
            let device = self.identity.device.as_deref().ok_or(RequestError::NoDeviceInfo)?;
            message.set_bytes(62, format!("Sequence No{:02}{device}", device.len()).as_bytes())?;
        }
        message.set_text(63, &forms.operator)?;
        Ok(message)
    }

    fn management(&self, stan: Option<Stan>, batch: Batch, code: &str) -> Result<Message, RequestError> {
        let mut message = self.start(Kind::Echo)?;
        if let Some(stan) = stan {
            message.set_digits(11, &stan.to_string())?;
        }
        message.set_digits(60, &self.management_f60(batch, code))?;
        Ok(message)
    }

    fn sale(&self, sale: &SaleRequest) -> Result<Message, RequestError> {
        let keys = self.keys.ok_or(RequestError::NoWorkingKeys)?;
        let card = &sale.card;
        let mut message = self.start(Kind::Sale)?;
        message.set_digits(2, card.pan.expose())?;
        self.payment(&mut message, sale.stan, sale.money, sale.pin_block.is_some())?;
        self.purpose(&mut message, "22", sale.batch)?;
        card_details(&mut message, card.expiry.as_deref(), card.sequence_number)?;
        if let Some(pin) = &sale.pin_block {
            message.set_digits(26, &format!("{:02}", self.profile.forms.longest_pin))?;
            message.set_bytes(52, &pin.0)?;
        }
        if let Some(track) = &card.track2 {
            if self.profile.encrypt_track {
                let tdk = keys.tdk.as_ref().ok_or(RequestError::NoTrackKey)?;
                message.set_digits(35, &track::encipher(tdk, track.expose())?)?;
            } else {
                message.set_digits(35, track.expose())?;
            }
        }
        if sale.pin_block.is_some() || card.track2.is_some() {
            message.set_digits(53, &self.security_control(keys, sale))?;
        }
        if !card.request_tags.expose().is_empty() {
            message.set_bytes(55, card.request_tags.expose())?;
        }
        self.seal(message)
    }

    fn reversal(&self, reversal: &ReversalRequest) -> Result<Message, RequestError> {
        let mut message = self.start(Kind::Reversal)?;
        message.set_digits(2, reversal.pan.expose())?;
        self.payment(&mut message, reversal.stan, reversal.money, reversal.pin_sent)?;
        self.purpose(&mut message, "22", reversal.batch)?;
        card_details(&mut message, reversal.expiry.as_deref(), reversal.sequence_number)?;
        if let Some(code) = &reversal.auth_code {
            message.set_text(38, code.as_str())?;
        }
        message.set_text(39, reversal.reason.as_str())?;
        if !reversal.tags.expose().is_empty() {
            message.set_bytes(55, reversal.tags.expose())?;
        }
        self.seal(message)
    }

    pub(super) fn start(&self, kind: Kind) -> Result<Message, RequestError> {
        let mut message = Message::new(kind.mti());
        message.set_text(41, self.identity.terminal.as_str())?;
        message.set_text(42, self.identity.merchant.as_str())?;
        Ok(message)
    }

    /// What everything about one payment has in common.
    pub(super) fn payment(
        &self,
        message: &mut Message,
        stan: Stan,
        money: Money,
        with_pin: bool,
    ) -> Result<(), RequestError> {
        message.set_digits(3, PURCHASE)?;
        message.set_digits(4, &format!("{:012}", money.amount.minor()))?;
        message.set_digits(11, &stan.to_string())?;
        // 07: contactless.
        message.set_digits(22, if with_pin { "071" } else { "072" })?;
        message.set_text(49, &format!("{:03}", money.currency.numeric()))?;
        Ok(())
    }

    /// What kind of purchase it is (60.1), and of which batch.
    pub(super) fn purpose(&self, message: &mut Message, kind: &str, batch: Batch) -> Result<(), RequestError> {
        message.set_digits(25, "00")?;
        message.set_digits(60, &self.long_f60(kind, batch, "000"))?;
        Ok(())
    }

    pub(super) fn long_f60(&self, kind: &str, batch: Batch, code: &str) -> String {
        let forms = &self.profile.forms;
        format!("{kind}{batch}{code}{}{}", forms.reader_ability, forms.ic_condition)
    }

    fn management_f60(&self, batch: Batch, code: &str) -> String {
        match self.profile.forms.management_f60_digits {
            13 => self.long_f60("00", batch, code),
            _ => format!("00{batch}{code}"),
        }
    }

    /// Field 53: PIN format, length of the PIN key, whether the track is enciphered.
    fn security_control(&self, keys: &WorkingKeys, sale: &SaleRequest) -> String {
        let pin = match (&sale.pin_block, self.profile.pin.format) {
            (None, _) => '0',
            (Some(_), PinFormat::WithoutPan) => '1',
            (Some(_), PinFormat::WithPan) => '2',
        };
        let length = match keys.pik {
            DesKey::Single(_) => '0',
            DesKey::Double(_) => '6',
        };
        let track = if sale.card.track2.is_some() && self.profile.encrypt_track { '1' } else { '0' };
        format!("{pin}{length}{track}0000000000000")
    }

    /// Adds the MAC, which covers everything else.
    pub(super) fn seal(&self, mut message: Message) -> Result<Message, RequestError> {
        let keys = self.keys.ok_or(RequestError::NoWorkingKeys)?;
        let mac = self.profile.mac.rule.field(&keys.mak, &message.mab())?;
        message.set_bytes(64, &mac)?;
        Ok(message)
    }
}

pub(super) fn card_details(
    message: &mut Message,
    expiry: Option<&str>,
    sequence: Option<u16>,
) -> Result<(), RequestError> {
    if let Some(expiry) = expiry {
        message.set_digits(14, expiry)?;
    }
    if let Some(number) = sequence {
        message.set_digits(23, &format!("{number:03}"))?;
    }
    Ok(())
}

fn expected(kind: Kind, stan: Option<Stan>, money: Option<Money>) -> Expected {
    Expected { kind, stan, amount: money.map(|money| money.amount.minor()) }
}
