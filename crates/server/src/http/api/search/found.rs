//! The results of a slice, as bytes of an answer.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::value::RawValue;

use crate::history::search::Share;

/// The results of a slice, with their share of the room for answers.
#[derive(Debug)]
pub(super) struct Found {
    results: Vec<Box<RawValue>>,
    share: Share,
}

/// A part of an answer. Its share lasts until the last of it is sent: the connection keeps all of it
/// until then.
struct Part {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Found {
    pub(super) const fn new(results: Vec<Box<RawValue>>, share: Share) -> Self {
        Self { results, share }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.results.is_empty()
    }

    /// Returns a line for each result.
    pub(super) fn lines(self) -> Bytes {
        self.join(|result, bytes| {
            bytes.extend_from_slice(result);
            bytes.push(b'\n');
        })
    }

    /// Returns the results as elements of an array, each after a comma.
    fn elements(self) -> Bytes {
        self.join(|result, bytes| {
            bytes.push(b',');
            bytes.extend_from_slice(result);
        })
    }

    fn join(self, add: impl Fn(&[u8], &mut Vec<u8>)) -> Bytes {
        let Self { results, mut share } = self;
        let lengths = results.iter().map(|result| result.get().len().saturating_add(1));
        let mut bytes = Vec::with_capacity(lengths.sum());
        for result in results {
            add(result.get().as_bytes(), &mut bytes);
        }
        share.set(bytes.capacity() as u64);
        Bytes::from_owner(Part { bytes, _share: share })
    }
}

/// A JSON array, in parts.
#[derive(Debug, Default)]
pub(super) struct Array(Vec<Bytes>);

impl Array {
    pub(super) fn add(&mut self, found: Found) {
        if found.is_empty() {
            return;
        }
        let mut elements = found.elements();
        if self.0.is_empty() {
            drop(elements.split_to(1));
        }
        self.0.push(elements);
    }

    /// Returns an answer of JSON, with other parts around the elements.
    pub(super) fn into_response(self, head: &'static [u8], tail: Vec<u8>) -> Response {
        let mut parts = self.0;
        parts.insert(0, Bytes::from_static(head));
        parts.push(tail.into());
        let length: usize = parts.iter().map(Bytes::len).sum();
        let parts = parts.into_iter().map(Ok::<_, std::convert::Infallible>);
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CONTENT_LENGTH, HeaderValue::from(length)),
        ];
        (headers, Body::from_stream(stream::iter(parts))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use axum::body::to_bytes;
    use feed::Owner;
    use hyper::Request;
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use parking_lot::Mutex;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::history::search::Stock;

    fn found(stock: &std::sync::Arc<Stock>, results: &[&str]) -> Found {
        let raw = |text: &&str| RawValue::from_string((*text).to_owned()).expect("JSON");
        let share = stock.take(Owner(1), 8).expect("room");
        Found::new(results.iter().map(raw).collect(), share)
    }

    #[tokio::test]
    async fn parts_of_an_array_make_one_document() {
        let stock = Stock::new(1000);
        for (slices, expected) in
            [(vec![], "[]"), (vec![vec![], vec!["1", "{}"], vec![], vec!["3"]], "[1,{},3]")]
        {
            let mut array = Array::default();
            for slice in &slices {
                array.add(found(&stock, slice));
            }
            let response = array.into_response(b"[", b"]".to_vec());
            assert_eq!(response.headers()[CONTENT_LENGTH], expected.len().to_string());
            let body = to_bytes(response.into_body(), 100).await.expect("a body");
            assert_eq!(body, expected);
        }
    }

    #[test]
    fn a_part_has_its_share_until_all_of_it_is_sent() {
        let stock = Stock::new(40);
        let mut lines = found(&stock, &["12345", "6"]).lines();
        assert_eq!(lines, "12345\n6\n");
        // Two bytes are left.
        assert!(stock.take(Owner(1), 3).is_err());
        drop(lines.split_to(6));
        assert!(stock.take(Owner(1), 3).is_err(), "the connection keeps all of it");
        drop(lines);
        assert!(stock.take(Owner(1), 10).is_ok());
    }

    #[tokio::test]
    async fn a_connection_has_the_share_of_an_answer_until_the_client_has_read_it() {
        let stock = Stock::new(8 << 20);
        let mut array = Array::default();
        array.add(found(&stock, &[&format!("\"{}\"", "a".repeat(1 << 20))]));
        let response = Mutex::new(Some(array.into_response(b"[", b"]".to_vec())));
        let answer = move |_: Request<Incoming>| {
            ready(response.lock().take().ok_or_else(|| std::io::Error::other("one request")))
        };
        let (server, mut client) = tokio::io::duplex(1 << 10);
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(server), service_fn(answer));
        let connection = tokio::spawn(connection);
        let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        client.write_all(request).await.expect("taken");
        let mut read = vec![0; 4 << 10];
        client.read_exact(&mut read).await.expect("a part");
        assert!(read.starts_with(b"HTTP/1.1 200 OK"));
        // The client's part is 2 MiB.
        assert!(stock.take(Owner(1), 1 << 20).is_err(), "the connection has the rest");
        client.read_to_end(&mut read).await.expect("the rest");
        assert!(read.len() > 1 << 20 && read.ends_with(b"aa\"]"));
        connection.await.expect("no panic").expect("served");
        assert!(stock.take(Owner(1), 2 << 20).is_ok());
    }
}
