//! Real precertificates and the final certificates made from them, with and without a Precertificate
//! Signing CA.
#![allow(clippy::unwrap_used)] // in the helpers of tests

use cert::precertificate::{goes_with, signs_precertificates};
use cert::tbs::{CtExtension, without};

mod support;

#[test]
fn precertificates_go_with_the_leaves_made_of_them() {
    let Some(data) = support::shared_data() else { return };
    let read = |name: &str| {
        let name = format!("certs/google-ct/{name}.pem");
        let found = support::all_certificates(&data).into_iter().find(|(file, _)| *file == name);
        found.unwrap_or_else(|| panic!("{name} is missing")).1
    };
    let (ca_signer, intermediate_signer) = (read("ca-pre-cert"), read("intermediate-pre-cert"));
    assert!(signs_precertificates(&ca_signer) && signs_precertificates(&intermediate_signer));
    assert!(!signs_precertificates(&read("ca-cert")));
    for (name, signer) in [
        ("test-embedded", None),
        ("test-embedded-with-intermediate", None),
        ("test-embedded-with-preca", Some(&ca_signer)),
        ("test-embedded-with-intermediate-preca", Some(&intermediate_signer)),
    ] {
        let (precertificate, last) = (read(&format!("{name}-pre-cert")), format!("{name}-cert"));
        // The final certificate without its SCTs is what the log has hashed into the leaf.
        let tbs = without(&read(&last), CtExtension::SctList).unwrap();
        let signer = signer.map(Vec::as_slice);
        assert_eq!(goes_with(&precertificate, &tbs, signer), Some(true), "{name}");
        if signer.is_some() {
            assert_eq!(goes_with(&precertificate, &tbs, None), Some(false), "{name}");
        }
        let foreign = without(&read("test-embedded-cert"), CtExtension::SctList).unwrap();
        assert_eq!(goes_with(&precertificate, &foreign, signer), Some(tbs == foreign), "{name}");
    }
}
