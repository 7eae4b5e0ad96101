//! The times of kills, which follow from a seed.

use std::time::Duration;

/// The time between two kills, and the time until a process is started again, in milliseconds.
const BETWEEN: [u64; 2] = [2_000, 8_000];
const DOWN: [u64; 2] = [1_000, 3_000];

/// One kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kill {
    /// The time since the first record.
    pub(super) at: Duration,
    /// A number that selects one of the processes that may be killed.
    pub(super) pick: u64,
    /// The time until the process is started again.
    pub(super) down: Duration,
}

/// Returns the kills of a seed in their order.
pub(super) fn kills(seed: u64, count: u64) -> Vec<Kill> {
    let mut random = Random(seed);
    let mut at = Duration::ZERO;
    let kills = (0..count).map(|_| {
        at += random.milliseconds(BETWEEN);
        Kill { at, pick: random.next(), down: random.milliseconds(DOWN) }
    });
    kills.collect()
}

/// Numbers that follow from a seed: splitmix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    const fn milliseconds(&mut self, [least, most]: [u64; 2]) -> Duration {
        Duration::from_millis(least + self.next() % (most - least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_kills_again_and_another_gives_others() {
        let kills_of = kills(7, 50);
        assert_eq!(kills_of, kills(7, 50));
        assert_ne!(kills_of, kills(8, 50));
        assert_eq!(kills_of.len(), 50);
        for process in 0..7 {
            let is_selected = kills_of.iter().any(|kill| kill.pick % 7 == process);
            assert!(is_selected, "process {process} of seven is never killed");
        }
        for (kill, next) in kills_of.iter().zip(kills_of.iter().skip(1)) {
            assert!(next.at - kill.at >= Duration::from_millis(BETWEEN[0]));
            assert!((DOWN[0]..DOWN[1]).contains(&u64::try_from(kill.down.as_millis()).unwrap()));
        }
    }
}
