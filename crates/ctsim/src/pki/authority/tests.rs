//! Tests of the chains of simulated authorities.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;

fn parse(der: &[u8]) -> X509Certificate<'_> {
    X509Certificate::from_der(der).unwrap().1
}

#[test]
fn every_chain_is_signed_up_to_its_root() {
    let authorities = Authorities::new().unwrap();
    for issuer in &authorities.issuers {
        assert!((2..=3).contains(&issuer.chain.len()));
        let certificates: Vec<_> = issuer.chain.iter().map(|der| parse(der)).collect();
        assert_eq!(certificates[0].subject().as_raw(), issuer.name);
        for (position, child) in certificates.iter().enumerate() {
            let parent = certificates.get(position + 1).unwrap_or(child);
            let key = &*parent.public_key().subject_public_key.data;
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
                .verify(child.tbs_certificate.as_ref(), &child.signature_value.data)
                .unwrap();
            assert_eq!(child.issuer().as_raw(), parent.subject().as_raw());
            assert!(child.is_ca());
        }
        let root = issuer.chain.last().unwrap();
        assert!(authorities.roots.contains(root));
    }
}

#[test]
fn chains_are_the_same_in_every_run() {
    let (one, two) = (Authorities::new().unwrap(), Authorities::new().unwrap());
    for (one, two) in one.issuers.iter().zip(&two.issuers) {
        assert_eq!(one.chain, two.chain);
    }
}

#[test]
fn issuers_are_drawn_by_their_weight() {
    let authorities = Authorities::new().unwrap();
    assert_eq!(authorities.issuers.iter().map(|issuer| issuer.weight).sum::<usize>(), 1000);
    let mut random = Random::of(1, 2, 3);
    let mut lindenhof = 0;
    for _ in 0..10_000 {
        let issuer = authorities.pick(&mut random);
        lindenhof += usize::from(issuer.weight == 230);
    }
    assert!((2_100..2_500).contains(&lindenhof), "{lindenhof}");
}
