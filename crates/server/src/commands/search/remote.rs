//! A search by the API of a server.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
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
/// Waits for a server that is busy, in a row, at most.
const MOST_WAITS: u32 = 10;
/// A wait for a server that says no time.
const WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
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
    since: u64,
    until: u64,
    since_time: Option<String>,
    until_time: Option<String>,
}

/// Searches by the API, and returns how far it came.
///
/// # Errors
/// If the server cannot be reached, refuses, or its answer is incomplete.
pub(super) fn run(
    server: &Server,
    command: &SearchCommand,
    bounds: Bounds,
    output: &mut Output,
) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let searched = runtime.block_on(server.search(command, &bounds, output));
    // A name lookup may still hang in a thread that nothing can interrupt.
    runtime.shutdown_timeout(Duration::from_millis(100));
    searched
}

impl From<End> for Ending {
    fn from(end: End) -> Self {
        let time = |text: Option<String>| text?.parse().ok();
        let Searched { since_time, until_time, .. } = end.searched;
        let left = Left::of(end.cursor.is_none(), !end.complete);
        Self { times: time(since_time).zip(time(until_time)), left }
    }
}

impl End {
    /// Reports whether nothing was searched since a cursor.
    fn is_where(&self, cursor: Option<&String>) -> bool {
        match cursor {
            Some(before) => self.cursor.as_ref() == Some(before),
            None => self.cursor.is_some() && self.searched.since == self.searched.until,
        }
    }
}

/// The answer of a server.
enum Answer {
    /// The number of results, and the end.
    Results(usize, End),
    /// It is busy: ask again after this time. The text is what it says.
    Busy(Duration, String),
}

/// A server that is asked.
pub(super) struct Server {
    base: Url,
    client: reqwest::Client,
    token: Option<(reqwest::header::HeaderName, String)>,
}

impl fmt::Debug for Server {
    // The token is not shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.base)
    }
}

impl Server {
    /// Reads the URL, the token and the certificates.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub(super) fn new(
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

    /// Searches until there is nothing left, and waits where the server is busy.
    async fn search(
        &self,
        command: &SearchCommand,
        bounds: &Bounds,
        output: &mut Output,
    ) -> anyhow::Result<Ending> {
        let (mut left, mut cursor, mut waits) = (command.limit, None, 0);
        loop {
            let asked = self.url(command, bounds, left, cursor.as_deref());
            let (wait, text) = match self.ask(asked, output).await? {
                Answer::Busy(wait, text) => (wait, text),
                Answer::Results(0, end) if end.is_where(cursor.as_ref()) => {
                    cursor = end.cursor;
                    (WAIT, format!("{} has too many searches at present", self.base))
                }
                Answer::Results(found, end) => {
                    left = left.saturating_sub(found);
                    waits = 0;
                    match end.cursor {
                        Some(next) if left > 0 => cursor = Some(next),
                        _ => return Ok(end.into()),
                    }
                    continue;
                }
            };
            if waits >= MOST_WAITS {
                bail!("{text}; it was asked {} times", waits + 1);
            }
            waits += 1;
            tokio::time::sleep(wait).await;
        }
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
    async fn ask(&self, url: Url, output: &mut Output) -> anyhow::Result<Answer> {
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
            let wait = answer.headers().get(reqwest::header::RETRY_AFTER);
            let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok());
            let wait = wait.map(|wait| Duration::from_secs(wait).min(LONGEST_WAIT));
            let text = answer.text().await.unwrap_or_default();
            let text: String = text.chars().take(SHOWN).collect();
            let text =
                format!("{base} returned {status}: {}", client::text::shown(text.trim_end()));
            return match wait {
                Some(wait) if status == reqwest::StatusCode::SERVICE_UNAVAILABLE => {
                    Ok(Answer::Busy(wait, text))
                }
                _ => bail!(text),
            };
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
        Ok(Answer::Results(found, end))
    }
}
