//! A client's connection: TCP, or TLS on it. Neither waits for ever for a peer that takes no bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

/// A peer that takes no byte for this long is cut off.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// The socket of a client. Writes are buffered: TLS keeps what the peer does not take, so
/// it has to be flushed.
#[derive(Debug)]
pub(crate) enum Socket {
    /// TCP alone.
    Plain(Tcp),
    /// TLS. Boxed, being several times as large.
    Tls(Box<TlsStream<Tcp>>),
}

/// A TCP stream whose writes fail with `TimedOut` after 30 seconds without progress. It lies under
/// TLS, so that whatever is written counts: messages, alerts and handshakes.
#[derive(Debug)]
pub(crate) struct Tcp {
    tcp: TcpStream,
    /// The time since which a write has been waiting for the peer.
    blocked: Option<Instant>,
    /// Set for some moment at or before the one at which the wait is too long: a client that blocks
    /// often does not set it anew each time.
    timer: Option<Pin<Box<Sleep>>>,
    stalls: Counter,
}

impl Tcp {
    /// `stalls` counts the connections cut off.
    #[must_use]
    pub(crate) const fn new(tcp: TcpStream, stalls: Counter) -> Self {
        Self { tcp, blocked: None, timer: None, stalls }
    }

    /// Passes a write's outcome on, or fails when the peer has stalled for too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.blocked = None;
            return outcome;
        }
        ready!(self.poll_stalled(cx));
        self.stalls.inc();
        let message = "the peer read nothing for 30 s";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let blocked = *self.blocked.get_or_insert_with(Instant::now);
        let limit = blocked + WRITE_STALL;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(limit)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= limit {
                return Poll::Ready(());
            }
            // It was set for an earlier wait.
            timer.as_mut().reset(limit);
        }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tcp {
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

/// Both are written to alike; TLS takes several slices at once and cuts its records from them.
macro_rules! of_either {
    ($socket:expr, $io:ident => $call:expr) => {
        match $socket.get_mut() {
            Socket::Plain(io) => {
                let $io = Pin::new(io);
                $call
            }
            Socket::Tls(io) => {
                let $io = Pin::new(io);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        of_either!(self, io => io.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        of_either!(self, io => io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        of_either!(self, io => io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_either!(self, io => io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_either!(self, io => io.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::http::listener::tls::Tls;

    async fn pair() -> (Tcp, TcpStream, Counter) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let peer = TcpStream::connect(listener.local_addr().expect("bound")).await;
        let (tcp, _) = listener.accept().await.expect("accepts");
        let stalls = Counter::default();
        (Tcp::new(tcp, stalls.clone()), peer.expect("connects"), stalls)
    }

    /// More than the kernel buffers take, so that a write must wait for the peer.
    const MUCH: usize = 64 << 20;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_disconnected() {
        let (mut socket, peer, stalls) = pair().await;
        let before = Instant::now();
        let error = socket.write_all(&vec![0; MUCH]).await.expect_err("stalls");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(stalls.get(), 1);
        assert!(Instant::now() - before >= WRITE_STALL);
        drop(peer);
    }

    /// TLS on both ends.
    async fn secured(server: Tcp, client: TcpStream) -> (Socket, impl Sized) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let cert = params.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        let [cert_file, key_file] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        std::fs::write(&cert_file, cert.pem()).expect("writable");
        std::fs::write(&key_file, key.serialize_pem()).expect("writable");
        let acceptor = Tls::load(&cert_file, &key_file).expect("usable").acceptor();

        let mut roots = rustls::RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        let connecting = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, client);
        let (server, client) = tokio::join!(acceptor.accept(server), connecting);
        (Socket::Tls(Box::new(server.expect("a handshake"))), client.expect("a handshake"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_over_tls_is_disconnected() {
        let (tcp, peer, stalls) = pair().await;
        let (mut socket, peer) = secured(tcp, peer).await;
        let before = Instant::now();
        let much = vec![0; MUCH];
        let slices = [IoSlice::new(&much), IoSlice::new(&much)];
        let error = loop {
            if let Err(error) = socket.write_vectored(&slices).await {
                break error;
            }
        };
        assert_eq!((error.kind(), stalls.get()), (io::ErrorKind::TimedOut, 1));
        assert!(Instant::now() - before >= WRITE_STALL);
        // A flush is no way around it.
        let error = socket.flush().await.expect_err("stalls");
        assert_eq!((error.kind(), stalls.get()), (io::ErrorKind::TimedOut, 2));
        drop(peer);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_restarts_the_stall_timeout() {
        let (mut socket, peer, stalls) = pair().await;
        let mut peer = peer.into_std().expect("a socket");
        peer.set_nonblocking(false).expect("blocking");
        let taking = async {
            // Much longer than a stall in all, but with bytes taken in between: a socket is writable again
            // only once a third of its buffer is free. While a thread blocks, the clock stands still.
            for _ in 0..16 {
                tokio::time::sleep(WRITE_STALL / 4).await;
                let taken = tokio::task::spawn_blocking(move || {
                    io::Read::read_exact(&mut peer, &mut vec![0; MUCH / 16])?;
                    Ok::<_, io::Error>(peer)
                });
                peer = taken.await.expect("no panic")?;
            }
            Ok((Instant::now(), peer))
        };
        // Ends with the first error, so that neither waits for the other for ever.
        let writing = async { socket.write_all(&vec![0; MUCH]).await };
        let both: io::Result<_> = tokio::try_join!(writing, taking);
        let ((), (last_taken, _peer)) = both.expect("taken, if slowly");
        let error = socket.write_all(&vec![0; MUCH]).await.expect_err("stalls");
        assert_eq!((error.kind(), stalls.get()), (io::ErrorKind::TimedOut, 1));
        assert!(Instant::now() - last_taken >= WRITE_STALL);
    }
}
