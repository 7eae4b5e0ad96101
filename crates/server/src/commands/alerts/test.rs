//! A sample alert for receivers.

use std::time::Instant;

use alerts::Alert;
use alerts::delivery::Outcome;
use anyhow::{bail, ensure};
use client::text::shown;
use config::Config;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::sample;
use crate::alerts::settings::{self, Named};

/// Sends a sample alert to receivers, all at once, and prints what each answers.
///
/// # Errors
/// If a receiver is not configured, or does not take the alert.
pub(super) async fn run(
    config: &Config,
    names: &[String],
    print: impl Fn(&str),
) -> anyhow::Result<String> {
    let described = &config.alerts.receivers;
    ensure!(!described.is_empty(), "no receiver is configured (alerts.receivers)");
    let unknown = names.iter().find(|name| described.iter().all(|one| one.name != **name));
    if let Some(unknown) = unknown {
        bail!("alerts.receivers: there is no receiver named {unknown:?}");
    }
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let receivers = settings::receivers(config, is_wanted)?;
    let alert = sample::alert(config.alerts.link.as_deref(), Timestamp::now());
    let sent = receivers.iter().map(|one| send(one, &alert, &print));
    let failed = join_all(sent).await.into_iter().filter(|arrived| !arrived).count();
    ensure!(failed == 0, "{failed} receivers did not take the alert");
    Ok(String::new())
}

/// Sends an alert to a receiver once, prints the answer, and reports whether it arrived.
async fn send(to: &Named, alert: &Alert, print: &impl Fn(&str)) -> bool {
    let started = Instant::now();
    let (arrived, text) = match to.receiver.send(alert).await {
        Outcome::Accepted => {
            (true, format!("took the alert, after {} ms", started.elapsed().as_millis()))
        }
        Outcome::Later { reason, .. } => (false, format!("did not take the alert: {reason}")),
        Outcome::Refused { reason } => (false, format!("refuses the alert: {reason}")),
    };
    print(&format!("{} ({}): {}", to.name, to.receiver.shown(), shown(&text)));
    arrived
}
