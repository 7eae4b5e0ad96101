//! Connections through the HTTP proxy that the environment names: a tunnel (CONNECT, RFC 9110
//! section 9.3.6), for `ws://` too, because few proxies forward an upgrade to WebSocket.

use std::future::poll_fn;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use logging::causes::in_full;
use tokio::net::TcpStream;
use tower_service::Service as _;

use crate::address::Address;

/// The variables that name a proxy for `wss://`; the first one that is set and not empty applies.
const SECURE: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that name a proxy for `ws://`.
const PLAIN: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that list the hosts to reach without a proxy.
const EXCEPT: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// The hosts that are never reached through a proxy.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// An HTTP proxy.
#[derive(Clone)]
pub struct Proxy {
    tunnel: Tunnel<HttpConnector>,
    target: Uri,
    name: String,
}

/// A variable of the environment whose value is not a usable proxy. The value is not shown, because
/// it may contain a password.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not the address of an HTTP proxy, as in http://proxy.example:3128")]
pub struct ProxyError(&'static str);

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Returns the proxy for an address in this environment; none if it is reached directly.
    ///
    /// # Errors
    ///
    /// If a variable names anything but an HTTP proxy.
    pub fn from_environment<'e>(
        address: &Address,
        environment: impl Fn(&str) -> Option<&'e str>,
    ) -> Result<Option<Self>, ProxyError> {
        let set = |name: &&'static str| {
            environment(name).filter(|value| !value.is_empty()).map(|value| (*name, value))
        };
        let names = if address.is_secure() { &SECURE } else { &PLAIN };
        let Some((name, value)) = names.iter().find_map(set) else { return Ok(None) };
        let except = EXCEPT.iter().find_map(set).map_or("", |(_, value)| value);
        let target = Uri::builder().scheme("http").authority(address.authority());
        let target = target.path_and_query("/").build().map_err(|_| ProxyError(name))?;
        let all = || Matcher::builder().all(value);
        let Some(proxy) = all().build().intercept(&target) else { return Err(ProxyError(name)) };
        if all().no(format!("{except},{LOOPBACK}")).build().intercept(&target).is_none() {
            return Ok(None);
        }
        if proxy.uri().scheme_str() != Some("http") {
            return Err(ProxyError(name));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let name = proxy.uri().to_string().trim_end_matches('/').to_owned();
        Ok(Some(Self { tunnel, target, name }))
    }

    /// Returns the proxy's address without credentials.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens a connection to the server. The error is the reason in words.
    pub(crate) async fn connect(mut self) -> Result<TcpStream, String> {
        let connecting = async {
            poll_fn(|context| self.tunnel.poll_ready(context)).await?;
            self.tunnel.call(self.target).await
        };
        connecting.await.map(hyper_util::rt::TokioIo::into_inner).map_err(|error| in_full(&error))
    }
}

#[cfg(test)]
mod tests {
    use wire::StreamKind;

    use super::*;
    use crate::address::Subscription;

    fn proxy(url: &str, environment: &[(&str, &'static str)]) -> Result<Option<String>, String> {
        let subscription = Subscription {
            stream: StreamKind::Lite,
            filters: Vec::new(),
            token: None,
            user_agent: "test/1",
        };
        let address = Address::new(url, &subscription).unwrap();
        let value = |name: &str| environment.iter().find(|(it, _)| *it == name).map(|it| it.1);
        let found = Proxy::from_environment(&address, value).map_err(|error| error.to_string())?;
        Ok(found.map(|proxy| format!("{} to {}", proxy.name, proxy.target)))
    }

    #[test]
    fn the_environment_selects_the_proxy() {
        let (http, https) = (("HTTP_PROXY", "http://p:1"), ("HTTPS_PROXY", "http://u:s@q:2/"));
        for (url, environment, expected) in [
            ("ws://a/", &[][..], None),
            ("ws://a/", &[https], None),
            ("wss://a/", &[http], None),
            ("ws://a/", &[http, https], Some("http://p:1 to http://a:80/")),
            ("wss://a/", &[http, https], Some("http://q:2 to http://a:443/")),
            ("wss://[2001:db8::1]:9/", &[https], Some("http://q:2 to http://[2001:db8::1]:9/")),
            ("ws://a/", &[("http_proxy", "p:1")], Some("http://p:1 to http://a:80/")),
            ("wss://a/", &[("https_proxy", "p:1")], Some("http://p:1 to http://a:443/")),
            ("wss://a/", &[("all_proxy", "p:1")], Some("http://p:1 to http://a:443/")),
            (
                "ws://a/",
                &[("HTTP_PROXY", ""), ("ALL_PROXY", "p:1")],
                Some("http://p:1 to http://a:80/"),
            ),
            ("ws://a/", &[http, ("NO_PROXY", "b, a")], None),
            ("ws://x.a/", &[http, ("no_proxy", ".a")], None),
            ("ws://10.1.2.3/", &[http, ("no_proxy", "10.0.0.0/8")], None),
            ("ws://a/", &[http, ("NO_PROXY", "*")], None),
            ("ws://xa/", &[http, ("NO_PROXY", "a")], Some("http://p:1 to http://xa:80/")),
            ("ws://localhost:8080/", &[http], None),
            ("ws://127.0.0.1:8080/", &[http], None),
            ("ws://[::1]:8080/", &[http], None),
            ("ws://127.0.0.1/", &[("ALL_PROXY", "socks5://p:1")], None),
        ] {
            let found = proxy(url, environment).unwrap();
            assert_eq!(found.as_deref(), expected, "{url} {environment:?}");
        }
    }

    #[test]
    fn proxies_of_other_kinds_are_refused() {
        for value in ["socks5://p:1", "https://p:1", "ftp://p:1", "http://", "no address"] {
            let error = proxy("wss://a/", &[("HTTPS_PROXY", value)]).unwrap_err();
            assert!(error.starts_with("HTTPS_PROXY is not"), "{error}");
        }
    }
}
