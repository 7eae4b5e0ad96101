use bytes::Bytes;

use crate::framing::Framing;
use crate::ring::Page;
use crate::stream::Stream;

/// Where a message lies: behind the one before it, up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    offset: u64,
    end: usize,
}

/// The messages of one page, rendered and framed end to end.
///
/// It is also the natural unit of compression: a compressor that starts empty with each chunk lets
/// any reader join at a chunk's beginning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    first: u64,
    end: u64,
    bytes: Bytes,
    /// The entries that have a message, ascending.
    marks: Box<[Mark]>,
}

impl Chunk {
    /// Reads and renders a page for one feed alone.
    pub(crate) fn render<S: Stream>(
        stream: &S,
        rendering: S::Rendering,
        framing: Framing,
        page: &Page<S::Entry>,
    ) -> Self {
        let mut texts = Texts::default();
        texts.render(stream, rendering, page, &read(stream, page));
        texts.frame(framing)
    }

    /// Offset of the page's first entry.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// Offset after the page's last entry.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// All messages.
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Number of messages.
    pub(crate) const fn messages(&self) -> usize {
        self.marks.len()
    }

    /// The first message at `offset` or after.
    pub(crate) fn message_at(&self, offset: u64) -> usize {
        self.marks.partition_point(|mark| mark.offset < offset)
    }

    /// The message that the byte at `position` belongs to.
    pub(crate) fn message_of(&self, position: usize) -> usize {
        self.marks.partition_point(|mark| mark.end <= position)
    }

    /// Byte at which message `index` starts; the length of all bytes after the last.
    pub(crate) fn start(&self, index: usize) -> usize {
        index.checked_sub(1).and_then(|last| self.marks.get(last)).map_or(0, |mark| mark.end)
    }

    /// The offset to go on from after all messages before `index`.
    pub(crate) fn offset_before(&self, index: usize) -> u64 {
        if index >= self.marks.len() {
            return self.end;
        }
        index.checked_sub(1).and_then(|i| self.marks.get(i)).map_or(self.first, |m| m.offset + 1)
    }
}

/// Reads all entries of a page.
pub(crate) fn read<'p, S: Stream>(stream: &S, page: &'p Page<S::Entry>) -> Vec<S::Message<'p>> {
    page.entries().map(|(offset, entry)| stream.read(offset, entry)).collect()
}

/// The messages of one page in one rendering, not yet framed. Reused from page to page.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    first: u64,
    end: u64,
    json: Vec<u8>,
    marks: Vec<Mark>,
}

impl Texts {
    /// Bytes the buffer may keep between pages.
    const KEPT: usize = 1024 * 1024;

    /// Renders the page's messages in place of what was here.
    pub(crate) fn render<S: Stream>(
        &mut self,
        stream: &S,
        rendering: S::Rendering,
        page: &Page<S::Entry>,
        messages: &[S::Message<'_>],
    ) {
        (self.first, self.end) = (page.first(), page.end());
        self.json.clear();
        self.marks.clear();
        for (offset, message) in (page.first()..).zip(messages) {
            let start = self.json.len();
            stream.render(rendering, message, &mut self.json);
            let end = self.json.len();
            if end > start {
                self.marks.push(Mark { offset, end });
            }
        }
    }

    /// Frames the messages, into a buffer of exactly their size.
    pub(crate) fn frame(&self, framing: Framing) -> Chunk {
        let room = self.json.len() + self.marks.len() * framing.overhead();
        let mut bytes = Vec::with_capacity(room);
        let mut start = 0;
        let marks = self.marks.iter().map(|&Mark { offset, end }| {
            framing.frame(offset, self.json.get(start..end).unwrap_or_default(), &mut bytes);
            start = end;
            Mark { offset, end: bytes.len() }
        });
        let marks = marks.collect();
        bytes.shrink_to_fit();
        Chunk { first: self.first, end: self.end, bytes: bytes.into(), marks }
    }

    /// Gives back what one large page needed.
    pub(crate) fn trim(&mut self) {
        if self.json.capacity() > Self::KEPT {
            *self = Self::default();
        }
    }
}
