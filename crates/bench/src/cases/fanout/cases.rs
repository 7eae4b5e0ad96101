//! The cases of the fan-out benchmark: rates and encodings of messages.

use std::time::Duration;

use crate::clients::load::{Encoding, LoadOptions};
use crate::harness::site::Server;

/// A case of the benchmark.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The description of the case.
    pub(super) what: &'static str,
    /// Messages a second, all logs together.
    pub(super) rate: usize,
    /// The interval at which logs publish and the server polls, milliseconds.
    pub(super) interval: u64,
    /// The server's settings that are not at their defaults.
    pub(super) settings: &'static [(&'static str, &'static str)],
    path: &'static str,
    encoding: Encoding,
    pub(super) tls: bool,
    /// True if plain writes come at the same rate, false if they come as fast as they are read.
    pub(super) paced: bool,
    pub(super) target: &'static str,
}

impl Case {
    /// Plain WebSocket with everything at its default.
    const DEFAULT: Self = Self {
        name: "default",
        what: "default polling",
        rate: 100,
        interval: 1000,
        settings: &[],
        path: "/",
        encoding: Encoding::WebSocket,
        tls: false,
        paced: true,
        target: "≤ 0.7 CPU-s per million, mean ≤ 8 ms, p50 ≤ 10 ms, p99 ≤ 30 ms, ≤ 5 % of a core",
    };
    /// As much as goes through.
    const SATURATED: Self = Self {
        name: "saturated",
        what: "saturated",
        rate: 4000,
        interval: 100,
        paced: false,
        target: "≤ 0.4 CPU-s per million, ≥ 1,500,000 msg/s",
        ..Self::DEFAULT
    };
    const SSE: Self = Self {
        name: "sse",
        what: "SSE",
        settings: &[("protocols.sse", "true")],
        path: "/sse?stream=lite",
        encoding: Encoding::Sse,
        target: "-",
        ..Self::DEFAULT
    };

    pub(super) const fn is_compressed(&self) -> bool {
        matches!(self.encoding, Encoding::WebSocketDeflate | Encoding::SseGzip)
    }

    /// So many clients.
    pub(super) fn load(&self, server: &Server, clients: usize, time: Duration) -> LoadOptions {
        let (path, encoding) = (self.path.to_owned(), self.encoding);
        LoadOptions { path, encoding, ..LoadOptions::lite(server, clients, time) }
    }
}

pub(super) const CASES: [Case; 10] = [
    Case::DEFAULT,
    Case {
        name: "spread",
        what: "logs published and polled every 100 ms",
        interval: 100,
        target: "≤ 0.7 CPU-s per million, p50 ≤ 10 ms, p99 ≤ 30 ms",
        ..Case::DEFAULT
    },
    Case {
        name: "ungathered",
        what: "logs published and polled every 100 ms, gathering off",
        interval: 100,
        settings: &[("feed.gather_ms", "0")],
        target: "p50 ≤ 3 ms, p99 ≤ 25 ms",
        ..Case::DEFAULT
    },
    Case {
        name: "overload",
        what: "overload",
        rate: 2000,
        interval: 200,
        paced: false,
        target: "the server keeps up with the logs",
        ..Case::DEFAULT
    },
    Case::SATURATED,
    Case {
        name: "deflated",
        what: "deflated",
        encoding: Encoding::WebSocketDeflate,
        target: "≥ 5× fewer bytes",
        ..Case::DEFAULT
    },
    Case {
        name: "deflated-saturated",
        what: "deflated, saturated",
        encoding: Encoding::WebSocketDeflate,
        target: "≥ 5× fewer bytes, one deflate for all",
        ..Case::SATURATED
    },
    Case::SSE,
    Case {
        name: "sse-gzip",
        what: "SSE compressed with gzip",
        encoding: Encoding::SseGzip,
        target: "≥ 5× fewer bytes",
        ..Case::SSE
    },
    Case { name: "tls", what: "over TLS", tls: true, target: "-", ..Case::DEFAULT },
];
