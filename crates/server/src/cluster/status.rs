//! The state of this node in its cluster, as health, metrics and log lines read it.

mod lag;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use config::{Cluster, Role};
use parking_lot::Mutex;
use relay::Counts;
use serde::Serialize;
use utoipa::ToSchema;

use self::lag::Unreached;

/// Time between two log lines about the same outage.
pub(super) const REMIND: Duration = Duration::from_secs(60);
/// Time without a report of the logs' status after which no node counts as leading.
const REPORTS_WITHIN: Duration = Duration::from_secs(15);
/// Time for which the servers may not respond before that is worth a log line.
const HICCUP: Duration = Duration::from_secs(2);
/// Time for which the servers have to show the end of the stream, without a longer break, before a node that
/// cannot read counts as behind and not as cut off.
const VISIBLE: Duration = Duration::from_secs(10);

/// The figures of a node at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    /// This node leads.
    pub(crate) leads: bool,
    /// The servers respond.
    pub(crate) is_connected: bool,
    /// The current term.
    pub(crate) term: u64,
    /// Sequence of the last message read.
    pub(crate) position: u64,
    /// Sequence of the last message of the stream, as last seen.
    pub(crate) last: u64,
    /// Time since the stream had the oldest end that this node has not reached.
    pub(crate) lag: Duration,
    /// Terms that this node has led.
    pub(crate) terms_led: u64,
    /// Terms that ended because another node took over.
    pub(crate) depositions: u64,
    /// Entries that this node could not show, because their offsets came too late.
    pub(crate) withheld: u64,
    /// Events of reading and publishing.
    pub(crate) counts: Counts,
    /// Reads of the stream for clients that resume before the ring, or fall behind it.
    pub(crate) replay_reads: u64,
}

/// A node of a cluster, in responses.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Description {
    /// `all`, `ingest` or `edge`.
    role: &'static str,
    /// True if this node leads: it follows the logs.
    leads: bool,
    /// True if the servers of the cluster respond.
    connected: bool,
    /// Number of the current term.
    term: u64,
    /// Messages of the stream that this node has not read.
    lag_messages: u64,
    /// Time for which it has been behind the stream.
    lag_secs: f64,
}

/// The state of a node. The member writes it.
#[derive(Debug)]
pub(crate) struct Status {
    role: Role,
    max_lag: Duration,
    grace: Duration,
    started: Instant,
    replay_reads: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    figures: Figures,
    /// The time of the leader's last report.
    reported: Option<Instant>,
    /// The latest time of which this node is known to have read everything.
    complete_until: Option<Instant>,
    unreached: Unreached,
    /// The first and the last time at which the servers showed the end of the stream.
    visible: Option<(Instant, Instant)>,
    has_caught_up: bool,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    reason: String,
    reported: Option<Instant>,
}

impl State {
    /// Notes that everything up to this position is read.
    fn reach(&mut self, position: u64) {
        if let Some(time) = self.unreached.reach(position) {
            self.complete_until = self.complete_until.max(Some(time));
            self.has_caught_up = true;
        }
    }

    /// Notes that the servers show the end of the stream at this time.
    fn see_end(&mut self, now: Instant) {
        let is_recent =
            |(_, last): &(Instant, Instant)| now.saturating_duration_since(*last) < VISIBLE;
        let first = self.visible.filter(is_recent).map_or(now, |(first, _)| first);
        self.visible = Some((first, now));
    }

    /// Reports whether the servers have shown the end of the stream lately. Just after they respond again,
    /// reading has not begun yet.
    fn is_end_visible(&self, now: Instant) -> bool {
        self.visible.is_some_and(|(first, last)| {
            now.saturating_duration_since(last) < VISIBLE
                && last.saturating_duration_since(first) >= VISIBLE
        })
    }

    fn end_outage(&mut self) {
        if let Some(Outage { since, reported: Some(_), .. }) = self.outage.take() {
            let seconds = since.elapsed().as_secs();
            tracing::info!(seconds, "the servers of the cluster respond again");
        }
    }
}

impl Status {
    pub(super) fn new(role: Role, cluster: &Cluster, replay_reads: Arc<AtomicU64>) -> Self {
        Self {
            role,
            max_lag: Duration::from_secs(cluster.max_lag_secs),
            grace: Duration::from_secs(cluster.outage_grace_secs),
            started: Instant::now(),
            replay_reads,
            state: Mutex::default(),
        }
    }

    /// Notes the end of the stream as the servers say it, and the position up to which this node has
    /// read what is there now; they were asked at this time.
    pub(super) fn see_last(&self, last: u64, position: u64, asked: Instant) {
        let mut state = self.state.lock();
        (state.figures.last, state.figures.position) = (last, position);
        state.unreached.see(last, asked);
        state.reach(position);
        state.see_end(asked);
        // Otherwise only reading shows that the servers respond to that too.
        if position >= last {
            state.end_outage();
        }
    }

    /// Reports whether this node has read everything that was in the stream at this time, as far as its
    /// servers know. Exception: a server that is cut off from the others, and led the stream before, may
    /// still say for some seconds where its own copy ends. What the others have stored since is then not
    /// read.
    pub(crate) fn is_complete_until(&self, time: Instant) -> bool {
        self.state.lock().complete_until.is_some_and(|until| until >= time)
    }

    /// Notes the position up to which this node has read.
    pub(super) fn progress(&self, position: u64, term: u64, counts: Counts) {
        let mut state = self.state.lock();
        if position > state.figures.position {
            state.end_outage();
        }
        let figures = &mut state.figures;
        (figures.position, figures.term, figures.counts) = (position, term, counts);
        figures.last = figures.last.max(position);
        state.reach(position);
    }

    /// Notes a report of the leader.
    pub(super) fn see_report(&self) {
        self.state.lock().reported = Some(Instant::now());
    }

    /// Notes that the servers do not respond.
    pub(super) fn fail(&self, reason: &str) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let new = || Outage { since: now, reason: String::new(), reported: None };
        let outage = state.outage.get_or_insert_with(new);
        reason.clone_into(&mut outage.reason);
        let lasts = now.duration_since(outage.since) >= HICCUP;
        if lasts && outage.reported.is_none_or(|reported| now.duration_since(reported) >= REMIND) {
            outage.reported = Some(now);
            tracing::warn!(
                reason,
                "the servers of the cluster do not respond: nothing new is published; clients keep \
                 their connections"
            );
        }
    }

    pub(super) fn lead(&self) {
        let figures = &mut self.state.lock().figures;
        figures.leads = true;
        figures.terms_led += 1;
    }

    pub(super) fn depose(&self) {
        let figures = &mut self.state.lock().figures;
        figures.depositions += u64::from(figures.leads);
        figures.leads = false;
    }

    /// Notes that this node has handed over.
    pub(super) fn resign(&self) {
        self.state.lock().figures.leads = false;
    }

    pub(super) fn withhold(&self, entries: usize) {
        self.state.lock().figures.withheld += entries as u64;
    }

    /// Returns the node as responses describe it.
    pub(crate) fn describe(&self) -> Description {
        let figures = self.figures();
        Description {
            role: match self.role {
                Role::All => "all",
                Role::Ingest => "ingest",
                Role::Edge => "edge",
            },
            leads: figures.leads,
            connected: figures.is_connected,
            term: figures.term,
            lag_messages: figures.last.saturating_sub(figures.position),
            lag_secs: figures.lag.as_secs_f64(),
        }
    }

    /// Returns the figures.
    pub(crate) fn figures(&self) -> Figures {
        let state = self.state.lock();
        let lag = state.unreached.lag(Instant::now());
        let replay_reads = self.replay_reads.load(Ordering::Relaxed);
        Figures { lag, is_connected: state.outage.is_none(), replay_reads, ..state.figures }
    }

    /// Returns the reason why clients should not be sent here; `None` if they may be.
    pub(crate) fn not_ready(&self) -> Option<String> {
        self.not_ready_at(Instant::now())
    }

    fn not_ready_at(&self, now: Instant) -> Option<String> {
        let state = self.state.lock();
        if !state.has_caught_up {
            return Some("this node has not caught up with the stream yet".to_owned());
        }
        let behind = self.behind(&state, now);
        let Some(outage) = &state.outage else { return behind };
        // The grace is for servers that no node reaches: others may read what this one does not.
        let behind = behind.filter(|_| state.is_end_visible(now));
        let seconds = now.saturating_duration_since(outage.since);
        behind.or_else(|| (seconds > self.grace).then(|| unreachable(outage)))
    }

    fn behind(&self, state: &State, now: Instant) -> Option<String> {
        let lag = state.unreached.lag(now);
        (lag > self.max_lag).then(|| behind(lag, &state.figures))
    }

    /// Returns a problem that operators should know.
    pub(crate) fn problem(&self) -> Option<String> {
        let state = self.state.lock();
        if let Some(outage) = &state.outage {
            return Some(unreachable(outage));
        }
        let silence = state.reported.unwrap_or(self.started).elapsed();
        if silence > REPORTS_WITHIN {
            let seconds = silence.as_secs();
            return Some(format!("no node of the cluster has led for {seconds} s"));
        }
        self.behind(&state, Instant::now())
    }
}

fn unreachable(outage: &Outage) -> String {
    let seconds = outage.since.elapsed().as_secs();
    format!("the servers of the cluster have not responded for {seconds} s: {}", outage.reason)
}

fn behind(lag: Duration, figures: &Figures) -> String {
    let (seconds, messages) = (lag.as_secs(), figures.last.saturating_sub(figures.position));
    format!("this node is {seconds} s and {messages} messages behind the stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(max_lag_secs: u64, outage_grace_secs: u64) -> Status {
        let cluster = Cluster { max_lag_secs, outage_grace_secs, ..Cluster::default() };
        Status::new(Role::Edge, &cluster, Arc::default())
    }

    #[test]
    fn a_node_is_ready_once_it_has_caught_up() {
        let status = status(30, 30);
        assert!(status.not_ready().is_some());
        status.progress(3, 1, Counts::default());
        status.see_last(5, 3, Instant::now());
        assert!(status.not_ready().is_some_and(|reason| reason.contains("caught up")));
        status.progress(5, 1, Counts::default());
        assert_eq!((status.not_ready(), status.problem()), (None, None));
    }

    #[test]
    fn a_node_is_complete_up_to_the_time_of_the_question_whose_answer_it_has_read() {
        let status = status(30, 30);
        let [early, asked, late] =
            [0, 1, 2].map(|second| Instant::now() + Duration::from_secs(second));
        status.see_last(5, 0, asked);
        status.see_last(6, 0, late);
        assert!(!status.is_complete_until(early));
        status.progress(5, 1, Counts::default());
        assert!(status.is_complete_until(early) && status.is_complete_until(asked));
        assert!(!status.is_complete_until(late));
        status.see_last(5, 5, late);
        assert!(status.is_complete_until(late));
        status.see_last(5, 5, early);
        assert!(status.is_complete_until(late));
    }

    #[test]
    fn a_node_whose_stream_has_lost_its_end_is_not_complete_before_it_has_read_the_new_one() {
        let status = status(30, 30);
        let [before, after] = [0, 1].map(|second| Instant::now() + Duration::from_secs(second));
        status.progress(100, 1, Counts::default());
        status.see_last(100, 100, before);
        status.see_last(90, 80, after);
        assert!(status.is_complete_until(before) && !status.is_complete_until(after));
        assert_eq!(status.describe().lag_messages, 10);
        status.progress(89, 1, Counts::default());
        assert!(!status.is_complete_until(after));
        status.progress(90, 1, Counts::default());
        assert!(status.is_complete_until(after));
    }

    #[test]
    fn a_node_that_is_behind_for_too_long_is_not_ready() {
        let status = status(0, 30);
        status.progress(5, 1, Counts::default());
        status.see_last(5, 5, Instant::now());
        assert_eq!(status.not_ready(), None);
        status.see_last(9, 5, Instant::now());
        assert!(status.not_ready().is_some_and(|reason| reason.contains("4 messages behind")));
        status.progress(9, 1, Counts::default());
        assert_eq!(status.not_ready(), None);
    }

    #[test]
    fn a_node_that_reads_more_slowly_than_others_publish_stays_unready_until_it_catches_up() {
        let (status, start) = (status(30, 300), Instant::now());
        // Each second 100 messages are published, and 95 are read.
        let ready = |second: u64| {
            let now = start + Duration::from_secs(second);
            status.see_last(second * 100, second * 95, now);
            status.progress(second * 95, 1, Counts::default());
            status.not_ready_at(now)
        };
        assert_eq!((0..=600).find_map(ready), None);
        let reasons: Vec<_> = (601..1_800).map(ready).skip_while(Option::is_none).collect();
        assert!(reasons.len() > 1_100, "it is 30 s behind soon after second 600");
        let last = reasons.iter().position(Option::is_none);
        assert_eq!(last, None, "it is not ready again without having caught up");
        status.progress(1_799 * 100, 1, Counts::default());
        assert_eq!(status.not_ready_at(start + Duration::from_secs(1_800)), None);
    }

    #[test]
    fn the_grace_of_an_outage_does_not_cover_a_node_that_sees_others_publish() {
        let (status, start) = (status(30, 300), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        status.see_last(5, 5, start);
        // The servers show where the stream ends, but do not let this node read it.
        status.fail("no consumer");
        for second in 1..=31 {
            status.see_last(5 + second, 5, at(second));
            assert_eq!(status.not_ready_at(at(second)), None);
        }
        let reason = status.not_ready_at(at(32)).expect("it is behind");
        assert!(reason.contains("31 s and 31 messages behind"), "{reason}");
        // Then they show nothing any more, to no node.
        assert_eq!(status.not_ready_at(at(100)), None);
        // Once they respond again, reading begins a little later.
        status.see_last(36, 5, at(200));
        assert_eq!(status.not_ready_at(at(201)), None);
        for second in 201..=210 {
            status.see_last(36, 5, at(second));
        }
        assert!(status.not_ready_at(at(210)).is_some_and(|reason| reason.contains("behind")));
        status.progress(36, 1, Counts::default());
        assert_eq!((status.not_ready_at(at(211)), status.problem()), (None, None));
    }

    #[test]
    fn an_outage_is_a_problem_at_once_and_ends_readiness_after_the_grace() {
        let (patient, strict) = (status(30, 30), status(30, 0));
        for status in [&patient, &strict] {
            status.see_last(0, 0, Instant::now());
            status.fail("refused");
            assert!(status.problem().is_some_and(|problem| problem.ends_with(": refused")));
            assert!(!status.figures().is_connected);
        }
        assert_eq!(patient.not_ready(), None);
        assert!(strict.not_ready().is_some());
        strict.see_last(0, 0, Instant::now());
        assert_eq!((strict.not_ready(), strict.problem()), (None, None));
    }

    #[test]
    fn only_a_leader_is_deposed() {
        let status = status(30, 30);
        status.depose();
        status.lead();
        status.depose();
        let Figures { leads, terms_led, depositions, .. } = status.figures();
        assert_eq!((leads, terms_led, depositions), (false, 1, 1));
    }
}
