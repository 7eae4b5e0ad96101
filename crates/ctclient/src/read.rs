//! Reading ranges of a log: downloads that run ahead, retries, and ranges proved against a head.

pub(crate) mod ahead;
pub(crate) mod fetch;
pub(crate) mod range;
