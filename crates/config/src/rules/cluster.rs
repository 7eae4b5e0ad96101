//! Rules of clusters.

use url::Url;

use super::problem;
use crate::error::{Problem, may_have_credentials};
use crate::model::{Cluster, Config, Role};
use crate::table::SETTINGS;
use crate::tree;

/// Most keys that one warning lists.
const MOST_KEYS: usize = 3;

/// Returns every broken rule.
pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let cluster = &config.cluster;
    if !cluster.is_on() {
        let role = match config.role {
            Role::All => return,
            Role::Ingest => "ingest",
            Role::Edge => "edge",
        };
        let advice = "there is no cluster; name its NATS servers in cluster.url, such as \
                      nats://127.0.0.1:4222, or use role: all";
        return problems.push(problem("role", role, advice));
    }
    check_servers(cluster, problems);
    check_credentials(cluster, problems);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let stream = &cluster.stream;
    if !(1..=64).contains(&stream.len()) || !stream.bytes().all(is_plain) {
        let advice = "use 1 to 64 letters, digits, hyphens and underscores";
        problems.push(problem("cluster.stream", format!("{stream:?}"), advice));
    }
    if ![1, 3, 5].contains(&cluster.replicas) {
        let advice = "use 1, 3 or 5: another copy of an even number allows no further failure";
        problems.push(problem("cluster.replicas", cluster.replicas, advice));
    }
}

fn check_servers(cluster: &Cluster, problems: &mut Vec<Problem>) {
    if cluster.servers().any(may_have_credentials) {
        let advice = "a URL contains credentials, which others would see; use cluster.user with \
                      cluster.password_file, or cluster.token_file";
        return problems.push(problem("cluster.url", "(hidden)", advice));
    }
    if let Some(server) = cluster.servers().find(|server| !is_server(server)) {
        let advice = "use a URL such as nats://127.0.0.1:4222 or tls://nats.example:4222";
        problems.push(problem("cluster.url", format!("{server:?}"), advice));
    }
}

/// Reports whether a text is the URL of a NATS server; one without a scheme means `nats://`.
fn is_server(text: &str) -> bool {
    let url = if text.contains("://") { text.to_owned() } else { format!("nats://{text}") };
    Url::parse(&url).is_ok_and(|url| {
        matches!(url.scheme(), "nats" | "tls")
            && url.host_str().is_some_and(|host| !host.is_empty() && !host.contains(','))
            && url.port() != Some(0)
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

fn check_credentials(cluster: &Cluster, problems: &mut Vec<Problem>) {
    let mut say = |key: &str, value: &str, advice: &str| {
        problems.push(problem(key, value, advice));
    };
    let kinds = [
        cluster.user.as_ref().map(|_| "cluster.user"),
        cluster.token_file.as_ref().map(|_| "cluster.token_file"),
        cluster.nkey_file.as_ref().map(|_| "cluster.nkey_file"),
        cluster.creds_file.as_ref().map(|_| "cluster.creds_file"),
    ];
    let kinds: Vec<&str> = kinds.into_iter().flatten().collect();
    if let [first, second, ..] = kinds.as_slice() {
        say(second, "(set)", &format!("{first} is set too; use one of them"));
    }
    match (&cluster.user, &cluster.password_file) {
        (Some(user), None) => {
            let advice = "cluster.password_file is not set; name the file with the user's password";
            say("cluster.user", &format!("{user:?}"), advice);
        }
        (None, Some(file)) => {
            let advice = "cluster.user is not set; name the user that has this password";
            say("cluster.password_file", &file.display().to_string(), advice);
        }
        _ => {}
    }
}

/// Returns warnings about settings that do nothing, or probably not what is intended. `is_set` reports
/// whether a key was set, maybe to its default.
pub(crate) fn warnings(config: &Config, is_set: impl Fn(&str) -> bool) -> Vec<String> {
    let (now, defaults) = (tree::of(config), tree::of(&Config::default()));
    let changed = |section: &str| -> Vec<&'static str> {
        let keys = SETTINGS.iter().filter(|setting| setting.section() == section);
        let keys = keys.map(|setting| setting.key).filter(|key| !key.contains("[]"));
        keys.filter(|key| tree::select(&now, key) != tree::select(&defaults, key)).collect()
    };
    let cluster = &config.cluster;
    if !cluster.is_on() {
        // A role without a cluster is refused.
        let unused = listed(&changed("cluster")).filter(|_| config.role == Role::All);
        let warning = |keys: String| format!("without cluster.url, this does nothing: {keys}");
        return unused.map(warning).into_iter().collect();
    }
    let mut warnings = Vec::new();
    if let Some(keys) = listed(&changed("journal")) {
        warnings.push(format!(
            "a node of a cluster has no journal, so this does nothing: {keys}; the stream has limits of \
             its own, cluster.max_bytes and cluster.max_age"
        ));
    }
    if config.role == Role::Edge {
        let of_logs = ["ct_log", "custom_logs", "static_logs"].map(changed).concat();
        warnings.extend(listed(&of_logs).map(|keys| {
            format!("a node with role: edge reads no logs, so this does nothing: {keys}")
        }));
    } else if config.ct_log.state_file.is_some() {
        warnings.push(
            "a node of a cluster keeps positions in the stream: ct_log.state_file is neither read nor \
             written"
                .to_owned(),
        );
    }
    if config.role != Role::Edge && cluster.url.len() > 1 && !is_set("cluster.replicas") {
        warnings.push(
            "cluster.url names several servers, but a stream that is created has one copy, and stops \
             with its server; set cluster.replicas: 3 (or 1, to accept that)"
                .to_owned(),
        );
    }
    let requires_tls = cluster.tls || cluster.servers().all(|server| server.starts_with("tls://"));
    if cluster.ca_file.is_some() && !requires_tls {
        warnings.push(
            "cluster.ca_file is set, but TLS is used only if the server requires it; set cluster.tls: \
             true"
                .to_owned(),
        );
    }
    warnings
}

/// Returns keys as a list for people; `None` if there are none.
fn listed(keys: &[&str]) -> Option<String> {
    let (shown, rest) = keys.split_at(keys.len().min(MOST_KEYS));
    let list = shown.join(", ");
    match rest.len() {
        _ if keys.is_empty() => None,
        0 => Some(list),
        more => Some(format!("{list} and {more} more")),
    }
}
