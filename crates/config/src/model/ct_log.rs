//! The settings of logs: the log list, how logs are read, and configured logs.

use std::path::PathBuf;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::values::{
    ByteSize, LogState, OperatorIntervals, RemovedLogPolicy, SignatureMode, Start, StateRecovery,
    TreeSizeSource,
};

/// The logs of the log list, and how they are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CtLog {
    /// True to follow RFC 6962 logs.
    pub rfc6962_enabled: bool,
    /// True to follow static-ct-api logs.
    pub static_ct_enabled: bool,
    /// True to follow only the logs of this configuration.
    pub disable_default_logs: bool,
    /// The v3 log list.
    pub log_list_url: String,
    /// The PEM public key that signs the log list, instead of the built-in one.
    pub log_list_key_file: Option<PathBuf>,
    /// The cache of the lists for a start without network, instead of a file beside `state_file`.
    pub log_list_cache: Option<PathBuf>,
    /// v3 log lists without signature, which only add logs.
    pub extra_log_lists: Vec<String>,
    /// Seconds between readings of the log lists; 0 reads them only at start.
    pub log_refresh_interval_secs: u64,
    /// The handling of a log that leaves the signed list.
    pub removed_log_policy: RemovedLogPolicy,
    /// Kept for configurations of certstream-server-rust: signatures are always enforced.
    pub checkpoint_signature_mode: SignatureMode,
    /// The states a listed log must be in to be followed; never empty.
    pub states: Vec<LogState>,
    /// True to follow test and monitoring logs too.
    pub include_test: bool,
    /// Logs of the lists that are not followed: operator, name, log id or URL.
    pub exclude: Vec<String>,
    /// Operators whose logs of the lists are not followed.
    pub excluded_operators: Vec<String>,
    /// Logs of the lists that are not followed: name, log id or URL.
    pub excluded_logs: Vec<String>,
    /// The start of a log without a saved position.
    pub start: Start,
    /// Entries before the head at which `start: head` begins, at most 100,000.
    pub start_overlap_leaves: u64,
    /// The file in which positions are saved.
    pub state_file: Option<PathBuf>,
    /// The handling of a state file that cannot be read.
    pub state_recovery: StateRecovery,
    /// Positions of certstream-server-go, for logs that `state_file` does not know.
    pub import_index: Option<PathBuf>,
    /// Seconds by which saved positions trail what is published.
    pub resume_overlap_secs: u64,
    /// Entries a log may be behind before some are skipped, at least 10,000; 0 for any number.
    pub max_catchup_lag_entries: u64,
    /// Seconds a log may be behind before entries are skipped, at least 300; 0 for any time.
    pub max_catchup_lag_secs: u64,
    /// Maximum number of entries in one request.
    pub batch_size: u64,
    /// Longest wait between two tree heads of one log, in milliseconds.
    pub poll_interval_ms: u64,
    /// Maximum number of requests to one log at a time, 1 to 16.
    pub fetch_concurrency: u64,
    /// Fixed time between two requests to a host, in milliseconds; 0 for none.
    pub default_operator_rate_limit_ms: u64,
    /// Fixed times between two requests to the hosts of some operators.
    pub operator_rate_limits: OperatorIntervals,
    /// Maximum size of responses of logs in memory, from the first byte received until they are
    /// published.
    pub in_flight_bytes: ByteSize,
    /// True if logs that only a list names may be at private addresses.
    pub allow_private_addresses: bool,
    /// Longest wait for a partial tile to fill up, in milliseconds.
    pub partial_tile_wait_ms: u64,
    /// Time limit of a request, in seconds.
    pub request_timeout_secs: u64,
    /// Attempts at a request before it counts as a failure.
    pub retry_max_attempts: u64,
    /// First wait before another attempt, in milliseconds.
    pub retry_initial_delay_ms: u64,
    /// Longest wait before another attempt, in milliseconds.
    pub retry_max_delay_ms: u64,
    /// Successes in a row that make a failing log healthy.
    pub healthy_threshold: u64,
    /// Failures in a row that make a log unhealthy.
    pub unhealthy_threshold: u64,
    /// Seconds between attempts at an unhealthy log.
    pub health_check_interval_secs: u64,
    /// The User-Agent of requests; blank for the server's name, version and address.
    pub user_agent: String,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub catalog_authority_overrides: IgnoredAny,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub force_http1_operators: IgnoredAny,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub merkle_verification: IgnoredAny,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub names_tiles: IgnoredAny,
    /// A key of another server, see [`COMPAT_KEYS`](crate::COMPAT_KEYS).
    #[doc(hidden)]
    #[serde(skip_serializing)]
    pub partial_tile_wait_secs: IgnoredAny,
}

impl Default for CtLog {
    fn default() -> Self {
        Self {
            rfc6962_enabled: true,
            static_ct_enabled: true,
            disable_default_logs: false,
            log_list_url: "https://www.gstatic.com/ct/log_list/v3/log_list.json".to_owned(),
            log_list_key_file: None,
            log_list_cache: None,
            extra_log_lists: Vec::new(),
            log_refresh_interval_secs: 3600,
            removed_log_policy: RemovedLogPolicy::Stop,
            checkpoint_signature_mode: SignatureMode::Enforce,
            states: vec![LogState::Qualified, LogState::Usable, LogState::Readonly],
            include_test: false,
            exclude: Vec::new(),
            excluded_operators: Vec::new(),
            excluded_logs: Vec::new(),
            start: Start::Head,
            start_overlap_leaves: 256,
            state_file: None,
            state_recovery: StateRecovery::Fresh,
            import_index: None,
            resume_overlap_secs: 10,
            max_catchup_lag_entries: 0,
            max_catchup_lag_secs: 0,
            batch_size: 256,
            poll_interval_ms: 1000,
            fetch_concurrency: 4,
            default_operator_rate_limit_ms: 0,
            operator_rate_limits: OperatorIntervals::default(),
            in_flight_bytes: ByteSize::new(64 * ByteSize::MIB),
            allow_private_addresses: false,
            partial_tile_wait_ms: 2000,
            request_timeout_secs: 30,
            retry_max_attempts: 3,
            retry_initial_delay_ms: 1000,
            retry_max_delay_ms: 30_000,
            healthy_threshold: 2,
            unhealthy_threshold: 5,
            health_check_interval_secs: 60,
            user_agent: String::new(),
            catalog_authority_overrides: IgnoredAny,
            force_http1_operators: IgnoredAny,
            merkle_verification: IgnoredAny,
            names_tiles: IgnoredAny,
            partial_tile_wait_secs: IgnoredAny,
        }
    }
}

/// A configured log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedLog {
    /// Its name.
    pub name: String,
    /// Its URL: the part before `/ct/v1/` (RFC 6962) or before `/checkpoint` (static-ct-api).
    pub url: String,
    /// Base64 of the DER public key.
    pub key: Option<String>,
    /// Its operator.
    pub operator: Option<String>,
    /// The first line of its checkpoints; only for static-ct-api.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_origin: Option<String>,
    /// The source of its tree size; only for static-ct-api.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree_size_source: Option<TreeSizeSource>,
    /// Base64 of the SHA-256 of the key (RFC 6962 section 3.2).
    pub expected_log_id: Option<String>,
    /// Overrides [`CtLog::batch_size`].
    pub batch_size: Option<u64>,
    /// Overrides [`CtLog::poll_interval_ms`].
    pub poll_interval_ms: Option<u64>,
}
