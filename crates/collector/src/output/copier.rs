//! Copying closed parts to an object store, if there is one and this program was built for it.

use tokio::sync::mpsc::UnboundedReceiver;

use super::parts::Closed;
#[cfg(feature = "s3")]
use super::store::{Copies, Store, StoreError};
use crate::settings::{PartSettings, Target};

/// An object store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The object store cannot be used.
    #[cfg(feature = "s3")]
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This program cannot copy to object stores.
    #[cfg(not(feature = "s3"))]
    #[error("this program was built without object stores (cargo feature s3)")]
    NotBuilt,
}

/// The copier of an output, if it has an object store.
#[cfg(feature = "s3")]
pub(crate) struct Copier(Option<Store>);

/// The copies in progress, if there are any.
#[cfg(feature = "s3")]
pub(crate) struct Copying(Option<Copies>);

#[cfg(feature = "s3")]
impl Copier {
    /// Prepares the store before the output is opened: the newest part may have to be fetched back.
    pub(crate) async fn prepare(target: &Target) -> Result<Self, CopyError> {
        let Target::Parts(PartSettings { folder, store: Some(url), .. }) = target else {
            return Ok(Self(None));
        };
        let store = Store::new(url, folder)?;
        store.prepare().await?;
        Ok(Self(Some(store)))
    }

    /// Starts copying the parts that are received.
    pub(crate) fn start(self, closed: UnboundedReceiver<Closed>) -> Copying {
        Copying(self.0.map(|store| store.start(closed)))
    }
}

#[cfg(feature = "s3")]
impl Copying {
    /// Waits until everything is copied, for a bounded time.
    pub(crate) async fn finish(self) {
        if let Some(copies) = self.0 {
            copies.finish().await;
        }
    }
}

/// The copier of a program without object stores, which copies nothing.
#[cfg(not(feature = "s3"))]
pub(crate) struct Copier;

#[cfg(not(feature = "s3"))]
impl Copier {
    pub(crate) async fn prepare(target: &Target) -> Result<Self, CopyError> {
        match target {
            Target::Parts(PartSettings { store: Some(_), .. }) => Err(CopyError::NotBuilt),
            _ => Ok(Self),
        }
    }

    pub(crate) fn start(self, _: UnboundedReceiver<Closed>) -> Self {
        self
    }

    pub(crate) async fn finish(self) {}
}
