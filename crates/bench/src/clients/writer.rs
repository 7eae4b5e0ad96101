//! The kernel's limit: a process that writes equal buffers to every socket and does nothing else.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Command as Cli};
use serde_json::{Value, json};

use xtask::process::{Process, release_binary, start_ready};

pub(crate) const NAME: &str = "plain-writer";
/// The time after which it ends by itself.
const LONGEST: Duration = Duration::from_secs(120);

/// The options of the writer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriterOptions {
    pub(crate) clients: usize,
    /// Bytes of a message, frame header included.
    pub(crate) bytes: usize,
    /// Messages in a write.
    pub(crate) batch: usize,
    /// Messages a second for each client; 0 is as fast as they read.
    pub(crate) rate: usize,
}

impl WriterOptions {
    /// Starts the process; its address.
    pub(crate) fn start(&self) -> anyhow::Result<(Process, String)> {
        let mut command: Command = release_binary("bench");
        command.arg(NAME);
        for (name, value) in self.named() {
            command.arg(format!("--{name}={value}"));
        }
        let (process, ready) = start_ready(&mut command)?;
        let address = ready.get("address").and_then(Value::as_str).context("no address")?;
        Ok((process, address.to_owned()))
    }

    const fn named(&self) -> [(&'static str, usize); 4] {
        let Self { clients, bytes, batch, rate } = *self;
        [("clients", clients), ("bytes", bytes), ("batch", batch), ("rate", rate)]
    }

    fn read(matches: &ArgMatches) -> anyhow::Result<Self> {
        let number = |name: &str| -> anyhow::Result<usize> {
            let text = matches.get_one::<String>(name).context("missing")?;
            text.parse().with_context(|| format!("--{name}={text}"))
        };
        Ok(Self {
            clients: number("clients")?,
            bytes: number("bytes")?,
            batch: number("batch")?,
            rate: number("rate")?,
        })
    }

    /// One write's bytes: frames of this length (RFC 6455 section 5.2). They are marked as
    /// compressed, so that the load client counts them however short they are.
    fn buffer(&self) -> anyhow::Result<Vec<u8>> {
        let mut frame = vec![0xc1];
        match self.bytes.saturating_sub(2) {
            short @ 0..=125 => frame.push(u8::try_from(short)?),
            longer => {
                frame.push(126);
                frame.extend(u16::try_from(longer - 2)?.to_be_bytes());
            }
        }
        frame.resize(self.bytes.max(frame.len()), b'x');
        Ok(frame.repeat(self.batch))
    }
}

pub(crate) fn command() -> Cli {
    let names = ["clients", "bytes", "batch", "rate"];
    Cli::new(NAME)
        .hide(true)
        .about("The yardstick of the benchmarks: plain writes to many sockets")
        .args(names.map(|name| Arg::new(name).long(name).required(true)))
}

pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let options = WriterOptions::read(matches)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", json!({ "address": listener.local_addr()?.to_string() }));
    let mut clients = Vec::with_capacity(options.clients);
    for _ in 0..options.clients {
        clients.push(accept(&listener)?);
    }
    write_rounds(&mut clients, &options)
}

/// A client whose handshake is taken for granted.
fn accept(listener: &TcpListener) -> anyhow::Result<TcpStream> {
    let (mut client, _) = listener.accept()?;
    client.set_nodelay(true)?;
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        let read = client.read(&mut part)?;
        anyhow::ensure!(read > 0, "a client left during its handshake");
        request.extend_from_slice(&part[..read]);
    }
    client.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")?;
    Ok(client)
}

/// One write to each client in each round, until one of them is gone.
fn write_rounds(clients: &mut [TcpStream], options: &WriterOptions) -> anyhow::Result<()> {
    let buffer = options.buffer()?;
    let interval = match options.rate {
        0 => Duration::ZERO,
        rate => Duration::from_secs_f64(options.batch as f64 / rate as f64),
    };
    let start = Instant::now();
    let mut due = start;
    while start.elapsed() < LONGEST {
        for client in &mut *clients {
            if client.write_all(&buffer).is_err() {
                return Ok(());
            }
        }
        due += interval;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_long_as_asked_for() {
        for bytes in [2, 100, 127, 128, 2170, 60_000] {
            let options = WriterOptions { clients: 1, bytes, batch: 3, rate: 0 };
            let buffer = options.buffer().expect("fits");
            assert_eq!(buffer.len(), 3 * bytes);
            assert_eq!(buffer[bytes], 0xc1, "the second frame of {bytes} bytes");
        }
    }
}
