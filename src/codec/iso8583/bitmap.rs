//! The primary bitmap: which of fields 1 to 64 are there.

use std::fmt;

/// 64 bits, field 1 first. Carries no values, so it may be logged.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Bitmap(pub u64);

impl Bitmap {
    const fn bit(field: u8) -> u64 {
        if field >= 1 && field <= 64 { 1 << (64 - field) } else { 0 }
    }

    /// Whether the field is there.
    pub const fn has(self, field: u8) -> bool {
        self.0 & Self::bit(field) != 0
    }

    /// With the field.
    #[must_use]
    pub const fn with(self, field: u8) -> Self {
        Self(self.0 | Self::bit(field))
    }

    /// Without the field.
    #[must_use]
    pub const fn without(self, field: u8) -> Self {
        Self(self.0 & !Self::bit(field))
    }

    /// The fields in ascending order.
    pub const fn fields(self) -> Fields {
        Fields(self.0)
    }
}

/// Field numbers of a bitmap, ascending.
#[derive(Clone)]
pub struct Fields(u64);

impl Iterator for Fields {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.0 == 0 {
            return None;
        }
        let zeros = self.0.leading_zeros();
        self.0 &= !(1 << (63 - zeros));
        Some(zeros as u8 + 1)
    }
}

impl fmt::Display for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitmap({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_one_is_the_first_bit_and_field_64_the_last() {
        assert_eq!(Bitmap::default().with(1).0, 1 << 63);
        assert_eq!(Bitmap::default().with(64).0, 1);
        assert_eq!(Bitmap(0x0020_0000_00C0_0012).fields().collect::<Vec<_>>(), [11, 41, 42, 60, 63]);
    }

    #[test]
    fn numbers_beyond_the_bitmap_are_never_there() {
        assert_eq!(Bitmap::default().with(0).with(65).with(255), Bitmap::default());
        assert!(!Bitmap(u64::MAX).has(0) && !Bitmap(u64::MAX).has(65));
    }
}
