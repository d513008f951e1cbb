//! When the certificate file that is pinned runs out.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::domain::time::WallTime;

/// The end of the certificate in this file that ends first; `None` if there is none that can be read.
pub fn expires(file: &Path) -> Option<WallTime> {
    let pem = std::fs::read(file).ok()?;
    let ends = CertificateDer::pem_slice_iter(&pem).filter_map(|certificate| {
        let certificate = certificate.ok()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).ok()?;
        u64::try_from(parsed.validity().not_after.timestamp()).ok()
    });
    ends.min().map(|seconds| WallTime(seconds.saturating_mul(1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(until: i32) -> String {
        let mut parameters = rcgen::CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn the_first_end_in_a_file_counts() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("host.pem");
        assert_eq!(expires(&file), None);
        std::fs::write(&file, "no certificate\n").unwrap();
        assert_eq!(expires(&file), None);
        std::fs::write(&file, certificate(2032) + &certificate(2031)).unwrap();
        assert_eq!(expires(&file).unwrap().civil(0).to_string(), "2031-01-01 00:00:00");
    }
}
