//! The command `backfill`: reads ranges of logs, proves every entry against a head that the log has
//! signed, and stores them in parts of fixed ranges that appear only when they are complete.
//!
//! ```text
//!  logs ──► span (which entries) ──► VerifiedRange ──► archive::writer ──► archive::place
//!  (list)                              one for each part   (thread)            (rename, or a store)
//! ```

mod display;
mod error;
mod logs;
mod progress;
mod reading;
mod settings;
mod span;

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ctclient::{Client, IssuerStore};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::archive::place::Place;
use crate::run::report_limits_as_errors;
pub use display::ProgressDisplay;
pub use error::BackfillError;
use logs::Selected;
pub use progress::Events;
use progress::Progress;
use reading::LogReading;
pub use settings::{BackfillSettings, Bounds, Logs, TimeBound};

/// The longest time of a request, body included. Some logs take half a minute.
const TIMEOUT: Duration = Duration::from_secs(90);
/// Logs that are read at the same time.
const LOGS_AT_ONCE: usize = 4;
/// The bytes of a log's pages that are proved together. Each proof takes a few requests.
const WAITING_BYTES: usize = 16 << 20;
/// The bytes of each request of a log: of most responses, and of the entries made of them.
const REQUEST_BYTES: usize = 4 << 20;

/// The parts that the readings of all logs share.
#[derive(Debug)]
struct Shared {
    settings: BackfillSettings,
    place: Place,
    client: Client,
    issuers: Arc<IssuerStore>,
    progress: Arc<Progress>,
}

/// Reads until all ranges are in the output, or `stop` is done.
///
/// # Errors
///
/// If a range cannot be read or proved. Parts that are complete stay, and the next run continues.
pub async fn run(
    settings: BackfillSettings,
    mut display: ProgressDisplay,
    stop: impl Future<Output = ()>,
) -> Result<(), BackfillError> {
    report_limits_as_errors();
    let client = Client::new(&settings.user_agent, TIMEOUT)
        .map_err(|error| BackfillError::Client(error.to_string()))?
        .with_body_bytes(body_bytes(settings.concurrency));
    // The user has named the list, and so the logs that are in it.
    client.allow_private_addresses(settings.list.is_some());
    let mut stop = pin!(stop);
    let listed = tokio::select! {
        list = logs::fetch(&client, settings.list.as_deref()) => logs::select(&list?, &settings.logs)?,
        () = &mut stop => return Err(BackfillError::Stopped),
    };
    let place = Place::open(&settings.output, &settings.spool, &settings.allowed)?;
    let (issuers, progress) = (Arc::default(), Arc::new(Progress::new(display.events())));
    let shared = Arc::new(Shared { settings, place, client, issuers, progress });
    let outcome = {
        let mut reading = pin!(read_all(&shared, listed));
        loop {
            tokio::select! {
                outcome = &mut reading => break outcome,
                () = &mut stop => break Err(BackfillError::Stopped),
                () = display.due() => display.show(&shared.progress),
            }
        }
    };
    display.end(&shared.progress, outcome.is_ok());
    // Parts that are incomplete are removed at the next start too.
    if let Err(error) = shared.place.clean() {
        tracing::warn!(%error, "incomplete parts are not removed");
    }
    outcome
}

/// Returns the most bytes of responses, and of pages made of them, in memory.
const fn body_bytes(concurrency: usize) -> usize {
    LOGS_AT_ONCE * (WAITING_BYTES + concurrency * REQUEST_BYTES)
}

/// Reads the logs, a few at a time. One that fails does not stop the others.
async fn read_all(shared: &Arc<Shared>, listed: Vec<Selected>) -> Result<(), BackfillError> {
    let turns = Arc::new(Semaphore::new(LOGS_AT_ONCE));
    let are_several = listed.len() > 1;
    let mut readings = JoinSet::new();
    for log in listed {
        let (shared, turns) = (Arc::clone(shared), Arc::clone(&turns));
        readings.spawn(async move {
            // The semaphore is never closed.
            let _turn = turns.acquire().await;
            LogReading::new(shared, &log)?.run().await
        });
    }
    let mut failed: Vec<BackfillError> = Vec::new();
    while let Some(done) = readings.join_next().await {
        match done {
            Ok(Ok(())) => {}
            // Nothing can be written for the other logs either.
            Ok(Err(error @ BackfillError::Place(_))) => return Err(error),
            Ok(Err(error)) => {
                // The only one is the outcome of the run.
                if are_several {
                    tracing::error!("{error}");
                }
                failed.push(error);
            }
            Err(panic) => return Err(BackfillError::Defect(panic.to_string())),
        }
    }
    // The gravest one decides the exit status.
    failed.sort_by_key(BackfillError::gravity);
    match (failed.len(), failed.pop()) {
        (_, None) => Ok(()),
        (1, Some(error)) => Err(error),
        (count, Some(error)) => Err(BackfillError::Several { count, gravest: Box::new(error) }),
    }
}

/// Returns the folder for evidence of contradictions.
fn evidence_folder(place: &Place) -> std::path::PathBuf {
    let name = format!("{}-evidence", place.name().trim_end_matches('/'));
    if name.starts_with("s3://") {
        place.staging().join("evidence")
    } else {
        Path::new(&name).to_owned()
    }
}
