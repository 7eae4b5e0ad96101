//! A cursor in the bucket of a cluster.

use bytes::Bytes;
use relay::{Bucket, UseError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sinks::{Pending, Store, StoreError};

/// The key of the state of alerts.
const ALERTS: &str = "alerts";

/// The key of an output's cursor. A save is refused once another node has written it, whatever both
/// nodes believe about the lease.
#[derive(Debug)]
pub(crate) struct BucketStore {
    bucket: Bucket,
    key: String,
    /// The node that writes.
    holder: String,
    /// The revision that was loaded or saved last; 0 without one.
    revision: u64,
    /// The outcome of the last save is not known: the contents may be its own under another revision.
    pub(super) is_unsure: bool,
}

/// The value of the key.
#[derive(Serialize, Deserialize)]
struct Value {
    holder: String,
    cursor: Box<RawValue>,
}

impl BucketStore {
    pub(crate) fn new(bucket: Bucket, holder: String, output: &str) -> Self {
        Self { bucket, key: key(output), holder, revision: 0, is_unsure: false }
    }

    /// Names the key of the state of alerts, which is no output's.
    pub(crate) fn of_alerts(bucket: Bucket, holder: String) -> Self {
        Self { bucket, key: ALERTS.to_owned(), holder, revision: 0, is_unsure: false }
    }

    async fn load(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((revision, value)) = self.bucket.get(&self.key).await.map_err(unavailable)? else {
            self.revision = 0;
            return Ok(None);
        };
        self.revision = revision;
        // Another value is shown as what it is: no cursor.
        let cursor = serde_json::from_slice::<Value>(&value);
        Ok(Some(cursor.map_or_else(|_| value.to_vec(), |value| value.cursor.get().into())))
    }

    async fn save(&mut self, contents: Vec<u8>) -> Result<(), StoreError> {
        let value = self.value(contents).map_err(|error| {
            StoreError::Unavailable(format!("the cursor cannot be written: {error}"))
        })?;
        let written = self.write(value.clone(), self.revision).await;
        let was_unsure = std::mem::replace(&mut self.is_unsure, written.is_err());
        if let Some(revision) = written? {
            self.revision = revision;
            return Ok(());
        }
        if !was_unsure {
            return Err(StoreError::Overtaken);
        }
        let found = self.bucket.get(&self.key).await.map_err(unavailable)?;
        let own = found.filter(|(_, found)| {
            serde_json::from_slice::<Value>(found).is_ok_and(|found| found.holder == self.holder)
        });
        let Some((revision, _)) = own else { return Err(StoreError::Overtaken) };
        match self.write(value, revision).await? {
            Some(revision) => self.revision = revision,
            None => return Err(StoreError::Overtaken),
        }
        Ok(())
    }

    /// Writes the value over a revision; returns the new one, or none if the key has another.
    async fn write(&self, value: Bytes, revision: u64) -> Result<Option<u64>, StoreError> {
        let written = match revision {
            0 => self.bucket.create(&self.key, value).await,
            revision => self.bucket.update(&self.key, value, revision).await,
        };
        written.map_err(unavailable)
    }

    fn value(&self, contents: Vec<u8>) -> Result<Bytes, Box<dyn std::error::Error>> {
        let cursor = RawValue::from_string(String::from_utf8(contents)?)?;
        let value = Value { holder: self.holder.clone(), cursor };
        Ok(serde_json::to_vec(&value)?.into())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: UseError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl Store for BucketStore {
    fn place(&self) -> String {
        format!("{} in the bucket of the cluster", self.key)
    }

    fn load(&mut self) -> Pending<'_, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(self.load())
    }

    fn save(&mut self, contents: Vec<u8>) -> Pending<'_, Result<(), StoreError>> {
        Box::pin(self.save(contents))
    }
}

/// Returns the key of an output. Keys have few characters, so others are `=` and their number.
fn key(output: &str) -> String {
    let mut key = "cursor.".to_owned();
    for byte in output.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => key.push(char::from(byte)),
            _ => key += &format!("={byte:02X}"),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn keys_of_different_outputs_differ() {
        assert_eq!(key("nats"), "cursor.nats");
        assert_eq!(key("to kafka/1"), "cursor.to=20kafka=2F1");
        assert_ne!(key("\u{e4}"), key("\u{f6}"));
        assert_ne!(key("a."), key("a_"));
    }
}
