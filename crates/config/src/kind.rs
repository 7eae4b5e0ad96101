//! The kinds of values: reading them from text, checking bounds, and describing them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;
use serde_json::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::model::Span;
use crate::model::guard::{is_header_name, is_token, network};
use crate::model::values::{ByteSize, OperatorIntervals, Start, TreeSizeSource, is_http_url};

/// The kind of a setting's value. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A whole number.
    Integer(u64, u64),
    /// A number, not necessarily whole.
    Number(u64, u64),
    /// A whole number of milliseconds.
    Millis(u64, u64),
    /// A whole number of seconds.
    Seconds(u64, u64),
    /// A number of bytes, as [`ByteSize`].
    Size(u64, u64),
    /// Text, not empty.
    Text,
    /// Printable ASCII, as in an HTTP header; may be blank.
    Ascii,
    /// The path of a file.
    Path,
    /// The path of a directory.
    Directory,
    /// A span of time, as [`Span`](crate::Span).
    Span,
    /// An IP address.
    Address,
    /// An http or https URL.
    Url,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One or more of these words.
    Choices(&'static [&'static str]),
    /// The path of a stream: `/`, or segments of letters, digits, hyphens, points and underscores.
    StreamPath,
    /// Any of these words, or none.
    Subset(&'static [&'static str]),
    /// The path of a route.
    Route,
    /// Any number of texts, none of them empty.
    Texts,
    /// Any number of texts, none of them blank; a file may have one text instead of a list.
    Terms,
    /// Any number of NATS servers; a file may join them by commas.
    Servers,
    /// Any number of http or https URLs.
    Urls,
    /// Any number of IP addresses and networks.
    Networks,
    /// Any number of [`Tokens`](crate::Tokens).
    Tokens,
    /// The name of a request header.
    HeaderName,
    /// As [`OperatorIntervals`].
    Intervals,
    /// As [`TreeSizeSource`].
    TreeSize,
    /// A filter of log lines: a level, or `target=level` directives.
    LogFilter,
    /// As [`Start`].
    Start,
    /// A list of logs, each a map, only in a file.
    Logs,
    /// A list of outputs, each a map, only in a file.
    Outputs,
    /// A list of rules for alerts, each a map, only in a file.
    Rules,
    /// A list of receivers of alerts, each a map, only in a file.
    Receivers,
    /// Any value; only of keys that do nothing.
    Anything,
}

impl Kind {
    /// The upper bound of a number that has no other.
    pub const ANY: u64 = u32::MAX as u64;

    /// Reads a value from `text`, of a variable or a flag; `None` if it is not allowed.
    ///
    /// A blank path means no file, and a blank URL means none.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<Value> {
        let value = match self {
            Self::Bool => Value::Bool(parse_bool(text)?),
            Self::Integer(..) | Self::Millis(..) | Self::Seconds(..) => {
                text.trim().parse::<u64>().ok()?.into()
            }
            Self::Number(..) => {
                text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?.into()
            }
            Self::Path | Self::Directory | Self::Url if text.is_empty() => Value::Null,
            Self::Choices(_)
            | Self::Subset(_)
            | Self::Texts
            | Self::Terms
            | Self::Servers
            | Self::Urls
            | Self::Networks
            | Self::Tokens => list(text)?,
            Self::Logs | Self::Outputs | Self::Rules | Self::Receivers => return None,
            Self::Anything => return Some(text.into()),
            Self::Address => {
                address(text.trim()).map_or_else(|| text.into(), |ip| ip.to_string().into())
            }
            _ => text.into(),
        };
        self.allows(&value).then_some(value)
    }

    /// Reports whether a setting may have this value. `null` stands for "not set".
    #[must_use]
    pub fn allows(self, value: &Value) -> bool {
        if value.is_null() {
            return true;
        }
        match self {
            Self::Bool => value.is_boolean(),
            Self::Integer(min, max) | Self::Millis(min, max) | Self::Seconds(min, max) => {
                value.as_u64().is_some_and(|number| (min..=max).contains(&number))
            }
            Self::Number(min, max) => {
                let number = value.as_f64();
                number.is_some_and(|number| (min as f64..=max as f64).contains(&number))
            }
            Self::Size(min, max) => {
                ByteSize::deserialize(value).is_ok_and(|size| (min..=max).contains(&size.get()))
            }
            Self::Start => Start::deserialize(value).is_ok(),
            Self::Choices(choices) => value.as_array().is_some_and(|words| {
                !words.is_empty() && words.iter().all(|word| is_one_of(word, choices))
            }),
            Self::StreamPath => value.as_str().is_some_and(is_stream_path),
            Self::Subset(choices) => value
                .as_array()
                .is_some_and(|words| words.iter().all(|word| is_one_of(word, choices))),
            Self::Route => value.as_str().is_some_and(is_route),
            Self::Texts | Self::Terms | Self::Servers => {
                is_list(value, |text| !text.trim().is_empty())
            }
            Self::Urls => is_list(value, is_http_url),
            Self::Networks => is_list(value, |text| network(text).is_some()),
            Self::Tokens => is_list(value, is_token),
            Self::HeaderName => value.as_str().is_some_and(is_header_name),
            Self::Intervals => OperatorIntervals::deserialize(value).is_ok(),
            Self::TreeSize => TreeSizeSource::deserialize(value).is_ok(),
            Self::Choice(choices) => is_one_of(value, choices),
            Self::Logs | Self::Outputs | Self::Rules | Self::Receivers => value.is_array(),
            Self::Anything => true,
            Self::Text => value.as_str().is_some_and(|text| !text.is_empty()),
            Self::Ascii => value.as_str().is_some_and(|text| text.bytes().all(is_printable)),
            Self::Path | Self::Directory => value.as_str().is_some_and(|text| !text.is_empty()),
            Self::Span => Span::deserialize(value).is_ok(),
            Self::Address => value.as_str().is_some_and(|text| address(text).is_some()),
            Self::Url => value.as_str().is_some_and(is_http_url),
            Self::LogFilter => value.as_str().is_some_and(is_log_filter),
        }
    }

    /// Returns the fields that each item of a list of maps must have, with a value for each; nothing for
    /// other kinds.
    pub(crate) const fn needed_fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Logs => &[("name", "a"), ("url", "https://a.example")],
            Self::Outputs => &[("name", "a"), ("type", "kafka")],
            Self::Rules => &[("name", "a")],
            Self::Receivers => &[("name", "a"), ("type", "webhook")],
            _ => &[],
        }
    }

    /// Reports whether it is a list of maps, which only a file can have.
    pub(crate) const fn is_list_of_maps(self) -> bool {
        matches!(self, Self::Logs | Self::Outputs | Self::Rules | Self::Receivers)
    }

    /// Reports whether a setting's description and default alone show its possible values.
    #[must_use]
    pub const fn is_obvious(self) -> bool {
        use Kind::{
            Address, Ascii, Bool, Directory, HeaderName, Logs, Outputs, Path, Receivers, Rules,
            Servers, Terms, Text, Texts, Url, Urls,
        };
        let is_word = matches!(self, Bool | Text | Ascii | Path | Address | Url | HeaderName);
        let is_list = matches!(self, Texts | Terms | Servers | Urls);
        is_word || is_list || matches!(self, Directory | Logs | Outputs | Rules | Receivers)
    }

    /// The name of the value in the help of a flag.
    #[must_use]
    pub const fn value_name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Integer(..) | Self::Number(..) => "N",
            Self::Millis(..) => "MS",
            Self::Seconds(..) => "SECS",
            Self::Size(..) => "SIZE",
            Self::Text | Self::Ascii => "TEXT",
            Self::Path => "FILE",
            Self::Directory => "DIR",
            Self::Span => "SPAN",
            Self::Address => "IP",
            Self::Url => "URL",
            Self::Choice(_) => "WORD",
            Self::Choices(_) | Self::Subset(_) => "WORDS",
            Self::StreamPath | Self::Route => "PATH",
            Self::Texts | Self::Terms => "TEXTS",
            Self::Servers => "SERVERS",
            Self::Urls => "URLS",
            Self::Networks => "NETWORKS",
            Self::Tokens => "TOKENS",
            Self::HeaderName => "NAME",
            Self::Intervals => "NAME=MS",
            Self::TreeSize => "SOURCE",
            Self::LogFilter => "LEVEL",
            Self::Start => "START",
            Self::Logs => "LOGS",
            Self::Outputs => "OUTPUTS",
            Self::Rules => "RULES",
            Self::Receivers => "RECEIVERS",
            Self::Anything => "VALUE",
        }
    }
}

/// Writes the expected values, to follow "expected": `a whole number from 1 to 16`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Integer(min, max) if *max >= Self::ANY => {
                write!(f, "a whole number, at least {min}")
            }
            Self::Integer(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::Number(min, max) => write!(f, "a number from {min} to {max}"),
            Self::Millis(min, max) => {
                write!(f, "a whole number of milliseconds from {min} to {max}")
            }
            Self::Seconds(min, max) => write!(f, "a whole number of seconds from {min} to {max}"),
            Self::Size(min, max) => {
                write!(f, "a size from {} to {}", ByteSize::new(*min), ByteSize::new(*max))
            }
            Self::Text => f.write_str("text of at least one character"),
            Self::Ascii => f.write_str("printable ASCII text"),
            Self::Path => f.write_str("the path of a file"),
            Self::Directory => f.write_str("the path of a directory"),
            Self::Span => f.write_str("a span of time such as 7d, 36h or 30m"),
            Self::Address => f.write_str("an IP address such as 0.0.0.0 or \"::\", or localhost"),
            Self::Url => f.write_str("an http or https URL"),
            Self::Choice(choices) => write!(f, "one of {}", choices.join(", ")),
            Self::Choices(choices) => write!(f, "one or more of {}", choices.join(", ")),
            Self::StreamPath => f.write_str(
                "a path such as / or /full-stream, of letters, digits, hyphens, dots and underscores",
            ),
            Self::Subset(choices) => write!(f, "none, one or more of {}", choices.join(", ")),
            Self::Route => f.write_str(
                "a path such as /stats, of letters, digits, hyphens, dots and underscores",
            ),
            Self::Texts => f.write_str("a list of strings"),
            Self::Terms => f.write_str("a string or a list of strings"),
            Self::Servers => f.write_str("a list of NATS servers"),
            Self::Urls => f.write_str("a list of http or https URLs"),
            Self::Networks => f.write_str("a list of IP addresses and networks such as 10.0.0.0/8"),
            Self::Tokens => {
                f.write_str(
                    "a list of tokens, without spaces, quotes around them or brackets, or of sha256: \
                     and 64 hex digits",
                )
            }
            Self::HeaderName => f.write_str("the name of a request header"),
            Self::Intervals => f.write_str(
                "operators with milliseconds up to 3600000, such as Google=100,DigiCert=50",
            ),
            Self::TreeSize => f.write_str("checkpoint, get_sth or an http or https URL"),
            Self::LogFilter => f.write_str(
                "off, error, warn, info, debug, trace or a list such as info,follow=debug",
            ),
            Self::Start => f.write_str("head, zero or an entry's index"),
            Self::Logs => f.write_str("a list of logs, each with name and url"),
            Self::Outputs => f.write_str("a list of outputs, each with name and type"),
            Self::Rules => f.write_str("a list of rules, each with name and conditions"),
            Self::Receivers => f.write_str("a list of receivers, each with name and type"),
            Self::Anything => f.write_str("any value"),
        }
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Reads an IP address, or the name of the loopback address.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let is_loopback = text.eq_ignore_ascii_case("localhost");
    if is_loopback { Some(Ipv4Addr::LOCALHOST.into()) } else { text.parse().ok() }
}

/// Returns the words between commas. `None` where the text is a list in JSON or YAML, or a word is
/// in quotes: taken literally, `["abc"]` would be a token.
fn list(text: &str) -> Option<Value> {
    let is_quoted = |word: &str| {
        let inner = |quote| word.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        inner('"').or_else(|| inner('\'')).is_some()
    };
    let is_literal = text.trim_start().starts_with('[') || words(text).any(is_quoted);
    (!is_literal).then(|| words(text).collect())
}

pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn is_one_of(value: &Value, choices: &[&str]) -> bool {
    value.as_str().is_some_and(|word| choices.contains(&word))
}

fn is_list(value: &Value, is_item: impl Fn(&str) -> bool) -> bool {
    let items = value.as_array();
    items.is_some_and(|items| items.iter().all(|item| item.as_str().is_some_and(&is_item)))
}

/// Reports whether certstream-server-go accepts a text as a path.
fn is_stream_path(text: &str) -> bool {
    text == "/" || text.starts_with('/') && is_route(text)
}

/// Reports whether a text is a path without escapes; the slash before it may be missing. Clients
/// would resolve a segment that consists of points.
fn is_route(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_segment = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(is_plain) && !matches!(segment, "." | "..")
    };
    text.strip_prefix('/').unwrap_or(text).split('/').all(is_segment)
}

const fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// Reports whether a text is a filter of log lines. The filter's own parser reads any bare word as
/// the name of a target, so that a mistyped level would silence the server; here a bare word has to
/// be a level.
fn is_log_filter(text: &str) -> bool {
    let is_bare = |word: &&str| word.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
    let mut bare_words = words(text).filter(is_bare);
    !text.trim().is_empty()
        && bare_words.all(|word| word.parse::<LevelFilter>().is_ok())
        && EnvFilter::builder().parse(text).is_ok()
}
