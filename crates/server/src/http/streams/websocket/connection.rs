//! A WebSocket connection while it runs: one task that moves bytes from the feed to the socket.
//!
//! It polls the feed, the socket and one timer in one future. So a wake-up registers nothing anew
//! but its place among the readers that wait for the next publish.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::SlowClient;
use feed::frame::{self, close_code};
use feed::{Reader, Ready, Written};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use wire::Profile;

use super::peer::{Closing, Peer, PeerEvent};
use crate::http::guard::StreamSlot;
use crate::http::listener::socket::Socket;
use crate::http::listener::{Alive, stopped};
use crate::http::streams::gap;
use crate::http::streams::notices::Notices;
use crate::metrics::ConnectionMetrics;
use crate::publish::messages::MessageStream;

/// The time limit of the closing handshake.
const CLOSING: Duration = Duration::from_secs(2);

/// The parts that a connection is served with after its handshake.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its position in the stream.
    pub(crate) reader: Reader<MessageStream>,
    /// True if permessage-deflate was negotiated.
    pub(crate) deflate: bool,
    /// True if it has a filter.
    pub(crate) filtered: bool,
    /// The profile of its messages.
    pub(crate) profile: Profile,
    /// The heartbeats and gaps that it gets.
    pub(crate) notices: Notices,
    /// The handling of the client when it is too slow.
    pub(crate) slow_client: SlowClient,
    /// Its counters.
    pub(crate) metrics: ConnectionMetrics,
    /// Turns true when the server no longer waits for clients that are behind.
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

/// The event that ended a wait.
enum Event {
    Peer(PeerEvent),
    Feed(Ready),
    Wrote(Written),
    LastCall,
}

impl Client {
    /// Serves the client; `early` are bytes that came with the handshake.
    pub(super) fn run(self, socket: Socket, early: &[u8]) -> impl Future<Output = ()> + use<> {
        let mut peer = Peer::new(socket, self.deflate, self.notices);
        if !early.is_empty() {
            peer.received(early);
        }
        // Boxed, because a future keeps room for its arguments besides its own state.
        let mut connection = Box::new(Connection { client: self, peer, closing: None });
        let event = connection.peer.take_event();
        connection.handle(event);
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
        // Created once and polled often, which is cheaper than a new one for each wait.
        let mut called = self.client.last_call.clone();
        let mut last_call = pin!(stopped(&mut called));
        loop {
            let event = self.next_event(last_call.as_mut()).await?;
            if matches!(event, Event::LastCall) {
                return Ok(self.end_behind());
            }
            // First of all: nothing later may be sent before it.
            let announced = self.handle_loss();
            match event {
                Event::Feed(Ready::Closed) if !announced => return Ok(self.end_complete()),
                Event::Peer(event) => self.handle(event),
                Event::Feed(_) | Event::Wrote(_) | Event::LastCall => {}
            }
            if self.closing.is_none() {
                match self.write(last_call.as_mut()).await? {
                    Event::Wrote(written) => self.wrote(written),
                    Event::LastCall => return Ok(self.end_behind()),
                    Event::Peer(event) => self.handle(event),
                    Event::Feed(_) => {}
                }
            }
            if let Some(closing) = self.closing.take() {
                return Ok(closing);
            }
        }
    }

    /// Waits until there is something to write or to handle.
    async fn next_event(
        &mut self,
        mut last_call: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<Event> {
        let Self { client, peer, .. } = self;
        let mut ready = pin!(client.reader.ready());
        poll_fn(|cx| {
            if let Poll::Ready(event) = peer.poll_event(cx) {
                return Poll::Ready(event.map(Event::Peer));
            }
            if let Poll::Ready(ready) = ready.as_mut().poll(cx) {
                return Poll::Ready(Ok(Event::Feed(ready)));
            }
            peer.flush(cx)?;
            last_call.as_mut().poll(cx).map(|()| Ok(Event::LastCall))
        })
        .await
    }

    /// Writes as much as the socket accepts at once. While it accepts nothing, the client's frames
    /// are still read: it may ping, or close.
    async fn write(
        &mut self,
        mut last_call: Pin<&mut impl Future<Output = ()>>,
    ) -> io::Result<Event> {
        let Self { client, peer, .. } = self;
        // It changes only once.
        if client.last_call.has_changed().unwrap_or(true) {
            return Ok(Event::LastCall);
        }
        poll_fn(|cx| {
            // It may be dropped at any time, so it is created for each attempt.
            let wrote = pin!(client.reader.write_some(&mut peer.socket)).poll(cx);
            if let Poll::Ready(wrote) = wrote {
                return Poll::Ready(wrote.map(Event::Wrote));
            }
            if let Poll::Ready(event) = peer.poll_event(cx) {
                return Poll::Ready(event.map(Event::Peer));
            }
            last_call.as_mut().poll(cx).map(|()| Ok(Event::LastCall))
        })
        .await
    }

    fn handle(&mut self, event: PeerEvent) {
        // If pongs pile up because the client reads none, the ping is not answered.
        if !event.replies.is_empty() {
            self.client.reader.interject(&event.replies);
        }
        if event.beat {
            let heartbeat = self.heartbeat();
            self.client.reader.interject(&heartbeat);
        }
        self.closing = event.closing.or_else(|| self.closing.take());
    }

    /// Returns a heartbeat with the current offset. It is written before any further message, so it
    /// may only report what was searched by now.
    fn heartbeat(&mut self) -> Vec<u8> {
        let Client { reader, profile, notices, .. } = &mut self.client;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since_1970.as_millis()).unwrap_or(0);
        let offset = if notices.offsets { reader.searched() } else { None };
        let (mut json, mut message) = (Vec::new(), Vec::new());
        if offset.is_some() && reader.take_renumbered() && notices.announces_holes() {
            let gap = gap::message(Some(0), gap::RENUMBERED, false, notices.stream);
            frame::text(gap.as_bytes(), &mut message);
        }
        wire::heartbeat(*profile, now, offset, notices.stream, &mut json);
        frame::text(&json, &mut message);
        message
    }

    fn wrote(&mut self, written: Written) {
        self.peer.wrote(written.messages > 0);
        self.client.metrics.wrote(written);
    }

    /// Handles the messages that the client has lost by now, and holes in its offsets. Reports whether
    /// a message announces them.
    fn handle_loss(&mut self) -> bool {
        let Client { reader, notices, .. } = &mut self.client;
        let is_hole = reader.take_renumbered() && notices.announces_holes();
        let lost = reader.take_lost();
        // If there is no room, the client has not read for long.
        let has_room = !is_hole || self.announce(0, gap::RENUMBERED);
        if lost == 0 && has_room {
            return is_hole;
        }
        self.client.metrics.missed(lost);
        let stays = has_room && self.client.slow_client == SlowClient::Drop;
        let knows_gaps = self.client.notices.gaps;
        if stays && (!knows_gaps || self.announce(lost, gap::SLOW_CLIENT)) {
            return knows_gaps;
        }
        let reason = format!("too slow: {lost} messages missed");
        self.closing = Some(Closing::by_server(close_code::GOING_AWAY, reason));
        false
    }

    /// Announces the number of missing messages at the next boundary; reports whether there was
    /// room for that.
    fn announce(&mut self, lost: u64, reason: &str) -> bool {
        let mut message = Vec::new();
        let gap = gap::message(Some(lost), reason, false, self.client.notices.stream);
        frame::text(gap.as_bytes(), &mut message);
        self.client.reader.interject(&message)
    }

    /// Ends the connection of a client that is behind at shutdown. Unreported losses count as
    /// missed too.
    fn end_behind(&mut self) -> Closing {
        let lost = self.client.reader.take_lost();
        let missed = lost + self.client.reader.unread();
        self.client.metrics.missed(missed);
        shutting_down(missed, self.client.filtered)
    }

    /// Ends the connection of a client that has everything at shutdown. A last heartbeat shows
    /// that; otherwise a client with a rarely matching filter would resume from an old offset.
    fn end_complete(&mut self) -> Closing {
        if let Some(closing) = self.closing.take() {
            return closing;
        }
        let mut closing = shutting_down(0, false);
        if self.client.notices.ends_with_heartbeat() {
            closing.frame.splice(..0, self.heartbeat());
        }
        closing
    }

    /// Performs the closing handshake (RFC 6455 section 7).
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
            Ok(Err(error)) => tracing::debug!(%error, "the client disconnected without a Close \
                                                       frame"),
            Err(_) => tracing::debug!("the client did not close in time"),
        }
    }

    /// Finishes the current message and the frames to send between messages (perhaps a gap), sends
    /// Close, and waits for the client's unless it came first. Then the server ends the connection
    /// first (RFC 6455 section 7.1.1).
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

/// Returns the end of a connection at shutdown. With a filter, the number of missed messages is an
/// upper bound.
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

    /// Returns the size of the future that `_run` returns, without running it.
    fn size_of_future<T, F>(_run: impl FnOnce(T) -> F) -> usize {
        size_of::<F>()
    }

    /// With thousands of idle clients, their tasks are a large part of the memory.
    #[test]
    fn an_idle_connection_uses_at_most_two_kibibytes() {
        let size = size_of_future(Connection::run) + size_of::<Connection>();
        assert!(size <= 2 * 1024, "{size} bytes");
    }
}
