//! Following other logs than before, without a restart.

use std::sync::Arc;

use ctclient::Log;

use super::{Fleet, Followed, update};
use crate::catalogue::CatalogueOptions;

impl Fleet {
    /// Follows these configured logs, and those of the lists as configured now; stops all others at
    /// once. Their positions are kept, and a log that is followed again resumes there. Lists already
    /// fetched are not fetched again.
    pub fn change(self: &Arc<Self>, configured: Vec<Log>, catalogue: Option<CatalogueOptions>) {
        self.unfollow(|followed| {
            let same = |wanted: &Log| wanted.is_followed_as(&followed.status.log);
            followed.is_configured && !configured.iter().any(same)
        });
        for log in configured {
            self.follow(log, None);
        }
        self.catalogue.send_replace(catalogue);
    }

    /// Stops following some logs where they stand.
    pub(super) fn unfollow(&self, is_meant: impl Fn(&Followed) -> bool) {
        let mut logs = self.logs.lock();
        let urls: Vec<String> =
            logs.iter().filter(|(_, log)| is_meant(log)).map(|(url, _)| url.clone()).collect();
        for url in urls {
            let Some(Followed { status, running, .. }) = logs.remove(&url) else { continue };
            if let Some(running) = running {
                running.abort();
                tracing::info!(log = status.log.name, url, "log is no longer selected");
            }
            if status.resume().is_some() {
                update(self.saved.lock().logs.entry(url).or_default(), &status);
            }
            self.given_up.lock().push(status);
        }
    }
}
