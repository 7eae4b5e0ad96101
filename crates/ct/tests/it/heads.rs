//! Signed heads of real logs, in both forms.

use std::collections::BTreeMap;

use ct::LogId;
use ct::head::{CheckpointError, SignedHead};
use ct::signature::{PublicKey, SignatureError};
use serde::Deserialize;
use serde_json::Value;

use crate::{base64, data, read, read_json};

#[derive(Deserialize)]
struct Sths {
    log_id: LogIdText,
    key: String,
    sths: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct LogIdText(String);

#[derive(Deserialize)]
struct LogKey {
    origin: String,
    key: String,
}

#[test]
fn get_sth() {
    let Some(data) = data() else { return };
    for (file, sizes) in [
        ("argon2027h1-consistent.json", [384_065_451, 384_071_894]),
        ("trustasia2021-fork.json", [228_935, 455_962]),
    ] {
        let Sths { log_id: LogIdText(log_id), key, sths } =
            read_json(&data.join("sths").join(file));
        let key = PublicKey::from_spki(&base64(&key)).unwrap();
        assert_eq!(log_id.parse(), Ok(key.log_id()));
        let heads: Vec<_> = sths
            .iter()
            .map(|sth| SignedHead::from_sth(sth.to_string().as_bytes()).unwrap())
            .collect();
        assert_eq!(heads.iter().map(|signed| signed.head.size).collect::<Vec<_>>(), sizes);
        for signed in heads {
            assert_eq!(signed.verify(&key), Ok(()));
            assert_eq!(SignedHead::from_sth(signed.to_sth().as_bytes()).as_ref(), Ok(&signed));
            let note = signed.to_checkpoint("log.example.net", &key.log_id());
            let note = note.as_bytes();
            let read = SignedHead::from_checkpoint(note, "log.example.net", Some(&key.log_id()));
            assert_eq!(read.as_ref(), Ok(&signed));
            let mut later = signed;
            later.head.timestamp += 1;
            assert_eq!(later.verify(&key), Err(SignatureError::Mismatch));
        }
    }
}

#[test]
fn checkpoints() {
    let Some(data) = data() else { return };
    let keys: BTreeMap<String, LogKey> = read_json(&data.join("checkpoints/keys.json"));
    assert_eq!(keys.len(), 2);
    for (name, LogKey { origin, key }) in keys {
        let note = read(&data.join(format!("checkpoints/{name}.txt")));
        let key = PublicKey::from_spki(&base64(&key)).unwrap();
        let signed = SignedHead::from_checkpoint(&note, &origin, Some(&key.log_id())).unwrap();
        assert_eq!(signed.verify(&key), Ok(()), "{name}");
        assert_eq!(SignedHead::from_checkpoint(&note, &origin, None).as_ref(), Ok(&signed));

        // Written again, it is the real checkpoint less the lines of others.
        let ours = signed.to_checkpoint(&origin, &key.log_id());
        let note = String::from_utf8(note).unwrap();
        let (text, line) = ours.split_once("\n\n").unwrap();
        assert!(note.starts_with(&format!("{text}\n\n")) && note.ends_with(line), "{name}");

        let other = SignedHead::from_checkpoint(note.as_bytes(), &origin, Some(&LogId([0; 32])));
        assert_eq!(other, Err(CheckpointError::NotSignedByLog));
        let other = SignedHead::from_checkpoint(note.as_bytes(), "other.example.net", None);
        let expected = String::from("other.example.net");
        assert_eq!(other, Err(CheckpointError::Origin { expected, found: origin }));
    }
}
