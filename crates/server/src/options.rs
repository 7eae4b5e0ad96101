//! The options of each part of the server, made from the configuration.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use config::{
    ByteSize, CompatProfile, Config, CtLog, DedupMode, JournalSync, LogState, NamedLog,
    RemovedLogPolicy, Span, Start, TreeSizeSource, Verification,
};
use ct::Hash;
use ct::log_list::CHROME_KEY_PEM;
use ct::signature::PublicKey;
use feed::Limits;
use follow::catalogue::{CHROME_ALL_LOGS_URL, CHROME_LIST_URL, CatalogueOptions, Selection};
use follow::{
    Backoff, CatchUp, FirstPosition, FollowOptions, Intervals, Log, LogError, Protocol, file,
};
use ingest::Window;
use record::SyncMode;
use wire::{Profile, Renderer};

use crate::state::window;

/// Most bytes of a key's file that are read.
const LARGEST_KEY: u64 = 64 * 1024;

/// The default User-Agent. Several operators accept more requests of clients that name a contact.
const USER_AGENT: &str = concat!(
    "certstream-server/",
    env!("CARGO_PKG_VERSION"),
    " (+",
    env!("CARGO_PKG_REPOSITORY"),
    ")"
);

pub(crate) fn user_agent(config: &Config) -> String {
    let configured = config.ct_log.user_agent.trim();
    if configured.is_empty() { USER_AGENT } else { configured }.to_owned()
}

pub(crate) fn renderer(config: &Config) -> Renderer {
    Renderer {
        max_message_bytes: in_memory(config.max_message_bytes),
        skip_empty_domains: config.feed.skip_empty_domains,
    }
}

pub(crate) fn limits(config: &Config) -> Limits {
    Limits {
        ring_bytes: in_memory(config.feed.ring_bytes),
        chunk_bytes: in_memory(config.feed.chunk_bytes),
        ..Limits::default()
    }
}

/// Bytes allowed for a term on average. Real terms have about 15 bytes; the bound limits the memory for
/// compiling artificial ones to about 40 MiB.
const TERM_BYTES: usize = 32;

pub(crate) fn filter_limits(config: &Config) -> wire::filter::Limits {
    let terms = usize::try_from(config.filters.max_distinct).unwrap_or(usize::MAX);
    wire::filter::Limits { terms, term_bytes: terms.saturating_mul(TERM_BYTES) }
}

/// Reports whether metrics are served on the main listener.
pub(crate) fn metrics_are_shared(config: &Config) -> bool {
    match config.prometheus.enabled {
        true => own_metrics_address(config).is_none(),
        false => config.protocols.metrics,
    }
}

/// Returns the address of the separate listener for metrics, where there is one.
pub(crate) fn own_metrics_address(config: &Config) -> Option<SocketAddr> {
    let own = &config.prometheus;
    let address = SocketAddr::new(own.listen_addr, own.listen_port);
    // Any free port is never the same one.
    let is_shared = address == config.address() && own.listen_port != 0;
    (own.enabled && !is_shared).then_some(address)
}

/// Returns the limits of `/api/cert`: certificates, and bytes of them.
pub(crate) fn recent_limits(config: &Config) -> (usize, usize) {
    let certificates = usize::try_from(config.api.cache_capacity).unwrap_or(usize::MAX);
    if config.protocols.api { (certificates, in_memory(config.api.cache_bytes)) } else { (0, 0) }
}

fn in_memory(size: ByteSize) -> usize {
    usize::try_from(size.get()).unwrap_or(usize::MAX)
}

pub(crate) fn follow_options(config: &Config) -> FollowOptions {
    let logs = &config.ct_log;
    // A journal and a cluster have the exact positions.
    let is_committed = config.data_dir.is_some() || config.cluster.is_on();
    FollowOptions {
        batch_size: logs.batch_size,
        fetch_concurrency: usize::try_from(logs.fetch_concurrency).unwrap_or(1),
        poll_interval: Duration::from_millis(logs.poll_interval_ms),
        retry_attempts: count(logs.retry_max_attempts),
        backoff: Backoff {
            initial: Duration::from_millis(logs.retry_initial_delay_ms),
            max: Duration::from_millis(logs.retry_max_delay_ms),
        },
        healthy_threshold: count(logs.healthy_threshold),
        unhealthy_threshold: count(logs.unhealthy_threshold),
        unhealthy_wait: Duration::from_secs(logs.health_check_interval_secs),
        catch_up: CatchUp {
            max_entries: unless_zero(logs.max_catchup_lag_entries),
            max_lag: unless_zero(logs.max_catchup_lag_secs).map(Duration::from_secs),
        },
        start: match logs.start {
            Start::Head => follow::Start::Head,
            Start::Index(index) => follow::Start::Index(index),
        },
        start_overlap: logs.start_overlap_leaves,
        first_position: match &logs.state_file {
            _ if is_committed => FirstPosition::Published,
            Some(_) => FirstPosition::Saved,
            None => FirstPosition::Forgotten,
        },
        resume_overlap: match is_committed {
            true => Duration::ZERO,
            false => Duration::from_secs(logs.resume_overlap_secs),
        },
        tbs_ids: config.dedup.enabled && config.dedup.mode == DedupMode::Linked,
        partial_tile_wait: Duration::from_millis(logs.partial_tile_wait_ms),
        verification: match config.verification {
            Verification::Enforce => follow::Verification::Enforce,
            Verification::Report => follow::Verification::Report,
            Verification::Off => follow::Verification::Off,
        },
        evidence_dir: evidence_dir(config),
        ..FollowOptions::default()
    }
}

pub(crate) fn in_flight_bytes(config: &Config) -> usize {
    in_memory(config.ct_log.in_flight_bytes)
}

/// Returns the fixed times between requests.
pub(crate) fn intervals(config: &Config) -> Intervals {
    let logs = &config.ct_log;
    let named = logs.operator_rate_limits.iter();
    Intervals {
        default: Duration::from_millis(logs.default_operator_rate_limit_ms),
        by_operator: named.map(|(name, ms)| (name.to_owned(), Duration::from_millis(ms))).collect(),
    }
}

fn unless_zero(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

/// Returns the dedup window, unless every entry is sent.
pub(crate) fn window(config: &Config) -> Option<Window> {
    let dedup = &config.dedup;
    let capacity = usize::try_from(dedup.capacity).unwrap_or(usize::MAX);
    dedup.enabled.then(|| Window::new(capacity, Duration::from_secs(dedup.ttl_secs)))
}

pub(crate) const fn profile(config: &Config) -> Profile {
    wire_profile(config.compat_profile)
}

pub(crate) const fn wire_profile(profile: CompatProfile) -> Profile {
    match profile {
        CompatProfile::Calidog => Profile::Calidog,
        CompatProfile::Go => Profile::Go,
        CompatProfile::Rust => Profile::Rust,
    }
}

/// Returns the name of a state in log lists.
const fn state_name(state: LogState) -> &'static str {
    match state {
        LogState::Pending => "pending",
        LogState::Qualified => "qualified",
        LogState::Usable => "usable",
        LogState::Readonly => "readonly",
        LogState::Retired => "retired",
        LogState::Rejected => "rejected",
    }
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Returns the options of the log list, unless it is switched off.
pub(crate) fn catalogue(config: &Config) -> anyhow::Result<Option<CatalogueOptions>> {
    let logs = &config.ct_log;
    if logs.disable_default_logs {
        return Ok(None);
    }
    let pem = match &logs.log_list_key_file {
        None => CHROME_KEY_PEM.to_owned(),
        Some(path) => read_key(path)
            .with_context(|| format!("ct_log.log_list_key_file: cannot read {}", path.display()))?,
    };
    let key = PublicKey::from_pem(&pem)
        .context("ct_log.log_list_key_file: must be a public key in PEM (P-256 or RSA)")?;
    Ok(Some(CatalogueOptions {
        extra: logs.extra_log_lists.clone(),
        selection: selection(logs),
        keep_removed: logs.removed_log_policy == RemovedLogPolicy::Keep,
        cache: list_cache(config),
        refresh: Duration::from_secs(logs.log_refresh_interval_secs),
        ..CatalogueOptions::new(list_url(logs).to_owned(), key)
    }))
}

fn read_key(path: &Path) -> io::Result<String> {
    let bytes = file::read(path, LARGEST_KEY)?.ok_or(io::ErrorKind::NotFound)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn selection(logs: &CtLog) -> Selection {
    let with_others = |own: &[String]| own.iter().chain(&logs.exclude).cloned().collect();
    Selection {
        states: logs.states.iter().map(|state| state_name(*state).to_owned()).collect(),
        include_test: logs.include_test,
        rfc6962: logs.rfc6962_enabled,
        static_ct: logs.static_ct_enabled,
        excluded_operators: with_others(&logs.excluded_operators),
        excluded_logs: with_others(&logs.excluded_logs),
    }
}

/// Returns the URL of the log list. Chrome's ordinary list has no test logs, so another one is used for
/// these.
fn list_url(logs: &CtLog) -> &str {
    let all = logs.include_test && logs.log_list_url == CHROME_LIST_URL;
    if all { CHROME_ALL_LOGS_URL } else { &logs.log_list_url }
}

/// Returns the cache file of the lists: the configured one, or else one in the data directory or beside
/// the state file.
fn list_cache(config: &Config) -> Option<PathBuf> {
    let named = config.ct_log.log_list_cache.clone();
    named.or_else(|| kept(config, "log_lists"))
}

/// Returns the folder for evidence of alarms: the configured one, or else one in the data directory or
/// beside the state file.
pub(crate) fn evidence_dir(config: &Config) -> Option<PathBuf> {
    let named = config.verification_evidence_dir.clone();
    named.or_else(|| kept(config, "evidence"))
}

/// Returns the path of something that is kept, by default, in the data directory or beside the state
/// file.
fn kept(config: &Config, name: &str) -> Option<PathBuf> {
    let in_data_dir = config.data_dir.as_ref().map(|dir| dir.join(name));
    in_data_dir.or_else(|| beside_state(&config.ct_log, &format!(".{name}")))
}

/// Returns the path beside which an acknowledgement of alarms waits for the server: the state file, or
/// a name in the data directory.
pub(crate) fn acknowledgements(config: &Config) -> Option<PathBuf> {
    let in_data_dir = config.data_dir.as_deref().map(acknowledgements_in);
    in_data_dir.or_else(|| config.ct_log.state_file.clone())
}

/// Returns that path in a data directory.
pub(crate) fn acknowledgements_in(data_dir: &Path) -> PathBuf {
    data_dir.join("alarms")
}

/// Returns the settings of the journal.
pub(crate) fn journal(config: &Config) -> journal::Settings {
    let own = &config.journal;
    journal::Settings {
        sync: match own.sync {
            JournalSync::Batch => SyncMode::Batch,
            JournalSync::Interval => SyncMode::Interval,
        },
        max_bytes: own.max_bytes.get(),
        max_age: own.max_age.map(Span::get),
        segment_bytes: own.segment_bytes.get().min(own.max_bytes.get() / 4),
        ..journal::Settings::default()
    }
}

/// Returns the bounds of the set of domains that were seen.
pub(crate) fn first_seen(config: &Config) -> firstseen::Settings {
    /// Domains in memory: about 10 MB with those being written.
    const FRESH: u64 = 1 << 17;
    /// Twice as many make a file of an eighth of all bytes at most.
    const PART: u64 = 8 * 48;
    let max_bytes = config.journal.first_seen_max_bytes.get();
    let fresh = usize::try_from(FRESH.min(max_bytes / PART)).unwrap_or(usize::MAX);
    firstseen::Settings { max_bytes, fresh }
}

/// Returns the SHA-256 of the settings that decide which entries are published.
pub(crate) fn configuration_hash(config: &Config) -> Hash {
    let logs = &config.ct_log;
    let parts = (
        &config.dedup,
        config.verification,
        (&config.custom_logs, &config.static_logs, selection(logs), list_url(logs)),
        (&logs.extra_log_lists, logs.disable_default_logs, logs.start),
    );
    ct::sha256(format!("{parts:?}").as_bytes())
}

/// Returns the rules of the dedup window, unless every entry is sent.
pub(crate) fn dedup_rules(config: &Config) -> Option<window::Rules> {
    let dedup = &config.dedup;
    dedup.enabled.then(|| window::Rules {
        capacity: dedup.capacity,
        ttl: Duration::from_secs(dedup.ttl_secs),
        is_linked: dedup.mode == DedupMode::Linked,
    })
}

fn beside_state(logs: &CtLog, suffix: &str) -> Option<PathBuf> {
    let state = logs.state_file.as_ref()?;
    let mut name = state.file_name()?.to_owned();
    name.push(suffix);
    Some(state.with_file_name(name))
}

/// Returns the logs of `custom_logs` and `static_logs` whose protocol is switched on.
pub(crate) fn configured_logs(config: &Config) -> Result<Vec<Log>, LogError> {
    each_configured_log(config).collect()
}

/// Returns the same logs, each with an error of its own.
pub(crate) fn each_configured_log(
    config: &Config,
) -> impl Iterator<Item = Result<Log, LogError>> + use<'_> {
    let logs = &config.ct_log;
    let custom: &[NamedLog] = if logs.rfc6962_enabled { &config.custom_logs } else { &[] };
    let tiled: &[NamedLog] = if logs.static_ct_enabled { &config.static_logs } else { &[] };
    let custom = custom.iter().map(|named| configured_log(Protocol::Rfc6962, named));
    let tiled = tiled.iter().map(|named| configured_log(Protocol::StaticCt, named));
    custom.chain(tiled)
}

fn configured_log(protocol: Protocol, named: &NamedLog) -> Result<Log, LogError> {
    let (key, id) = (named.key.as_deref(), named.expected_log_id.as_deref());
    let log = Log::configured(protocol, &named.name, &named.url, key, id)?;
    let log = match &named.tree_size_source {
        None | Some(TreeSizeSource::Checkpoint) => log,
        Some(TreeSizeSource::GetSth) => log.with_api(&named.url)?,
        Some(TreeSizeSource::Url(url)) => log.with_api(url)?,
    };
    Ok(Log {
        operator: named.operator.clone().unwrap_or_default(),
        origin: named.log_origin.clone(),
        batch_size: named.batch_size,
        poll_interval_ms: named.poll_interval_ms,
        ..log
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Invocation;

    fn configured(flags: &[&str]) -> Config {
        let args = ["certstream-server"].iter().chain(flags).map(std::ffi::OsString::from);
        match config::parse(args, []) {
            Ok(Invocation::Serve(setup)) => setup.config,
            other => panic!("{flags:?}: {other:?}"),
        }
    }

    /// Returns the options of all parts, one value a line.
    fn all_options(config: &Config) -> String {
        let parts = (
            follow_options(config),
            catalogue(config).expect("usable"),
            (limits(config), filter_limits(config), renderer(config), window(config)),
            (intervals(config), user_agent(config), profile(config), in_flight_bytes(config)),
        );
        format!("{parts:#?}")
    }

    /// Each setting, and the line of the options that it changes.
    #[test]
    fn each_setting_reaches_the_option_of_its_part() {
        let cases = [
            ("--ct-log-batch-size=7", "batch_size: 7"),
            ("--ct-log-fetch-concurrency=7", "fetch_concurrency: 7"),
            ("--ct-log-poll-interval-ms=7", "poll_interval: 7ms"),
            ("--ct-log-retry-max-attempts=7", "retry_attempts: 7"),
            ("--ct-log-retry-initial-delay-ms=7", "initial: 7ms"),
            ("--ct-log-retry-max-delay-ms=7000", "max: 7s"),
            ("--ct-log-healthy-threshold=7", "healthy_threshold: 7"),
            ("--ct-log-unhealthy-threshold=7", "unhealthy_threshold: 7"),
            ("--ct-log-health-check-interval-secs=7", "unhealthy_wait: 7s"),
            ("--ct-log-max-catchup-lag-entries=10007", "10007"),
            ("--ct-log-max-catchup-lag-secs=307", "307s"),
            ("--ct-log-start-overlap-leaves=7", "start_overlap: 7"),
            ("--ct-log-resume-overlap-secs=7", "resume_overlap: 7s"),
            ("--ct-log-partial-tile-wait-ms=7", "partial_tile_wait: 7ms"),
            ("--ct-log-default-operator-rate-limit-ms=7", "default: 7ms"),
            ("--ct-log-operator-rate-limits=Google=7", "7ms"),
            ("--ct-log-user-agent=seven", "\"seven\""),
            ("--ct-log-log-refresh-interval-secs=7", "refresh: 7s"),
            ("--ct-log-removed-log-policy=keep", "keep_removed: true"),
            ("--ct-log-extra-log-lists=https://seven.example/l", "\"https://seven.example/l\""),
            ("--ct-log-log-list-url=https://seven.example/l", "url: \"https://seven.example/l\""),
            ("--ct-log-log-list-cache=/seven", "\"/seven\""),
            ("--verification-evidence-dir=/seven", "\"/seven\""),
            ("--verification=enforce", "verification: Enforce"),
            ("--dedup-mode=linked", "tbs_ids: true"),
            ("--max-message-bytes=70000", "max_message_bytes: 70000"),
            ("--feed-ring-bytes=70000", "ring_bytes: 70000"),
            ("--feed-chunk-bytes=7000000", "chunk_bytes: 7000000"),
            ("--feed-skip-empty-domains=false", "skip_empty_domains: false"),
            ("--filters-max-distinct=7", "terms: 7"),
            ("--compat-profile=go", "Go"),
        ];
        let before = all_options(&configured(&[]));
        for (flag, expected) in cases {
            let after = all_options(&configured(&[flag]));
            let old: Vec<&str> = before.lines().map(str::trim).collect();
            let new = after.lines().map(str::trim).filter(|line| !old.contains(line));
            let new: Vec<&str> = new.map(|line| line.trim_end_matches(',')).collect();
            assert!(new.contains(&expected), "{flag}: {new:#?}");
        }
    }
}
