//! Misbehaviour on demand.
//!
//! Each log has its [`Faults`], and so has the log list. Every request asks them once, before it is
//! answered: a fault may hold the answer up, replace it, or change what it says. Injecting and
//! clearing take effect with the next request.

use std::time::Duration;

use hyper::StatusCode;
use parking_lot::Mutex;

use crate::Endpoint;
use crate::answer::Answer;

/// One way to misbehave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Answers with this status and a short text.
    Status {
        /// The HTTP status code.
        code: u16,
        /// The value of a `Retry-After` field: seconds or an HTTP date.
        retry_after: Option<String>,
    },
    /// Answers, as it would have otherwise, after this time.
    Delay(Duration),
    /// Answers get-entries with no entries and data tiles with no bytes, both with status 200.
    EmptyPage,
    /// Answers with an HTML page and status 200, as a captive portal does.
    Html,
    /// Answers get-sth and checkpoint with a head of the past, really signed: as a front end that
    /// lags behind does, or a log which no longer signs.
    StaleHead {
        /// By how many entries it is smaller than the newest head.
        behind: u64,
        /// By how much it is older.
        age: Duration,
    },
}

/// To which requests a fault happens. Requests it could not change are left alone in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// To all.
    Every,
    /// get-sth and checkpoint.
    Heads,
    /// get-entries and data tiles.
    Entries,
    /// Hash tiles, get-sth-consistency, get-proof-by-hash and get-entry-and-proof.
    Proofs,
    /// This one.
    Only(Endpoint),
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// To the next so many requests in its scope.
    Next(u64),
    /// Until [`Faults::clear`].
    UntilCleared,
}

/// The faults of one log, or of the log list.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    scope: Scope,
    fault: Fault,
    times: Times,
}

/// What happens to one request.
#[derive(Debug, Default)]
pub(crate) struct Misfortune {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

impl Faults {
    /// Has `fault` happen to requests in `scope`. Delays add up and go together with another fault; of
    /// all others the one injected first happens, until it has happened often enough.
    pub fn inject(&self, scope: Scope, fault: Fault, times: Times) {
        self.rules.lock().push(Rule { scope, fault, times });
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.rules.lock().clear();
    }

    /// How many injected faults have not happened as often as they should, or have no end.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.rules.lock().len()
    }

    /// What happens to a request for `endpoint`.
    pub(crate) fn take(&self, endpoint: Endpoint) -> Misfortune {
        let mut misfortune = Misfortune::default();
        self.rules.lock().retain_mut(|rule| {
            let is_delay = matches!(rule.fault, Fault::Delay(_));
            if !rule.concerns(endpoint) || !is_delay && misfortune.fault.is_some() {
                return true;
            }
            // Nothing is left of a rule injected to happen no times.
            if !rule.use_up() {
                return false;
            }
            match &rule.fault {
                Fault::Delay(delay) => misfortune.delay += *delay,
                fault => misfortune.fault = Some(fault.clone()),
            }
            rule.times != Times::Next(0)
        });
        misfortune
    }
}

impl Rule {
    fn concerns(&self, endpoint: Endpoint) -> bool {
        let changes = match self.fault {
            Fault::Status { .. } | Fault::Delay(_) | Fault::Html => Scope::Every,
            Fault::EmptyPage => Scope::Entries,
            Fault::StaleHead { .. } => Scope::Heads,
        };
        self.scope.contains(endpoint) && changes.contains(endpoint)
    }

    /// Counts down; false when it was at the end already.
    fn use_up(&mut self) -> bool {
        match &mut self.times {
            Times::UntilCleared | Times::Next(0) => self.times == Times::UntilCleared,
            Times::Next(left) => {
                *left -= 1;
                true
            }
        }
    }
}

impl Scope {
    fn contains(self, endpoint: Endpoint) -> bool {
        use Endpoint::{
            Checkpoint, DataTile, GetEntries, GetEntryAndProof, GetProofByHash, GetSth,
            GetSthConsistency, HashTile,
        };
        match self {
            Self::Every => true,
            Self::Heads => matches!(endpoint, GetSth | Checkpoint),
            Self::Entries => matches!(endpoint, GetEntries | DataTile),
            Self::Proofs => {
                matches!(endpoint, HashTile | GetSthConsistency | GetProofByHash | GetEntryAndProof)
            }
            Self::Only(only) => endpoint == only,
        }
    }
}

impl Misfortune {
    /// Whether there is any.
    pub(crate) fn is_any(&self) -> bool {
        self.fault.is_some() || !self.delay.is_zero()
    }

    /// The answer to be given instead of the log's own, where the fault needs none of that.
    pub(crate) fn replacement(&self) -> Option<Answer> {
        match self.fault.as_ref()? {
            Fault::Status { code, retry_after } => {
                let status =
                    StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let answer = Answer::text(format!("{status}\n")).with_status(status);
                Some(Answer { retry_after: retry_after.clone(), ..answer })
            }
            Fault::Html => Some(Answer::html(PAGE)),
            _ => None,
        }
    }
}

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head>\
    <body><h1>Checking your connection</h1></body></html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Fault = Fault::Status { code: 429, retry_after: None };

    #[test]
    fn a_fault_happens_as_often_as_it_should() {
        let faults = Faults::default();
        faults.inject(Scope::Entries, BUSY, Times::Next(2));
        assert_eq!(faults.take(Endpoint::GetSth).fault, None);
        assert_eq!(faults.take(Endpoint::GetEntries).fault, Some(BUSY));
        assert_eq!(faults.pending(), 1);
        assert_eq!(faults.take(Endpoint::DataTile).fault, Some(BUSY));
        assert_eq!(faults.pending(), 0);
        assert_eq!(faults.take(Endpoint::GetEntries).fault, None);
        faults.inject(Scope::Every, BUSY, Times::Next(0));
        assert_eq!(faults.take(Endpoint::GetEntries).fault, None);
        assert_eq!(faults.pending(), 0);
    }

    #[test]
    fn a_fault_without_end_is_cleared() {
        let faults = Faults::default();
        faults.inject(Scope::Only(Endpoint::GetRoots), Fault::Html, Times::UntilCleared);
        for _ in 0..3 {
            assert_eq!(faults.take(Endpoint::GetRoots).fault, Some(Fault::Html));
        }
        faults.clear();
        assert_eq!(faults.take(Endpoint::GetRoots).fault, None);
    }

    #[test]
    fn the_first_fault_comes_first_and_delays_go_with_it() {
        let faults = Faults::default();
        let second = Duration::from_secs(1);
        faults.inject(Scope::Every, BUSY, Times::Next(1));
        faults.inject(Scope::Every, Fault::Html, Times::Next(1));
        faults.inject(Scope::Every, Fault::Delay(second), Times::Next(1));
        faults.inject(Scope::Every, Fault::Delay(second), Times::Next(1));
        let first = faults.take(Endpoint::Checkpoint);
        assert_eq!((first.delay, first.fault), (2 * second, Some(BUSY)));
        let next = faults.take(Endpoint::Checkpoint);
        assert_eq!((next.delay, next.fault), (Duration::ZERO, Some(Fault::Html)));
    }

    #[test]
    fn faults_wait_for_requests_they_can_change() {
        let faults = Faults::default();
        faults.inject(Scope::Every, Fault::EmptyPage, Times::Next(1));
        assert_eq!(faults.take(Endpoint::GetSth).fault, None);
        assert_eq!(faults.take(Endpoint::GetEntries).fault, Some(Fault::EmptyPage));
    }
}
