//! The rules and receivers of alerts, made from the configuration.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use alerts::delivery::{Deliverer, Format, Login, Mail, Receiver, Retries, Security, Webhook};
use alerts::outbox::Route;
use alerts::{About, Problem, Rules};
use anyhow::{Context as _, bail, ensure};
use config::alerts::{EntryKind, Receiver as Described, ReceiverType, SmtpSecurity, is_variable};
use config::{Config, Variables};
use parking_lot::Mutex;
use sinks::{Secret, read_secret, secret_in_variable};

use super::status::Status;

/// The rules and receivers in use. A reload replaces them.
#[derive(Debug)]
pub(super) struct Settings {
    /// Compares certificates with the rules. In use by one thread at a time.
    pub(super) rules: Mutex<Rules>,
    /// The names of the rules, in their order.
    pub(super) names: Vec<Arc<str>>,
    terms: HashMap<Arc<str>, Terms>,
    pub(super) receivers: HashMap<Arc<str>, Arc<Receiving>>,
    /// The page about a certificate, without its offset.
    pub(super) link: Option<String>,
    /// True if a precertificate and its final certificate are one alert.
    pub(super) merge_entries: bool,
    /// Warnings for the author of the configuration.
    warnings: Vec<String>,
}

/// A rule as far as its alerts are concerned.
#[derive(Debug)]
pub(super) struct Terms {
    /// The names of its receivers.
    pub(super) receivers: Vec<Arc<str>>,
    /// Alerts in an hour at most.
    pub(super) limit: u32,
}

/// A receiver in use.
#[derive(Debug)]
pub(super) struct Receiving {
    described: Target,
    pub(super) deliverer: Deliverer,
}

/// A receiver with its secrets.
#[derive(Debug, PartialEq)]
enum Target {
    Webhook(Webhook),
    Mail(Mail),
}

impl Target {
    fn receiver(&self) -> anyhow::Result<Receiver> {
        match self {
            Self::Webhook(webhook) => Ok(Receiver::new(webhook.clone())?),
            Self::Mail(mail) => Ok(Receiver::mail(mail.clone())?),
        }
    }

    fn warning(&self) -> Option<String> {
        match self {
            Self::Webhook(webhook) => webhook.warning(),
            Self::Mail(mail) => mail.warning(),
        }
    }
}

/// A receiver with its name.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) receiver: Receiver,
}

/// Returns the receivers of a configuration with these names. Secrets of others are not read.
///
/// # Errors
/// If one of them cannot be used.
pub(crate) fn receivers(
    config: &Config,
    is_wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<Named>> {
    let named = targets(config, is_wanted)?.into_iter().map(|(key, described, target)| {
        let receiver = target.receiver().with_context(|| at(&key, &described.name))?;
        Ok(Named { name: described.name.clone(), receiver })
    });
    named.collect()
}

/// Returns what the author of a configuration should know about its alerts.
///
/// # Errors
/// If a rule or receiver cannot be used.
pub(crate) fn check(config: &Config) -> anyhow::Result<Vec<String>> {
    let targets = targets(config, |_| true)?;
    for (key, described, target) in &targets {
        drop(target.receiver().with_context(|| at(key, &described.name))?);
    }
    Ok(warnings(config, &rules(config)?, &targets))
}

impl Settings {
    /// Reads the rules and receivers of a configuration. Receivers that have not changed stay as they are in
    /// the settings before.
    ///
    /// # Errors
    /// If a rule or receiver cannot be used.
    pub(super) fn read(
        config: &Config,
        before: Option<&Self>,
        status: &Status,
    ) -> anyhow::Result<Self> {
        let rules = rules(config)?;
        let targets = targets(config, |_| true)?;
        let warnings = warnings(config, &rules, &targets);
        let mut receivers = HashMap::new();
        for (key, described, target) in targets {
            let name: Arc<str> = described.name.as_str().into();
            let known = before.and_then(|before| before.receivers.get(&name));
            let receiving = match known.filter(|known| known.described == target) {
                Some(known) => Arc::clone(known),
                None => {
                    let receiver = target.receiver().with_context(|| at(&key, &name))?;
                    let given_up = status.given_up(&name);
                    let deliverer = Deliverer::new(receiver, Retries::default(), given_up);
                    Arc::new(Receiving { described: target, deliverer })
                }
            };
            receivers.insert(name, receiving);
        }
        let described = &config.alerts;
        let mut terms = HashMap::new();
        for rule in &described.rules {
            let names = described.receivers.iter().map(|receiver| receiver.name.as_str());
            let for_it = names.filter(|name| rule.delivers_to(name));
            let for_it = for_it.filter_map(|name| receivers.get_key_value(name));
            let receivers = for_it.map(|(name, _)| Arc::clone(name)).collect();
            terms.insert(rule.name.as_str().into(), Terms { receivers, limit: rule.max_per_hour });
        }
        let names = described.rules.iter().map(|rule| rule.name.as_str().into());
        let link = described.link.as_deref();
        Ok(Self {
            rules: Mutex::new(rules),
            names: names.collect(),
            terms,
            receivers,
            link: link.map(|link| format!("{}/#certificate=", link.trim_end_matches('/'))),
            merge_entries: described.merge_entries,
            warnings,
        })
    }

    /// Forgets the last failures of receivers that are other ones in the next settings.
    pub(super) fn forget_failures(&self, next: &Self) {
        for (name, receiving) in &self.receivers {
            let now = next.receivers.get(name);
            if now.is_none_or(|now| !Arc::ptr_eq(now, receiving)) {
                receiving.deliverer.figures().forget_failure();
            }
        }
    }

    /// Logs what the author of the configuration should know.
    pub(super) fn log_warnings(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }

    /// Returns the limit and the receivers of a rule, if it exists.
    pub(super) fn terms(&self, rule: &str) -> Option<&Terms> {
        self.terms.get(rule)
    }

    /// Returns the receiver that alerts of a route are for, if the route exists.
    pub(super) fn receiver(&self, route: &Route) -> Option<&Arc<Receiving>> {
        let terms = self.terms.get(&route.rule)?;
        let is_for_it = terms.receivers.contains(&route.receiver);
        self.receivers.get(&route.receiver).filter(|_| is_for_it)
    }
}

/// Returns the key of a rule or receiver in the configuration, with its name.
fn at(key: &str, name: &str) -> String {
    format!("{key} ({name})")
}

fn rules(config: &Config) -> anyhow::Result<Rules> {
    let described = &config.alerts.rules;
    let rules: Vec<_> = described.iter().map(rule).collect();
    Rules::new(&rules).map_err(|problems| {
        let line = |About { name, what }: &About<Problem>| {
            // Of two rules with one name, the problem is that of the second one.
            match described.iter().rposition(|rule| rule.name == *name) {
                Some(place) => format!("{}: {what}", at(&format!("alerts.rules[{place}]"), name)),
                None => format!("alerts.rules: {what}"),
            }
        };
        anyhow::Error::msg(problems.iter().map(line).collect::<Vec<_>>().join("\n"))
    })
}

fn rule(rule: &config::alerts::Rule) -> alerts::Rule {
    let except = &rule.except;
    alerts::Rule {
        name: rule.name.clone(),
        domain: rule.domain.clone(),
        matches: rule.matches.clone(),
        regex: rule.regex.clone(),
        lookalike: rule.lookalike.clone(),
        issuer: rule.issuer.clone(),
        entry: rule.entry().map(|kind| match kind {
            EntryKind::Precert => wire::EntryKind::PrecertLogEntry,
            EntryKind::Final => wire::EntryKind::X509LogEntry,
        }),
        except: alerts::Except {
            domain: except.domain.clone(),
            issuer: except.issuer.clone(),
            key: except.key.clone(),
            certificate: except.certificate.clone(),
        },
        limit: rule.max_per_hour,
    }
}

/// Returns each receiver with such a name, with its key in the configuration and its secrets.
fn targets(
    config: &Config,
    is_wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<(String, &Described, Target)>> {
    let receivers = config.alerts.receivers.iter().enumerate();
    let receivers = receivers.filter(|(_, described)| is_wanted(&described.name));
    let with_key = receivers.map(|(place, described)| {
        let key = format!("alerts.receivers[{place}]");
        let target = target(&key, described, &config.variables)
            .with_context(|| at(&key, &described.name))?;
        Ok((key, described, target))
    });
    with_key.collect()
}

fn target(key: &str, described: &Described, variables: &Variables) -> anyhow::Result<Target> {
    let format = match described.kind {
        ReceiverType::Webhook => Format::Json,
        ReceiverType::Slack => Format::Slack,
        ReceiverType::Discord => Format::Discord,
        ReceiverType::Teams => Format::Teams,
        ReceiverType::Ntfy => Format::Ntfy,
        ReceiverType::Email => return Ok(Target::Mail(mail(key, described, variables)?)),
        // The rules of the configuration refuse it.
        ReceiverType::Exec => bail!("programs are not run"),
    };
    let (file, variable) = (described.url_file.as_deref(), described.url_env.as_deref());
    let url = match &described.url {
        Some(url) => Some(Secret::new(url.reveal())),
        None => secret(&format!("{key}.url"), file, variable, variables)?,
    };
    let url = url.context("it has no url, url_file or url_env")?;
    let (file, variable) = (described.key_file.as_deref(), described.key_env.as_deref());
    Ok(Target::Webhook(Webhook {
        format,
        key: secret(&format!("{key}.key"), file, variable, variables)?,
        timeout: described.timeout(),
        may_be_private: described.allow_private_addresses,
        ..Webhook::new(url)
    }))
}

/// Reads a secret from the file or the environment variable that has it; none if neither is set. `key` is
/// the one in the configuration, without `_file` or `_env`.
fn secret(
    key: &str,
    file: Option<&Path>,
    variable: Option<&str>,
    variables: &Variables,
) -> anyhow::Result<Option<Secret>> {
    // What cannot be such a name may be the secret itself.
    let of_file = |file: &Path| {
        ensure!(!file.to_string_lossy().contains("://"), "{key}_file: it is a URL, not a file");
        read_secret(file).with_context(|| format!("{key}_file"))
    };
    let of_variable = |name: &str| {
        ensure!(is_variable(name), "{key}_env: it is not the name of a variable");
        secret_in_variable(name, variables.get(name)).with_context(|| format!("{key}_env"))
    };
    match (file, variable) {
        (Some(file), _) => of_file(file).map(Some),
        (None, Some(name)) => of_variable(name).map(Some),
        (None, None) => Ok(None),
    }
}

fn mail(key: &str, described: &Described, variables: &Variables) -> anyhow::Result<Mail> {
    let server = described.smtp_server.clone().context("it has no smtp_server")?;
    let from = described.from.clone().context("it has no from")?;
    let (file, variable) = (described.password_file.as_deref(), described.password_env.as_deref());
    let password = secret(&format!("{key}.password"), file, variable, variables)?;
    let login = described.user.clone().zip(password);
    let login = login.map(|(user, password)| Login { user, password });
    Ok(Mail {
        security: match described.security() {
            SmtpSecurity::Tls => Security::Tls,
            SmtpSecurity::Starttls => Security::StartTls,
            SmtpSecurity::None => Security::None,
        },
        login,
        timeout: described.timeout(),
        ..Mail::new(server, from, described.to.clone())
    })
}

fn warnings(
    config: &Config,
    rules: &Rules,
    targets: &[(String, &Described, Target)],
) -> Vec<String> {
    let place = |name: &str| config.alerts.rules.iter().position(|rule| rule.name == name);
    let of_rules = rules.warnings().map(|about| {
        let key = format!("alerts.rules[{}]", place(&about.name).unwrap_or_default());
        format!("{}: {}", at(&key, &about.name), about.what)
    });
    let of_receivers = targets.iter().filter_map(|(key, described, target)| {
        Some(format!("{}: {}", at(key, &described.name), target.warning()?))
    });
    of_rules.chain(of_receivers).collect()
}
