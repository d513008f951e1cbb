//! All chance there is: one generator, one seed. Whoever throws twice with the same seed sees the same twice.

/// A small generator (splitmix64), good enough to spread events.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed; neighbouring seeds do not begin alike.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 ..< `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        (self.draw() >> 11) % sides.max(1)
    }

    /// The same as an index.
    pub fn index(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(sides).unwrap_or(1))).unwrap_or(0)
    }

    /// True with this chance in a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    /// `from` ..= `to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from.saturating_add(self.roll(to.saturating_sub(from).saturating_add(1)))
    }

    /// One of several; `None` of none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.index(from.len()))
    }

    /// One of a list that is never empty.
    pub fn one_of<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        const { assert!(N > 0) };
        from[self.index(N) % N]
    }
}
