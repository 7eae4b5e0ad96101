//! Rules between settings: broken ones, and doubtful configurations.

use super::*;

const LOG: &str = "[{name: a log, url: https://ct.example/log/}]";

#[test]
fn broken_rules_name_key_value_and_remedy() {
    let retry = "ct_log.retry_initial_delay_ms is 60000: it must not exceed \
                 ct_log.retry_max_delay_ms (30000); lower one or raise the other";
    let cases: [(&str, &str); 16] = [
        (
            "tls_cert: /cert.pem",
            "tls_cert is /cert.pem: tls_key is not set; TLS needs both, plain HTTP neither",
        ),
        (
            "webserver: {cert_key_path: /key.pem}",
            "tls_key is /key.pem: tls_cert is not set; TLS needs both, plain HTTP neither",
        ),
        (
            "ct_log: {rfc6962_enabled: false, static_ct_enabled: false}",
            "ct_log.rfc6962_enabled is false: ct_log.static_ct_enabled is off too, so there is \
             no log to follow; enable one of them",
        ),
        (
            "ct_log: {disable_default_logs: true}",
            "ct_log.disable_default_logs is true: there is no other log to follow; name some in \
             custom_logs or static_logs",
        ),
        (
            "ct_log: {disable_default_logs: true, static_ct_enabled: false}\n\
             static_logs: [{name: a, url: https://tiles.example}]",
            "ct_log.disable_default_logs is true: there is no other log to follow; name some in \
             custom_logs or static_logs",
        ),
        ("ct_log: {retry_initial_delay_ms: 60000}", retry),
        (
            "feed: {chunk_bytes: 512KiB}",
            "max_message_bytes is 1MiB: it must not exceed feed.chunk_bytes (512KiB); lower one \
             or raise the other",
        ),
        (
            "custom_logs: [{name: a, url: https://ct.example/log}]\n\
             static_logs: [{name: b, url: https://ct.example/log/}]",
            "static_logs[0].url is \"https://ct.example/log/\": another log has the same URL; \
             remove one of them",
        ),
        (
            "ct_log: {max_catchup_lag_entries: 9999}",
            "ct_log.max_catchup_lag_entries is 9999: it must be at least 10000, or 0 to never skip",
        ),
        (
            "ct_log: {max_catchup_lag_secs: 1}",
            "ct_log.max_catchup_lag_secs is 1: it must be at least 300, or 0 to never skip",
        ),
        (
            "custom_logs: [{name: a, url: https://ct.example, tree_size_source: get_sth}]",
            "custom_logs[0].tree_size_source is get_sth: only a static-ct-api log needs it; \
             remove it, or move the log to static_logs",
        ),
        (
            "custom_logs: [{name: a, url: https://ct.example, log_origin: ct.example}]",
            "custom_logs[0].log_origin is \"ct.example\": only a static-ct-api log has an \
             origin; remove it, or move the log to static_logs",
        ),
        (
            "auth: {enabled: true}",
            "auth.enabled is true: no token is set, so no client could connect; add tokens to \
             auth.tokens",
        ),
        (
            "auth: {tokens: [a, b, a]}",
            "auth.tokens is (hidden): one of them is listed twice, here or in another tier; \
             remove it",
        ),
        (
            "auth: {tokens: [token], premium_tokens: \
             ['sha256:3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0']}",
            "auth.premium_tokens is (hidden): one of them is listed twice, here or in another \
             tier; remove it",
        ),
        (
            "rate_limit: {refill_rate: 0}",
            "rate_limit.free_refill_rate is 0: a client would be locked out forever; use a small \
             rate such as 0.1",
        ),
    ];
    for (text, problem) in cases {
        let file = Written::new(text);
        let place = file.path.display();
        assert_eq!(
            refused(&[&file.flag()], &[]),
            format!("the configuration contradicts itself (file: {place})\n  {problem}"),
        );
    }
    let several = refused(
        &["--ct-log-retry-initial-delay-ms=60000"],
        &[("CERTSTREAM_CT_LOG_DISABLE_DEFAULT_LOGS", "1")],
    );
    assert_eq!(several.lines().count(), 3, "{several}");
    assert_eq!(several.lines().last(), Some(format!("  {retry}").as_str()));
}

#[test]
fn following_only_configured_logs_is_allowed() {
    let file = Written::new(&format!("ct_log: {{disable_default_logs: on}}\ncustom_logs: {LOG}"));
    let setup = serve(&[&file.flag()], &[]);
    assert!(setup.config.ct_log.disable_default_logs);
    assert_eq!(setup.warnings, [""; 0]);
}

#[test]
fn doubtful_configurations_cause_warnings() {
    let file = Written::new(&format!("custom_logs: {LOG}"));
    let off = ["--ct-log-rfc6962-enabled=off", "--protocols-websocket=off"];
    let setup = serve(&[&file.flag(), off[0], off[1]], &[]);
    assert_eq!(
        setup.warnings,
        [
            "protocols.websocket and protocols.sse are both off: clients get nothing",
            "custom_logs are not followed: ct_log.rfc6962_enabled is off",
        ],
    );
    let unbelieved = serve(&[], &[("CERTSTREAM_WEBSERVER_REAL_IP", "true")]).warnings;
    assert!(unbelieved[0].starts_with("real_ip is on, but trusted_proxies is empty"));
    let none = ["--streams-full=off", "--streams-lite=off", "--streams-domains-only=off"];
    let silent = serve(&none, &[]).warnings;
    assert_eq!(silent, ["every stream is off (streams.*): clients get nothing"]);
}
