//! Walking through the messages of a stream, from a place on, across segments and around damage.

use std::io;
use std::sync::Arc;

use record::encoding::{Decoder, Message};

use crate::damage::{Damage, DamageKind};
use crate::error::ReadError;
use crate::format::{Codec, FrameHeader, FrameKind, SegmentName};
use crate::read::scan::{Found, Window};
use crate::segment::{FIRST_FRAME, Segment, Store};
use crate::storage::File;

/// A step of a walk.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub(crate) enum Step {
    /// A message, with the header of its frame.
    Message(Message, FrameHeader),
    /// Something that was skipped.
    Damage(Damage),
}

/// A walk. It decodes every message from a checkpoint on, because each refers to those before it.
#[derive(Debug)]
pub(crate) struct Walk {
    segment: SegmentName,
    at: u64,
    file: Option<Arc<dyn File>>,
    window: Window,
    codec: Codec,
    decoder: Decoder,
    /// The last message, as encoded.
    plain: Vec<u8>,
    /// Number of the last message passed.
    number: u64,
    /// Number of the last message returned. Messages that a failed write moved to another segment are
    /// passed twice.
    returned: u64,
    /// Returns them twice too.
    repeats: bool,
    /// The decoder does not have the context of the next message: nothing can be decoded up to the next
    /// checkpoint.
    is_lost: bool,
}

impl Walk {
    /// Begins at a place before which `number` was the last message.
    pub(crate) fn new(segment: SegmentName, at: u64, number: u64) -> Self {
        Self {
            segment,
            at,
            file: None,
            window: Window::default(),
            codec: Codec::default(),
            decoder: Decoder::new(),
            plain: Vec::new(),
            number,
            returned: number,
            repeats: false,
            // Nothing precedes the first message, so it has no context.
            is_lost: number > 0,
        }
    }

    /// Begins at the start of a segment, to return all messages of each segment: those too that another
    /// one has before it.
    pub(crate) fn of_segments(first: SegmentName) -> Self {
        Self { repeats: true, ..Self::new(first, FIRST_FRAME, first.first.saturating_sub(1)) }
    }

    /// Returns the last message as it is encoded.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.plain
    }

    /// Returns the segment and the place of the next step.
    pub(crate) const fn place(&self) -> (SegmentName, u64) {
        (self.segment, self.at)
    }

    /// Closes the file. The walk can continue.
    pub(crate) fn close(&mut self) {
        self.file = None;
    }

    /// Closes the file and releases buffers. The walk can continue.
    pub(crate) fn rest(&mut self) {
        self.file = None;
        self.window.clear();
        self.plain = Vec::new();
        self.codec = Codec::default();
    }

    /// Takes the next step, up to the message with the number `limit`; `None` where nothing more is.
    pub(crate) fn step(&mut self, store: &Store, limit: u64) -> Result<Option<Step>, ReadError> {
        loop {
            let (Some(segment), next) = store.at(self.segment) else { return Ok(None) };
            if segment.name() != self.segment {
                self.enter(segment.name());
            }
            let next = next.map(|next| next.name());
            let last = next.map_or(u64::MAX, |next| next.first.saturating_sub(1));
            if let Some(next) = next.filter(|_| self.number >= last && !self.is_lost) {
                self.enter(next);
                continue;
            }
            // A checkpoint has the number of the message before it.
            if self.number >= limit && !self.is_lost {
                return Ok(None);
            }
            let error = |source| store.error(segment.name(), source);
            let found = match self.find(store, &segment) {
                Ok(found) => found,
                // The file was deleted: by retention, then it is not in the list any more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match next {
                        Some(next) => self.enter(next),
                        None => return Ok(None),
                    }
                    continue;
                }
                Err(source) => return Err(error(source)),
            };
            match found {
                Found::Frame(header) if header.number > last => {
                    self.enter(next.unwrap_or(self.segment));
                }
                Found::Frame(header) if header.number > limit => return Ok(None),
                Found::Frame(header) if header.kind != FrameKind::End => {
                    if let Some(step) = self.pass(&segment, header).map_err(error)? {
                        return Ok(Some(step));
                    }
                }
                Found::Damaged { end, header } => {
                    return Ok(Some(self.skip(&segment, end, header)));
                }
                Found::Frame(_) | Found::Incomplete | Found::End => match next {
                    Some(next) => self.enter(next),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Finds what is at the current place.
    fn find(&mut self, store: &Store, segment: &Segment) -> io::Result<Found> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                let path = store.path(segment.name());
                self.file.insert(store.storage.open(&path)?)
            }
        };
        let found = self.window.frame(&**file, &segment.header.marker, self.at)?;
        if matches!(found, Found::Frame(_)) {
            return Ok(found);
        }
        // The window may be older than the end of the file.
        self.window.clear();
        self.window.frame(&**file, &segment.header.marker, self.at)
    }

    /// Moves to the begin of a segment.
    fn enter(&mut self, name: SegmentName) {
        let before = name.first.saturating_sub(1);
        self.is_lost |= self.number != before;
        self.number = before;
        if self.repeats {
            self.returned = self.returned.min(before);
        }
        self.segment = name;
        self.at = FIRST_FRAME;
        self.file = None;
        self.window.clear();
    }

    /// Skips damaged bytes.
    fn skip(&mut self, segment: &Segment, end: u64, header: Option<FrameHeader>) -> Step {
        let damage =
            Damage { file: segment.name().to_string(), at: self.at, end, kind: DamageKind::Frame };
        self.at = end;
        // Without a header, the next frame shows what is missing.
        match header {
            Some(header) if header.is_numbered() => {
                self.number = header.number;
                self.is_lost = true;
            }
            Some(header) if header.kind == FrameKind::Checkpoint => self.miss_checkpoint(&header),
            _ => {}
        }
        Step::Damage(damage)
    }

    /// Continues without a checkpoint. If nothing else is missing, only the issuers begin anew.
    fn miss_checkpoint(&mut self, header: &FrameHeader) {
        self.is_lost |= header.number != self.number || header.issuers > 0;
        self.number = header.number;
        self.decoder.forget_issuers();
    }

    /// Passes a frame in order. Returns nothing if it was returned before.
    fn pass(&mut self, segment: &Segment, header: FrameHeader) -> io::Result<Option<Step>> {
        let at = self.at;
        self.at = at.saturating_add(header.frame_bytes());
        if header.is_numbered() {
            if header.number <= self.number {
                return Ok(None);
            }
            self.is_lost |= header.number != self.number.saturating_add(1);
            self.number = header.number;
        }
        let message = self.decode(at, &header)?;
        if header.kind == FrameKind::Checkpoint {
            match &message {
                Some(_) => {
                    self.is_lost = false;
                    self.number = header.number;
                }
                None => self.miss_checkpoint(&header),
            }
        } else if message.is_none() {
            self.is_lost = true;
        }
        if header.number < self.returned || header.is_numbered() && header.number == self.returned {
            return Ok(None);
        }
        self.returned = header.number;
        Ok(Some(message.map_or_else(
            || {
                let file = segment.name().to_string();
                Step::Damage(Damage { file, at, end: self.at, kind: DamageKind::Message })
            },
            |message| Step::Message(message, header),
        )))
    }

    /// Decodes the message of a frame, if the context allows that.
    fn decode(&mut self, at: u64, header: &FrameHeader) -> io::Result<Option<Message>> {
        if header.kind == FrameKind::Batch {
            if header.issuers == 0 && !self.is_lost {
                // A checkpoint before it, without issuers, may have been damaged.
                self.decoder.forget_issuers();
            }
            if self.is_lost || self.decoder.issuers().len() != usize::from(header.issuers) {
                return Ok(None);
            }
        }
        let Some(file) = &self.file else { return Ok(None) };
        let stored = self.window.payload(&**file, at, header)?;
        if header.is_compressed {
            if !self.codec.decompress(stored, header.length as usize, &mut self.plain) {
                return Ok(None);
            }
        } else {
            self.plain.clear();
            self.plain.extend_from_slice(stored);
        }
        let message = self.decoder.message(&self.plain).ok();
        Ok(message.filter(|message| agrees(message, header)))
    }
}

/// Reports whether a message is the one that its frame announces.
fn agrees(message: &Message, header: &FrameHeader) -> bool {
    match message {
        Message::Batch(batch) => {
            header.kind == FrameKind::Batch
                && batch.header.number == header.number
                && batch.first_offset == header.first_offset
                && batch.records.len() == header.records as usize
        }
        Message::Begin(begin) => {
            header.kind == FrameKind::Begin
                && begin.header.number == header.number
                && begin.first_offset == header.first_offset
        }
        Message::Checkpoint(checkpoint) => {
            header.kind == FrameKind::Checkpoint
                && checkpoint.state.number() == header.number
                && checkpoint.state.next_offset() == header.first_offset
        }
    }
}
