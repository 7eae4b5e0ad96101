//! Receivers of alerts that accept everything.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request to a webhook.
#[derive(Clone, Debug)]
pub(super) struct Post {
    path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

type Posts = Arc<Mutex<Vec<Post>>>;

/// Webhooks, one for each path. That of `/slow` never answers its first request.
pub(super) struct Hook {
    pub(super) url: String,
    posts: Posts,
}

impl Hook {
    pub(super) async fn start() -> Self {
        let posts = Posts::default();
        let app = Router::new().fallback(take).with_state(Arc::clone(&posts));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { url, posts }
    }

    /// Returns the requests to a webhook.
    pub(super) fn posts(&self, name: &str) -> Vec<Post> {
        let path = format!("/{name}");
        self.posts.lock().iter().filter(|post| post.path == path).cloned().collect()
    }

    /// Returns the alerts that a webhook has.
    pub(super) fn alerts(&self, name: &str) -> Vec<Value> {
        let posts = self.posts(name);
        posts.iter().map(|post| serde_json::from_str(&post.body).expect("JSON")).collect()
    }
}

async fn take(
    State(posts): State<Posts>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    let path = uri.path().to_owned();
    let is_first = !posts.lock().iter().any(|post| post.path == path);
    let is_silent = is_first && path == "/slow";
    posts.lock().push(Post { path, headers, body });
    if is_silent {
        std::future::pending::<()>().await;
    }
    StatusCode::NO_CONTENT
}

/// An SMTP server without encryption.
pub(super) struct Smtp {
    pub(super) address: String,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Smtp {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let mails = Arc::<Mutex<Vec<String>>>::default();
        let all = Arc::clone(&mails);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    // A session that is broken off has no mail.
                    if let Some(mail) = session(stream).await {
                        all.lock().push(mail);
                    }
                });
            }
        });
        Self { address, mails }
    }

    /// Returns the lines of each session that ended with a mail.
    pub(super) fn mails(&self) -> Vec<String> {
        self.mails.lock().clone()
    }
}

/// Returns the lines of the client, up to the end of its mail.
async fn session(stream: TcpStream) -> Option<String> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 localhost\r\n").await.ok()?;
    let (mut lines, mut is_mail) = (String::new(), false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        lines += &line;
        let reply = match line.trim_end() {
            "." if is_mail => {
                stream.write_all(b"250 queued\r\n").await.ok()?;
                return Some(lines);
            }
            _ if is_mail => continue,
            "DATA" => "354 go",
            line if line.starts_with("EHLO") => "250-localhost\r\n250 AUTH PLAIN LOGIN",
            line if line.starts_with("AUTH") => "235 yes",
            _ => "250 ok",
        };
        is_mail = reply == "354 go";
        stream.write_all(format!("{reply}\r\n").as_bytes()).await.ok()?;
    }
}
