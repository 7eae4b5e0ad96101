//! Every key of a file and every variable, ours and those of other servers, by what it changes.
//!
//! A group of settings that do not get into each other's way is given to one server: first in a
//! file, then by the first variable of each, then by the second, and so on; each time the same has
//! to be seen from outside.

mod alerts;
mod binary;
mod guard;
mod logs;
mod reporting;
mod routes;

use std::collections::BTreeSet;
use std::ffi::OsString;

use config::{COMPAT_KEYS, Config, Invocation, SETTINGS, Support};
use serde_json::Value;

/// Settings with their values as variables have them.
type Group = &'static [(&'static str, &'static str)];

/// The settings whose effect is observed elsewhere, and the tests that do.
const ELSEWHERE: &[(&str, &str)] = &[
    ("max_message_bytes", "violations, wire::render: what is too large is left out"),
    ("compat_profile", "lifecycle::profiles_are_selected_by_configuration_and_by_request"),
    ("slow_client", "slow: both ways"),
    ("shutdown_grace_ms", "slow, lifecycle: how long is waited"),
    ("verification", "alarms, follow's proof: all three"),
    ("verification_evidence_dir", "alarms: where evidence lies"),
    ("dedup.", "duplicates, dedup: what is left out, how long and how many"),
    ("feed.", "gaps, resume, gather: what is kept, and how it goes out"),
    (
        "ct_log.log_list_url",
        "lifecycle::without_a_log_list_the_server_serves_and_reports_the_reason",
    ),
    ("ct_log.log_list_key_file", "lifecycle::a_list_signed_by_another_key_is_refused"),
    ("ct_log.log_list_cache", "follow's lists: a start without network"),
    ("ct_log.extra_log_lists", "follow's lists: they add logs"),
    ("ct_log.log_refresh_interval_secs", "follow's lists and change: when lists are read"),
    ("ct_log.removed_log_policy", "follow's lists: a log that leaves"),
    ("ct_log.checkpoint_signature_mode", "config: it only warns"),
    ("ct_log.start_overlap_leaves", "follow's following: where a tiled log begins"),
    ("ct_log.resume_overlap_secs", "resume: what is repeated"),
    ("ct_log.max_catchup_lag_", "follow's following and options: what is skipped"),
    ("ct_log.poll_interval_ms", "follow's poll: when a head is asked for"),
    ("ct_log.default_operator_rate_limit_ms", "follow's politeness: fixed intervals"),
    ("ct_log.operator_rate_limits", "follow's politeness: fixed intervals"),
    ("ct_log.in_flight_bytes", "follow's budget and queue, large_entries: the bounds"),
    ("ct_log.allow_private_addresses", "follow's addresses: what is connected to"),
    ("ct_log.partial_tile_wait_ms", "follow's politeness: partial tiles"),
    ("ct_log.retry_", "follow's breaker and faults: when and how often"),
    ("ct_log.healthy_threshold", "follow's breaker and faults"),
    ("ct_log.unhealthy_threshold", "follow's breaker and faults"),
    ("ct_log.health_check_interval_secs", "follow's breaker and faults"),
    ("connection_limit.max_pending", "pending: both"),
    ("rate_limit.max_clients", "http::guard::rate: evicted clients"),
    ("data_dir", "lifecycle, kills, replay: what a restart resumes and serves"),
    ("journal.", "journal's tests: when it syncs, and what it keeps"),
    ("compat.export_state", "lifecycle: where a server without a journal resumes"),
    ("compat.export_index", "operations::index: what the Go server reads"),
    ("hot_reload.", "reload, reload::watch: both"),
    ("role", "cluster: which node leads; http: an ingest node has no streams"),
    ("cluster.", "cluster, cluster::settings, relay's opening: all on a real server of NATS"),
    ("nats", "server/src/outputs: settings; cargo xtask e2e outputs"),
    ("stream_processing", "server/src/outputs: settings; cargo xtask e2e outputs"),
    ("custom_logs", "logs, follow's following, configured logs"),
    ("static_logs", "follow's hybrid and following, configured logs"),
    ("general.additional_", "config::compat: the logs that they become"),
    ("general.drop_old_logs", "config::compat: ct_log.removed_log_policy"),
    ("general.buffer_sizes.websocket", "config::compat: buffer_size"),
    ("general.excluded_logs[]", "logs, in the list"),
    ("general.recovery.", "logs, as ct_log.import_index; config::compat"),
    ("ct_log.partial_tile_wait_secs", "config::compat: ct_log.partial_tile_wait_ms"),
];

/// The configuration of a file, variables and flags.
fn configured(file: &Value, variables: &[(&str, &str)], flags: &[String]) -> Config {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.yaml");
    // JSON is YAML.
    std::fs::write(&path, file.to_string()).expect("writable");
    let args = ["certstream-server".to_owned(), format!("--config={}", path.display())];
    let args = args.iter().chain(flags).map(OsString::from);
    let env = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    match config::parse(args, env) {
        Ok(Invocation::Serve(setup)) => setup.config,
        other => panic!("{file} {variables:?} {flags:?}: {other:?}"),
    }
}

/// The variables of a key.
fn variables_of(key: &str) -> Vec<&'static str> {
    let ours = SETTINGS.iter().find(|setting| setting.key == key);
    let theirs = COMPAT_KEYS.iter().filter(|known| known.key == key).filter_map(|known| known.env);
    ours.map_or_else(|| theirs.collect(), |setting| setting.env.to_vec())
}

/// A group as a file has it, without the keys left out.
fn file_of(group: &[(&str, &str)]) -> Value {
    let mut file = Value::Object(serde_json::Map::new());
    for (key, value) in group {
        let mut place = &mut file;
        for name in key.split('.') {
            place = &mut place[name];
        }
        let is_list = value.starts_with('[') || value.parse::<u64>().is_ok();
        let is_bool = ["true", "false"].contains(value);
        *place = match is_list || is_bool {
            true => serde_json::from_str(value).expect("JSON"),
            false => Value::from(*value),
        };
    }
    file
}

/// Every way to say a group: in a file, and by each of the variables.
fn ways(group: &[(&str, &'static str)], flags: &[String]) -> Vec<(String, Config)> {
    let mut ways = vec![("file".to_owned(), configured(&file_of(group), &[], flags))];
    let most = group.iter().map(|(key, _)| variables_of(key).len()).max().unwrap_or(0);
    for number in 0..most {
        let variable = |(key, value): &(&str, &'static str)| {
            let names = variables_of(key);
            let name = names.get(number).or_else(|| names.last())?;
            Some((*name, value.trim_matches(['[', ']']).replace('"', "")))
        };
        let variables: Vec<_> = group.iter().filter_map(variable).collect();
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let only_file: Vec<_> =
            group.iter().filter(|(key, _)| variables_of(key).is_empty()).copied().collect();
        let config = configured(&file_of(&only_file), &variables, flags);
        ways.push((format!("{variables:?}"), config));
    }
    ways
}

#[test]
fn every_setting_has_a_test_of_its_effect() {
    let groups = [
        routes::GROUPS,
        guard::GROUPS,
        reporting::GROUPS,
        logs::GROUPS,
        alerts::GROUPS,
        binary::GROUPS,
    ]
    .concat();
    let observed: BTreeSet<&str> = groups.iter().copied().flatten().map(|(key, _)| *key).collect();
    let ours = SETTINGS.iter().map(|setting| setting.key);
    let does_something = |support: &Support| matches!(support, Support::Mapped(..));
    let theirs = COMPAT_KEYS.iter().filter(|known| does_something(&known.support));
    let theirs = theirs.map(|known| known.key).filter(|key| !key.is_empty());
    let is_observed = |key: &str| {
        observed.contains(key) || ELSEWHERE.iter().any(|(prefix, _)| key.starts_with(prefix))
    };
    let missing: Vec<&str> = ours.chain(theirs).filter(|key| !is_observed(key)).collect();
    assert!(missing.is_empty(), "nobody sees what these do: {missing:?}");
}
