//! Copying closed parts to an object store, where there is one and this program was built for it.

use tokio::sync::mpsc::UnboundedReceiver;

use crate::output::Closed;
#[cfg(feature = "s3")]
use crate::output::store::{Copies, Store};
use crate::run::RunError;
use crate::settings::{PartSettings, Target};

/// What copies, if anything does.
#[cfg(feature = "s3")]
pub(crate) struct Copier(Option<Store>);

/// Copies under way, if there are any.
#[cfg(feature = "s3")]
pub(crate) struct Copying(Option<Copies>);

#[cfg(feature = "s3")]
impl Copier {
    /// Before the output is opened: there may be something to be fetched back.
    pub(crate) async fn prepare(target: &Target) -> Result<Self, RunError> {
        let Target::Parts(PartSettings { folder, store: Some(url), .. }) = target else {
            return Ok(Self(None));
        };
        let store = Store::new(url, folder)?;
        store.prepare().await?;
        Ok(Self(Some(store)))
    }

    pub(crate) fn start(self, news: UnboundedReceiver<Closed>) -> Copying {
        Copying(self.0.map(|store| store.start(news)))
    }
}

#[cfg(feature = "s3")]
impl Copying {
    /// Waits until everything is copied, within bounds.
    pub(crate) async fn finish(self) {
        if let Some(copies) = self.0 {
            copies.finish().await;
        }
    }
}

/// Nothing copies.
#[cfg(not(feature = "s3"))]
pub(crate) struct Copier;

#[cfg(not(feature = "s3"))]
impl Copier {
    pub(crate) async fn prepare(target: &Target) -> Result<Self, RunError> {
        match target {
            Target::Parts(PartSettings { store: Some(_), .. }) => Err(RunError::NoStore),
            _ => Ok(Self),
        }
    }

    pub(crate) fn start(self, _: UnboundedReceiver<Closed>) -> Self {
        self
    }

    pub(crate) async fn finish(self) {}
}
