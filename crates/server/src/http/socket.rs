//! A client's TCP connection that does not wait for ever for a peer that takes no bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// A peer that takes no byte for this long is cut off.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// A TCP stream whose writes fail with `TimedOut` after 30 seconds without progress.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpStream,
    /// Runs while a write waits for the peer.
    stall: Option<Pin<Box<Sleep>>>,
    stalls: Counter,
}

impl Socket {
    /// `stalls` counts the connections cut off.
    #[must_use]
    pub const fn new(tcp: TcpStream, stalls: Counter) -> Self {
        Self { tcp, stall: None, stalls }
    }

    /// Passes a write's outcome on, or fails when the peer has stalled for too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stall = None;
            return outcome;
        }
        let stall = self.stall.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(Instant::now() + WRITE_STALL))
        });
        ready!(stall.as_mut().poll(cx));
        self.stall = None;
        self.stalls.inc();
        let message = "the peer took no byte for 30 s";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let peer = TcpStream::connect(listener.local_addr().expect("bound")).await;
        let (tcp, _) = listener.accept().await.expect("accepts");
        let stalls = Counter::default();
        let mut socket = Socket::new(tcp, stalls.clone());
        // More than the kernel buffers take, so the write must wait for the peer.
        let error = socket.write_all(&vec![0; 64 << 20]).await.expect_err("stalls");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(stalls.get(), 1);
        drop(peer);
    }
}
