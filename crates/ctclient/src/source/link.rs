//! The key that a precertificate and its final certificate share.

use aws_lc_rs::digest::{Context, SHA256};
use cert::tbs::{CtExtension, without};
use ct::Hash;
use ct::leaf::LeafEntry;
use record::Issuer;

/// Returns SHA-256 of the issuer's key hash and the `TBSCertificate` without poison and SCTs: the same for
/// a precertificate and the certificate made from it, in whatever log (RFC 6962 section 3.2).
///
/// A precertificate's is that of its leaf, which the log's tree covers. `None` for a final
/// certificate without embedded SCTs, which has no precertificate, or whose issuer is not known.
pub(crate) fn tbs_id(entry: &LeafEntry<'_>, issuer: Option<&Issuer>) -> Option<Hash> {
    match *entry {
        LeafEntry::Precert { issuer_key_hash, tbs } => Some(id(issuer_key_hash, tbs)),
        LeafEntry::X509 { certificate } => {
            let tbs = without(certificate, CtExtension::SctList)?;
            Some(id(&issuer?.key_hash?, &tbs))
        }
    }
}

fn id(issuer_key_hash: &Hash, tbs: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(issuer_key_hash);
    context.update(tbs);
    let mut id = [0; 32];
    id.copy_from_slice(context.finish().as_ref());
    id
}
