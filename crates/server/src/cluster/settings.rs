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

/// Returns the settings of the stream, for a program that may create it or not.
///
/// # Errors
/// If a file that the configuration names cannot be read.
pub(super) fn stream(cluster: &Cluster, may_create: bool) -> anyhow::Result<Settings> {
    Ok(Settings {
        may_create,
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
        stream(&config.cluster, false)?;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_comes_from_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, "well kept\n").expect("writable");
        let file = Some(path);
        let cluster = Cluster { token_file: file.clone(), ..Cluster::default() };
        let token = stream(&cluster, true).expect("readable").credentials;
        assert!(matches!(token, Credentials::Token(token) if token == "well kept"));
        let user = Some("nodes".to_owned());
        let cluster = Cluster { user, password_file: file, ..Cluster::default() };
        let Credentials::User { user, password } =
            stream(&cluster, true).expect("readable").credentials
        else {
            panic!("a user with a password")
        };
        assert_eq!((user.as_str(), password.as_str()), ("nodes", "well kept"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_its_key() {
        let missing = Some("/does/not/exist".into());
        let url = vec!["nats://127.0.0.1:4222".to_owned()];
        let cases = [
            ("nkey_file", Cluster { nkey_file: missing.clone(), ..Cluster::default() }),
            ("creds_file", Cluster { creds_file: missing.clone(), ..Cluster::default() }),
            ("ca_file", Cluster { ca_file: missing, ..Cluster::default() }),
        ];
        for (key, cluster) in cases {
            let cluster = Cluster { url: url.clone(), ..cluster };
            let config = Config { cluster: cluster.clone(), ..Config::default() };
            let error = format!("{:#}", check(&config).expect("refused"));
            assert!(error.contains(&format!("cluster.{key}")), "{error}");
            assert!(error.contains("/does/not/exist"), "{error}");
            let off = Cluster { url: Vec::new(), ..cluster };
            assert!(check(&Config { cluster: off, ..Config::default() }).is_none(), "{key}");
        }
    }
}
