//! Requests for a stream.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::loopback;

/// The headers of a WebSocket handshake without extensions (RFC 6455 section 4.1).
pub(crate) const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Returns a GET request with these header lines, each of which ends with CRLF.
pub(crate) fn get(host: &str, path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
}

/// Connects as client `number` and requests the stream at `path` over WebSocket; reads nothing.
/// `receive_buffer` is that of [`loopback::connect`].
pub(crate) async fn open(
    server: SocketAddr,
    number: usize,
    path: &str,
    receive_buffer: Option<u32>,
) -> io::Result<TcpStream> {
    let mut tcp = loopback::connect(server, number, receive_buffer).await?;
    tcp.write_all(get("localhost", path, UPGRADE).as_bytes()).await?;
    Ok(tcp)
}
