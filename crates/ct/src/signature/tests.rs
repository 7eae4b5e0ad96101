//! Tests of public keys and signatures.

#![allow(clippy::arithmetic_side_effects)]

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair, RSA_PKCS1_SHA256,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::encoding::to_base64;

const MESSAGE: &[u8] = b"message";

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> (Vec<u8>, Vec<u8>) {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (spki.as_ref().to_vec(), signature.as_ref().to_vec())
}

fn rsa() -> (Vec<u8>, Vec<u8>) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), MESSAGE, &mut signature).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (spki.as_ref().to_vec(), signature)
}

#[test]
fn both_algorithms_verify() {
    for (algorithm, (spki, signature)) in [
        (Algorithm::EcdsaP256, ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)),
        (Algorithm::RsaPkcs1, rsa()),
    ] {
        let key = PublicKey::from_spki(&spki).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.spki(), spki);
        assert_eq!(key.log_id(), LogId::of_key(&spki));
        assert_eq!(key.verify_sha256(MESSAGE, &signature), Ok(()));
        assert_eq!(key.verify_sha256(b"massage", &signature), Err(SignatureError::Mismatch));
        assert_eq!(key.verify_sha256(MESSAGE, b""), Err(SignatureError::Mismatch));

        let whole = digitally_signed(algorithm, &signature).unwrap();
        let verify = |bytes: &[u8]| key.verify_digitally_signed(MESSAGE, bytes);
        assert_eq!(verify(&whole), Ok(()));
        let longer = [whole.as_slice(), b"!"].concat();
        let (_, shorter) = whole.split_last().unwrap();
        for malformed in [&longer, shorter, b"", b"\x04\x03\0"] {
            assert_eq!(verify(malformed), Err(SignatureError::Malformed));
        }
        let [hash, code, rest @ ..] = &whole[..] else { panic!() };
        let expected = algorithm.code();
        for (hash, code, error) in [
            (*hash, code ^ 2, SignatureError::Algorithm { found: code ^ 2, expected }),
            (5, *code, SignatureError::HashAlgorithm(5)),
        ] {
            assert_eq!(verify(&[&[hash, code], rest].concat()), Err(error));
        }
    }
}

#[test]
fn keys_that_cannot_be_used() {
    let (p384, _) = ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING);
    assert_eq!(PublicKey::from_spki(&p384), Err(KeyError::Unsupported));
    assert_eq!(PublicKey::from_spki(b""), Err(KeyError::Unsupported));
    for (algorithm, (spki, _)) in [
        (Algorithm::EcdsaP256, ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)),
        (Algorithm::RsaPkcs1, rsa()),
    ] {
        let (last, cut) = spki.split_last().unwrap();
        let longer = [spki.as_slice(), &[0]].concat();
        for der in [cut, &longer] {
            assert_eq!(PublicKey::from_spki(der), Err(KeyError::Unsupported));
        }
        if algorithm == Algorithm::EcdsaP256 {
            let off_curve = [cut, &[last ^ 1]].concat();
            assert_eq!(PublicKey::from_spki(&off_curve), Err(KeyError::Malformed(algorithm)));
        }
    }
    assert_eq!(
        digitally_signed(Algorithm::RsaPkcs1, &[0; 1 << 16]),
        Err(SignatureError::Malformed)
    );
}

#[test]
fn pem() {
    let (spki, _) = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING);
    let base64 = to_base64(&spki);
    let (first, second) = base64.split_at(64);
    let pem = format!(
        "comment\r\n-----BEGIN PUBLIC KEY-----\r\n{first}\r\n{second}\r\n-----END PUBLIC KEY-----\r\n"
    );
    assert_eq!(PublicKey::from_pem(&pem), PublicKey::from_spki(&spki));
    assert_eq!(PublicKey::from_pem(&pem.replace("END", "end")), Err(KeyError::Pem));
    assert_eq!(PublicKey::from_pem(&pem.replace(first, "!")), Err(KeyError::Pem));
    assert_eq!(PublicKey::from_pem(&base64), Err(KeyError::Pem));

    let chrome = PublicKey::from_pem(crate::log_list::CHROME_KEY_PEM).unwrap();
    assert_eq!(chrome.algorithm(), Algorithm::RsaPkcs1);
    assert!(chrome.log_id().0.starts_with(&[0xf1, 0xd8, 0xb6, 0x8e, 0x50, 0x21, 0x0d, 0x8e]));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..200), text: String) {
        let key = PublicKey::from_pem(crate::log_list::CHROME_KEY_PEM).unwrap();
        prop_assert!(key.verify_digitally_signed(&bytes, &bytes).is_err());
        prop_assert!(key.verify_sha256(&bytes, &bytes).is_err());
        PublicKey::from_pem(&text).ok();
        PublicKey::from_spki(&bytes).ok();
        for identifier in [EC_P256, RSA] {
            let length = u8::try_from(identifier.len() + bytes.len()).unwrap();
            PublicKey::from_spki(&[&[0x30, 0x81, length], identifier, &bytes].concat()).ok();
        }
    }
}
