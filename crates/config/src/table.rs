//! The one table of settings: every key with its variables, kind, bounds and text for users.
//!
//! From it come the environment overlay, the command-line flags, `--help`, `--print-config`,
//! `docs/configuration.md` and `config.example.yaml`. Rows of one section stand together, in the
//! order in which they are shown.

mod alerts;
mod cluster;
mod ct_log;
mod feed;
mod guard;
mod journal;
mod logs;
mod outputs;
mod reporting;
mod server;
mod streams;
pub(crate) mod suggest;

use crate::kind::Kind;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The key in a file, sections joined by dots; `[]` after the name of a list stands for each
    /// of its items.
    pub key: &'static str,
    /// The environment variables that set it; the first one set counts.
    pub env: &'static [&'static str],
    /// The kind of its values, with bounds.
    pub kind: Kind,
    /// Its description for users.
    pub doc: &'static str,
    /// True if its value is never shown.
    pub secret: bool,
    /// An example value, for a setting without a default.
    pub example: Option<&'static str>,
    /// True if a new value requires a restart.
    pub restart: bool,
}

/// A group of settings.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The key its settings stand under; empty for settings outside sections.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// A description of its settings.
    pub doc: &'static str,
}

impl Setting {
    /// Returns the command-line flag, without the leading dashes; `None` for settings that only a
    /// file can set.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        let only_in_file = self.kind.is_list_of_maps() || self.key.contains("[]");
        (!only_in_file).then(|| self.key.replace(['.', '_'], "-"))
    }

    /// Returns the name of its section.
    #[must_use]
    pub fn section(&self) -> &'static str {
        if let Some((list, _)) = self.key.split_once("[]") {
            return list;
        }
        let is_list = self.kind.is_list_of_maps();
        let outer = self.key.rsplit_once('.').map(|(section, _)| section);
        outer.unwrap_or(if is_list { self.key } else { "" })
    }

    /// Returns the last part of its key.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, name)| name)
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }

    const fn restart(self) -> Self {
        Self { restart: true, ..self }
    }
}

/// Returns the setting with this key.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

const fn row(
    key: &'static str,
    env: &'static [&'static str],
    kind: Kind,
    doc: &'static str,
) -> Setting {
    Setting { key, env, kind, doc, secret: false, example: None, restart: false }
}

impl Section {
    /// Returns its settings, in the order of [`SETTINGS`].
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        SETTINGS.iter().filter(|setting| setting.section() == self.name)
    }
}

/// The sections, in the order of [`SETTINGS`].
pub const SECTIONS: &[Section] = &[
    section("", "Server", "Where the server listens and what it logs"),
    section("protocols", "Protocols", "What is served; disabled routes return 404"),
    section(
        "prometheus",
        "Metrics",
        "Where metrics are served; docs/metrics.md lists them. The keys are those of \
         certstream-server-go",
    ),
    section("metrics", "Metrics of other servers", "For dashboards built for those servers"),
    section("api", "REST API", "How many certificates /api/cert keeps, if protocols.api is on"),
    section("stats", "Statistics", "The statistics that CaliDog's server shows at /stats"),
    section(
        "streams",
        "Streams",
        "The streams that clients can choose from; a disabled stream costs nothing",
    ),
    section(
        "dedup",
        "Duplicates",
        "Most certificates are in several logs; `dedup: false` sends every entry of every log",
    ),
    section("heartbeat", "Heartbeats", "Messages that show clients that the connection is alive"),
    section(
        "compression",
        "Compression",
        "Messages are compressed once for all clients that request it, so further clients cost \
         nothing extra",
    ),
    section(
        "filters",
        "Filters",
        "Clients select certificates with ?domain=, ?match=, ?entry= and others; a filter over a \
         limit is refused",
    ),
    section(
        "connection_limit",
        "Connection limits",
        "How many connections are allowed at a time; beyond max_connections or per_ip_limit the \
         response is 429. IPv6 clients are counted by /64",
    ),
    section(
        "rate_limit",
        "Rate limits",
        "How many requests a client may make, by its token's tier (auth): a token bucket, a burst \
         beyond it, and a sliding window; a stream counts as one request however long it lasts. \
         max_tokens, refill_rate and burst are aliases of the free_ keys",
    ),
    section(
        "auth",
        "Authentication",
        "Tokens for streams, /api, /crtsh (also as /?q=), /stats and /latest.json, each in plain \
         text or as sha256: followed by its SHA-256 in hex, as `printf %s TOKEN | sha256sum` \
         prints it. Standard and premium tokens are recognised even with auth.enabled off; a client \
         without a token is Free",
    ),
    section(
        "feed",
        "Feeds",
        "How much is kept for clients that resume or fall behind, and how messages are sent",
    ),
    section(
        "journal",
        "Journal",
        "What was published, on disk in data_dir: a restart neither repeats nor loses anything, and clients \
         resume over everything kept",
    ),
    section(
        "cluster",
        "Cluster",
        "Several servers that share one stream on NATS JetStream, so that clients can move between them; \
         docs/cluster.md describes it",
    ),
    section("ct_log", "Logs", "Which logs are read, and how"),
    section(
        "compat",
        "Going back",
        "Files that another server can resume from; docs/migrate.md describes how",
    ),
    section(
        "hot_reload",
        "Reloading",
        "SIGHUP always reloads the configuration; an invalid one is logged and changes nothing",
    ),
    section(
        "nats",
        "Output to NATS",
        "Publishes each certificate to a JetStream stream, as certstream-server-rust does; \
         docs/outputs.md describes it",
    ),
    section(
        "stream_processing",
        "Outputs to Kafka",
        "A list of maps, only in a file, with the keys of certstream-server-go and more; \
         docs/outputs.md describes them",
    ),
    section(
        "alerts",
        "Alerts",
        "Rules that report certificates to receivers, such as a webhook or people by mail; \
         docs/alerts.md describes them",
    ),
    section(
        "alerts.rules",
        "Rules for alerts",
        "A list of maps, only in a file. A certificate matches a rule if each condition that is given \
         applies: domain, match, regex, lookalike, issuer and entry. Write one term, or a list of which \
         one has to apply",
    ),
    section(
        "alerts.receivers",
        "Receivers of alerts",
        "A list of maps, only in a file. Errors and log lines never show their values; secrets can be \
         in files of their own or in environment variables",
    ),
    section("custom_logs", "Additional RFC 6962 logs", "A list of maps, only in a file"),
    section("static_logs", "Additional static-ct-api logs", "A list of maps, only in a file"),
];

const fn section(name: &'static str, title: &'static str, doc: &'static str) -> Section {
    Section { name, title, doc }
}

/// The rows of all sections, in the order in which they are shown.
const PARTS: [&[Setting]; 11] = [
    server::ROWS,
    reporting::ROWS,
    streams::ROWS,
    guard::ROWS,
    feed::ROWS,
    journal::ROWS,
    cluster::ROWS,
    ct_log::ROWS,
    outputs::ROWS,
    alerts::ROWS,
    logs::ROWS,
];

/// The number of settings.
const COUNT: usize = {
    let (mut count, mut part) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

/// Every setting.
pub const SETTINGS: &[Setting] = &{
    let mut all = [PARTS[0][0]; COUNT];
    let (mut next, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut row = 0;
        while row < PARTS[part].len() {
            all[next] = PARTS[part][row];
            next += 1;
            row += 1;
        }
        part += 1;
    }
    all
};
