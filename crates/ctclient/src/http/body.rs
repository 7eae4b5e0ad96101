//! Response bodies: bounded in size, counted in the shared budget, and never an HTML page.

use std::future::Future;
use std::io::Read as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tokio::time::timeout;

use super::budget::{Budget, Lease};
use super::error::{FetchError, transport};

/// The first bytes of gzip (RFC 1952 section 2.3.1). No response of a log begins with them.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// Bytes decompressed at a time.
const INFLATED: usize = 64 << 10;

/// The longest wait of a response for room in the budget.
const LONGEST_FOR_ROOM: Duration = Duration::from_secs(4);

/// The body of a successful response while it is received.
pub(super) struct Parts {
    pub(super) response: Response,
    /// The most bytes of the body.
    pub(super) limit: usize,
    /// The longest wait for each part.
    pub(super) patience: Duration,
}

impl Parts {
    /// Reads the whole body; returns `None` if no more bytes came in time.
    pub(super) async fn read(
        mut self,
        url: &str,
        budget: &Budget,
        lease: &mut Lease,
    ) -> Result<Option<Bytes>, FetchError> {
        let limit = self.limit;
        let too_large = || FetchError::TooLarge { url: url.to_owned(), limit };
        let html = || FetchError::Html { url: url.to_owned() };
        if says_html(self.response.headers()) {
            return Err(html());
        }
        let announced = self.response.content_length();
        let announced = announced.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        if announced > limit {
            return Err(too_large());
        }
        let mut body = BytesMut::with_capacity(announced.min(lease.held()));
        loop {
            let Ok(part) = timeout(self.patience, self.response.chunk()).await else {
                return Ok(None);
            };
            let Some(part) = part.map_err(|error| transport(url, &error))? else { break };
            if body.len() + part.len() > limit {
                return Err(too_large());
            }
            room(url, budget.grow(lease, body.len() + part.len())).await?;
            body.extend_from_slice(&part);
        }
        let body = if body.starts_with(&GZIP) {
            gunzip(url, &body, limit, budget, lease).await?
        } else {
            body.freeze()
        };
        if is_html(&body) { Err(html()) } else { Ok(Some(body)) }
    }
}

/// Waits for room, but not for long: others may wait for the bytes that the caller has.
pub(super) async fn room<T>(url: &str, room: impl Future<Output = T>) -> Result<T, FetchError> {
    let no_room = |_| FetchError::NoRoom { url: url.to_owned() };
    timeout(LONGEST_FOR_ROOM, room).await.map_err(no_room)
}

/// Decompresses a body, as some front ends send gzip without saying so. Room is made for each piece
/// before it is there.
async fn gunzip(
    url: &str,
    compressed: &[u8],
    limit: usize,
    budget: &Budget,
    lease: &mut Lease,
) -> Result<Bytes, FetchError> {
    let broken = |error: std::io::Error| FetchError::Compression {
        url: url.to_owned(),
        reason: error.to_string(),
    };
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(compressed);
    loop {
        room(url, budget.grow(lease, compressed.len() + plain.len() + INFLATED)).await?;
        let piece = decoder.by_ref().take(INFLATED as u64).read_to_end(&mut plain);
        if piece.map_err(broken)? == 0 {
            return Ok(plain.into());
        }
        if plain.len() > limit {
            return Err(FetchError::TooLarge { url: url.to_owned(), limit });
        }
        tokio::task::yield_now().await;
    }
}

/// Makes a body that returns its bytes to the budget when the last reference to it is dropped.
pub(super) fn holding(body: Bytes, mut lease: Lease) -> Bytes {
    struct Held {
        body: Bytes,
        _lease: Lease,
    }
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.body
        }
    }
    lease.set(body.len());
    Bytes::from_owner(Held { body, _lease: lease })
}

fn says_html(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// Reports whether a body is a web page, whatever its headers say.
fn is_html(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    [&b"<!doctype"[..], b"<html"]
        .iter()
        .any(|start| body.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn html_is_recognised_by_its_first_bytes() {
        for page in ["<!DOCTYPE html><p>", " \n<HTML>", "\u{feff}<!doctype html>"] {
            assert!(is_html(page.as_bytes()), "{page}");
        }
        for data in ["", "<", "{}", "<htm", "log.example/2027\n5\n"] {
            assert!(!is_html(data.as_bytes()), "{data}");
        }
    }

    #[tokio::test]
    async fn gzip_beyond_the_limit_or_truncated_is_an_error() {
        let budget = Budget::new(1 << 20);
        let mut lease = budget.reserve(1, None).await;
        let mut gunzip =
            async |url, zipped, limit| gunzip(url, zipped, limit, &budget, &mut lease).await;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&[b'a'; 100_000]).expect("into memory");
        let zipped = encoder.finish().expect("into memory");
        assert!(zipped.starts_with(&GZIP));
        assert_eq!(gunzip("u", &zipped, 100_000).await.expect("whole").len(), 100_000);
        assert!(matches!(gunzip("u", &zipped, 99_999).await, Err(FetchError::TooLarge { .. })));
        for cut in [4, 20, zipped.len() - 1] {
            let cut = gunzip("u", &zipped[..cut], 100_000).await;
            assert!(matches!(cut, Err(FetchError::Compression { .. })));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_decompressed_than_there_is_room_for() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&vec![b'a'; 8 * INFLATED]).expect("into memory");
        let zipped = encoder.finish().expect("into memory");
        let budget = Budget::new(4 * INFLATED);
        let mut first = budget.reserve(1, None).await;
        // The one that may go beyond the budget.
        budget.grow(&mut first, 5 * INFLATED).await;
        let mut lease = budget.reserve(1, None).await;
        let held = first.held() + 4 * INFLATED;
        let outcome = gunzip("u", &zipped, 64 << 20, &budget, &mut lease).await;
        assert!(matches!(outcome, Err(FetchError::NoRoom { .. })), "{outcome:?}");
        assert!(budget.used() <= held, "{}", budget.used());
        drop(first);
        let plain = gunzip("u", &zipped, 64 << 20, &budget, &mut lease).await.expect("room");
        assert!(lease.held() >= plain.len(), "it is counted while it is there");
    }

    #[tokio::test]
    async fn a_body_returns_its_bytes_to_the_budget_when_dropped() {
        let budget = Budget::new(1000);
        let body = holding(Bytes::from_static(b"0123456789"), budget.reserve(500, None).await);
        let part = body.slice(2..4);
        assert_eq!(budget.used(), 10);
        drop(body);
        assert_eq!((budget.used(), part.as_ref()), (10, &b"23"[..]));
        drop(part);
        assert_eq!(budget.used(), 0);
    }
}
