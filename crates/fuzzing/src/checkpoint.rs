//! Tree heads in both forms, and proofs.

use ct::LogId;
use ct::head::{SignedHead, TreeHead};
use ct::proofs::{parse_consistency, parse_entry_and_proof, parse_proof_by_hash};
use ct::signature::PublicKey;

use crate::key::{keys, log_id, signature};

const ORIGIN: &str = "ct.example/2026";

/// A head that is read is the same when it is written and read again, in either form, and its
/// signature does not verify: nobody has the key.
pub fn check(data: &[u8]) {
    let id = log_id();
    for log_id in [None, Some(&id)] {
        if let Ok(head) = SignedHead::from_checkpoint(data, ORIGIN, log_id) {
            head_of(&head, &id);
            let note = head.to_checkpoint(ORIGIN, &id);
            let again = SignedHead::from_checkpoint(note.as_bytes(), ORIGIN, Some(&id));
            assert_eq!(again.as_ref(), Ok(&head));
        }
    }
    if let Ok(head) = SignedHead::from_sth(data) {
        head_of(&head, &id);
    }
    if let Ok(path) = parse_consistency(data) {
        assert!(path.len() * 32 <= data.len());
    }
    if let Ok(proof) = parse_proof_by_hash(data) {
        assert!(proof.audit_path.len() * 32 <= data.len());
    }
    if let Ok(proof) = parse_entry_and_proof(data) {
        assert!(proof.audit_path.len() * 32 <= data.len());
    }
}

fn head_of(head: &SignedHead, id: &LogId) {
    let sth = head.to_sth();
    assert_eq!(SignedHead::from_sth(sth.as_bytes()).as_ref(), Ok(head));
    let [key, _] = keys();
    let Ok(key) = PublicKey::from_spki(&key) else { panic!("the key is one of P-256") };
    assert_eq!(key.log_id(), *id);
    assert!(head.verify(&key).is_err());
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let head = TreeHead { size: 4321, timestamp: 1_700_000_000_123, root: [7; 32] };
    let signed = SignedHead { head, signature: signature() };
    let note = signed.to_checkpoint(ORIGIN, &log_id());
    let witnessed = format!("{note}\u{2014} witness.example AAAAAAAA\n");
    let empty = SignedHead { head: TreeHead { size: 0, ..head }, ..signed.clone() };
    let hash = base64_simd::STANDARD.encode_to_string([7; 32]);
    let consistency = format!(r#"{{"consistency":["{hash}","{hash}"]}}"#);
    let inclusion = format!(r#"{{"leaf_index":7,"audit_path":["{hash}"]}}"#);
    let entry = format!(r#"{{"leaf_input":"AAAA","extra_data":"AAAA","audit_path":["{hash}"]}}"#);
    let sth = signed.to_sth();
    let empty = empty.to_checkpoint(ORIGIN, &log_id());
    [note, witnessed, empty, sth, consistency, inclusion, entry].map(String::into_bytes).to_vec()
}
