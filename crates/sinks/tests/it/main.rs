//! Outputs to a broker in this process that speaks Kafka's protocol over sockets.

mod fixture;
mod outages;
mod refusals;
