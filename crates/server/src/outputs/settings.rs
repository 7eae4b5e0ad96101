//! The settings of outputs, made from the configuration.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use config::outputs::{
    KafkaCompression, KafkaKey, Nats, OnFull, OutputStream, ProcessorType, SaslMechanism,
    StreamProcessor,
};
use config::{CompatProfile, Config};
use sinks::{
    BrokerSettings, Compression, KafkaSettings, Mechanism, NatsCredentials, NatsSettings,
    OutputSettings, Sasl, Secret, Tls, read_secret,
};
use wire::StreamKind;

use crate::options;
use crate::publish::messages::Rendering;

/// Defaults of outputs to Kafka.
const DEPTH: u64 = 10_000;
const TIMEOUT_SECS: u64 = 30;

/// An output of the configuration.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) settings: OutputSettings,
    /// The form of its messages.
    pub(super) form: Rendering,
    /// The name of its task.
    pub(super) task: &'static str,
}

/// Returns what is wrong with the files that outputs use.
pub(crate) fn check(config: &Config) -> Option<anyhow::Error> {
    outputs(config).err()
}

/// Returns the outputs that are enabled.
///
/// # Errors
/// If a file that the configuration names cannot be read.
pub(super) fn outputs(config: &Config) -> anyhow::Result<Vec<Configured>> {
    let mut outputs = Vec::new();
    if config.nats.enabled {
        outputs.push(nats(&config.nats)?);
    }
    for (index, output) in config.stream_processing.iter().enumerate() {
        // NSQ is refused by the rules of the configuration.
        if output.is_enabled() && output.kind == ProcessorType::Kafka {
            outputs.push(kafka(output, &format!("stream_processing[{index}]"))?);
        }
    }
    Ok(outputs)
}

fn nats(nats: &Nats) -> anyhow::Result<Configured> {
    let uses_tls = nats.tls || nats.ca_file.is_some() || nats.cert_file.is_some();
    let files = (nats.ca_file.as_deref(), nats.cert_file.as_deref(), nats.key_file.as_deref());
    let settings = NatsSettings {
        servers: nats.servers().map(str::to_owned).collect(),
        stream: nats.stream.clone(),
        subject_prefix: nats.subject_prefix.clone(),
        max_bytes: nats.max_bytes.get(),
        duplicate_window: Duration::from_secs(nats.duplicate_window_secs),
        replicas: usize::try_from(nats.replicas).unwrap_or(1),
        credentials: nats_credentials(nats)?,
        tls: if uses_tls { Some(tls("nats", files)?) } else { None },
    };
    Ok(Configured {
        settings: OutputSettings {
            name: "nats".to_owned(),
            broker: BrokerSettings::Nats(settings),
            on_full: on_full(nats.on_full, nats.queue_depth),
            publish_timeout: Duration::from_secs(nats.publish_timeout_secs),
        },
        form: rendering(nats.stream_kind, nats.profile),
        task: "output_nats",
    })
}

fn nats_credentials(nats: &Nats) -> anyhow::Result<NatsCredentials> {
    if let Some(file) = &nats.password_file {
        let (user, password) = (nats.user.clone(), secret("nats.password_file", file)?);
        return Ok(NatsCredentials::Password { user, password });
    }
    if let Some(file) = &nats.token_file {
        return Ok(NatsCredentials::Token(secret("nats.token_file", file)?));
    }
    if let Some(file) = &nats.nkey_file {
        return Ok(NatsCredentials::NKey(secret("nats.nkey_file", file)?));
    }
    if let Some(file) = &nats.creds_file {
        // It is read again at each connection.
        drop(secret("nats.creds_file", file)?);
        return Ok(NatsCredentials::File(file.clone()));
    }
    Ok(NatsCredentials::None)
}

fn kafka(output: &StreamProcessor, key: &str) -> anyhow::Result<Configured> {
    let files =
        (output.ca_file.as_deref(), output.cert_file.as_deref(), output.key_file.as_deref());
    let settings = KafkaSettings {
        brokers: output.addresses(),
        topic: output.topic().to_owned(),
        compression: match output.compression.unwrap_or_default() {
            KafkaCompression::None => Compression::None,
            KafkaCompression::Gzip => Compression::Gzip,
            KafkaCompression::Snappy => Compression::Snappy,
            KafkaCompression::Zstd => Compression::Zstd,
            KafkaCompression::Lz4 => Compression::Lz4,
        },
        key: match output.key.unwrap_or_default() {
            KafkaKey::Entry => sinks::KafkaKey::Entry,
            KafkaKey::Domain => sinks::KafkaKey::Domain,
        },
        sasl: sasl(output, key)?,
        tls: if output.uses_tls() { Some(tls(key, files)?) } else { None },
    };
    let timeout = output.publish_timeout_secs.unwrap_or(TIMEOUT_SECS);
    let depth = output.queue_depth.unwrap_or(DEPTH);
    Ok(Configured {
        settings: OutputSettings {
            name: output.name.clone(),
            broker: BrokerSettings::Kafka(settings),
            on_full: on_full(output.on_full.unwrap_or_default(), depth),
            publish_timeout: Duration::from_secs(timeout),
        },
        form: rendering(
            output.stream.unwrap_or_default(),
            output.profile.unwrap_or(CompatProfile::Go),
        ),
        task: "output_kafka",
    })
}

fn sasl(output: &StreamProcessor, key: &str) -> anyhow::Result<Option<Sasl>> {
    let (Some(user), Some(file)) = (&output.user, &output.password_file) else { return Ok(None) };
    let mechanism = match output.sasl_mechanism.unwrap_or_default() {
        SaslMechanism::Plain => Mechanism::Plain,
        SaslMechanism::ScramSha256 => Mechanism::ScramSha256,
        SaslMechanism::ScramSha512 => Mechanism::ScramSha512,
    };
    let password = secret(&format!("{key}.password_file"), file)?;
    Ok(Some(Sasl { mechanism, user: user.clone(), password }))
}

/// Returns the settings of TLS; each file is read once, so that a mistake prevents the start.
fn tls(
    key: &str,
    (ca, cert, private): (Option<&Path>, Option<&Path>, Option<&Path>),
) -> anyhow::Result<Tls> {
    for (name, file) in [("ca_file", ca), ("cert_file", cert), ("key_file", private)] {
        if let Some(file) = file {
            drop(secret(&format!("{key}.{name}"), file)?);
        }
    }
    let identity = cert.zip(private).map(|(cert, key)| (cert.to_owned(), key.to_owned()));
    Ok(Tls { ca_file: ca.map(Path::to_owned), identity })
}

fn secret(key: &str, file: &Path) -> anyhow::Result<Secret> {
    read_secret(file).with_context(|| key.to_owned())
}

const fn on_full(on_full: OnFull, depth: u64) -> sinks::OnFull {
    match on_full {
        OnFull::Block => sinks::OnFull::Block,
        OnFull::Drop => sinks::OnFull::Drop { depth },
    }
}

const fn rendering(stream: OutputStream, profile: CompatProfile) -> Rendering {
    let kind = match stream {
        OutputStream::Full => StreamKind::Full,
        OutputStream::Lite => StreamKind::Lite,
        OutputStream::DomainsOnly => StreamKind::Domains,
    };
    Rendering { kind, profile: options::wire_profile(profile), backfilled: false }
}
