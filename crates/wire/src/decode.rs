//! The client's side: reading what a certstream server sends.
//!
//! [`decode`] takes a message of any server, whatever its conventions, into one form. What the
//! servers (CaliDog's in Python and in Elixir, certstream-server-go, certstream-server-rust and
//! this one under each profile) do differently does not show in that form:
//!
//! * Members in any order; those not known are passed over, those missing, `null` or `""` are
//!   `None`.
//! * A text may come as a list of texts (joined by `,`), a list as a single text.
//! * A number may come whole, with a fraction, with an exponent or as a string. Times of day are
//!   whole milliseconds since the Unix epoch, dates of certificates whole seconds.
//! * `not_after` of `"no_expiration"` is 9999-12-31T23:59:59Z, [`NO_EXPIRATION`].
//! * `serial_number` is upper-case hex with an even number of digits, as most servers write it.
//! * Members that say the same thing are one field: `fingerprint` and `sha1`, `emailAddress` and
//!   `email_address`, `submission_timestamp` and `source.timestamp`.
//!
//! A member whose value has none of the forms known for it costs only itself: it is `None`, and
//! [`Update::unread`] names it. Only what is no message at all is an error.
//!
//! Texts are borrowed from the message unless JSON escapes stand in them. What is allocated is
//! bounded by a small multiple of the message, and messages by [`MAX_MESSAGE_BYTES`].

use std::borrow::Cow;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

mod loose;
mod members;
mod update;

use members::{Fill, Member, Members, Notes, Slot, members};
use update::Entry;
pub use update::{Certificate, Extensions, Log, Name, Update};

/// The longest message that is read: 16 MiB.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Most texts that are kept of one list; of a longer one the end is dropped and the message counts
/// as truncated. No message of a megabyte can have as many.
pub const MAX_LIST: usize = 1 << 19;

/// Most certificates that are kept of a chain; of a longer one the end is dropped and the message
/// counts as truncated. Real chains have up to about ten.
pub const MAX_CHAIN: usize = 100;

/// The last second that a certificate can name, 9999-12-31T23:59:59Z in Unix seconds: what RFC 5280
/// section 4.1.2.5 prescribes for certificates that do not expire.
pub const NO_EXPIRATION: i64 = 253_402_300_799;

/// A message of a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming<'a> {
    /// `certificate_update`: an entry of a log.
    Certificate(Box<Update<'a>>),
    /// `dns_entries`: the names of one certificate.
    Domains {
        /// The names.
        domains: Vec<Cow<'a, str>>,
        /// See [`Update::offset`].
        offset: Option<u64>,
        /// See [`Update::truncated`].
        truncated: bool,
        /// See [`Update::domains_total`].
        domains_total: Option<u64>,
    },
    /// `heartbeat`: the connection is alive.
    Heartbeat {
        /// The time at which it was sent, ms since the Unix epoch; some servers do not send it.
        timestamp: Option<u64>,
        /// The last offset that was searched for this client and whose matches were sent before;
        /// only from servers that number messages.
        offset: Option<u64>,
        /// The id of the stream that the offset belongs to, where the server has one.
        stream: Option<Cow<'a, str>>,
    },
    /// `gap`: messages are missing here.
    Gap {
        /// The number of them, where the server knows it.
        dropped: Option<u64>,
        /// True if the server is about to close the connection for it.
        disconnecting: bool,
        /// The reason, in a word of the server's.
        reason: Option<Cow<'a, str>>,
        /// The id of the stream that follows, where the server has one.
        stream: Option<Cow<'a, str>>,
    },
    /// A message of a type that is not known here.
    Unknown {
        /// Its type.
        message_type: Cow<'a, str>,
    },
}

/// Reasons why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`MAX_MESSAGE_BYTES`].
    #[error("a message of {0} bytes is longer than {MAX_MESSAGE_BYTES}")]
    TooLong(usize),
    /// Not UTF-8.
    #[error("the message is not utf-8 after {0} bytes")]
    Utf8(usize),
    /// Not JSON; says what is wrong and at which column.
    #[error("the message is not json: {0}")]
    Json(String),
    /// Without what every message must have, or what a message of its type must have.
    #[error("{message_type} without {member}")]
    Missing {
        /// The kind of message.
        message_type: &'static str,
        /// The member it lacks.
        member: &'static str,
    },
    /// `as_der` is not base64.
    #[error("as_der is not standard base64")]
    Base64,
}

/// Reads one message: the payload of a WebSocket frame, or the data of a server-sent event. White
/// space around it does not matter.
///
/// # Errors
///
/// [`DecodeError`] if it is too long, not JSON, or not the object that its `message_type` promises.
pub fn decode(message: &[u8]) -> Result<Incoming<'_>, DecodeError> {
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(DecodeError::TooLong(message.len()));
    }
    let text = str::from_utf8(message).map_err(|error| DecodeError::Utf8(error.valid_up_to()))?;
    let mut envelope = Envelope::default();
    let mut notes = Notes::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Fill { target: &mut envelope, notes: &mut notes }.deserialize(&mut json);
    read.and_then(|_| json.end()).map_err(|error| DecodeError::Json(error.to_string()))?;
    envelope.open(notes)
}

/// A message in any order of its members: `data` may stand before the type that says what it is.
#[derive(Default)]
struct Envelope<'a> {
    message_type: Option<Cow<'a, str>>,
    data: Data<'a>,
    offset: Option<u64>,
    truncated: Option<bool>,
    domains_total: Option<u64>,
    timestamp: Option<u64>,
    dropped: Option<u64>,
    disconnecting: Option<bool>,
    reason: Option<Cow<'a, str>>,
    stream: Option<Cow<'a, str>>,
}

#[derive(Default)]
enum Data<'a> {
    /// Nothing, or nothing that is known here.
    #[default]
    None,
    /// An object with a `leaf_cert`.
    Update(Box<Update<'a>>),
    Domains(Vec<Cow<'a, str>>),
}

impl<'de> Slot<'de> for Data<'de> {
    fn object<A: MapAccess<'de>>(
        &mut self,
        object: A,
        notes: &mut Notes,
    ) -> Result<bool, A::Error> {
        let mut update = Box::<Update<'_>>::default();
        let mut entry = Entry { update: &mut update, has_leaf: false };
        entry.object(object, notes)?;
        let has_leaf = entry.has_leaf;
        *self = if has_leaf { Self::Update(update) } else { Self::None };
        Ok(has_leaf)
    }

    fn list<A: SeqAccess<'de>>(&mut self, list: A, notes: &mut Notes) -> Result<bool, A::Error> {
        let (texts, cut) = loose::texts(list)?;
        notes.truncated |= cut;
        *self = Self::Domains(texts);
        Ok(true)
    }
}

members!(Envelope<'de>, |target, value| {
    "data" => drop(value.fill(&mut target.data)?),
    "disconnecting" => target.disconnecting = value.flag()?,
    "domains_total" => target.domains_total = value.whole()?,
    "dropped" => target.dropped = value.whole()?,
    "message_type" => target.message_type = value.text()?,
    "offset" => target.offset = value.whole()?,
    "reason" => target.reason = value.text()?,
    "stream" => target.stream = value.text()?,
    "timestamp" => target.timestamp = value.milliseconds()?,
    "truncated" => target.truncated = value.flag()?,
});

impl<'a> Envelope<'a> {
    fn open(self, notes: Notes) -> Result<Incoming<'a>, DecodeError> {
        let missing = |message_type, member| Err(DecodeError::Missing { message_type, member });
        let truncated = self.truncated.unwrap_or_default() || notes.truncated;
        let Some(message_type) = self.message_type else {
            return missing("a message", "message_type");
        };
        match (&*message_type, self.data) {
            ("certificate_update", Data::Update(mut update)) => {
                update.offset = self.offset;
                update.truncated = truncated;
                update.domains_total = self.domains_total;
                update.unread = notes.unread;
                Ok(Incoming::Certificate(update))
            }
            ("certificate_update", _) => missing("certificate_update", "data.leaf_cert"),
            ("dns_entries", Data::Domains(domains)) => {
                let Self { offset, domains_total, .. } = self;
                Ok(Incoming::Domains { domains, offset, truncated, domains_total })
            }
            ("dns_entries", _) => missing("dns_entries", "a list as data"),
            ("heartbeat", _) => {
                let Self { timestamp, offset, stream, .. } = self;
                Ok(Incoming::Heartbeat { timestamp, offset, stream })
            }
            ("gap", _) => Ok(Incoming::Gap {
                dropped: self.dropped,
                disconnecting: self.disconnecting.unwrap_or_default(),
                reason: self.reason,
                stream: self.stream,
            }),
            _ => Ok(Incoming::Unknown { message_type }),
        }
    }
}
