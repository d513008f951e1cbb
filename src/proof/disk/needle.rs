//! Finding what must never be on the disk in the clear.

/// Bytes to be searched for, with how far the search may go on after each byte that is not their last (Horspool).
#[derive(Clone)]
pub struct Needle {
    bytes: Vec<u8>,
    skip: [usize; 256],
}

impl Needle {
    /// Of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut skip = [bytes.len().max(1); 256];
        for (at, byte) in bytes.iter().enumerate().take(bytes.len().saturating_sub(1)) {
            skip[usize::from(*byte)] = bytes.len() - 1 - at;
        }
        Self { bytes, skip }
    }

    /// Whether they are in there.
    pub fn is_in(&self, haystack: &[u8]) -> bool {
        let mut start = 0;
        while let Some(window) = haystack.get(start..start + self.bytes.len()) {
            match window.last() {
                None => return false,
                Some(_) if window == self.bytes => return true,
                Some(last) => start += self.skip[usize::from(*last)],
            }
        }
        false
    }
}
