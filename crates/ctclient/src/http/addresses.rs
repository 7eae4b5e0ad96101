//! The addresses that may be connected to. A log list is untrusted here: it must not make this program
//! send requests to machines of its own network.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The environment variables that name a proxy.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The error of a host with private addresses only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is a private address")]
pub struct PrivateAddress(pub IpAddr);

/// The hosts that may have private addresses: those the operator has named. Each request and each
/// connection is checked, so a name that changes its address is noticed.
#[derive(Debug, Default)]
pub struct Addresses {
    all: AtomicBool,
    hosts: RwLock<HashSet<String>>,
}

impl Addresses {
    /// Permits the proxies in the environment.
    #[must_use]
    pub fn with_proxies() -> Arc<Self> {
        let addresses = Self::default();
        for proxy in PROXIES.iter().filter_map(|name| std::env::var(name).ok()) {
            let url = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
            addresses.trust(&url);
        }
        Arc::new(addresses)
    }

    /// Sets whether every host may have private addresses.
    pub(super) fn trust_all(&self, all: bool) {
        self.all.store(all, Ordering::Relaxed);
    }

    /// Permits the host of a URL.
    pub fn trust(&self, url: &str) {
        if let Some(host) = host(url) {
            self.hosts.write().insert(host);
        }
    }

    /// Reports whether the host of a URL is one of them.
    pub(super) fn may_be_private(&self, url: &str) -> bool {
        host(url).is_some_and(|host| self.trusts(&host))
    }

    fn trusts(&self, host: &str) -> bool {
        self.all.load(Ordering::Relaxed) || self.hosts.read().contains(host)
    }

    /// Refuses a URL with a private address as its host. Names are checked when they are resolved.
    ///
    /// # Errors
    /// [`PrivateAddress`] if the host is one and is not permitted.
    pub fn check(&self, url: &str) -> Result<(), PrivateAddress> {
        match literal(url).filter(|address| is_private(*address)) {
            Some(address) if !host(url).is_some_and(|host| self.trusts(&host)) => {
                Err(PrivateAddress(address))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the host of a URL, with its port if it has one.
#[must_use]
pub fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

fn host(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_ascii_lowercase)
}

/// Returns the address that a URL has as its host.
fn literal(url: &str) -> Option<IpAddr> {
    match Url::parse(url).ok()?.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

/// Reports whether the host of a URL resolves to private addresses only.
pub(super) async fn has_private_host(url: &str) -> bool {
    if let Some(address) = literal(url) {
        return is_private(address);
    }
    let Some(host) = host(url) else { return false };
    let Ok(found) = tokio::net::lookup_host((host, 0)).await else { return false };
    let mut found = found.peekable();
    found.peek().is_some() && found.all(|address| is_private(address.ip()))
}

/// Reports whether an address is of this machine or its networks, rather than of the internet
/// (RFC 6890 and the registries it began).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || a == 0
        // Shared between a provider and its customers, and for protocols and tests of networks.
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && b & 0xfe == 18)
        || a >= 240
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let last = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_private_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // Addresses that hold an IPv4 address: mapped, compatible, translated, 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            last(high, low)
        }
        [0x2002, high, low, ..] => last(high, low),
        // For local use of the same translation.
        [0x64, 0xff9b, 1, ..] => true,
        // Unique local, link-local, site-local, multicast.
        [first, ..] => {
            first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 || first & 0xff00 == 0xff00
        }
    }
}

/// Resolves names for connections, and leaves out what must not be connected to.
#[derive(Debug)]
pub struct Resolver(pub Arc<Addresses>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((&*host, 0)).await?.collect();
            if addresses.trusts(&host) {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            let private = found.iter().find(|address| is_private(address.ip())).copied();
            let public: Vec<_> =
                found.into_iter().filter(|address| !is_private(address.ip())).collect();
            match private {
                Some(address) if public.is_empty() => Err(PrivateAddress(address.ip()).into()),
                _ => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_public_addresses_are_distinguished() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "ff02::1",
            "fec0::1",
        ] {
            assert!(is_private(private.parse().expect("an address")), "{private}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "64:ff9b::808:808"] {
            assert!(!is_private(public.parse().expect("an address")), "{public}");
        }
    }

    #[test]
    fn only_hosts_the_operator_named_may_have_private_addresses() {
        let addresses = Addresses::default();
        let private =
            ["http://127.0.0.1/a", "http://0x7f.1/", "http://2130706433/", "http://[::1]:8/"];
        for url in private {
            assert!(addresses.check(url).is_err(), "{url}");
        }
        assert_eq!(addresses.check("http://8.8.8.8/"), Ok(()));
        addresses.trust("http://127.0.0.1:6962/log");
        assert_eq!(addresses.check("http://127.0.0.1/a"), Ok(()));
        assert!(addresses.check("http://127.0.0.2/a").is_err());
        addresses.trust_all(true);
        assert_eq!(addresses.check("http://127.0.0.2/a"), Ok(()));
    }

    #[tokio::test]
    async fn a_host_name_is_checked_when_it_is_resolved() {
        let addresses = Arc::new(Addresses::default());
        let resolver = Resolver(Arc::clone(&addresses));
        let resolve = || resolver.resolve("localhost".parse().expect("a name"));
        let Err(error) = resolve().await else { panic!("refused") };
        assert!(error.downcast_ref::<PrivateAddress>().is_some(), "{error}");
        assert!(has_private_host("http://localhost:1/list.json").await);
        addresses.trust("http://localhost:6962/");
        assert!(resolve().await.is_ok_and(|mut found| found.next().is_some()));
    }

    #[test]
    fn hosts_keep_their_port() {
        assert_eq!(host_of("https://a.example/b/c"), "a.example");
        assert_eq!(host_of("http://127.0.0.1:80"), "127.0.0.1:80");
    }
}
