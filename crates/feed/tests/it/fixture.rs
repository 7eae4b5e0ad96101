//! A stream of notes, and clients' ways to read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use feed::{Batch, Framing, Hub, Limits, Reader, Stream, Written};

/// Offset of the first note of every hub here.
pub(crate) const FIRST: u64 = 1000;

/// Nothing leaves of its own accord.
pub(crate) const ROOMY: Limits = Limits {
    ring_bytes: 1 << 30,
    min_messages: 0,
    chunk_bytes: 1 << 30,
    linger: Duration::from_secs(3600),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rendering {
    /// `{"offset":N,"note":"..."}`
    Plain,
    /// The same over several lines, with a line break at the end.
    Pretty,
    /// Plain, and only of notes with an odd offset.
    Odd,
}

pub(crate) const RENDERINGS: [Rendering; 3] = [Rendering::Plain, Rendering::Pretty, Rendering::Odd];
pub(crate) const FRAMINGS: [Framing; 2] = [Framing::WebSocket, Framing::Sse];

/// A note that cannot be rendered: that is a panic.
pub(crate) const UNSPEAKABLE: &str = "unspeakable";

/// Counts what is asked of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) reads: Arc<AtomicUsize>,
    pub(crate) renders: Arc<AtomicUsize>,
}

impl Notes {
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.reads.load(Ordering::SeqCst), self.renders.load(Ordering::SeqCst))
    }
}

impl Stream for Notes {
    type Entry = String;
    type Message<'e> = (u64, &'e str);
    type Rendering = Rendering;

    fn weight(&self, entry: &String) -> usize {
        entry.len()
    }

    fn read<'e>(&self, offset: u64, entry: &'e String) -> (u64, &'e str) {
        self.reads.fetch_add(1, Ordering::SeqCst);
        (offset, entry)
    }

    fn render(&self, rendering: Rendering, message: &(u64, &str), out: &mut Vec<u8>) {
        self.renders.fetch_add(1, Ordering::SeqCst);
        assert_ne!(message.1, UNSPEAKABLE);
        out.extend_from_slice(json(rendering, message.0, message.1).unwrap_or_default().as_bytes());
    }
}

/// The message for a note, if it has one.
pub(crate) fn json(rendering: Rendering, offset: u64, note: &str) -> Option<String> {
    match rendering {
        Rendering::Plain => Some(format!(r#"{{"offset":{offset},"note":"{note}"}}"#)),
        Rendering::Pretty => {
            Some(format!("{{\n \"offset\": {offset},\n \"note\": \"{note}\"\n}}\n"))
        }
        Rendering::Odd => json(Rendering::Plain, offset, note).filter(|_| offset % 2 == 1),
    }
}

/// What a client understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// The text of a message, without the line break at its end that server-sent events lose.
    Message(String),
    /// A frame of the connection's own.
    Own(Vec<u8>),
}

/// A client's receive buffer.
#[derive(Debug)]
pub(crate) struct Inbox {
    framing: Framing,
    pending: Vec<u8>,
    pub(crate) items: Vec<Item>,
    pub(crate) bytes: usize,
}

impl Inbox {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, pending: Vec::new(), items: Vec::new(), bytes: 0 }
    }

    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether everything received is whole.
    pub(crate) fn at_boundary(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|item| match item {
            Item::Message(text) => Some(text.as_str()),
            Item::Own(_) => None,
        })
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.pending.extend_from_slice(bytes);
        let mut rest = self.pending.as_slice();
        while let Some((item, after)) = match self.framing {
            Framing::WebSocket => parse_frame(rest),
            Framing::Sse => parse_event(rest),
        } {
            self.items.push(item);
            rest = after;
        }
        self.pending = rest.to_vec();
    }
}

fn parse_frame(bytes: &[u8]) -> Option<(Item, &[u8])> {
    let (&[first, short], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match short {
        126 => rest.split_first_chunk().map(|(&l, rest)| (u16::from_be_bytes(l).into(), rest))?,
        127 => rest.split_first_chunk().map(|(&l, rest)| (u64::from_be_bytes(l), rest))?,
        short => (short.into(), rest),
    };
    let length = usize::try_from(length).unwrap();
    let (payload, after) = rest.split_at_checked(length)?;
    let item = match first {
        0x81 => {
            let text = str::from_utf8(payload).unwrap();
            Item::Message(text.strip_suffix('\n').unwrap_or(text).to_owned())
        }
        first => {
            assert!(first & 0x88 == 0x88, "control frame expected: {first:x}");
            Item::Own(bytes[..bytes.len() - after.len()].to_vec())
        }
    };
    Some((item, after))
}

fn parse_event(bytes: &[u8]) -> Option<(Item, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n")? + 2;
    let (event, after) = bytes.split_at(end);
    if event.starts_with(b":") {
        return Some((Item::Own(event.to_vec()), after));
    }
    let lines: Vec<&str> = str::from_utf8(event).unwrap().lines().collect();
    let id: u64 = lines[0].strip_prefix("id: ").unwrap().parse().unwrap();
    let data: Vec<&str> =
        lines[1..lines.len() - 1].iter().map(|line| line.strip_prefix("data: ").unwrap()).collect();
    let text = data.join("\n");
    assert!(text.replace(' ', "").contains(&format!("\"offset\":{id},")), "{id} of {text}");
    Some((Item::Message(text), after))
}

/// A frame of the connection's own, such as the framing allows.
pub(crate) fn own_frame(framing: Framing, number: usize) -> Vec<u8> {
    match framing {
        Framing::WebSocket => feed::frame::pong(number.to_string().as_bytes()),
        Framing::Sse => format!(": {number}\n\n").into_bytes(),
    }
}

pub(crate) fn hub(limits: Limits) -> (Hub<Notes>, Notes) {
    let notes = Notes::default();
    (Hub::new(notes.clone(), limits, FIRST), notes)
}

pub(crate) fn notes<const N: usize>(notes: [&str; N]) -> Vec<String> {
    notes.map(String::from).to_vec()
}

/// Everything there is for the reader right now.
pub(crate) fn drain(reader: &mut Reader<Notes>) -> (Vec<u8>, Written) {
    let mut bytes = Vec::new();
    let mut total = Written::default();
    let mut batch = Batch::default();
    loop {
        let before = reader.offset();
        reader.fill(&mut batch, 1 << 20);
        let mut written = 0;
        for slice in batch.slices() {
            bytes.extend_from_slice(slice);
            written += slice.len();
        }
        let step = reader.advance(&mut batch, written);
        total.bytes += step.bytes;
        total.messages += step.messages;
        total.lost += step.lost;
        if written == 0 && reader.offset() == before {
            return (bytes, total);
        }
    }
}

/// The notes a reader has for now, as a client understands them.
pub(crate) fn messages(reader: &mut Reader<Notes>, framing: Framing) -> Vec<String> {
    let mut inbox = Inbox::new(framing);
    inbox.receive(&drain(reader).0);
    assert!(inbox.at_boundary());
    inbox.messages().map(String::from).collect()
}
