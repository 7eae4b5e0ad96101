//! What the configuration means to each part: its options in the parts' own words.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use ct::log_list::CHROME_KEY_PEM;
use ct::signature::PublicKey;
use feed::Limits;
use follow::catalogue::CatalogueOptions;
use follow::{Backoff, FollowOptions, Log, LogError, Protocol};
use wire::{Profile, Renderer};

use crate::config::{ByteSize, CompatProfile, Config, DedupMode, LogState, NamedLog, Start};
use crate::dedup::Window;

/// Several operators give clients that name a contact a larger share.
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
        min_messages: config.buffer_size,
        chunk_bytes: in_memory(config.feed.chunk_bytes),
        ..Limits::default()
    }
}

/// Real terms have some 15 bytes. The bound on their bytes keeps made-up ones from taking more than
/// some 40 MiB while they are compiled.
const TERM_BYTES: usize = 32;

pub(crate) fn filter_limits(config: &Config) -> wire::filter::Limits {
    let terms = usize::try_from(config.filters.max_distinct).unwrap_or(usize::MAX);
    wire::filter::Limits { terms, term_bytes: terms.saturating_mul(TERM_BYTES) }
}

fn in_memory(size: ByteSize) -> usize {
    usize::try_from(size.get()).unwrap_or(usize::MAX)
}

pub(crate) fn follow_options(config: &Config) -> FollowOptions {
    let logs = &config.ct_log;
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
        start: match logs.start {
            Start::Head => follow::Start::Head,
            Start::Index(index) => follow::Start::Index(index),
        },
        start_overlap: logs.start_overlap_leaves,
        resume_overlap: Duration::from_secs(logs.resume_overlap_secs),
        tbs_ids: config.dedup.enabled && config.dedup.mode == DedupMode::Linked,
        partial_tile_wait: Duration::from_millis(logs.partial_tile_wait_ms),
    }
}

/// The window of certificates already sent, unless all are wanted.
pub(crate) fn window(config: &Config) -> Option<Window> {
    let dedup = &config.dedup;
    let capacity = usize::try_from(dedup.capacity).unwrap_or(usize::MAX);
    dedup.enabled.then(|| Window::new(capacity, Duration::from_secs(dedup.ttl_secs)))
}

pub(crate) const fn profile(config: &Config) -> Profile {
    match config.compat_profile {
        CompatProfile::Calidog => Profile::Calidog,
        CompatProfile::Go => Profile::Go,
        CompatProfile::Rust => Profile::Rust,
    }
}

/// The state as log lists spell it.
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

/// The log list, unless it is switched off.
pub(crate) fn catalogue(config: &Config) -> anyhow::Result<Option<CatalogueOptions>> {
    let logs = &config.ct_log;
    if logs.disable_default_logs {
        return Ok(None);
    }
    let pem = match &logs.log_list_key_file {
        None => CHROME_KEY_PEM.to_owned(),
        Some(path) => fs::read_to_string(path)
            .with_context(|| format!("ct_log.log_list_key_file: cannot read {}", path.display()))?,
    };
    let key = PublicKey::from_pem(&pem)
        .context("ct_log.log_list_key_file: must be a public key in PEM (P-256 or RSA)")?;
    Ok(Some(CatalogueOptions {
        url: logs.log_list_url.clone(),
        key,
        states: logs.states.iter().map(|state| state_name(*state).to_owned()).collect(),
        rfc6962: logs.rfc6962_enabled,
        static_ct: logs.static_ct_enabled,
        refresh: Duration::from_secs(logs.log_refresh_interval_secs),
    }))
}

/// `custom_logs` and `static_logs`, as far as their protocol is on.
pub(crate) fn logs_by_hand(config: &Config) -> Result<Vec<Log>, LogError> {
    let custom = config.custom_logs.iter().filter(|_| config.ct_log.rfc6962_enabled);
    let tiled = config.static_logs.iter().filter(|_| config.ct_log.static_ct_enabled);
    let custom = custom.map(|named| by_hand(Protocol::Rfc6962, named));
    let tiled = tiled.map(|named| by_hand(Protocol::StaticCt, named));
    custom.chain(tiled).collect()
}

fn by_hand(protocol: Protocol, named: &NamedLog) -> Result<Log, LogError> {
    let (key, id) = (named.key.as_deref(), named.expected_log_id.as_deref());
    let log = Log::by_hand(protocol, &named.name, &named.url, key, id)?;
    Ok(Log {
        operator: named.operator.clone().unwrap_or_default(),
        origin: named.log_origin.clone(),
        batch_size: named.batch_size,
        poll_interval_ms: named.poll_interval_ms,
        ..log
    })
}
