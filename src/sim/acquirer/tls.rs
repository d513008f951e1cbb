//! The host's certificate: a given one, or one made on the spot with its own authority.
//!
//! Owns: files of certificates and keys, the TLS settings. Must not know: connections.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What is wrong with a certificate made on the spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CertificateFlaw {
    /// It has expired.
    Expired,
    /// It is for another name.
    WrongName,
    /// It comes from another authority than `ca.pem`.
    WrongAuthority,
}

/// Names a certificate made on the spot is good for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Reads certificate chain and key.
pub fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let unreadable = |path: &Path, what: &str| format!("{} holds no {what} in PEM form", path.display());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(|items| items.collect())
        .map_err(|e| format!("{}: {e}", unreadable(certificate, "certificate")))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("{}: {e}", unreadable(key, "private key")))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS cannot be set up: {e}"))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| format!("certificate and key do not go together: {e}"))?;
    Ok(Arc::new(config))
}

/// Makes `ca.pem`, `server.pem` and `server.key` in a directory, or takes those that are there already.
pub fn self_signed(
    directory: &Path,
    names: &[String],
    flaw: Option<CertificateFlaw>,
) -> Result<Arc<ServerConfig>, String> {
    let file = |name: &str| directory.join(name);
    let (ca, server, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    let there = [&ca, &server, &key].iter().all(|path| path.exists());
    if !there || flaw.is_some() {
        let made = make(names, flaw).map_err(|e| format!("no certificate could be made: {e}"))?;
        fs::create_dir_all(directory).map_err(|e| format!("cannot make {}: {e}", directory.display()))?;
        write(&ca, &made.authority)?;
        write(&server, &made.server)?;
        write(&key, &made.key)?;
    }
    load(&server, &key)
}

struct Made {
    authority: String,
    server: String,
    key: String,
}

fn make(names: &[String], flaw: Option<CertificateFlaw>) -> Result<Made, rcgen::Error> {
    let (shown, issuer) = authority()?;
    let (other, _) = authority()?;
    let names = match flaw {
        Some(CertificateFlaw::WrongName) => vec!["another.example".to_owned()],
        Some(CertificateFlaw::Expired | CertificateFlaw::WrongAuthority) | None => {
            NAMES.iter().map(|name| (*name).to_owned()).chain(names.iter().cloned()).collect()
        }
    };
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, "Simulated acquirer");
    server.key_usages.push(KeyUsagePurpose::DigitalSignature);
    server.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    server.use_authority_key_identifier_extension = true;
    server.not_before = date_time_ymd(2020, 1, 1);
    let last_year = if flaw == Some(CertificateFlaw::Expired) { 2021 } else { 2099 };
    server.not_after = date_time_ymd(last_year, 1, 1);
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &issuer)?;
    let authority = if flaw == Some(CertificateFlaw::WrongAuthority) { other } else { shown };
    Ok(Made { authority, server: certificate.pem(), key: key.serialize_pem() })
}

fn authority() -> Result<(String, Issuer<'static, KeyPair>), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Authority of the simulated acquirer");
    params.key_usages.extend([KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign]);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| format!("cannot write {}: {e}", path.display()))
}
