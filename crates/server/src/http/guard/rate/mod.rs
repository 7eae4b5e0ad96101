//! How often a client may ask: a token bucket with a burst beyond it, and a sliding window.
//!
//! Written here and not taken from `governor`: there the limits are part of the state, so a reload
//! would forget who asked how often; bucket, burst and window are to be asked together, each left
//! alone when another says no; and its map of clients has no bound.

mod account;
mod accounts;
mod window;

pub(super) use account::{Allowance, Limit, Standing, Verdict};
pub(super) use accounts::{Accounts, Key};
