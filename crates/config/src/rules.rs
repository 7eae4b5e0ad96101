//! Rules between settings, each of which is valid by itself.

mod alerts;
mod cluster;
mod outputs;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;

pub(crate) use self::cluster::warnings as warnings_of_cluster;
use crate::error::{Problem, may_have_credentials, quoted};
use crate::model::reporting::route;
use crate::model::values::SignatureMode;
use crate::model::{Config, NamedLog, Role};
use crate::table::suggest;

/// Returns every broken rule.
pub(crate) fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_tls(config, &mut problems);
    check_metrics(config, &mut problems);
    check_routes(config, &mut problems);
    check_sources(config, &mut problems);
    check_export(config, &mut problems);
    check_order(config, &mut problems);
    check_catch_up(config, &mut problems);
    check_named_logs(config, &mut problems);
    check_guard(config, &mut problems);
    cluster::check(config, &mut problems);
    outputs::check(config, &mut problems);
    alerts::check(&config.alerts, &mut problems);
    problems
}

/// Returns warnings about values that are allowed but probably not intended.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let logs = &config.ct_log;
    let streams = &config.streams;
    let cases = [
        (
            config.real_ip == Some(true) && config.trusted_proxies.is_empty(),
            "real_ip is on, but trusted_proxies is empty: X-Forwarded-For is ignored, so all \
             clients behind a proxy count as one",
        ),
        (
            !(streams.full || streams.lite || streams.domains_only),
            "every stream is off (streams.*): clients get nothing",
        ),
        (
            logs.checkpoint_signature_mode == SignatureMode::Warn,
            "ct_log.checkpoint_signature_mode: warn is not supported: a tree head with an \
             invalid signature is never used",
        ),
        (
            !(config.protocols.websocket || config.protocols.sse),
            "protocols.websocket and protocols.sse are both off: clients get nothing",
        ),
        (
            !config.custom_logs.is_empty() && !logs.rfc6962_enabled,
            "custom_logs are not followed: ct_log.rfc6962_enabled is off",
        ),
        (
            !config.static_logs.is_empty() && !logs.static_ct_enabled,
            "static_logs are not followed: ct_log.static_ct_enabled is off",
        ),
        (
            logs.import_index.is_some() && logs.state_file.is_none() && config.data_dir.is_none(),
            "ct_log.import_index without ct_log.state_file: every start resumes at the same place",
        ),
        (
            config.compat.export_state.is_some() && config.data_dir.is_none(),
            "compat.export_state does nothing without data_dir",
        ),
    ];
    let found = cases.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text.to_owned());
    found.chain(outputs::warnings(config)).chain(alerts::warnings(config)).collect()
}

/// Returns warnings about sections that apply only if `enabled`, and have settings although
/// `enabled` is not set. `is_set` reports whether a key was set.
pub(crate) fn unused_sections(config: &Config, is_set: impl Fn(&str) -> bool) -> Vec<String> {
    let auth = &config.auth;
    let tiers = !auth.standard_tokens.is_empty() || !auth.premium_tokens.is_empty();
    let mut warnings = Vec::new();
    let idle = !auth.enabled && !is_set("auth.enabled");
    if idle && (!auth.tokens.is_empty() || tiers && !config.rate_limit.enabled) {
        warnings.push(
            "tokens are set, but auth.enabled is not: clients without a token are accepted; set \
             auth.enabled: true"
                .to_owned(),
        );
    }
    let sections = [
        ("rate_limit", config.rate_limit.enabled, "requests are not limited"),
        ("connection_limit", config.connection_limit.enabled, "connections are not limited"),
    ];
    // These always apply.
    let always = ["connection_limit.max_pending", "connection_limit.max_pending_per_ip"];
    for (section, enabled, outcome) in sections {
        if enabled || is_set(&format!("{section}.enabled")) {
            continue;
        }
        let keys = suggest::names_in(section).into_iter().map(|name| format!("{section}.{name}"));
        let mut keys = keys.filter(|key| is_set(key) && !always.contains(&key.as_str()));
        if let Some(key) = keys.next() {
            warnings.push(format!(
                "{key} is set, but {section}.enabled is not: {outcome}; set {section}.enabled: true"
            ));
        }
    }
    warnings
}

/// Checks that authentication has tokens, and that each has one tier.
fn check_guard(config: &Config, problems: &mut Vec<Problem>) {
    let (auth, rates) = (&config.auth, &config.rate_limit);
    let tokens = [
        ("auth.tokens", &auth.tokens),
        ("auth.standard_tokens", &auth.standard_tokens),
        ("auth.premium_tokens", &auth.premium_tokens),
    ];
    if auth.enabled && tokens.iter().all(|(_, tokens)| tokens.is_empty()) {
        let advice = "no token is set, so no client could connect; add tokens to auth.tokens";
        problems.push(problem("auth.enabled", true, advice));
    }
    let mut seen = BTreeSet::new();
    for (key, tokens) in tokens {
        if tokens.hashes().any(|hash| !seen.insert(hash)) {
            let advice = "one of them is listed twice, here or in another tier; remove it";
            problems.push(problem(key, "(hidden)", advice));
        }
    }
    for (key, rate) in [
        ("rate_limit.free_refill_rate", rates.free_refill_rate),
        ("rate_limit.standard_refill_rate", rates.standard_refill_rate),
        ("rate_limit.premium_refill_rate", rates.premium_refill_rate),
    ] {
        if rate <= 0.0 {
            let advice = "a client would be locked out forever; use a small rate such as 0.1";
            problems.push(problem(key, rate, advice));
        }
    }
}

fn problem(key: &str, value: impl Display, advice: impl Into<String>) -> Problem {
    Problem { key: key.to_owned(), value: value.to_string(), advice: advice.into() }
}

/// A certificate is of no use without its key, nor the other way round.
fn check_tls(config: &Config, problems: &mut Vec<Problem>) {
    check_pair(["tls_cert", "tls_key"], [&config.tls_cert, &config.tls_key], problems);
}

fn check_pair([cert, key]: [&str; 2], files: [&Option<PathBuf>; 2], problems: &mut Vec<Problem>) {
    let (key, value, missing) = match files {
        [Some(file), None] => (cert, file, key),
        [None, Some(file)] => (key, file, cert),
        _ => return,
    };
    let advice = format!("{missing} is not set; TLS needs both, plain HTTP neither");
    problems.push(problem(key, value.display(), advice));
}

fn check_metrics(config: &Config, problems: &mut Vec<Problem>) {
    let own = &config.prometheus;
    let keys = ["prometheus.cert_path", "prometheus.cert_key_path"];
    check_pair(keys, [&own.cert_path, &own.cert_key_path], problems);
    let shared = config.host == own.listen_addr && config.port == own.listen_port;
    if own.enabled
        && shared
        && let Some(file) = &own.cert_path
    {
        let advice = "prometheus.listen_addr and listen_port are those of the server, which uses \
                      tls_cert; remove it, or give metrics another port";
        problems.push(problem("prometheus.cert_path", file.display(), advice));
    }
}

/// Paths in use by other routes, with those below them.
const TAKEN: &[&str] = &["/api", "/example.json", "/health", "/latest.json", "/sse", "/v2"];

/// Checks that no two routes have the same path.
fn check_routes(config: &Config, problems: &mut Vec<Problem>) {
    let streams = &config.streams;
    let paths = [
        ("prometheus.metrics_url", route(&config.prometheus.metrics_url)),
        ("stats.url", route(&config.stats.url)),
        ("streams.full_path", streams.full_path.clone()),
        ("streams.lite_path", streams.lite_path.clone()),
        ("streams.domains_only_path", streams.domains_only_path.clone()),
    ];
    for (position, (key, path)) in paths.iter().enumerate() {
        let is_taken = |taken: &&&str| {
            let below = path.strip_prefix(**taken);
            below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
        };
        let example = path.ends_with("/example.json").then_some("/example.json");
        if let Some(taken) = TAKEN.iter().find(is_taken).copied().or(example) {
            let advice = format!("{taken} is already in use; choose another path");
            problems.push(problem(key, path, advice));
        }
        if let Some((other, _)) = paths.iter().take(position).find(|(_, other)| other == path) {
            let advice = format!("{other} is the same path; choose another for one of them");
            problems.push(problem(key, path, advice));
        }
    }
}

fn check_sources(config: &Config, problems: &mut Vec<Problem>) {
    let logs = &config.ct_log;
    if config.role == Role::Edge {
        return;
    }
    if !logs.rfc6962_enabled && !logs.static_ct_enabled {
        problems.push(problem(
            "ct_log.rfc6962_enabled",
            false,
            "ct_log.static_ct_enabled is off too, so there is no log to follow; enable one of them",
        ));
        return;
    }
    let has_custom = logs.rfc6962_enabled && !config.custom_logs.is_empty();
    let has_static = logs.static_ct_enabled && !config.static_logs.is_empty();
    if logs.disable_default_logs && !has_custom && !has_static {
        problems.push(problem(
            "ct_log.disable_default_logs",
            true,
            "there is no other log to follow; name some in custom_logs or static_logs",
        ));
    }
}

/// Checks that the index for certstream-server-go does not replace the state file.
fn check_export(config: &Config, problems: &mut Vec<Problem>) {
    if let Some(file) = &config.compat.export_index
        && config.ct_log.state_file.as_ref() == Some(file)
    {
        let advice = "ct_log.state_file is the same file; name another one";
        problems.push(problem("compat.export_index", file.display(), advice));
    }
}

/// Checks pairs of which the first must not be larger than the second.
fn check_order(config: &Config, problems: &mut Vec<Problem>) {
    let logs = &config.ct_log;
    if logs.retry_initial_delay_ms > logs.retry_max_delay_ms {
        problems.push(too_large(
            &("ct_log.retry_initial_delay_ms", logs.retry_initial_delay_ms),
            &("ct_log.retry_max_delay_ms", logs.retry_max_delay_ms),
        ));
    }
    if config.max_message_bytes > config.feed.chunk_bytes {
        problems.push(too_large(
            &("max_message_bytes", config.max_message_bytes),
            &("feed.chunk_bytes", config.feed.chunk_bytes),
        ));
    }
}

fn too_large<T: Display>(small: &(&str, T), large: &(&str, T)) -> Problem {
    let advice =
        format!("it must not exceed {} ({}); lower one or raise the other", large.0, large.1);
    problem(small.0, &small.1, advice)
}

/// Checks the catch-up limits: a tiny limit would skip entries at every short delay.
fn check_catch_up(config: &Config, problems: &mut Vec<Problem>) {
    let logs = &config.ct_log;
    for (key, value, least) in [
        ("ct_log.max_catchup_lag_entries", logs.max_catchup_lag_entries, 10_000),
        ("ct_log.max_catchup_lag_secs", logs.max_catchup_lag_secs, 300),
    ] {
        if (1..least).contains(&value) {
            let advice = format!("it must be at least {least}, or 0 to never skip");
            problems.push(problem(key, value, advice));
        }
    }
}

fn check_named_logs(config: &Config, problems: &mut Vec<Problem>) {
    let mut urls = BTreeSet::new();
    let lists = [("custom_logs", &config.custom_logs), ("static_logs", &config.static_logs)];
    for (list, logs) in lists {
        for (index, log) in logs.iter().enumerate() {
            let key = |field: &str| format!("{list}[{index}].{field}");
            if !urls.insert(base(log)) {
                let advice = "another log has the same URL; remove one of them";
                problems.push(problem(&key("url"), quoted(&log.url), advice));
            }
            if list != "custom_logs" {
                continue;
            }
            if let Some(source) = &log.tree_size_source {
                let advice = "only a static-ct-api log needs it; remove it, or move the log to \
                              static_logs";
                let shown = source.to_string();
                let shown = if may_have_credentials(&shown) { quoted(&shown) } else { shown };
                problems.push(problem(&key("tree_size_source"), shown, advice));
            }
            if let Some(origin) = &log.log_origin {
                let advice = "only a static-ct-api log has an origin; remove it, or move the log \
                              to static_logs";
                problems.push(problem(&key("log_origin"), format!("{origin:?}"), advice));
            }
        }
    }
}

/// Returns a log's URL without a slash at its end; both forms name the same log.
fn base(log: &NamedLog) -> &str {
    log.url.trim_end_matches('/')
}
