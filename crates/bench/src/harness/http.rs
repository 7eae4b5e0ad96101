//! HTTP GET over loopback, enough to ask the programs under test how they are.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

/// The longest wait for a response, such as that of a search beside others.
const PATIENCE: Duration = Duration::from_secs(60);

/// The body at `http://host:port/path`.
pub(crate) fn get(url: &str) -> anyhow::Result<String> {
    get_from(Ipv4Addr::LOCALHOST, url, None)
}

/// Returns the body at a URL for a client with this address, over TLS if there is a TLS configuration.
pub(crate) fn get_from(
    client: Ipv4Addr,
    url: &str,
    tls: Option<&Arc<ClientConfig>>,
) -> anyhow::Result<String> {
    let inner = || -> anyhow::Result<String> {
        let (_, rest) = url.split_once("://").context("not a URL")?;
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let tcp = connect(client, address.parse()?)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let Some(tls) = tls else { return ask(tcp, address, path) };
        let name = tcp.peer_addr()?.ip().into();
        let session = ClientConnection::new(Arc::clone(tls), name)?;
        ask(StreamOwned::new(session, tcp), address, path)
    };
    inner().with_context(|| url.to_owned())
}

fn connect(client: Ipv4Addr, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(IpAddr::V4(client), 0).into())?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}

fn ask(mut stream: impl Read + Write, host: &str, path: &str) -> anyhow::Result<String> {
    // To HTTP/1.0 nobody answers in chunks, and the connection ends with the answer.
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        // A TLS session may end with the connection.
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error.into()),
        _ => {}
    }
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "{status}");
    Ok(body.to_owned())
}
