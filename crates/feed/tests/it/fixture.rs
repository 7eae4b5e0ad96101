//! A stream of notes, and clients' ways to read it.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use feed::{
    Batch, Framing, Hub, Limits, Owner, Reader, Ready, Request, Stream, Subscription, Written,
};
use flate2::write::GzDecoder;
use flate2::{Decompress, FlushDecompress};
use parking_lot::Mutex;
use tokio::time::timeout;

/// Offset of the first note of every hub here.
pub(crate) const FIRST: u64 = 1000;

/// Limits that nothing reaches.
pub(crate) const ROOMY: Limits = Limits {
    ring_bytes: 1 << 30,
    chunk_bytes: 1 << 30,
    chunk_time: Duration::from_secs(3600),
    linger: Duration::from_secs(3600),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rendering {
    /// `{"offset":N,"note":"..."}`
    Plain,
    /// [`Plain`](Self::Plain) over several lines, with a line break at the end.
    Pretty,
    /// Plain, and only of notes with an odd offset.
    Odd,
}

pub(crate) const RENDERINGS: [Rendering; 3] = [Rendering::Plain, Rendering::Pretty, Rendering::Odd];
pub(crate) const FRAMINGS: [Framing; 5] = [
    Framing::WebSocket,
    Framing::Sse,
    Framing::WebSocketDeflate,
    Framing::SseGzip,
    Framing::WebSocketDeflateEach,
];
/// Those that are compressed.
pub(crate) const COMPRESSED: [Framing; 3] =
    [Framing::WebSocketDeflate, Framing::WebSocketDeflateEach, Framing::SseGzip];

/// Longer than anything takes under paused time, which passes only while nothing else happens.
const FOREVER: Duration = Duration::from_secs(1 << 20);

/// A note that cannot be rendered: that is a panic.
pub(crate) const UNSPEAKABLE: &str = "unspeakable";

/// Counts the calls to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) reads: Arc<AtomicUsize>,
    pub(crate) renders: Arc<AtomicUsize>,
    /// Calls to match a page.
    pub(crate) matchings: Arc<AtomicUsize>,
    /// Renderings under way, and the most there were.
    pub(crate) busy: Arc<(AtomicUsize, AtomicUsize)>,
    registry: Arc<Mutex<Registry>>,
}

/// The filters there are.
#[derive(Debug, Default)]
struct Registry {
    patterns: BTreeMap<u64, Pattern>,
    next: u64,
    /// Only filters with smaller ids are applied.
    compiled: u64,
}

/// A filter, as the caller has it: registered while it exists.
#[derive(Clone, Debug)]
pub(crate) struct Filter(Arc<Registration>);

#[derive(Debug)]
struct Registration {
    id: u64,
    pattern: Pattern,
    registry: Arc<Mutex<Registry>>,
}

/// Lets a note through in so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) one_in: u64,
    pub(crate) rest: u64,
}

impl Pattern {
    pub(crate) fn passes(self, offset: u64, note: &str) -> bool {
        (offset + note.len() as u64) % self.one_in == self.rest
    }
}

impl Filter {
    pub(crate) fn pattern(&self) -> Pattern {
        self.0.pattern
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().patterns.remove(&self.id);
    }
}

impl Notes {
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.reads.load(Ordering::SeqCst), self.renders.load(Ordering::SeqCst))
    }

    /// Registers a filter; [`compile`](Self::compile) has it applied.
    pub(crate) fn filter(&self, one_in: u64, rest: u64) -> Filter {
        let pattern = Pattern { one_in, rest };
        let mut registry = self.registry.lock();
        let id = registry.next;
        registry.next += 1;
        registry.patterns.insert(id, pattern);
        let registry = Arc::clone(&self.registry);
        Filter(Arc::new(Registration { id, pattern, registry }))
    }

    /// From now on, all filters there are will be applied.
    pub(crate) fn compile(&self) {
        let mut registry = self.registry.lock();
        registry.compiled = registry.next;
    }

    pub(crate) fn compiled(&self) -> u64 {
        self.registry.lock().compiled
    }

    /// Returns the filters that are applied.
    pub(crate) fn patterns(&self) -> Vec<(u64, Pattern)> {
        let registry = self.registry.lock();
        registry.patterns.range(..registry.compiled).map(|(id, pattern)| (*id, *pattern)).collect()
    }
}

impl Stream for Notes {
    type Entry = String;
    type Message<'e> = (u64, &'e str);
    type Rendering = Rendering;
    type Filter = Filter;

    fn weight(&self, entry: &String) -> usize {
        entry.len()
    }

    /// The longer a note, the later it was seen: so times step back.
    fn seen(&self, entry: &String) -> u64 {
        entry.len() as u64
    }

    fn read<'e>(&self, offset: u64, entry: &'e String) -> (u64, &'e str) {
        self.reads.fetch_add(1, Ordering::SeqCst);
        (offset, entry)
    }

    fn render(&self, rendering: Rendering, message: &(u64, &str), out: &mut Vec<u8>) {
        let (busy, most) = &*self.busy;
        most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        self.renders.fetch_add(1, Ordering::SeqCst);
        assert_ne!(message.1, UNSPEAKABLE);
        out.extend_from_slice(json(rendering, message.0, message.1).unwrap_or_default().as_bytes());
        busy.fetch_sub(1, Ordering::SeqCst);
    }

    fn filter_id(filter: &Filter) -> u64 {
        filter.0.id
    }

    fn matching(&self, messages: &[(u64, &str)], found: &mut Vec<(u64, u32)>) -> u64 {
        self.matchings.fetch_add(1, Ordering::SeqCst);
        let patterns = self.patterns();
        for (position, (offset, note)) in (0..).zip(messages) {
            let passed = patterns.iter().filter(|(_, pattern)| pattern.passes(*offset, note));
            found.extend(passed.map(|(id, _)| (*id, position)));
        }
        self.compiled()
    }

    fn passes(&self, filter: &Filter, message: &(u64, &str)) -> bool {
        filter.0.pattern.passes(message.0, message.1)
    }
}

/// A reader of everything.
pub(crate) fn join(
    hub: &Hub<Notes>,
    rendering: Rendering,
    framing: Framing,
    since: Option<u64>,
) -> Subscription<Notes> {
    subscribe(hub, Request { rendering, framing, since, filter: None, owner: Owner::default() })
}

/// A reader for whom there is room.
pub(crate) fn subscribe(hub: &Hub<Notes>, request: Request<Notes>) -> Subscription<Notes> {
    hub.subscribe(request).expect("there is room in the history")
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

/// A thing that a client understood.
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
    inflate: Inflate,
    pending: Vec<u8>,
    pub(crate) items: Vec<Item>,
    pub(crate) bytes: usize,
}

/// The decompressor of a client, as long as the connection lasts.
#[derive(Debug)]
enum Inflate {
    Nothing,
    /// The compressed messages among others.
    Messages(Decompress),
    /// The compressed messages, each without those before it.
    Each,
    /// Everything.
    Gzip(Box<GzDecoder<Vec<u8>>>),
}

impl Inbox {
    /// Of a client that asked for a framing.
    pub(crate) fn new(framing: Framing) -> Self {
        let inflate = match framing {
            Framing::WebSocket | Framing::Sse => Inflate::Nothing,
            Framing::WebSocketDeflate => Inflate::Messages(Decompress::new(false)),
            Framing::WebSocketDeflateEach => Inflate::Each,
            Framing::SseGzip => {
                let mut decoder = GzDecoder::new(Vec::new());
                decoder.write_all(&feed::gzip::HEADER).unwrap();
                Inflate::Gzip(Box::new(decoder))
            }
        };
        Self { framing, inflate, pending: Vec::new(), items: Vec::new(), bytes: 0 }
    }

    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// Reports whether everything received is whole.
    pub(crate) fn at_boundary(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|item| match item {
            Item::Message(text) => Some(text.as_str()),
            Item::Own(_) => None,
        })
    }

    /// Receives what a connection makes of a reader's bytes, `framing` being the reader's.
    pub(crate) fn receive(&mut self, framing: Framing, bytes: &[u8]) {
        assert_eq!(framing.plain(), self.framing.plain());
        self.bytes += bytes.len();
        match &mut self.inflate {
            Inflate::Gzip(decoder) => {
                let mut stored = Vec::new();
                let bytes = if framing == Framing::Sse {
                    feed::gzip::stored(bytes, &mut stored);
                    &stored
                } else {
                    bytes
                };
                decoder.write_all(bytes).unwrap();
                decoder.flush().unwrap();
                self.pending.append(decoder.get_mut());
            }
            _ => self.pending.extend_from_slice(bytes),
        }
        let mut rest = self.pending.as_slice();
        while let Some((item, after)) = match self.framing.plain() {
            Framing::Sse => parse_event(rest),
            _ => parse_frame(rest, &mut self.inflate),
        } {
            self.items.push(item);
            rest = after;
        }
        self.pending = rest.to_vec();
    }
}

/// The text of a message that was compressed (RFC 7692 section 7.2.2).
fn inflate(inflate: &mut Inflate, payload: &[u8]) -> Vec<u8> {
    let mut fresh = Decompress::new(false);
    let decompress = match inflate {
        Inflate::Messages(decompress) => decompress,
        Inflate::Each => &mut fresh,
        Inflate::Nothing | Inflate::Gzip(_) => panic!("compression was not asked for"),
    };
    let payload = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut text = Vec::new();
    let mut rest = payload.as_slice();
    loop {
        text.reserve(1 << 16);
        let before = decompress.total_in();
        decompress.decompress_vec(rest, &mut text, FlushDecompress::Sync).unwrap();
        rest = &rest[usize::try_from(decompress.total_in() - before).unwrap()..];
        if rest.is_empty() && text.len() < text.capacity() {
            return text;
        }
    }
}

fn parse_frame<'b>(bytes: &'b [u8], inflater: &mut Inflate) -> Option<(Item, &'b [u8])> {
    let (&[first, short], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match short {
        126 => rest.split_first_chunk().map(|(&l, rest)| (u16::from_be_bytes(l).into(), rest))?,
        127 => rest.split_first_chunk().map(|(&l, rest)| (u64::from_be_bytes(l), rest))?,
        short => (short.into(), rest),
    };
    let length = usize::try_from(length).unwrap();
    let (payload, after) = rest.split_at_checked(length)?;
    let item = match first {
        0x81 | 0xc1 => {
            let inflated = (first == 0xc1).then(|| inflate(inflater, payload));
            let text = str::from_utf8(inflated.as_deref().unwrap_or(payload)).unwrap();
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
    match framing.plain() {
        Framing::Sse => format!(": {number}\n\n").into_bytes(),
        _ => feed::frame::pong(number.to_string().as_bytes()),
    }
}

pub(crate) fn hub(limits: Limits) -> (Hub<Notes>, Notes) {
    let notes = Notes::default();
    (Hub::new(notes.clone(), limits, FIRST), notes)
}

/// Publishes notes that follow those before without a hole; their offsets.
pub(crate) fn publish(hub: &Hub<Notes>, notes: Vec<String>) -> Range<u64> {
    publish_at(hub, hub.next_offset(), notes)
}

/// Publishes notes from an offset on; their offsets.
pub(crate) fn publish_at(hub: &Hub<Notes>, first: u64, notes: Vec<String>) -> Range<u64> {
    hub.publish(first, notes).expect("the stream is open, and the offsets are free")
}

pub(crate) fn notes<const N: usize>(notes: [&str; N]) -> Vec<String> {
    notes.map(String::from).to_vec()
}

/// Reports whether there is more for the reader, late work included. Time must be paused.
pub(crate) async fn more(reader: &mut Reader<Notes>) -> bool {
    timeout(FOREVER, reader.ready()).await == Ok(Ready::More)
}

/// Hands over everything there is for the reader until it would have to wait for a publish. Time
/// must be paused.
pub(crate) async fn each(
    reader: &mut Reader<Notes>,
    mut receive: impl FnMut(Framing, &[u8]),
) -> Written {
    let mut total = Written::default();
    let mut batch = Batch::default();
    loop {
        let more = more(reader).await;
        let framing = reader.framing();
        reader.fill(&mut batch, 1 << 20);
        let bytes = batch.slices().collect::<Vec<_>>().concat();
        receive(framing, &bytes);
        add(&mut total, reader.advance(&mut batch, bytes.len()));
        if !more {
            assert!(bytes.is_empty());
            return total;
        }
    }
}

pub(crate) fn add(total: &mut Written, step: Written) {
    total.bytes += step.bytes;
    total.messages += step.messages;
    total.lost += step.lost;
    total.inflated = total.inflated.then(step.inflated);
}

/// Everything there is, as bytes.
pub(crate) async fn drain(reader: &mut Reader<Notes>) -> (Vec<u8>, Written) {
    let mut all = Vec::new();
    let written = each(reader, |_, bytes| all.extend_from_slice(bytes)).await;
    (all, written)
}

/// The notes a reader has for now, as a client understands them that joined just before.
pub(crate) async fn messages(reader: &mut Reader<Notes>, framing: Framing) -> Vec<String> {
    let mut inbox = Inbox::new(framing);
    each(reader, |framing, bytes| inbox.receive(framing, bytes)).await;
    assert!(inbox.at_boundary());
    inbox.messages().map(String::from).collect()
}
