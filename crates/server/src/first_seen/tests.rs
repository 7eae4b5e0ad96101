//! Decisions for a journal: at a start, while records are staged, and after damage.

use bytes::Bytes;
use ct::leaf::EntryType;
use ingest::FirstSeen as _;
use record::{Batch, LogIdentity, Record};
use tempfile::TempDir;

use super::*;
use crate::history::sample::{Entry, SETTINGS, Sample, certificate, log};

/// A journal, the folder of its set, and what decides.
struct Site {
    sample: Sample,
    folder: TempDir,
    log: LogIdentity,
    open: Option<(Arc<FirstSeen>, Decider)>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = log("Log", "https://log.example", Some(1));
        Self { sample: Sample::new(SETTINGS), folder, log, open: None }
    }

    /// Starts to decide; what decided before ends.
    fn start(&mut self) {
        self.open = None;
        let journal = self.sample.journal();
        let opened = FirstSeen::open(&Config::default(), self.folder.path(), journal);
        let shared = opened.expect("a folder");
        let decider = Decider::start(Arc::clone(&shared), Some(PATIENCE)).expect("a thread");
        self.open = Some((shared, decider));
    }

    fn shared(&self) -> &FirstSeen {
        &self.open.as_ref().expect("it decides").0
    }

    fn decider(&mut self) -> &mut Decider {
        &mut self.open.as_mut().expect("it decides").1
    }

    /// Decides on a certificate after so many that are staged.
    fn decide(&mut self, der: &Bytes, staged: u64) -> bool {
        let offset = self.sample.state.next_offset() + staged;
        let record = Record::as_read(0, 0, EntryType::X509, der.clone(), Vec::new());
        self.decider().is_new(&record, offset)
    }

    fn append(&mut self, ders: &[&Bytes]) -> Batch {
        let entries: Vec<Entry> =
            ders.iter().map(|der| Entry::Record((*der).clone(), Vec::new())).collect();
        self.sample.append(&self.log, &entries)
    }

    /// Decides on certificates, and commits them in one batch.
    fn publish(&mut self, ders: &[&Bytes]) -> Vec<bool> {
        let decide = |(staged, der): (u64, &&Bytes)| self.decide(der, staged);
        let decisions = (0..).zip(ders).map(decide).collect();
        let batch = self.append(ders);
        self.decider().committed(&batch);
        decisions
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&FirstSeen) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so(self.shared()) {
            assert!(Instant::now() < deadline, "never happened: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_until_complete(&self) {
        self.wait_until("the set is complete", FirstSeen::is_complete);
    }

    /// Returns the files of the set.
    fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.path().join(FOLDER)).expect("a folder");
        files.map(|file| file.expect("readable").path()).collect()
    }

    /// Returns the offset of the first certificate for a domain, after the first offset of the journal.
    fn first(&self, domain: &str) -> Option<u64> {
        let oldest = self.sample.journal().oldest().expect("an entry");
        match self.shared().find(domain).expect("readable") {
            Answer::Seen(first) => Some(first.offset - oldest),
            Answer::NotSeen(since) => {
                assert_eq!(since, Some(1_700_000_005), "the time of the first certificate");
                None
            }
            Answer::Building => panic!("the set is not complete"),
        }
    }
}

fn der(name: &str) -> Bytes {
    certificate(&[name], "CA")
}

#[test]
fn what_a_journal_has_is_known_and_what_is_staged_counts_until_it_is_discarded() {
    let mut site = Site::new();
    let [a, b, c] = ["www.a.example", "b.example", "c.example"].map(der);
    site.append(&[&a, &b]);
    site.start();
    assert_eq!(site.publish(&[&a, &der("other.b.example")]), [false, false]);
    assert!(site.decide(&c, 0) && !site.decide(&der("x.c.example"), 1));
    site.decider().discard();
    assert_eq!(site.publish(&[&c, &c]), [true, false]);
    assert_eq!(site.publish(&[&c, &certificate(&["c.example", "d.example"], "CA")]), [false, true]);
    for _ in 0..2 {
        let domains = ["a.example", "b.example", "c.example", "d.example", "e.example"];
        let first = domains.map(|domain| site.first(domain));
        assert_eq!(first, [Some(0), Some(1), Some(4), Some(7), None]);
        // Once more, from the files.
        site.start();
    }
    assert_eq!(site.publish(&[&c, &der("e.example")]), [false, true]);
}

#[test]
fn a_set_that_is_damaged_while_it_is_used_is_made_again() {
    let mut site = Site::new();
    let ders: Vec<Bytes> = (0..40).map(|number| der(&format!("d{number}.example"))).collect();
    site.append(&ders.iter().collect::<Vec<_>>());
    site.start();
    site.start();
    let set = site.folder.path().join(FOLDER);
    for run in std::fs::read_dir(set).expect("a folder").flatten() {
        let bytes = std::fs::read(run.path()).expect("readable");
        let damaged = bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
        std::fs::write(run.path(), damaged).expect("writable");
    }
    let new = der("new.example");
    // Nothing is marked, and nothing is lost, until it is there again.
    assert_eq!(site.publish(&[&ders[3], &new]), [false, false]);
    site.wait_until_complete();
    // Once it is complete, it decides at once.
    assert_eq!(site.publish(&[&ders[5], &new, &der("newer.example")]), [false, false, true]);
    assert_eq!((site.first("d7.example"), site.first("new.example")), (Some(7), Some(41)));
    assert!(site.shared().failures() > 0);
    let aside =
        site.files().into_iter().filter(|path| path.extension() == Some("damaged".as_ref()));
    assert_eq!(aside.count(), 1, "the damaged file is kept: {:?}", site.files());
}

#[test]
fn a_set_of_a_newer_version_is_an_error_and_stays() {
    let mut site = Site::new();
    site.append(&[&der("a.example")]);
    site.start();
    site.open = None;
    let [run] = &*site.files() else { panic!("one file") };
    let mut bytes = std::fs::read(run).expect("readable");
    // The version is beside the magic number.
    bytes[8] = 2;
    std::fs::write(run, &bytes).expect("writable");
    let journal = site.sample.journal();
    let opened = FirstSeen::open(&Config::default(), site.folder.path(), journal);
    let error = format!("{:#}", opened.expect_err("a newer program wrote it"));
    assert!(error.contains("version 2") && error.contains("move the folder away"), "{error}");
    assert_eq!(std::fs::read(run).expect("it is there"), bytes);
}

#[test]
fn a_set_that_cannot_be_written_is_written_later_and_failures_are_counted() {
    let mut site = Site::new();
    site.start();
    let set = site.folder.path().join(FOLDER);
    std::fs::remove_dir(&set).expect("it is empty");
    assert_eq!(site.publish(&[&der("a.example")]), [true]);
    let write = |shared: &FirstSeen| {
        shared.state.lock().is_full = true;
        shared.changed.notify_all();
    };
    write(site.shared());
    site.wait_until("a failure", |shared| shared.failures() > 0);
    assert_eq!(site.publish(&[&der("a.example"), &der("b.example")]), [false, true]);
    std::fs::create_dir(&set).expect("writable");
    site.wait_until("it is written", |shared| shared.stats().runs > 0);
    assert_eq!((site.first("a.example"), site.first("b.example")), (Some(0), Some(2)));
}

#[test]
fn a_set_that_reaches_further_than_its_journal_is_made_again() {
    // The state of a journal before, beside the set of later: a backup that was restored.
    let mut site = Site::new();
    site.append(&[&der("a.example")]);
    let mut later = Site::new();
    later.append(&[&der("b.example")]);
    later.start();
    later.open = None;
    let (from, to) = (later.folder.path().join(FOLDER), site.folder.path().join(FOLDER));
    std::fs::create_dir(&to).expect("writable");
    for run in std::fs::read_dir(from).expect("a folder").flatten() {
        std::fs::copy(run.path(), to.join(run.file_name())).expect("copied");
    }
    let copied = Set::open(Arc::new(Disk), &to, options::first_seen(&Config::default()));
    let end = copied.expect("readable").expect("a set").end();
    assert!(end > site.sample.journal().head().next_offset);
    site.start();
    assert_eq!(site.publish(&[&der("a.example"), &der("b.example")]), [false, true]);
}
