//! `certstream-server tail`: prints the stream of any certstream server, one line per certificate.
//! Connections, resuming, duplicates and gaps are handled by `client`.

pub(super) mod line;
mod output;
mod position;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use anyhow::bail;
use client::dedup::Window;
use client::gaps::Gap;
use client::{
    Address, Client, Content, Event, Failure, Message, Proxy, Resume, Settings, Subscription,
    credentials, tls,
};
use config::{Config, TailCommand};
use tokio::signal::unix::{SignalKind, signal};
use wire::StreamKind;

use crate::commands::healthcheck::reachable;
use output::{Line, Output};
use position::PositionFile;

/// The value of `User-Agent`.
const USER_AGENT: &str = concat!("certstream-server-tail/", env!("CARGO_PKG_VERSION"));
/// The time limit for the last lines at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Returns the settings of the client. `config` is that of the server to follow if the command names
/// none.
///
/// # Errors
/// If the URL, a filter, the token, the trusted certificates or the saved position cannot be used.
pub fn settings(
    config: Option<&Config>,
    command: &TailCommand,
    environment: &HashMap<OsString, OsString>,
) -> anyhow::Result<Settings> {
    let stream = match command.stream.as_str() {
        "full" => StreamKind::Full,
        "domains" => StreamKind::Domains,
        _ => StreamKind::Lite,
    };
    let token = environment.get(OsStr::new(credentials::VARIABLE));
    let subscription = Subscription {
        stream,
        filters: command.filters.clone(),
        token: credentials::read(
            &command.token_header,
            command.token_file.as_deref(),
            token.map(OsString::as_os_str),
        )?,
        user_agent: USER_AGENT,
    };
    let own = config.filter(|_| command.url.is_none());
    let url = match (&command.url, own) {
        (Some(url), _) => url.clone(),
        (None, Some(config)) => own_url(config, stream),
        (None, None) => bail!("name the server with --url"),
    };
    let address = Address::new(&url, &subscription)?;
    let certificates = own.and_then(|config| config.tls_cert.as_deref());
    let tls = match (command.ca_file.as_deref(), certificates) {
        (None, Some(certificates)) => tls::client_config_for_own(certificates)?,
        (ca_file, _) => tls::client_config(ca_file)?,
    };
    let text = |name: &str| environment.get(OsStr::new(name))?.to_str();
    let proxy = Proxy::from_environment(&address, text)?;
    let resume = Resume {
        server: address.name(),
        // A domains-only stream leaves out certificates without names.
        is_filtered: address.is_filtered() || stream == StreamKind::Domains,
        from_oldest: command.from_oldest,
        ..Resume::default()
    };
    let resume = match &command.resume {
        Some(path) => position::read(path, &address, resume)?,
        None => resume,
    };
    Ok(Settings { address, proxy, tls, resume, window: Window::default() })
}

/// Returns the URL of the stream of the server with this configuration, on this machine.
fn own_url(config: &Config, stream: StreamKind) -> String {
    let scheme = if config.tls_cert.is_some() { "wss" } else { "ws" };
    let path = match stream {
        StreamKind::Full => &config.streams.full_path,
        StreamKind::Domains => &config.streams.domains_only_path,
        _ => &config.streams.lite_path,
    };
    format!("{scheme}://{}{path}", reachable(config.address()))
}

/// Prints the stream until Ctrl-C, SIGTERM, or until nobody reads the output.
///
/// # Errors
/// If the server refuses the request, the output cannot be written, or the position cannot be saved.
pub fn run(settings: Settings, command: &TailCommand) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let file = command.resume.clone().map(PositionFile::new);
        let output = Output::start(io::stdout(), file)?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = output::reader_is_gone() => {}
            }
        };
        let mut tail = Tail::new(&settings.address, command, output);
        let mut client = Client::new(settings);
        let outcome = tail.print(&mut client, stop).await;
        client.close().await;
        let written = tail.output.finish(LAST_LINES).await;
        outcome.and_then(|()| Ok(written?))
    });
    // A name lookup may still hang in a thread that nothing can interrupt.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// The state of the command.
struct Tail {
    server: String,
    json: bool,
    /// True if the position is saved.
    is_saved: bool,
    highlight: line::Highlight,
    output: Output,
    was_connected: bool,
    /// The time of the gap that was reported last.
    last_gap: Option<u64>,
}

impl Tail {
    fn new(address: &Address, command: &TailCommand, output: Output) -> Self {
        Self {
            server: address.name(),
            json: command.json,
            is_saved: command.resume.is_some(),
            highlight: line::Highlight::of(address.filter()),
            output,
            was_connected: false,
            last_gap: None,
        }
    }

    async fn print(
        &mut self,
        client: &mut Client,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let mut stop = pin!(stop);
        loop {
            let event = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                event = client.next() => event,
            };
            let text = self.event(event)?;
            let progress = (self.is_saved && client.has_progress()).then(|| client.take_progress());
            if text.is_none() && progress.is_none() {
                continue;
            }
            let line = Line { text, progress };
            let sent = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                sent = self.output.line(line) => sent,
            };
            if !sent {
                // `finish` returns the reason.
                return Ok(());
            }
        }
    }

    /// Reports an event, and returns the line to print.
    fn event(&mut self, event: Event<'_>) -> anyhow::Result<Option<Vec<u8>>> {
        match event {
            Event::Message(message) => {
                self.report_gaps(&message.gaps);
                return Ok(self.line(&message));
            }
            Event::Connected { gaps, .. } => {
                let again = if self.was_connected { " again" } else { "" };
                note(&format!("connected{again} to {}", self.server));
                self.was_connected = true;
                self.report_gaps(&gaps);
            }
            Event::Disconnected { failure, .. } if failure.is_final() && !self.was_connected => {
                bail!("{}: {failure}", self.server);
            }
            Event::Disconnected { failure: Failure::Extras, .. } => {}
            Event::Disconnected { failure, retry } => {
                let seconds = retry.as_secs_f64();
                note(&format!("{}: {failure}; trying again in {seconds:.1} s", self.server));
            }
        }
        Ok(None)
    }

    fn line(&self, message: &Message<'_>) -> Option<Vec<u8>> {
        let (Content::Entry(update) | Content::Domains(update)) = &message.content else {
            return None;
        };
        Some(match self.json {
            true => line::json(message.raw),
            false => line::text(update, &self.highlight).into_bytes(),
        })
    }

    fn report_gaps(&mut self, gaps: &[Gap]) {
        for gap in gaps {
            let is_known = self.last_gap.replace(gap.at) == Some(gap.at);
            match (gap.missing, is_known) {
                (Some(0), _) | (None, true) => {}
                (Some(missing), true) => {
                    note(&format!("gap: {missing} messages are missing in the last gap"));
                }
                (Some(missing), false) => {
                    note(&format!("gap: {missing} messages are missing ({})", gap.reason));
                }
                (None, false) => {
                    note(&format!("gap: messages may be missing ({})", gap.reason));
                }
            }
        }
    }
}

/// Writes a line to standard error.
fn note(text: &str) {
    logging::stderr().line(format!("tail: {text}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(url: Option<&str>) -> TailCommand {
        TailCommand {
            url: url.map(str::to_owned),
            stream: "lite".to_owned(),
            filters: vec![("domain", "a.example,b.example".to_owned())],
            json: false,
            from_oldest: false,
            resume: None,
            token_file: None,
            token_header: "X-Key".to_owned(),
            ca_file: None,
        }
    }

    #[test]
    fn without_a_url_the_configured_server_is_followed() {
        let mut config = Config { port: 9000, ..Config::default() };
        config.streams.lite_path = "/lite".to_owned();
        let settings = settings(Some(&config), &command(None), &HashMap::new()).expect("valid");
        let request = settings.address.request(None, false).expect("a request");
        let expected = "ws://127.0.0.1:9000/lite?domain=a.example%2Cb.example";
        assert_eq!(request.uri(), expected);
    }

    #[test]
    fn a_named_server_needs_no_configuration() {
        let token = HashMap::from([("CERTSTREAM_TOKEN".into(), "secret".into())]);
        let settings = settings(None, &command(Some("wss://a.example")), &token).expect("valid");
        let request = settings.address.request(None, false).expect("a request");
        assert_eq!(request.headers()["x-key"], "secret");
        assert_eq!(settings.address.name(), "wss://a.example:443");
        assert!(settings.resume.is_filtered);
    }

    #[test]
    fn invalid_filters_are_refused_before_connecting() {
        let command = TailCommand {
            filters: vec![("match", "ab".to_owned())],
            ..command(Some("ws://a.example"))
        };
        let error = settings(None, &command, &HashMap::new()).expect_err("too short");
        assert!(error.to_string().contains("--match: \"ab\" is too short"), "{error}");
    }
}
