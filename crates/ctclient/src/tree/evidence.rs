//! Evidence of a contradiction: a folder for each incident, never overwritten, bounded in number and
//! bytes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::batch::Served;
use crate::log::Log;
use crate::tree::contradiction::{AlarmKind, Point, ServedHead};

/// The most folders in the evidence folder; later incidents raise alarms, but are not written.
const MOST_FOLDERS: usize = 256;
/// The most bytes of responses written of one incident.
pub(crate) const MOST_BYTES: usize = 16 * 1024 * 1024;
/// The most bytes of one response kept in memory as evidence.
pub(crate) const ANSWER_BYTES: usize = 2 << 20;

/// The record of an incident.
#[derive(Debug)]
pub struct Evidence {
    /// The log.
    pub log: Log,
    /// The kind of the contradiction.
    pub kind: AlarmKind,
    /// Time of the finding, Unix seconds.
    pub at: u64,
    /// The finding in words.
    pub text: String,
    /// The entries concerned.
    pub entries: Range<u64>,
    /// The heads concerned, unchanged.
    pub heads: Vec<ServedHead>,
    /// The tree that was expected, by what was read or signed before.
    pub expected: Option<Point>,
    /// The newest tree that a head proved.
    pub proved: Option<Point>,
    /// The compact range before the entries in question: its size and hashes.
    pub before: Option<(u64, Vec<ct::Hash>)>,
    /// The responses with these entries, unchanged.
    pub served: Vec<Served>,
}

impl Evidence {
    /// Makes evidence of an incident that is found now, without heads, trees and responses.
    #[must_use]
    pub fn new(log: &Log, kind: AlarmKind, text: String, entries: Range<u64>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            log: log.clone(),
            kind,
            at: since.map_or(0, |since| since.as_secs()),
            text,
            entries,
            heads: Vec::new(),
            expected: None,
            proved: None,
            before: None,
            served: Vec::new(),
        }
    }

    /// Writes everything into a new folder below `folder`, which is created if necessary. Blocks.
    ///
    /// # Errors
    /// If the folder cannot be written or is full.
    pub fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        if fs::read_dir(folder)?.take(MOST_FOLDERS).count() == MOST_FOLDERS {
            return Err(io::Error::other(format!(
                "there are already {MOST_FOLDERS} folders of evidence; move some away"
            )));
        }
        let own = self.new_folder(folder)?;
        let mut left = MOST_BYTES;
        let mut heads = Vec::new();
        for (number, head) in self.heads.iter().enumerate() {
            let file = format!("head-{}.txt", number + 1);
            let kept = put(&own, &file, &head.body, &mut left)?;
            heads.push(describe_head(head, &file, kept));
        }
        let mut served = Vec::new();
        for (number, Served { url, body }) in self.served.iter().enumerate() {
            let file = format!("answer-{}.bin", number + 1);
            let kept = put(&own, &file, body, &mut left)?;
            served.push(json!({ "url": url, "file": file, "bytes": body.len(), "kept": kept }));
        }
        let summary = serde_json::to_vec_pretty(&self.summary(&heads, &served))?;
        write(&own.join("incident.json"), &summary)?;
        Ok(own)
    }

    /// Creates a folder with a new name.
    fn new_folder(&self, folder: &Path) -> io::Result<PathBuf> {
        let name = format!("{}-{}-{}", self.at, self.kind, plain(&self.log.name));
        for number in 1..=MOST_FOLDERS {
            let own = folder.join(format!("{name}-{number}"));
            match fs::create_dir(&own) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| own),
            }
        }
        Err(io::Error::other("too many incidents in one second"))
    }

    fn summary(&self, heads: &[Value], served: &[Value]) -> Value {
        let key = self.log.key.as_ref().map(|key| base64(key.spki()));
        json!({
            "log": self.log.name,
            "url": self.log.url,
            "protocol": self.log.protocol.to_string(),
            "log_id": self.log.id.map(|id| id.to_string()),
            "key": key,
            "origin": self.log.origin,
            "kind": self.kind,
            "time": self.at,
            "text": self.text,
            "entries": { "first": self.entries.start, "end": self.entries.end },
            "expected": self.expected.map(describe),
            "proved": self.proved.map(describe),
            "range_before": self.before.as_ref().map(|(size, hashes)| json!({
                "size": size,
                "hashes": hashes.iter().map(|hash| base64(hash)).collect::<Vec<_>>(),
            })),
            "heads": heads,
            "answers": served,
        })
    }
}

fn describe(point: Point) -> Value {
    json!({ "tree_size": point.size, "root": base64(&point.root) })
}

fn describe_head(served: &ServedHead, file: &str, kept: usize) -> Value {
    let head = &served.signed.head;
    json!({
        "tree_size": head.size,
        "timestamp": head.timestamp,
        "root": base64(&head.root),
        "signature": base64(&served.signed.signature),
        "file": file,
        "kept": kept,
    })
}

/// Writes as much of `bytes` as there is room for; returns the number of bytes written.
fn put(folder: &Path, name: &str, bytes: &Bytes, left: &mut usize) -> io::Result<usize> {
    let kept = bytes.len().min(*left);
    *left -= kept;
    write(&folder.join(name), bytes.get(..kept).unwrap_or_default())?;
    Ok(kept)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Returns a name that is safe in a file system: lower-case letters, digits and single dashes.
fn plain(name: &str) -> String {
    const LONGEST: usize = 60;
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut plain = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    plain.truncate(LONGEST);
    if plain.is_empty() { "log".to_owned() } else { plain }
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

#[cfg(test)]
mod tests {
    use ct::head::{SignedHead, TreeHead};

    use super::*;
    use record::Protocol;

    fn evidence(name: &str, bytes: usize) -> Evidence {
        let log = Log::configured(Protocol::Rfc6962, name, "http://a.example", None, None);
        let head = TreeHead { size: 9, timestamp: 5, root: [1; 32] };
        let signed = SignedHead { head, signature: vec![7] };
        let body = Bytes::from(vec![b'x'; bytes]);
        Evidence {
            log: log.expect("usable"),
            kind: AlarmKind::Mismatch,
            at: 1_700_000_000,
            text: "what was found".to_owned(),
            entries: 4..9,
            heads: vec![ServedHead { signed, body: Bytes::from_static(b"as served") }],
            expected: Some(Point { size: 9, root: [2; 32] }),
            proved: Some(Point { size: 4, root: [3; 32] }),
            before: Some((4, vec![[4; 32]])),
            served: vec![Served { url: "http://a.example/x".to_owned(), body }],
        }
    }

    #[test]
    fn an_incident_is_written_to_its_own_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("evidence");
        let first = evidence("../Etc/Pässwd 2027", 10).write(&folder).expect("writes");
        let second = evidence("../Etc/Pässwd 2027", 10).write(&folder).expect("writes");
        assert_ne!(first, second);
        assert_eq!(first, folder.join("1700000000-mismatch-etc-p-sswd-2027-1"));
        assert_eq!(fs::read(first.join("head-1.txt")).expect("kept"), b"as served");
        assert_eq!(fs::read(first.join("answer-1.bin")).expect("kept"), [b'x'; 10]);
        let summary = fs::read(first.join("incident.json")).expect("kept");
        let summary: Value = serde_json::from_slice(&summary).expect("JSON");
        assert_eq!(summary["kind"], "mismatch");
        assert_eq!(summary["entries"], json!({ "first": 4, "end": 9 }));
        assert_eq!(summary["heads"][0]["root"], base64(&[1; 32]));
        assert_eq!(summary["expected"]["root"], base64(&[2; 32]));
        assert_eq!(summary["range_before"]["hashes"], json!([base64(&[4; 32])]));
        assert_eq!(summary["answers"][0]["url"], "http://a.example/x");
    }

    #[test]
    fn an_incident_is_bounded_in_bytes_and_a_folder_in_incidents() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = evidence("a", MOST_BYTES + 1000).write(folder.path()).expect("writes");
        let kept = fs::metadata(own.join("answer-1.bin")).expect("kept").len();
        assert_eq!(kept, (MOST_BYTES - b"as served".len()) as u64);
        for number in 1..MOST_FOLDERS {
            fs::create_dir(folder.path().join(number.to_string())).expect("a folder");
        }
        let refused = evidence("a", 1).write(folder.path()).expect_err("there are too many");
        assert!(refused.to_string().contains("move some away"), "{refused}");
    }

    #[test]
    fn folder_names_are_safe_for_any_log_name() {
        for (name, safe) in [("", "log"), ("..", "log"), ("a/../b", "a-b"), ("\0CON\n", "con")] {
            assert_eq!(plain(name), safe);
        }
        assert_eq!(plain(&"x".repeat(1000)).len(), 60);
    }
}
