//! The address of the client that a request comes from, also behind proxies.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// The one header that is read. `Forwarded`, `X-Real-IP` and others are not: a proxy writes one and
/// passes the others on as the client sent them.
pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The part of an IPv6 address that a client cannot choose (RFC 6177 section 2).
const SUBNET: u128 = !0 << 64;

/// Some networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Networks(Vec<IpNet>);

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl Networks {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The identity of a client for limits: an IPv4 address, or a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientKey(IpAddr);

impl ClientKey {
    /// Returns a number that no other client has: the address as one of IPv6.
    pub(super) fn number(self) -> u128 {
        match self.0 {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        }
    }
}

impl From<IpAddr> for ClientKey {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & SUBNET).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// Returns the client's address (`wire.md` section 3.5): the rightmost of `X-Forwarded-For` that is
/// not itself a trusted proxy. The header is read only if the peer is a trusted proxy. Where it ends
/// in something that is not an address, the proxy that wrote that is the client.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &Networks) -> IpAddr {
    let mut client = peer.to_canonical();
    if !proxies.contain(client) {
        return client;
    }
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        let Ok(line) = line.to_str() else { return client };
        for hop in line.rsplit(',') {
            let Some(address) = hop_address(hop.trim()) else { return client };
            client = address;
            if !proxies.contain(client) {
                return client;
            }
        }
    }
    client
}

/// Reports whether a peer that is not a trusted proxy names the client whose request it is.
pub(super) fn is_untrusted(peer: IpAddr, headers: &HeaderMap, proxies: &Networks) -> bool {
    headers.contains_key(FORWARDED_FOR) && !proxies.contain(peer.to_canonical())
}

/// Reads an address as proxies write it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let address = hop.parse::<IpAddr>().ok().or_else(with_port).or_else(bare)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use config::network;
    use proptest::prelude::*;

    use super::*;

    fn proxies() -> Networks {
        ["10.0.0.0/8", "2001:db8:f::/48"].into_iter().filter_map(network).collect()
    }

    fn seen(peer: &str, lines: &[&str]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a value"));
        }
        headers.insert("x-real-ip", HeaderValue::from_static("6.6.6.6"));
        headers.insert("forwarded", HeaderValue::from_static("for=6.6.6.6"));
        client(peer.parse().expect("an address"), &headers, &proxies())
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_a_trusted_proxy() {
        let cases: [(&str, &[&str], &str); 15] = [
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("::ffff:192.0.2.1", &[], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7,10.9.9.9"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7 , 10.9.9.9"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7", "10.9.9.9"], "198.51.100.7"),
            ("10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            ("10.0.0.1", &["198.51.100.7, unknown, 10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", &["198.51.100.7,"], "10.0.0.1"),
            ("10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("2001:db8:f::1", &["198.51.100.7:1234, [2001:db8:f:1::2]"], "198.51.100.7"),
        ];
        for (peer, lines, expected) in cases {
            assert_eq!(seen(peer, lines).to_string(), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn an_ipv6_client_is_identified_by_its_64_bit_prefix() {
        let key = |text: &str| ClientKey::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1:2:3"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
    }

    proptest! {
        /// The text that a client puts before the proxy's own makes no difference.
        #[test]
        fn the_address_that_a_client_claims_is_ignored(claim in "[ -~]{0,60}", last in any::<[u8; 4]>()) {
            let address = IpAddr::from(last);
            prop_assume!(!proxies().contain(address));
            let line = format!("{claim}, {address}");
            prop_assert_eq!(seen("10.0.0.1", &[&line]), address);
            prop_assert_eq!(seen("192.0.2.1", &[&line]).to_string(), "192.0.2.1");
        }
    }
}
