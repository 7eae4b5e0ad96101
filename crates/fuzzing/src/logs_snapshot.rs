//! The status of all logs, which a node of a cluster reads from another one: compressed, and what it
//! is compressed from.

use std::time::Duration;

use follow::catalogue::ListStatus;
use follow::{
    HeldBytes, HostSnapshot, IssuersView, Log, LogStatus, LogView, LogsSnapshot, LogsView,
    Protocol, Reason,
};

/// The version of the form.
const VERSION: u8 = 1;

/// A status that is read can be written, and is the same when it is read again.
pub fn check(data: &[u8]) {
    status(data);
    if let Ok(content) = zstd::bulk::compress(data, 1) {
        status(&[&[VERSION], content.as_slice()].concat());
    }
}

fn status(bytes: &[u8]) {
    let Ok(snapshot) = LogsSnapshot::decode(bytes) else { return };
    let Ok(bytes) = snapshot.encode() else { panic!("it was read and cannot be written") };
    let Ok(again) = LogsSnapshot::decode(&bytes) else {
        panic!("it was written and cannot be read")
    };
    assert_eq!(again.count(), snapshot.count());
    assert_eq!(again.encode().ok(), Some(bytes));
}

/// Reports whether it is a status, compressed or not.
#[must_use]
pub fn is_accepted(data: &[u8]) -> bool {
    let compressed = zstd::bulk::compress(data, 1).unwrap_or_default();
    let whole = [&[VERSION], compressed.as_slice()].concat();
    [data, &whole].into_iter().any(|bytes| LogsSnapshot::decode(bytes).is_ok())
}

/// A status with so many logs.
#[derive(Debug)]
struct Sample(u8);

impl LogsView for Sample {
    fn logs(&self) -> Vec<LogView> {
        let log = |number: u8| {
            let url = format!("https://ct.example/{number}/");
            let protocol = [Protocol::Rfc6962, Protocol::StaticCt][usize::from(number % 2)];
            Log::configured(protocol, "a log", &url, None, None).ok()
        };
        let logs = (0..self.0).filter_map(log);
        logs.map(|log| LogView::of(&LogStatus::new(log, Duration::ZERO))).collect()
    }

    fn count(&self) -> usize {
        usize::from(self.0)
    }

    fn hosts(&self) -> Vec<HostSnapshot> {
        Vec::new()
    }

    fn lists(&self) -> Vec<ListStatus> {
        Vec::new()
    }

    fn reason(&self) -> Option<Reason> {
        (self.0 == 0).then(|| Reason("no log is configured".to_owned()))
    }

    fn held_bytes(&self) -> HeldBytes {
        HeldBytes { responses: 7, waiting: 5 }
    }

    fn issuers(&self) -> IssuersView {
        IssuersView::default()
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let samples = [0, 1, 2].map(|logs| LogsSnapshot::take(&Sample(logs)).encode());
    let mut seeds: Vec<Vec<u8>> = samples.into_iter().filter_map(Result::ok).collect();
    let plain = |seed: &Vec<u8>| {
        let (_, content) = seed.split_first()?;
        zstd::bulk::decompress(content, 1 << 20).ok()
    };
    let texts: Vec<_> = seeds.iter().filter_map(plain).collect();
    seeds.extend(texts);
    seeds
}
