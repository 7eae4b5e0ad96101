//! HTTP GET over loopback, enough to ask the programs under test how they are.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body at `http://host:port/path`.
pub(super) fn get(url: &str) -> anyhow::Result<String> {
    let inner = || -> anyhow::Result<String> {
        let rest = url.strip_prefix("http://").context("not an http URL")?;
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        // To HTTP/1.0 nobody answers in chunks, and the connection ends with the answer.
        let request = format!("GET /{path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end")?;
        let status = head.lines().next().unwrap_or_default();
        ensure!(status.split(' ').nth(1) == Some("200"), "{status}");
        Ok(body.to_owned())
    };
    inner().with_context(|| url.to_owned())
}
