//! A proxy between a node and its server, which loses, delays and repeats messages on demand.

mod frame;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use self::frame::Frame;
use crate::random::Random;

/// Time for a server to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    server: SocketAddr,
    shared: Arc<Shared>,
}

/// The fate of a publish to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    /// It never arrives.
    Drop,
    /// It arrives when it is [released](Proxy::release).
    Hold,
    /// It arrives twice.
    Repeat,
    /// It arrives; its answer does not.
    Silence,
}

#[derive(Debug, Default)]
struct Shared {
    /// Everything from the server is discarded.
    is_deaf: AtomicBool,
    /// Connections that were made, and those of them, the first ones, that are silent.
    connections: AtomicUsize,
    silenced: AtomicUsize,
    /// Connections are closed.
    cut: Notify,
    /// The fates of the next publishes; those after them pass.
    fates: Mutex<VecDeque<Fate>>,
    held: Mutex<VecDeque<Frame>>,
    has_held: Notify,
    /// Inboxes whose answers are discarded.
    silent: Mutex<Vec<String>>,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(server).await {
                    tokio::spawn(carry(client, server, Arc::clone(&accepting)));
                }
            }
        });
        Self { address, server, shared }
    }

    /// Discards what the server sends, or no longer.
    pub(crate) fn set_deaf(&self, is_deaf: bool) {
        self.shared.is_deaf.store(is_deaf, Ordering::SeqCst);
    }

    /// Discards everything on the present connections, in both directions, and leaves them open.
    pub(crate) fn fall_silent(&self) {
        let connections = self.shared.connections.load(Ordering::SeqCst);
        self.shared.silenced.store(connections, Ordering::SeqCst);
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        self.shared.cut.notify_waiters();
    }

    /// Decides the fates of the next publishes.
    pub(crate) fn decide(&self, fates: impl IntoIterator<Item = Fate>) {
        self.shared.fates.lock().extend(fates);
    }

    /// Decides the fates of many publishes at random. Each fate but passing is rare.
    pub(crate) fn decide_at_random(&self, count: usize, random: &mut Random) {
        self.decide((0..count).map(|_| match random.below(16) {
            0 => Fate::Drop,
            1 => Fate::Hold,
            2 | 3 => Fate::Repeat,
            4 => Fate::Silence,
            _ => Fate::Pass,
        }));
    }

    /// Lets all publishes pass from now on.
    pub(crate) fn calm(&self) {
        self.shared.fates.lock().clear();
    }

    /// Waits until a publish is held.
    pub(crate) async fn wait_for_held(&self) {
        let waiting = async {
            while self.shared.held.lock().is_empty() {
                self.shared.has_held.notified().await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("no publish is held");
    }

    /// Delivers the oldest publish that is held, and returns what the server answers; `None` if none is.
    pub(crate) async fn release(&self) -> Option<String> {
        let frame = self.shared.held.lock().pop_front()?;
        let answer = timeout(PATIENCE, deliver(self.server, &frame)).await;
        Some(answer.expect("the server does not answer"))
    }
}

/// Publishes a frame over a connection of its own, and returns the answer.
async fn deliver(server: SocketAddr, frame: &Frame) -> String {
    let mut plain = Plain::connect(server).await;
    plain.stream.write_all(&frame.with_reply(INBOX)).await.unwrap();
    plain.answer().await
}

/// The subject for the answer to a [`Plain`] connection.
const INBOX: &str = "answers";

/// A connection without a client library: what is sent lies ready for a server that is suspended.
#[derive(Debug)]
pub(crate) struct Plain {
    stream: BufReader<TcpStream>,
}

impl Plain {
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        let mut stream = BufReader::new(TcpStream::connect(server).await.unwrap());
        Frame::read(&mut stream).await.expect("the server does not introduce itself");
        let hello = format!("CONNECT {{\"verbose\":false,\"headers\":true}}\r\nSUB {INBOX} 1\r\n");
        stream.write_all(hello.as_bytes()).await.unwrap();
        Self { stream }
    }

    /// Sends a request.
    pub(crate) async fn request(&mut self, subject: &str, payload: &str) {
        let frame = format!("PUB {subject} {INBOX} {}\r\n{payload}\r\n", payload.len());
        self.stream.write_all(frame.as_bytes()).await.unwrap();
    }

    /// Waits for the next answer.
    pub(crate) async fn answer(&mut self) -> String {
        loop {
            let frame = Frame::read(&mut self.stream).await.expect("the connection is closed");
            match frame.verb() {
                "MSG" => return String::from_utf8_lossy(&frame.payload).into_owned(),
                "PING" => self.stream.write_all(b"PONG\r\n").await.unwrap(),
                _ => {}
            }
        }
    }
}

async fn carry(client: TcpStream, server: TcpStream, shared: Arc<Shared>) {
    let number = shared.connections.fetch_add(1, Ordering::SeqCst);
    let is_silent = || number < shared.silenced.load(Ordering::SeqCst);
    let (from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let up = async {
        let mut from_client = BufReader::new(from_client);
        while let Some(frame) = Frame::read(&mut from_client).await {
            if is_silent() {
                continue;
            }
            for bytes in shared.pass(frame) {
                if to_server.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        }
    };
    let down = async {
        let mut from_server = BufReader::new(from_server);
        while let Some(frame) = Frame::read(&mut from_server).await {
            let is_deaf = shared.is_deaf.load(Ordering::SeqCst) || is_silent();
            let is_lost = is_deaf || shared.silences(&frame);
            if !is_lost && to_client.write_all(&frame.bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
        () = shared.cut.notified() => {}
    }
}

impl Shared {
    /// Returns what the server receives of a frame.
    fn pass(&self, frame: Frame) -> Vec<Vec<u8>> {
        let fate = if frame.is_publish() { self.fates.lock().pop_front() } else { None };
        let bytes = frame.bytes();
        match fate.unwrap_or(Fate::Pass) {
            Fate::Pass => vec![bytes],
            Fate::Drop => Vec::new(),
            Fate::Repeat => vec![bytes.clone(), bytes],
            Fate::Silence => {
                self.silent.lock().extend(frame.reply().map(str::to_owned));
                vec![bytes]
            }
            Fate::Hold => {
                self.held.lock().push_back(frame);
                self.has_held.notify_one();
                Vec::new()
            }
        }
    }

    /// Reports whether a frame of the server is an answer that is to be lost.
    fn silences(&self, frame: &Frame) -> bool {
        let mut silent = self.silent.lock();
        let place = silent.iter().position(|inbox| frame.subject() == Some(inbox));
        place.map(|place| silent.swap_remove(place)).is_some()
    }
}
