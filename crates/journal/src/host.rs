//! The clocks of the machine, its boot, and randomness.

use std::fmt::Debug;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The machine as far as a journal depends on it: its clocks, its boot and randomness.
pub trait Host: Debug + Send + Sync {
    /// Returns the wall clock's time since 1970. It may be wrong, and it may step.
    fn now(&self) -> Duration;

    /// Returns the time of a clock that never steps, since any moment.
    fn monotonic(&self) -> Duration;

    /// Returns the identity of the machine's boot, all zero if it is unknown.
    fn boot(&self) -> [u8; 16];

    /// Returns an unpredictable number.
    fn random(&self) -> u64;
}

/// The real machine.
#[derive(Clone, Copy, Debug)]
pub struct System {
    started: Instant,
}

impl System {
    /// Returns the machine that this process runs on.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for System {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn boot(&self) -> [u8; 16] {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .and_then(|text| parse_boot_id(&text))
            .unwrap_or_default()
    }

    fn random(&self) -> u64 {
        // The keys of the hasher come from the operating system.
        RandomState::new().hash_one(self.started)
    }
}

/// Reads a UUID: 32 hexadecimal digits with hyphens between.
fn parse_boot_id(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.trim().chars().filter(|digit| *digit != '-').collect();
    let number = (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten()?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_is_read_and_anything_else_is_unknown() {
        let id = parse_boot_id("00010203-0405-0607-0809-0a0b0c0d0e0f\n");
        assert_eq!(id, Some(std::array::from_fn(|at| at as u8)));
        for text in ["", "0001", "zz010203-0405-0607-0809-0a0b0c0d0e0f"] {
            assert_eq!(parse_boot_id(text), None, "{text}");
        }
    }

    #[test]
    fn random_numbers_differ() {
        let host = System::new();
        assert_ne!(host.random(), host.random());
    }
}
