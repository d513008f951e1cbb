//! Operator passwords: Argon2id, the hash made for this.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{CustomizedPasswordHasher, Error, PasswordVerifier, Result, Version, try_generate_salt};
use argon2::{Algorithm, Argon2, Block, Params};

use crate::domain::secret::SecretBytes;

/// 9 MiB, four passes, one lane: an OWASP setting that fits the memory of a small board.
const MEMORY_KIB: u32 = 9 * 1024;
const PASSES: u32 = 4;

/// What the hash asks the allocator for; only what it uses becomes memory. The C library keeps smaller pieces for later,
/// which would be 9 MiB for ever after the first sign-in; one above 32 MiB it maps by itself and gives back at once.
const RESERVED: usize = 33 << 20;

/// A PHC string with its own salt; `None` if the system gives no randomness.
pub fn hash(password: &SecretBytes) -> Option<String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).ok()?;
    let salt = try_generate_salt().ok()?;
    Some(Argon2id.hash_password_with_params(password.expose(), &salt, params).ok()?.to_string())
}

/// Whether the password is the one that was hashed.
pub fn matches(password: &SecretBytes, hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    Argon2id.verify_password(password.expose(), &parsed).is_ok()
}

/// The crate's hasher with memory of our own; the crate compares what it makes, in constant time.
struct Argon2id;

impl CustomizedPasswordHasher<PasswordHash> for Argon2id {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<Version>,
        params: Params,
    ) -> Result<PasswordHash> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(argon2::Version::try_from).transpose()?.unwrap_or_default();
        if params.block_count() > RESERVED / Block::SIZE {
            return Err(Error::ParamsInvalid);
        }
        let mut memory: Vec<Block> = Vec::with_capacity(RESERVED / Block::SIZE);
        memory.resize(params.block_count(), Block::new());
        let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
        let hasher = Argon2::new(algorithm, version, params);
        hasher.hash_password_into_with_memory(password, salt, &mut out, &mut memory)?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(hasher.params())?,
            salt: Some(Salt::new(salt)?),
            hash: Some(Output::new(&out)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordHasher;

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

    #[test]
    fn the_hash_is_the_one_the_crate_makes_with_its_own_memory() {
        let password = SecretBytes::new(b"270361".to_vec());
        let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap();
        let theirs = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params);
        let hashed = theirs.hash_password_with_salt(password.expose(), b"any sixteen byte").unwrap().to_string();
        assert!(matches(&password, &hashed));
        assert!(
            theirs.verify_password(password.expose(), &PasswordHash::new(&hash(&password).unwrap()).unwrap()).is_ok()
        );
    }

    #[test]
    fn a_stored_hash_that_wants_more_memory_is_refused() {
        let hashed = hash(&SecretBytes::new(b"270361".to_vec())).unwrap();
        let greedy = hashed.replace("m=9216", "m=40000");
        assert!(!matches(&SecretBytes::new(b"270361".to_vec()), &greedy));
    }
}
