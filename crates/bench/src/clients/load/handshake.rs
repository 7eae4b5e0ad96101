//! The request for a stream, and the head of the response.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::options::Encoding;
use super::socket::Socket;
use crate::clients::request;

/// Bound of the answer's head.
const LONGEST_HEAD: usize = 4096;

/// The response to a request for a stream.
pub(super) enum Answer {
    Accepted(Accepted),
    /// The server is busy: the client may try again after this time.
    Busy(Duration),
}

/// The accepted request for a stream.
pub(super) struct Accepted {
    /// The id of the stream.
    pub(super) stream: Option<String>,
    /// The bytes that followed the head of the response.
    pub(super) early: Vec<u8>,
}

/// Asks for the stream at a path.
///
/// # Errors
/// If the server refuses for good, or does not have the encoding.
pub(super) async fn ask(
    socket: &mut Socket,
    host: &str,
    path: &str,
    encoding: Encoding,
) -> anyhow::Result<Answer> {
    let request = request::get(host, path, &headers(encoding));
    socket.write_all(request.as_bytes()).await?;
    socket.flush().await?;
    let (head, early) = read_head(socket).await?;
    let status = head.lines().next().unwrap_or_default();
    if let Some(wait) = busy(&head) {
        return Ok(Answer::Busy(wait));
    }
    let (expected, wanted) = match encoding {
        Encoding::WebSocket => ("101", None),
        Encoding::WebSocketDeflate => {
            ("101", Some(("sec-websocket-extensions", "permessage-deflate")))
        }
        Encoding::Sse => ("200", Some(("transfer-encoding", "chunked"))),
        Encoding::SseGzip => ("200", Some(("content-encoding", "gzip"))),
    };
    ensure!(status.split(' ').nth(1) == Some(expected), "{path} was answered: {status}");
    if let Some((name, value)) = wanted {
        let answer = header(&head, name).unwrap_or("not at all");
        ensure!(answer.contains(value), "{path}: {name} should be {value} and is: {answer}");
    }
    let stream = header(&head, "certstream-stream").map(str::to_owned);
    Ok(Answer::Accepted(Accepted { stream, early }))
}

/// Returns the time after which a server that is busy can be asked again.
fn busy(head: &str) -> Option<Duration> {
    let status = head.lines().next()?.split(' ').nth(1)?;
    let seconds = header(head, "retry-after").filter(|_| status == "503")?;
    seconds.parse().ok().map(Duration::from_secs)
}

fn headers(encoding: Encoding) -> String {
    match encoding {
        Encoding::WebSocket => request::UPGRADE.to_owned(),
        Encoding::WebSocketDeflate => {
            let offer = "permessage-deflate; client_max_window_bits";
            format!("{}Sec-WebSocket-Extensions: {offer}\r\n", request::UPGRADE)
        }
        Encoding::Sse => "Accept: text/event-stream\r\n".to_owned(),
        Encoding::SseGzip => "Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n".to_owned(),
    }
}

async fn read_head(socket: &mut Socket) -> anyhow::Result<(String, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let mut answer = Vec::new();
    loop {
        if let Some(end) = answer.windows(END.len()).position(|window| window == END) {
            let rest = answer.split_off(end + END.len());
            return Ok((String::from_utf8_lossy(&answer).into_owned(), rest));
        }
        ensure!(answer.len() < LONGEST_HEAD, "the head of the answer does not end");
        let read = socket.read_buf(&mut answer).await.context("during the handshake")?;
        ensure!(read > 0, "the server closed during the handshake");
    }
}

/// The value of a header, whose name is given in lower case.
fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_case() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: a: b\r\nTRANSFER-encoding:chunked\r\n\r\n";
        assert_eq!(header(head, "transfer-encoding"), Some("chunked"));
        assert_eq!(header(head, "content-type"), Some("a: b"));
        assert_eq!(header(head, "content-encoding"), None);
    }

    #[test]
    fn only_a_busy_server_is_asked_again() {
        let head = |status| format!("HTTP/1.1 {status}\r\nRetry-After: 10\r\n\r\n");
        let expected = Some(Duration::from_secs(10));
        assert_eq!(busy(&head("503 Service Unavailable")), expected);
        assert_eq!(busy(&head("429 Too Many Requests")), None);
        assert_eq!(busy("HTTP/1.1 503 Service Unavailable\r\n\r\n"), None);
    }
}
