//! A stream of pseudo-random numbers that is the same on every machine and in every release.
//!
//! SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): entries must depend on nothing but their seed, which
//! no library generator promises across versions. It is fast, and no secret depends on it.

use ct::Hash;

#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream named by `seed`, `stream` and `index`; streams of different names are unrelated.
    pub(crate) fn of(seed: u64, stream: u64, index: u64) -> Self {
        Self(mix(mix(mix(seed).wrapping_add(stream)).wrapping_add(index)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.next()) * (bound as u128);
        (product >> 64) as usize
    }

    /// True in `per_mille` of a thousand cases.
    pub(crate) fn chance(&mut self, per_mille: usize) -> bool {
        self.below(1000) < per_mille
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    pub(crate) fn append(&mut self, count: usize, out: &mut Vec<u8>) {
        for _ in 0..count / 8 {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.extend_from_slice(&self.next().to_le_bytes()[..count % 8]);
    }

    pub(crate) fn hash(&mut self) -> Hash {
        let mut hash = Hash::default();
        for chunk in hash.as_chunks_mut::<8>().0 {
            *chunk = self.next().to_le_bytes();
        }
        hash
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
