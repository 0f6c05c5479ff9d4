//! Numbers that look random and are the same in every run.

/// SplitMix64 (Steele, Lea and Flood 2014), by its seed.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Uniform in (0, 1].
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    #[allow(dead_code, reason = "not every test draws it")]
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }

    /// Nearly normal, mean 0 and deviation 1.
    #[allow(dead_code, reason = "not every test draws it")]
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit() - 0.5).sum()
    }
}
