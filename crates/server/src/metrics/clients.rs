//! The connected clients: their requests, and the messages that each has missed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// A client as its request shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The path of its request, without the query, which is private.
    pub path: Box<str>,
    /// Its address and its `User-Agent`, where the configuration asks for them.
    pub identity: Option<Identity>,
}

/// The address and program of a client; kept only where the configuration asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its `User-Agent`.
    pub user_agent: Option<Box<str>>,
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    /// Its number, from 1.
    pub id: u64,
    /// The time of its connection, Unix seconds.
    pub since: u64,
    /// The description of its request.
    pub visitor: Visitor,
    /// Messages it missed so far.
    lost: AtomicU64,
}

impl Client {
    /// Returns the messages it has missed so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Returns its name in log lines and metrics: its number, with its address where that is known.
    #[must_use]
    pub fn name(&self) -> String {
        let address = self.visitor.identity.as_ref().and_then(|identity| identity.address);
        address.map_or_else(
            || format!("[{}]", self.id),
            |address| format!("[{}] - {address}", self.id),
        )
    }
}

/// The clients connected now. As many as there may be connections.
#[derive(Debug, Clone, Default)]
pub struct Clients(Arc<Mutex<Present>>);

#[derive(Debug, Default)]
struct Present {
    last: u64,
    by_id: BTreeMap<u64, Arc<Client>>,
}

impl Clients {
    /// Adds a client, which stays until the returned value is dropped.
    #[must_use]
    pub fn enter(&self, visitor: Visitor) -> Presence {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut present = self.0.lock();
        present.last += 1;
        let id = present.last;
        let client = Arc::new(Client { id, since, visitor, lost: AtomicU64::new(0) });
        present.by_id.insert(id, Arc::clone(&client));
        Presence { client, clients: self.clone() }
    }

    /// Returns the clients, in the order of their connection.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Client>> {
        self.0.lock().by_id.values().cloned().collect()
    }
}

/// Keeps a client among the connected ones.
#[derive(Debug)]
pub struct Presence {
    client: Arc<Client>,
    clients: Clients,
}

impl Presence {
    /// Returns the client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Counts messages that the client will not get.
    pub fn missed(&self, messages: u64) {
        self.client.lost.fetch_add(messages, Ordering::Relaxed);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.clients.0.lock().by_id.remove(&self.client.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_listed_until_they_disconnect() {
        let clients = Clients::default();
        let first = clients.enter(Visitor { path: "/".into(), identity: None });
        let address = Some(IpAddr::from([192, 0, 2, 7]));
        let identity = Some(Identity { address, user_agent: None });
        let second = clients.enter(Visitor { path: "/sse".into(), identity });
        second.missed(3);
        let list = clients.list();
        let names: Vec<String> = list.iter().map(|client| client.name()).collect();
        assert_eq!(names, ["[1]", "[2] - 192.0.2.7"]);
        assert_eq!((list[0].lost(), list[1].lost()), (0, 3));
        assert_eq!(&*list[1].visitor.path, "/sse");
        drop(first);
        assert_eq!(clients.list().len(), 1);
        assert_eq!(clients.enter(Visitor::default()).client().id, 3, "numbers are not used again");
        drop(second);
        assert!(clients.list().is_empty());
    }
}
