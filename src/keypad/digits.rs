//! The buffer that secret digits are typed into.
//!
//! One heap block of the final size, allocated once and wiped by overwriting: typing never reallocates, so no copy is
//! left behind, and moving the machine moves a pointer, not digits. Keeping the block out of swap is the service's
//! work (`MemorySwapMax=0`, or `mlockall`): locking one address needs `unsafe`, which this crate forbids.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Up to `capacity` small values. No `Debug`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretDigits {
    /// Always as long as the capacity; unused places are zero.
    places: Vec<u8>,
    used: usize,
}

impl SecretDigits {
    /// An empty buffer for so many digits.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { places: vec![0; capacity], used: 0 }
    }

    /// How many digits are in.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Adds a digit; `false` when the buffer is full and nothing was added.
    pub fn push(&mut self, digit: u8) -> bool {
        let Some(place) = self.places.get_mut(self.used) else { return false };
        *place = digit;
        self.used += 1;
        true
    }

    /// Wipes the last digit; `false` when there was none.
    pub fn pop(&mut self) -> bool {
        let Some(last) = self.used.checked_sub(1) else { return false };
        if let Some(place) = self.places.get_mut(last) {
            place.zeroize();
        }
        self.used = last;
        true
    }

    /// Wipes all digits; the block is kept.
    pub fn wipe(&mut self) {
        self.places.as_mut_slice().zeroize();
        self.used = 0;
    }

    /// Hands the block itself over, cut to what is used; no copy stays here.
    pub fn take(&mut self) -> Vec<u8> {
        let mut block = std::mem::take(&mut self.places);
        block.truncate(self.used);
        self.used = 0;
        block
    }

    /// The digits, for the one computation that needs them.
    pub fn expose(&self) -> &[u8] {
        self.places.get(..self.used).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_never_moves_the_block_and_take_hands_over_the_same_one() {
        let mut digits = SecretDigits::with_capacity(12);
        let block = digits.places.as_ptr();
        for digit in 0..12 {
            assert!(digits.push(digit % 10));
            assert_eq!(digits.places.as_ptr(), block);
        }
        assert!(!digits.push(1), "a full buffer takes no more");
        assert_eq!(digits.expose().len(), 12);
        let taken = digits.take();
        assert_eq!(taken.as_ptr(), block);
        assert!(digits.places.is_empty());
    }

    #[test]
    fn backspace_and_wipe_overwrite_what_was_typed() {
        let mut digits = SecretDigits::with_capacity(6);
        for digit in [7, 8, 9] {
            digits.push(digit);
        }
        assert!(digits.pop());
        assert_eq!(digits.places, [7, 8, 0, 0, 0, 0]);
        let block = digits.places.as_ptr();
        digits.wipe();
        assert_eq!(digits.places, [0; 6], "every place, not only the length");
        assert_eq!(digits.places.as_ptr(), block, "wiped in place");
        assert!(digits.is_empty() && !digits.pop());
    }

    #[test]
    fn zeroizing_the_whole_buffer_leaves_nothing() {
        let mut digits = SecretDigits::with_capacity(4);
        digits.push(5);
        digits.zeroize();
        assert_eq!((digits.len(), digits.places.len()), (0, 0));
        assert!(!digits.push(1), "a handed-over buffer takes no digits");
    }
}
