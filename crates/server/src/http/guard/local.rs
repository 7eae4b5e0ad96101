//! Requests for what only the operator may read.

use std::net::IpAddr;

use axum::http::header::{FORWARDED, HOST, VIA};
use axum::http::{HeaderMap, HeaderName, Uri};
use url::Host;

use super::Policy;
use super::address::{self, FORWARDED_FOR};

/// The headers by which proxies say that a request is not their own.
const OF_PROXIES: [HeaderName; 4] =
    [FORWARDED_FOR, FORWARDED, VIA, HeaderName::from_static("x-real-ip")];

/// Returns the reason why a request may not read what is only for the operator; none if it may.
///
/// Where tokens are required, the request has one already. Otherwise only programs on this machine may,
/// and neither a proxy on this machine nor a page that a browser on it shows may pass others off as one:
/// a proxy that is not configured as one is recognised by its headers, and a page of another site, whose
/// name leads here, by the name.
pub(super) fn problem(
    policy: &Policy,
    peer: IpAddr,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<&'static str> {
    if policy.auth.is_required() {
        return None;
    }
    let client = address::client(peer, headers, &policy.proxies);
    // A proxy that does not say whose request it is is not the client.
    let is_unknown = headers.contains_key(FORWARDED_FOR) && policy.proxies.contain(client);
    if !client.is_loopback() || is_unknown {
        return Some("the client is on another machine");
    }
    let is_proxy = policy.proxies.contain(peer.to_canonical());
    let is_forwarded =
        |name: &HeaderName| headers.contains_key(name) && !(is_proxy && *name == FORWARDED_FOR);
    if OF_PROXIES.iter().any(is_forwarded) {
        return Some("a proxy that is not in trusted_proxies sent the request");
    }
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
    // HTTP/1.0 has none.
    let names = [uri.authority().map(|authority| authority.as_str()), host];
    let is_elsewhere = names.into_iter().flatten().any(|name| !is_this_machine(name));
    is_elsewhere.then_some("the host in its URL is not localhost")
}

/// Reports whether a host, perhaps with a port, is this machine, whatever resolves it.
fn is_this_machine(host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    match Host::parse(without_port) {
        Ok(Host::Domain(name)) => name == "localhost",
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use config::Config;

    use super::*;

    fn check(config: &Config, peer: &str, headers: &[(&str, &str)]) -> bool {
        let policy = Policy::compile(config).expect("compiles");
        let headers = headers.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, value.parse().expect("a value"))
        });
        let peer = peer.parse().expect("an address");
        problem(&policy, peer, &Uri::from_static("/api/alerts"), &headers.collect()).is_none()
    }

    #[test]
    fn only_programs_on_this_machine_may_read_without_a_token() {
        let mut config = Config::default();
        let host = ("host", "localhost:8080");
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(check(&config, peer, &[host]), "{peer}");
        }
        for peer in ["192.0.2.1", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0"] {
            assert!(!check(&config, peer, &[host]), "{peer}");
            config.auth.enabled = true;
            assert!(check(&config, peer, &[("host", "ct.example.org")]), "its token was checked");
            config.auth.enabled = false;
        }
    }

    #[test]
    fn proxies_do_not_pass_others_off_as_local() {
        let mut config = Config::default();
        let host = ("host", "127.0.0.1:8080");
        for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
            assert!(!check(&config, "127.0.0.1", &[host, (header, "192.0.2.1")]), "{header}");
            assert!(!check(&config, "127.0.0.1", &[host, (header, "127.0.0.1")]), "{header}");
        }
        config.trusted_proxies = vec!["127.0.0.1".to_owned()];
        let from = |address| check(&config, "127.0.0.1", &[host, ("x-forwarded-for", address)]);
        assert!(from("127.0.0.2"), "the proxy says who it is");
        for other in ["192.0.2.1", "127.0.0.2, 192.0.2.1", "unknown", "", "127.0.0.1"] {
            assert!(!from(other), "{other}");
        }
        assert!(!check(&config, "127.0.0.1", &[host, ("via", "1.1 proxy")]));
    }

    /// A page of another site whose name an attacker lets resolve to this machine.
    #[test]
    fn other_names_of_this_machine_do_not_count() {
        let config = Config::default();
        let ok = |host| check(&config, "127.0.0.1", &[("host", host)]);
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3:8080", "[::1]", "[::1]:9"]
        {
            assert!(ok(host), "{host}");
        }
        let others = [
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "[::2]",
            "",
            "::1",
            "10.0.0.1",
        ];
        for host in others {
            assert!(!ok(host), "{host}");
        }
        let policy = Policy::compile(&config).expect("compiles");
        let uri = Uri::from_static("http://evil.example/api/alerts");
        let headers = [(HOST, "localhost".parse().expect("a value"))].into_iter().collect();
        assert!(problem(&policy, [127, 0, 0, 1].into(), &uri, &headers).is_some());
        let one_zero = HeaderMap::new();
        assert!(
            problem(&policy, [127, 0, 0, 1].into(), &"/".parse().expect("a path"), &one_zero)
                .is_none()
        );
    }
}
