//! A WebSocket client made of bytes, which can do what no library lets one do.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::harness::PATIENCE;

/// The key of RFC 6455 section 1.3, and what the server must make of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// First bytes of frames: FIN and an opcode.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;
/// The bit of the first byte that says a message is compressed (RFC 7692 section 6).
pub(crate) const RSV1: u8 = 0x40;
pub(crate) const COMPRESSED_TEXT: u8 = TEXT | RSV1;
/// The header that offers compression, and what the server must make of it.
pub(crate) const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
pub(crate) const AGREED: &str = "permessage-deflate; client_no_context_takeover";
/// The offer of a client without context takeover, as gorilla/websocket and Java-WebSocket send it.
pub(crate) const OFFER_EACH: &str = "Sec-WebSocket-Extensions: permessage-deflate; \
                                     server_no_context_takeover; client_no_context_takeover\r\n";
pub(crate) const AGREED_EACH: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// A received frame: its first byte and its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self { first: CLOSE, payload: [&code.to_be_bytes(), reason.as_bytes()].concat() }
    }

    pub(crate) fn pong(payload: &[u8]) -> Self {
        Self { first: PONG, payload: payload.to_vec() }
    }

    /// The code of a Close frame.
    pub(crate) fn code(&self) -> Option<u16> {
        let code = self.payload.first_chunk().copied().map(u16::from_be_bytes);
        code.filter(|_| self.first == CLOSE)
    }
}

/// A frame as a client sends it, masked; `first` is its first byte as it is to be sent.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A good opening handshake, but for what `headers` add: lines that end in CR LF.
pub(crate) fn handshake(path: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
         {headers}\r\n"
    )
    .into_bytes()
}

/// Connects; what is written leaves at once.
pub(crate) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// The head of an HTTP response, in lower case but for its values; what follows stays unread.
pub(crate) async fn response_head<R: AsyncBufRead + Unpin>(from: &mut R) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// The value of a header, none where it is absent.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(line, _)| line.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Reports whether this is the answer to [`handshake`] that RFC 6455 section 4.1 has a client
/// insist on.
pub(crate) fn is_accepted(head: &str) -> bool {
    head.starts_with("HTTP/1.1 101 ")
        && header(head, "upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
        && header(head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade"))
        && header(head, "sec-websocket-accept") == Some(ACCEPT)
}

/// The next frame of a server, which may not mask it nor cut a message in fragments; none where the
/// bytes end, be it inside a frame.
pub(crate) async fn frame<R: AsyncBufRead + Unpin>(from: &mut R) -> io::Result<Option<Frame>> {
    match read_frame(from).await {
        Ok(frame) => Ok(Some(frame)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

async fn read_frame<R: AsyncBufRead + Unpin>(from: &mut R) -> io::Result<Frame> {
    let first = from.read_u8().await?;
    assert_eq!(first & 0xB0, 0x80, "a whole message, no bit reserved but for compression");
    let length = match from.read_u8().await? {
        126 => u64::from(from.read_u16().await?),
        127 => from.read_u64().await?,
        length => u64::from(length),
    };
    assert!(length < 16 << 20, "masked, or larger than any message");
    let mut payload = vec![0; usize::try_from(length).expect("small")];
    from.read_exact(&mut payload).await?;
    Ok(Frame { first, payload })
}

/// A client that shook hands.
pub(crate) struct Client {
    tcp: BufReader<TcpStream>,
    /// The server's answer.
    pub(crate) head: String,
}

impl Client {
    /// Opens a WebSocket with a [`handshake`], to which frames may be joined, sent in pieces of
    /// `size` bytes.
    pub(crate) async fn open(address: SocketAddr, handshake: &[u8], size: usize) -> Self {
        let tcp = connect(address).await.expect("the server listens");
        let mut client = Self { tcp: BufReader::new(tcp), head: String::new() };
        client.send(handshake, size).await;
        client.head = response_head(&mut client.tcp).await.expect("an answer");
        assert!(is_accepted(&client.head), "{}", client.head);
        client
    }

    /// Sends bytes in pieces of `size` bytes; what the server does not take any more is its affair.
    pub(crate) async fn send(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            if self.tcp.write_all(piece).await.is_err() {
                return;
            }
        }
    }

    /// The next frame that is not of the stream. Those of the stream must be JSON, if they are not
    /// compressed. Answers the server's Pings, which a connection gets after 30 seconds.
    pub(crate) async fn answer(&mut self) -> Result<Frame, String> {
        loop {
            let next = tokio::time::timeout(PATIENCE, frame(&mut self.tcp)).await;
            let next = next.map_err(|_| "no answer in time")?;
            let next = next.map_err(|error| format!("no answer but {error}"))?;
            let next = next.ok_or("no answer but the end")?;
            match next.first {
                TEXT => {
                    let json: Result<serde_json::Value, _> = serde_json::from_slice(&next.payload);
                    json.map_err(|error| format!("{error} in {next:?}"))?;
                }
                COMPRESSED_TEXT => {}
                PING => self.send(&masked(PONG, &next.payload), usize::MAX).await,
                _ => return Ok(next),
            }
        }
    }

    /// Waits until the server has ended the connection, without another byte.
    pub(crate) async fn ended(&mut self, within: Duration) -> Result<(), String> {
        let end = tokio::time::timeout(within, self.tcp.read_u8()).await;
        match end.map_err(|_| "the server does not end the connection")? {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(format!("{error} after Close")),
            Ok(byte) => Err(format!("byte {byte} after Close")),
        }
    }
}
