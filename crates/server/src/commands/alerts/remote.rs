//! The newest alerts of a running server.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use alerts::{Alert, State};
use anyhow::{Context as _, bail, ensure};
use client::{credentials, text, tls};
use config::{Config, ListAlerts};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};

use super::output;
use crate::commands::healthcheck::reachable;

/// The time limit of the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer at most: 1,000 alerts of the largest size.
const LONGEST: usize = 64 << 20;
const USER_AGENT: &str = concat!("certstream-server-alerts/", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Deserialize)]
struct Answer {
    alerts: Vec<Listed>,
    receivers: Vec<Receiver>,
}

#[derive(Debug, Deserialize)]
struct Receiver {
    name: String,
    waiting: u64,
    last_failure: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    time: String,
    reason: String,
    attempts: u32,
    next_attempt: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    #[serde(flatten)]
    alert: Alert,
    receivers: BTreeMap<String, State>,
}

/// Returns the text of the newest alerts of a server, the newest first. Prints a warning for each receiver
/// that got nothing since an attempt failed.
///
/// # Errors
/// If the server cannot be reached, or refuses.
pub(super) async fn list(
    config: &Config,
    command: &ListAlerts,
    environment: &HashMap<OsString, OsString>,
) -> anyhow::Result<String> {
    let url = url(config, command)?;
    let token = environment.get(OsStr::new(credentials::VARIABLE));
    let token = credentials::read(
        &command.token_header,
        command.token_file.as_deref(),
        token.map(OsString::as_os_str),
    )?;
    let own = config.tls_cert.as_deref().filter(|_| command.url.is_none());
    let tls = match (command.ca_file.as_deref(), own) {
        (None, Some(certificates)) => tls::client_config_for_own(certificates)?,
        (ca_file, _) => tls::client_config(ca_file)?,
    };
    let mut client = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .timeout(PATIENCE)
        .tls_backend_preconfigured((*tls).clone());
    if command.url.is_none() {
        client = client.no_proxy();
    }
    let client = client.build().context("cannot set up an HTTP client")?;
    let mut request = client.get(url.clone());
    if let Some((name, token)) = token {
        let is_usual = name == reqwest::header::AUTHORIZATION;
        request = request.header(name, if is_usual { format!("Bearer {token}") } else { token });
    }
    let server = || url.origin().ascii_serialization();
    let answer = request.send().await.with_context(|| format!("{} does not answer", server()))?;
    let status = answer.status();
    let body =
        read(answer).await.with_context(|| format!("{}: the answer is incomplete", server()))?;
    if !status.is_success() {
        bail!("{} returned {status}: {}", server(), refusal(status, &body));
    }
    let Answer { alerts, receivers } = serde_json::from_slice(&body)
        .with_context(|| format!("{}: the answer is not a list of alerts", server()))?;
    for warning in receivers.iter().filter_map(warning) {
        logging::print_warning(&warning);
    }
    print(&alerts, command.filter.json)
}

/// Describes why a receiver gets nothing; none if it does.
fn warning(receiver: &Receiver) -> Option<String> {
    let Receiver { name, waiting, last_failure } = receiver;
    let Failure { time, reason, attempts, next_attempt } = last_failure.as_ref()?;
    let [name, time, reason] = [name, time, reason].map(|part| text::shown(part));
    let next = next_attempt.as_deref().map(text::shown);
    let next = next.map_or_else(String::new, |time| format!("the next one is at {time}, "));
    Some(format!(
        "{name}: attempt {attempts} failed at {time}: {reason}; {next}{waiting} alerts wait"
    ))
}

/// Returns the URL of the request.
fn url(config: &Config, command: &ListAlerts) -> anyhow::Result<Url> {
    let mut url = match &command.url {
        Some(text) => Url::parse(text).with_context(|| format!("--url {text:?}"))?,
        None => {
            let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
            Url::parse(&format!("{scheme}://{}", reachable(config.address())))?
        }
    };
    let is_http = matches!(url.scheme(), "http" | "https");
    ensure!(is_http, "--url {:?}: not http:// or https://", url.as_str());
    let path = format!("{}/api/alerts", url.path().trim_end_matches('/'));
    url.set_path(&path);
    let mut query = url.query_pairs_mut();
    query.clear().append_pair("limit", &command.filter.limit.to_string());
    if let Some(rule) = &command.filter.rule {
        query.append_pair("rule", rule);
    }
    drop(query);
    Ok(url)
}

/// Reads an answer, which is not larger than [`LONGEST`].
async fn read(mut answer: reqwest::Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        ensure!(body.len() <= LONGEST, "it is too long");
    }
    Ok(body)
}

/// Returns the reason of a refusal.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let said = text::shown(String::from_utf8_lossy(body).trim());
    match status {
        StatusCode::UNAUTHORIZED => format!("{said}; give a token with --token-file"),
        _ => said,
    }
}

fn print(alerts: &[Listed], json: bool) -> anyhow::Result<String> {
    if alerts.is_empty() && !json {
        return Ok("no alert since the start of the server\n".to_owned());
    }
    let line = |listed: &Listed| -> anyhow::Result<String> {
        if json {
            return Ok(serde_json::to_string(listed)? + "\n");
        }
        Ok(output::line(&listed.alert, &state(&listed.receivers)))
    };
    alerts.iter().map(line).collect()
}

/// Returns the state of an alert at its receivers.
fn state(receivers: &BTreeMap<String, State>) -> String {
    let state = |(name, state): (&String, &State)| {
        let state = match state {
            State::Waiting => "waiting",
            State::Arrived => "arrived",
            State::DeadLetter => "dead letter",
        };
        format!("{name}: {state}")
    };
    let states: Vec<_> = receivers.iter().map(state).collect();
    if states.is_empty() { "no receiver".to_owned() } else { states.join(", ") }
}
