//! Every tested fault: its visible effects, and the behaviour of the server.

mod altered;
mod answers;
mod bodies;
mod heads;
mod pages;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ctsim::Endpoint;
use ctsim::fault::{BodyFault, Fault, PageFault, Scope, Times};
use ctsim::{Limit, Protocol};
use follow::{Counters, Health, LogStatus};

/// Faults of one kind.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) rows: &'static [Row],
}

/// One fault.
pub(super) struct Row {
    pub(super) fault: &'static str,
    /// Of which protocol's logs.
    pub(super) at: Where,
    pub(super) trouble: Trouble,
    /// Text of a line of the server's log, at its default level.
    pub(super) line: Option<&'static str>,
    /// A counter of the log that grows.
    pub(super) metric: Option<&'static Metric>,
    /// The log's status meanwhile, if it is not healthy all the time.
    pub(super) status: Option<Status>,
    pub(super) does: &'static str,
    /// True if entries may arrive that are not the log's.
    pub(super) altered: bool,
    /// The phase in which it can be noticed.
    pub(super) noticed: Noticed,
    /// The time for which unparsable bytes are requested again.
    pub(super) unreadable_wait: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    Both,
    Rfc6962,
    StaticCt,
}

/// To which requests what happens how often.
pub(super) type Rule = (Scope, Fault, Times);

/// The cause of a fault.
pub(super) enum Trouble {
    Faults(fn() -> Vec<Rule>),
    /// The log has a limit.
    LogLimit(Limit),
    /// Its host has.
    HostLimit(Limit),
    /// Its host refuses connections.
    Away,
}

/// The phase in which a fault can be noticed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Noticed {
    /// In every phase.
    Always,
    /// Only by who follows the log already.
    Following,
    /// Only by who begins to.
    Starting,
}

/// A counter of a log.
pub(super) struct Metric {
    /// Its name at `/metrics`, without the server's prefix.
    pub(super) name: &'static str,
    counter: fn(&Counters) -> &AtomicU64,
}

/// A log's status as shown.
#[derive(Clone, Copy)]
pub(super) enum Status {
    Unhealthy,
    Overdue,
    Alarm,
}

impl Row {
    pub(super) fn protocols(&self) -> &'static [Protocol] {
        match self.at {
            Where::Both => &[Protocol::Rfc6962, Protocol::StaticCt],
            Where::Rfc6962 => &[Protocol::Rfc6962],
            Where::StaticCt => &[Protocol::StaticCt],
        }
    }

    /// Reports whether it changes the availability of issuers.
    pub(super) fn is_of_issuers(&self) -> bool {
        let Trouble::Faults(make) = &self.trouble else { return false };
        make().iter().any(|(scope, fault, _)| {
            *scope == Scope::Only(Endpoint::Issuer) || *fault == Fault::WrongIssuer
        })
    }

    /// Reports whether it changes heads.
    pub(super) fn is_of_heads(&self) -> bool {
        let Trouble::Faults(make) = &self.trouble else { return false };
        make().iter().any(|(_, fault, _)| matches!(fault, Fault::Head(_) | Fault::Fork { .. }))
    }
}

impl Metric {
    pub(super) fn of(&self, status: &LogStatus) -> u64 {
        (self.counter)(&status.counters).load(Ordering::Relaxed)
    }
}

impl Status {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Unhealthy => "unhealthy after some time",
            Self::Overdue => "`certstream_log_head_overdue` is 1",
            Self::Alarm => "**alarm**",
        }
    }

    pub(super) fn is_shown(self, status: &LogStatus) -> bool {
        let snapshot = status.snapshot();
        match self {
            Self::Unhealthy => snapshot.health == Health::Unhealthy,
            Self::Overdue => snapshot.overdue,
            Self::Alarm => !snapshot.alarms.is_empty(),
        }
    }
}

const ERRORS: Metric = Metric { name: "log_errors_total", counter: |c| &c.errors };
const LIMITED: Metric = Metric { name: "log_limited_total", counter: |c| &c.limited };
const REFUSED: Metric = Metric { name: "log_refused_heads_total", counter: |c| &c.refused_heads };
const STALE: Metric = Metric { name: "log_stale_heads_total", counter: |c| &c.stale_heads };
const CUT: Metric = Metric { name: "log_cut_chains_total", counter: |c| &c.cut_chains };
const MISSING: Metric =
    Metric { name: "log_missing_issuers_total", counter: |c| &c.missing_issuers };
const FORGED: Metric = Metric { name: "log_forged_issuers_total", counter: |c| &c.forged_issuers };
const FOREIGN_ISSUER: Metric =
    Metric { name: "log_foreign_issuers_total", counter: |c| &c.foreign_issuers };
const FOREIGN_PRECERTIFICATE: Metric =
    Metric { name: "log_foreign_precertificates_total", counter: |c| &c.foreign_precertificates };
const WRONG_INDEX: Metric =
    Metric { name: "log_wrong_leaf_indexes_total", counter: |c| &c.wrong_leaf_indexes };
const MALFORMED: Metric = Metric { name: "log_malformed_total", counter: |c| &c.malformed };
const UNREADABLE: Metric = Metric { name: "log_unreadable_total", counter: |c| &c.unreadable };
const UNDECODABLE: Metric = Metric { name: "log_undecodable_total", counter: |c| &c.undecodable };
const ALARMS: Metric = Metric { name: "log_alarms_total", counter: |c| &c.alarms };

/// The first entry that a log gets while the fault is on.
pub(super) const FIRST_NEW: u64 = 600;

/// The table.
pub(super) const GROUPS: [Group; 5] =
    [answers::ANSWERS, bodies::BODIES, pages::PAGES, altered::ALTERED, heads::HEADS];

const fn until_cleared(scope: Scope, fault: Fault) -> Rule {
    (scope, fault, Times::UntilCleared)
}

/// A row of a fault that an operator need not hear of.
const fn silent(fault: &'static str, make: fn() -> Vec<Rule>) -> Row {
    Row {
        fault,
        at: Where::Both,
        trouble: Trouble::Faults(make),
        line: None,
        metric: None,
        status: None,
        does: "nothing special",
        altered: false,
        noticed: Noticed::Always,
        unreadable_wait: Duration::from_secs(600),
    }
}

/// A row of a fault because of which the log fails, as long as it lasts.
const fn failing(fault: &'static str, line: &'static str, make: fn() -> Vec<Rule>) -> Row {
    Row {
        line: Some(line),
        metric: Some(&ERRORS),
        status: Some(Status::Unhealthy),
        does: RETRIES,
        ..silent(fault, make)
    }
}

const RETRIES: &str = "retries with increasing delays (starting at `ct_log.retry_initial_delay_ms`), \
    of at most 4 s in the first minute";

fn body(scope: Scope, fault: BodyFault) -> Vec<Rule> {
    vec![until_cleared(scope, Fault::Body(fault))]
}

fn page(fault: PageFault) -> Vec<Rule> {
    vec![until_cleared(Scope::Entries, Fault::Page(fault))]
}
