//! `certstream-server healthcheck`: asks the server that this configuration is of how it is doing.
//! For images without curl.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::config::Config;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What of an answer is shown.
const SHOWN: usize = 500;

/// Asks `url`, or else `/health/deep` of the server with this configuration. What it answered.
///
/// # Errors
/// When there is no answer, or its status is not one of success.
pub fn run(config: &Config, url: Option<&str>) -> anyhow::Result<String> {
    if url.is_none() && !config.protocols.health {
        bail!("protocols.health is off, so the server does not say how it is; name another --url");
    }
    let asked = url.map_or_else(|| own_url(config), str::to_owned);
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
        let answer = client.get(&asked).send().await;
        let answer = answer.map_err(|error| no_answer(&asked, &error))?;
        let status = answer.status();
        let body = answer.text().await.with_context(|| format!("{asked} breaks off"))?;
        let body: String = body.chars().take(SHOWN).collect();
        ensure!(status.is_success(), "{asked} answers {status}: {body}");
        Ok(body)
    })
}

/// Why there is no answer, in one sentence and without the layers of libraries that say it.
fn no_answer(asked: &str, error: &reqwest::Error) -> anyhow::Error {
    let address = reqwest::Url::parse(asked)
        .ok()
        .and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    let address = address.unwrap_or_else(|| asked.to_owned());
    if error.is_timeout() {
        return anyhow::anyhow!("{asked} does not answer within {} s", PATIENCE.as_secs());
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
        false => anyhow::anyhow!("{asked} does not answer: {cause}"),
    }
}

fn own_url(config: &Config) -> String {
    let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
    format!("{scheme}://{}/health/deep", reachable(config.address()))
}

/// Where this machine reaches a server that listens on an address, which may stand for all of them.
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

    #[test]
    fn the_configuration_says_where_the_server_is() {
        let mut config = Config::default();
        assert_eq!(own_url(&config), "http://127.0.0.1:8080/health/deep");
        config.host = Ipv6Addr::UNSPECIFIED.into();
        config.port = 443;
        config.tls_cert = Some("cert.pem".into());
        assert_eq!(own_url(&config), "https://[::1]:443/health/deep");
        config.host = [192, 0, 2, 1].into();
        assert_eq!(own_url(&config), "https://192.0.2.1:443/health/deep");
    }

    #[test]
    fn a_server_that_does_not_say_how_it_is_cannot_be_asked() {
        let mut config = Config::default();
        config.protocols.health = false;
        let error = run(&config, None).expect_err("off").to_string();
        assert!(error.contains("protocols.health is off"), "{error}");
    }
}
