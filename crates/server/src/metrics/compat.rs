//! Metrics under the names that other servers give them, so that dashboards made for those work
//! (`metrics.compat`).

mod go;
mod rust;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use feed::Hub;
use follow::{Counters, Fleet, Protocol, Snapshot, Standing};

use super::exposition::Exposition;
use super::{ConnectionLabels, EntryLabels, Metrics};
use crate::publish::CertificateStream;
use config::{Config, MetricsCompat};

/// What the metrics are read from.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The server's own counts.
    pub metrics: &'a Metrics,
    /// The stream.
    pub hub: &'a Hub<CertificateStream>,
    /// The followed logs.
    pub fleet: &'a Arc<Fleet>,
}

/// Appends the metrics of another server.
pub(super) fn write(whose: MetricsCompat, view: &View<'_>, out: &mut Exposition) {
    match whose {
        MetricsCompat::Go => go::write(view, out),
        MetricsCompat::Rust => rust::write(view, out),
    }
}

/// A log and where it stood at the moment of the scrape.
struct Log {
    standing: Standing,
    at: Snapshot,
}

impl Log {
    fn count(&self, counter: fn(&Counters) -> &AtomicU64) -> u64 {
        counter(&self.standing.status.counters).load(Ordering::Relaxed)
    }

    fn named(&self) -> &follow::Log {
        &self.standing.status.log
    }

    fn is(&self, protocol: Protocol) -> bool {
        self.named().protocol == protocol
    }
}

impl View<'_> {
    fn logs(&self) -> Vec<Log> {
        let logs = self.fleet.standings().into_iter().map(|standing| {
            let at = standing.status.snapshot();
            Log { standing, at }
        });
        logs.collect()
    }

    /// Connections open now.
    fn connections(&self, protocol: &'static str, stream: &'static str) -> u64 {
        let labels = ConnectionLabels { protocol, stream };
        let open = self.metrics.connections.get_or_create(&labels).get();
        u64::try_from(open).unwrap_or(0)
    }

    /// Certificates published of one kind.
    fn certificates(&self, update_type: &'static str) -> u64 {
        self.metrics.certificates.get_or_create(&EntryLabels { update_type }).get()
    }
}
