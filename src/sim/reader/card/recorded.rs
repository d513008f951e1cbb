//! A card that says what a recorded card said.
//!
//! Owns: the recorded exchanges and the place reached in them. Must not know: what they mean.

use crate::sim::reader::picc::Applet;

/// Commands with their answers, in the order of the recording.
pub struct Recorded {
    exchanges: Vec<(Vec<u8>, Vec<u8>)>,
    next: usize,
}

impl Recorded {
    /// A card with these exchanges.
    #[must_use]
    pub fn new(exchanges: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self { exchanges, next: 0 }
    }
}

impl Applet for Recorded {
    fn reset(&mut self) {
        self.next = 0;
    }

    /// Looks from the place reached on, then from the start: the same READ RECORD means different things after
    /// different SELECTs. What was never asked gets 6A82.
    fn exchange(&mut self, apdu: &[u8]) -> Vec<u8> {
        let count = self.exchanges.len();
        let order = (self.next..count).chain(0..self.next.min(count));
        for index in order {
            if let Some((command, answer)) = self.exchanges.get(index)
                && command == apdu
            {
                self.next = index + 1;
                return answer.clone();
            }
        }
        vec![0x6A, 0x82]
    }
}
