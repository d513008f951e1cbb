//! Counts of what goes wrong on the line, and whether that is too much.
//!
//! Owns: counters for the journal and the evidence of the causes H02 (silent) and H03 (noisy). Must not know: why.

/// Counted since the machine was made. Plain numbers; nothing here says what was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Whole frames read.
    pub frames: u64,
    /// Damaged, cut or foreign bytes (evidence of H03).
    pub framing_errors: u64,
    /// Good frames that answered nothing that was asked.
    pub stale_frames: u64,
    /// Commands without an ACK in time (evidence of H02).
    pub ack_timeouts: u64,
    /// Commands with an ACK but no answer in time (evidence of H02).
    pub answer_timeouts: u64,
    /// Answers asked for once more.
    pub nacks: u64,
    /// Commands sent once more.
    pub resends: u64,
    /// Commands the chip refused as malformed.
    pub error_frames: u64,
    /// Wake-ups sent.
    pub wakes: u64,
    /// Times the port was closed and opened.
    pub reopens: u64,
    /// Pulses on the reset line.
    pub resets: u64,
    /// Power cycles.
    pub power_cycles: u64,
    /// Returns from the raised rate because of errors.
    pub rate_fallbacks: u64,
}

/// How many of the last exchanges met a damaged frame or had to be repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineQuality {
    /// One bit per exchange, the newest lowest.
    recent: u32,
    noisy: bool,
}

impl LineQuality {
    /// So many bad ones of the last 32 make the line noisy.
    pub const NOISY_AT: u32 = 6;
    /// So few bad ones make it clean again. Apart from the other limit, so that the cause does not flicker.
    pub const CLEAN_AT: u32 = 1;

    /// Notes how one exchange went.
    pub fn note(&mut self, clean: bool) {
        self.recent = self.recent << 1 | u32::from(!clean);
        match self.recent.count_ones() {
            Self::NOISY_AT.. => self.noisy = true,
            0..=Self::CLEAN_AT => self.noisy = false,
            _ => {}
        }
    }

    /// Whether the line counts as noisy (H03).
    pub fn noisy(self) -> bool {
        self.noisy
    }

    /// Forgets the past, as when rate or port change.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_noisy_by_several_errors_and_clean_by_many_good_exchanges() {
        let mut line = LineQuality::default();
        (0..5).for_each(|_| line.note(false));
        assert!(!line.noisy());
        line.note(false);
        assert!(line.noisy());
        (0..30).for_each(|_| line.note(true));
        assert!(line.noisy());
        line.note(true);
        assert!(!line.noisy());
    }
}
