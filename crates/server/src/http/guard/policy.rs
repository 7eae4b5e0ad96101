//! The access rules of a configuration, compiled.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::HeaderMap;
use config::{Config, RateLimit, network};

use super::address::{self, Networks};
use super::auth::{Auth, Tier};
use super::rate::Allowance;
use super::slots::SlotLimits;
use crate::options;

/// An error of a configuration that is no policy; the configuration's own checks find it earlier.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A text is neither an address nor a network.
    #[error("{key}: {text:?} is not an IP address or network such as 10.0.0.0/8")]
    Network {
        /// The setting.
        key: &'static str,
        /// The text.
        text: String,
    },
    /// `auth.header_name` is not the name of a header.
    #[error("auth.header_name: {0:?} is not the name of a request header")]
    HeaderName(String),
}

/// The rules for requests, made once for each configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) proxies: Networks,
    /// True if the operator has set that no proxy is trusted.
    pub(super) trusts_nobody: bool,
    /// Empty for everybody.
    pub(super) allowed: Networks,
    /// The clients that may read metrics, and their proxies.
    pub(super) metrics: Readers,
    pub(super) auth: Auth,
    pub(super) streams: SlotLimits,
    pub(super) pending: SlotLimits,
    /// None where requests are not limited.
    pub(super) rates: Option<Rates>,
}

/// The addresses that may read something, and the trusted proxies.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    /// Empty for everybody.
    pub(super) allowed: Networks,
    pub(super) proxies: Networks,
}

/// The allowances of the tiers.
#[derive(Debug, Clone)]
pub(super) struct Rates {
    tiers: [Allowance; 3],
    /// Most clients remembered.
    pub(super) max_clients: usize,
    /// The time without a request after which any client counts as new.
    pub(super) horizon: Duration,
}

impl Policy {
    /// Compiles the rules of a configuration.
    ///
    /// # Errors
    /// An address, a network or a header name is invalid.
    pub fn compile(config: &Config) -> Result<Self, PolicyError> {
        let name = &config.auth.header_name;
        let limit = &config.connection_limit;
        let or_any = |limit: Option<u64>| limit.filter(|most| *most > 0).unwrap_or(u64::MAX);
        let trusted = match config.real_ip {
            Some(false) => Networks::default(),
            _ => networks("trusted_proxies", &config.trusted_proxies)?,
        };
        Ok(Self {
            metrics: Readers::of_metrics(config, &trusted)?,
            proxies: trusted,
            trusts_nobody: config.real_ip == Some(false),
            allowed: networks("ip_allow_list", &config.ip_allow_list)?,
            auth: Auth::compile(&config.auth)
                .ok_or_else(|| PolicyError::HeaderName(name.clone()))?,
            streams: match limit.enabled {
                false => SlotLimits::NONE,
                true => SlotLimits {
                    total: limit.max_connections,
                    per_client: or_any(limit.per_ip_limit),
                },
            },
            pending: SlotLimits { total: limit.max_pending, per_client: limit.max_pending_per_ip },
            rates: config.rate_limit.enabled.then(|| Rates::compile(&config.rate_limit)),
        })
    }

    /// Reports whether CORS has to name the header `Authorization`.
    pub(crate) fn reads_authorization(&self) -> bool {
        self.auth.reads_authorization()
    }
}

impl Readers {
    /// Compiles the rules for metrics; `trusted` are the proxies of the server's own listener.
    fn of_metrics(config: &Config, trusted: &Networks) -> Result<Self, PolicyError> {
        let own = &config.prometheus;
        let proxies = if options::metrics_are_shared(config) {
            trusted.clone()
        } else if own.real_ip == Some(false) {
            Networks::default()
        } else {
            networks("prometheus.trusted_proxies", &own.trusted_proxies)?
        };
        Ok(Self { allowed: networks("prometheus.whitelist", &own.whitelist)?, proxies })
    }

    /// Reports whether the client of a request is one of them.
    pub(super) fn include(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        self.allowed.is_empty()
            || self.allowed.contain(address::client(peer, headers, &self.proxies))
    }
}

fn networks(key: &'static str, texts: &[String]) -> Result<Networks, PolicyError> {
    let parse = |text: &String| {
        network(text).ok_or_else(|| PolicyError::Network { key, text: text.clone() })
    };
    texts.iter().map(parse).collect()
}

impl Rates {
    fn compile(config: &RateLimit) -> Self {
        let tiers = [
            (Tier::Free, config.free_max_tokens, config.free_refill_rate, config.free_burst),
            (
                Tier::Standard,
                config.standard_max_tokens,
                config.standard_refill_rate,
                config.standard_burst,
            ),
            (
                Tier::Premium,
                config.premium_max_tokens,
                config.premium_refill_rate,
                config.premium_burst,
            ),
        ]
        .map(|(tier, max_tokens, refill_rate, burst)| Allowance {
            tier,
            max_tokens,
            refill_rate,
            burst,
            burst_window: Duration::from_secs(config.burst_window_seconds),
            window: Duration::from_secs(config.window_seconds),
            window_max: window_max(config, max_tokens),
        });
        let horizon = tiers.iter().map(Allowance::horizon).max().unwrap_or_default();
        let max_clients = usize::try_from(config.max_clients).unwrap_or(usize::MAX);
        Self { tiers, max_clients, horizon }
    }

    pub(super) const fn of(&self, tier: Tier) -> &Allowance {
        match tier {
            Tier::Free => &self.tiers[0],
            Tier::Standard => &self.tiers[1],
            Tier::Premium => &self.tiers[2],
        }
    }
}

/// Returns the window of a tier, in proportion to its bucket: one window for all tiers would limit
/// Premium to less than its bucket.
fn window_max(config: &RateLimit, max_tokens: f64) -> u32 {
    let most = config.window_max_requests as f64 * max_tokens / config.free_max_tokens;
    (most.floor() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_have_their_documented_defaults() {
        let mut config = Config::default();
        assert!(Policy::compile(&config).expect("compiles").rates.is_none());
        config.rate_limit.enabled = true;
        let rates = Policy::compile(&config).expect("compiles").rates.expect("on");
        let tiers = [Tier::Free, Tier::Standard, Tier::Premium].map(|tier| {
            let Allowance { max_tokens, refill_rate, burst, window_max, .. } = *rates.of(tier);
            (max_tokens, refill_rate, burst, window_max)
        });
        let expected =
            [(100.0, 10.0, 20.0, 1000), (500.0, 50.0, 100.0, 5000), (2000.0, 200.0, 400.0, 20_000)];
        assert_eq!(tiers, expected);
    }

    #[test]
    fn connection_limits_apply_only_when_enabled() {
        let mut config = Config::default();
        let streams = |config: &Config| Policy::compile(config).expect("compiles").streams;
        assert_eq!(streams(&config), SlotLimits::NONE);
        config.connection_limit.enabled = true;
        assert_eq!(streams(&config), SlotLimits { total: 10_000, per_client: 100 });
        for none in [None, Some(0)] {
            config.connection_limit.per_ip_limit = none;
            assert_eq!(streams(&config).per_client, u64::MAX);
        }
    }

    #[test]
    fn no_proxy_is_trusted_when_real_ip_is_false() {
        let mut config = Config { trusted_proxies: vec!["10.0.0.0/8".into()], ..Config::default() };
        for (real_ip, believed) in [(None, true), (Some(true), true), (Some(false), false)] {
            config.real_ip = real_ip;
            let policy = Policy::compile(&config).expect("compiles");
            assert_eq!(!policy.proxies.is_empty(), believed, "{real_ip:?}");
        }
    }

    #[test]
    fn an_invalid_network_is_named_in_the_error() {
        let config = Config { ip_allow_list: vec!["here".into()], ..Config::default() };
        let error = Policy::compile(&config).expect_err("no address").to_string();
        assert!(error.starts_with("ip_allow_list: \"here\" is not an IP address"), "{error}");
    }
}
