//! Checks of what no tree hash covers: the precertificate as submitted and the chain above it.
//!
//! A log, or a proxy on the way, could alter them unnoticed; but the leaf names both (RFC 6962 section
//! 3.2). A final certificate's leaf does not name its chain, so nothing is checked there.

use std::sync::Arc;

use cert::precertificate::goes_with;
use ct::leaf::LeafEntry;
use record::Issuer;

/// Parts of an entry that disagree with its leaf.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct LeafMismatch {
    /// The leaf was not made from the precertificate that comes with it.
    pub precertificate: bool,
    /// The issuer in the chain has another key than the leaf names.
    pub issuer: bool,
}

impl LeafMismatch {
    /// Compares a leaf with the rest of its entry; `chain` is the part of the chain that is
    /// available, issuer first.
    pub(crate) fn check(
        entry: &LeafEntry<'_>,
        precertificate: Option<&[u8]>,
        chain: &[Arc<Issuer>],
    ) -> Self {
        let (LeafEntry::Precert { issuer_key_hash, tbs }, Some(first)) = (entry, chain.first())
        else {
            return Self::default();
        };
        // A Precertificate Signing Certificate stands between precertificate and issuer.
        let signer = first.signs_precertificates.then_some(&first.der[..]);
        let issuer = if signer.is_some() { chain.get(1) } else { Some(first) };
        let key_hash = issuer.and_then(|issuer| issuer.key_hash);
        Self {
            precertificate: precertificate.is_some_and(|precertificate| {
                goes_with(precertificate, tbs, signer) == Some(false)
            }),
            issuer: key_hash.is_some_and(|key_hash| key_hash != **issuer_key_hash),
        }
    }

    /// Reports whether anything disagrees.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.precertificate || self.issuer
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use bytes::Bytes;
    use ct::entries::parse_get_entries;
    use ct::leaf::{ExtraData, Leaf};
    use ct::tile::TileLeaf;

    use super::*;

    fn shared_data() -> Option<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
        let found = folder.is_dir();
        if !found {
            println!("skipped: ../shared/data is not here");
        }
        found.then_some(folder)
    }

    fn chain(extra: &ExtraData<'_>) -> Vec<Arc<Issuer>> {
        let issuers = extra.chain.iter();
        issuers.map(|der| Arc::new(Issuer::new(Bytes::copy_from_slice(der)))).collect()
    }

    #[test]
    fn real_entries_match_their_leaves_and_changes_are_detected() {
        let Some(data) = shared_data() else { return };
        let (mut precertificates, mut by_signing_ca) = (0, 0);
        for file in fs::read_dir(data.join("rfc6962/ctlog-fetcher")).expect("a folder") {
            let path = file.expect("readable").path();
            let Ok(body) = fs::read(&path) else { continue };
            for entry in parse_get_entries(&body).unwrap_or_default() {
                let leaf = Leaf::parse(&entry.leaf_input).expect("a leaf");
                let extra = ExtraData::parse(leaf.entry_type(), &entry.extra_data);
                let extra = extra.expect("extra data");
                let chain = chain(&extra);
                let found = LeafMismatch::check(&leaf.entry, extra.precertificate, &chain);
                assert_eq!(found, LeafMismatch::default(), "{}", path.display());
                let LeafEntry::Precert { .. } = leaf.entry else { continue };
                precertificates += 1;
                // Another's issuer, and another's precertificate.
                let signed = usize::from(chain[0].signs_precertificates);
                by_signing_ca += signed;
                let mut others = chain.clone();
                let own = Issuer::new(chain[signed].der.clone());
                others[signed] = Arc::new(Issuer { key_hash: Some([0; 32]), ..own });
                let found = LeafMismatch::check(&leaf.entry, extra.precertificate, &others);
                assert_eq!(found, LeafMismatch { precertificate: false, issuer: true });
                let other = extra.chain.first().copied();
                let found = LeafMismatch::check(&leaf.entry, other, &chain);
                assert_eq!(found, LeafMismatch { precertificate: true, issuer: false });
            }
        }
        assert!(precertificates > 100, "{precertificates}");
        assert!(by_signing_ca > 0, "some are by Precertificate Signing CAs");
    }

    #[test]
    fn real_static_precertificates_match_their_leaves() {
        let Some(data) = shared_data() else { return };
        let mut compared = 0;
        for number in 0..4 {
            let tile = data.join(format!("tiles/navigli2025h2/tile/data/{number:03}"));
            for leaf in TileLeaf::iter(&fs::read(tile).expect("a tile")) {
                let leaf = leaf.expect("a leaf");
                let LeafEntry::Precert { tbs, .. } = leaf.leaf.entry else { continue };
                let precertificate = leaf.precertificate.expect("of a precertificate entry");
                assert_eq!(goes_with(precertificate, tbs, None), Some(true));
                compared += 1;
            }
        }
        assert_eq!(compared, 1024);
    }

    #[test]
    fn without_a_chain_nothing_is_checked() {
        let entry = LeafEntry::Precert { issuer_key_hash: &[1; 32], tbs: b"tbs" };
        assert_eq!(LeafMismatch::check(&entry, Some(b"other"), &[]), LeafMismatch::default());
        let entry = LeafEntry::X509 { certificate: b"certificate" };
        let issuer = Arc::new(Issuer::new(Bytes::from_static(b"no certificate")));
        assert_eq!(LeafMismatch::check(&entry, None, &[issuer]), LeafMismatch::default());
    }
}
