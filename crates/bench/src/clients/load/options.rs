//! What the load client is to do, as values and as a command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command as Cli, value_parser};

pub(in crate::bench) const NAME: &str = "bench-load";

/// How messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Encoding {
    WebSocket,
    WebSocketDeflate,
    Sse,
    SseGzip,
}

impl Encoding {
    const ALL: [(&'static str, Self); 4] = [
        ("websocket", Self::WebSocket),
        ("websocket-deflate", Self::WebSocketDeflate),
        ("sse", Self::Sse),
        ("sse-gzip", Self::SseGzip),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, encoding)| *encoding == self).map_or("", |(name, _)| name)
    }

    /// Whether messages can be told apart without being looked into.
    pub(super) const fn is_framed(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebSocketDeflate)
    }
}

/// What the load client is to do.
#[derive(Debug, Clone)]
pub(in crate::bench) struct LoadOptions {
    /// IP address and port.
    pub(in crate::bench) address: String,
    /// What to ask for; after an `@`, a file with one path a line, which the clients take in turn.
    pub(in crate::bench) path: String,
    pub(in crate::bench) encoding: Encoding,
    /// Speak TLS, and trust this certificate (PEM).
    pub(in crate::bench) trust: Option<PathBuf>,
    pub(in crate::bench) clients: usize,
    /// How many of them look into their messages: the first ones.
    pub(in crate::bench) sampled: usize,
    /// Between the last connection and the measurement.
    pub(in crate::bench) warmup: Duration,
    /// The measurement.
    pub(in crate::bench) time: Duration,
    /// Where to record what sampled clients got.
    pub(in crate::bench) record: Option<PathBuf>,
    /// Connect again, with `since`, when the server is gone.
    pub(in crate::bench) reconnect: bool,
}

impl LoadOptions {
    /// The lite stream over WebSocket; one client in fifty looks into its messages.
    pub(in crate::bench) fn new(address: String, clients: usize, time: Duration) -> Self {
        Self {
            address,
            path: "/".to_owned(),
            encoding: Encoding::WebSocket,
            trust: None,
            clients,
            sampled: clients.div_ceil(50),
            warmup: Duration::from_secs(3),
            time,
            record: None,
            reconnect: false,
        }
    }

    /// The command line that says so.
    pub(in crate::bench) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![NAME.to_owned()];
        let mut add = |name: &str, value: String| arguments.push(format!("--{name}={value}"));
        add("address", self.address.clone());
        add("path", self.path.clone());
        add("encoding", self.encoding.name().to_owned());
        add("clients", self.clients.to_string());
        add("sampled", self.sampled.to_string());
        add("warmup-ms", self.warmup.as_millis().to_string());
        add("time-ms", self.time.as_millis().to_string());
        for (name, file) in [("record", &self.record), ("trust", &self.trust)] {
            if let Some(file) = file {
                add(name, file.display().to_string());
            }
        }
        if self.reconnect {
            arguments.push("--reconnect".to_owned());
        }
        arguments
    }

    pub(super) fn read(matches: &ArgMatches) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let value = matches.get_one::<String>(name).cloned();
            value.with_context(|| format!("--{name} is missing"))
        };
        let number = |name: &str| -> anyhow::Result<u64> { Ok(text(name)?.parse()?) };
        let encoding = text("encoding")?;
        let encoding = Encoding::ALL.into_iter().find(|(name, _)| *name == encoding);
        Ok(Self {
            address: text("address")?,
            path: text("path")?,
            encoding: encoding.context("--encoding: there is no such")?.1,
            trust: matches.get_one::<PathBuf>("trust").cloned(),
            clients: usize::try_from(number("clients")?)?,
            sampled: usize::try_from(number("sampled")?)?,
            warmup: Duration::from_millis(number("warmup-ms")?),
            time: Duration::from_millis(number("time-ms")?),
            record: matches.get_one::<PathBuf>("record").cloned(),
            reconnect: matches.get_flag("reconnect"),
        })
    }

    /// What the clients ask for, in turn.
    pub(super) fn paths(&self) -> anyhow::Result<Vec<String>> {
        let Some(file) = self.path.strip_prefix('@') else { return Ok(vec![self.path.clone()]) };
        let text = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

pub(in crate::bench) fn command() -> Cli {
    let text = ["address", "path", "encoding", "clients", "sampled", "warmup-ms", "time-ms"];
    let file = |name| Arg::new(name).long(name).value_parser(value_parser!(PathBuf));
    Cli::new(NAME)
        .hide(true)
        .about("The load client of the benchmarks")
        .args(text.map(|name| Arg::new(name).long(name).required(true)))
        .args(["record", "trust"].map(file))
        .arg(Arg::new("reconnect").long("reconnect").action(ArgAction::SetTrue))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read_back() {
        let options = LoadOptions {
            path: "/?since=1".to_owned(),
            encoding: Encoding::SseGzip,
            trust: Some("a b.pem".into()),
            record: Some("/r".into()),
            reconnect: true,
            ..LoadOptions::new("127.0.0.1:1".to_owned(), 120, Duration::from_millis(1500))
        };
        let matches = command().get_matches_from(options.arguments());
        let read = LoadOptions::read(&matches).expect("valid");
        assert_eq!(format!("{read:?}"), format!("{options:?}"));
        assert_eq!(read.sampled, 3);
    }
}
