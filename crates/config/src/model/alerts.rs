//! The settings of alerts: rules, and the receivers of what they find.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::de::{blank_is_default, blank_is_none, blank_text_is_none, one_or_list};

/// Most rules.
pub const MAX_RULES: usize = 10_000;
/// Most receivers.
pub const MAX_RECEIVERS: usize = 100;
/// Longest name of a rule or a receiver, in bytes.
pub const MAX_NAME_BYTES: usize = 100;
/// Longest name of an environment variable with a secret, in bytes.
pub const MAX_VARIABLE_BYTES: usize = 100;
/// Most alerts of a rule in an hour.
pub const MOST_PER_HOUR: u32 = 10_000;
/// Alerts of a rule in an hour if nothing else is set.
pub const DEFAULT_PER_HOUR: u32 = 100;
/// Longest time for a request to a receiver, in seconds.
pub const MOST_TIMEOUT_SECS: u64 = 300;

/// Alerts: which certificates are reported, and to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// The public URL of this server, to whose page about the certificate alerts link.
    #[serde(deserialize_with = "blank_text_is_none")]
    pub link: Option<String>,
    /// True if a precertificate and its final certificate are one alert.
    pub merge_entries: bool,
    /// The rules, at most [`MAX_RULES`].
    #[serde(deserialize_with = "blank_is_default")]
    pub rules: Vec<Rule>,
    /// The receivers, at most [`MAX_RECEIVERS`].
    #[serde(deserialize_with = "blank_is_default")]
    pub receivers: Vec<Receiver>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { link: None, merge_entries: true, rules: Vec::new(), receivers: Vec::new() }
    }
}

impl Alerts {
    /// Returns the names of the environment variables that have secrets of receivers.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let named =
            self.receivers.iter().flat_map(|one| [&one.url_env, &one.key_env, &one.password_env]);
        named.filter_map(Option::as_deref)
    }
}

/// A rule. Its terms are unchecked here: the crate `alerts` checks them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, which is unique.
    pub name: String,
    /// Domains of which a name is one or below one.
    #[serde(default, deserialize_with = "one_or_list")]
    pub domain: Vec<String>,
    /// Texts that a name contains.
    #[serde(default, deserialize_with = "one_or_list", rename = "match")]
    pub matches: Vec<String>,
    /// Regular expressions that a part of a name matches.
    #[serde(default, deserialize_with = "one_or_list")]
    pub regex: Vec<String>,
    /// Domains that a name can be mistaken for.
    #[serde(default, deserialize_with = "one_or_list")]
    pub lookalike: Vec<String>,
    /// Texts that the CN or O of the issuer contains.
    #[serde(default, deserialize_with = "one_or_list")]
    pub issuer: Vec<String>,
    /// The kinds of entries; none for all.
    #[serde(default, deserialize_with = "one_or_list")]
    pub entry: Vec<EntryKind>,
    /// Certificates that are known.
    #[serde(default, deserialize_with = "blank_is_default")]
    pub except: Except,
    /// Most alerts in an hour, 1 to [`MOST_PER_HOUR`].
    #[serde(default = "default_per_hour")]
    pub max_per_hour: u32,
    /// The names of its receivers; none for all.
    #[serde(default, deserialize_with = "one_or_list")]
    pub deliver: Vec<String>,
}

const fn default_per_hour() -> u32 {
    DEFAULT_PER_HOUR
}

impl Rule {
    /// Returns the only kind of entry that it is about; none for both.
    #[must_use]
    pub fn entry(&self) -> Option<EntryKind> {
        let first = *self.entry.first()?;
        self.entry.iter().all(|kind| *kind == first).then_some(first)
    }

    /// Reports whether its alerts are for the receiver with this name.
    #[must_use]
    pub fn delivers_to(&self, receiver: &str) -> bool {
        self.deliver.is_empty() || self.deliver.iter().any(|name| name == receiver)
    }
}

/// The kind of an entry in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A precertificate.
    Precert,
    /// A final certificate.
    Final,
}

/// Certificates that a rule knows, and sends no alert about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Except {
    /// Domains: names that are one or below one do not count.
    #[serde(deserialize_with = "one_or_list")]
    pub domain: Vec<String>,
    /// Texts that the CN or O of the issuer contains.
    #[serde(deserialize_with = "one_or_list")]
    pub issuer: Vec<String>,
    /// SHA-256 of public keys, in hexadecimal or base64.
    #[serde(deserialize_with = "one_or_list")]
    pub key: Vec<String>,
    /// SHA-256 of certificates, in hexadecimal or base64.
    #[serde(deserialize_with = "one_or_list")]
    pub certificate: Vec<String>,
}

/// A receiver of alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Its name, which is unique.
    pub name: String,
    /// The kind of receiver.
    #[serde(rename = "type")]
    pub kind: ReceiverType,
    /// The URL of a webhook.
    #[serde(default)]
    pub url: Option<HiddenUrl>,
    /// A file with the URL of a webhook, instead.
    #[serde(default, deserialize_with = "blank_is_none")]
    pub url_file: Option<PathBuf>,
    /// An environment variable with the URL of a webhook, instead.
    #[serde(default, deserialize_with = "blank_text_is_none")]
    pub url_env: Option<String>,
    /// A file with the key that requests to a webhook are signed with.
    #[serde(default, deserialize_with = "blank_is_none")]
    pub key_file: Option<PathBuf>,
    /// An environment variable with that key, instead.
    #[serde(default, deserialize_with = "blank_text_is_none")]
    pub key_env: Option<String>,
    /// True if it may have a private address.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Longest time for an attempt in seconds, 1 to [`MOST_TIMEOUT_SECS`].
    #[serde(default = "default_timeout_secs")]
    pub timeout_secs: u64,
    /// The SMTP server of an email receiver as `HOST:PORT`.
    #[serde(default)]
    pub smtp_server: Option<String>,
    /// The encryption of the connection to the SMTP server.
    #[serde(default)]
    pub smtp_security: Option<SmtpSecurity>,
    /// The user of the SMTP server.
    #[serde(default)]
    pub user: Option<String>,
    /// A file with the user's password.
    #[serde(default, deserialize_with = "blank_is_none")]
    pub password_file: Option<PathBuf>,
    /// An environment variable with the user's password, instead.
    #[serde(default, deserialize_with = "blank_text_is_none")]
    pub password_env: Option<String>,
    /// The sender of mail.
    #[serde(default)]
    pub from: Option<String>,
    /// The recipients of mail.
    #[serde(default, deserialize_with = "one_or_list")]
    pub to: Vec<String>,
}

const fn default_timeout_secs() -> u64 {
    10
}

impl Receiver {
    /// Returns the longest time for an attempt.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_secs)
    }

    /// Returns the encryption of the connection to the SMTP server: TLS from the start on port 465,
    /// otherwise STARTTLS, unless it is set.
    #[must_use]
    pub fn security(&self) -> SmtpSecurity {
        let port = self.smtp_server.as_deref().and_then(|server| server.rsplit_once(':'));
        let is_tls = port.is_some_and(|(_, port)| port == "465");
        let implied = if is_tls { SmtpSecurity::Tls } else { SmtpSecurity::Starttls };
        self.smtp_security.unwrap_or(implied)
    }
}

/// Reports whether a text can be the name of an environment variable with a secret. If it cannot, it may be the
/// secret itself.
#[must_use]
pub fn is_variable(name: &str) -> bool {
    (1..=MAX_VARIABLE_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The kind of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiverType {
    /// A webhook with a JSON body.
    Webhook,
    /// A webhook of Slack.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A webhook of Microsoft Teams.
    Teams,
    /// A topic of ntfy.
    Ntfy,
    /// Mail.
    Email,
    /// A program, which is refused.
    Exec,
}

impl ReceiverType {
    /// Returns its name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::Ntfy => "ntfy",
            Self::Email => "email",
            Self::Exec => "exec",
        }
    }

    /// Reports whether alerts are sent to a URL.
    #[must_use]
    pub const fn has_url(self) -> bool {
        matches!(self, Self::Webhook | Self::Slack | Self::Discord | Self::Teams | Self::Ntfy)
    }
}

/// The encryption of a connection to an SMTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// TLS from the start.
    Tls,
    /// TLS by STARTTLS, which is required.
    Starttls,
    /// None.
    None,
}

/// A URL that may be a secret, as that of a webhook is. It is never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HiddenUrl(String);

impl HiddenUrl {
    /// Returns the URL.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for HiddenUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Debug for HiddenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
