//! Random faults and limits from the command line.

use std::time::Duration;

use clap::{Arg, ArgMatches, value_parser};
use ctsim::fault::{BodyFault, Fault, PageFault, Scope, Times};
use ctsim::{Limit, Limiter, LogHandle, Sim};

/// Share of requests that meet a fault.
const FAULTS: &str = "fault-per-mille";
/// Requests a second that a log, or a host with all its logs, answers.
const LOG_RATE: &str = "log-rate";
const HOST_RATE: &str = "host-rate";

pub(crate) fn arguments() -> [Arg; 3] {
    let share =
        "Faults among a thousand requests: statuses, delays, broken connections, short pages";
    let log_rate = "Requests a second that each log answers; more get status 429";
    let host_rate = "The same for all logs of a host together";
    [
        Arg::new(FAULTS)
            .long(FAULTS)
            .value_name("N")
            .value_parser(value_parser!(u16).range(0..=1000))
            .help(share),
        rate(LOG_RATE).help(log_rate),
        rate(HOST_RATE).help(host_rate),
    ]
}

fn rate(name: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("N").value_parser(value_parser!(u32).range(1..))
}

/// Injects the faults and sets the limits that the arguments specify.
pub(crate) fn apply(sim: &Sim, matches: &ArgMatches) {
    let limit = |name| {
        // A second's worth may come at once.
        let rate = matches.get_one::<u32>(name).copied();
        rate.map(|rate| Limit { rate: rate.into(), burst: rate, retry_after: true })
    };
    let set = |limiter: &Limiter, name| limiter.set(limit(name));
    sim.hosts().iter().for_each(|host| set(host.limiter(), HOST_RATE));
    for log in sim.logs() {
        set(log.limiter(), LOG_RATE);
        if let Some(per_mille) = matches.get_one::<u16>(FAULTS) {
            mix(log, *per_mille);
        }
    }
}

/// Returns common faults in equal parts, together this share of all requests.
fn mix(log: &LogHandle, per_mille: u16) {
    let status = |code| Fault::Status { code, retry_after: None };
    let mixture = [
        status(429),
        Fault::Status { code: 429, retry_after: Some("1".to_owned()) },
        status(500),
        status(503),
        Fault::Html { code: 502 },
        Fault::HangUp,
        Fault::Body(BodyFault::Cut),
        Fault::Delay(Duration::from_millis(500)),
        Fault::Page(PageFault::Short { most: 17 }),
        Fault::Page(PageFault::Empty),
    ];
    let count = mixture.len() as u16;
    for (number, fault) in (0..).zip(mixture) {
        // What does not divide goes to the first ones.
        let share = per_mille / count + u16::from(number < per_mille % count);
        log.faults().inject(Scope::Every, fault, Times::Share { per_mille: share });
    }
}
