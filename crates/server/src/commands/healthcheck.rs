//! `certstream-server healthcheck`: queries the health of the server of this configuration, for
//! images without curl.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use url::Url;

use config::Config;

/// The time limit of the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Characters of an answer that are shown.
const SHOWN: usize = 500;
/// Bytes of an answer that are read; a health check's answer is shorter.
const LONGEST: usize = 64 * 1024;

/// Requests `url`, or else `/health/deep` of the server with this configuration, and returns the
/// answer. A URL without a path means `/health/deep` too.
///
/// # Errors
/// If there is no answer, its status is not a success, or its content is not that of a
/// healthy server.
pub fn run(config: &Config, url: Option<&str>) -> anyhow::Result<String> {
    if url.is_none() && !config.protocols.health {
        bail!(
            "protocols.health is off, so the server has no health endpoint; name a URL with --url"
        );
    }
    let asked = url.map_or_else(|| own_url(config), named_url)?;
    let check = Check::of(&asked);
    // Whether the certificate is good for the outside is not asked here: the way is within the
    // machine, and certificates are not made out for its loopback address.
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(url.is_none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .context("cannot set up an HTTP client")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = client.get(asked.clone()).send().await;
        let answer = answer.map_err(|error| no_answer(&asked, &error))?;
        let status = answer.status();
        let body =
            read(answer).await.with_context(|| format!("{asked}: the response is incomplete"))?;
        let shown: String = body.chars().take(SHOWN).collect();
        ensure!(status.is_success(), "{asked} returned {status}: {shown}");
        ensure!(check.passes(&body), "{asked} did not return {}: {shown}", check.wanted());
        Ok(shown)
    })
}

/// Reads an answer; of a longer one no more than [`LONGEST`] bytes.
async fn read(mut answer: reqwest::Response) -> reqwest::Result<String> {
    let mut body = Vec::new();
    while body.len() < LONGEST {
        let Some(chunk) = answer.chunk().await? else { break };
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The content of a healthy server's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// `/health`: `OK`.
    Alive,
    /// `/health/ready`: JSON with `"ready": true`.
    Ready,
    /// Everything else, as `/health/deep`: JSON with a `status` of `healthy` or `degraded`.
    Deep,
}

impl Check {
    /// By the end of the path: a proxy may have put something before it.
    fn of(url: &Url) -> Self {
        let path = url.path().trim_end_matches('/');
        if path.ends_with("/health/ready") {
            Self::Ready
        } else if path.ends_with("/health") {
            Self::Alive
        } else {
            Self::Deep
        }
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::Alive => "OK",
            Self::Ready => "JSON with \"ready\":true",
            Self::Deep => "JSON with a \"status\" of \"healthy\" or \"degraded\"",
        }
    }

    fn passes(self, body: &str) -> bool {
        let json = || serde_json::from_str::<Value>(body).unwrap_or_default();
        match self {
            Self::Alive => body.trim() == "OK",
            Self::Ready => json()["ready"] == true,
            Self::Deep => matches!(json()["status"].as_str(), Some("healthy" | "degraded")),
        }
    }
}

fn named_url(text: &str) -> anyhow::Result<Url> {
    let mut url = Url::parse(text).with_context(|| format!("--url {text:?}"))?;
    ensure!(matches!(url.scheme(), "http" | "https"), "--url {text:?}: not http:// or https://");
    if url.path() == "/" {
        url.set_path("/health/deep");
    }
    Ok(url)
}

/// Returns the reason why there is no answer, in one sentence without the layers of libraries.
fn no_answer(asked: &Url, error: &reqwest::Error) -> anyhow::Error {
    let host = asked.host_str().unwrap_or_default();
    let address = format!("{host}:{}", asked.port_or_known_default().unwrap_or_default());
    if error.is_timeout() {
        return anyhow::anyhow!("{asked} did not respond within {} s", PATIENCE.as_secs());
    }
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let refused = cause
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    match refused {
        true => anyhow::anyhow!("nothing listens on {address}: is the server running?"),
        false => anyhow::anyhow!("{asked} did not respond: {cause}"),
    }
}

fn own_url(config: &Config) -> anyhow::Result<Url> {
    let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
    Ok(Url::parse(&format!("{scheme}://{}/health/deep", reachable(config.address())))?)
}

/// Returns the address at which this machine reaches a server that listens on an address, which may
/// be the unspecified one.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(config: &Config) -> String {
        own_url(config).expect("a URL").to_string()
    }

    #[test]
    fn the_url_follows_from_the_configuration() {
        let mut config = Config::default();
        assert_eq!(own(&config), "http://127.0.0.1:8080/health/deep");
        config.host = Ipv6Addr::UNSPECIFIED.into();
        config.port = 8443;
        config.tls_cert = Some("cert.pem".into());
        assert_eq!(own(&config), "https://[::1]:8443/health/deep");
        config.host = [192, 0, 2, 1].into();
        assert_eq!(own(&config), "https://192.0.2.1:8443/health/deep");
    }

    #[test]
    fn a_url_without_a_path_means_the_deep_check() {
        let cases = [
            ("http://a.example", "http://a.example/health/deep", Check::Deep),
            ("http://a.example:81/", "http://a.example:81/health/deep", Check::Deep),
            ("http://a.example/health", "http://a.example/health", Check::Alive),
            ("http://a.example/health/ready", "http://a.example/health/ready", Check::Ready),
            ("http://a.example/ct/health/deep", "http://a.example/ct/health/deep", Check::Deep),
            ("https://a.example/page", "https://a.example/page", Check::Deep),
        ];
        for (given, asked, check) in cases {
            let url = named_url(given).expect(given);
            assert_eq!((url.as_str(), Check::of(&url)), (asked, check), "{given}");
        }
        for wrong in ["127.0.0.1:8080", "localhost:8080", "file:///etc/passwd", ""] {
            assert!(named_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_expected_answer_is_a_success() {
        let deep = |status: &str| format!("{{\"status\":\"{status}\",\"logs_total\":1}}");
        assert!(Check::Deep.passes(&deep("healthy")) && Check::Deep.passes(&deep("degraded")));
        for wrong in [&*deep("unhealthy"), &deep("Healthy"), "<!doctype html>", "OK", "[]", ""] {
            assert!(!Check::Deep.passes(wrong), "{wrong}");
        }
        assert!(Check::Ready.passes("{\"ready\":true}"));
        assert!(!Check::Ready.passes("{\"ready\":false}") && !Check::Ready.passes("OK"));
        assert!(Check::Alive.passes("OK") && !Check::Alive.passes("<html>OK</html>"));
    }

    #[test]
    fn the_check_fails_if_health_routes_are_disabled() {
        let mut config = Config::default();
        config.protocols.health = false;
        let error = run(&config, None).expect_err("off").to_string();
        assert!(error.contains("protocols.health is off"), "{error}");
    }
}
