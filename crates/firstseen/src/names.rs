//! The registrable domains of a certificate.

use std::collections::BTreeSet;

use cert::{Certificate, Dialect, Digests, registered_domain};
use record::Record;

/// Domains of a certificate that are looked at. The largest certificates in logs have a tenth of it.
pub const MOST_DOMAINS: usize = 4096;

/// Returns the registrable domains of a certificate's names, by the public suffix list, each once and in
/// lower case; and whether there are more than [`MOST_DOMAINS`], which are left out.
pub(crate) fn domains(record: &Record) -> (BTreeSet<String>, bool) {
    // Nothing here needs the SHA-1.
    let digests = Digests { sha1: [0; 20], sha256: record.fingerprint };
    let certificate = Certificate::read_with_digests(&record.certificate, &digests);
    let mut domains = BTreeSet::new();
    for name in certificate.all_domains(Dialect::Calidog) {
        let Some(domain) = registered_domain(&name) else { continue };
        if domains.contains(&*domain) {
            continue;
        }
        if domains.len() == MOST_DOMAINS {
            return (domains, true);
        }
        domains.insert(domain.into_owned());
    }
    (domains, false)
}
