//! Followers against simulated logs: order, completeness, faults, heads, positions.

#![allow(clippy::print_stdout, reason = "tests say what they skip")]

mod answers;
mod change;
mod faults;
mod following;
mod harness;
mod hybrid;
mod lists;
mod malformed;
mod politeness;
mod proof;
mod site;
mod unreadable;
