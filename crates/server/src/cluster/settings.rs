//! The settings of a cluster, made from the configuration.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use config::{Cluster, Config, Role};
use relay::{Credentials, Settings};
use sinks::read_secret;

/// Time to wait for a response of a server.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Reports whether the server is a node of a cluster.
pub(crate) fn is_node(config: &Config) -> bool {
    config.cluster.is_on()
}

/// Reports whether the node may lead.
pub(super) fn may_lead(config: &Config) -> bool {
    config.role != Role::Edge
}

/// Returns the settings of the stream.
///
/// # Errors
/// If a file that the configuration names cannot be read.
pub(super) fn stream(cluster: &Cluster) -> anyhow::Result<Settings> {
    Ok(Settings {
        servers: cluster.servers().map(str::to_owned).collect(),
        stream: cluster.stream.clone(),
        replicas: usize::try_from(cluster.replicas).unwrap_or(1),
        max_bytes: cluster.max_bytes.get(),
        max_age: cluster.max_age.map_or(Duration::ZERO, config::Span::get),
        credentials: credentials(cluster)?,
        ca: cluster.ca_file.clone(),
        requires_tls: cluster.tls,
        timeout: TIMEOUT,
    })
}

/// Returns what is wrong with the files that the settings name.
pub(crate) fn check(config: &Config) -> Option<anyhow::Error> {
    let files = || {
        stream(&config.cluster)?;
        if let Some(file) = &config.cluster.ca_file {
            std::fs::read(file)
                .with_context(|| format!("cluster.ca_file: {} cannot be read", file.display()))?;
        }
        Ok(())
    };
    if is_node(config) { files().err() } else { None }
}

fn credentials(cluster: &Cluster) -> anyhow::Result<Credentials> {
    if let Some(file) = &cluster.password_file {
        let password = secret("cluster.password_file", file)?;
        let user = cluster.user.clone().unwrap_or_default();
        return Ok(Credentials::User { user, password });
    }
    if let Some(file) = &cluster.token_file {
        return Ok(Credentials::Token(secret("cluster.token_file", file)?));
    }
    if let Some(file) = &cluster.nkey_file {
        return Ok(Credentials::Nkey(secret("cluster.nkey_file", file)?));
    }
    if let Some(file) = &cluster.creds_file {
        // The connection reads it again.
        drop(secret("cluster.creds_file", file)?);
        return Ok(Credentials::File(file.clone()));
    }
    Ok(Credentials::None)
}

fn secret(key: &str, file: &Path) -> anyhow::Result<String> {
    let secret = read_secret(file).with_context(|| key.to_owned())?;
    Ok(secret.reveal().to_owned())
}
