//! Dead letters that are sent again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use alerts::Alert;
use alerts::delivery::{DeadLetter, DeadLetters, Outcome, Receiver, Retry};
use anyhow::{Context as _, bail, ensure};
use client::text::shown;
use config::{Config, RetryAlerts};

use crate::alerts::settings;

/// Attempts for an alert at most.
const ATTEMPTS: u32 = 5;
/// The pause after the first failure; it doubles with each.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, also if the receiver asks for a longer one.
const LONGEST: Duration = Duration::from_secs(60);

/// Sends dead letters again, the oldest first. Each that arrives leaves the file at once.
///
/// # Errors
/// If the file cannot be used, or an alert did not arrive.
pub(super) async fn run(
    config: &Config,
    letters: &DeadLetters,
    command: &RetryAlerts,
    print: impl Fn(&str),
) -> anyhow::Result<String> {
    run_with(config, letters, command, PAUSE, print).await
}

/// Does so with a pause after the first failure of an alert.
pub(super) async fn run_with(
    config: &Config,
    letters: &DeadLetters,
    command: &RetryAlerts,
    pause: Duration,
    print: impl Fn(&str),
) -> anyhow::Result<String> {
    let place = || letters.path().display().to_string();
    let receivers = Receivers::new(config, command)?;
    let Some(mut retry) = letters.retry().with_context(place)? else {
        return Ok("no alert that did not arrive\n".to_owned());
    };
    let mut sending = Sending { receivers, command, print, pause, counts: Counts::default() };
    let outcome = sending.send_all(&mut retry).await.with_context(place);
    let unreadable = retry.unreadable();
    // Also after a failure.
    let finished = retry.finish().with_context(place);
    outcome.and(finished)?;
    sending.counts.report(unreadable)
}

/// The receivers of a configuration.
struct Receivers {
    by_name: HashMap<String, Receiver>,
}

impl Receivers {
    fn new(config: &Config, command: &RetryAlerts) -> anyhow::Result<Self> {
        let named = command.to.as_ref().map_or(&*command.receivers, std::slice::from_ref);
        let is_wanted = |name: &str| named.is_empty() || named.iter().any(|wanted| wanted == name);
        let receivers = settings::receivers(config, is_wanted)?;
        let by_name: HashMap<_, _> =
            receivers.into_iter().map(|one| (one.name, one.receiver)).collect();
        if let Some(name) = &command.to
            && !by_name.contains_key(name)
        {
            bail!("--to: alerts.receivers has no receiver named {name:?}");
        }
        Ok(Self { by_name })
    }
}

/// The numbers of letters.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    arrived: u64,
    failed: u64,
}

impl Counts {
    fn report(&self, unreadable: usize) -> anyhow::Result<String> {
        let Self { arrived, failed } = self;
        if unreadable > 0 {
            let text = "lines of the file cannot be read; they stay in it";
            logging::print_warning(&format!("{unreadable} {text}"));
        }
        ensure!(
            *failed == 0,
            "{failed} alerts did not arrive and stay in the file; {arrived} arrived"
        );
        Ok(format!("{arrived} alerts arrived\n"))
    }
}

/// The state of the command.
struct Sending<'c, P> {
    receivers: Receivers,
    command: &'c RetryAlerts,
    print: P,
    pause: Duration,
    counts: Counts,
}

impl<P: Fn(&str)> Sending<'_, P> {
    async fn send_all(&mut self, retry: &mut Retry<'_>) -> std::io::Result<()> {
        // Receivers to which no more is sent, because the next ones would arrive before this one.
        let mut given_up = HashSet::new();
        while let Some(letter) = retry.next_letter()? {
            if !self.is_wanted(&letter) {
                continue;
            }
            let name = self.command.to.as_ref().unwrap_or(&letter.receiver).clone();
            match self.send(&name, &letter.alert, &mut given_up).await {
                Ok(()) => {
                    retry.remove()?;
                    self.counts.arrived += 1;
                }
                Err(reason) => {
                    self.counts.failed += 1;
                    if let Some(reason) = reason {
                        let (rule, id) = (shown(&letter.alert.rule), shown(&letter.alert.id));
                        (self.print)(&format!("{name}: alert {id} of {rule}: {}", shown(&reason)));
                    }
                }
            }
        }
        Ok(())
    }

    fn is_wanted(&self, letter: &DeadLetter) -> bool {
        let RetryAlerts { rules, receivers, .. } = self.command;
        let has = |wanted: &[String], name: &String| wanted.is_empty() || wanted.contains(name);
        has(rules, &letter.alert.rule) && has(receivers, &letter.receiver)
    }

    /// Sends an alert. The error is the reason, the first time that it is one for all alerts to the receiver.
    async fn send(
        &self,
        name: &str,
        alert: &Alert,
        given_up: &mut HashSet<String>,
    ) -> Result<(), Option<String>> {
        if given_up.contains(name) {
            return Err(None);
        }
        let Some(receiver) = self.receivers.by_name.get(name) else {
            given_up.insert(name.to_owned());
            let text = "no receiver in alerts.receivers has this name; --to sends to another one";
            return Err(Some(text.to_owned()));
        };
        let (mut pause, mut attempt) = (self.pause, 1);
        loop {
            match receiver.send(alert).await {
                Outcome::Accepted => return Ok(()),
                Outcome::Refused { reason } => return Err(Some(reason)),
                Outcome::Later { reason, .. } if attempt == ATTEMPTS => {
                    given_up.insert(name.to_owned());
                    return Err(Some(format!("{reason}; nothing more is sent to it")));
                }
                Outcome::Later { after, .. } => {
                    tokio::time::sleep(pause.max(after.unwrap_or_default()).min(LONGEST)).await;
                    (pause, attempt) = (pause.saturating_mul(2), attempt + 1);
                }
            }
        }
    }
}
