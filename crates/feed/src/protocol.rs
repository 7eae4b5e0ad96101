//! The bytes on a socket: WebSocket frames and the handshake, server-sent events, gzip.

pub(crate) mod deflate;
pub mod frame;
pub(crate) mod framing;
pub mod gzip;
pub mod handshake;
