//! Reading and proving simulated logs, without a follower.

mod range;
