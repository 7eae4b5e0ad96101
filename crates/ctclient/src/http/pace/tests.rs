use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Has `caller` answered `count` times, evenly over the second after `from`.
fn a_second_of_answers(schedule: &mut Schedule, caller: u64, count: u32, from: Instant) {
    for number in 1..=count {
        schedule.answered(caller, true, from + SECOND * number / count);
    }
}

#[test]
fn requests_of_a_limited_host_are_spread() {
    let mut schedule = Schedule::default();
    let now = Instant::now();
    assert_eq!(schedule.send(now), now);
    schedule.rate = Some(20.0);
    assert_eq!(schedule.send(now), now);
    assert_eq!(schedule.send(now), now + SECOND / 20);
    assert_eq!(schedule.send(now), now + SECOND / 10);
    let late = now + SECOND * 3 / 20 + TUNING.timer_slack / 2;
    assert_eq!(schedule.send(late), late);
    assert_eq!(schedule.send(late), now + SECOND / 5, "a late timer does not add up");
    assert_eq!(schedule.send(now + SECOND), now + SECOND);
    assert_eq!(schedule.send(now + SECOND), now + SECOND * 21 / 20, "an unused moment is gone");
    schedule.interval = SECOND;
    assert_eq!(schedule.send(now + 2 * SECOND), now + 2 * SECOND);
    let late = now + 3 * SECOND + TUNING.timer_slack / 2;
    assert_eq!(schedule.send(late), late);
    assert_eq!(schedule.send(late), late + SECOND, "a fixed interval is never shorter");
}

impl Schedule {
    /// Sends a request as soon as that may be; returns when.
    fn send(&mut self, now: Instant) -> Instant {
        let at = self.not_before(now).unwrap_or(now);
        self.take(at);
        at
    }
}

/// A host that is asked once a second, and how many turns of each kind wait for it.
async fn waiting(pages: usize, small: usize) -> (Arc<HostPace>, Vec<tokio::task::JoinHandle<()>>) {
    let pace = Paces::default().of("host");
    pace.schedule.lock().rate = Some(TUNING.lowest_rate);
    drop(pace.turn(0, Kind::Page).await);
    let kinds = (0..pages).map(|_| Kind::Page).chain((0..small).map(|_| Kind::Small));
    let tasks = kinds.map(|kind| {
        let pace = Arc::clone(&pace);
        tokio::spawn(async move { drop(pace.turn(1, kind).await) })
    });
    let tasks = tasks.collect();
    tokio::task::yield_now().await;
    (pace, tasks)
}

#[tokio::test(start_paused = true)]
async fn a_head_does_not_wait_behind_pages() {
    let (pace, _tasks) = waiting(40, 0).await;
    let start = Instant::now();
    drop(pace.turn(2, Kind::Small).await);
    // One page was in the queue before it, after the request that has just been sent.
    let most = 2 * SECOND + TUNING.timer_slack;
    assert!((Instant::now() - start) <= most, "{:?}", (Instant::now() - start));
}

#[tokio::test(start_paused = true)]
async fn cancelled_requests_use_no_time_slot() {
    let (pace, tasks) = waiting(40, 10).await;
    tokio::time::advance(SECOND / 2).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let start = Instant::now();
    drop(pace.turn(2, Kind::Page).await);
    assert!((Instant::now() - start) <= SECOND, "{:?}", (Instant::now() - start));
    assert_eq!(pace.requests.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_are_sent_in_order_at_the_rate_of_the_host() {
    let start = Instant::now();
    let (_pace, tasks) = waiting(3, 3).await;
    for task in tasks {
        task.await.expect("its turn");
    }
    let took = Instant::now() - start;
    assert!((6 * SECOND..6 * SECOND + TUNING.timer_slack).contains(&took), "{took:?}");
}

#[test]
fn a_429_halves_the_answered_rate_and_counts_once_a_second() {
    let mut schedule = Schedule::default();
    let now = Instant::now();
    for second in 0..60 {
        a_second_of_answers(&mut schedule, 1, 40, now + SECOND * second);
    }
    let now = now + 60 * SECOND;
    for _ in 0..8 {
        schedule.limited(1, now);
    }
    let rate = schedule.rate.expect("limited");
    assert!((18.0..22.0).contains(&rate), "{rate}");
    schedule.limited(1, now + SECOND / 2);
    assert_eq!(schedule.rate, Some(rate));
    for second in 2..40 {
        schedule.limited(1, now + SECOND * second);
    }
    assert_eq!(schedule.rate, Some(TUNING.lowest_rate));
}

#[test]
fn stray_429s_do_not_slow_a_host() {
    // Five logs, together 15 requests a second; one in a hundred meets a 429 whatever its rate.
    let mut schedule = Schedule::default();
    let start = Instant::now();
    for request in 0..15 * 600 {
        let (caller, now) = (u64::from(request % 5), start + SECOND * request / 15);
        if request % 100 == 99 {
            schedule.limited(caller, now);
        } else {
            schedule.answered(caller, true, now);
        }
    }
    assert_eq!(schedule.rate, None);
    // One in ten is a limit.
    for request in 0..150 {
        let now = start + 600 * SECOND + SECOND * request / 15;
        if request % 10 == 9 {
            schedule.limited(1, now);
        } else {
            schedule.answered(1, true, now);
        }
    }
    assert!(schedule.rate.is_some_and(|rate| rate < 15.0), "{:?}", schedule.rate);
}

#[test]
fn a_429_in_the_first_second_uses_the_rate_of_that_second() {
    let mut schedule = Schedule::default();
    let now = Instant::now();
    for number in 0..30 {
        schedule.answered(1, false, now + SECOND * number / 100);
    }
    schedule.limited(1, now + SECOND / 3);
    let rate = schedule.rate.expect("limited");
    assert!((12.0..17.0).contains(&rate), "{rate}");
}

#[test]
fn the_rate_recovers_after_429s_before_any_response() {
    let mut schedule = Schedule::default();
    let mut now = Instant::now();
    schedule.limited(1, now);
    assert_eq!(schedule.rate, Some(TUNING.first_rate / 2.0));
    for _ in 0..6 {
        now += 2 * SECOND;
        schedule.limited(1, now);
    }
    assert_eq!(schedule.rate, Some(TUNING.lowest_rate), "it still objects");
    for second in 0..10 {
        let rate = schedule.rate.expect("limited") as u32;
        a_second_of_answers(&mut schedule, 1, rate, now + SECOND * second);
    }
    let rate = schedule.rate.expect("limited");
    assert!(rate > 13.0, "{rate}");
}

#[test]
fn a_cut_keeps_the_rate_of_the_other_logs() {
    let mut schedule = Schedule { rate: Some(30.0), ..Schedule::default() };
    let start = Instant::now();
    for second in 0..60 {
        a_second_of_answers(&mut schedule, 1, 10, start + SECOND * second);
        schedule.rate = Some(30.0);
    }
    let mut now = start + 60 * SECOND;
    for _ in 0..20 {
        schedule.limited(2, now);
        a_second_of_answers(&mut schedule, 1, 10, now);
        now += SECOND;
    }
    let rate = schedule.rate.expect("limited");
    assert!((10.0..16.0).contains(&rate), "log 1 takes 10, log 2 is refused: {rate}");
    // Once the other is refused too, it is the host that has enough.
    for _ in 0..20 {
        schedule.limited(1, now);
        schedule.limited(2, now + 2 * SECOND);
        now += 4 * SECOND;
    }
    assert_eq!(schedule.rate, Some(TUNING.lowest_rate));
}

#[test]
fn only_responses_to_paced_requests_raise_the_rate() {
    let mut schedule = Schedule { rate: Some(10.0), ..Schedule::default() };
    let now = Instant::now();
    for _ in 0..1000 {
        schedule.answered(1, false, now);
    }
    assert_eq!(schedule.rate, Some(10.0));
    for _ in 0..10 {
        schedule.answered(1, true, now);
    }
    let rate = schedule.rate.expect("still limited");
    assert!((12.5..13.1).contains(&rate), "two and a tenth more after a second: {rate}");
    for _ in 0..200_000 {
        schedule.answered(1, true, now);
    }
    assert_eq!(schedule.rate, None, "the host bears it");
}

#[test]
fn the_rate_settles_just_below_the_limit() {
    // A host that allows 20 requests a second and answers 429 beyond, with unlimited demand.
    let mut schedule = Schedule { rate: Some(40.0), ..Schedule::default() };
    let mut now = Instant::now();
    let end = now + 1800 * SECOND;
    let (mut tokens, mut refused, mut answered) = (20.0_f64, 0, 0);
    while now < end {
        let at = schedule.send(now);
        tokens = (tokens + seconds_since(now, at) * 20.0).min(20.0);
        now = at;
        if tokens >= 1.0 {
            tokens -= 1.0;
            answered += 1;
            schedule.answered(1, true, now);
        } else {
            refused += 1;
            schedule.limited(1, now);
        }
    }
    assert!(refused * 1000 < answered, "{refused} of {answered}");
    assert!(answered > 1800 * 16, "and the host is used: {answered}");
}

#[test]
fn silent_callers_are_forgotten() {
    let mut schedule = Schedule::default();
    let mut now = Instant::now();
    for caller in 0..10_000 {
        schedule.answered(caller, false, now);
        now += SECOND;
    }
    assert!(schedule.callers.len() <= TUNING.many_callers, "{}", schedule.callers.len());
}

proptest! {
    #[test]
    fn the_rate_stays_within_its_bounds(events in prop::collection::vec((0..4_u64, 0..4_u8, 0..3000_u64), 0..300)) {
        let mut schedule = Schedule::default();
        let mut now = Instant::now();
        for (caller, event, after) in events {
            now += Duration::from_millis(after);
            let before = schedule.rate;
            match event {
                0 => {
                    schedule.limited(caller, now);
                    let raised = before.is_some_and(|before| schedule.rate.is_none_or(|after| after > before));
                    prop_assert!(!raised, "a 429 raised the rate");
                }
                1 => schedule.answered(caller, false, now),
                2 => schedule.answered(caller, true, now),
                _ => {
                    prop_assert!(schedule.send(now) >= now);
                }
            }
            prop_assert!(schedule.rate.is_none_or(|rate| (TUNING.lowest_rate..TUNING.unlimited_rate).contains(&rate)));
        }
    }
}
