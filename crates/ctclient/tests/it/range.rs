//! Ranges of honest logs, and of logs that change, fork or leave out entries.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ctclient::{
    AlarmKind, AnySource, Backoff, Client, Evidence, IssuerStore, Log, Protocol, ProvedPage,
    RangeError, RangeOptions, ReadOptions, Retries, ServedHead, Source as _, VerifiedRange,
};
use ctsim::fault::{Fault, PageFault, Scope, Times};
use ctsim::{Endpoint, LogHandle, Sim};
use tokio::net::TcpListener;

/// One log of each protocol with `size` entries.
async fn simulate(size: u64) -> Sim {
    let config = ctsim::Config {
        rfc6962: 1,
        static_ct: 1,
        rate: 0.0,
        initial_size: size,
        ..ctsim::Config::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Sim::start(config, listener).await.expect("simulated logs")
}

fn options() -> RangeOptions {
    let wait = Duration::from_millis(10);
    let retries = Retries { attempts: 2, backoff: Backoff { initial: wait, max: wait } };
    RangeOptions { retries, ..RangeOptions::default() }
}

/// A simulated log as a reader sees it.
struct Reader {
    log: Arc<Log>,
    client: Arc<Client>,
    issuers: Arc<IssuerStore>,
}

impl Reader {
    fn of(handle: &LogHandle) -> Self {
        let protocol = match handle.protocol() {
            ctsim::Protocol::Rfc6962 => Protocol::Rfc6962,
            ctsim::Protocol::StaticCt => Protocol::StaticCt,
        };
        let key = base64_simd::STANDARD.encode_to_string(handle.key());
        let log = Log::configured(protocol, handle.name(), handle.url(), Some(&key), None);
        let log = Arc::new(log.expect("usable"));
        let client = Client::new("ctclient-tests/1", Duration::from_secs(10)).expect("a client");
        client.trust(&log.url);
        let client = client.for_log("", &log.url, options().retries.backoff, Arc::default());
        Self { log, client: Arc::new(client), issuers: Arc::default() }
    }

    fn source(&self) -> AnySource {
        AnySource::new(&self.log, &self.client, &self.issuers, ReadOptions::default())
    }

    async fn head(&self) -> ServedHead {
        self.source().head().await.expect("a head")
    }

    fn range(
        &self,
        range: Range<u64>,
        head: &ServedHead,
        options: RangeOptions,
    ) -> VerifiedRange<AnySource> {
        let range = VerifiedRange::new(self.source(), &self.log, range, head.clone(), options);
        range.expect("within the tree")
    }
}

/// Reads pages until the end or an error, and checks that indexes follow each other from `start`.
async fn read(
    range: &mut VerifiedRange<AnySource>,
    start: u64,
) -> (Vec<ProvedPage>, Option<RangeError>) {
    let mut pages: Vec<ProvedPage> = Vec::new();
    loop {
        match range.next().await {
            Ok(Some(page)) => pages.push(page),
            end => {
                let indexes = pages.iter().flat_map(|page| &page.entries).map(|e| e.index);
                let end_index = pages.last().map_or(start, |page| page.end);
                assert!(indexes.eq(start..end_index), "in order and without holes");
                return (pages, end.err());
            }
        }
    }
}

fn contradiction(error: Option<RangeError>) -> Box<Evidence> {
    match error {
        Some(RangeError::Contradiction(evidence)) => evidence,
        other => panic!("no contradiction: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_range_of_an_honest_log_is_read_and_proved() {
    let sim = simulate(3_000).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await;
        for range in [0..3_000, 0..1, 700..1_900, 256..512, 2_999..3_000, 5..5, 0..2_560] {
            for waiting_bytes in [0, 4 << 20] {
                let options = RangeOptions { waiting_bytes, ..options() };
                let mut reading = reader.range(range.clone(), &head, options);
                let (pages, error) = read(&mut reading, range.start).await;
                assert!(error.is_none(), "{range:?}: {error:?}");
                assert_eq!(reading.position(), range.end);
                let Some(last) = pages.last() else {
                    assert!(range.is_empty(), "{range:?} has pages");
                    continue;
                };
                assert_eq!((last.end, last.tree.from), (range.end, range.start));
                assert!(pages.iter().all(|page| page.tree.proved.size == page.end));
                let expected = reader.source().frontier(range.end, &head.signed.head).await;
                assert_eq!(last.tree.read, expected.expect("a proof"), "the log's own tree");
            }
        }
        assert_eq!(reader.client.body_bytes(), 0, "dropped pages take no room");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_must_be_signed_and_cover_the_range() {
    let sim = simulate(300).await;
    let [first, second] = sim.logs() else { panic!("two logs") };
    let (reader, other) = (Reader::of(first), Reader::of(second));
    let head = reader.head().await;
    let beyond = VerifiedRange::new(reader.source(), &reader.log, 0..301, head, options());
    assert!(matches!(beyond, Err(RangeError::BeyondTree { end: 301, size: 300 })));
    let foreign = other.head().await;
    let foreign = VerifiedRange::new(reader.source(), &reader.log, 0..300, foreign, options());
    assert!(matches!(foreign, Err(RangeError::Head(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_entry_ends_the_range_with_evidence() {
    let sim = simulate(3_000).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await;
        let fault = Fault::Page(PageFault::FlipLeaf { index: Some(1_234) });
        handle.faults().inject(Scope::Entries, fault, Times::UntilCleared);
        for range in [0..3_000, 1_000..1_300, 1_234..1_235] {
            for waiting_bytes in [0, 4 << 20] {
                let options = RangeOptions { waiting_bytes, ..options() };
                let mut reading = reader.range(range.clone(), &head, options);
                let (pages, error) = read(&mut reading, range.start).await;
                let end = pages.last().map_or(range.start, |page| page.end);
                assert!(end <= 1_234, "{range:?}: read up to {end}");
                let evidence = contradiction(error);
                assert_eq!(evidence.kind, AlarmKind::Mismatch);
                assert!(
                    evidence.text.contains("entry 1234 differs from the one"),
                    "{}",
                    evidence.text
                );
                assert!(evidence.entries.contains(&1_234), "{:?}", evidence.entries);
                assert_eq!(evidence.heads[0].signed.head, head.signed.head);
                assert!(reading.next().await.is_ok_and(|page| page.is_none()), "it is over");
            }
        }
        // The rest of the log is honest.
        let (_, error) = read(&mut reader.range(1_280..3_000, &head, options()), 1_280).await;
        assert!(error.is_none(), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_in_another_order_end_the_range() {
    let sim = simulate(600).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await;
        handle.faults().inject(
            Scope::Entries,
            Fault::Page(PageFault::Swapped),
            Times::UntilCleared,
        );
        let (pages, error) = read(&mut reader.range(0..600, &head, options()), 0).await;
        assert!(pages.is_empty(), "{}", pages.len());
        assert_eq!(contradiction(error).kind, AlarmKind::Mismatch);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_ends_the_range() {
    let sim = simulate(2_000).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await;
        handle.faults().inject(Scope::Every, Fault::Fork { shared: 500 }, Times::UntilCleared);
        for range in [0..2_000, 0..1_000, 700..1_400] {
            let mut reading = reader.range(range.clone(), &head, options());
            let (pages, error) = read(&mut reading, range.start).await;
            let end = pages.last().map_or(range.start, |page| page.end);
            assert!(range.start >= 500 || end <= 500, "{range:?}: read up to {end}");
            let evidence = contradiction(error);
            let is_fork = evidence.kind == AlarmKind::Fork;
            assert!(is_fork || evidence.kind == AlarmKind::Mismatch, "{}", evidence.text);
            assert!(is_fork || range.start < 500, "the log cannot prove its beginning");
            assert_eq!(evidence.heads[0].signed.head, head.signed.head);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_left_out_for_a_moment_are_requested_again() {
    let sim = simulate(2_000).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await;
        for fault in [PageFault::Short { most: 100 }, PageFault::Empty] {
            handle.faults().inject(Scope::Entries, Fault::Page(fault), Times::Next(1));
            let (pages, error) = read(&mut reader.range(0..2_000, &head, options()), 0).await;
            assert!(error.is_none(), "{fault:?}: {error:?}");
            assert_eq!(pages.last().map(|page| page.end), Some(2_000));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_left_out_for_long_are_an_error_after_which_reading_continues() {
    let sim = simulate(2_000).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await;
        let empty = Fault::Page(PageFault::Empty);
        handle.faults().inject(Scope::Entries, empty, Times::UntilCleared);
        let mut reading = reader.range(300..2_000, &head, options());
        for _ in 0..2 {
            let (pages, error) = read(&mut reading, 300).await;
            assert!(pages.is_empty());
            assert!(matches!(error, Some(RangeError::Source(_))), "{error:?}");
        }
        assert!(reading.take_failures().retried > 0, "requests are repeated");
        handle.faults().clear();
        let (pages, error) = read(&mut reading, 300).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(pages.last().map(|page| page.end), Some(2_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_page_costs_no_request_for_another_one() {
    let sim = simulate(2_560).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await;
        let refused = Fault::Status { code: 503, retry_after: Some("0".to_owned()) };
        handle.faults().inject(Scope::Entries, refused, Times::Next(1));
        let mut reading = reader.range(0..2_560, &head, options());
        let (pages, error) = read(&mut reading, 0).await;
        assert!(matches!(error, Some(RangeError::Source(_))), "{error:?}");
        let next = reading.position();
        let (rest, error) = read(&mut reading, next).await;
        assert!(error.is_none(), "{error:?}");
        let entries = pages.iter().chain(&rest).map(|page| page.entries.len()).sum::<usize>();
        assert_eq!((entries, reading.position()), (2_560, 2_560));
        let endpoint = match handle.protocol() {
            ctsim::Protocol::Rfc6962 => Endpoint::GetEntries,
            ctsim::Protocol::StaticCt => Endpoint::DataTile,
        };
        assert_eq!(handle.stats().requests(endpoint), 11, "ten pages, and one of them twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_is_unavailable_delays_the_pages_and_loses_none() {
    let sim = simulate(2_000).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await;
        let mut reading = reader.range(0..1_500, &head, options());
        let broken = Fault::Status { code: 500, retry_after: None };
        handle.faults().inject(Scope::Proofs, broken, Times::UntilCleared);
        let (pages, error) = read(&mut reading, 0).await;
        assert!(pages.is_empty(), "nothing is returned without a proof");
        assert!(matches!(error, Some(RangeError::Source(_))), "{error:?}");
        handle.faults().clear();
        let (pages, error) = read(&mut reading, 0).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(pages.last().map(|page| page.end), Some(1_500));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_continues_behind_skipped_entries() {
    let sim = simulate(2_000).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await;
        let mut reading = reader.range(0..2_000, &head, options());
        reading.skip_to(700);
        let (pages, error) = read(&mut reading, 700).await;
        assert!(error.is_none(), "{error:?}");
        let last = pages.last().expect("pages");
        assert_eq!((last.end, last.tree.from), (2_000, 700));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_a_tree_is_proved_by_a_path_that_anyone_can_verify() {
    let sim = simulate(3_000).await;
    for handle in sim.logs() {
        let reader = Reader::of(handle);
        let head = reader.head().await.signed.head;
        for size in [0, 1, 255, 256, 1_000, 2_048, 2_999, 3_000] {
            let source = reader.source();
            let tree = source.frontier(size, &head).await.expect("a proof");
            let path = source.consistency(&tree, &head).await.expect("a proof");
            if size == 0 {
                assert!(path.is_empty());
                continue;
            }
            let verified =
                ct::merkle::verify_consistency(size, &tree.root(), head.size, &head.root, &path);
            assert_eq!(verified, Ok(()), "{size}");
        }
        // A log that refuses sizes without a head proves it by an entry.
        let refused = Fault::Status { code: 400, retry_after: None };
        handle.faults().inject(Scope::Only(Endpoint::GetSthConsistency), refused, Times::Next(1));
        let tree = reader.source().frontier(700, &head).await.expect("a proof");
        let path = reader.source().consistency(&tree, &head).await.expect("a proof");
        assert!(!path.is_empty());
        // Another tree has no proof.
        let mut other = tree.clone();
        other.push([7; 32]);
        assert!(reader.source().consistency(&other, &head).await.is_err());
        handle.faults().clear();
    }
}
