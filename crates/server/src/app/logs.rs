//! The logs that the server follows, and the client that it reads them with.

use std::time::Duration;

use anyhow::Context as _;
use config::{Config, Verification};
use follow::catalogue::CatalogueOptions;
use follow::{Client, FleetOptions, position};

use super::Mode;
use crate::{demo, options};

/// Logs where evidence of alarms is saved.
pub(super) fn report_evidence(config: &Config) {
    match options::evidence_dir(config) {
        _ if config.verification == Verification::Off => {
            tracing::warn!(
                "verification is off: entries are not checked against the logs' signed trees"
            );
        }
        Some(folder) => tracing::debug!(folder = %folder.display(), "evidence of alarms is saved"),
        None => tracing::info!(
            "evidence of verification alarms will not be saved: set data_dir, or \
             verification_evidence_dir"
        ),
    }
}

/// Creates the client of the logs.
pub(crate) fn http_client(config: &Config) -> anyhow::Result<Client> {
    let timeout = Duration::from_secs(config.ct_log.request_timeout_secs);
    let client = Client::new(&options::user_agent(config), timeout);
    let client = client.context("cannot set up the HTTP client")?;
    client.allow_private_addresses(config.ct_log.allow_private_addresses);
    Ok(client
        .with_intervals(options::intervals(config))
        .with_body_bytes(options::in_flight_bytes(config)))
}

/// Returns the logs to follow from their saved positions, and the simulator they are from in a demo.
pub(super) async fn followed(
    config: &Config,
    mode: Mode,
    saved: position::State,
) -> anyhow::Result<(FleetOptions, Option<ctsim::Sim>)> {
    let follow = options::follow_options(config);
    let nothing = FleetOptions { follow, configured: Vec::new(), catalogue: None, saved };
    match mode {
        Mode::Serve => {
            let catalogue = options::catalogue(config)?;
            let configured = options::configured_logs(config)?;
            Ok((FleetOptions { configured, catalogue, ..nothing }, None))
        }
        Mode::DryRun => Ok((nothing, None)),
        Mode::Demo => {
            let sim = demo::start().await?;
            let options: CatalogueOptions = demo::catalogue(&sim)?;
            Ok((FleetOptions { catalogue: Some(options), ..nothing }, Some(sim)))
        }
    }
}
