//! The answers of RFC 6962 section 4.

use base64_simd::STANDARD;
use ct::Hash;
use ct::merkle::{ProofError, consistency_proof, inclusion_proof};
use serde_json::json;

use crate::fault::Fault;
use crate::http::answer::Answer;
use crate::http::page::Page;
use crate::log::Log;
use crate::log::entries::EntryBuffer;
use crate::log::view::View;

/// The limit and alignment of get-entries responses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pages {
    /// The most entries in an answer.
    pub(crate) limit: u64,
    /// True if a response ends at the next multiple of `limit`.
    pub(crate) aligned: bool,
}

impl Pages {
    /// The index after the last entry answered when `start` to `end`, included, are asked of `size`.
    fn end(self, start: u64, end: u64, size: u64) -> u64 {
        let limit = match self.aligned {
            true => (start / self.limit).saturating_add(1).saturating_mul(self.limit),
            false => start.saturating_add(self.limit),
        };
        end.saturating_add(1).min(size).min(limit)
    }
}

/// Section 4.6.
pub(crate) fn get_entries(
    log: &Log,
    [start, end]: [u64; 2],
    pages: Pages,
    fault: Option<&Fault>,
) -> Answer {
    let size = log.size();
    if start > end {
        return Answer::bad_request(format!("start {start} is greater than end {end}"));
    }
    if start >= size {
        return Answer::bad_request(format!("start {start} is not in a tree of {size} entries"));
    }
    let mut page = Page::new(log, start..pages.end(start, end, size), fault);
    let indexes = page.indexes.clone();
    let mut buffer = EntryBuffer::default();
    let mut out: Vec<u8> = Vec::new();
    out.extend_from_slice(br#"{"entries":["#);
    for index in indexes.clone() {
        page.read(index, &mut buffer);
        if index == start {
            // Most entries are about as long; growing by doubling would copy megabytes.
            let guess = (buffer.leaf_input.len() + buffer.extra.len()) * 3 / 2 + 64;
            out.reserve(guess * (indexes.end - start) as usize);
        } else {
            out.push(b',');
        }
        put_entry(&mut out, &buffer);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Answer::json(out)
}

/// Section 4.4.
pub(crate) fn get_sth_consistency(view: View<'_>, first: u64, second: u64) -> Answer {
    let size = view.log.size();
    if second > size {
        return Answer::bad_request(format!(
            "second {second} is beyond the {size} entries there are"
        ));
    }
    match consistency_proof(first, second, &|level, index| view.node(level, index)) {
        Ok(proof) => Answer::json(json!({ "consistency": base64(&proof) }).to_string()),
        Err(error) => Answer::bad_request(error.to_string()),
    }
}

/// Section 4.5.
pub(crate) fn get_proof_by_hash(view: View<'_>, hash: &Hash, tree_size: u64) -> Answer {
    if tree_size > view.log.size() {
        return Answer::bad_request(format!("there is no tree of {tree_size} entries"));
    }
    let Some(index) = view.find(hash, tree_size) else {
        return Answer::not_found("no leaf with this hash is among the newest entries");
    };
    match audit_path(view, index, tree_size) {
        Ok(path) => {
            Answer::json(json!({ "leaf_index": index, "audit_path": base64(&path) }).to_string())
        }
        Err(error) => Answer::bad_request(error.to_string()),
    }
}

/// Section 4.8.
pub(crate) fn get_entry_and_proof(view: View<'_>, leaf_index: u64, tree_size: u64) -> Answer {
    if tree_size > view.log.size() {
        return Answer::bad_request(format!("there is no tree of {tree_size} entries"));
    }
    let path = match audit_path(view, leaf_index, tree_size) {
        Ok(path) => path,
        Err(error) => return Answer::bad_request(error.to_string()),
    };
    let mut buffer = EntryBuffer::default();
    view.read(leaf_index, &mut buffer);
    let mut out = Vec::new();
    put_entry(&mut out, &buffer);
    let path = json!(base64(&path)).to_string();
    out.extend_from_slice(br#","audit_path":"#);
    out.extend_from_slice(path.as_bytes());
    out.push(b'}');
    Answer::json(out)
}

/// Section 4.7.
pub(crate) fn get_roots(log: &Log) -> Answer {
    let roots: Vec<_> =
        log.authorities.roots.iter().map(|der| STANDARD.encode_to_string(der)).collect();
    Answer::json(json!({ "certificates": roots }).to_string())
}

/// Appends the entry as a JSON object without its closing brace.
fn put_entry(out: &mut Vec<u8>, entry: &EntryBuffer) {
    out.extend_from_slice(br#"{"leaf_input":""#);
    STANDARD.encode_append(&entry.leaf_input, out);
    out.extend_from_slice(br#"","extra_data":""#);
    STANDARD.encode_append(&entry.extra, out);
    out.push(b'"');
}

fn audit_path(view: View<'_>, index: u64, size: u64) -> Result<Vec<Hash>, ProofError> {
    inclusion_proof(index, size, &|level, index| view.node(level, index))
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode_to_string(hash)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_at_the_limit_or_at_its_multiples() {
        let free = Pages { limit: 100, aligned: false };
        assert_eq!(free.end(30, 49, 1_000), 50);
        assert_eq!(free.end(30, 999, 1_000), 130);
        assert_eq!(free.end(950, u64::MAX, 1_000), 1_000);
        let aligned = Pages { aligned: true, ..free };
        assert_eq!(aligned.end(30, 49, 1_000), 50);
        assert_eq!(aligned.end(30, 999, 1_000), 100);
        assert_eq!(aligned.end(100, 999, 1_000), 200);
        assert_eq!(aligned.end(950, 999, 990), 990);
    }
}
