//! TLS towards the acquirer: trust in one authority or one certificate, and words for every refusal.
//!
//! Owns: reading the pinned certificate, verification, what a failed handshake means. Must not know: sockets, what is
//! sent. There is no setting that accepts an unverified certificate, and no way back to plain TCP.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, RootCertStore, SignatureScheme,
};
use tokio_rustls::TlsConnector;

use crate::domain::link::{CertificatePin, ConnectFailure, ConnectFailureKind, Trust};
use crate::domain::time::WallTime;

/// SHA-256 of a certificate.
type Fingerprint = [u8; 32];

/// What a TLS handshake with the acquirer needs.
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
    seen: Arc<Mutex<Option<Fingerprint>>>,
}

/// Prepares a handshake with `host`; `None` where the line is plain. Reads the certificate file anew each time, so that
/// a file put right helps at once.
pub(super) fn prepare(trust: &Trust, host: &str) -> Result<Option<Tls>, ConnectFailure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let seen = Arc::new(Mutex::new(None));
    let (verifier, name): (Arc<dyn ServerCertVerifier>, _) = match trust {
        Trust::Plain | Trust::TrainingHost => return Ok(None),
        Trust::PinnedCa { ca, server_name } => {
            let name = server_name_of(server_name.as_deref().unwrap_or(host))?;
            let mut roots = RootCertStore::empty();
            for certificate in certificates(ca)? {
                roots.add(certificate).map_err(|error| setup(format!("{}: {error}", ca.display())))?;
            }
            let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| setup(format!("{}: {error}", ca.display())))?;
            (Arc::new(Watching { inner, seen: Arc::clone(&seen) }), name)
        }
        Trust::PinnedCertificate { pin, server_name } => {
            let pin = match pin {
                CertificatePin::Fingerprint(sha) => *sha,
                CertificatePin::File(file) => {
                    let all = certificates(file)?;
                    fingerprint(all.first().ok_or_else(|| setup(format!("{}: no certificate in it", file.display())))?)
                }
            };
            let required = server_name.as_deref().map(server_name_of).transpose()?;
            let name = server_name_of(server_name.as_deref().unwrap_or(host))?;
            let inner = Pinned { pin, required, provider: Arc::clone(&provider) };
            (Arc::new(Watching { inner: Arc::new(inner), seen: Arc::clone(&seen) }), name)
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Some(Tls { connector: TlsConnector::from(Arc::new(config)), name, seen }))
}

fn setup(evidence: String) -> ConnectFailure {
    ConnectFailure { kind: ConnectFailureKind::Setup, evidence: format!("TLS settings: {evidence}") }
}

fn server_name_of(name: &str) -> Result<ServerName<'static>, ConnectFailure> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| setup(format!("\"{name}\" is no host name; set tls.server_name in the profile")))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectFailure> {
    let pem = std::fs::read(file).map_err(|error| setup(format!("{}: {error}", file.display())))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(setup(format!("{}: no PEM certificate in it", file.display()))),
        Err(error) => Err(setup(format!("{}: {error}", file.display()))),
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    let sha256 = match TLS13_AES_128_GCM_SHA256 {
        rustls::SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
        rustls::SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
    };
    let digest = sha256.hash(certificate);
    digest.as_ref().try_into().unwrap_or([0; 32])
}

/// Remembers which certificate was shown, for the technician, whatever comes of it.
#[derive(Debug)]
struct Watching<V: ?Sized> {
    seen: Arc<Mutex<Option<Fingerprint>>>,
    inner: Arc<V>,
}

impl<V: ServerCertVerifier + ?Sized> ServerCertVerifier for Watching<V> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint(end_entity));
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Accepts one certificate, within its dates, and for a name if one is required. Who issued it does not matter; that the
/// peer has its key is proven by the handshake's signature.
#[derive(Debug)]
struct Pinned {
    pin: Fingerprint,
    required: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if fingerprint(end_entity) != self.pin {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        check_dates(end_entity, now)?;
        if let Some(name) = &self.required {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let at = |seconds: i64| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds.max(0).unsigned_abs()));
    let not_before = at(parsed.validity().not_before.timestamp());
    let not_after = at(parsed.validity().not_after.timestamp());
    if now.as_secs() < not_before.as_secs() {
        return Err(CertificateError::NotValidYetContext { time: now, not_before });
    }
    if now.as_secs() > not_after.as_secs() {
        return Err(CertificateError::ExpiredContext { time: now, not_after });
    }
    Ok(())
}

impl Tls {
    /// What a failed handshake means.
    pub(super) fn failure(&self, error: &std::io::Error) -> ConnectFailure {
        let (kind, text) = match error.get_ref().and_then(|source| source.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(why)) => (ConnectFailureKind::CertificateRefused, self.refusal(why)),
            Some(Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            )) => {
                let text = "something else than TLS answers here: a web page, or a host without TLS";
                (ConnectFailureKind::NotTls, text.to_owned())
            }
            Some(Error::AlertReceived(alert)) => {
                let text = format!(
                    "the host broke the TLS handshake off ({alert:?}): ask the acquirer for its TLS requirements"
                );
                (ConnectFailureKind::Handshake, text)
            }
            Some(other) => (ConnectFailureKind::Handshake, format!("TLS handshake failed: {other}")),
            None => (ConnectFailureKind::Handshake, format!("the connection ended during the TLS handshake: {error}")),
        };
        ConnectFailure { kind, evidence: text }
    }

    fn refusal(&self, why: &CertificateError) -> String {
        let reason = match why {
            CertificateError::ExpiredContext { time, not_after } => {
                format!("expired on {}, and our clock says {}", date(*not_after), date(*time))
            }
            CertificateError::Expired => "expired".to_owned(),
            CertificateError::NotValidYetContext { time, not_before } => {
                let (from, now) = (date(*not_before), date(*time));
                format!("valid only from {from}, and our clock says {now}: is the clock wrong?")
            }
            CertificateError::NotValidYet => "not valid yet: is the clock wrong?".to_owned(),
            CertificateError::UnknownIssuer => "not issued by the pinned authority".to_owned(),
            CertificateError::NotValidForNameContext { expected, presented } => {
                format!("for {}, not for {}", presented.join(", "), expected.to_str())
            }
            CertificateError::NotValidForName => format!("not for {}", self.name.to_str()),
            CertificateError::ApplicationVerificationFailure => "not the pinned one".to_owned(),
            CertificateError::BadSignature => "wrongly signed: somebody imitates the host or its authority".to_owned(),
            other => format!("not acceptable ({other})"),
        };
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sha: String = seen.unwrap_or_default().iter().map(|byte| format!("{byte:02X}")).collect();
        format!("the host's certificate is {reason}; its SHA-256 is {sha}")
    }
}

fn date(time: UnixTime) -> String {
    format!("{} UTC", WallTime(time.as_secs().saturating_mul(1_000_000)).civil(0))
}
