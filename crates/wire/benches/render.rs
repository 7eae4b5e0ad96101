//! The cost of a certificate, written as a message and read back:
//! `cargo bench -p wire --bench render`.
//!
//! Prints nanoseconds per certificate over real leaves from ../shared/data, or over the sample of
//! this crate where there are none. The digests alone, in the same run, are the measure to compare
//! with: nothing can be cheaper than they are.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use cert::Certificate;
use ct::leaf::EntryType;
use record::Record;
use wire::{Event, Issuer, Profile, Renderer, Source, SourceKind, StreamKind, decode};

struct Leaf {
    record: Record,
    chain: Vec<Arc<Issuer>>,
}

impl Leaf {
    fn new(der: &[u8], chain: Vec<Arc<Issuer>>) -> Self {
        let (index, submitted, der) = (1_234_567_890, 1_700_000_000_123, der.to_vec().into());
        let record = Record::as_read(index, submitted, EntryType::X509, der, Vec::new());
        Self { record: Record { seen: 1_795_309_794_870, ..record }, chain }
    }

    fn der(&self) -> &[u8] {
        &self.record.certificate
    }
}

fn live_leaves() -> Option<Vec<Leaf>> {
    let file = "../../../shared/data/rfc6962/certstream-live/live_ct.json";
    let json = std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)).ok()?;
    let entries: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
    let base64 = |entry: &serde_json::Value, field: &str| {
        base64_simd::STANDARD.decode_to_vec(entry[field].as_str().unwrap()).unwrap()
    };
    let leaves = entries.iter().map(|entry| {
        let leaf_input = base64(entry, "leaf_input");
        let leaf = ct::leaf::Leaf::parse(&leaf_input).unwrap();
        let extra_data = base64(entry, "extra_data");
        let extra = ct::leaf::ExtraData::parse(leaf.entry_type(), &extra_data).unwrap();
        let chain =
            extra.chain.iter().map(|der| Arc::new(Issuer::new(der.to_vec().into()))).collect();
        let der = match leaf.entry {
            ct::leaf::LeafEntry::X509 { certificate } => certificate,
            ct::leaf::LeafEntry::Precert { .. } => extra.precertificate.unwrap(),
        };
        Leaf::new(der, chain)
    });
    Some(leaves.collect())
}

fn sample_leaves() -> Vec<Leaf> {
    let chain =
        vec![Arc::new(Issuer::new(include_bytes!("../src/sample/issuer.der").to_vec().into()))];
    vec![Leaf::new(include_bytes!("../src/sample/leaf.der"), chain)]
}

/// `--exactly NAME ROUNDS`: does this work so often and measures nothing, for a tool that counts
/// instructions (`instructions.sh`).
fn exactly() -> Option<(String, usize)> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--exactly").skip(1);
    Some((arguments.next()?, arguments.next()?.parse().ok()?))
}

/// The best of ten rounds, in ns per certificate.
fn measure<T>(name: &str, items: &[T], mut work: impl FnMut(&T)) {
    if let Some((wanted, rounds)) = exactly() {
        for _ in 0..if wanted == name { rounds } else { 0 } {
            items.iter().for_each(&mut work);
        }
        return;
    }
    let rounds = 100_000 / items.len();
    let best = (0..10).map(|_| {
        let start = Instant::now();
        for _ in 0..rounds / 10 {
            items.iter().for_each(&mut work);
        }
        start.elapsed().as_nanos() / (rounds / 10 * items.len()) as u128
    });
    println!("{name:<32}{:>8} ns", best.min().unwrap());
}

fn main() {
    let leaves = live_leaves().unwrap_or_else(|| {
        println!("../shared/data is not here: measuring the sample");
        sample_leaves()
    });
    let bytes: usize = leaves.iter().map(|leaf| leaf.der().len()).sum();
    println!("{} certificates of {} bytes on average", leaves.len(), bytes / leaves.len());

    measure("digests", &leaves, |leaf| {
        use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
        black_box(digest(&SHA1_FOR_LEGACY_USE_ONLY, leaf.der()));
        black_box(digest(&SHA256, leaf.der()));
    });
    measure("read, digests included", &leaves, |leaf| {
        black_box(Certificate::read(leaf.der()));
    });

    let source = Source::new("Log", "https://ct.example", "Operator", SourceKind::Rfc6962, None);
    let read: Vec<_> = leaves.iter().map(|leaf| (leaf, Certificate::read(leaf.der()))).collect();
    let mut out = Vec::with_capacity(1 << 20);
    for profile in Profile::ALL {
        for kind in StreamKind::ALL {
            let mut written = 0;
            measure(&format!("{} {kind:?}", profile.name()), &read, |(leaf, certificate)| {
                out.clear();
                let event = event(&source, leaf, certificate);
                Renderer::default().render(kind, profile, &event, black_box(&mut out));
                written = out.len();
            });
            black_box(written);
        }
    }
    for kind in [StreamKind::Lite, StreamKind::Full] {
        measure(&format!("read + calidog {kind:?}"), &leaves, |leaf| {
            out.clear();
            let certificate = Certificate::read(leaf.der());
            let event = event(&source, leaf, &certificate);
            Renderer::default().render(kind, Profile::Calidog, &event, black_box(&mut out));
        });
    }
    for profile in Profile::ALL {
        for kind in StreamKind::ALL {
            let renderer = Renderer { skip_empty_domains: false, ..Renderer::default() };
            let messages: Vec<_> = read
                .iter()
                .map(|(leaf, certificate)| {
                    let mut message = Vec::new();
                    renderer.render(
                        kind,
                        profile,
                        &event(&source, leaf, certificate),
                        &mut message,
                    );
                    message
                })
                .collect();
            let bytes: usize = messages.iter().map(Vec::len).sum();
            let name = format!("decode {} {kind:?}, {} B", profile.name(), bytes / messages.len());
            measure(&name, &messages, |message| {
                black_box(decode(message).unwrap());
            });
        }
    }
}

fn event<'a>(source: &'a Source, leaf: &'a Leaf, certificate: &'a Certificate<'a>) -> Event<'a> {
    Event {
        offset: 1_795_309_794_870_123,
        record: &leaf.record,
        source,
        certificate,
        chain: &leaf.chain,
    }
}
