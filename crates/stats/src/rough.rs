//! Values for tests that are as good as random, and the same each time.

/// Number `at`, from 0 to 1.
pub fn rough(at: u64) -> f64 {
    let bits = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f64 / (1 << 24) as f64
}
