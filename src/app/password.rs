//! Operator passwords: Argon2id, the hash made for this.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::domain::secret::SecretBytes;

/// 9 MiB, four passes, one lane: an OWASP setting that fits the memory of a small board.
const MEMORY_KIB: u32 = 9 * 1024;
const PASSES: u32 = 4;

fn argon2() -> Result<Argon2<'static>, argon2::Error> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(MEMORY_KIB, PASSES, 1, None)?))
}

/// A PHC string with its own salt; `None` if the system gives no randomness.
pub fn hash(password: &SecretBytes) -> Option<String> {
    let hash = argon2().ok()?.hash_password(password.expose()).ok()?;
    Some(hash.to_string())
}

/// Whether the password is the one that was hashed.
pub fn matches(password: &SecretBytes, hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    argon2().is_ok_and(|a| a.verify_password(password.expose(), &parsed).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_matches_and_no_two_hashes_are_alike() {
        let password = SecretBytes::new(b"270361".to_vec());
        let hashed = hash(&password).unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=9216,t=4,p=1$"), "{hashed}");
        assert!(matches(&password, &hashed));
        assert!(!matches(&SecretBytes::new(b"270362".to_vec()), &hashed));
        assert!(!matches(&password, "not a hash"));
        assert_ne!(hash(&password).unwrap(), hashed);
    }
}
