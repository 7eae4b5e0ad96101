//! Misbehaviour on demand.
//!
//! Each log has its [`Faults`], and so has the log list. Every request asks them once, before it is
//! answered: a fault may hold the answer up, replace it, or change what it says. Injecting and
//! clearing take effect with the next request.

mod kind;

use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::header::LOCATION;
use parking_lot::Mutex;

pub use self::kind::{BodyFault, Fault, HeadFault, PageFault};
use crate::Endpoint;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::pki::random::Random;

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

/// The number of times that a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// To the next so many requests in its scope.
    Next(u64),
    /// Until [`Faults::clear`].
    UntilCleared,
    /// To all requests in its scope for so long.
    For(Duration),
    /// To so many of a thousand requests in its scope, at random, until [`Faults::clear`].
    Share {
        /// 0 to 1000.
        per_mille: u16,
    },
}

/// The faults of one log, or of the log list.
#[derive(Debug)]
pub struct Faults {
    rules: Mutex<Rules>,
}

#[derive(Debug)]
struct Rules {
    list: Vec<Rule>,
    /// The source of random shares.
    random: Random,
}

#[derive(Debug)]
struct Rule {
    scope: Scope,
    fault: Fault,
    times: Times,
    injected: Instant,
}

/// The effect of faults on one request.
#[derive(Debug, Default)]
pub(crate) struct InjectedFaults {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { rules: Mutex::new(Rules { list: Vec::new(), random: Random::of(0, 0, 0) }) }
    }
}

impl Faults {
    /// Has `fault` happen to requests in `scope`. Delays add up and go together with another fault; of
    /// all others the one injected first happens, until it has happened often enough.
    pub fn inject(&self, scope: Scope, fault: Fault, times: Times) {
        let rule = Rule { scope, fault, times, injected: Instant::now() };
        self.rules.lock().list.push(rule);
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.rules.lock().list.clear();
    }

    /// Returns the number of injected faults that are not used up.
    #[must_use]
    pub fn pending(&self) -> usize {
        let mut rules = self.rules.lock();
        rules.list.retain(|rule| !rule.is_over());
        rules.list.len()
    }

    /// Returns the effect of faults on this request; without a call it is one for the log list.
    pub(crate) fn take(&self, endpoint: Endpoint, call: Option<&Call>) -> InjectedFaults {
        let mut injected = InjectedFaults::default();
        let Rules { list, random } = &mut *self.rules.lock();
        list.retain_mut(|rule| {
            if rule.is_over() {
                return false;
            }
            let is_delay = matches!(rule.fault, Fault::Delay(_));
            let taken = !is_delay && injected.fault.is_some();
            if taken || !rule.concerns(endpoint, call) || !rule.happens(random) {
                return true;
            }
            match &rule.fault {
                Fault::Delay(delay) => injected.delay += *delay,
                fault => injected.fault = Some(fault.clone()),
            }
            !rule.is_over()
        });
        injected
    }
}

impl Rule {
    fn concerns(&self, endpoint: Endpoint, call: Option<&Call>) -> bool {
        self.scope.contains(endpoint) && self.fault.concerns(endpoint, call)
    }

    /// Reports whether the fault happens this time, and counts it.
    fn happens(&mut self, random: &mut Random) -> bool {
        match &mut self.times {
            Times::UntilCleared | Times::For(_) => true,
            Times::Share { per_mille } => random.chance((*per_mille).into()),
            Times::Next(left) => {
                *left = left.saturating_sub(1);
                true
            }
        }
    }

    fn is_over(&self) -> bool {
        match self.times {
            Times::Next(left) => left == 0,
            Times::For(time) => self.injected.elapsed() >= time,
            Times::UntilCleared | Times::Share { .. } => false,
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

impl InjectedFaults {
    /// Reports whether there is any.
    pub(crate) fn is_any(&self) -> bool {
        self.fault.is_some() || !self.delay.is_zero()
    }

    /// The answer to be given instead of the log's own, where the fault needs none of that.
    pub(crate) fn replacement(&self) -> Option<Answer> {
        match self.fault.as_ref()? {
            Fault::Status { code, retry_after } => {
                let status = status(*code);
                let answer = Answer::text(format!("{status}\n")).with_status(status);
                Some(match retry_after {
                    Some(value) => answer.retry_after(value),
                    None => answer,
                })
            }
            Fault::Html { code } => Some(Answer::html(PAGE).with_status(status(*code))),
            Fault::Redirect { location } => {
                let answer = Answer::text("elsewhere\n").with_status(StatusCode::FOUND);
                Some(answer.with_field(LOCATION, location))
            }
            Fault::HangUp => Some(Answer::none()),
            _ => None,
        }
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head>\
    <body><h1>Checking your connection</h1></body></html>\n";

#[cfg(test)]
mod tests;
