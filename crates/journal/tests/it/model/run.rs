//! One sequence: what happens, and in which order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use journal::storage::simulated::{Lie, Random, Simulated, SimulatedHost};
use journal::{Journal, Opened, Settings, Start, WriteError, Writer};
use record::{Batch, State, SyncMode};

use super::checks::Observer;
use crate::stream::{self, SMALL};

/// Accidents of a sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accidents {
    pub(super) sync: SyncMode,
    /// Bytes flip after a crash.
    pub(super) flips: bool,
    /// Calls fail, and the disk fills up.
    pub(super) failures: bool,
    /// The clock steps.
    pub(super) steps: bool,
    /// Certificates contain frames of the journal.
    pub(super) embeds: bool,
    pub(super) retention: bool,
    pub(super) lie: Option<Lie>,
    /// The boot keeps its name over a loss of power.
    pub(super) reboots_unnoticed: bool,
}

impl Accidents {
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(!seed);
        Self {
            sync: if random.one_of(3) { SyncMode::Batch } else { SyncMode::Interval },
            flips: random.one_of(4),
            failures: random.one_of(2),
            steps: random.one_of(3),
            embeds: random.one_of(4),
            retention: random.one_of(3),
            lie: None,
            reboots_unnoticed: false,
        }
    }
}

/// A running journal.
#[derive(Debug)]
struct Running {
    journal: Journal,
    writer: Writer,
    /// The fold of what was appended.
    state: State,
}

/// A sequence.
#[derive(Debug)]
pub(super) struct Run {
    accidents: Accidents,
    random: Random,
    storage: Simulated,
    host: Arc<SimulatedHost>,
    observer: Observer,
    running: Option<Running>,
}

/// An end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Clean,
    Kill,
    PowerLoss,
}

const DATA: &str = "/data";
const START: Duration = Duration::from_secs(1_700_000_000);

impl Run {
    pub(super) fn new(seed: u64, accidents: Accidents) -> Self {
        let storage = Simulated::new(seed);
        if let Some(lie) = accidents.lie {
            storage.lie(lie);
        }
        Self {
            accidents,
            random: Random::new(seed),
            storage,
            host: Arc::new(SimulatedHost::new(seed, START)),
            observer: Observer::new(accidents.flips),
            running: None,
        }
    }

    /// Runs the sequence to its end.
    pub(super) fn all(mut self) -> Result<(), String> {
        for _ in 0..2 + self.random.below(4) {
            self.open()?;
            for _ in 0..self.random.below(25) {
                if self.running.is_none() {
                    break;
                }
                self.act()?;
            }
            self.end()?;
        }
        self.open()?;
        Ok(())
    }

    fn settings(&self) -> Settings {
        Settings {
            sync: self.accidents.sync,
            sync_interval: Duration::from_secs(1),
            max_bytes: if self.accidents.retention { 8_000 } else { 1 << 30 },
            max_age: None,
            segment_bytes: 2_000,
            block_bytes: 700,
        }
    }

    /// Opens the journal; while that fails by accident, again.
    fn open(&mut self) -> Result<(), String> {
        if self.running.is_some() {
            return Ok(());
        }
        for _ in 0..50 {
            if self.accidents.failures && self.random.one_of(4) {
                self.storage.fail_one_of(3);
            }
            if self.random.one_of(6) {
                self.storage.die_after(self.random.below(12));
            }
            match self.try_open() {
                Ok(running) => {
                    self.running = Some(running);
                    return self.look();
                }
                Err(Some(broken)) => return Err(broken),
                Err(None) => {
                    self.storage.fail_one_of(0);
                    self.storage.set_capacity(None);
                    let end = if self.random.one_of(2) { End::Kill } else { End::PowerLoss };
                    self.crash(end);
                }
            }
        }
        Err("the journal cannot be opened".to_owned())
    }

    /// Opens the journal. An accident is no error of the model.
    fn try_open(&mut self) -> Result<Running, Option<String>> {
        let storage = Arc::new(self.storage.clone());
        let host = Arc::<SimulatedHost>::clone(&self.host);
        let opened = Journal::open(storage, host, Path::new(DATA), self.settings());
        let Ok(Opened { journal, mut writer, state, is_lossless, damage, .. }) = opened else {
            return Err(None);
        };
        self.observer.recovered(&state, is_lossless, &damage).map_err(Some)?;
        let begun = loop {
            match writer.begin(&Start::default()) {
                Ok(begun) => break begun,
                Err(error) if error.is_retriable() && !self.storage.is_dead() => {
                    self.storage.fail_one_of(0);
                    self.storage.set_capacity(None);
                }
                Err(_) => return Err(None),
            }
        };
        self.observer.begun(&begun).map_err(Some)?;
        Ok(Running { journal, writer, state: begun })
    }

    /// Does something.
    fn act(&mut self) -> Result<(), String> {
        self.host.pass(Duration::from_millis(self.random.below(3_000)));
        match self.random.below(20) {
            0..=10 => self.append()?,
            11..=13 => self.sync()?,
            14..=15 => self.read()?,
            16 if self.accidents.failures => {
                self.storage.fail_one_of(self.random.below(12));
            }
            17 if self.accidents.failures => {
                let room = self.random.one_of(2).then(|| 3_000 + self.random.below(6_000));
                self.storage.set_capacity(room);
            }
            18 if self.accidents.steps => {
                let far = Duration::from_secs(self.random.below(2 * START.as_secs()));
                self.host.set_clock(far);
            }
            19 if self.random.one_of(3) => self.storage.die_after(self.random.below(15)),
            _ => self.append()?,
        }
        if self.storage.is_dead() {
            self.running = None;
        }
        Ok(())
    }

    /// Appends a batch, again and again as long as that may succeed.
    fn append(&mut self) -> Result<(), String> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let seen = 1_000 + START.as_millis() as u64 + self.random.below(100_000);
        let mut batch = stream::batch(&running.state, SMALL, seen, &mut self.random);
        if self.accidents.embeds {
            embed(&self.storage, &mut batch, &mut self.random);
        }
        loop {
            match running.writer.append(&batch) {
                Ok(hash) => {
                    running.state.apply(&batch, hash).map_err(|error| error.to_string())?;
                    self.observer.appended(&batch, hash, &running.state);
                    break;
                }
                Err(error) if error.is_retriable() && !self.storage.is_dead() => {
                    if self.random.one_of(3) {
                        self.storage.fail_one_of(0);
                        self.storage.set_capacity(None);
                    } else if self.random.one_of(4) {
                        self.observer.tried(&batch);
                        self.running = None;
                        self.storage.kill();
                        return Ok(());
                    }
                }
                Err(WriteError::Io(_) | WriteError::Full) => {
                    self.observer.tried(&batch);
                    self.running = None;
                    return Ok(());
                }
                Err(error) => return Err(format!("a batch is refused: {error}")),
            }
        }
        self.look()
    }

    fn sync(&mut self) -> Result<(), String> {
        let Some(running) = &self.running else { return Ok(()) };
        match running.journal.sync() {
            Ok(number) => self.observer.synced(number)?,
            Err(error) if error.is_retriable() => {}
            Err(error) => return Err(format!("a sync is refused: {error}")),
        }
        self.look()
    }

    /// Shows what is committed.
    fn look(&mut self) -> Result<(), String> {
        let Some(running) = &self.running else { return Ok(()) };
        let stats = running.journal.stats();
        self.observer.show(running.journal.head(), stats.synced, self.accidents.sync)
    }

    /// Reads a range, or everything.
    fn read(&mut self) -> Result<(), String> {
        let Some(running) = &self.running else { return Ok(()) };
        let head = running.journal.head();
        let (oldest, is_all) = (running.journal.oldest(), self.random.one_of(2));
        let from = match oldest {
            Some(oldest) if !is_all => oldest + self.random.below(head.next_offset - oldest + 1),
            _ => 0,
        };
        let (mut offset, bytes) = (from, 1 + self.random.place(2_000));
        let mut batches = Vec::new();
        loop {
            let Ok(read) = running.journal.read(offset, head.next_offset, bytes) else {
                return Ok(());
            };
            let Some(last) = read.last() else { break };
            offset = last.batch.next_offset();
            batches.extend(read);
        }
        let is_faulty = self.storage.is_dead();
        if is_faulty { Ok(()) } else { self.observer.read(from, oldest, head, &batches) }
    }

    /// Ends the process.
    fn end(&mut self) -> Result<(), String> {
        let end = match self.random.below(5) {
            0 => End::Clean,
            1 | 2 => End::Kill,
            _ => End::PowerLoss,
        };
        self.crash(end);
        let long = self.random.below(8);
        if long < 3 {
            self.host.pass(Duration::from_secs(1 << (long * 4)));
        }
        Ok(())
    }

    fn crash(&mut self, end: End) {
        self.storage.fail_one_of(0);
        self.storage.set_capacity(None);
        if let (End::Clean, Some(running)) = (end, self.running.take())
            && !self.storage.is_dead()
        {
            // It may die in there.
            drop(running.writer.close());
        }
        self.running = None;
        if end == End::PowerLoss {
            self.storage.lose_power();
            if !self.accidents.reboots_unnoticed {
                self.host.reboot();
            }
        } else {
            self.storage.kill();
        }
        if self.accidents.flips && self.random.one_of(3) {
            self.flip();
        }
    }

    /// Changes a byte of a segment.
    fn flip(&mut self) {
        let files = self.storage.files();
        let segments: Vec<_> = files
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|e| e == "segment"))
            .collect();
        if segments.is_empty() {
            return;
        }
        let (path, bytes) = segments[self.random.place(segments.len())];
        let mut bytes = bytes.clone();
        if !bytes.is_empty() {
            let at = self.random.place(bytes.len());
            bytes[at] ^= 1 << self.random.below(8);
            self.storage.put(path, &bytes);
            self.observer.flipped();
        }
    }
}

/// Replaces a certificate by bytes of a segment.
fn embed(storage: &Simulated, batch: &mut Batch, random: &mut Random) {
    let files = storage.files();
    let Some(record) = batch.records.first_mut() else { return };
    let (_, bytes) = &files[random.place(files.len())];
    if !bytes.is_empty() {
        let start = random.place(bytes.len());
        let end = bytes.len().min(start + 700);
        let certificate = bytes[start..end].to_vec().into();
        record.certificate = certificate;
        record.fingerprint = ct::sha256(&record.certificate);
    }
}
