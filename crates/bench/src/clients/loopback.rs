//! Connections over loopback from many source addresses: all of 127.0.0.0/8 is this machine, and
//! each address has ports of its own and counts as a client of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// Connections in a row from one address: fewer than servers usually allow.
const EACH: usize = 50;

/// Returns the source address of the connection with this number.
pub(crate) fn source(number: usize) -> Ipv4Addr {
    let address = number / EACH;
    let part = |number: usize| u8::try_from(number % 250).unwrap_or_default() + 1;
    Ipv4Addr::new(127, 1, part(address / 250), part(address))
}

/// Connects from the address of connection `number`. What the kernel keeps for a client that does
/// not read is bounded to about `receive_buffer` bytes, where that is given.
pub(crate) async fn connect(
    server: SocketAddr,
    number: usize,
    receive_buffer: Option<u32>,
) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_nodelay(true)?;
    socket.bind((source(number), 0).into())?;
    socket.connect(server).await
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn sources_are_spread_evenly() {
        let mut counts = HashMap::new();
        (0..20_000).for_each(|number| *counts.entry(source(number)).or_insert(0) += 1);
        assert_eq!(counts.len(), 400);
        assert!(counts.iter().all(|(address, count)| address.is_loopback() && *count == EACH));
    }
}
