//! A search by the API of a server.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use client::{credentials, tls};
use config::SearchCommand;
use reqwest::Url;
use serde::Deserialize;

use super::ending::{Ending, Left};
use super::output::Output;
use super::parameters;
use crate::history::search::Bounds;

/// The time without a byte after which the server is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a line at most.
const LONGEST: usize = 64 << 20;
/// Characters of a refusal that are shown.
const SHOWN: usize = 400;
const USER_AGENT: &str = concat!("certstream-server-search/", env!("CARGO_PKG_VERSION"));

/// The last line of an answer.
#[derive(Debug, Deserialize)]
struct End {
    cursor: Option<String>,
    complete: bool,
    searched: Searched,
}

/// The times that were searched, RFC 3339.
#[derive(Debug, Deserialize)]
struct Searched {
    since_time: Option<String>,
    until_time: Option<String>,
}

/// Searches by the API, and returns how far it came.
///
/// # Errors
/// If the server cannot be reached, refuses, or its answer is incomplete.
pub(super) fn run(
    url: &str,
    command: &SearchCommand,
    bounds: Bounds,
    environment: &HashMap<OsString, OsString>,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let searched = runtime.block_on(async {
        let server = Server::new(url, command, environment)?;
        let (mut left, mut cursor) = (command.limit, None);
        loop {
            let asked = server.url(command, &bounds, left, cursor.as_deref());
            let (found, end) = server.ask(asked, output).await?;
            left = left.saturating_sub(found);
            match end.cursor {
                Some(next) if left > 0 => cursor = Some(next),
                _ => return Ok(end.into()),
            }
        }
    });
    // A name lookup may still hang in a thread that nothing can interrupt.
    runtime.shutdown_timeout(Duration::from_millis(100));
    searched
}

impl From<End> for Ending {
    fn from(end: End) -> Self {
        let time = |text: Option<String>| text?.parse().ok();
        let Searched { since_time, until_time } = end.searched;
        let left = Left::of(end.cursor.is_none(), !end.complete);
        Self { times: time(since_time).zip(time(until_time)), left }
    }
}

/// A server that is asked.
struct Server {
    base: Url,
    client: reqwest::Client,
    token: Option<(reqwest::header::HeaderName, String)>,
}

impl Server {
    fn new(
        url: &str,
        command: &SearchCommand,
        environment: &HashMap<OsString, OsString>,
    ) -> anyhow::Result<Self> {
        let base = Url::parse(url).with_context(|| format!("--url {url:?} is not a URL"))?;
        ensure!(
            matches!(base.scheme(), "http" | "https"),
            "--url {url:?}: the API is reached over http:// or https://"
        );
        let variable = environment.get(OsStr::new(credentials::VARIABLE));
        let token = credentials::read(
            &command.token_header,
            command.token_file.as_deref(),
            variable.map(OsString::as_os_str),
        )?;
        let tls = tls::client_config(command.ca_file.as_deref())?;
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .read_timeout(PATIENCE)
            .tls_backend_preconfigured((*tls).clone())
            .build()
            .context("cannot set up an HTTP client")?;
        Ok(Self { base, client, token })
    }

    /// Returns the URL of a search, or of its continuation.
    fn url(
        &self,
        command: &SearchCommand,
        bounds: &Bounds,
        limit: usize,
        cursor: Option<&str>,
    ) -> Url {
        let mut query = parameters(command);
        let offsets = [("since", bounds.since), ("until", bounds.until)];
        query.extend_pairs(
            offsets.iter().filter_map(|(name, offset)| Some((name, (*offset)?.to_string()))),
        );
        let times = [("since_time", bounds.since_time), ("until_time", bounds.until_time)];
        let seconds = |millis: u64| format!("{}.{:03}", millis / 1000, millis % 1000);
        query.extend_pairs(times.iter().filter_map(|(name, time)| Some((name, seconds((*time)?)))));
        query.append_pair("format", "ndjson").append_pair("limit", &limit.to_string());
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        let mut url = self.base.clone();
        let path = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{path}/api/search"));
        url.set_query(Some(&query.finish()));
        url
    }

    /// Prints the results of an answer, and returns their number and its end.
    async fn ask(&self, url: Url, output: &mut Output) -> anyhow::Result<(usize, End)> {
        let mut request = self.client.get(url);
        if let Some((name, token)) = &self.token {
            let value = if name == reqwest::header::AUTHORIZATION {
                format!("Bearer {token}")
            } else {
                token.clone()
            };
            request = request.header(name, value);
        }
        let base = &self.base;
        let mut answer = request.send().await.with_context(|| format!("{base} does not answer"))?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.unwrap_or_default();
            let text: String = text.chars().take(SHOWN).collect();
            bail!("{base} returned {status}: {}", client::text::shown(text.trim_end()));
        }
        let (mut lines, mut found, mut last) = (Vec::new(), 0_usize, None);
        while let Some(bytes) =
            answer.chunk().await.with_context(|| format!("{base}: the answer is incomplete"))?
        {
            lines.extend_from_slice(&bytes);
            ensure!(lines.len() <= LONGEST, "{base}: a line of the answer is too long");
            let end = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let whole: Vec<u8> = lines.drain(..end).collect();
            for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let line = std::str::from_utf8(line).context("the answer is not UTF-8")?;
                // The last line is no result.
                if let Some(result) = last.replace(line.to_owned()) {
                    output.result(&result)?;
                    found += 1;
                }
            }
            output.flush()?;
        }
        let last = last.with_context(|| format!("{base}: the answer is empty"))?;
        let end = serde_json::from_str(&last).with_context(|| {
            format!("{base}: the answer has no end; is this a certstream-server?")
        })?;
        Ok((found, end))
    }
}
