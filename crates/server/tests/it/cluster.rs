//! Clusters of programs on a real server of NATS: kills, handovers, outages.

mod alerts;
mod backfill;
mod handover;
mod kills;
mod outage;
mod replays;
mod restarted;
mod restored;
mod site;
mod split_brain;
