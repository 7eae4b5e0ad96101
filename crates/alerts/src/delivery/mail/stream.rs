//! A connection that reads a bounded number of bytes and lines.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncWrite, BufReader, ReadBuf};

/// Bytes that are read from a server at most: its replies, and its certificates after `STARTTLS`.
const MAX_BYTES: usize = 32 << 10;
/// Lines that are read at most. A reply is parsed again with each of its lines, so many short ones would
/// take a long time.
const MAX_LINES: usize = 200;

/// A connection to an SMTP server. Its reader gets one byte at a time, so that it never has more than
/// the line it reads: what follows the reply to `STARTTLS` without encryption is left to TLS, which
/// refuses it, instead of passing for an encrypted reply.
#[derive(Debug)]
pub(super) struct Limited<S> {
    stream: BufReader<S>,
    peer: SocketAddr,
    left: usize,
    lines_left: usize,
}

impl<S: AsyncRead> Limited<S> {
    pub(super) fn new(stream: S, peer: SocketAddr) -> Self {
        Self { stream: BufReader::new(stream), peer, left: MAX_BYTES, lines_left: MAX_LINES }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut stream = Pin::new(&mut this.stream);
        let bytes = ready!(stream.as_mut().poll_fill_buf(context))?;
        let Some(&byte) = bytes.first().filter(|_| out.remaining() > 0) else {
            return Poll::Ready(Ok(()));
        };
        if this.left == 0 || this.lines_left == 0 {
            let text = format!("it sends more than {} KiB or {MAX_LINES} lines", MAX_BYTES >> 10);
            return Poll::Ready(Err(io::Error::other(text)));
        }
        out.put_slice(&[byte]);
        stream.consume(1);
        this.left -= 1;
        this.lines_left -= usize::from(byte == b'\n');
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream
    for Limited<S>
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
