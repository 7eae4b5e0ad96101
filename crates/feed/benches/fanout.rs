//! The cost of sending a message to many sockets: CPU time per message delivered, against plain
//! writes of the same bytes to as many sockets in the same run. `cargo bench -p feed`.
//!
//! Both send in rounds: a batch goes to every client, and the next when all of it has arrived. So
//! both make writes of the same size. The clients' own CPU time does not count.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use feed::{Framing, Hub, Limits, Owner, Ready, Request, Stream};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::runtime;

const CLIENTS: usize = 200;
/// Bytes of a message, about what a certificate without its chain takes.
const MESSAGE: usize = 1650;
const BATCHES: [usize; 3] = [1, 10, 100];
/// The time for which one way sends one size of batch before the other has its turn, and the number
/// of turns.
const TURN: Duration = Duration::from_millis(100);
const TURNS: usize = 15;

/// Entries are their own messages.
struct Echo;

impl Stream for Echo {
    type Entry = Vec<u8>;
    type Message<'e> = &'e [u8];
    type Rendering = ();
    type Filter = ();

    fn weight(&self, entry: &Vec<u8>) -> usize {
        entry.len()
    }

    fn seen(&self, _: &Vec<u8>) -> u64 {
        0
    }

    fn read<'e>(&self, _: u64, entry: &'e Vec<u8>) -> &'e [u8] {
        entry
    }

    fn render(&self, (): (), message: &&[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(message);
    }

    fn filter_id((): &()) -> u64 {
        0
    }

    fn matching(&self, _: &[&[u8]], _: &mut Vec<(u64, u32)>) -> u64 {
        0
    }

    fn passes(&self, (): &(), _: &&[u8]) -> bool {
        true
    }
}

/// Sends a batch of so many messages to all clients.
type Send = Box<dyn FnMut(usize) + core::marker::Send>;

/// A way to send, and the thread that does it when told how many.
struct Sender {
    rounds: mpsc::Sender<usize>,
    /// All threads whose CPU time counts.
    threads: Arc<Mutex<Vec<String>>>,
    /// Bytes its clients have received.
    received: Arc<AtomicU64>,
}

impl Sender {
    fn new(prepare: impl FnOnce(&Self) -> Send) -> Self {
        let (rounds, orders) = mpsc::channel();
        let sender = Self { rounds, threads: Arc::default(), received: Arc::default() };
        let send = prepare(&sender);
        let threads = Arc::clone(&sender.threads);
        let (started, start) = mpsc::channel();
        thread::spawn(move || {
            threads.lock().unwrap().push(this_thread());
            started.send(()).unwrap();
            orders.iter().for_each(send);
        });
        start.recv().unwrap();
        sender
    }

    /// Sends batches for one turn; messages delivered, and the CPU time that took.
    fn turn(&self, batch: usize) -> (u64, Duration) {
        let before = self.cpu();
        let end = Instant::now() + TURN;
        let mut rounds = 0;
        while Instant::now() < end {
            let target =
                self.received.load(Ordering::Acquire) + (CLIENTS * batch * frame().len()) as u64;
            self.rounds.send(batch).unwrap();
            while self.received.load(Ordering::Acquire) < target {
                thread::sleep(Duration::from_micros(100));
            }
            rounds += 1;
        }
        (rounds * (CLIENTS * batch) as u64, self.cpu() - before)
    }

    fn cpu(&self) -> Duration {
        self.threads.lock().unwrap().iter().map(|thread| cpu_time(thread)).sum()
    }
}

/// The path of the calling thread under /proc.
fn this_thread() -> String {
    fs::read_link("/proc/thread-self").unwrap().to_str().unwrap().to_owned()
}

/// CPU time of a thread that is not running: the first field of schedstat, in nanoseconds.
fn cpu_time(thread: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{thread}/schedstat")).unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

/// The server's ends of connections to clients that read all they can.
fn connect(received: &Arc<AtomicU64>) -> Vec<std::net::TcpStream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::clone(received);
    thread::spawn(move || clients(address, &received));
    let sockets: Vec<_> = listener.incoming().take(CLIENTS).map(Result::unwrap).collect();
    sockets.iter().for_each(|socket| socket.set_nodelay(true).unwrap());
    sockets
}

/// Reads all that comes, until the program ends.
fn clients(address: SocketAddr, received: &Arc<AtomicU64>) {
    let runtime = runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..CLIENTS {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let received = Arc::clone(received);
            tasks.push(tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(n @ 1..) = socket.read(&mut buffer).await {
                    received.fetch_add(n as u64, Ordering::Release);
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// One message as it travels.
fn frame() -> Vec<u8> {
    let mut frame = Vec::new();
    feed::frame::text(&[b'x'; MESSAGE], &mut frame);
    frame
}

/// One thread, one blocking write per client and batch.
fn plain(sender: &Sender) -> Send {
    let mut sockets = connect(&sender.received);
    let length = frame().len();
    let bytes = frame().repeat(100);
    Box::new(move |batch| {
        for socket in &mut sockets {
            socket.write_all(&bytes[..batch * length]).unwrap();
        }
    })
}

/// A hub, and a task per client.
fn ours(sender: &Sender) -> Send {
    let threads = Arc::clone(&sender.threads);
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || threads.lock().unwrap().push(this_thread()))
        .build()
        .unwrap();
    let hub = Arc::new(Hub::new(Echo, Limits::default(), 1));
    for socket in connect(&sender.received) {
        socket.set_nonblocking(true).unwrap();
        let framing = Framing::WebSocket;
        let request =
            Request { rendering: (), framing, since: None, filter: None, owner: Owner::default() };
        let mut reader = hub.subscribe(request).expect("the hub has no history").reader;
        runtime.spawn(async move {
            let mut socket = TcpStream::from_std(socket).unwrap();
            while reader.ready().await == Ready::More {
                let written = reader.write_some(&mut socket).await.unwrap();
                assert_eq!(written.lost, 0);
            }
        });
    }
    Box::new(move |batch| {
        let hub = Arc::clone(&hub);
        let messages = vec![vec![b'x'; MESSAGE]; batch];
        runtime.spawn(async move { hub.publish(hub.next_offset(), messages).unwrap() });
    })
}

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        return; // `cargo test --all-targets` only asks whether it builds
    }
    let ways = [Sender::new(plain), Sender::new(ours)];
    println!("{CLIENTS} clients, messages of {MESSAGE} bytes; CPU time per message delivered");
    for batch in BATCHES {
        let mut totals = [(0, Duration::ZERO); 2];
        for _ in 0..TURNS {
            for (way, total) in ways.iter().zip(&mut totals) {
                let (messages, cpu) = way.turn(batch);
                *total = (total.0 + messages, total.1 + cpu);
            }
        }
        let [plain, ours] = totals.map(|(messages, cpu)| cpu.as_secs_f64() * 1e6 / messages as f64);
        println!(
            "{batch:>4} messages a batch: plain writes {plain:.3} us, feed {ours:.3} us, ratio {:.2}",
            ours / plain
        );
    }
}
