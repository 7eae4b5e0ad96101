//! The answers that carry Merkle proofs (RFC 6962 sections 4.4, 4.5 and 4.8), read but not verified:
//! that is for [`merkle`](crate::merkle).

use serde::Deserialize;

use crate::Hash;
use crate::body::{self, BodyError};
use crate::entries::{self, Encoded, RawEntry};

/// The answer to get-proof-by-hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The index of the leaf; when a leaf was logged twice, of either.
    pub leaf_index: u64,
    /// The audit path, leaf to root.
    pub audit_path: Vec<Hash>,
}

/// The answer to get-entry-and-proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryAndProof {
    /// The entry.
    pub entry: RawEntry,
    /// The audit path, leaf to root.
    pub audit_path: Vec<Hash>,
}

/// Reads the body of a get-sth-consistency answer (RFC 6962 section 4.4).
///
/// # Errors
/// If the body is an HTML page, not the JSON expected, or a hash is not 32 bytes.
pub fn parse_consistency(body: &[u8]) -> Result<Vec<Hash>, BodyError> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(deserialize_with = "body::nullable")]
        consistency: Vec<String>,
    }
    let answer: Answer = body::parse(body)?;
    hashes(&answer.consistency, "consistency")
}

/// Reads the body of a get-proof-by-hash answer (RFC 6962 section 4.5).
///
/// # Errors
/// If the body is an HTML page, not the JSON expected, or a hash is not 32 bytes.
pub fn parse_proof_by_hash(body: &[u8]) -> Result<InclusionProof, BodyError> {
    #[derive(Deserialize)]
    struct Answer {
        leaf_index: u64,
        #[serde(deserialize_with = "body::nullable")]
        audit_path: Vec<String>,
    }
    let Answer { leaf_index, audit_path } = body::parse(body)?;
    Ok(InclusionProof { leaf_index, audit_path: hashes(&audit_path, "audit_path")? })
}

/// Reads the body of a get-entry-and-proof answer (RFC 6962 section 4.8).
///
/// # Errors
/// If the body is an HTML page, not the JSON expected, holds bad base64, or a hash is not 32 bytes.
pub fn parse_entry_and_proof(body: &[u8]) -> Result<EntryAndProof, BodyError> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow, flatten)]
        entry: Encoded<'a>,
        #[serde(deserialize_with = "body::nullable")]
        audit_path: Vec<String>,
    }
    let Answer { entry, audit_path } = body::parse(body)?;
    let audit_path = hashes(&audit_path, "audit_path")?;
    let entry =
        entries::decode(&[entry])?.pop().ok_or(BodyError::Base64 { field: "leaf_input" })?;
    Ok(EntryAndProof { entry, audit_path })
}

fn hashes(texts: &[String], field: &'static str) -> Result<Vec<Hash>, BodyError> {
    texts.iter().map(|text| body::hash(text, field)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::encoding::to_base64;

    const HASH: Hash = [6; 32];

    #[test]
    fn answers() {
        let path = [to_base64(&HASH)];
        let body = json!({ "consistency": path }).to_string();
        assert_eq!(parse_consistency(body.as_bytes()), Ok(vec![HASH]));
        assert_eq!(parse_consistency(br#"{"consistency":null}"#), Ok(vec![]));
        let body = json!({ "leaf_index": 5_000_000_000_u64, "audit_path": path }).to_string();
        let proof = InclusionProof { leaf_index: 5_000_000_000, audit_path: vec![HASH] };
        assert_eq!(parse_proof_by_hash(body.as_bytes()), Ok(proof));
        let body =
            json!({ "leaf_input": "AQI=", "extra_data": "", "audit_path": path }).to_string();
        let read = parse_entry_and_proof(body.as_bytes()).unwrap();
        assert_eq!((&read.entry.leaf_input[..], &read.audit_path[..]), (&[1, 2][..], &[HASH][..]));
        assert!(read.entry.extra_data.is_empty());
    }

    #[test]
    fn invalid_responses_are_refused() {
        let consistency = |body: &str| parse_consistency(body.as_bytes()).unwrap_err();
        let short = json!({ "consistency": [to_base64(&[6; 31])] }).to_string();
        assert_eq!(consistency(&short), BodyError::Hash { field: "consistency" });
        assert_eq!(consistency("<html>busy"), BodyError::Html("<html>busy".into()));
        for body in ["{}", "[]", "", r#"{"consistency":[7]}"#] {
            assert!(matches!(consistency(body), BodyError::Json(_)), "{body}");
        }
        let no_index = parse_proof_by_hash(br#"{"audit_path":[]}"#);
        assert!(matches!(no_index, Err(BodyError::Json(_))), "{no_index:?}");
        let body = json!({ "leaf_input": "!", "extra_data": "", "audit_path": [] }).to_string();
        let error = Err(BodyError::Base64 { field: "leaf_input" });
        assert_eq!(parse_entry_and_proof(body.as_bytes()), error);
    }
}
