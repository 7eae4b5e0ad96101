//! Every key of the other servers.

use super::convert::{
    drop_old_logs, excluded, is_not_off, is_true, logs, same, seconds, with_others,
};
use super::{CompatKey, OtherServer, Support};
use crate::kind::Kind::{
    self, Address, Bool, Choice, Integer, Logs, Networks, Path, Seconds, StreamPath, Text, Texts,
};

/// Returns a key that is also one of ours.
const fn ours(server: OtherServer, key: &'static str, env: Option<&'static str>) -> CompatKey {
    CompatKey { server, key, env, kind: Text, support: Support::Honoured, note: "" }
}

const fn rust(key: &'static str, env: &'static str) -> CompatKey {
    ours(OtherServer::Rust, key, Some(env))
}

const fn rust_file(key: &'static str) -> CompatKey {
    ours(OtherServer::Rust, key, None)
}

const fn go(key: &'static str, env: &'static str, kind: Kind, support: Support) -> CompatKey {
    CompatKey { server: OtherServer::Go, key, env: Some(env), kind, support, note: "" }
}

const fn go_ours(key: &'static str, env: &'static str) -> CompatKey {
    ours(OtherServer::Go, key, Some(env))
}

const fn go_file(key: &'static str, kind: Kind, support: Support) -> CompatKey {
    CompatKey { server: OtherServer::Go, key, env: None, kind, support, note: "" }
}

/// Returns a key of a list that is also one of ours.
const fn go_list(key: &'static str) -> CompatKey {
    ours(OtherServer::Go, key, None)
}

const fn elixir(env: &'static str, to: &'static str, note: &'static str) -> CompatKey {
    let support = Support::Mapped(to, same);
    CompatKey { server: OtherServer::Elixir, key: "", env: Some(env), kind: Text, support, note }
}

impl CompatKey {
    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    const fn support(self, kind: Kind, support: Support) -> Self {
        Self { kind, support, ..self }
    }

    const fn alias(self, of: &'static str) -> Self {
        self.support(Kind::Anything, Support::Mapped(of, with_others))
    }

    const fn accepted(self, kind: Kind) -> Self {
        self.support(kind, Support::Accepted)
    }
}

const ANY: Kind = Integer(0, Kind::ANY);
const LISTS: &str =
    "certstream-server-rust ignores it too; use ct_log.log_list_url and ct_log.extra_log_lists";
const BOUNDED: &str = "buffers are bounded in bytes, by feed.ring_bytes and ct_log.in_flight_bytes";
const RING: &str = "the buffer for clients is bounded in bytes, by feed.ring_bytes";
const TIERS: &str = "certstream-server-rust has dropped the tiers; this server has them";
const FILLED_IN: &str = "together with the other fields of the item";

/// Every key, in the order in which the documentation shows them.
pub const COMPAT_KEYS: &[CompatKey] = &[
    rust("host", "CERTSTREAM_HOST"),
    rust("port", "CERTSTREAM_PORT"),
    rust("log_level", "CERTSTREAM_LOG_LEVEL")
        .note("RUST_LOG overrides it, as in certstream-server-rust"),
    rust("buffer_size", "CERTSTREAM_BUFFER_SIZE").accepted(Integer(1, 10_000_000)).note(RING),
    rust("tls_cert", "CERTSTREAM_TLS_CERT"),
    rust("tls_key", "CERTSTREAM_TLS_KEY"),
    rust("worker_threads", "TOKIO_WORKER_THREADS")
        .note("in certstream-server-rust only a variable, with default 4"),
    rust("trusted_proxies", "CERTSTREAM_TRUSTED_PROXIES"),
    rust("protocols.websocket", "CERTSTREAM_WS_ENABLED"),
    rust("protocols.sse", "CERTSTREAM_SSE_ENABLED"),
    rust("protocols.metrics", "CERTSTREAM_METRICS_ENABLED"),
    rust("protocols.health", "CERTSTREAM_HEALTH_ENABLED"),
    rust("protocols.example_json", "CERTSTREAM_EXAMPLE_JSON_ENABLED"),
    rust("protocols.api", "CERTSTREAM_API_ENABLED"),
    rust("streams.full", "CERTSTREAM_STREAM_FULL_ENABLED"),
    rust("streams.lite", "CERTSTREAM_STREAM_LITE_ENABLED"),
    rust("streams.domains_only", "CERTSTREAM_STREAM_DOMAINS_ONLY_ENABLED"),
    rust("streams.v2", "CERTSTREAM_STREAM_V2_ENABLED")
        .support(Bool, Support::Refused(is_true))
        .note("there is no v2 stream; the other streams contain the same information"),
    rust("ct_log.checkpoint_signature_mode", "CERTSTREAM_STATIC_CT_CHECKPOINT_SIGNATURE").note(
        "warn is the same as enforce and logs a warning: a head with an invalid signature is never \
         used",
    ),
    rust("ct_log.retry_max_attempts", "CERTSTREAM_CT_LOG_RETRY_MAX_ATTEMPTS"),
    rust("ct_log.retry_initial_delay_ms", "CERTSTREAM_CT_LOG_RETRY_INITIAL_DELAY_MS"),
    rust("ct_log.retry_max_delay_ms", "CERTSTREAM_CT_LOG_RETRY_MAX_DELAY_MS"),
    rust("ct_log.request_timeout_secs", "CERTSTREAM_CT_LOG_REQUEST_TIMEOUT_SECS"),
    rust("ct_log.healthy_threshold", "CERTSTREAM_CT_LOG_HEALTHY_THRESHOLD"),
    rust("ct_log.unhealthy_threshold", "CERTSTREAM_CT_LOG_UNHEALTHY_THRESHOLD"),
    rust("ct_log.health_check_interval_secs", "CERTSTREAM_CT_LOG_HEALTH_CHECK_INTERVAL_SECS"),
    rust("ct_log.state_file", "CERTSTREAM_CT_LOG_STATE_FILE").note(
        "the same file can be used; no default here, certstream_state.json in \
             certstream-server-rust",
    ),
    rust("ct_log.state_recovery", "CERTSTREAM_CT_LOG_STATE_RECOVERY"),
    rust("ct_log.batch_size", "CERTSTREAM_CT_LOG_BATCH_SIZE"),
    rust("ct_log.poll_interval_ms", "CERTSTREAM_CT_LOG_POLL_INTERVAL_MS"),
    rust("ct_log.fetch_concurrency", "CERTSTREAM_CT_LOG_FETCH_CONCURRENCY"),
    rust("ct_log.start_overlap_leaves", "CERTSTREAM_CT_LOG_START_OVERLAP_LEAVES"),
    rust("ct_log.rfc6962_enabled", "CERTSTREAM_RFC6962_ENABLED"),
    rust("ct_log.static_ct_enabled", "CERTSTREAM_STATIC_CT_ENABLED"),
    rust_file("ct_log.default_operator_rate_limit_ms")
        .note("none by default: the server learns the rate that a host accepts"),
    rust_file("ct_log.operator_rate_limits"),
    rust_file("ct_log.catalog_authority_overrides")
        .accepted(Kind::Anything)
        .note("the signature of the list decides; see ct_log.log_list_key_file"),
    rust("ct_log.log_refresh_interval_secs", "CERTSTREAM_CT_LOG_REFRESH_INTERVAL_SECS"),
    rust("ct_log.removed_log_policy", "CERTSTREAM_CT_LOG_REMOVED_POLICY"),
    rust("ct_log.merkle_verification", "CERTSTREAM_STATIC_CT_MERKLE_VERIFICATION")
        .accepted(Choice(&["off", "consistency", "full"]))
        .note("see verification, which checks every entry unless it is off"),
    rust("ct_log.names_tiles", "CERTSTREAM_STATIC_CT_NAMES_TILES")
        .support(Choice(&["off", "prefer"]), Support::Refused(is_not_off))
        .note("names tiles are not read, because they are not signed"),
    rust("ct_log.partial_tile_wait_secs", "CERTSTREAM_CT_LOG_PARTIAL_TILE_WAIT_SECS")
        .support(Seconds(0, 600), Support::Mapped("ct_log.partial_tile_wait_ms", seconds)),
    rust("ct_log.max_catchup_lag_entries", "CERTSTREAM_CT_LOG_MAX_CATCHUP_LAG_ENTRIES"),
    rust("ct_log.max_catchup_lag_secs", "CERTSTREAM_CT_LOG_MAX_CATCHUP_LAG_SECS"),
    rust("ct_log.user_agent", "CERTSTREAM_USER_AGENT"),
    rust("ct_log.force_http1_operators", "CERTSTREAM_CT_LOG_FORCE_HTTP1_OPERATORS")
        .accepted(Texts)
        .note("HTTP/1.1 is used with every log"),
    rust("ct_log.excluded_operators", "CERTSTREAM_CT_LOG_EXCLUDED_OPERATORS"),
    rust("ct_log.excluded_logs", "CERTSTREAM_CT_LOG_EXCLUDED_LOGS"),
    rust("connection_limit.enabled", "CERTSTREAM_CONNECTION_LIMIT_ENABLED"),
    rust("connection_limit.max_connections", "CERTSTREAM_CONNECTION_LIMIT_MAX_CONNECTIONS"),
    rust("connection_limit.per_ip_limit", "CERTSTREAM_CONNECTION_LIMIT_PER_IP_LIMIT"),
    rust("rate_limit.enabled", "CERTSTREAM_RATE_LIMIT_ENABLED"),
    rust_file("rate_limit.max_tokens").alias("rate_limit.free_max_tokens"),
    rust_file("rate_limit.refill_rate").alias("rate_limit.free_refill_rate"),
    rust_file("rate_limit.burst").alias("rate_limit.free_burst"),
    rust_file("rate_limit.free_max_tokens"),
    rust_file("rate_limit.free_refill_rate"),
    rust_file("rate_limit.free_burst"),
    rust_file("rate_limit.standard_max_tokens").note(TIERS),
    rust_file("rate_limit.standard_refill_rate").note(TIERS),
    rust_file("rate_limit.standard_burst").note(TIERS),
    rust_file("rate_limit.premium_max_tokens").note(TIERS),
    rust_file("rate_limit.premium_refill_rate").note(TIERS),
    rust_file("rate_limit.premium_burst").note(TIERS),
    rust_file("rate_limit.window_seconds"),
    rust_file("rate_limit.window_max_requests"),
    rust_file("rate_limit.burst_window_seconds"),
    rust_file("api.cache_capacity"),
    rust("auth.enabled", "CERTSTREAM_AUTH_ENABLED"),
    rust("auth.tokens", "CERTSTREAM_AUTH_TOKENS"),
    rust_file("auth.standard_tokens").note(TIERS),
    rust_file("auth.premium_tokens").note(TIERS),
    rust("auth.header_name", "CERTSTREAM_AUTH_HEADER_NAME"),
    rust("hot_reload.enabled", "CERTSTREAM_HOT_RELOAD_ENABLED")
        .note("reloads more settings than certstream-server-rust; see docs/configuration.md"),
    rust("hot_reload.watch_path", "CERTSTREAM_HOT_RELOAD_WATCH_PATH"),
    rust("dedup.capacity", "CERTSTREAM_DEDUP_CAPACITY"),
    rust("dedup.ttl_secs", "CERTSTREAM_DEDUP_TTL_SECS"),
    rust_file("custom_logs[].name"),
    rust_file("custom_logs[].url"),
    rust_file("custom_logs[].expected_log_id"),
    rust_file("custom_logs[].batch_size"),
    rust_file("custom_logs[].poll_interval_ms"),
    rust_file("static_logs[].name"),
    rust_file("static_logs[].url"),
    rust_file("static_logs[].log_origin"),
    rust_file("static_logs[].expected_log_id"),
    rust_file("static_logs[].key"),
    rust_file("static_logs[].batch_size"),
    rust_file("static_logs[].poll_interval_ms"),
    rust_file("static_logs[].tree_size_source").note("a URL is also accepted"),
    rust_file("static_logs[].operator"),
    rust("ct_logs_url", "CERTSTREAM_CT_LOGS_URL").accepted(Text).note(LISTS),
    rust("additional_log_lists", "CERTSTREAM_ADDITIONAL_LOG_LISTS")
        .accepted(Kind::Anything)
        .note(LISTS),
    rust("nats.enabled", "CERTSTREAM_NATS_ENABLED"),
    rust("nats.url", "CERTSTREAM_NATS_URL"),
    rust("nats.stream", "CERTSTREAM_NATS_STREAM"),
    rust("nats.subject_prefix", "CERTSTREAM_NATS_SUBJECT_PREFIX"),
    rust("nats.max_bytes", "CERTSTREAM_NATS_MAX_BYTES"),
    rust("nats.on_full", "CERTSTREAM_NATS_ON_FULL")
        .note("acts on this output only: neither value delays clients or the reading of logs"),
    rust_file("nats.duplicate_window_secs"),
    rust_file("nats.publish_timeout_secs"),
    rust_file("nats.queue_depth").note("with on_full: drop only; messages wait in data_dir"),
    // === certstream-server-go ===
    go(
        "webserver.listen_addr",
        "CERTSTREAM_WEBSERVER_LISTEN_ADDR",
        Address,
        Support::Mapped("host", same),
    ),
    go(
        "webserver.listen_port",
        "CERTSTREAM_WEBSERVER_LISTEN_PORT",
        Integer(1, 65535),
        Support::Mapped("port", same),
    ),
    go(
        "webserver.full_url",
        "CERTSTREAM_WEBSERVER_FULL_URL",
        StreamPath,
        Support::Mapped("streams.full_path", same),
    ),
    go(
        "webserver.lite_url",
        "CERTSTREAM_WEBSERVER_LITE_URL",
        StreamPath,
        Support::Mapped("streams.lite_path", same),
    ),
    go(
        "webserver.domains_only_url",
        "CERTSTREAM_WEBSERVER_DOMAINS_ONLY_URL",
        StreamPath,
        Support::Mapped("streams.domains_only_path", same),
    ),
    go(
        "webserver.cert_path",
        "CERTSTREAM_WEBSERVER_CERT_PATH",
        Path,
        Support::Mapped("tls_cert", same),
    ),
    go(
        "webserver.cert_key_path",
        "CERTSTREAM_WEBSERVER_CERT_KEY_PATH",
        Path,
        Support::Mapped("tls_key", same),
    ),
    go(
        "webserver.compression_enabled",
        "CERTSTREAM_WEBSERVER_COMPRESSION_ENABLED",
        Bool,
        Support::Mapped("compression.websocket", same),
    )
    .note("on by default: messages are compressed once for all clients"),
    go("webserver.real_ip", "CERTSTREAM_WEBSERVER_REAL_IP", Bool, Support::Mapped("real_ip", same))
        .note("trusts only trusted_proxies; certstream-server-go trusts any client"),
    go(
        "webserver.trusted_proxies",
        "CERTSTREAM_WEBSERVER_TRUSTED_PROXIES",
        Networks,
        Support::Mapped("trusted_proxies", same),
    ),
    go(
        "webserver.whitelist",
        "CERTSTREAM_WEBSERVER_WHITELIST",
        Networks,
        Support::Mapped("ip_allow_list", same),
    ),
    go_ours("prometheus.enabled", "CERTSTREAM_PROMETHEUS_ENABLED"),
    go_ours("prometheus.listen_addr", "CERTSTREAM_PROMETHEUS_LISTEN_ADDR"),
    go_ours("prometheus.listen_port", "CERTSTREAM_PROMETHEUS_LISTEN_PORT"),
    go_ours("prometheus.metrics_url", "CERTSTREAM_PROMETHEUS_METRICS_URL"),
    go_ours("prometheus.expose_system_metrics", "CERTSTREAM_PROMETHEUS_EXPOSE_SYSTEM_METRICS"),
    go_ours("prometheus.cert_path", "CERTSTREAM_PROMETHEUS_CERT_PATH"),
    go_ours("prometheus.cert_key_path", "CERTSTREAM_PROMETHEUS_CERT_KEY_PATH"),
    go_ours("prometheus.real_ip", "CERTSTREAM_PROMETHEUS_REAL_IP")
        .note("trusts only trusted_proxies; certstream-server-go trusts any client"),
    go_ours("prometheus.trusted_proxies", "CERTSTREAM_PROMETHEUS_TRUSTED_PROXIES"),
    go_ours("prometheus.whitelist", "CERTSTREAM_PROMETHEUS_WHITELIST").note(
        "also applies when metrics and streams share a listener, unlike in \
             certstream-server-go",
    ),
    go(
        "general.disable_default_logs",
        "CERTSTREAM_GENERAL_DISABLE_DEFAULT_LOGS",
        Bool,
        Support::Mapped("ct_log.disable_default_logs", same),
    ),
    go_file("general.additional_logs", Logs, Support::Mapped("custom_logs", logs)),
    go_file(
        "general.additional_logs[].url",
        Text,
        Support::Mapped("custom_logs[].url", with_others),
    )
    .note(FILLED_IN),
    go_file(
        "general.additional_logs[].operator",
        Text,
        Support::Mapped("custom_logs[].operator", with_others),
    )
    .note(FILLED_IN),
    go_file(
        "general.additional_logs[].description",
        Text,
        Support::Mapped("custom_logs[].name", with_others),
    )
    .note(FILLED_IN),
    go_file("general.additional_tiled_logs", Logs, Support::Mapped("static_logs", logs)),
    go_file(
        "general.additional_tiled_logs[].url",
        Text,
        Support::Mapped("static_logs[].url", with_others),
    )
    .note(FILLED_IN),
    go_file(
        "general.additional_tiled_logs[].operator",
        Text,
        Support::Mapped("static_logs[].operator", with_others),
    )
    .note(FILLED_IN),
    go_file(
        "general.additional_tiled_logs[].description",
        Text,
        Support::Mapped("static_logs[].name", with_others),
    )
    .note(FILLED_IN),
    go(
        "general.buffer_sizes.websocket",
        "CERTSTREAM_GENERAL_BUFFER_SIZES_WEBSOCKET",
        ANY,
        Support::Accepted,
    )
    .note(RING),
    go(
        "general.buffer_sizes.ctlog",
        "CERTSTREAM_GENERAL_BUFFER_SIZES_CTLOG",
        ANY,
        Support::Accepted,
    )
    .note(BOUNDED),
    go(
        "general.buffer_sizes.broadcastmanager",
        "CERTSTREAM_GENERAL_BUFFER_SIZES_BROADCASTMANAGER",
        ANY,
        Support::Accepted,
    )
    .note(BOUNDED),
    go(
        "general.buffer_sizes.dispatcher",
        "CERTSTREAM_GENERAL_BUFFER_SIZES_DISPATCHER",
        ANY,
        Support::Accepted,
    )
    .note(BOUNDED),
    go(
        "general.drop_old_logs",
        "CERTSTREAM_GENERAL_DROP_OLD_LOGS",
        Bool,
        Support::Mapped("ct_log.removed_log_policy", drop_old_logs),
    )
    .note("true is stop, false is keep"),
    go(
        "general.recovery.enabled",
        "CERTSTREAM_GENERAL_RECOVERY_ENABLED",
        Bool,
        Support::Mapped("ct_log.state_file", with_others),
    )
    .note(
        "ct_index.json is read through ct_log.import_index; positions are saved beside it, in \
         ct_index.state.json. ct_index.json is only written if compat.export_index names it",
    ),
    go(
        "general.recovery.ct_index_file",
        "CERTSTREAM_GENERAL_RECOVERY_CT_INDEX_FILE",
        Path,
        Support::Mapped("ct_log.import_index", with_others),
    )
    .note("only with general.recovery.enabled, as in certstream-server-go"),
    go(
        "general.recovery.start_at_head",
        "CERTSTREAM_GENERAL_RECOVERY_START_AT_HEAD",
        Bool,
        Support::Accepted,
    )
    .note(
        "a log without a saved position starts at its head; with ct_log.start: zero it is read \
         from the beginning",
    ),
    go_file("general.excluded_logs", Logs, Support::Mapped("ct_log.exclude", excluded)),
    go_file(
        "general.excluded_logs[].operator",
        Text,
        Support::Mapped("ct_log.exclude", with_others),
    )
    .note(FILLED_IN),
    go_file("general.excluded_logs[].url", Text, Support::Mapped("ct_log.exclude", with_others))
        .note(FILLED_IN),
    go_list("stream_processing"),
    go_list("stream_processing[].name"),
    go_list("stream_processing[].type")
        .note("kafka; there is no output to NSQ, so an enabled one is refused"),
    go_list("stream_processing[].stream"),
    go_list("stream_processing[].enabled"),
    go_list("stream_processing[].server_addr")
        .note("a host name is also accepted; brokers names several"),
    go_list("stream_processing[].server_port"),
    go_list("stream_processing[].topic"),
    go_list("stream_processing[].compression"),
    // === CaliDog's server ===
    elixir("PORT", "port", "4000 is the default of CaliDog's server"),
    elixir("LOG_LEVEL", "log_level", "Elixir's names of levels are also accepted"),
    elixir("STATS_URL", "stats.url", ""),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[test]
    fn each_key_is_unique_and_refers_to_a_setting() {
        for (position, known) in COMPAT_KEYS.iter().enumerate() {
            let name = (known.key, known.env);
            let again = |other: &&CompatKey| (other.key, other.env) == name;
            assert!(COMPAT_KEYS[..position].iter().find(again).is_none(), "{name:?}");
            let setting = match known.support {
                Support::Honoured => table::find(known.key),
                Support::Mapped(to, _) => table::find(to),
                Support::Accepted | Support::Refused(_) => {
                    assert!(table::find(known.key).is_none(), "{name:?} is ours");
                    assert!(!known.note.is_empty(), "{name:?} does not say why");
                    continue;
                }
            };
            let setting = setting.unwrap_or_else(|| panic!("{name:?} leads nowhere"));
            if let (Support::Honoured, Some(env)) = (known.support, known.env) {
                assert!(setting.env.contains(&env), "{name:?}");
            }
        }
    }
}
