//! A WebSocket connection while it runs: one task that moves bytes from the feed to the socket.
//!
//! What it waits for is polled in one future: news from the feed, the socket, and one timer. So
//! nothing is registered or given back when it is woken but its place among those who wait for the
//! next publish.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::SlowClient;
use feed::frame::{self, close_code};
use feed::{Hub, Reader, Ready, Written};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use wire::Profile;

use super::peer::{Closing, Errand, Peer};
use crate::http::guard::StreamSlot;
use crate::http::listener::socket::Socket;
use crate::http::listener::{Alive, stopped};
use crate::http::streams::gap::{self, missed};
use crate::http::streams::notices::Notices;
use crate::messages::MessageStream;
use crate::metrics::ConnectionMetrics;

/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(2);

/// Everything a connection needs once the handshake is done.
#[derive(Debug)]
pub(crate) struct Client {
    /// Where it reads.
    pub(crate) reader: Reader<MessageStream>,
    /// The stream it reads.
    pub(crate) hub: Arc<Hub<MessageStream>>,
    /// Whether permessage-deflate was agreed on.
    pub(crate) deflate: bool,
    /// Whether it gets only what passes a filter.
    pub(crate) filtered: bool,
    /// Whose conventions its messages follow.
    pub(crate) profile: Profile,
    /// Which heartbeats and gaps it gets.
    pub(crate) notices: Notices,
    /// What becomes of it when it is too slow.
    pub(crate) slow_client: SlowClient,
    /// Where to count.
    pub(crate) metrics: ConnectionMetrics,
    /// Turns true when a client that is behind is not waited for any longer.
    pub(crate) last_call: watch::Receiver<bool>,
    /// A sign that the connection is open; shutdown waits until all are dropped.
    pub(crate) _alive: Alive,
    /// Its slot, as long as the connection is open. The connection's slot among those without a
    /// stream ends with the HTTP connection that it is taken from.
    pub(crate) _slot: Option<StreamSlot>,
}

struct Connection {
    client: Client,
    peer: Peer,
    closing: Option<Closing>,
}

/// What ended a wait.
enum Turn {
    Peer(Errand),
    Feed(Ready),
    Wrote(Written),
    LastCall,
}

impl Client {
    /// Serves the client; `early` came with the handshake and is not kept.
    pub(super) fn run(self, socket: Socket, early: &[u8]) -> impl Future<Output = ()> + use<> {
        let mut peer = Peer::new(socket, self.deflate, self.notices);
        if !early.is_empty() {
            peer.received(early);
        }
        // Boxed, because a future keeps room for what it is given besides what it makes of it.
        let mut connection = Box::new(Connection { client: self, peer, closing: None });
        let errand = connection.peer.errand();
        connection.see_to(errand);
        connection.run()
    }
}

impl Connection {
    async fn run(mut self: Box<Self>) {
        match self.stream().await {
            // Boxed: it is rare, and needs more room than all the rest.
            Ok(closing) => Box::pin(self.close(closing)).await,
            Err(error) => tracing::debug!(%error, "client connection lost"),
        }
    }

    /// Streams until the connection is to be closed.
    async fn stream(&mut self) -> io::Result<Closing> {
        // Waited for once and polled often, which is cheaper than to begin anew with each wait.
        let mut called = self.client.last_call.clone();
        let mut last_call = pin!(stopped(&mut called));
        loop {
            let news = self.news(last_call.as_mut()).await?;
            if matches!(news, Turn::LastCall) {
                return Ok(self.cut_short());
            }
            // First of all: nothing that comes later may be sent before it.
            let told = self.note_loss();
            match news {
                Turn::Feed(Ready::Closed) if !told => return Ok(self.say_goodbye()),
                Turn::Peer(errand) => self.see_to(errand),
                Turn::Feed(_) | Turn::Wrote(_) | Turn::LastCall => {}
            }
            if self.closing.is_none() {
                match self.write(last_call.as_mut()).await? {
                    Turn::Wrote(written) => self.wrote(written),
                    Turn::LastCall => return Ok(self.cut_short()),
                    Turn::Peer(errand) => self.see_to(errand),
                    Turn::Feed(_) => {}
                }
            }
            if let Some(closing) = self.closing.take() {
                return Ok(closing);
            }
        }
    }

    /// Waits until there is something to write or to see to.
    async fn news(
        &mut self,
        mut last_call: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<Turn> {
        let Self { client, peer, .. } = self;
        let mut ready = pin!(client.reader.ready());
        poll_fn(|cx| {
            if let Poll::Ready(errand) = peer.poll_errand(cx) {
                return Poll::Ready(errand.map(Turn::Peer));
            }
            if let Poll::Ready(ready) = ready.as_mut().poll(cx) {
                return Poll::Ready(Ok(Turn::Feed(ready)));
            }
            peer.flush(cx)?;
            last_call.as_mut().poll(cx).map(|()| Ok(Turn::LastCall))
        })
        .await
    }

    /// Writes what the socket takes at once. While it takes nothing the client is still listened
    /// to: it may ping, or close.
    async fn write(
        &mut self,
        mut last_call: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<Turn> {
        let Self { client, peer, .. } = self;
        // That it has changed once is enough: it changes only once.
        if client.last_call.has_changed().unwrap_or(true) {
            return Ok(Turn::LastCall);
        }
        poll_fn(|cx| {
            // It may be dropped at any time, so it is made anew for each attempt.
            let wrote = pin!(client.reader.write_some(&mut peer.socket)).poll(cx);
            if let Poll::Ready(wrote) = wrote {
                return Poll::Ready(wrote.map(Turn::Wrote));
            }
            if let Poll::Ready(errand) = peer.poll_errand(cx) {
                return Poll::Ready(errand.map(Turn::Peer));
            }
            last_call.as_mut().poll(cx).map(|()| Ok(Turn::LastCall))
        })
        .await
    }

    fn see_to(&mut self, errand: Errand) {
        // Where pongs pile up because the client reads none, the ping goes unanswered.
        if !errand.replies.is_empty() {
            self.client.reader.interject(&errand.replies);
        }
        if errand.beat {
            let heartbeat = self.heartbeat();
            self.client.reader.interject(&heartbeat);
        }
        self.closing = errand.closing.or_else(|| self.closing.take());
    }

    /// A heartbeat as of now. It is written before any further message, so what was searched by now
    /// is all that it may say.
    fn heartbeat(&mut self) -> Vec<u8> {
        let Client { reader, profile, notices, .. } = &mut self.client;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since_1970.as_millis()).unwrap_or(0);
        let offset = reader.searched().filter(|_| notices.offsets);
        let (mut json, mut message) = (Vec::new(), Vec::new());
        wire::heartbeat(*profile, now, offset, &mut json);
        frame::text(&json, &mut message);
        message
    }

    fn wrote(&mut self, written: Written) {
        self.peer.wrote(written.messages > 0);
        self.client.metrics.wrote(written);
    }

    /// Sees to what the client has lost by now. Whether it is told of it in a message.
    fn note_loss(&mut self) -> bool {
        let lost = self.client.reader.take_lost();
        if lost == 0 {
            return false;
        }
        self.client.metrics.missed(lost);
        let told = self.client.slow_client == SlowClient::Drop;
        let knows_gaps = self.client.notices.gaps;
        if told && (!knows_gaps || self.tell_loss(lost)) {
            return knows_gaps;
        }
        let reason = format!("too slow: {lost} messages missed");
        self.closing = Some(Closing::by_server(close_code::GOING_AWAY, reason));
        false
    }

    /// Says at the next boundary how many messages are missing; whether there was room for that.
    fn tell_loss(&mut self, lost: u64) -> bool {
        let mut message = Vec::new();
        let gap = gap::message(Some(lost), gap::SLOW_CLIENT, false);
        frame::text(gap.as_bytes(), &mut message);
        self.client.reader.interject(&message)
    }

    /// The server shuts down, and there is no time for what the client has not got by now. What it
    /// has lost and was not told of is missing too.
    fn cut_short(&mut self) -> Closing {
        let lost = self.client.reader.take_lost();
        let missed = lost + missed(&self.client.hub, &self.client.reader);
        self.client.metrics.missed(missed);
        shutting_down(missed, self.client.filtered)
    }

    /// The server shuts down, and the client has everything there is. A last heartbeat says so, or a
    /// filter that seldom matches would have it ask for what it has.
    fn say_goodbye(&mut self) -> Closing {
        if let Some(closing) = self.closing.take() {
            return closing;
        }
        let mut closing = shutting_down(0, false);
        if self.client.notices.say_goodbye() {
            closing.frame.splice(..0, self.heartbeat());
        }
        closing
    }

    /// The closing handshake (RFC 6455 section 7).
    async fn close(&mut self, closing: Closing) {
        if let Some(reason) = &closing.reason {
            tracing::debug!(reason, "closing a connection");
            self.client.metrics.closed_by_server();
        }
        if closing.flooded {
            self.client.metrics.flooded();
        }
        match tokio::time::timeout(CLOSING, self.shake_hands(&closing)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the client has gone without closing"),
            Err(_) => tracing::debug!("the client did not close in time"),
        }
    }

    /// Finishes the message begun and what is to be said between messages (a gap may be among it),
    /// sends Close, and waits for the client's unless it was first. Then the server is the first to
    /// end the connection (RFC 6455 section 7.1.1).
    async fn shake_hands(&mut self, closing: &Closing) -> io::Result<()> {
        let Client { reader, metrics, .. } = &mut self.client;
        while reader.owes()
            && let Some((rest, written)) = reader.next_bytes(0)
        {
            self.peer.socket.write_all(&rest).await?;
            metrics.wrote(written);
        }
        self.peer.socket.write_all(&closing.frame).await?;
        self.peer.socket.flush().await?;
        if closing.reason.is_some() {
            poll_fn(|cx| self.peer.poll_close(cx)).await;
        }
        self.peer.socket.shutdown().await?;
        poll_fn(|cx| self.peer.poll_end(cx)).await;
        Ok(())
    }
}

/// Why the connection ends. How much of what was missed would have passed a filter nobody knows.
fn shutting_down(missed: u64, filtered: bool) -> Closing {
    let up_to = if filtered { "up to " } else { "" };
    let reason = match missed {
        0 => "server shuts down".to_owned(),
        missed => format!("server shuts down: {up_to}{missed} messages not sent"),
    };
    Closing::by_server(close_code::GOING_AWAY, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future that `_run` makes, without one.
    fn size_of_future<T, F>(_run: impl FnOnce(T) -> F) -> usize {
        size_of::<F>()
    }

    /// With thousands of idle clients their tasks are much of the memory there is.
    #[test]
    fn a_connection_is_small() {
        let size = size_of_future(Connection::run) + size_of::<Connection>();
        assert!(size <= 2 * 1024, "{size} bytes");
    }
}
