//! The newest certificates by fingerprint, for `/api/cert/{hash}`.
//!
//! Bounded in number and in bytes. A certificate's bytes are shared with the ring while it is in both. The
//! ring itself is not searched: it is ordered by offset, so every look-up would hash all of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cert::Digests;
use parking_lot::Mutex;
use record::Record;
use wire::Source;

/// A fingerprint by which a certificate can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fingerprint {
    /// SHA-1 of the DER.
    Sha1([u8; 20]),
    /// SHA-256 of the DER.
    Sha256([u8; 32]),
}

impl Fingerprint {
    /// Reads hex digits of either case, with or without colons between the bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = bytes(text)?;
        let sha1 = <[u8; 20]>::try_from(bytes.as_slice()).map(Self::Sha1);
        sha1.or_else(|_| <[u8; 32]>::try_from(bytes.as_slice()).map(Self::Sha256)).ok()
    }

    fn key(&self) -> u64 {
        match self {
            Self::Sha1(digest) => key(digest),
            Self::Sha256(digest) => key(digest),
        }
    }

    fn is_of(&self, der: &[u8]) -> bool {
        let digests = Digests::of(der);
        match self {
            Self::Sha1(digest) => *digest == digests.sha1,
            Self::Sha256(digest) => *digest == digests.sha256,
        }
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = if text.contains(':') {
        let pairs: Vec<&str> = text.split(':').collect();
        if pairs.iter().any(|pair| pair.len() != 2) {
            return None;
        }
        pairs.concat().into_bytes()
    } else {
        text.as_bytes().to_vec()
    };
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// A record as it was published.
#[derive(Debug, Clone)]
pub struct Recent {
    /// Its offset in the stream.
    pub offset: u64,
    /// The record.
    pub record: Record,
    /// The log it was read from.
    pub source: Arc<Source>,
}

/// The newest certificates.
#[derive(Debug, Default)]
pub struct RecentCertificates(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    most: usize,
    most_bytes: usize,
    bytes: usize,
    queue: VecDeque<(Recent, Keys)>,
    /// Number of the first certificate of the queue, counted from the first that ever was in it.
    first: u64,
    /// Number of the newest certificate with this key.
    by_key: HashMap<u64, u64>,
}

/// The beginnings of a certificate's fingerprints. A certificate that is found is compared in full;
/// somebody who takes the effort to make two with the same key hides one of them.
type Keys = [u64; 2];

/// The size of [`RecentCertificates`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentSize {
    /// Certificates in memory.
    pub entries: usize,
    /// Certificates in memory at most.
    pub capacity: usize,
    /// Bytes of their DER.
    pub bytes: usize,
}

impl RecentCertificates {
    /// Limits the number of certificates and the bytes of their DER. The oldest beyond are forgotten;
    /// with a limit of zero nothing is remembered.
    pub fn limit(&self, certificates: usize, bytes: usize) {
        let mut state = self.0.lock();
        state.most = certificates;
        state.most_bytes = bytes;
        state.shrink();
    }

    /// Reports whether anything is remembered at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let state = self.0.lock();
        state.most > 0 && state.most_bytes > 0
    }

    /// Adds certificates with their digests, oldest first.
    pub fn extend(&self, certificates: Vec<(Recent, Digests)>) {
        let mut state = self.0.lock();
        for (recent, digests) in certificates {
            state.push(recent, [key(&digests.sha1), key(&digests.sha256)]);
        }
    }

    /// Finds the newest certificate with this fingerprint.
    #[must_use]
    pub fn find(&self, fingerprint: Fingerprint) -> Option<Recent> {
        let found = self.0.lock().get(fingerprint.key()).cloned();
        found.filter(|recent| fingerprint.is_of(&recent.record.certificate))
    }

    /// Returns the size.
    #[must_use]
    pub fn size(&self) -> RecentSize {
        let state = self.0.lock();
        RecentSize { entries: state.queue.len(), capacity: state.most, bytes: state.bytes }
    }
}

impl State {
    fn push(&mut self, recent: Recent, keys: Keys) {
        let place = self.first + self.queue.len() as u64;
        self.bytes += recent.record.certificate.len();
        for key in keys {
            self.by_key.insert(key, place);
        }
        self.queue.push_back((recent, keys));
        self.shrink();
    }

    fn get(&self, key: u64) -> Option<&Recent> {
        let place = usize::try_from(self.by_key.get(&key)? - self.first).ok()?;
        self.queue.get(place).map(|(recent, _)| recent)
    }

    fn shrink(&mut self) {
        while self.queue.len() > self.most || self.bytes > self.most_bytes {
            let Some((oldest, keys)) = self.queue.pop_front() else { return };
            self.bytes -= oldest.record.certificate.len();
            for key in keys {
                // The same certificate may have come again since.
                if self.by_key.get(&key) == Some(&self.first) {
                    self.by_key.remove(&key);
                }
            }
            self.first += 1;
        }
    }
}

/// Returns the first eight bytes.
fn key(digest: &[u8]) -> u64 {
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ct::leaf::EntryType;
    use wire::SourceKind;

    use super::*;

    fn recent(offset: u64, der: &'static [u8]) -> (Recent, Digests) {
        let source = Source::new("a log", "https://ct.example", "", SourceKind::Rfc6962, None);
        let digests = Digests::of(der);
        let der = Bytes::from_static(der);
        let record = Record::as_read(offset, 0, EntryType::X509, der, Vec::new());
        (Recent { offset, record, source: Arc::new(source) }, digests)
    }

    fn offset(kept: &RecentCertificates, text: &str) -> Option<u64> {
        kept.find(Fingerprint::parse(text).expect("a fingerprint")).map(|recent| recent.offset)
    }

    const SHA1_OF_A: &str = "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8";
    const SHA256_OF_A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    const SHA1_OF_B: &str = "E9:D7:1F:5E:E7:C9:2D:6D:C9:E9:2F:FD:AD:17:B8:BD:49:41:8F:98";

    #[test]
    fn a_certificate_is_found_by_either_fingerprint_until_there_are_newer_ones() {
        let kept = RecentCertificates::default();
        assert!(!kept.is_on());
        kept.extend(vec![recent(0, b"a")]);
        assert_eq!(offset(&kept, SHA1_OF_A), None, "nothing is remembered without a limit");
        kept.limit(2, 100);
        kept.extend(vec![recent(1, b"a"), recent(2, b"b")]);
        assert_eq!(offset(&kept, SHA1_OF_A), Some(1));
        assert_eq!(offset(&kept, SHA256_OF_A), Some(1));
        kept.extend(vec![recent(3, b"a")]);
        assert_eq!(offset(&kept, SHA256_OF_A), Some(3), "the newest, and the older one's leaving");
        assert_eq!(offset(&kept, SHA1_OF_B), Some(2));
        assert_eq!(kept.size(), RecentSize { entries: 2, capacity: 2, bytes: 2 });
        kept.extend(vec![recent(4, b"cc")]);
        assert_eq!(offset(&kept, SHA1_OF_B), None);
        assert_eq!(offset(&kept, SHA1_OF_A), Some(3));
        assert_eq!(kept.size().bytes, 3);
    }

    #[test]
    fn a_certificate_with_the_beginning_of_anothers_fingerprint_is_not_the_other() {
        let kept = RecentCertificates::default();
        kept.limit(2, 100);
        let (other, _) = recent(1, b"another");
        let Some(Fingerprint::Sha256(mut sha256)) = Fingerprint::parse(SHA256_OF_A) else {
            panic!()
        };
        sha256[31] ^= 1;
        kept.extend(vec![(other, Digests { sha256, ..Digests::of(b"another") })]);
        assert_eq!(offset(&kept, SHA256_OF_A), None);
        kept.extend(vec![recent(2, b"a")]);
        assert_eq!(offset(&kept, SHA256_OF_A), Some(2));
    }

    #[test]
    fn bytes_are_bounded_too_and_limits_can_change() {
        let kept = RecentCertificates::default();
        kept.limit(10, 3);
        kept.extend(vec![recent(1, b"a"), recent(2, b"b"), recent(3, b"cc")]);
        assert_eq!(kept.size(), RecentSize { entries: 2, capacity: 10, bytes: 3 });
        kept.extend(vec![recent(4, b"more than there is room for")]);
        assert_eq!(kept.size().entries, 0);
        kept.extend(vec![recent(5, b"a")]);
        kept.limit(0, 0);
        assert_eq!(kept.size(), RecentSize { entries: 0, capacity: 0, bytes: 0 });
        assert_eq!(offset(&kept, SHA1_OF_A), None);
    }

    #[test]
    fn text_that_is_no_fingerprint_is_refused() {
        for wrong in [
            "",
            "86",
            ":",
            "86f7e437faa5a7fce15d1ddcb9eaeaea377667b",
            "86f7e437faa5a7fce15d1ddcb9eaeaea377667b88",
            "zzf7e437faa5a7fce15d1ddcb9eaeaea377667b8",
            "8:6f7e437faa5a7fce15d1ddcb9eaeaea377667b8",
            "E9:D7:1F:5E:E7:C9:2D:6D:C9:E9:2F:FD:AD:17:B8:BD:49:41:8F:98:",
            "é6f7e437faa5a7fce15d1ddcb9eaeaea377667b",
        ] {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(
            Fingerprint::parse(SHA1_OF_A),
            Fingerprint::parse(&SHA1_OF_A.to_ascii_uppercase())
        );
    }
}
