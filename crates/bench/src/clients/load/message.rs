//! The few fields of a message that matter here, found by searching for their names.

/// A bound for the end of a message with all fields that are searched there, in bytes.
const TAIL: usize = 1024;

/// One certificate update under the default profile.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Update<'m> {
    pub(super) offset: u64,
    /// The entry's index in its log.
    pub(super) index: u64,
    /// The time at which the server processed it, milliseconds since 1970.
    pub(super) seen: u64,
    /// The SCT's time, milliseconds since 1970.
    pub(super) submitted: u64,
    /// The log's URL.
    pub(super) log: &'m str,
    /// The domain names, each in quotation marks, with commas between them.
    pub(super) domains: &'m str,
}

impl<'m> Update<'m> {
    /// `None` for any other message.
    pub(super) fn read(message: &'m [u8]) -> Option<Self> {
        let index = message.strip_prefix(br#"{"data":{"cert_index":"#)?;
        let tail = &message[message.len().saturating_sub(TAIL)..];
        let log = after(tail, br#""url":""#)?;
        let log = log.split(|byte| *byte == b'"').next()?;
        let domains = after_first(message, br#""all_domains":["#)?;
        let domains = domains.split(|byte| *byte == b']').next()?;
        Some(Self {
            offset: whole(after(tail, br#""offset":"#)?)?,
            index: whole(index)?,
            seen: milliseconds(after(tail, br#""seen":"#)?)?,
            submitted: milliseconds(after(tail, br#""submission_timestamp":"#)?)?,
            log: std::str::from_utf8(log).ok()?,
            domains: std::str::from_utf8(domains).ok()?,
        })
    }
}

/// Returns the offset of a certificate update, which is its last field.
pub(super) fn offset(message: &[u8]) -> Option<u64> {
    let fields = message.strip_suffix(b"}")?;
    let end = fields.iter().rposition(|byte| !byte.is_ascii_digit())?;
    let (before, digits) = fields.split_at_checked(end + 1)?;
    let is_offset = before.ends_with(br#""offset":"#);
    is_offset.then(|| whole(digits)).flatten()
}

/// Returns the part of `text` after the first `key`.
fn after_first<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(key.len()).position(|window| window == key)?;
    text.get(at + key.len()..)
}

/// Returns the part of `text` after the last `key`.
fn after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(key.len()).rposition(|window| window == key)?;
    text.get(at + key.len()..)
}

fn number(text: &[u8]) -> Option<&str> {
    let end = text.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'.'));
    std::str::from_utf8(&text[..end.unwrap_or(text.len())]).ok()
}

fn whole(text: &[u8]) -> Option<u64> {
    number(text)?.parse().ok()
}

/// Seconds with up to three decimals.
fn milliseconds(text: &[u8]) -> Option<u64> {
    let seconds: f64 = number(text)?.parse().ok()?;
    Some((seconds * 1000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: &str = concat!(
        r#"{"data":{"cert_index":4711,"cert_link":"https://log.example/x","chain":[],"#,
        r#""leaf_cert":{"all_domains":["a.example","*.b.example"]},"seen":1708483726.594,"source":{"#,
        r#""log_id":null,"name":"Log","operator":"Op","timestamp":1708483726.5,"type":"rfc6962","#,
        r#""url":"https://log.example/"},"submission_timestamp":1708483725,"#,
        r#""update_type":"X509LogEntry"},"message_type":"certificate_update","offset":12}"#
    );

    #[test]
    fn an_update_is_read() {
        let update = Update {
            offset: 12,
            index: 4711,
            seen: 1_708_483_726_594,
            submitted: 1_708_483_725_000,
            log: "https://log.example/",
            domains: r#""a.example","*.b.example""#,
        };
        assert_eq!(Update::read(UPDATE.as_bytes()), Some(update));
        assert_eq!(offset(UPDATE.as_bytes()), Some(12));
    }

    #[test]
    fn other_messages_are_not_updates() {
        let heartbeat = br#"{"message_type":"heartbeat","timestamp":1708483726.594}"#;
        assert_eq!(Update::read(heartbeat), None);
        assert_eq!(offset(heartbeat), None);
        assert_eq!(offset(br#"{"message_type":"gap","dropped":5}"#), None);
        assert_eq!(Update::read(&UPDATE.as_bytes()[..UPDATE.len() - 3]), None);
        assert_eq!(Update::read(b""), None);
    }
}
