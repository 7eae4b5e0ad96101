//! The configuration of a simulator.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// The configuration of a simulator. [`Config::default`] is two logs of each protocol that grow by
/// 10 entries a second each.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// All that is generated follows from this number: keys, log ids, entries.
    pub seed: u64,
    /// The number of RFC 6962 logs, at most 1,000.
    pub rfc6962: usize,
    /// The number of static-ct-api logs, at most 1,000.
    pub static_ct: usize,
    /// On how many hosts the logs are read, 1 to 100: on the listener's, and on other ports of its
    /// address. They take turns, within each kind.
    pub hosts: usize,
    /// In how many generated logs each certificate is logged, 1 to 1,000. The logs form groups of
    /// about as many, spread over both protocols and over the interval in which heads are published;
    /// those of a group hold the same certificates.
    pub copies: usize,
    /// The entries a second that each log gains, 0 to 1,000,000. Those that cannot be generated in
    /// time comes late. With 0 a log grows by [`LogHandle::grow`](crate::LogHandle::grow) alone.
    pub rate: f64,
    /// The number of entries of each log at the start, at most 2^40 - 1.
    pub initial_size: u64,
    /// The size at which each log stops growing.
    pub max_size: Option<u64>,
    /// The interval at which each log looks for new entries and signs a head over them, at least 1
    /// ms. A log without new entries signs anew every second, or at this interval when it is
    /// longer.
    pub publish_interval: Duration,
    /// The most entries in a get-entries answer, 1 to 10,000.
    pub page_limit: u64,
    /// True if get-entries responses end at multiples of `page_limit`, as those of many logs do.
    pub page_aligned: bool,
    /// A folder of real entries to serve as further logs; see [`Corpus`](crate::corpus::Corpus).
    pub corpus: Option<PathBuf>,
    /// Names for the certificates of some entries of the first RFC 6962 log, by index, in place of
    /// those drawn; each at most 100 characters.
    pub planted: BTreeMap<u64, String>,
    /// The time at which the entries present at the start end and the others begin, in ms since the
    /// Unix epoch; timestamps and dates of generated entries follow from it. `None` is the time of
    /// the start, so that new entries carry the time at which they appear. Give it to have the same
    /// entries, byte for byte, in another run.
    pub epoch: Option<u64>,
    /// A domain that certificates are issued for again and again; `None` for invented ones alone.
    pub named: Option<Named>,
}

/// A domain that some of the certificates are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The domain; each certificate is for it and for `www` below it.
    pub domain: String,
    /// One certificate in so many of each log is for it, at least 1.
    pub every: u64,
}

/// A configuration that cannot be simulated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key} must be {demand}, not {value}")]
pub struct ConfigError {
    /// The field of [`Config`].
    pub key: &'static str,
    /// The values allowed.
    pub demand: &'static str,
    /// The value given.
    pub value: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            rfc6962: 2,
            static_ct: 2,
            hosts: 1,
            copies: 1,
            rate: 10.0,
            initial_size: 2_000,
            max_size: None,
            publish_interval: Duration::from_secs(1),
            page_limit: 256,
            page_aligned: false,
            corpus: None,
            planted: BTreeMap::new(),
            epoch: None,
            named: None,
        }
    }
}

impl Config {
    /// Checks every field.
    ///
    /// # Errors
    /// Names the first one out of bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |good: bool, key, demand, value: String| match good {
            true => Ok(()),
            false => Err(ConfigError { key, demand, value }),
        };
        let count = |key, logs: usize| check(logs <= 1_000, key, "at most 1000", logs.to_string());
        count("rfc6962", self.rfc6962)?;
        count("static_ct", self.static_ct)?;
        let hosts = (1..=100).contains(&self.hosts);
        check(hosts, "hosts", "1 to 100", self.hosts.to_string())?;
        let copies = (1..=1_000).contains(&self.copies);
        check(copies, "copies", "1 to 1000", self.copies.to_string())?;
        let rate = (0.0..=1e6).contains(&self.rate);
        check(rate, "rate", "0 to 1000000 entries a second", self.rate.to_string())?;
        let size = self.initial_size;
        check(size < 1 << 40, "initial_size", "less than 2^40", size.to_string())?;
        if let Some(max) = self.max_size {
            check(max >= size, "max_size", "at least initial_size", max.to_string())?;
        }
        if let Some(name) = self.planted.values().find(|name| name.is_empty() || name.len() > 100) {
            check(false, "planted", "names of 1 to 100 characters", name.clone())?;
        }
        if let Some(Named { every, .. }) = &self.named {
            check(*every > 0, "named.every", "at least 1", every.to_string())?;
        }
        let interval = self.publish_interval;
        let slow_enough = interval >= Duration::from_millis(1);
        check(slow_enough, "publish_interval", "at least 1 ms", format!("{interval:?}"))?;
        let page = (1..=10_000).contains(&self.page_limit);
        check(page, "page_limit", "1 to 10000", self.page_limit.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept() {
        let good = Config::default();
        assert_eq!(good.validate(), Ok(()));
        for (key, bad) in [
            ("rfc6962", Config { rfc6962: 1_001, ..good.clone() }),
            ("static_ct", Config { static_ct: 1_001, ..good.clone() }),
            ("hosts", Config { hosts: 0, ..good.clone() }),
            ("copies", Config { copies: 0, ..good.clone() }),
            ("rate", Config { rate: f64::NAN, ..good.clone() }),
            ("rate", Config { rate: -1.0, ..good.clone() }),
            ("initial_size", Config { initial_size: 1 << 40, ..good.clone() }),
            ("max_size", Config { max_size: Some(1), ..good.clone() }),
            ("publish_interval", Config { publish_interval: Duration::ZERO, ..good.clone() }),
            ("planted", Config { planted: [(1, "a".repeat(101))].into(), ..good.clone() }),
            ("page_limit", Config { page_limit: 0, ..good }),
        ] {
            assert_eq!(bad.validate().map_err(|error| error.key), Err(key));
        }
    }
}
