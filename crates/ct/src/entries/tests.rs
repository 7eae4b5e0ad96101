//! Tests of reading get-entries responses.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::encoding::to_base64;

fn page(entries: &[(Vec<u8>, Vec<u8>)]) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|(leaf, extra)| {
            format!(r#"{{"leaf_input":"{}","extra_data":"{}"}}"#, to_base64(leaf), to_base64(extra))
        })
        .collect();
    format!(r#"{{"entries":[{}]}}"#, entries.join(","))
}

#[test]
fn pages() {
    let none: [&[u8]; 3] =
        [br#"{"entries":[]}"#, br#"{"entries":null}"#, br#"{"entries":[],"x":{"y":[1]}}"#];
    for body in none {
        assert_eq!(parse_get_entries(body), Ok(vec![]));
    }
    let escaped = br#" {"entries": [{"extra_data": "", "leaf_input": "\/\/8=", "more": null}]} "#;
    let entry =
        RawEntry { leaf_input: Bytes::from_static(&[0xff, 0xff]), extra_data: Bytes::new() };
    assert_eq!(parse_get_entries(escaped), Ok(vec![entry]));
}

#[test]
fn invalid_pages_are_refused() {
    let base64 = |field| BodyError::Base64 { field };
    for (body, error) in [
        (r#"{"entries":[{"leaf_input":"AA=","extra_data":""}]}"#, base64("leaf_input")),
        (r#"{"entries":[{"leaf_input":"","extra_data":"A_=="}]}"#, base64("extra_data")),
        (r#"{"entries":[{"leaf_input":"AAAA\n","extra_data":""}]}"#, base64("leaf_input")),
        ("<html><title>Not found</title>", BodyError::Html("Not found".into())),
    ] {
        assert_eq!(parse_get_entries(body.as_bytes()), Err(error), "{body}");
    }
    let no_field = r#"{"error_message":"start beyond the tree"}"#;
    let no_extra = r#"{"entries":[{"leaf_input":""}]}"#;
    for body in
        ["", "[]", "{", no_field, no_extra, r#"{"entries":[],"entries":[]}"#, r#"{"entries":[]} x"#]
    {
        assert!(matches!(parse_get_entries(body.as_bytes()), Err(BodyError::Json(_))), "{body}");
    }
}

proptest! {
    #[test]
    fn entries_round_trip(
        entries in vec((vec(any::<u8>(), 0..200), vec(any::<u8>(), 0..200)), 0..20),
    ) {
        let read = parse_get_entries(page(&entries).as_bytes()).unwrap();
        let read: Vec<_> =
            read.into_iter().map(|e| (e.leaf_input.to_vec(), e.extra_data.to_vec())).collect();
        prop_assert_eq!(read, entries);
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in vec(any::<u8>(), 0..200)) {
        parse_get_entries(&bytes).ok();
    }
}
