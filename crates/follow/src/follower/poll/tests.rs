use proptest::prelude::*;

use super::*;

const LONGEST: Duration = Duration::from_secs(1);

/// A log that publishes every `period` after `phase` with clocks `skew` apart, asked for `span`.
struct Run {
    /// Questions asked.
    questions: usize,
    /// Of them those that brought nothing.
    vain: usize,
    /// The delay with which each change was seen, in the second half.
    delays: Vec<Duration>,
}

fn run(longest: Duration, period: Duration, phase: Duration, skew: u64, span: Duration) -> Run {
    let start = Instant::now();
    let mut poll = Poll::new(longest, start);
    let mut run = Run { questions: 0, vain: 0, delays: Vec::new() };
    let mut seen = None;
    while poll.next() < start + span {
        let now = poll.next();
        let since = now - start;
        let published = since.saturating_sub(phase).as_millis() / period.as_millis();
        let appeared = phase + period * published as u32;
        let timestamp = skew + appeared.as_millis() as u64;
        poll.answered(published as u64, timestamp, now);
        run.questions += 1;
        if seen == Some(published) {
            run.vain += 1;
        } else if since > span / 2 {
            run.delays.push(since - appeared);
        }
        seen = Some(published);
    }
    run.delays.sort();
    run
}

#[test]
fn changes_are_seen_soon_after_they_appear() {
    for (period, phase) in [(1000, 137), (1400, 990), (2000, 55), (5000, 4321)] {
        let (period, phase) = (Duration::from_millis(period), Duration::from_millis(phase));
        let run = run(LONGEST, period, phase, 1_700_000_000_000, Duration::from_secs(600));
        let median = run.delays[run.delays.len() / 2];
        assert!(median <= Duration::from_millis(150), "{period:?}: {median:?}");
        assert!(run.vain <= 603, "{period:?}: {} vain questions", run.vain);
    }
}

#[test]
fn an_idle_log_is_polled_once_a_second_at_most() {
    let never = Duration::from_secs(1 << 20);
    for longest in [1, 10, 50, 1000] {
        let longest = Duration::from_millis(longest);
        let run = run(longest, never, never, 0, Duration::from_secs(100));
        assert!((90..=104).contains(&run.questions), "{longest:?}: {}", run.questions);
    }
    let rare = Duration::from_secs(30);
    let run = run(rare, never, never, 0, Duration::from_secs(3000));
    assert!((95..=115).contains(&run.questions), "every 30 s in the end: {}", run.questions);
}

#[test]
fn a_log_that_always_grows_is_polled_as_configured_or_twice_a_second() {
    let always = Duration::from_millis(1);
    let span = Duration::from_secs(100);
    let by_default = run(LONGEST, always, Duration::ZERO, 0, span).questions;
    assert!((150..=210).contains(&by_default), "{by_default}");
    let often = run(Duration::from_millis(50), always, Duration::ZERO, 0, span).questions;
    assert!((1900..=2010).contains(&often), "{often}");
}

#[test]
fn a_growing_log_is_polled_as_often_as_configured() {
    let (longest, period) = (Duration::from_millis(100), Duration::from_millis(200));
    for phase in [0, 33, 150, 199] {
        let phase = Duration::from_millis(phase);
        let run = run(longest, period, phase, 1_700_000_000_000, Duration::from_secs(100));
        let at = |share: usize| run.delays[(run.delays.len() - 1) * share / 100];
        assert!(at(50) <= longest, "{phase:?}: {:?}", at(50));
        assert!(at(100) <= longest * 2, "{phase:?}: {:?}", at(100));
    }
}

proptest! {
    #[test]
    fn useless_requests_and_waits_are_bounded_for_any_log(
        longest in 1..5000_u64,
        answers in prop::collection::vec((0..4_u64, any::<u64>()), 1..400),
    ) {
        let longest = Duration::from_millis(longest);
        let start = Instant::now();
        let mut poll = Poll::new(longest, start);
        let (mut size, mut vain, mut news) = (0, 0_u32, 0_u32);
        for (growth, timestamp) in answers {
            let now = poll.next();
            vain += u32::from(growth == 0);
            news += u32::from(growth > 0);
            size += growth;
            poll.answered(size, timestamp, now);
            let wait = poll.next() - now;
            prop_assert!(wait <= longest.max(Duration::from_secs(1)), "{wait:?}");
            prop_assert!(!wait.is_zero());
            let moving = f64::from(news) * MOVING.as_secs_f64() * MOST_A_SECOND;
            let moving = if longest < LONGEST { moving } else { 0.0 };
            let allowed = BURST + moving + (now - start).as_secs_f64();
            prop_assert!(f64::from(vain) <= allowed + 2.0, "{vain} of {allowed}");
        }
    }
}

#[test]
fn logs_that_begin_together_spread_over_the_interval() {
    let now = Instant::now();
    for logs in [1_usize, 7, 60] {
        let mut seconds: Vec<_> = (0..logs)
            .map(|number| {
                let mut poll = Poll::new(LONGEST, now).staggered(number);
                assert_eq!(poll.next(), now, "each begins at once");
                poll.answered(5, 5, now);
                let second = poll.next() - now;
                poll.answered(5, 5, poll.next());
                assert!(poll.next() - now - second <= LONGEST, "put off only once");
                second
            })
            .collect();
        seconds.sort();
        let gaps = seconds.windows(2).map(|pair| pair[1] - pair[0]);
        let widest = gaps.max().unwrap_or_default();
        assert!(widest <= LONGEST * 3 / logs as u32, "{logs} logs: a gap of {widest:?}");
    }
}
