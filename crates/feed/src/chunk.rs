//! The messages of a page, rendered, framed and perhaps compressed in one shared buffer.

pub(crate) mod batch;

use std::ops::Range;

use bytes::Bytes;

use crate::protocol::deflate::Deflater;
use crate::protocol::framing::Framing;
use crate::protocol::gzip::Checksum;
use crate::ring::filter::Selection;
use crate::ring::page::Page;
use crate::ring::span::Span;
use crate::stream::Stream;

/// The end of a message, which begins where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    offset: u64,
    end: usize,
}

/// The messages of one page, rendered and framed end to end.
///
/// It is also the unit of compression: the compressor starts empty with each chunk, so any reader
/// may begin at a chunk's beginning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    span: Span,
    bytes: Bytes,
    /// The entries that have a message, ascending.
    marks: Box<[Mark]>,
    /// Of the text up to the end of each message, where the framing needs it; empty otherwise.
    checksums: Box<[Checksum]>,
}

impl Chunk {
    /// Returns the offset of the page's first entry.
    pub(crate) const fn first(&self) -> u64 {
        self.span.first
    }

    /// Returns the offset after the page's last entry.
    pub(crate) const fn end(&self) -> u64 {
        self.span.end
    }

    /// Returns the offsets of the page.
    pub(crate) const fn span(&self) -> &Span {
        &self.span
    }

    /// Returns all messages.
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the bytes of memory it takes, its tables included: of short messages these are a large
    /// part.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.marks) + size_of_val(&*self.checksums)
    }

    /// Returns the first message at `offset` or after.
    pub(crate) fn message_at(&self, offset: u64) -> usize {
        self.marks.partition_point(|mark| mark.offset < offset)
    }

    /// Returns the message that the byte at `position` belongs to.
    pub(crate) fn message_of(&self, position: usize) -> usize {
        self.marks.partition_point(|mark| mark.end <= position)
    }

    /// Returns the byte at which message `index` starts; the length of all bytes after the last.
    pub(crate) fn start(&self, index: usize) -> usize {
        index.checked_sub(1).and_then(|last| self.marks.get(last)).map_or(0, |mark| mark.end)
    }

    /// Returns the checksum of what these messages inflate to, where the framing needs it.
    pub(crate) fn checksum(&self, messages: Range<usize>) -> Checksum {
        let before = |index: usize| {
            let last = index.checked_sub(1).and_then(|last| self.checksums.get(last));
            last.copied().unwrap_or_default()
        };
        before(messages.end).after(before(messages.start))
    }

    /// Returns the offset that follows all messages before `index`.
    pub(crate) fn offset_before(&self, index: usize) -> u64 {
        if index >= self.marks.len() {
            return self.end();
        }
        index
            .checked_sub(1)
            .and_then(|i| self.marks.get(i))
            .map_or(self.span.first, |m| m.offset + 1)
    }

    /// Returns the next messages in a row that are selected, of those from `index` on.
    pub(crate) fn run(
        &self,
        index: usize,
        selection: Option<Selection<'_>>,
    ) -> Option<Range<usize>> {
        let count = self.marks.len();
        let Some(selection) = selection else { return (index < count).then_some(index..count) };
        let mut start = index;
        // An entry may be selected and have no message in this rendering.
        loop {
            let next = self.marks.get(start)?.offset;
            let selected = selection.next(next)?;
            if selected == next {
                break;
            }
            start = self.message_at(selected);
        }
        let rest = self.marks.iter().skip(start);
        let length = rest.take_while(|mark| selection.next(mark.offset) == Some(mark.offset));
        Some(start..start + length.count())
    }
}

/// Reads all entries of a page.
pub(crate) fn read<'p, S: Stream>(stream: &S, page: &'p Page<S::Entry>) -> Vec<S::Message<'p>> {
    page.entries().map(|(offset, entry)| stream.read(offset, entry)).collect()
}

/// The messages of one page in one rendering, not yet framed, and the tools to frame them.
/// Reused from page to page.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    json: Vec<u8>,
    marks: Vec<Mark>,
    /// The rest of the id of each event, after the offset.
    suffix: String,
    deflater: Option<Deflater>,
}

impl Texts {
    /// Bytes the buffer may keep between pages: of a page that is full, in the longest rendering.
    const KEPT: usize = 4 * 1024 * 1024;

    /// Renders the page's messages in place of what was here.
    pub(crate) fn render<S: Stream>(
        &mut self,
        stream: &S,
        rendering: S::Rendering,
        first: u64,
        messages: &[S::Message<'_>],
    ) {
        self.json.clear();
        self.marks.clear();
        stream.event_suffix().clone_into(&mut self.suffix);
        for (offset, message) in (first..).zip(messages) {
            let start = self.json.len();
            stream.render(rendering, message, &mut self.json);
            let end = self.json.len();
            if end > start {
                self.marks.push(Mark { offset, end });
            }
        }
    }

    /// Frames the messages of the page `span`, into a buffer of exactly their size.
    pub(crate) fn frame(&mut self, framing: Framing, span: &Span) -> Chunk {
        let Self { json, marks, suffix, deflater } = self;
        let room = json.len() + marks.len() * (framing.overhead() + suffix.len());
        let mut deflater = framing.is_compressed().then(|| deflater.get_or_insert_default());
        let mut bytes = Vec::with_capacity(if deflater.is_some() { room / 4 } else { room });
        if let Some(deflater) = &mut deflater {
            deflater.start_chunk();
        }
        let mut start = 0;
        let mut checksums = Vec::new();
        let mut checksum = Checksum::default();
        let frame = |&Mark { offset, end }: &Mark| {
            let json = json.get(start..end).unwrap_or_default();
            match &mut deflater {
                Some(deflater) => {
                    let text = deflater.frame(framing, offset, suffix, json, &mut bytes);
                    checksum = checksum.then(text);
                    if framing == Framing::SseGzip {
                        checksums.push(checksum);
                    }
                }
                None => framing.frame(offset, suffix, json, &mut bytes),
            }
            start = end;
            Mark { offset, end: bytes.len() }
        };
        let marks = marks.iter().map(frame).collect();
        bytes.shrink_to_fit();
        let checksums = checksums.into_boxed_slice();
        Chunk { span: span.clone(), bytes: bytes.into(), marks, checksums }
    }

    /// Frees the memory that one large page needed, and the compressor unless it is still needed
    /// (`compressing`).
    pub(crate) fn trim(&mut self, compressing: bool) {
        if self.json.capacity() > Self::KEPT {
            self.json = Vec::new();
            self.marks = Vec::new();
        }
        if !compressing {
            self.deflater = None;
        }
    }
}
