//! Runs simulated Certificate Transparency logs until SIGTERM or Ctrl-C.
//!
//! One line of JSON on standard output says where everything is; the program logs to standard error.

mod cli;

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use ctsim::{Config, Protocol, Sim};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let matches = command().get_matches();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    Command::new("ctsim")
        .about("Certificate Transparency logs to test followers against")
        .version(env!("CARGO_PKG_VERSION"))
        .arg(
            option("host", "IP", "127.0.0.1", "Address to listen on")
                .value_parser(value_parser!(IpAddr)),
        )
        .arg(
            option("port", "N", "0", "Port to listen on; 0 for any")
                .value_parser(value_parser!(u16)),
        )
        .arg(number("rfc6962", "2", "How many RFC 6962 logs"))
        .arg(number("static-ct", "2", "How many static-ct-api logs"))
        .arg(number("hosts", "1", "On how many hosts (ports) the logs are read"))
        .arg(number("copies", "1", "In how many of the generated logs each certificate is logged"))
        .arg(
            option("rate", "N", "10", "Entries each log gains in a second")
                .value_parser(value_parser!(f64)),
        )
        .arg(number("initial-size", "2000", "Entries each log has at the start"))
        .arg(number("max-size", "", "Entries at which each log stops to grow"))
        .arg(number("publish-interval-ms", "1000", "Milliseconds between two heads of a log"))
        .arg(number("seed", "1", "What keys and entries follow from"))
        .arg(number("epoch", "", "Start of the growth in ms since 1970, to repeat a run exactly"))
        .arg(number("page-limit", "256", "Most entries in a get-entries answer"))
        .arg(
            Arg::new("page-aligned")
                .long("page-aligned")
                .action(ArgAction::SetTrue)
                .help("End get-entries answers at multiples of the page limit"),
        )
        .arg(
            option(
                "plant",
                "INDEX=NAME",
                "",
                "Name of an entry's certificate in the first RFC 6962 log",
            )
            .action(ArgAction::Append)
            .value_parser(planted),
        )
        .args(cli::arguments())
        .arg(
            option("corpus", "DIR", "", "Folder of real entries to serve as further logs")
                .value_parser(value_parser!(PathBuf)),
        )
}

/// An option with a value; one without a default may be left out.
fn option(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> Arg {
    let arg = Arg::new(name).long(name).value_name(value).help(help);
    if default.is_empty() { arg } else { arg.default_value(default) }
}

fn number(name: &'static str, default: &'static str, help: &'static str) -> Arg {
    option(name, "N", default, help).value_parser(value_parser!(u64))
}

fn planted(text: &str) -> Result<(u64, String), String> {
    let (index, name) = text.split_once('=').ok_or("INDEX=NAME is expected")?;
    let index = index.parse().map_err(|_| format!("{index:?} is not an index"))?;
    Ok((index, name.to_owned()))
}

fn config(matches: &ArgMatches) -> anyhow::Result<Config> {
    let defaults = Config::default();
    let optional = |name| matches.get_one::<u64>(name).copied();
    let number = |name| optional(name).unwrap_or_default();
    Ok(Config {
        seed: number("seed"),
        rfc6962: number("rfc6962").try_into().context("--rfc6962")?,
        static_ct: number("static-ct").try_into().context("--static-ct")?,
        hosts: number("hosts").try_into().context("--hosts")?,
        copies: number("copies").try_into().context("--copies")?,
        rate: matches.get_one("rate").copied().unwrap_or(defaults.rate),
        initial_size: number("initial-size"),
        max_size: optional("max-size"),
        publish_interval: Duration::from_millis(number("publish-interval-ms")),
        page_limit: number("page-limit"),
        page_aligned: matches.get_flag("page-aligned"),
        corpus: matches.get_one("corpus").cloned(),
        planted: matches.get_many("plant").into_iter().flatten().cloned().collect(),
        epoch: optional("epoch"),
        named: None,
    })
}

#[tokio::main]
async fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let host = matches.get_one("host").copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = matches.get_one("port").copied().unwrap_or_default();
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let listener = TcpListener::bind((host, port))
        .await
        .with_context(|| format!("cannot listen on {host} port {port}"))?;
    let sim = Sim::start(config(matches)?, listener).await?;
    cli::apply(&sim, matches);
    announce(&sim).context("cannot write to standard output")?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result.context("cannot watch for Ctrl-C")?,
    }
    sim.shutdown().await;
    Ok(())
}

/// Says on standard output where everything is.
fn announce(sim: &Sim) -> io::Result<()> {
    let logs: Vec<_> = sim
        .logs()
        .iter()
        .map(|log| {
            let protocol = match log.protocol() {
                Protocol::Rfc6962 => "rfc6962",
                Protocol::StaticCt => "static-ct",
            };
            json!({
                "name": log.name(),
                "protocol": protocol,
                "url": log.url(),
                "submission_url": log.submission_url(),
                "log_id": log.log_id().to_string(),
                "size": log.size(),
            })
        })
        .collect();
    let line = json!({
        "base_url": sim.base_url(),
        "list_url": sim.list_url(),
        "list_signature_url": format!("{}log_list.sig", sim.base_url()),
        "list_key_url": format!("{}log_list_pubkey.pem", sim.base_url()),
        "logs": logs,
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
