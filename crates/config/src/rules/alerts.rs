//! Rules of alerts. The terms of rules are checked where certificates are compared with them.

use std::collections::BTreeSet;
use std::fmt::Display;

use url::Url;

use super::problem;
use crate::error::Problem;
use crate::model::Config;
use crate::model::alerts::{
    Alerts, MAX_NAME_BYTES, MAX_RECEIVERS, MAX_RULES, MAX_VARIABLE_BYTES, Receiver, ReceiverType,
    Rule, is_variable,
};
use crate::table::suggest;

/// Most problems that are reported.
const MOST: usize = 100;
/// Most recipients of a receiver.
const MAX_RECIPIENTS: usize = 20;
/// Most names that one warning lists.
const MOST_NAMES: usize = 3;

/// Returns every broken rule.
pub(super) fn check(alerts: &Alerts, problems: &mut Vec<Problem>) {
    let mut found = Vec::new();
    check_link(alerts, &mut found);
    for (list, count, most) in [
        ("alerts.rules", alerts.rules.len(), MAX_RULES),
        ("alerts.receivers", alerts.receivers.len(), MAX_RECEIVERS),
    ] {
        if count > most {
            let advice = format!("there can be at most {most}; remove some");
            found.push(problem(list, format!("a list of {count}"), advice));
        }
    }
    check_receivers(&alerts.receivers, &mut found);
    check_rules(alerts, &mut found);
    found.truncate(MOST);
    problems.append(&mut found);
}

/// An item of a list, for its problems.
struct Item<'a> {
    list: &'static str,
    index: usize,
    name: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Item<'_> {
    fn say(&mut self, field: &str, value: impl Display, advice: impl Into<String>) {
        let key = format!("{} {field}", place(self.list, self.index, self.name));
        self.problems.push(problem(&key, value, advice));
    }
}

/// Returns the beginning of a message about an item: its number from 0, and its name.
fn place(list: &str, index: usize, name: &str) -> String {
    // A URL in the wrong place may be a secret.
    let shown = if is_name(name) && !name.contains("://") { name } else { "no name" };
    format!("alerts.{list}[{index}] ({shown}):")
}

fn check_link(alerts: &Alerts, problems: &mut Vec<Problem>) {
    let Some(link) = alerts.link.as_deref() else { return };
    let Ok(url) = Url::parse(link) else { return };
    let has_user = !url.username().is_empty() || url.password().is_some();
    if has_user || url.query().is_some() || url.fragment().is_some() {
        let advice = "it must have neither credentials, nor ? or #; use a URL such as \
                      https://ct.example.org";
        problems.push(problem("alerts.link", "(hidden)", advice));
    }
}

fn check_receivers(receivers: &[Receiver], problems: &mut Vec<Problem>) {
    let mut names = BTreeSet::new();
    for (index, receiver) in receivers.iter().enumerate() {
        let mut item = Item { list: "receivers", index, name: &receiver.name, problems };
        check_name(&mut item, names.insert(receiver.name.as_str()), "receiver");
        check_variables(&mut item, receiver);
        match receiver.kind {
            ReceiverType::Exec => {
                let advice = "a program that the server starts for each certificate is a security \
                              hole, because others choose what is in certificates; use a webhook";
                item.say("type", "exec", advice);
            }
            ReceiverType::Email => check_email(&mut item, receiver),
            _ => check_webhook(&mut item, receiver),
        }
    }
}

fn check_name(item: &mut Item<'_>, is_new: bool, what: &str) {
    let name = item.name;
    if !is_name(name) {
        let advice = format!(
            "it must have 1 to {MAX_NAME_BYTES} bytes, not only spaces, and no control characters"
        );
        let shown: String = name.chars().take(MAX_NAME_BYTES).collect();
        item.say("name", format!("{shown:?}"), advice);
    } else if !is_new {
        let advice = format!("another {what} has this name; choose another one");
        item.say("name", format!("{name:?}"), advice);
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && !name.trim().is_empty()
        && !name.contains(char::is_control)
}

fn check_webhook(item: &mut Item<'_>, receiver: &Receiver) {
    let has_url = has_one(
        item,
        &[
            ("url", receiver.url.is_some()),
            ("url_file", receiver.url_file.is_some()),
            ("url_env", receiver.url_env.is_some()),
        ],
    );
    if !has_url {
        let advice = "set the URL of the webhook, or url_file, the file with it, or url_env, the \
                      environment variable with it";
        item.say("url", "not set", advice);
    }
    let (file, variable) = (receiver.key_file.is_some(), receiver.key_env.is_some());
    has_one(item, &[("key_file", file), ("key_env", variable)]);
    check_unused(
        item,
        receiver,
        &[
            ("smtp_server", receiver.smtp_server.is_some()),
            ("smtp_security", receiver.smtp_security.is_some()),
            ("user", receiver.user.is_some()),
            ("password_file", receiver.password_file.is_some()),
            ("password_env", receiver.password_env.is_some()),
            ("from", receiver.from.is_some()),
            ("to", !receiver.to.is_empty()),
        ],
    );
}

fn check_email(item: &mut Item<'_>, receiver: &Receiver) {
    check_unused(
        item,
        receiver,
        &[
            ("url", receiver.url.is_some()),
            ("url_file", receiver.url_file.is_some()),
            ("url_env", receiver.url_env.is_some()),
            ("key_file", receiver.key_file.is_some()),
            ("key_env", receiver.key_env.is_some()),
            ("allow_private_addresses", receiver.allow_private_addresses),
        ],
    );
    match receiver.smtp_server.as_deref() {
        None => {
            let advice = "name it as HOST:PORT, such as mail.example.org:587";
            item.say("smtp_server", "not set", advice);
        }
        Some(server) if !is_server(server) => {
            let advice = "use HOST:PORT, such as mail.example.org:587";
            item.say("smtp_server", shown(server), advice);
        }
        Some(_) => {}
    }
    let address = "use an address such as certstream@example.org";
    match receiver.from.as_deref() {
        None => item.say("from", "not set", address),
        Some(from) if !is_address(from) => item.say("from", shown(from), address),
        Some(_) => {}
    }
    if receiver.to.is_empty() {
        item.say("to", "not set", "name the recipients");
    } else if receiver.to.len() > MAX_RECIPIENTS {
        let advice = format!("there can be at most {MAX_RECIPIENTS}; use a mailing list");
        item.say("to", format!("a list of {}", receiver.to.len()), advice);
    }
    if let Some(wrong) = receiver.to.iter().find(|to| !is_address(to)) {
        item.say("to", shown(wrong), address);
    }
    check_login(item, receiver);
}

fn check_login(item: &mut Item<'_>, receiver: &Receiver) {
    let (file, variable) = (receiver.password_file.is_some(), receiver.password_env.is_some());
    let has_password = has_one(item, &[("password_file", file), ("password_env", variable)]);
    match &receiver.user {
        Some(user) if !has_password => {
            let advice = "password_file is not set, nor is password_env; name the file or the \
                          environment variable with the user's password";
            item.say("user", shown(user), advice);
        }
        None if has_password => {
            let field = if file { "password_file" } else { "password_env" };
            item.say(field, "set", "user is not set; name the user that has this password");
        }
        _ => {}
    }
}

/// Reports whether one of the fields that are alternatives is set. If several are, that is a problem.
fn has_one(item: &mut Item<'_>, fields: &[(&str, bool)]) -> bool {
    let mut set = fields.iter().filter(|(_, is_set)| *is_set).map(|(field, _)| *field);
    let Some(field) = set.next() else { return false };
    if let Some(other) = set.next() {
        item.say(field, "set", format!("{other} is set too; use one of them"));
    }
    true
}

/// Checks the names of environment variables. A wrong one is not shown: it may be the secret itself.
fn check_variables(item: &mut Item<'_>, receiver: &Receiver) {
    for (field, name) in [
        ("url_env", &receiver.url_env),
        ("key_env", &receiver.key_env),
        ("password_env", &receiver.password_env),
    ] {
        if name.as_deref().is_some_and(|name| !is_variable(name)) {
            let advice = format!(
                "name an environment variable, with 1 to {MAX_VARIABLE_BYTES} letters, digits and \
                 underscores, that has the secret"
            );
            item.say(field, "(hidden)", advice);
        }
    }
}

/// Checks that no field is set that receivers of this type do not have.
fn check_unused(item: &mut Item<'_>, receiver: &Receiver, fields: &[(&str, bool)]) {
    for (field, _) in fields.iter().filter(|(_, is_set)| *is_set) {
        let kind = receiver.kind.name();
        let others = if receiver.kind.has_url() { "email" } else { "webhooks" };
        let advice = format!("a receiver of type {kind} has no {field}, only {others}; remove it");
        item.say(field, "set", advice);
    }
}

/// Reports whether a text is `HOST:PORT`.
fn is_server(text: &str) -> bool {
    let is_host = |host: &str| {
        !host.is_empty()
            && Url::parse(&format!("smtp://{host}")).is_ok_and(|url| {
                url.has_host() && matches!(url.path(), "" | "/") && url.username().is_empty()
            })
            && !host.contains(['/', '@', '?', '#'])
    };
    let parts = text.rsplit_once(':');
    parts
        .is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Reports whether a text can be an address of mail: `NAME@HOST`, or `Words <NAME@HOST>`.
fn is_address(text: &str) -> bool {
    let inner = text.trim().strip_suffix('>').and_then(|text| text.split_once('<'));
    let address = inner.map_or_else(|| text.trim(), |(_, address)| address);
    let is_plain = !address.contains(|c: char| c.is_whitespace() || "<>,;".contains(c));
    let parts = address.rsplit_once('@');
    let has_parts = parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    has_parts && is_plain && !text.contains(char::is_control)
}

/// Returns a value as it is shown: never a URL, which may be a secret in the wrong place.
fn shown(text: &str) -> String {
    let text: String = text.chars().take(MAX_NAME_BYTES).collect();
    if text.contains("://") { "(hidden)".to_owned() } else { format!("{text:?}") }
}

fn check_rules(alerts: &Alerts, problems: &mut Vec<Problem>) {
    let receivers: BTreeSet<&str> =
        alerts.receivers.iter().map(|receiver| receiver.name.as_str()).collect();
    let mut names = BTreeSet::new();
    for (index, rule) in alerts.rules.iter().enumerate() {
        if problems.len() >= MOST {
            return;
        }
        let mut item = Item { list: "rules", index, name: &rule.name, problems };
        check_name(&mut item, names.insert(rule.name.as_str()), "rule");
        check_delivery(&mut item, rule, &receivers);
    }
}

fn check_delivery(item: &mut Item<'_>, rule: &Rule, receivers: &BTreeSet<&str>) {
    let mut named = BTreeSet::new();
    for name in &rule.deliver {
        if !receivers.contains(name.as_str()) {
            let near = suggest::nearest(name, receivers.iter().copied());
            let advice = match near {
                Some(near) => format!("no receiver has this name; did you mean {near:?}?"),
                None => "no receiver has this name; add it to alerts.receivers".to_owned(),
            };
            return item.say("deliver", shown(name), advice);
        }
        if !named.insert(name.as_str()) {
            return item.say("deliver", shown(name), "it is named twice; remove one of them");
        }
    }
}

/// Returns warnings about alerts that are allowed but probably not intended. Where receivers are made,
/// there are others: about each one without encryption, and rules that match too much.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let Alerts { rules, receivers, .. } = &config.alerts;
    let mut warnings = Vec::new();
    let is_kept = config.data_dir.is_some() || config.cluster.is_on();
    if !rules.is_empty() && !receivers.is_empty() && !is_kept {
        warnings.push(
            "alerts without data_dir are kept in memory: a restart loses those that have not arrived, \
             and reports nothing that was published meanwhile; set data_dir"
                .to_owned(),
        );
    }
    if !rules.is_empty() && receivers.is_empty() {
        warnings.push(
            "alerts.rules without alerts.receivers: alerts are not sent, only shown; add a receiver"
                .to_owned(),
        );
    }
    let unused = receivers
        .iter()
        .filter(|receiver| !rules.iter().any(|rule| rule.delivers_to(&receiver.name)));
    if let Some(names) = listed(unused) {
        warnings.push(format!("no rule of alerts.rules delivers to {names}"));
    }
    warnings
}

/// Returns the names of receivers for a warning; none if there are none.
fn listed<'a>(receivers: impl Iterator<Item = &'a Receiver>) -> Option<String> {
    let names: Vec<String> = receivers.map(|receiver| format!("{:?}", receiver.name)).collect();
    let (shown, rest) = names.split_at(names.len().min(MOST_NAMES));
    let list = shown.join(", ");
    match rest.len() {
        _ if names.is_empty() => None,
        0 => Some(list),
        more => Some(format!("{list} and {more} more")),
    }
}
