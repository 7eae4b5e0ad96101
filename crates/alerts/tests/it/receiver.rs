//! A receiver of webhooks that gives the answers it is given, in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// An answer to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// A status with headers, each ended by a line end.
    Status(u16, &'static str),
    /// None, and the connection stays open.
    Hang,
    /// The connection is closed.
    Close,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }
}

/// A running receiver: it gives its answers in order, and then accepts everything.
pub(crate) struct Hook {
    pub(crate) url: String,
    requests: Receiver<(Request, Option<Answer>)>,
}

impl Hook {
    pub(crate) async fn start(answers: &[Answer]) -> Self {
        Self::start_at(0, answers).await
    }

    /// Starts at a port of the loopback interface; 0 for any.
    pub(crate) async fn start_at(port: u16, answers: &[Answer]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        let answers = Arc::new(Mutex::new(VecDeque::from(answers.to_vec())));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answers), sender.clone()));
            }
        });
        Self { url, requests }
    }

    /// The requests so far, each with the answer that it was given; none where it was accepted.
    pub(crate) fn requests(&self) -> Vec<(Request, Option<Answer>)> {
        self.requests.try_iter().collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Sender<(Request, Option<Answer>)>,
) {
    while let Some(request) = read(&mut stream).await {
        let answer = answers.lock().await.pop_front();
        requests.send((request, answer)).unwrap();
        let (status, headers) = match answer {
            None => (204, ""),
            Some(Answer::Status(status, headers)) => (status, headers),
            Some(Answer::Close) => return,
            // Longer than any timeout of a test.
            Some(Answer::Hang) => return tokio::time::sleep(Duration::from_secs(600)).await,
        };
        let length = if status == 204 { "" } else { "content-length: 4\r\n" };
        let body = if status == 204 { "" } else { "busy" };
        let text = format!("HTTP/1.1 {status} Status\r\n{headers}{length}\r\n{body}");
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers = lines.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let mut request = Request { headers, body: bytes[end + 4..].to_vec() };
    let length: usize = request.header("content-length").unwrap().parse().unwrap();
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(request)
}
