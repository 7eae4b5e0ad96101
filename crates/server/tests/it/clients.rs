//! Clients of streams: exact delivery, resuming, filters, compression, slow readers.

mod addresses;
mod compression;
mod duplicates;
mod filters;
mod gaps;
mod heartbeats;
mod renumbered;
mod replay;
mod resume;
mod search;
mod since_time;
mod slow;
mod violations;
