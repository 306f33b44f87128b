//! A hash for keys that no peer chooses: nobody could make many of them meet, so they need not be hashed well.

use std::hash::{BuildHasherDefault, Hasher};

/// For a map.
pub(crate) type BySpread = BuildHasherDefault<Spread>;

/// Spreads numbers over all bits.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio: neighbours end far from each other, in the upper bits too.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
