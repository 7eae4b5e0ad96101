//! A machine whose clocks and boot a test decides.

use std::time::Duration;

use parking_lot::Mutex;

use super::Random;
use crate::host::Host;

/// A machine whose clocks and boot a test decides.
#[derive(Debug)]
pub struct SimulatedHost {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    wall: Duration,
    monotonic: Duration,
    boot: u8,
    random: Random,
}

impl SimulatedHost {
    /// Creates a machine in its first boot, with a wall clock that shows `wall`.
    #[must_use]
    pub const fn new(seed: u64, wall: Duration) -> Self {
        let random = Random::new(seed);
        Self { state: Mutex::new(State { wall, monotonic: Duration::ZERO, boot: 1, random }) }
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let mut state = self.state.lock();
        state.wall = state.wall.saturating_add(time);
        state.monotonic = state.monotonic.saturating_add(time);
    }

    /// Sets the wall clock.
    pub fn set_clock(&self, wall: Duration) {
        self.state.lock().wall = wall;
    }

    /// Begins another boot.
    pub fn reboot(&self) {
        let mut state = self.state.lock();
        state.boot = state.boot.wrapping_add(1).max(1);
    }
}

impl Host for SimulatedHost {
    fn now(&self) -> Duration {
        self.state.lock().wall
    }

    fn monotonic(&self) -> Duration {
        self.state.lock().monotonic
    }

    fn boot(&self) -> [u8; 16] {
        [self.state.lock().boot; 16]
    }

    fn random(&self) -> u64 {
        self.state.lock().random.number()
    }
}
