//! An SMTP server of which each connection behaves as a test requires.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The behaviour at a step of a connection: a command that begins with a text, `CONNECT`, or `.` after a
/// message. At all others the server does what a client wants.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// It gives this reply.
    Reply(&'static str),
    /// It gives none, and the connection stays open.
    Hang,
    /// It closes the connection.
    Close,
    /// It sends a reply without end.
    Flood,
}

/// A message that was accepted, or would have been.
#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) text: String,
    /// The argument of AUTH.
    pub(super) auth: Option<String>,
    pub(super) is_encrypted: bool,
}

/// The state of a server.
#[derive(Debug, Default)]
struct State {
    acts: VecDeque<(&'static str, Act)>,
    received: Vec<Received>,
    /// Each line of each client.
    lines: Vec<String>,
}

/// A running server: each of its behaviours is for one connection, and then it accepts everything.
pub(super) struct Smtp {
    pub(super) port: u16,
    /// Its certificate, for `localhost`.
    pub(super) root: CertificateDer<'static>,
    state: Arc<Mutex<State>>,
}

/// TLS on connections to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Tls,
    StartTls,
    None,
}

impl Smtp {
    pub(super) async fn start(encryption: Encryption, acts: &[(&'static str, Act)]) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let root = cert.der().clone();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![root.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { acts: acts.to_vec().into(), ..State::default() }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let act = shared.lock().acts.pop_front();
                let server = Server { encryption, act, state: Arc::clone(&shared) };
                tokio::spawn(server.serve(stream, acceptor.clone()));
            }
        });
        Self { port, root, state }
    }

    pub(super) fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.state.lock().received)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.state.lock().lines.clone()
    }
}

/// One connection.
struct Server {
    encryption: Encryption,
    act: Option<(&'static str, Act)>,
    state: Arc<Mutex<State>>,
}

impl Server {
    async fn serve(self, stream: TcpStream, acceptor: TlsAcceptor) -> Option<()> {
        if self.encryption == Encryption::Tls {
            let mut stream = BufReader::new(acceptor.accept(stream).await.ok()?);
            self.step(&mut stream, "CONNECT", "220 ready").await?;
            return self.talk(&mut stream, true).await;
        }
        let mut stream = BufReader::new(stream);
        self.step(&mut stream, "CONNECT", "220 ready").await?;
        self.talk(&mut stream, false).await?;
        // STARTTLS ends the conversation without encryption.
        let mut stream = BufReader::new(acceptor.accept(stream.into_inner()).await.ok()?);
        self.talk(&mut stream, true).await
    }

    /// Answers commands until STARTTLS.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        is_encrypted: bool,
    ) -> Option<()> {
        let mut mail = Received { is_encrypted, ..Received::default() };
        loop {
            let line = self.line(stream).await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            let argument = line.split_once(' ').map_or("", |(_, argument)| argument).to_owned();
            let offers_tls = !is_encrypted && self.encryption == Encryption::StartTls;
            let usual = match &*verb {
                "EHLO" if offers_tls => "250-localhost\r\n250 STARTTLS",
                "EHLO" => "250-localhost\r\n250-AUTH PLAIN\r\n250 8BITMIME",
                "STARTTLS" => "220 go ahead",
                "AUTH" => "235 welcome",
                "DATA" => "354 end with a dot",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            let is_usual = self.act.is_none_or(|(step, _)| !line.starts_with(step));
            match &*verb {
                "MAIL" => mail.from = argument,
                "RCPT" if is_usual => mail.to.push(argument),
                "AUTH" => mail.auth = Some(argument),
                _ => {}
            }
            self.step(stream, &line, usual).await?;
            match &*verb {
                "STARTTLS" => return Some(()),
                "DATA" => {
                    mail.text = self.text(stream).await?;
                    self.state.lock().received.push(std::mem::take(&mut mail));
                    mail.is_encrypted = is_encrypted;
                    self.step(stream, ".", "250 queued").await?;
                }
                "QUIT" => return None,
                _ => {}
            }
        }
    }

    async fn line<S: AsyncRead + Unpin>(&self, stream: &mut BufReader<S>) -> Option<String> {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        self.state.lock().lines.push(line.clone());
        Some(line)
    }

    async fn text<S: AsyncRead + Unpin>(&self, stream: &mut BufReader<S>) -> Option<String> {
        let mut text = String::new();
        loop {
            let line = self.line(stream).await?;
            if line == "." {
                return Some(text);
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push('\n');
        }
    }

    async fn step<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        step: &str,
        usual: &str,
    ) -> Option<()> {
        let act = self.act.filter(|(at, _)| step.starts_with(at)).map(|(_, act)| act);
        let reply = match act {
            None => usual,
            Some(Act::Reply(reply)) => reply,
            Some(Act::Close) => return None,
            // Longer than any timeout of a test.
            Some(Act::Hang) => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                return None;
            }
            Some(Act::Flood) => loop {
                stream.write_all(&[b'2'; 4096]).await.ok()?;
            },
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
        stream.flush().await.ok()
    }
}
