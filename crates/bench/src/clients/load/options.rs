//! The options of the load client, as values and as a command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command as Cli, value_parser};

use crate::harness::site::Server;

pub(crate) const NAME: &str = "load-client";

/// The transport and compression of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
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

    /// Reports whether messages can be told apart without decoding them.
    pub(super) const fn is_framed(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebSocketDeflate)
    }
}

/// The options of the load client.
#[derive(Debug, Clone)]
pub(crate) struct LoadOptions {
    /// IP address and port; several with commas, which the clients take in turn, and again whenever a
    /// connection ends.
    pub(crate) address: String,
    /// The path to request; after an `@`, a file with one path a line, which the clients take in
    /// turn.
    pub(crate) path: String,
    pub(crate) encoding: Encoding,
    /// Speak TLS, and trust this certificate (PEM).
    pub(crate) trust: Option<PathBuf>,
    pub(crate) clients: usize,
    /// The number of clients, the first ones, that inspect their messages.
    pub(crate) sampled: usize,
    /// Between the last connection and the measurement.
    pub(crate) warmup: Duration,
    /// The measurement.
    pub(crate) time: Duration,
    /// The file in which sampled clients record their messages.
    pub(crate) record: Option<PathBuf>,
    /// Connect again, with `since`, when the server is gone.
    pub(crate) reconnect: bool,
    /// Begin with the oldest message.
    pub(crate) from_oldest: bool,
    /// Follow the order of all messages of all clients that look into theirs, and end once each of
    /// them has so many.
    pub(crate) expect: Option<u64>,
}

impl LoadOptions {
    /// The lite stream over WebSocket; one client in fifty looks into its messages.
    pub(crate) fn new(address: String, clients: usize, time: Duration) -> Self {
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
            from_oldest: false,
            expect: None,
        }
    }

    /// Returns the options of clients of the server's lite stream.
    pub(crate) fn lite(server: &Server, clients: usize, time: Duration) -> Self {
        let trust = server.certificate().map(Path::to_owned);
        Self { trust, ..Self::new(server.address(), clients, time) }
    }

    /// The command line that says so.
    pub(crate) fn arguments(&self) -> Vec<String> {
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
        if let Some(count) = self.expect {
            add("expect", count.to_string());
        }
        for (flag, is_set) in [("reconnect", self.reconnect), ("from-oldest", self.from_oldest)] {
            if is_set {
                arguments.push(format!("--{flag}"));
            }
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
            from_oldest: matches.get_flag("from-oldest"),
            expect: matches.get_one::<u64>("expect").copied(),
        })
    }

    /// Returns the paths that the clients request in turn.
    pub(super) fn paths(&self) -> anyhow::Result<Vec<String>> {
        let Some(file) = self.path.strip_prefix('@') else { return Ok(vec![self.path.clone()]) };
        let text = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

pub(crate) fn command() -> Cli {
    let text = ["address", "path", "encoding", "clients", "sampled", "warmup-ms", "time-ms"];
    let file = |name| Arg::new(name).long(name).value_parser(value_parser!(PathBuf));
    Cli::new(NAME)
        .hide(true)
        .about("The load client of the benchmarks")
        .args(text.map(|name| Arg::new(name).long(name).required(true)))
        .args(["record", "trust"].map(file))
        .args(
            ["reconnect", "from-oldest"]
                .map(|name| Arg::new(name).long(name).action(ArgAction::SetTrue)),
        )
        .arg(Arg::new("expect").long("expect").value_parser(value_parser!(u64)))
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
            from_oldest: true,
            expect: Some(5),
            ..LoadOptions::new("127.0.0.1:1".to_owned(), 120, Duration::from_millis(1500))
        };
        let matches = command().get_matches_from(options.arguments());
        let read = LoadOptions::read(&matches).expect("valid");
        assert_eq!(format!("{read:?}"), format!("{options:?}"));
        assert_eq!(read.sampled, 3);
    }
}
