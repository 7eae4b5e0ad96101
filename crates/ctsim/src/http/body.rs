//! Corruption of response bodies in transit.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use hyper::header::CONTENT_ENCODING;
use tokio::time::{Sleep, sleep};

use crate::fault::BodyFault;
use crate::http::answer::{Answer, Delivery};

/// Parts in which a slow body comes.
const PARTS: usize = 16;
/// Before a connection breaks: so that what came before is really sent.
const FLUSHED: Duration = Duration::from_millis(10);

/// The answer as the fault leaves it.
pub(crate) fn corrupt(answer: Answer, fault: BodyFault) -> io::Result<Answer> {
    let body = &answer.body;
    Ok(match fault {
        BodyFault::Cut => answer.delivered(Delivery::Cut),
        BodyFault::Dribble(pause) => answer.delivered(Delivery::Dribble(pause)),
        BodyFault::Truncated => {
            let short = body.slice(..body.len() * 2 / 3);
            answer.with_body(short)
        }
        BodyFault::Foreign => answer.with_body(r#"{"error_message":"backend unavailable"}"#),
        BodyFault::Gzip => {
            let packed = gzip(body)?;
            answer.with_body(packed).with_field(CONTENT_ENCODING, "gzip")
        }
        BodyFault::GzipUnmarked => {
            let packed = gzip(body)?;
            answer.with_body(packed)
        }
        BodyFault::GzipTruncated => {
            let mut packed = gzip(body)?;
            packed.truncate(packed.len() / 2);
            answer.with_body(packed).with_field(CONTENT_ENCODING, "gzip")
        }
        BodyFault::Padded { bytes } => {
            let mut padded = body.to_vec();
            padded.resize(bytes.max(body.len()), b' ');
            answer.with_body(padded)
        }
    })
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// A body as it is sent.
#[derive(Debug)]
pub(crate) enum Body {
    Whole(Full<Bytes>),
    Parts(Parts),
}

/// A body that comes in parts, each after a pause.
#[derive(Debug)]
pub(crate) struct Parts {
    rest: Bytes,
    part: usize,
    pause: Duration,
    wake: Pin<Box<Sleep>>,
    /// Bytes that are announced and never come.
    missing: usize,
}

impl Body {
    pub(crate) fn new(body: Bytes, delivery: Delivery) -> Self {
        let parts = |rest: Bytes, part: usize, pause, missing| {
            Self::Parts(Parts {
                rest,
                part: part.max(1),
                pause,
                wake: Box::pin(sleep(pause)),
                missing,
            })
        };
        match delivery {
            Delivery::Whole | Delivery::Never => Self::Whole(Full::new(body)),
            Delivery::Cut => {
                let half = body.slice(..body.len() / 2);
                let (part, missing) = (half.len(), body.len() - half.len());
                parts(half, part, FLUSHED, missing)
            }
            Delivery::Dribble(pause) => {
                let part = body.len().div_ceil(PARTS);
                parts(body, part, pause, 0)
            }
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let parts = match self.get_mut() {
            Self::Whole(body) => {
                return Pin::new(body).poll_frame(cx).map_err(|never| match never {});
            }
            Self::Parts(parts) => parts,
        };
        if parts.rest.is_empty() && parts.missing == 0 {
            return Poll::Ready(None);
        }
        ready!(parts.wake.as_mut().poll(cx));
        if parts.rest.is_empty() {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
        }
        parts.wake = Box::pin(sleep(parts.pause));
        let next = parts.rest.split_to(parts.part.min(parts.rest.len()));
        Poll::Ready(Some(Ok(Frame::data(next))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Parts(parts) => SizeHint::with_exact((parts.rest.len() + parts.missing) as u64),
        }
    }
}
