//! A web site for tests: a closure makes the responses, and requests are remembered.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query, with the slash at the beginning.
    pub(crate) path: String,
    /// The request's head in lower case.
    pub(crate) head: String,
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lines of the head, without ends.
    pub(crate) fields: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// Time until the response.
    pub(crate) delay: Duration,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        let (fields, delay) = (Vec::new(), Duration::ZERO);
        Self { status: 200, fields, body: body.into(), delay }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::ok("") }
    }
}

/// A running site; it ends when it is dropped.
pub(crate) struct Site {
    pub(crate) base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn serve(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                tokio::spawn(async move {
                    // A client may disconnect at any time.
                    if let Some((asked, stream)) = read(stream).await {
                        let answer = answer(&asked);
                        log.lock().push(asked);
                        write(stream, answer).await;
                    }
                });
            }
        });
        Self { base, asked, task }
    }

    /// Returns the requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(mut stream: TcpStream) -> Option<(Asked, TcpStream)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).expect("ASCII");
    let path = text.split(' ').nth(1).expect("a request line").to_owned();
    Some((Asked { path, head: text.to_lowercase() }, stream))
}

async fn write(mut stream: TcpStream, answer: Answer) {
    let Answer { status, fields, body, delay } = answer;
    tokio::time::sleep(delay).await;
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{fields}\r\n"
    );
    let whole = [head.as_bytes(), &body].concat();
    if stream.write_all(&whole).await.is_ok() {
        stream.shutdown().await.ok();
    }
}
