//! Requests to logs and their hosts: number, size and frequency.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ctsim::fault::{Fault, Scope, Times};
use ctsim::{Endpoint, Limit, Sim};
use follow::position::{Position, State};
use follow::{
    CatchUp, Client, Fleet, FleetOptions, FollowOptions, Gap, Intervals, Log, Protocol, Start,
};
use record::GapReason;
use tokio::sync::mpsc;

use crate::harness::{Followed, PATIENCE, catalogue, eventually, options, simulate, still, url_of};
use crate::site::{Answer, Site};

/// Logs that grow, as far as the machine keeps up, by `rate` entries a second.
fn growing(rfc6962: usize, static_ct: usize, rate: f64) -> ctsim::Config {
    let publish_interval = Duration::from_millis(200);
    ctsim::Config { rfc6962, static_ct, rate, publish_interval, ..still(300) }
}

fn from_head() -> FollowOptions {
    FollowOptions { start: Start::Head, ..options() }
}

/// Reads until each log has brought `count` entries more.
async fn read_more(followed: &mut Followed, sim: &Sim, count: usize) {
    let have = |followed: &Followed, url: &String| followed.entries.get(url).map_or(0, Vec::len);
    let urls = sim.logs().iter().map(url_of);
    let wanted: Vec<(String, usize)> = urls
        .map(|url| {
            let wanted = have(followed, &url) + count;
            (url, wanted)
        })
        .collect();
    followed.read_until(|this| wanted.iter().all(|(url, wanted)| have(this, url) >= *wanted)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_answers_429_does_not_slow_down_its_neighbour() {
    let sim = simulate(growing(2, 0, 100.0)).await;
    let [well, refusing] = sim.logs() else { panic!("two logs") };
    let mut followed = Followed::start(&sim, from_head(), State::default());
    read_more(&mut followed, &sim, 100).await;
    let too_many = Fault::Status { code: 429, retry_after: None };
    refusing.faults().inject(Scope::Every, too_many, Times::UntilCleared);
    let url = url_of(well);
    while followed.fleet.hosts()[0].limited < 8 {
        let have = followed.entries[&url].len();
        followed.read_until(|this| this.entries[&url].len() > have).await;
    }
    // The host has been slowed down; its other log is where it would be anyway.
    assert!(followed.fleet.hosts()[0].rate.is_some());
    let status = followed.status(&url);
    let lag = || status.snapshot().lag_entries();
    let have = followed.entries[&url].len();
    followed.read_until(|this| this.entries[&url].len() > have + 200).await;
    eventually("it is at its head", || lag() < 100).await;
    assert_eq!(status.counters.limited.load(Ordering::Relaxed), 0);
    assert_eq!(status.counters.errors.load(Ordering::Relaxed), 0);
    assert!(followed.status(&url_of(refusing)).counters.limited.load(Ordering::Relaxed) > 0);
    refusing.faults().clear();
    read_more(&mut followed, &sim, 100).await;
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_rate_limit_is_never_met_at_the_tail() {
    let sim = simulate(growing(2, 2, 50.0)).await;
    sim.hosts()[0].limiter().set(Some(Limit { rate: 25.0, burst: 25, retry_after: false }));
    let follow = FollowOptions { start_overlap: 0, ..FollowOptions::default() };
    let mut followed = Followed::start(&sim, follow, State::default());
    read_more(&mut followed, &sim, 400).await;
    assert_eq!(sim.hosts()[0].limiter().violations(), 0);
    assert_eq!(followed.fleet.hosts()[0].rate, None, "there was no reason to slow down");
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_met_while_catching_up_is_learned() {
    let sim = simulate(ctsim::Config { page_limit: 32, page_aligned: true, ..still(6_000) }).await;
    let limiter = sim.hosts()[0].limiter();
    limiter.set(Some(Limit { rate: 60.0, burst: 10, retry_after: false }));
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 6_000).await;
    let host = &followed.fleet.hosts()[0];
    assert!(host.rate.is_some_and(|rate| rate < 120.0), "{host:?}");
    let (violations, requests) = (limiter.violations(), host.requests);
    assert!(violations > 0 && violations * 4 < requests, "{violations} of {requests} refused");
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_learned_wherever_reading_begins() {
    // (entries the log gives, whether it aligns them, entries asked for, pages expected)
    for (page_limit, page_aligned, batch_size, page) in
        [(32, true, 256, 32), (256, true, 1000, 256), (256, true, 256, 256), (100, false, 256, 100)]
    {
        let size = 40 * page + 77;
        let config = ctsim::Config { page_limit, page_aligned, static_ct: 0, ..still(size) };
        let sim = simulate(config).await;
        let start = Start::Index(77);
        let follow = FollowOptions { batch_size, fetch_concurrency: 2, start, ..options() };
        let mut followed = Followed::start(&sim, follow, State::default());
        followed.read_to(1, size).await;
        let requests = sim.logs()[0].stats().requests(Endpoint::GetEntries);
        assert!((40..=60).contains(&requests), "{requests} requests for 40 pages of {page}");
        followed.fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_log_is_asked_for_its_head_once_a_second_at_most() {
    let sim = simulate(still(300)).await;
    let mut followed = Followed::start(&sim, options(), State::default());
    followed.read_to(2, 300).await;
    let started = std::time::Instant::now();
    let heads = |log: &ctsim::LogHandle| {
        log.stats().requests(Endpoint::GetSth) + log.stats().requests(Endpoint::Checkpoint)
    };
    let before: Vec<u64> = sim.logs().iter().map(heads).collect();
    tokio::time::sleep(Duration::from_secs(4)).await;
    for (log, before) in sim.logs().iter().zip(before) {
        let asked = heads(log) - before;
        // A few may be saved up; without the bound there would be four hundred.
        let most = started.elapsed().as_secs() + 5;
        assert!((1..=most).contains(&asked), "{} was asked {asked} times", log.name());
    }
    followed.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_has_not_changed_is_not_sent_again() {
    let sim = simulate(ctsim::Config { rfc6962: 0, ..still(256) }).await;
    let log = sim.logs()[0].clone();
    let url = format!("{}checkpoint", log.url());
    let checkpoint = reqwest::get(url).await.expect("a checkpoint").bytes().await.expect("bytes");
    let tile = format!("{}tile/data/000", log.url());
    let tile = reqwest::get(tile).await.expect("a tile").bytes().await.expect("bytes");
    let site = Site::serve(move |asked| match asked.path.as_str() {
        "/checkpoint" if asked.head.contains("if-none-match: \"one\"") => Answer::status(304),
        "/checkpoint" => {
            let fields = vec!["etag: \"one\"".to_owned()];
            Answer { fields, ..Answer::ok(checkpoint.to_vec()) }
        }
        "/tile/data/000" => Answer::ok(tile.to_vec()),
        _ => Answer::status(404),
    })
    .await;
    let key = base64_simd::STANDARD.encode_to_string(log.key());
    let configured = Log::configured(Protocol::StaticCt, "log", &site.base, Some(&key), None);
    let configured = vec![configured.expect("usable")];
    let saved = State::default();
    let options = FleetOptions { follow: options(), configured, catalogue: None, saved };
    let mut followed = Followed::with(options);
    followed.read_to(1, 256).await;
    let checkpoints = || {
        let asked = site.asked().into_iter().filter(|asked| asked.path == "/checkpoint");
        asked.map(|asked| asked.head.contains("if-none-match")).collect::<Vec<_>>()
    };
    eventually("it is asked for again", || checkpoints().len() >= 3).await;
    assert!(!checkpoints()[0] && checkpoints()[1..].iter().all(|conditional| *conditional));
    let status = followed.status(&site.base);
    assert_eq!(status.snapshot().last_error, None);
    assert_eq!(status.counters.errors.load(Ordering::Relaxed), 0);
    followed.fleet.stop().await;
}

/// A site that is an RFC 6962 log as `log` is now, and takes `delay` for all but the first pages.
async fn slow_copy(log: &ctsim::LogHandle, delay: Duration) -> Site {
    let mut answers = HashMap::new();
    let entries = (0..log.size()).step_by(256).map(|start| {
        let delay = if start < 3 * 256 { Duration::ZERO } else { delay };
        (format!("/ct/v1/get-entries?start={start}&end={}", start + 255), delay)
    });
    for (path, delay) in entries.chain([("/ct/v1/get-sth".to_owned(), Duration::ZERO)]) {
        let url = format!("{}{path}", url_of(log));
        let body = reqwest::get(url).await.expect("an answer").bytes().await.expect("bytes");
        answers.insert(path, Answer { delay, ..Answer::ok(body.to_vec()) });
    }
    Site::serve(move |asked| {
        answers.get(&asked.path).cloned().unwrap_or_else(|| Answer::status(404))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_do_not_time_out_while_the_publisher_is_behind() {
    let sim = simulate(ctsim::Config { static_ct: 0, ..still(4_096) }).await;
    let site = slow_copy(&sim.logs()[0], Duration::from_millis(300)).await;
    let key = base64_simd::STANDARD.encode_to_string(sim.logs()[0].key());
    let log = Log::configured(Protocol::Rfc6962, "log", &site.base, Some(&key), None);
    let timeout = Duration::from_millis(1_000);
    let client = Arc::new(Client::new("follow-tests/1", timeout).expect("a client"));
    let (sender, mut pages) = mpsc::channel(1);
    let follow = FollowOptions { fetch_concurrency: 8, ..options() };
    let configured = vec![log.expect("usable")];
    let options = FleetOptions { follow, configured, catalogue: None, saved: State::default() };
    let fleet = Fleet::start(client, options, sender);
    let first = tokio::time::timeout(PATIENCE, pages.recv()).await.expect("in time");
    let first = first.expect("a page");
    // The publisher does nothing for longer than any request may take: the third page waits to be
    // taken, the others are being downloaded.
    tokio::time::sleep(3 * timeout).await;
    let mut next = first.entries.len() as u64;
    while next < 4_096 {
        let page = tokio::time::timeout(PATIENCE, pages.recv()).await.expect("in time");
        let page = page.expect("a page");
        assert_eq!(page.entries[0].index, next);
        next += page.entries.len() as u64;
    }
    assert_eq!(first.log.counters.errors.load(Ordering::Relaxed), 0);
    drop(first);
    eventually("nothing waits any more", || fleet.held_bytes() == (0, 0)).await;
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_wait_for_room_in_bytes() {
    let sim = simulate(ctsim::Config { static_ct: 0, ..still(4_000) }).await;
    let client = Client::new("follow-tests/1", Duration::from_secs(10)).expect("a client");
    // Less than two pages.
    let client = Arc::new(client.with_body_bytes(2_000_000));
    let (sender, mut pages) = mpsc::channel(64);
    let saved = State::default();
    let catalogue = Some(catalogue(&sim));
    let options = FleetOptions { follow: options(), configured: Vec::new(), catalogue, saved };
    let fleet = Fleet::start(client, options, sender);
    eventually("a page waits", || fleet.held_bytes().1 > 0).await;
    let mut next = 0;
    while next < 4_000 {
        let page = tokio::time::timeout(PATIENCE, pages.recv()).await.expect("in time");
        let page = page.expect("a page");
        let (bodies, waiting) = fleet.held_bytes();
        // Small answers, such as heads, are counted by themselves.
        assert!(bodies <= 2_200_000 && waiting <= 2_000_000, "{bodies} {waiting}");
        assert_eq!(page.entries[0].index, next);
        next += page.entries.len() as u64;
    }
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_interval_is_kept_between_requests_to_a_host() {
    let sim = simulate(still(600)).await;
    let interval = Duration::from_millis(50);
    let client = Client::new("follow-tests/1", Duration::from_secs(10)).expect("a client");
    let operator = sim.logs()[0].operator().to_uppercase();
    let by_operator = vec![(operator, interval)];
    let client = client.with_intervals(Intervals { default: Duration::ZERO, by_operator });
    let (sender, mut pages) = mpsc::channel(64);
    let saved = State::default();
    let catalogue = Some(catalogue(&sim));
    let options = FleetOptions { follow: options(), configured: Vec::new(), catalogue, saved };
    let fleet = Fleet::start(Arc::new(client), options, sender);
    let mut entries = 0;
    while entries < 1_200 {
        let page = tokio::time::timeout(PATIENCE, pages.recv()).await.expect("in time");
        entries += page.expect("a page").entries.len();
    }
    let host = &fleet.hosts()[0];
    assert_eq!((host.interval, host.rate), (interval, None));
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_too_far_behind_skips_to_its_head_and_reports_a_gap() {
    let sim = simulate(still(30_000)).await;
    let mut saved = State::default();
    for log in sim.logs() {
        let position = Position { current_index: 11, ..Position::default() };
        saved.logs.insert(url_of(log), position);
    }
    let catch_up = CatchUp { max_entries: Some(10_000), max_lag: None };
    let follow = FollowOptions { catch_up, start_overlap: 256, ..options() };
    let mut followed = Followed::start(&sim, follow, saved);
    let skipped = |followed: &Followed| {
        let count = |status: &Arc<follow::LogStatus>| {
            status.counters.skipped_entries.load(Ordering::Relaxed)
        };
        followed.fleet.logs().iter().map(count).filter(|count| *count > 0).count()
    };
    eventually("both have skipped", || skipped(&followed) == 2).await;
    for log in sim.logs() {
        log.grow(300).expect("grows");
    }
    followed.read_to(2, 30_300).await;
    for (log, first) in sim.logs().iter().zip([30_000, 30_000 - 256]) {
        let url = url_of(log);
        let status = followed.status(&url);
        assert_eq!(followed.entries[&url][0].index, first);
        let gap = Gap { range: 11..first, reason: GapReason::Skipped };
        assert_eq!(followed.gaps[&url], [gap], "skipped entries are accounted for");
        assert_eq!(status.counters.gaps.load(Ordering::Relaxed), 1);
        assert_eq!(status.counters.skipped_entries.load(Ordering::Relaxed), first - 11);
        // Proving begins anew behind the gap.
        let proved = || status.snapshot().proved.is_some_and(|proved| proved.end == 30_300);
        eventually("what follows is proved", proved).await;
    }
    followed.fleet.stop().await;
}
