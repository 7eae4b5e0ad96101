//! Followers against simulated logs: order, completeness, faults, heads, positions.

mod faults;
mod following;
mod harness;
