//! Look-ups in a journal: sightings, linked certificates, formats, and what is no longer kept.

use std::time::{Duration, Instant};

use axum::body::to_bytes;
use bytes::Bytes;
use journal::Settings;
use record::LogIdentity;
use serde_json::Value;

use super::*;
use crate::history::sample::{Entry, SETTINGS, Sample, certificate, log};

/// The time that indexing may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Answer {
    status: StatusCode,
    linked: Option<String>,
    body: Bytes,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let status = response.status();
        let linked = response.headers().get("certstream-linked");
        let linked = linked.map(|digest| digest.to_str().expect("ASCII").to_owned());
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        Self { status, linked, body }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("text")
    }
}

/// Repeats a look-up until the journal is indexed.
async fn indexed(look: impl AsyncFn() -> Response) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = Answer::of(look().await).await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
        assert!(Instant::now() < deadline, "the journal is not indexed: {}", answer.text());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Lookup {
    fn of(sample: &Sample) -> Self {
        let renderer = options::renderer(&Config::default());
        Self { recent: Arc::default(), history: Some(sample.history()), renderer }
    }

    async fn by_hash(&self, digest: &[u8], format: &str) -> Answer {
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let parameters = || Query(Parameters { format: Some(format.to_owned()) });
        indexed(async || cert(State(self.clone()), Path(hash.clone()), parameters()).await).await
    }

    async fn by_entry(&self, log: &str, index: u64) -> Answer {
        let place = || Path((log.to_owned(), index));
        let parameters = || Query(Parameters { format: None });
        indexed(async || entry(State(self.clone()), place(), parameters()).await).await
    }
}

fn logs() -> [LogIdentity; 2] {
    [log("One", "https://one.example", Some(1)), log("Two", "https://two.example", None)]
}

fn record(der: &Bytes) -> Entry {
    Entry::Record(der.clone(), Vec::new())
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[tokio::test]
async fn a_linked_certificate_is_found_by_its_own_hash_and_names_the_record() {
    let mut sample = Sample::new(SETTINGS);
    let [one, two] = logs();
    let der = certificate(&["example.com"], "Example");
    let offset = sample.append(&one, &[record(&der)]).first_offset;
    let linked = ct::sha256(b"the final certificate");
    sample.append(&two, &[Entry::Sighting(offset, None), Entry::Sighting(offset, Some(linked))]);
    let lookup = Lookup::of(&sample);

    let own = lookup.by_hash(&ct::sha256(&der), "json").await;
    assert_eq!((own.status, &own.linked), (StatusCode::OK, &None));
    let own = own.json();
    assert_eq!(own["linked"], Value::Null);
    assert_eq!(own["offset"], offset);
    let entries = own["sightings"].as_array().expect("a list").iter().map(|each| {
        let index = each["cert_index"].as_u64().expect("a number");
        (each["source"].as_str().expect("a name"), index, each["sha256"].as_str())
    });
    let fingerprint = hex(&linked);
    let expected = [("One", 0, None), ("Two", 0, None), ("Two", 1, Some(&*fingerprint))];
    assert_eq!(entries.collect::<Vec<_>>(), expected);

    for found in [lookup.by_hash(&linked, "json").await, lookup.by_entry("Two", 1).await] {
        assert_eq!((found.status, found.linked.as_ref()), (StatusCode::OK, Some(&fingerprint)));
        let found = found.json();
        assert_eq!(found["offset"], offset);
        assert_eq!(found["sha256"], hex(&ct::sha256(&der)));
        let linked = &found["linked"];
        let (source, index) = (&linked["source"], &linked["cert_index"]);
        assert_eq!((source, index), (&Value::from("Two"), &Value::from(1)));
        assert_eq!(linked["sha256"], *fingerprint);
    }
    // A sighting of the same certificate is linked to nothing.
    let same = lookup.by_entry("Two", 0).await;
    assert_eq!((same.status, &same.linked), (StatusCode::OK, &None));
    assert_eq!(same.json()["linked"], Value::Null);

    // The other formats have the certificate of the record, and say so.
    let raw = lookup.by_hash(&linked, "der").await;
    assert_eq!((raw.linked.as_ref(), &raw.body), (Some(&fingerprint), &der));
    let pem = lookup.by_hash(&linked, "pem").await;
    let lines: String = pem.text().lines().filter(|line| !line.starts_with('-')).collect();
    let decoded = base64_simd::STANDARD.decode_to_vec(lines).expect("base64");
    assert_eq!((pem.linked.as_ref(), decoded), (Some(&fingerprint), der.to_vec()));
}

#[tokio::test]
async fn an_entry_of_a_log_is_found_by_its_id_too() {
    let mut sample = Sample::new(SETTINGS);
    let [one, _] = logs();
    sample.append(&one, &[record(&certificate(&["a.example"], "A"))]);
    let lookup = Lookup::of(&sample);
    let id = one.id.expect("a key").to_string();
    let for_urls = id.replace('+', "-").replace('/', "_");
    for name in [&*id, &*for_urls, id.trim_end_matches('='), "One"] {
        assert_eq!(lookup.by_entry(name, 0).await.status, StatusCode::OK, "{name}");
    }
    for (name, index) in [("One", 1), ("Three", 0)] {
        assert_eq!(lookup.by_entry(name, index).await.status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn a_sighting_whose_record_was_deleted_is_gone_with_the_reason() {
    let segment_bytes = 8 << 10;
    let settings = Settings { segment_bytes, max_bytes: 4 * segment_bytes, ..SETTINGS };
    let mut sample = Sample::new(settings);
    let [one, two] = logs();
    let der = certificate(&["example.com"], "Example");
    let offset = sample.append(&one, &[record(&der)]).first_offset;
    let mut count = 0_u64;
    let mut fill = |sample: &mut Sample| {
        // Bytes that cannot be compressed, for 1 KiB.
        let mut bytes = Vec::new();
        while bytes.len() < 1024 {
            count += 1;
            bytes.extend_from_slice(&ct::sha256(&count.to_be_bytes()));
        }
        sample.append(&one, &[record(&bytes.into())]);
        sample.journal().sync().expect("it is synced");
    };
    while sample.journal().segments().len() < 3 {
        fill(&mut sample);
    }
    let linked = ct::sha256(b"the final certificate");
    sample.append(&two, &[Entry::Sighting(offset, None), Entry::Sighting(offset, Some(linked))]);
    while sample.journal().oldest().is_some_and(|oldest| oldest <= offset) {
        fill(&mut sample);
    }
    let lookup = Lookup::of(&sample);
    let gone = [
        lookup.by_entry("Two", 0).await,
        lookup.by_entry("Two", 1).await,
        lookup.by_hash(&linked, "pem").await,
    ];
    for answer in gone {
        assert_eq!(answer.status, StatusCode::GONE, "{}", answer.text());
        let text = answer.text();
        assert!(text.contains(&format!("published at offset {offset}, which")), "{text}");
        assert!(text.contains("journal.max_bytes"), "{text}");
    }
    // Nothing that is kept names them.
    for answer in [lookup.by_hash(&ct::sha256(&der), "der").await, lookup.by_entry("One", 0).await]
    {
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}
