//! The messages of an output.

use std::sync::Arc;

use bytes::Bytes;

/// The log that an entry was read from, as brokers show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Base64 of its LogID (RFC 6962 section 3.2); none if its key is not known.
    pub id: Option<String>,
    /// Its URL, without a slash at the end.
    pub url: String,
    /// Its name in messages.
    pub name: String,
    /// Its operator; empty if not known.
    pub operator: String,
}

/// One entry of a log, as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The log.
    pub log: Arc<Log>,
    /// The entry's index in the log.
    pub index: u64,
    /// The first name of the certificate, if it has one.
    pub name: Option<String>,
    /// The message as clients of the stream get it.
    pub body: Bytes,
}

impl Message {
    /// Returns the identity of the message, `<log_id>:<index>`: the same whenever it is published. A
    /// log without an id has its URL in place of the id.
    #[must_use]
    pub fn id(&self) -> String {
        let log = self.log.id.as_deref().unwrap_or(&self.log.url);
        format!("{log}:{}", self.index)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Makes a message of one log.
    pub(crate) fn message(index: u64, name: Option<&str>) -> Message {
        let log = Log {
            id: Some("aWQ=".to_owned()),
            url: "https://ct.example/2027".to_owned(),
            name: "Example 'Rock2027' log".to_owned(),
            operator: "Let's Encrypt".to_owned(),
        };
        let body = Bytes::from(format!("{{\"index\":{index}}}"));
        Message { log: Arc::new(log), index, name: name.map(str::to_owned), body }
    }

    #[test]
    fn the_identity_is_log_id_and_index() {
        let mut one = message(7, None);
        assert_eq!(one.id(), "aWQ=:7");
        Arc::make_mut(&mut one.log).id = None;
        assert_eq!(one.id(), "https://ct.example/2027:7");
    }
}
