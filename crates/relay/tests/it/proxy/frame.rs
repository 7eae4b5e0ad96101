//! The frames of the NATS protocol.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// A line, and the bytes that it announces.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    line: String,
    /// The headers and the message.
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// Reads a frame; `None` at the end of the connection.
    pub(super) async fn read(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<Self> {
        let mut line = String::new();
        if reader.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        let mut frame = Self { line, payload: Vec::new() };
        if matches!(frame.verb(), "PUB" | "HPUB" | "MSG" | "HMSG") {
            let length: usize = frame.words().last()?.parse().ok()?;
            let mut payload = vec![0; length + 2];
            reader.read_exact(&mut payload).await.ok()?;
            payload.truncate(length);
            frame.payload = payload;
        }
        Some(frame)
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.line.split_ascii_whitespace()
    }

    pub(super) fn verb(&self) -> &str {
        self.words().next().unwrap_or_default()
    }

    pub(super) fn subject(&self) -> Option<&str> {
        self.words().nth(1)
    }

    /// Returns the subject for the answer.
    pub(super) fn reply(&self) -> Option<&str> {
        let lengths = if self.verb() == "HPUB" { 2 } else { 1 };
        let words: Vec<&str> = self.words().collect();
        words.get(2).filter(|_| words.len() == 3 + lengths).copied()
    }

    /// Reports whether it publishes to the stream.
    pub(super) fn is_publish(&self) -> bool {
        let is_of_stream = |subject: &str| subject.ends_with(".batches");
        matches!(self.verb(), "PUB" | "HPUB") && self.subject().is_some_and(is_of_stream)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        if matches!(self.verb(), "PUB" | "HPUB" | "MSG" | "HMSG") {
            bytes.extend_from_slice(&self.payload);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    /// Returns the bytes with another subject for the answer.
    pub(super) fn with_reply(&self, reply: &str) -> Vec<u8> {
        let line = self.reply().map(|known| self.line.replacen(known, reply, 1));
        Self { line: line.unwrap_or_default(), payload: self.payload.clone() }.bytes()
    }
}
