//! Rows of the table: the log list, how logs are read, exports for other servers, and reloading.

use super::{Setting, row};
use crate::kind::Kind::{
    self, Ascii, Bool, Choice, Choices, Integer, Intervals, Millis, Path, Seconds, Size, Start,
    Texts, Url, Urls,
};
use crate::model::values::ByteSize;

const MAX_BATCH: u64 = 65536;
const HOUR_MS: u64 = 3_600_000;
const HOUR: u64 = 3600;
const LOG_STATES: &[&str] = &["pending", "qualified", "usable", "readonly", "retired", "rejected"];

pub(super) const ROWS: &[Setting] = &[
    row("ct_log.rfc6962_enabled", &["CERTSTREAM_RFC6962_ENABLED"], Bool, "Follow RFC 6962 logs"),
    row(
        "ct_log.static_ct_enabled",
        &["CERTSTREAM_STATIC_CT_ENABLED"],
        Bool,
        "Follow static-ct-api (tiled) logs",
    ),
    row(
        "ct_log.disable_default_logs",
        &["CERTSTREAM_CT_LOG_DISABLE_DEFAULT_LOGS", "CERTSTREAM_GENERAL_DISABLE_DEFAULT_LOGS"],
        Bool,
        "Follow only custom_logs and static_logs, not the log list",
    ),
    row(
        "ct_log.log_list_url",
        &["CERTSTREAM_CT_LOG_LOG_LIST_URL"],
        Url,
        "URL of the log list, in the v3 format that Chrome publishes",
    ),
    row(
        "ct_log.log_list_key_file",
        &["CERTSTREAM_CT_LOG_LOG_LIST_KEY_FILE"],
        Path,
        "PEM public key that the log list is signed with, instead of Chrome's",
    )
    .example("/etc/certstream/log_list_key.pem"),
    row(
        "ct_log.log_list_cache",
        &["CERTSTREAM_CT_LOG_LOG_LIST_CACHE"],
        Path,
        "File that caches the log lists for a start without network, and the newest version seen, \
         so that an older one is never used; by default a file in data_dir, or else beside ct_log.state_file",
    )
    .example("/var/lib/certstream/log_lists.json"),
    row(
        "ct_log.extra_log_lists",
        &["CERTSTREAM_CT_LOG_EXTRA_LOG_LISTS"],
        Urls,
        "Further log lists in the same format, without a signature, such as Apple's \
         (https://valid.apple.com/ct/log_list/current_log_list.json); they only add logs: a log \
         that they drop is still followed",
    ),
    row(
        "ct_log.log_refresh_interval_secs",
        &["CERTSTREAM_CT_LOG_REFRESH_INTERVAL_SECS"],
        Seconds(0, 604_800),
        "Time between fetches of the log lists; 0 fetches them only at startup",
    ),
    row(
        "ct_log.removed_log_policy",
        &["CERTSTREAM_CT_LOG_REMOVED_POLICY"],
        Choice(&["stop", "keep"]),
        "What to do when a log leaves the signed list or the states in ct_log.states: stop reads \
         it to its end, keep follows it as before",
    ),
    row(
        "ct_log.checkpoint_signature_mode",
        &["CERTSTREAM_STATIC_CT_CHECKPOINT_SIGNATURE"],
        Choice(&["enforce", "warn"]),
        "For configurations of certstream-server-rust. A tree head with an invalid signature is \
         never used, so warn is the same as enforce, with a warning at startup",
    ),
    row(
        "ct_log.states",
        &["CERTSTREAM_CT_LOG_STATES"],
        Choices(LOG_STATES),
        "States of the logs to follow from the log list",
    ),
    row(
        "ct_log.include_test",
        &["CERTSTREAM_CT_LOG_INCLUDE_TEST"],
        Bool,
        "Also follow test logs, mirrors and logs without a state, from Chrome's list of all logs \
         unless ct_log.log_list_url names another list",
    ),
    row(
        "ct_log.exclude",
        &["CERTSTREAM_CT_LOG_EXCLUDE"],
        Texts,
        "Logs of the lists not to follow, each given by operator, name, log id or URL; the URL of \
         a host excludes all its logs",
    ),
    row(
        "ct_log.excluded_operators",
        &["CERTSTREAM_CT_LOG_EXCLUDED_OPERATORS"],
        Texts,
        "The same, by operator only",
    ),
    row(
        "ct_log.excluded_logs",
        &["CERTSTREAM_CT_LOG_EXCLUDED_LOGS"],
        Texts,
        "The same, by name, log id or URL only",
    ),
    row(
        "ct_log.start",
        &["CERTSTREAM_CT_LOG_START"],
        Start,
        "Where a log without a saved position starts",
    )
    .restart(),
    row(
        "ct_log.start_overlap_leaves",
        &["CERTSTREAM_CT_LOG_START_OVERLAP_LEAVES"],
        Integer(0, 100_000),
        "With ct_log.start: head, how many entries before the head a log starts",
    )
    .restart(),
    row(
        "ct_log.state_file",
        &["CERTSTREAM_CT_LOG_STATE_FILE"],
        Path,
        "File to save positions in and to resume from, if there is no data_dir; a new journal in data_dir imports it once and renames it. Without either every start begins afresh",
    )
    .example("/var/lib/certstream/state.json")
    .restart(),
    row(
        "ct_log.state_recovery",
        &["CERTSTREAM_CT_LOG_STATE_RECOVERY"],
        Choice(&["fresh", "fail"]),
        "What to do with a state file that cannot be read: fresh sets it aside and starts all logs \
         afresh, fail refuses to start",
    )
    .restart(),
    row(
        "ct_log.import_index",
        &["CERTSTREAM_CT_LOG_IMPORT_INDEX"],
        Path,
        "Positions in the format of certstream-server-go (ct_index.json), for logs that \
         ct_log.state_file does not know yet; the file is written only if compat.export_index \
         names it too",
    )
    .example("/var/lib/certstream/ct_index.json")
    .restart(),
    row(
        "ct_log.resume_overlap_secs",
        &["CERTSTREAM_CT_LOG_RESUME_OVERLAP_SECS"],
        Seconds(0, HOUR),
        "How far saved positions trail the stream, so that a restart repeats entries rather than \
         skipping any",
    )
    .restart(),
    row(
        "ct_log.max_catchup_lag_entries",
        &["CERTSTREAM_CT_LOG_MAX_CATCHUP_LAG_ENTRIES"],
        Integer(0, Kind::ANY),
        "How many entries a log may be behind before it skips to its head, at least 10000; 0 never \
         skips. Skipped entries are logged and counted",
    )
    .restart(),
    row(
        "ct_log.max_catchup_lag_secs",
        &["CERTSTREAM_CT_LOG_MAX_CATCHUP_LAG_SECS"],
        Seconds(0, Kind::ANY),
        "The same in time, from the newest entry read to the log's head, at least 300",
    )
    .restart(),
    row(
        "ct_log.batch_size",
        &["CERTSTREAM_CT_LOG_BATCH_SIZE"],
        Integer(1, MAX_BATCH),
        "Maximum number of entries per request; the server learns how many each log returns at \
         once",
    )
    .restart(),
    row(
        "ct_log.poll_interval_ms",
        &["CERTSTREAM_CT_LOG_POLL_INTERVAL_MS"],
        Millis(1, HOUR_MS),
        "Maximum time between polls of a log; a log with new entries is polled sooner when more \
         are due, an idle one at most once a second",
    )
    .restart(),
    row(
        "ct_log.fetch_concurrency",
        &["CERTSTREAM_CT_LOG_FETCH_CONCURRENCY"],
        Integer(1, 16),
        "Maximum number of requests to one log at a time",
    )
    .restart(),
    row(
        "ct_log.default_operator_rate_limit_ms",
        &["CERTSTREAM_CT_LOG_DEFAULT_OPERATOR_RATE_LIMIT_MS"],
        Millis(0, HOUR_MS),
        "Fixed time between two requests to a host; with 0 the server learns how many requests a \
         host accepts",
    )
    .restart(),
    row(
        "ct_log.operator_rate_limits",
        &["CERTSTREAM_CT_LOG_OPERATOR_RATE_LIMITS"],
        Intervals,
        "The same for the hosts of particular operators; in a file also a map of names and \
         milliseconds",
    )
    .restart(),
    row(
        "ct_log.in_flight_bytes",
        &["CERTSTREAM_CT_LOG_IN_FLIGHT_BYTES"],
        Size(ByteSize::MIB, ByteSize::GIB),
        "Memory for responses of logs, from the first byte received until they are published; one \
         log may use a quarter",
    )
    .restart(),
    row(
        "ct_log.allow_private_addresses",
        &["CERTSTREAM_CT_LOG_ALLOW_PRIVATE_ADDRESSES"],
        Bool,
        "Connect to private addresses for logs that only a log list names; custom_logs, \
         static_logs, and lists at private addresses with their logs are always allowed",
    )
    .restart(),
    row(
        "ct_log.partial_tile_wait_ms",
        &["CERTSTREAM_CT_LOG_PARTIAL_TILE_WAIT_MS"],
        Millis(0, 600_000),
        "Maximum time to wait for the newest tile of a static-ct-api log to fill up before it is \
         read",
    )
    .restart(),
    row(
        "ct_log.request_timeout_secs",
        &["CERTSTREAM_CT_LOG_REQUEST_TIMEOUT_SECS"],
        Seconds(1, HOUR),
        "Time limit of a request to a log",
    )
    .restart(),
    row(
        "ct_log.retry_max_attempts",
        &["CERTSTREAM_CT_LOG_RETRY_MAX_ATTEMPTS"],
        Integer(0, Kind::ANY),
        "Maximum number of attempts at a request before it counts as a failure of the log",
    )
    .restart(),
    row(
        "ct_log.retry_initial_delay_ms",
        &["CERTSTREAM_CT_LOG_RETRY_INITIAL_DELAY_MS"],
        Millis(1, HOUR_MS),
        "Wait before the second attempt; it doubles with each further one",
    )
    .restart(),
    row(
        "ct_log.retry_max_delay_ms",
        &["CERTSTREAM_CT_LOG_RETRY_MAX_DELAY_MS"],
        Millis(1, HOUR_MS),
        "Maximum wait between two attempts",
    )
    .restart(),
    row(
        "ct_log.healthy_threshold",
        &["CERTSTREAM_CT_LOG_HEALTHY_THRESHOLD"],
        Integer(1, Kind::ANY),
        "Consecutive successes that make a failing log healthy",
    )
    .restart(),
    row(
        "ct_log.unhealthy_threshold",
        &["CERTSTREAM_CT_LOG_UNHEALTHY_THRESHOLD"],
        Integer(1, Kind::ANY),
        "Consecutive failures that make a log unhealthy",
    )
    .restart(),
    row(
        "ct_log.health_check_interval_secs",
        &["CERTSTREAM_CT_LOG_HEALTH_CHECK_INTERVAL_SECS"],
        Seconds(1, 86_400),
        "Time between attempts at an unhealthy log",
    )
    .restart(),
    row(
        "ct_log.user_agent",
        &["CERTSTREAM_USER_AGENT"],
        Ascii,
        "User-Agent of requests to logs; blank for the default. Some logs slow down clients \
         whose User-Agent contains neither an e-mail address nor a URL",
    )
    .restart(),
    row(
        "compat.export_index",
        &["CERTSTREAM_COMPAT_EXPORT_INDEX"],
        Path,
        "File to keep up to date with positions in the format of certstream-server-go, so that you \
         can go back to that server; may be ct_log.import_index",
    )
    .example("/var/lib/certstream/ct_index.json")
    .restart(),
    row(
        "compat.export_state",
        &["CERTSTREAM_COMPAT_EXPORT_STATE"],
        Path,
        "State file to write besides the journal, in the format of ct_log.state_file, for going back \
         to a version or a server without a journal",
    )
    .example("/var/lib/certstream/export.json")
    .restart(),
    row(
        "hot_reload.enabled",
        &["CERTSTREAM_HOT_RELOAD_ENABLED"],
        Bool,
        "Reload the configuration when its file changes, also by rename or through a changed link",
    ),
    row(
        "hot_reload.watch_path",
        &["CERTSTREAM_HOT_RELOAD_WATCH_PATH"],
        Path,
        "File, or directory of files, whose changes also reload the configuration",
    )
    .example("/etc/certstream"),
];
