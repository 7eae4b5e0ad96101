//! The log table: a log keeps its number, and no two logs share one.

use ct::LogId;
use record::{Batch, BatchHash, LogChange, LogIdentity, LogNumber, Protocol, Refused, StreamId};

use crate::stream::Stream;

fn log(id: Option<u8>, url: &str, name: &str) -> LogIdentity {
    LogIdentity {
        id: id.map(|id| LogId([id; 32])),
        url: url.to_owned(),
        name: name.to_owned(),
        operator: String::new(),
        protocol: Protocol::Rfc6962,
    }
}

fn apply(stream: &mut Stream, rows: &[(u32, LogIdentity)]) -> Result<(), Refused> {
    let mut batch = Batch::new(stream.state.next_header(), stream.state.next_offset());
    batch.logs = rows
        .iter()
        .map(|(number, identity)| LogChange {
            number: LogNumber(*number),
            identity: identity.clone(),
        })
        .collect();
    stream.state.apply(&batch, BatchHash::NONE)
}

fn number(stream: &Stream, identity: &LogIdentity) -> (u32, bool) {
    let (number, change) = stream.state.row(identity);
    (number.0, change.is_some())
}

#[test]
fn a_log_is_found_by_its_id_and_otherwise_by_its_url() {
    let mut stream = Stream::new();
    let rows = [(0, log(Some(1), "https://a", "A")), (1, log(None, "https://b", "B"))];
    apply(&mut stream, &rows).expect("fits");
    assert_eq!(number(&stream, &rows[0].1), (0, false));
    assert_eq!(number(&stream, &log(Some(1), "https://moved", "A")), (0, true));
    assert_eq!(number(&stream, &log(Some(2), "https://a", "another log")), (2, true));
    assert_eq!(number(&stream, &log(Some(3), "https://b", "B")), (1, true), "its id is now known");
    assert_eq!(number(&stream, &log(None, "https://c", "C")), (2, true));
    let (_, change) = stream.state.row(&log(None, "https://a", "A, renamed"));
    let kept = log(Some(1), "https://a", "A, renamed");
    assert_eq!(change.map(|change| change.identity), Some(kept), "its id stays known");
}

#[test]
fn a_row_that_does_not_fit_is_refused() {
    let mut stream = Stream::new();
    let rows = [(0, log(Some(1), "https://a", "A")), (1, log(None, "https://b", "B"))];
    apply(&mut stream, &rows).expect("fits");
    let cases = [
        ("a number left out", 3, log(Some(4), "https://c", "C")),
        ("a second number", 2, log(Some(1), "https://c", "A")),
        ("a second number for a URL", 2, log(None, "https://b", "B")),
        ("another id", 0, log(Some(2), "https://a", "A")),
        ("an id forgotten", 0, log(None, "https://a", "A")),
        ("another URL without an id", 1, log(None, "https://c", "B")),
        ("an id that another has", 1, log(Some(1), "https://b", "B")),
    ];
    for (name, number, identity) in cases {
        let refused = apply(&mut stream, &[(number, identity)]);
        assert_eq!(refused, Err(Refused::LogRow(number)), "{name}");
    }
    let both = [(2, log(Some(5), "https://c", "C")), (3, log(Some(5), "https://d", "D"))];
    assert_eq!(apply(&mut stream, &both), Err(Refused::LogRow(3)));
    let moved = [(0, log(Some(1), "https://moved", "A")), (1, log(Some(7), "https://b", "B"))];
    assert_eq!(apply(&mut stream, &moved), Ok(()));
}

#[test]
fn stream_ids_are_eight_letters_and_digits() {
    for random in [0, 1, 61, 62, u64::MAX] {
        let id = StreamId::from_random(random);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.as_str().len(), 8);
    }
    assert_ne!(StreamId::from_random(1), StreamId::from_random(2));
    for wrong in ["", "1234567", "123456789", "1234567é", "1234 678", "12345-78"] {
        assert!(wrong.parse::<StreamId>().is_err(), "{wrong:?}");
    }
}
