//! Prints the names of every certificate, and resumes where a connection was cut.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it is for")]

use std::time::Duration;

use serde_json::Value;

fn main() {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080/".to_owned());
    let mut since = String::new();
    loop {
        if let Err(error) = read(&url, &mut since) {
            eprintln!("reconnecting: {error}");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn read(url: &str, since: &mut String) -> anyhow::Result<()> {
    let (mut socket, response) = tungstenite::connect(format!("{url}?compat=calidog{since}"))?;
    let stream = response.headers().get("certstream-stream");
    let stream = stream.and_then(|id| id.to_str().ok()).map(|id| format!("@{id}"));
    let stream = stream.unwrap_or_default();
    loop {
        let message = socket.read()?;
        if !message.is_text() {
            continue;
        }
        let message: Value = serde_json::from_str(message.to_text()?)?;
        match message["message_type"].as_str() {
            Some("certificate_update") => {
                println!("{}", message["data"]["leaf_cert"]["all_domains"]);
            }
            Some("gap") => eprintln!("possibly missed messages ({})", message["reason"]),
            _ => {}
        }
        // Heartbeats have one too.
        if let Some(offset) = message["offset"].as_u64() {
            *since = format!("&since={offset}{stream}");
        }
    }
}
