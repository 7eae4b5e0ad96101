//! Metrics under the names that other servers give them, so that dashboards made for those work
//! (`metrics.compat`).

mod go;
mod rust;

use config::MetricsCompat;
use sinks::Figures;

use super::Scrape;
use super::text::Exposition;
use crate::metrics::{ConnectionLabels, EntryLabels};

/// Appends the metrics of another server.
pub(super) fn write(server: MetricsCompat, scrape: &Scrape, out: &mut Exposition) {
    match server {
        MetricsCompat::Go => go::write(scrape, out),
        MetricsCompat::Rust => rust::write(scrape, out),
    }
}

impl Scrape {
    /// Returns the open connections.
    fn connections(&self, protocol: &'static str, stream: &'static str) -> u64 {
        let labels = ConnectionLabels { protocol, stream };
        let open = self.metrics.connections.get_or_create(&labels).get();
        u64::try_from(open).unwrap_or(0)
    }

    /// Returns the figures of the output to NATS; zeros without one.
    fn nats(&self) -> Figures {
        let nats = self.outputs.iter().find(|output| output.name() == "nats");
        nats.map(|output| output.figures()).unwrap_or_default()
    }

    /// Returns the certificates published of one kind.
    fn certificates(&self, update_type: &'static str) -> u64 {
        self.metrics.certificates.get_or_create(&EntryLabels { update_type }).get()
    }
}
