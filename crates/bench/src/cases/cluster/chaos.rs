//! Kills of the processes of a cluster, at the times of a schedule.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::schedule::Kill;
use crate::harness::now;
use crate::harness::site::metric;
use xtask::cluster::{Cluster, Role, STREAM};

/// The part of a process when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The ingest node that leads.
    Leader,
    /// Another ingest node.
    Standby,
    Edge,
    /// The server of NATS that leads the stream's replicas.
    NatsLeader,
    /// Another server of NATS.
    NatsFollower,
}

/// A kill that has happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Killed {
    pub(super) kind: Kind,
    /// Microseconds since 1970.
    pub(super) at: u64,
}

/// A process of a cluster, by its number among its like.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Server(usize),
    Nats(usize),
}

/// A cluster whose processes are killed and started again.
pub(super) struct Chaos {
    cluster: Cluster,
    start: Instant,
    due: VecDeque<Kill>,
    /// The processes to start again, and the time for it.
    down: Vec<(Instant, Victim)>,
    pub(super) killed: Vec<Killed>,
}

impl Chaos {
    pub(super) fn new(cluster: Cluster, kills: Vec<Kill>) -> Self {
        let (start, due) = (Instant::now(), kills.into());
        Self { cluster, start, due, down: Vec::new(), killed: Vec::new() }
    }

    /// Does everything that is due.
    pub(super) fn step(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let is_due = |(at, _): &mut (Instant, Victim)| *at <= now;
        let again: Vec<_> = self.down.extract_if(.., is_due).collect();
        for (_, victim) in again {
            match victim {
                Victim::Server(number) => self.cluster.start_server(number)?,
                Victim::Nats(number) => self.cluster.nats.resume(number)?,
            }
        }
        if let Some(kill) = self.due.front().copied()
            && self.start + kill.at <= now
        {
            self.due.pop_front();
            self.kill(kill)?;
        }
        Ok(())
    }

    /// Starts all processes that are down, and waits until all of them are healthy.
    pub(super) fn recover(&mut self) -> anyhow::Result<()> {
        self.due.clear();
        self.down.iter_mut().for_each(|(at, _)| *at = Instant::now());
        self.step()?;
        let nats = self.cluster.nats.wait_until_healthy();
        nats.context("a killed server of NATS does not recover, so the next kill would stop all")?;
        self.cluster.wait_until_ready()
    }

    fn kill(&mut self, kill: Kill) -> anyhow::Result<()> {
        let victims = self.victims();
        let Some(count) = u64::try_from(victims.len()).ok().filter(|count| *count > 0) else {
            // All processes are down: it is tried again.
            self.due.push_front(Kill { at: kill.at + Duration::from_secs(1), ..kill });
            return Ok(());
        };
        let victim = victims.get(usize::try_from(kill.pick % count)?).context("a victim")?;
        let kind = self.kind(*victim);
        match *victim {
            Victim::Nats(number) => self.cluster.nats.kill(number),
            Victim::Server(number) => self.cluster.servers.get_mut(number).context("one")?.kill(),
        }
        self.killed.push(Killed { kind, at: now() });
        self.down.push((Instant::now() + kill.down, *victim));
        let (number, left) = (self.killed.len(), self.due.len());
        println!(
            "   kill {number}, {left} to come: {kind}, back in {:.1} s",
            kill.down.as_secs_f64()
        );
        Ok(())
    }

    /// Returns the processes that may be killed: of several servers of NATS only one at a time is not
    /// healthy.
    fn victims(&self) -> Vec<Victim> {
        let (servers, nats) = (&self.cluster.servers, &self.cluster.nats);
        let running = (0..servers.len())
            .filter(|number| servers.get(*number).is_some_and(|server| server.id().is_some()));
        let mut victims: Vec<_> = running.map(Victim::Server).collect();
        if (0..nats.count()).all(|number| nats.is_healthy(number)) {
            victims.extend((0..nats.count()).map(Victim::Nats));
        }
        victims
    }

    fn kind(&self, victim: Victim) -> Kind {
        match victim {
            Victim::Nats(number) if self.cluster.nats.leader(STREAM) == Some(number) => {
                Kind::NatsLeader
            }
            Victim::Nats(_) => Kind::NatsFollower,
            Victim::Server(number) => {
                let server = self.cluster.servers.get(number);
                let Some(server) = server.filter(|server| server.role == Role::Ingest) else {
                    return Kind::Edge;
                };
                // One that has just started does not respond.
                let leads = metric(&server.address(), "certstream_cluster_leader").unwrap_or(0.0);
                if leads > 0.0 { Kind::Leader } else { Kind::Standby }
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leader => "ingest node that leads",
            Self::Standby => "ingest node that is ready to lead",
            Self::Edge => "edge",
            Self::NatsLeader => "NATS server that leads the stream",
            Self::NatsFollower => "other NATS server",
        })
    }
}
