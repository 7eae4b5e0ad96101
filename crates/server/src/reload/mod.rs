//! Another configuration without a restart: on SIGHUP, and when the file changes.
//!
//! A configuration that is wrong changes nothing: the one in use stays, an error is logged and
//! counted. What can fail is tried before anything is changed. What takes a restart keeps its value,
//! and is named in a warning.

mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;

use crate::http::guard::Policy;
use crate::http::tls::{Tls, TlsFiles};
use crate::live::{Live, WeakLive};
use crate::{service, sources};
use config::{Config, ConfigError, Setup};
use logging::causes::in_full;
use watch::Watch;

/// Sets what the server logs about itself, in the words of `log_level`.
pub type SetLevel = Arc<dyn Fn(&str) -> anyhow::Result<()> + Send + Sync>;

/// Gives a running server other configurations. Clones are the same.
#[derive(Clone)]
pub struct Reloads(Arc<Inner>);

struct Inner {
    live: WeakLive,
    tls: Option<TlsFiles>,
    /// Whether the logs of the configuration are followed.
    follows: bool,
    set_level: SetLevel,
    /// One at a time.
    applying: Mutex<()>,
}

impl fmt::Debug for Reloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloads").finish_non_exhaustive()
    }
}

impl Reloads {
    pub(crate) fn new(
        live: &Live,
        tls: Option<TlsFiles>,
        follows: bool,
        set_level: SetLevel,
    ) -> Self {
        let (live, applying) = (live.downgrade(), Mutex::default());
        Self(Arc::new(Inner { live, tls, follows, set_level, applying }))
    }

    /// Goes over to another configuration; returns the keys whose new value takes a restart.
    ///
    /// Reads the files that the configuration names, so it may block.
    ///
    /// # Errors
    /// When the configuration cannot be used. Then nothing has changed.
    pub fn apply(&self, wanted: &Config) -> anyhow::Result<Vec<&'static str>> {
        let Inner { live, tls, follows, set_level, applying } = &*self.0;
        let live = live.upgrade().context("the server is stopping")?;
        let _one_at_a_time = applying.lock();
        let running = live.config();
        let (config, waiting) = config::without_restart(&running, wanted)?;
        let catalogue = sources::catalogue(&config)?;
        let by_hand = sources::logs_by_hand(&config)?;
        let files = config.tls_cert.as_deref().zip(config.tls_key.as_deref());
        if let Some((cert, key)) = files {
            drop(Tls::load(cert, key)?);
        }
        let policy = Policy::compile(&config)?;
        if config.log_level != running.log_level {
            set_level(&config.log_level)?;
        }
        // From here on nothing fails.
        if let (Some(tls), Some((cert, key))) = (tls, files) {
            tls.set(cert, key);
        }
        let shared = live.shared();
        shared.filters.set_limits(sources::filter_limits(&config));
        if *follows && other_logs(&running, &config) {
            shared.fleet.change(by_hand, catalogue);
        }
        let (certificates, bytes) = sources::recent_limits(&config);
        shared.recent.limit(certificates, bytes);
        live.replace(config, policy);
        shared.metrics.config_reloads.inc();
        Ok(waiting)
    }

    /// Reads a configuration and goes over to it, and says how that went. Returns where it came
    /// from; `None` if it cannot be used.
    fn reload(&self, read: &Read) -> Option<Setup> {
        let outcome = read().map_err(anyhow::Error::from).and_then(|setup| {
            let waiting = self.apply(&setup.config)?;
            Ok((setup, waiting))
        });
        match outcome {
            Ok((setup, waiting)) => {
                for warning in &setup.warnings {
                    tracing::warn!("{warning}");
                }
                if !waiting.is_empty() {
                    let keys = waiting.join(", ");
                    tracing::warn!(keys, "these settings have changed and take a restart");
                }
                let file = setup.file.as_ref().map(|path| path.display().to_string());
                tracing::info!(file, "the configuration was read again");
                Some(setup)
            }
            Err(error) => {
                if let Some(live) = self.0.live.upgrade() {
                    live.shared().metrics.config_reload_failures.inc();
                }
                tracing::error!(
                    "the new configuration cannot be used, the one before it stays: {}",
                    in_full(error.as_ref())
                );
                None
            }
        }
    }
}

/// Whether other logs are to be followed. A key's file may have changed without its name.
fn other_logs(running: &Config, config: &Config) -> bool {
    running.ct_log != config.ct_log
        || running.custom_logs != config.custom_logs
        || running.static_logs != config.static_logs
        || config.ct_log.log_list_key_file.is_some()
}

/// Reads the configuration from where it comes.
pub type Read = dyn Fn() -> Result<Setup, ConfigError> + Send + Sync;

/// Reloads for ever: on each signal, and whenever the file or what `hot_reload.watch_path` names
/// changes while `hot_reload.enabled` is on.
pub async fn run(reloads: Reloads, read: Arc<Read>, file: Option<PathBuf>, on: Signal) {
    let Some(live) = reloads.0.live.upgrade() else { return };
    let tasks = live.shared().tasks;
    drop(live);
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
        // Until another configuration is in use, what is watched stays the same.
        loop {
            let signalled = tokio::select! {
                told = on.recv() => told.is_some(),
                () = Watch::changed(watch.as_mut()) => false,
            };
            tracing::info!(signalled, "the configuration is read again");
            service::reloading();
            let (reloads, read) = (reloads.clone(), Arc::clone(read));
            let outcome = spawn_blocking(move || reloads.reload(&*read)).await;
            service::ready();
            match outcome {
                Ok(Some(setup)) => {
                    file = setup.file;
                    break;
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "reading the configuration has failed"),
            }
        }
    }
}
