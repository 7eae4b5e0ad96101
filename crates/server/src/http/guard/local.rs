//! Requests for what only the operator may read.

use std::net::IpAddr;

use axum::http::header::{FORWARDED, HOST, VIA};
use axum::http::{HeaderMap, HeaderName, Request, Version};
use url::Host;

use super::Policy;
use super::address::{self, FORWARDED_FOR};

/// The headers by which proxies say that a request is not their own.
const OF_PROXIES: [HeaderName; 7] = [
    FORWARDED_FOR,
    FORWARDED,
    VIA,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-original-forwarded-for"),
];

/// Returns the reason why a request may not read what is only for the operator; none if it may.
///
/// If tokens are required, the request has one already. Otherwise only programs on this machine may,
/// and neither a proxy on this machine nor a page that a browser on it shows may pass others off as one:
/// a proxy that is not configured as one is recognised by its headers, and a page of another site, whose
/// name leads here, by the name. A proxy that adds no header is not recognised, unless it speaks HTTP/1.0.
pub(super) fn problem<B>(
    policy: &Policy,
    peer: IpAddr,
    request: &Request<B>,
) -> Option<&'static str> {
    if policy.auth.is_required() {
        return None;
    }
    let headers = request.headers();
    // One on another machine has its own programs on this address.
    if !peer.to_canonical().is_loopback() {
        return Some("the client is on another machine");
    }
    // Programs of today do not use it, but nginx does by default.
    if request.version() < Version::HTTP_11 {
        return Some("it is one of HTTP/1.0, as proxies send them");
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
    if headers.contains_key(FORWARDED_FOR) && !has_one_hop(headers) {
        return Some("several proxies sent the request");
    }
    let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
    // HTTP/2 has it in the URL.
    let names = [request.uri().authority().map(|authority| authority.as_str()), host];
    let mut names = names.into_iter().flatten().peekable();
    let is_here = names.peek().is_some() && names.all(is_this_machine);
    (!is_here).then_some("the host in its URL is not localhost")
}

/// Reports whether `X-Forwarded-For` names one address, as a proxy writes it for its own client.
fn has_one_hop(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(FORWARDED_FOR).iter();
    let first = lines.next().is_some_and(|line| !line.as_bytes().contains(&b','));
    first && lines.next().is_none()
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
    use axum::http::Uri;
    use config::Config;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from_static("/api/alerts");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            request.headers_mut().append(name, value.parse().expect("a value"));
        }
        request
    }

    fn check(config: &Config, peer: &str, headers: &[(&str, &str)]) -> bool {
        let policy = Policy::compile(config).expect("compiles");
        let peer = peer.parse().expect("an address");
        problem(&policy, peer, &request(headers)).is_none()
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
        for header in OF_PROXIES.iter().map(HeaderName::as_str) {
            assert!(!check(&config, "127.0.0.1", &[host, (header, "192.0.2.1")]), "{header}");
            assert!(!check(&config, "127.0.0.1", &[host, (header, "127.0.0.1")]), "{header}");
        }
        config.trusted_proxies = vec!["127.0.0.1".to_owned()];
        let from = |address| check(&config, "127.0.0.1", &[host, ("x-forwarded-for", address)]);
        assert!(from("127.0.0.2"), "the proxy says who it is");
        for other in ["192.0.2.1", "127.0.0.2, 192.0.2.1", "unknown", "", "127.0.0.1"] {
            assert!(!from(other), "{other}");
        }
        for header in
            OF_PROXIES.iter().map(HeaderName::as_str).filter(|name| *name != FORWARDED_FOR)
        {
            let forwarded = [host, ("x-forwarded-for", "127.0.0.2"), (header, "127.0.0.2")];
            assert!(!check(&config, "127.0.0.1", &forwarded), "{header}");
        }
        assert!(!from("127.0.0.2, 127.0.0.2"), "another proxy may have written one");
        let twice = [host, ("x-forwarded-for", "127.0.0.2"), ("x-forwarded-for", "127.0.0.2")];
        assert!(!check(&config, "127.0.0.1", &twice));
    }

    /// The loopback address that a proxy on another machine names is the one of that machine.
    #[test]
    fn a_proxy_on_another_machine_does_not_pass_its_clients_off_as_local() {
        let trusted_proxies = vec!["10.0.0.0/8".to_owned()];
        let config = Config { trusted_proxies, ..Config::default() };
        let host = ("host", "localhost:8080");
        for peer in ["10.0.0.1", "::ffff:10.0.0.1", "192.0.2.1"] {
            for client in ["127.0.0.1", "::1", "10.0.0.1"] {
                let forwarded = [host, ("x-forwarded-for", client)];
                assert!(!check(&config, peer, &forwarded), "{peer} {client}");
            }
            assert!(!check(&config, peer, &[host]), "{peer}");
        }
        assert!(check(&config, "127.0.0.1", &[host]));
    }

    /// As nginx forwards them by default.
    #[test]
    fn requests_of_http_1_0_and_without_host_are_refused() {
        let policy = Policy::compile(&Config::default()).expect("compiles");
        let is_ok =
            |request: &Request<()>| problem(&policy, [127, 0, 0, 1].into(), request).is_none();
        let mut with_host = request(&[("host", "127.0.0.1:8080")]);
        let cases = [
            (Version::HTTP_09, false),
            (Version::HTTP_10, false),
            (Version::HTTP_11, true),
            (Version::HTTP_2, true),
        ];
        for (version, expected) in cases {
            *with_host.version_mut() = version;
            assert_eq!(is_ok(&with_host), expected, "{version:?}");
        }
        let mut nameless = request(&[]);
        assert!(!is_ok(&nameless));
        *nameless.uri_mut() = Uri::from_static("http://localhost:8080/api/alerts");
        *nameless.version_mut() = Version::HTTP_2;
        assert!(is_ok(&nameless), "its URL has the host");
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
        let mut elsewhere = request(&[("host", "localhost")]);
        *elsewhere.uri_mut() = Uri::from_static("http://evil.example/api/alerts");
        assert!(problem(&policy, [127, 0, 0, 1].into(), &elsewhere).is_some());
    }
}
