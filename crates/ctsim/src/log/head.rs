//! Heads as logs publish them, and as faults have them published.

use std::sync::Arc;

use bytes::Bytes;
use ct::head::{SignedHead, TreeHead};
use ct::signature::{Algorithm, digitally_signed};

use crate::fault::{Fault, HeadFault};
use crate::log::view::View;
use crate::log::{Identity, Log, Protocol};
use crate::pki::key::{KeyError, LogKey};

/// The origin of a log that is none of the simulator's.
const ELSEWHERE: &str = "elsewhere.example/another-log";
/// Signatures of others on a checkpoint that has many.
const OTHERS: u8 = 15;

/// A head and how it is served.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) signed: SignedHead,
    pub(crate) body: Bytes,
}

/// Signs a head and writes it as the log's protocol has it.
pub(crate) fn publish(
    identity: &Identity,
    key: &LogKey,
    head: TreeHead,
) -> Result<Published, KeyError> {
    let signed = sign(key, head)?;
    let body = write(identity, identity.origin(), key, &signed);
    Ok(Published { signed, body })
}

/// The head to be answered under this fault.
pub(crate) fn under(log: &Log, fault: Option<&Fault>) -> Result<Arc<Published>, KeyError> {
    let newest = log.head();
    let signed = |head| publish(&log.identity, &log.key, head).map(Arc::new);
    let head = newest.signed.head;
    match fault {
        Some(Fault::Head(fault)) => faulty(log, &newest, *fault).map(Arc::new),
        Some(Fault::Fork { .. }) => {
            signed(TreeHead { root: View::new(log, fault).root(head.size), ..head })
        }
        _ => Ok(newest),
    }
}

fn faulty(log: &Log, newest: &Published, fault: HeadFault) -> Result<Published, KeyError> {
    let Log { identity, key, .. } = log;
    let head = newest.signed.head;
    match fault {
        HeadFault::Stale { behind, age } => {
            let size = head.size.saturating_sub(behind);
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            let timestamp = head.timestamp.saturating_sub(age);
            let root = View::new(log, None).root(size);
            publish(identity, key, TreeHead { size, root, timestamp })
        }
        HeadFault::Ahead { by } => {
            let (size, root) = log.future(by);
            publish(identity, key, TreeHead { size, root, ..head })
        }
        HeadFault::BadSignature => {
            let mut signed = sign(key, head)?;
            // The last byte of s, the second number of the signature.
            signed.signature.iter_mut().next_back().into_iter().for_each(|byte| *byte ^= 1);
            let body = write(identity, identity.origin(), key, &signed);
            Ok(Published { signed, body })
        }
        HeadFault::OtherLog => {
            let other = LogKey::derive(0, "a log elsewhere")?;
            let signed = sign(&other, head)?;
            let body = write(identity, ELSEWHERE, &other, &signed);
            Ok(Published { signed, body })
        }
        HeadFault::WrongOrigin => {
            let signed = sign(key, head)?;
            let body = write(identity, ELSEWHERE, key, &signed);
            Ok(Published { signed, body })
        }
        HeadFault::ManySignatures => {
            let signed = newest.signed.clone();
            let body = among_others(&newest.body, identity.origin());
            Ok(Published { signed, body: body.into() })
        }
    }
}

fn sign(key: &LogKey, head: TreeHead) -> Result<SignedHead, KeyError> {
    let signature = key.sign(&SignedHead::signed_bytes(&head))?;
    let signature = digitally_signed(Algorithm::EcdsaP256, &signature)
        .map_err(|_| KeyError::Failed("wrap a signature"))?;
    Ok(SignedHead { head, signature })
}

fn write(identity: &Identity, origin: &str, key: &LogKey, signed: &SignedHead) -> Bytes {
    match identity.protocol {
        Protocol::Rfc6962 => signed.to_sth().into(),
        Protocol::StaticCt => signed.to_checkpoint(origin, &key.log_id).into(),
    }
}

/// A checkpoint with signatures before and after the log's own (c2sp.org/signed-note): GREASE, of
/// witnesses, and by another key under the log's name.
fn among_others(checkpoint: &[u8], origin: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(checkpoint);
    let (text, own) = text.split_once("\n\n").unwrap_or_default();
    let others = (0..OTHERS).map(|number| {
        let name = match number % 3 {
            0 => "grease.invalid".to_owned(),
            1 => origin.to_owned(),
            _ => format!("witness.example/w{number}"),
        };
        // A key ID and a cosignature: a time and an Ed25519 signature.
        let body = base64_simd::STANDARD.encode_to_string([number; 4 + 8 + 64]);
        format!("\u{2014} {name} {body}\n")
    });
    let mut lines: Vec<_> = others.collect();
    lines.insert(usize::from(OTHERS) / 2, own.to_owned());
    format!("{text}\n\n{}", lines.concat()).into_bytes()
}
