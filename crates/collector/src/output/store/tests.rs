use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    PutMultipartOptions, PutOptions, PutResult,
};
use tokio::sync::mpsc;

use super::*;

const KEY: &str = "date=2026-11-26/hour=18/certs-20261126T185301Z-00000001.feather";
const NEXT: &str = "date=2026-11-26/hour=19/certs-20261126T190000Z-00000002.feather";

fn store<O: ObjectStore>(objects: &Arc<O>, spool: &Path) -> Store {
    let objects = Arc::clone(objects) as Arc<dyn ObjectStore>;
    Store::over(objects, Key::from("some/prefix"), "s3://bucket/some/prefix", spool)
}

fn part(spool: &Path, key: &str, content: &[u8]) -> Closed {
    let path = spool.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    Closed { path, key: key.to_owned(), bytes: content.len() as u64 }
}

async fn stored(objects: &InMemory, key: &str) -> Vec<u8> {
    let object = objects.get(&Key::from(format!("some/prefix/{key}"))).await.unwrap();
    object.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn parts_are_copied_and_then_deleted_except_the_newest() {
    let objects = Arc::new(InMemory::new());
    let spool = tempfile::tempdir().unwrap();
    let store = store(&objects, spool.path());
    let large = vec![7; CHUNK + 1000];
    let parts = [part(spool.path(), KEY, b"first"), part(spool.path(), NEXT, &large)];
    let (closed, parts_to_copy) = mpsc::unbounded_channel();
    for part in parts.clone() {
        closed.send(part).unwrap();
    }
    drop(closed);
    store.start(parts_to_copy).finish().await;
    assert_eq!(stored(&objects, KEY).await, b"first");
    assert_eq!(stored(&objects, NEXT).await, large);
    assert!(!parts[0].path.try_exists().unwrap());
    assert!(!parts[0].path.parent().unwrap().try_exists().unwrap(), "nor its empty folder");
    assert!(parts[1].path.try_exists().unwrap());
}

/// A store of which the first put panics.
#[derive(Debug, Default)]
struct Panicking {
    objects: InMemory,
    puts: AtomicU32,
}

impl fmt::Display for Panicking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objects.fmt(f)
    }
}

type Result<T> = std::result::Result<T, Error>;

#[async_trait]
impl ObjectStore for Panicking {
    async fn put_opts(&self, to: &Key, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        assert!(self.puts.fetch_add(1, Ordering::Relaxed) > 0, "a defect");
        self.objects.put_opts(to, bytes, how).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Key,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(to, how).await
    }

    async fn get_opts(&self, from: &Key, how: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(from, how).await
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, Result<Key>>,
    ) -> BoxStream<'static, Result<Key>> {
        self.objects.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, how: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, how).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_copier_that_panics_is_started_again_and_copies_the_part_it_had() {
    let objects = Arc::new(Panicking::default());
    let spool = tempfile::tempdir().unwrap();
    let store = store(&objects, spool.path());
    let parts = [part(spool.path(), KEY, b"first"), part(spool.path(), NEXT, b"second")];
    let (closed, news) = mpsc::unbounded_channel();
    for part in parts.clone() {
        closed.send(part).unwrap();
    }
    drop(closed);
    store.start(news).finish().await;
    assert_eq!(stored(&objects.objects, KEY).await, b"first");
    assert_eq!(stored(&objects.objects, NEXT).await, b"second");
    assert!(!parts[0].path.try_exists().unwrap());
}

#[tokio::test]
async fn an_empty_spool_fetches_the_newest_part_back() {
    let objects = Arc::new(InMemory::new());
    let spool = tempfile::tempdir().unwrap();
    let folder = spool.path().join("spool");
    let store = store(&objects, &folder);
    store.prepare().await.unwrap();
    for (key, content) in
        [(KEY, "old"), (NEXT, "new"), ("date=2020-01-01/hour=00/certs-x", "older")]
    {
        let key = Key::from(format!("some/prefix/{key}"));
        objects.put(&key, PutPayload::from(content.as_bytes().to_vec())).await.unwrap();
    }
    store.prepare().await.unwrap();
    assert_eq!(std::fs::read(folder.join(NEXT)).unwrap(), b"new");
    // A part in the spool is not replaced.
    std::fs::write(folder.join(NEXT), "mine").unwrap();
    store.prepare().await.unwrap();
    assert_eq!(std::fs::read(folder.join(NEXT)).unwrap(), b"mine");
}

#[test]
fn addresses_without_a_bucket_are_refused() {
    let spool = Path::new("spool");
    assert!(Store::new("s3:///prefix", spool).is_err());
    let error = Store::new("s3://", spool).unwrap_err().to_string();
    assert!(error.contains("s3://BUCKET/PREFIX"), "{error}");
}
