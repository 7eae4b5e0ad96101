//! Replacing the configuration without a restart: on SIGHUP, and when the file changes.
//!
//! An invalid configuration changes nothing: the one in use stays, and an error is logged and counted.
//! Everything that can fail is tried before anything is changed. A setting that requires a restart
//! keeps its value, and is named in a warning.

pub mod live;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use config::{Config, ConfigError, Setup};
use follow::Log;
use follow::catalogue::CatalogueOptions;
use logging::causes::in_full;
use parking_lot::Mutex;
use supervise::Supervisor;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use wire::filter::Filters;

use self::live::{Live, WeakLive};
use self::watch::Watch;
use crate::alerts;
use crate::http::guard::Policy;
use crate::http::listener::tls::{Tls, TlsFiles};
use crate::metrics::Metrics;
use crate::operations::systemd;
use crate::options;
use crate::publish::recent::RecentCertificates;

/// Sets the level of the server's own log lines, in the format of `log_level`.
pub type SetLevel = Arc<dyn Fn(&str) -> anyhow::Result<()> + Send + Sync>;

/// Follows the logs of another configuration: those that it names, and those of its lists.
pub(crate) type ChangeLogs = Arc<dyn Fn(&Config, Vec<Log>, Option<CatalogueOptions>) + Send + Sync>;

/// The parts of the server that a new configuration changes while they run.
pub(crate) struct Reloadable {
    /// The TLS files of the server's listener, where it has TLS.
    pub(crate) tls: Option<TlsFiles>,
    /// Changes the followed logs, where they are those of the configuration.
    pub(crate) logs: Option<ChangeLogs>,
    pub(crate) filters: Filters,
    pub(crate) recent: Arc<RecentCertificates>,
    /// Replaces the rules and receivers of alerts.
    pub(crate) alerts: alerts::Replace,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Supervisor,
    pub(crate) set_level: SetLevel,
}

/// A handle that gives a running server new configurations. Clones share it.
#[derive(Clone)]
pub struct Reloads(Arc<Inner>);

struct Inner {
    live: WeakLive,
    parts: Reloadable,
    /// Locked while a configuration is applied.
    applying: Mutex<()>,
}

impl fmt::Debug for Reloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloads").finish_non_exhaustive()
    }
}

impl Reloads {
    pub(crate) fn new(live: &Live, parts: Reloadable) -> Self {
        Self(Arc::new(Inner { live: live.downgrade(), parts, applying: Mutex::default() }))
    }

    /// Applies another configuration; returns the keys whose new value requires a restart.
    ///
    /// Reads the files that the configuration names, so it may block.
    ///
    /// # Errors
    /// The configuration cannot be used. Then nothing has changed.
    pub fn apply(&self, wanted: &Config) -> anyhow::Result<Vec<&'static str>> {
        let Inner { live, parts, applying } = &*self.0;
        let Reloadable { tls, logs, filters, recent, alerts, metrics, set_level, .. } = parts;
        let live = live.upgrade().context("the server is stopping")?;
        let _one_at_a_time = applying.lock();
        let running = live.config();
        let (config, postponed) = config::without_restart(&running, wanted)?;
        let catalogue = options::catalogue(&config)?;
        let configured = options::configured_logs(&config)?;
        let files = config.tls_cert.as_deref().zip(config.tls_key.as_deref());
        if let Some((cert, key)) = files {
            drop(Tls::load(cert, key)?);
        }
        let policy = Policy::compile(&config)?;
        let rules = alerts.read(&config)?;
        if config.log_level != running.log_level {
            set_level(&config.log_level)?;
        }
        // From here on nothing fails.
        if let (Some(tls), Some((cert, key))) = (tls, files) {
            tls.set(cert, key);
        }
        filters.set_limits(options::filter_limits(&config));
        if let Some(change) = logs
            && logs_differ(&running, &config)
        {
            change(&config, configured, catalogue);
        }
        let (certificates, bytes) = options::recent_limits(&config);
        recent.limit(certificates, bytes);
        alerts.apply(rules);
        live.replace(config, policy);
        metrics.config_reloads.inc();
        Ok(postponed)
    }

    /// Reads a configuration, applies it, and logs the outcome. Returns the setup; `None` if it cannot
    /// be used.
    fn reload(&self, read: &Read) -> Option<Setup> {
        let outcome = read().map_err(anyhow::Error::from).and_then(|setup| {
            let postponed = self.apply(&setup.config)?;
            Ok((setup, postponed))
        });
        match outcome {
            Ok((setup, postponed)) => {
                for warning in &setup.warnings {
                    tracing::warn!("{warning}");
                }
                if !postponed.is_empty() {
                    let keys = postponed.join(", ");
                    tracing::warn!(keys, "these settings have changed and require a restart");
                }
                let file = setup.file.as_ref().map(|path| path.display().to_string());
                tracing::info!(file, "configuration reloaded");
                Some(setup)
            }
            Err(error) => {
                self.0.parts.metrics.config_reload_failures.inc();
                tracing::error!(
                    "the new configuration is invalid; the previous one stays in use: {}",
                    in_full(error.as_ref())
                );
                None
            }
        }
    }
}

/// Reports whether the followed logs may differ. A key's file may have changed without its name.
fn logs_differ(running: &Config, config: &Config) -> bool {
    running.ct_log != config.ct_log
        || running.custom_logs != config.custom_logs
        || running.static_logs != config.static_logs
        || config.ct_log.log_list_key_file.is_some()
}

/// Reads the configuration from command line, environment and file.
pub type Read = dyn Fn() -> Result<Setup, ConfigError> + Send + Sync;

/// Reloads for ever: on each signal, and, while `hot_reload.enabled` is on, whenever the file or a file
/// of `hot_reload.watch_path` changes.
pub async fn run(reloads: Reloads, read: Arc<Read>, file: Option<PathBuf>, on: Signal) {
    let tasks = reloads.0.parts.tasks.clone();
    let on = tokio::sync::Mutex::new(on);
    tasks.run("reload", || watch_and_reload(&reloads, &read, file.clone(), &on)).await;
}

async fn watch_and_reload(
    reloads: &Reloads,
    read: &Arc<Read>,
    mut file: Option<PathBuf>,
    on: &tokio::sync::Mutex<Signal>,
) {
    let mut on = on.lock().await;
    loop {
        let Some(live) = reloads.0.live.upgrade() else { return };
        let config = live.config();
        drop(live);
        let hot = config.hot_reload.enabled;
        let paths = file.iter().chain(&config.hot_reload.watch_path);
        let mut watch = hot.then(|| Watch::new(paths.cloned().collect()));
        // The watched files stay the same until another configuration is in use.
        loop {
            let signalled = tokio::select! {
                told = on.recv() => told.is_some(),
                () = Watch::changed(watch.as_mut()) => false,
            };
            tracing::info!(signalled, "reloading the configuration");
            systemd::reloading();
            let (reloads, read) = (reloads.clone(), Arc::clone(read));
            let outcome = spawn_blocking(move || reloads.reload(&*read)).await;
            systemd::ready();
            match outcome {
                Ok(Some(setup)) => {
                    file = setup.file;
                    break;
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "reloading the configuration failed"),
            }
        }
    }
}
