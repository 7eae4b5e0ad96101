//! Copies of closed parts in an object store.
//!
//! Parts are written to a local folder first, the spool; closed ones are copied and then deleted
//! here, except the newest, which contains the position to resume from. A part has the same name in
//! the store at every attempt, so an interrupted copy is simply repeated.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use client::Backoff;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path as Key;
use object_store::{ClientConfigKey, Error, ObjectStore, ObjectStoreExt as _, PutPayload};
use supervise::Supervisor;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use url::Url;

use super::parts::Closed;
use super::paths::{self, PathError, remove_empty_folders};

/// The number of bytes of a part that are read and sent at once: the memory that copying takes.
const CHUNK: usize = 8 << 20;
/// The longest time of copying after the collector was stopped.
const GRACE: Duration = Duration::from_secs(30);
/// The largest part that is fetched back to find the position to resume from.
const MAX_FETCHED: u64 = 2 << 30;

/// An object store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not the address of a bucket.
    #[error("--output {0:?}: write it as s3://BUCKET/PREFIX")]
    Address(String),
    /// The store refuses a request, or cannot be reached.
    #[error(
        "{url}: {reason}; the address and the keys come from the variables AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"
    )]
    Store {
        /// The store.
        url: String,
        /// The error of the store, with its causes.
        reason: String,
    },
    /// An address without TLS.
    #[error(
        "the store's address {0:?} (AWS_ENDPOINT_URL_S3, or else AWS_ENDPOINT_URL or \
         AWS_ENDPOINT) is without TLS: if the network is trusted, set AWS_ALLOW_HTTP=true too"
    )]
    Plain(String),
    /// No keys.
    #[error(
        "{0}: no keys are set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; \
         AWS_SKIP_SIGNATURE=true for a store without keys; or \
         AWS_METADATA_ENDPOINT=http://169.254.169.254 to get them from the cloud machine's \
         metadata service"
    )]
    NoKeys(String),
    /// A path of the spool cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// An object store, and its spool.
#[derive(Clone, Debug)]
pub struct Store {
    url: String,
    prefix: Key,
    objects: Arc<dyn ObjectStore>,
    spool: PathBuf,
}

/// The parts to copy. It outlasts a copier that panics, so that the next one begins with the part in
/// hand.
struct Queue {
    closed: UnboundedReceiver<Closed>,
    in_hand: Option<Closed>,
    /// Parts that are copied and not deleted yet.
    copied: VecDeque<Closed>,
}

/// The task that copies.
#[derive(Debug)]
pub struct Copies(JoinHandle<()>);

impl Store {
    /// Returns the store at an address `s3://BUCKET/PREFIX`. Endpoint and keys come from the
    /// environment, in the variables of the AWS tools.
    ///
    /// # Errors
    ///
    /// If the address or the environment is invalid.
    pub fn new(url: &str, spool: &Path) -> Result<Self, StoreError> {
        let wrong = || StoreError::Address(url.to_owned());
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        let bucket = parsed.host_str().filter(|bucket| !bucket.is_empty()).ok_or_else(wrong)?;
        let prefix = Key::from_url_path(parsed.path()).map_err(|_| wrong())?;
        let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
        check_environment(&builder, url)?;
        let store = builder.build();
        let objects = store.map_err(|error| failed(url, &error))?;
        Ok(Self::over(Arc::new(objects), prefix, url, spool))
    }

    /// Returns a store with any implementation.
    pub(super) fn over(
        objects: Arc<dyn ObjectStore>,
        prefix: Key,
        url: &str,
        spool: &Path,
    ) -> Self {
        Self { url: url.to_owned(), prefix, objects, spool: spool.to_owned() }
    }

    /// Creates the spool. If it is empty, fetches the newest part back, which contains the position to
    /// resume from.
    ///
    /// # Errors
    ///
    /// If the spool cannot be created, or it is empty and the store cannot be read.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        paths::make_folder(&self.spool)?;
        let found = super::layout::find(&self.spool)?;
        if !found.open.is_empty() || !found.closed.is_empty() {
            return Ok(());
        }
        let failed = |error: Error| failed(&self.url, &error);
        let Some(newest) = self.newest().await.map_err(failed)? else { return Ok(()) };
        let key = newest.location.clone();
        if newest.size > MAX_FETCHED {
            tracing::warn!(%key, bytes = newest.size, "the newest part is too large to fetch: starting a new output");
            return Ok(());
        }
        tracing::info!(%key, bytes = newest.size, "the spool is empty: fetching the newest part from the store");
        let bytes = self.objects.get(&key).await.map_err(failed)?.bytes().await.map_err(failed)?;
        let parts: Vec<_> = key.parts().collect();
        let [.., date, hour, name] = &parts[..] else { return Ok(()) };
        let names = [date.as_ref(), hour.as_ref()];
        if names.iter().any(|name| name.contains("..") || name.contains('/')) {
            return Ok(());
        }
        let folder = paths::make_folders(&self.spool, &names)?;
        let path = folder.join(name.as_ref());
        let written = std::fs::write(&path, &bytes);
        Ok(written.map_err(|source| PathError::Io { path, source })?)
    }

    /// Finds the newest part in the store: in the last hour of the last day.
    async fn newest(&self) -> Result<Option<object_store::ObjectMeta>, Error> {
        let days = self.objects.list_with_delimiter(Some(&self.prefix)).await?;
        let mut days = days.common_prefixes;
        days.retain(|day| day.filename().is_some_and(|name| name.starts_with("date=")));
        days.sort();
        let Some(day) = days.last() else { return Ok(None) };
        let mut hours = self.objects.list_with_delimiter(Some(day)).await?.common_prefixes;
        hours.sort();
        let Some(hour) = hours.last() else { return Ok(None) };
        let parts = self.objects.list_with_delimiter(Some(hour)).await?.objects;
        let parts = parts
            .into_iter()
            .filter(|part| part.location.filename().is_some_and(|name| name.starts_with("certs-")));
        Ok(parts.max_by(|a, b| a.location.cmp(&b.location)))
    }

    /// Returns the key of a path below the output.
    fn key(&self, path: &str) -> Key {
        path.split('/').fold(self.prefix.clone(), |key, name| key.join(name))
    }

    /// Returns the names of the objects in a folder below the prefix.
    ///
    /// # Errors
    ///
    /// If the store refuses.
    pub async fn names(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let listed = self.objects.list_with_delimiter(Some(&self.key(folder))).await;
        let objects = listed.map_err(|error| failed(&self.url, &error))?.objects;
        Ok(objects.iter().filter_map(|it| it.location.filename().map(str::to_owned)).collect())
    }

    /// Copies a file to a path below the prefix; the object appears in one step.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or the store refuses.
    pub async fn put(&self, path: &Path, key: &str, bytes: u64) -> Result<(), StoreError> {
        let part = Closed { path: path.to_owned(), key: key.to_owned(), bytes };
        self.copy(&part).await.map_err(|error| match error.downcast::<Error>() {
            Ok(error) => failed(&self.url, &error),
            Err(other) => {
                let source = std::io::Error::other(other.to_string());
                PathError::Io { path: path.to_owned(), source }.into()
            }
        })
    }

    /// Copies the object at a path below the prefix to a file, piece by piece.
    ///
    /// # Errors
    ///
    /// If the store refuses, or the file cannot be written.
    pub async fn fetch(&self, key: &str, path: &Path) -> Result<(), StoreError> {
        use std::io::Write as _;
        let failed = |error: Error| failed(&self.url, &error);
        let unwritten = |source| PathError::Io { path: path.to_owned(), source };
        let key = self.key(key);
        let size = self.objects.head(&key).await.map_err(failed)?.size;
        let mut file = std::fs::File::create(path).map_err(unwritten)?;
        let mut next = 0;
        while next < size {
            let end = size.min(next + CHUNK as u64);
            let piece = self.objects.get_range(&key, next..end).await.map_err(failed)?;
            file.write_all(&piece).map_err(unwritten)?;
            next = end;
        }
        Ok(())
    }

    /// Starts copying the parts that are received, in order, until the channel is closed.
    #[must_use]
    pub fn start(self, closed: UnboundedReceiver<Closed>) -> Copies {
        Copies(tokio::spawn(self.copy_all(closed)))
    }

    /// Copies all parts, and is started again after a panic.
    async fn copy_all(self, closed: UnboundedReceiver<Closed>) {
        let queue = Mutex::new(Queue { closed, in_hand: None, copied: VecDeque::new() });
        Supervisor::default().run("copier", || self.copy_queue(&queue)).await;
    }

    async fn copy_queue(&self, queue: &Mutex<Queue>) {
        let mut queue = queue.lock().await;
        let Queue { closed, in_hand, copied } = &mut *queue;
        loop {
            if in_hand.is_none() {
                *in_hand = closed.recv().await;
            }
            let Some(part) = in_hand.as_ref() else { return };
            self.copy_with_retries(part).await;
            copied.extend(in_hand.take());
            // The newest stays, because it contains the position to resume from.
            while copied.len() > 1 {
                let Some(old) = copied.pop_front() else { break };
                match std::fs::remove_file(&old.path) {
                    Ok(()) => remove_empty_folders(&old.path, &self.spool),
                    Err(error) => tracing::warn!(%error, "{}", old.path.display()),
                }
            }
        }
    }

    /// Copies a part, and retries until it succeeds or the part is deleted.
    async fn copy_with_retries(&self, part: &Closed) {
        let mut backoff = Backoff::default();
        loop {
            match self.copy(part).await {
                Ok(()) => return,
                Err(error) if matches!(part.path.try_exists(), Ok(false)) => {
                    let path = part.path.display();
                    tracing::error!(%error, "{path} was deleted before it was copied: its rows are lost");
                    return;
                }
                Err(error) => {
                    let retry = backoff.failed(None);
                    let seconds = retry.as_secs_f64();
                    tracing::warn!(
                        "{}: {} is not copied: {error}; trying again in {seconds:.1} s",
                        self.url,
                        part.key
                    );
                    tokio::time::sleep(retry).await;
                }
            }
        }
    }

    async fn copy(&self, part: &Closed) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let key = self.key(&part.key);
        match self.objects.head(&key).await {
            Ok(existing) if existing.size == part.bytes => return Ok(()),
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if part.bytes <= CHUNK as u64 {
            let bytes = std::fs::read(&part.path)?;
            self.objects.put(&key, PutPayload::from(bytes)).await?;
        } else {
            self.copy_in_chunks(part, &key).await?;
        }
        tracing::info!(bytes = part.bytes, "copied {} to {}", part.key, self.url);
        Ok(())
    }

    async fn copy_in_chunks(
        &self,
        part: &Closed,
        key: &Key,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        use std::io::Read as _;
        let mut file = std::fs::File::open(&part.path)?;
        let mut upload = self.objects.put_multipart(key).await?;
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = file.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)?;
            if read == 0 {
                break;
            }
            if let Err(error) = upload.put_part(PutPayload::from(chunk)).await {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(%error, %key, "cannot abort a failed upload");
                }
                return Err(error.into());
            }
        }
        upload.complete().await?;
        Ok(())
    }
}

impl Copies {
    /// Waits for the copies for a bounded time. The rest is copied after the next start.
    pub async fn finish(self) {
        let Self(mut task) = self;
        match tokio::time::timeout(GRACE, &mut task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "copying has stopped after a defect"),
            Err(_) => {
                task.abort();
                tracing::warn!(
                    "not everything was copied; the rest is copied after the next start"
                );
            }
        }
    }
}

/// Refuses an endpoint without TLS, and missing keys, which the library would only find out by a
/// request. Without keys it queries a metadata service, which does not exist everywhere, and may
/// belong to anyone elsewhere.
fn check_environment(builder: &AmazonS3Builder, url: &str) -> Result<(), StoreError> {
    use AmazonS3ConfigKey as Is;
    let value = |key: Is| builder.get_config_value(&key);
    // The words that the library knows.
    let words = ["1", "true", "on", "yes", "y"];
    let is_on = |key: Is| {
        value(key).is_some_and(|value| words.contains(&value.to_ascii_lowercase().as_str()))
    };
    if let Some(endpoint) = value(Is::S3Endpoint).or_else(|| value(Is::Endpoint))
        && endpoint.to_ascii_lowercase().starts_with("http://")
        && !is_on(Is::Client(ClientConfigKey::AllowHttp))
    {
        return Err(StoreError::Plain(endpoint));
    }
    let given = [
        Is::AccessKeyId,
        Is::WebIdentityTokenFile,
        Is::ContainerCredentialsRelativeUri,
        Is::ContainerCredentialsFullUri,
        Is::MetadataEndpoint,
    ];
    let has_keys = given.into_iter().any(|key| value(key).is_some()) || is_on(Is::SkipSignature);
    if has_keys { Ok(()) } else { Err(StoreError::NoKeys(url.to_owned())) }
}

fn failed(url: &str, error: &Error) -> StoreError {
    StoreError::Store { url: url.to_owned(), reason: logging::causes::in_full(error) }
}

#[cfg(test)]
mod tests;
