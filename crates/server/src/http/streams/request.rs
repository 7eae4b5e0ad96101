//! The request of a stream: kind, profile and position.

use axum::http::HeaderMap;
use feed::Gap;
use record::StreamId;
use serde::Deserialize;
use wire::{Profile, StreamKind};

use super::notices::Asked;
use super::{gap, moment};
use crate::publish::messages::Rendering;

/// The parameters of the query string, besides those of a filter.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    /// SSE only: the kind of the stream.
    stream: Option<String>,
    /// The profile of the messages.
    compat: Option<String>,
    /// The offset after which to start.
    since: Option<String>,
    /// The time at which the first message was seen, or later.
    since_time: Option<String>,
    /// Heartbeats with an offset, whatever the stream, its profile and the settings say.
    heartbeat: Option<String>,
    /// Entries that were missing and came later too.
    backfilled: Option<String>,
}

/// A stream as a client asks for it.
#[derive(Debug)]
pub(super) struct Requested {
    pub(super) rendering: Rendering,
    pub(super) since: Option<Since>,
    pub(super) asked: Asked,
}

/// The position of a client that resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// This offset of our stream.
    Offset(u64),
    /// An offset of another stream. Offsets of different streams cannot be compared.
    OtherStream,
    /// The first entry seen at this time or later, in milliseconds since 1970.
    Time(u64),
}

impl Since {
    /// Bytes of a stream's id at most.
    const LONGEST_ID: usize = 64;

    /// Reads an offset, `N` or `N@ID`; `stream` is the id of ours.
    fn parse(text: &str, stream: StreamId) -> Option<Self> {
        let Some((offset, id)) = text.split_once('@') else {
            return text.parse().ok().map(Self::Offset);
        };
        let offset = offset.parse().ok()?;
        if id == stream.as_str() {
            return Some(Self::Offset(offset));
        }
        let is_id = (1..=Self::LONGEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_graphic());
        is_id.then_some(Self::OtherStream)
    }

    /// Returns the offset to request of the hub: one of another stream is ahead of all of ours, so
    /// that the client gets a gap and then all there is. None for a time.
    const fn offset(self) -> Option<u64> {
        match self {
            Self::Offset(offset) => Some(offset),
            Self::OtherStream => Some(u64::MAX),
            Self::Time(_) => None,
        }
    }
}

impl Requested {
    /// Returns the reason of a gap at the beginning of this stream.
    pub(super) fn gap_reason(&self, gap: &Gap) -> &'static str {
        match self.since {
            Some(Since::OtherStream) => gap::OTHER_STREAM,
            _ => gap.reason.as_str(),
        }
    }

    /// Returns the offset to request of the hub; none for a client that starts at the head or at a
    /// time.
    pub(super) fn since_offset(&self) -> Option<u64> {
        self.since.and_then(Since::offset)
    }

    /// Returns the offset of our stream to start after.
    pub(super) const fn since_of_ours(&self) -> Option<u64> {
        match self.since {
            Some(Since::Offset(offset)) => Some(offset),
            _ => None,
        }
    }

    /// Returns the time to start at.
    pub(super) const fn since_time(&self) -> Option<u64> {
        match self.since {
            Some(Since::Time(time)) => Some(time),
            _ => None,
        }
    }
}

impl Parameters {
    /// Returns the kind of stream that an SSE request names.
    ///
    /// # Errors
    /// If there is no such stream; the text is the answer.
    pub(super) fn kind(&self) -> Result<StreamKind, String> {
        match self.stream.as_deref() {
            None | Some("lite") => Ok(StreamKind::Lite),
            Some("full") => Ok(StreamKind::Full),
            Some("domains" | "domains-only") => Ok(StreamKind::Domains),
            Some(other) => Err(format!("stream: {other:?} must be lite, full or domains\n")),
        }
    }

    /// Reads the request. `stream` is the id of the stream that is served. `headers` are those of an SSE
    /// request, which may carry `Last-Event-ID`.
    ///
    /// # Errors
    /// If a parameter has no such value; the text is the answer.
    pub(super) fn read(
        &self,
        default_profile: Profile,
        kind: StreamKind,
        stream: StreamId,
        headers: Option<&HeaderMap>,
    ) -> Result<Requested, String> {
        let asks_for_heartbeats = switch("heartbeat", self.heartbeat.as_deref())?;
        let backfilled = switch("backfilled", self.backfilled.as_deref())?;
        let profile = match self.compat.as_deref() {
            None => default_profile,
            Some(name) => Profile::from_name(name)
                .ok_or_else(|| format!("compat={name}: must be calidog, go or rust\n"))?,
        };
        let last_event = headers
            .and_then(|headers| headers.get("last-event-id"))
            .map(|value| value.to_str().unwrap_or("?"))
            .filter(|id| !id.is_empty());
        let since = self.since(last_event, stream)?;
        let asked = Asked { since: since.is_some(), heartbeats: asks_for_heartbeats };
        Ok(Requested { rendering: Rendering { kind, profile, backfilled }, since, asked })
    }

    /// Reads the position to start at, of which `last_event` is the one in the headers.
    fn since(&self, last_event: Option<&str>, stream: StreamId) -> Result<Option<Since>, String> {
        if self.since.is_some() && self.since_time.is_some() {
            return Err("since and since_time: give one of them\n".to_owned());
        }
        // A browser that reconnects sends the URL it began with; the header is newer.
        let since = last_event.map(|id| ("Last-Event-ID", id));
        let since = since.or_else(|| Some(("since", self.since.as_deref()?)));
        if let Some((name, text)) = since {
            let problem =
                || format!("{name}: {text:?} is not an offset: a whole number, or NUMBER@STREAM\n");
            return Since::parse(text, stream).ok_or_else(problem).map(Some);
        }
        let time = self.since_time.as_deref().map(|time| moment::parse("since_time", time));
        Ok(time.transpose()?.map(Since::Time))
    }
}

/// Reads a parameter that is true or false, which it is if it is absent.
fn switch(name: &str, value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(format!("{name}={other}: must be true or false\n")),
    }
}
