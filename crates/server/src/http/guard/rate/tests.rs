//! Accounts, their bounded table, and the sliding window.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;

const ALLOWANCE: Allowance = Allowance {
    tier: Tier::Free,
    max_tokens: 5.0,
    refill_rate: 2.0,
    burst: 3.0,
    burst_window: Duration::from_secs(10),
    window: Duration::from_secs(60),
    window_max: 1000,
};

fn allowed(account: &mut Account, allowance: &Allowance, now: Instant) -> u32 {
    let asks = std::iter::repeat_with(|| account.ask(allowance, now));
    let allowed = asks.take_while(|verdict| matches!(verdict, Verdict::Allowed { .. })).count();
    u32::try_from(allowed).expect("few")
}

#[test]
fn requests_use_the_bucket_then_the_burst_and_refill_with_time() {
    let start = Instant::now();
    let after = |ms| start + Duration::from_millis(ms);
    let mut account = Account::new(&ALLOWANCE, start);
    assert_eq!(allowed(&mut account, &ALLOWANCE, start), 8, "bucket and burst");
    let refused = account.ask(&ALLOWANCE, start);
    let Verdict::Refused { standing, limit: Limit::Bucket, wait } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((standing.limit, standing.remaining), (8, 0));
    assert_eq!(standing.reset, Duration::from_millis(2500));
    assert_eq!(wait, Duration::from_millis(500));
    for (ms, expected) in [(499, 0), (500, 1), (1500, 2), (9999, 5), (10_000, 3), (60_000, 8)] {
        assert_eq!(allowed(&mut account, &ALLOWANCE, after(ms)), expected, "after {ms} ms");
    }
}

#[test]
fn a_full_window_refuses_although_the_bucket_has_tokens() {
    let start = Instant::now();
    let allowance = Allowance { window_max: 3, ..ALLOWANCE };
    let mut account = Account::new(&allowance, start);
    assert_eq!(allowed(&mut account, &allowance, start), 3);
    let later = start + Duration::from_secs(30);
    let refused = account.ask(&allowance, later);
    assert!(
        matches!(refused, Verdict::Refused { limit: Limit::Window, wait, .. }
            if wait == Duration::from_secs(35)),
        "{refused:?}"
    );
    assert_eq!(allowed(&mut account, &allowance, start + Duration::from_secs(65)), 3);
}

#[test]
fn changed_limits_apply_at_once_and_keep_the_history() {
    let start = Instant::now();
    let mut account = Account::new(&ALLOWANCE, start);
    assert_eq!(allowed(&mut account, &ALLOWANCE, start), 8);
    let larger = Allowance { max_tokens: 9.0, ..ALLOWANCE };
    assert_eq!(allowed(&mut account, &larger, start), 4, "four more than before");
    let smaller = Allowance { max_tokens: 1.0, burst: 0.0, ..ALLOWANCE };
    assert_eq!(allowed(&mut account, &smaller, start), 0);
    let refilled = start + Duration::from_millis(500);
    assert_eq!(allowed(&mut account, &smaller, refilled), 1, "no debt from before");
}

proptest! {
    /// Over any time at most bucket, refill and one burst for each burst window begun.
    #[test]
    fn an_account_never_exceeds_bucket_refill_and_bursts(pauses in prop::collection::vec(0_u64..3000, 1..300)) {
        let start = Instant::now();
        let mut now = start;
        let mut account = Account::new(&ALLOWANCE, start);
        let mut count = 0.0;
        for pause in pauses {
            now += Duration::from_millis(pause);
            let verdict = account.ask(&ALLOWANCE, now);
            let passed = (now - start).as_secs_f64();
            match verdict {
                Verdict::Allowed { standing, .. } => {
                    count += 1.0;
                    prop_assert!(standing.remaining < standing.limit);
                }
                Verdict::Refused { wait, .. } => {
                    let mut later = account.clone();
                    let at = now + wait + Duration::from_micros(1);
                    let then = later.ask(&ALLOWANCE, at);
                    let is_allowed = matches!(then, Verdict::Allowed { .. });
                    prop_assert!(is_allowed);
                }
            }
            let bursts = (passed / 10.0).floor() + 1.0;
            prop_assert!(count <= 5.0 + passed * 2.0 + bursts * 3.0 + EXACT);
        }
    }
}

const HORIZON: Duration = Duration::from_secs(100);
const SMALL: Allowance = Allowance {
    tier: Tier::Free,
    max_tokens: 1.0,
    refill_rate: 0.01,
    burst: 0.0,
    burst_window: Duration::from_secs(10),
    window: Duration::from_secs(10),
    window_max: 1000,
};

fn key(number: u32) -> Key {
    Key::Address(IpAddr::from(Ipv4Addr::from_bits(number)).into())
}

fn ask(accounts: &mut Accounts, number: u32, now: Instant) -> (bool, usize) {
    let (verdict, forgotten) = accounts.ask(key(number), &SMALL, 10, HORIZON, now);
    (matches!(verdict, Verdict::Allowed { .. }), forgotten)
}

#[test]
fn the_table_never_exceeds_its_bound_and_counts_evictions() {
    let now = Instant::now();
    let mut accounts = Accounts::new(now);
    let forgotten: usize = (0..1000).map(|number| ask(&mut accounts, number, now).1).sum();
    assert!(accounts.len() <= 10, "{}", accounts.len());
    assert_eq!(forgotten, 1000 - accounts.len(), "what is forgotten is counted");
}

#[test]
fn an_active_account_survives_new_generations() {
    let now = Instant::now();
    let mut accounts = Accounts::new(now);
    assert!(ask(&mut accounts, 0, now).0);
    for number in 1..100 {
        ask(&mut accounts, number, now);
        assert!(!ask(&mut accounts, 0, now).0, "after {number} others");
    }
}

#[test]
fn an_idle_account_is_dropped_once_it_is_as_new() {
    let now = Instant::now();
    let mut accounts = Accounts::new(now);
    assert!(ask(&mut accounts, 0, now).0);
    assert!(!ask(&mut accounts, 0, now + HORIZON / 2).0);
    assert_eq!(ask(&mut accounts, 1, now + HORIZON), (true, 0));
    assert_eq!(accounts.len(), 2, "not yet");
    assert_eq!(ask(&mut accounts, 1, now + HORIZON * 2), (true, 0));
    assert_eq!(accounts.len(), 1);
    assert!(ask(&mut accounts, 0, now + HORIZON * 2).0);
}

const LENGTH: Duration = Duration::from_secs(60);

#[test]
fn requests_count_until_they_leave_the_window() {
    let start = Instant::now();
    let mut window = Window::new(LENGTH, start);
    assert_eq!(window.total(LENGTH, start), 0);
    window.add();
    window.add();
    for (seconds, expected) in [(0, 2), (59, 2), (60, 2), (64, 2), (65, 0), (1000, 0)] {
        let then = start + Duration::from_secs(seconds);
        assert_eq!(window.clone().total(LENGTH, then), expected, "after {seconds} s");
    }
    assert_eq!(window.wait(2, start), Duration::from_secs(65));
    assert_eq!(window.wait(2, start + Duration::from_secs(60)), Duration::from_secs(5));
}

#[test]
fn changing_the_length_keeps_the_count() {
    let start = Instant::now();
    let mut window = Window::new(LENGTH, start);
    window.total(LENGTH, start);
    window.add();
    let later = start + Duration::from_secs(50);
    assert_eq!(window.total(Duration::from_secs(12), later), 1);
    assert_eq!(window.total(Duration::from_secs(12), later + Duration::from_secs(14)), 0);
}

proptest! {
    /// No interval of the window's length has more requests than allowed, and a client that waits as
    /// told is admitted.
    #[test]
    fn a_window_never_admits_more_than_allowed(max in 1_u32..20, pauses in prop::collection::vec(0_u64..9000, 1..200)) {
        let mut now = Instant::now();
        let mut window = Window::new(LENGTH, now);
        let mut admitted: Vec<Instant> = Vec::new();
        for pause in pauses {
            now += Duration::from_millis(pause);
            if window.total(LENGTH, now) < max {
                window.add();
                admitted.push(now);
                let inside = admitted.iter().filter(|at| now - **at < LENGTH).count();
                prop_assert!(inside <= max as usize);
            } else {
                let wait = window.wait(max, now);
                prop_assert!(wait <= LENGTH + LENGTH / SLOTS);
                prop_assert!(window.clone().total(LENGTH, now + wait) < max);
                if let Some(early) = wait.checked_sub(Duration::from_millis(1)) {
                    prop_assert!(window.clone().total(LENGTH, now + early) >= max);
                }
            }
        }
    }
}
