//! Reading and proving simulated logs, without a follower.

mod disk;
mod range;
