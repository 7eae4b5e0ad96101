//! The identities of recent alerts.

use std::collections::{HashSet, VecDeque};

/// Identities that are remembered at most.
pub(super) const MAX_RECENT: usize = 10_000;
/// Bytes of an identity that are kept: of a hash, so many are enough.
const BYTES: usize = 12;

/// The identity of an alert, shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; BYTES]);

impl Key {
    /// Shortens the [identity](crate::Alert::id) of an alert.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let mut key = [0; BYTES];
        for (byte, digits) in key.iter_mut().zip(id.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
        }
        Self(key)
    }

    /// Returns it as it is saved.
    pub(super) fn to_text(self) -> String {
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(self.0)
    }

    /// Reads a text.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

/// The newest identities.
#[derive(Debug, Default)]
pub(super) struct Identities {
    /// The oldest first.
    order: VecDeque<Key>,
    known: HashSet<Key>,
}

impl Identities {
    pub(super) fn has(&self, key: Key) -> bool {
        self.known.contains(&key)
    }

    pub(super) fn add(&mut self, key: Key) {
        if !self.known.insert(key) {
            return;
        }
        self.order.push_back(key);
        while self.order.len() > MAX_RECENT {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// Forgets those that are not to be kept.
    pub(super) fn retain(&mut self, is_kept: impl Fn(Key) -> bool) {
        self.order.retain(|key| is_kept(*key));
        self.known.retain(|key| is_kept(*key));
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, key: Key) {
        if self.known.remove(&key) {
            self.order.retain(|known| *known != key);
        }
    }

    /// Returns them as they are saved: one text, the oldest first.
    pub(super) fn to_text(&self) -> String {
        let bytes: Vec<u8> = self.order.iter().flat_map(|key| key.0).collect();
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
    }

    /// Reads a text.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
        let (keys, rest) = bytes.as_chunks::<BYTES>();
        let mut identities = Self::default();
        keys.iter().for_each(|key| identities.add(Key(*key)));
        rest.is_empty().then_some(identities)
    }
}
