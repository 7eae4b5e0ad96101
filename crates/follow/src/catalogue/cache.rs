//! The lists on disk: for a start without network, and so that no list is replaced by an older one.
//!
//! JSON, `{"version":1,"lists":[{"url","fetched","text","signature"}]}`. The signed list is
//! verified again when it is read, so that the file need not be trusted.

use std::io;
use std::path::PathBuf;

use ct::log_list::LogList;
use ct::signature::PublicKey;
use serde::{Deserialize, Serialize};

use super::error::CatalogueError;
use super::fetch;
use crate::file;

/// The most bytes of the file: it has a few lists of at most 1 MiB.
const LARGEST: u64 = 32 << 20;
/// The version written.
const VERSION: u32 = 1;

#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    lists: Vec<Stored>,
}

/// A list as fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) url: String,
    /// Time of the fetch, Unix seconds.
    pub(super) fetched: u64,
    pub(super) text: String,
    #[serde(with = "base64", skip_serializing_if = "Option::is_none", default)]
    pub(super) signature: Option<Vec<u8>>,
}

impl Stored {
    /// Returns the list if its signature is that of `key`.
    pub(super) fn verify(&self, key: &PublicKey) -> Result<LogList, CatalogueError> {
        let signature = self.signature.as_deref().unwrap_or_default();
        fetch::verify(&self.url, key, self.text.as_bytes(), signature)?;
        self.parse()
    }

    pub(super) fn parse(&self) -> Result<LogList, CatalogueError> {
        fetch::read(&self.url, self.text.as_bytes()).map(|(list, _)| list)
    }
}

impl Cache {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads the cache; empty if it cannot be read, which is logged.
    pub(super) async fn load(&self) -> Vec<Stored> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || file::read(&path, LARGEST)).await;
        let problem = match read.map_err(io::Error::other).flatten() {
            Ok(None) => return Vec::new(),
            Ok(Some(bytes)) => match serde_json::from_slice::<Content>(&bytes) {
                Ok(content) if content.version == VERSION => return content.lists,
                Ok(content) => format!("its version is {}", content.version),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tracing::warn!(path = %self.path.display(), problem, "cannot read the cached log lists");
        Vec::new()
    }

    /// Replaces what is there.
    pub(super) async fn save(&self, lists: Vec<Stored>) -> io::Result<()> {
        let path = self.path.clone();
        let write = move || {
            let text = serde_json::to_vec(&Content { version: VERSION, lists })?;
            file::replace(&path, &text)
        };
        tokio::task::spawn_blocking(write).await.map_err(io::Error::other).flatten()
    }
}

mod base64 {
    use base64_simd::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_str(&STANDARD.encode_to_string(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| STANDARD.decode_to_vec(text)).transpose().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_cache_is_read_back_and_an_unparsable_one_is_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lists");
        let cache = Cache::new(path.clone());
        assert_eq!(cache.load().await, []);
        let stored = |signature| Stored {
            url: "https://a.example/list.json".to_owned(),
            fetched: 7,
            text: "{\"a\": \"ü\\n\"}\n".to_owned(),
            signature,
        };
        let lists = vec![stored(Some(vec![0, 1, 255])), stored(None)];
        cache.save(lists.clone()).await.expect("saves");
        assert_eq!(cache.load().await, lists);
        for nonsense in ["", "{\"version\":2,\"lists\":[]}", "{\"version\":1}"] {
            fs::write(&path, nonsense).expect("writes");
            assert_eq!(cache.load().await, [], "{nonsense}");
        }
        let nowhere = Cache::new(folder.path().join("no/such/folder"));
        assert!(nowhere.save(lists).await.is_err());
    }
}
