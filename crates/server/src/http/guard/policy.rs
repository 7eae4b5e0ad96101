//! What a configuration allows, in the form in which it is asked.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::HeaderMap;

use super::address::{self, Networks};
use super::auth::{Auth, Tier};
use super::rate::Allowance;
use super::slots::SlotLimits;
use crate::sources;
use config::{Config, RateLimit, network};

/// A configuration that cannot be turned into a policy; its bounds allow none.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A text is neither an address nor a network.
    #[error("{key}: {text:?} is no IP address or network such as 10.0.0.0/8")]
    Network {
        /// The setting.
        key: &'static str,
        /// The text.
        text: String,
    },
    /// `auth.header_name` is none.
    #[error("auth.header_name: {0:?} is not the name of a request header")]
    HeaderName(String),
}

/// Everything that is asked about a request, made once for each configuration.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) proxies: Networks,
    /// Whether the operator says that no proxy is to be believed.
    pub(super) believes_nobody: bool,
    /// Empty for everybody.
    pub(super) allowed: Networks,
    /// Who may read metrics, and through whom.
    pub(super) metrics: Readers,
    pub(super) auth: Auth,
    pub(super) streams: SlotLimits,
    pub(super) pending: SlotLimits,
    /// None where requests are not limited.
    pub(super) rates: Option<Rates>,
}

/// Whose addresses may read something, and the proxies that are believed about it.
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
    /// After this long without a request any client is as new.
    pub(super) horizon: Duration,
}

impl Policy {
    /// What this configuration allows.
    ///
    /// # Errors
    /// When an address or a header name is none.
    pub fn compile(config: &Config) -> Result<Self, PolicyError> {
        let name = &config.auth.header_name;
        let limit = &config.connection_limit;
        let or_any = |limit: Option<u64>| limit.filter(|most| *most > 0).unwrap_or(u64::MAX);
        let believed = match config.real_ip {
            Some(false) => Networks::default(),
            _ => networks("trusted_proxies", &config.trusted_proxies)?,
        };
        Ok(Self {
            metrics: Readers::of_metrics(config, &believed)?,
            proxies: believed,
            believes_nobody: config.real_ip == Some(false),
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

    /// Whether CORS has to name the header `Authorization`.
    pub(crate) fn reads_authorization(&self) -> bool {
        self.auth.reads_authorization()
    }
}

impl Readers {
    /// `believed` are the proxies of the server's own listener.
    fn of_metrics(config: &Config, believed: &Networks) -> Result<Self, PolicyError> {
        let own = &config.prometheus;
        let proxies = if sources::metrics_are_shared(config) {
            believed.clone()
        } else if own.real_ip == Some(false) {
            Networks::default()
        } else {
            networks("prometheus.trusted_proxies", &own.trusted_proxies)?
        };
        Ok(Self { allowed: networks("prometheus.whitelist", &own.whitelist)?, proxies })
    }

    /// Whether the client behind a request is one of them.
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

/// The window of a tier is as many times that of Free as its bucket is: one window for all would
/// take from Premium what its bucket promises.
fn window_max(config: &RateLimit, max_tokens: f64) -> u32 {
    let most = config.window_max_requests as f64 * max_tokens / config.free_max_tokens;
    (most.floor() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiers_by_default() {
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
    fn limits_that_are_off_are_none() {
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
    fn nobody_is_believed_where_real_ip_is_off() {
        let mut config = Config { trusted_proxies: vec!["10.0.0.0/8".into()], ..Config::default() };
        for (real_ip, believed) in [(None, true), (Some(true), true), (Some(false), false)] {
            config.real_ip = real_ip;
            let policy = Policy::compile(&config).expect("compiles");
            assert_eq!(!policy.proxies.is_empty(), believed, "{real_ip:?}");
        }
    }

    #[test]
    fn what_is_no_network_is_named() {
        let config = Config { ip_allow_list: vec!["here".into()], ..Config::default() };
        let error = Policy::compile(&config).expect_err("no address").to_string();
        assert!(error.starts_with("ip_allow_list: \"here\" is no IP address"), "{error}");
    }
}
