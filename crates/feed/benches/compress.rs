//! The bytes that a compressed framing saves, and its cost: `cargo bench -p feed --bench compress`.
//!
//! Messages of about the form and variety of the lite stream, published in pages of some sizes to
//! one feed; bytes against the plain framing, and the CPU time that publishing takes above it.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fmt::Write;
use std::time::{Duration, Instant};

use feed::{Framing, Hub, Limits, Owner, Reader, Request, Stream};

const PAGES: [usize; 4] = [1, 5, 20, 50];
/// Messages published for each figure, so often; the best time counts.
const MESSAGES: usize = 5_000;
const ROUNDS: usize = 5;

/// Entries are their own messages.
struct Echo;

impl Stream for Echo {
    type Entry = Vec<u8>;
    type Message<'e> = &'e [u8];
    type Rendering = ();
    type Filter = ();

    fn weight(&self, entry: &Vec<u8>) -> usize {
        entry.len()
    }

    fn seen(&self, _: &Vec<u8>) -> u64 {
        0
    }

    fn read<'e>(&self, _: u64, entry: &'e Vec<u8>) -> &'e [u8] {
        entry
    }

    fn render(&self, (): (), message: &&[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(message);
    }

    fn filter_id((): &()) -> u64 {
        0
    }

    fn matching(&self, _: &[&[u8]], _: &mut Vec<(u64, u32)>) -> u64 {
        0
    }

    fn passes(&self, (): &(), _: &&[u8]) -> bool {
        true
    }
}

/// A generator of numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// Bytes in hexadecimal, with colons.
    fn hash(&mut self, bytes: usize) -> String {
        let bytes = (0..bytes).map(|_| format!("{:02X}", self.below(256)));
        bytes.collect::<Vec<_>>().join(":")
    }

    fn domain(&mut self) -> String {
        const SYLLABLES: [&str; 16] = [
            "ka", "lo", "mi", "ner", "tos", "ve", "ran", "di", "shop", "art", "web", "tec", "sol",
            "mar", "ing", "plus",
        ];
        let mut name = String::new();
        for _ in 0..2 + self.below(4) {
            name.push_str(self.pick(&SYLLABLES));
        }
        let end = self.pick(&["com", "net", "org", "de", "com.br", "co.uk", "example", "io"]);
        let host = self.pick(&["", "www.", "mail.", "api.", "*.", "cpanel."]);
        format!("{host}{name}.{end}")
    }
}

/// A message, about 1.6 kB.
fn message(random: &mut Random, index: usize) -> Vec<u8> {
    let (ca, organization, site) = [
        ("R10", "Example Encrypt", "r10.i.example-encrypt.org"),
        ("E7", "Example Encrypt", "e7.i.example-encrypt.org"),
        ("WR1", "Sample Trust Services", "i.pki.sample"),
        ("Invented RSA CA 2024", "Invented, Inc.", "crt.invented.example"),
    ][random.below(4)];
    let (log, url) = [
        ("Sample 'Argo2026h1'", "https://ct.sample.example/logs/us1/argo2026h1/"),
        ("Invented 'Cloud2026'", "https://ct.invented.example/logs/cloud2026/"),
    ][random.below(2)];
    let name = random.domain();
    let names: Vec<String> = (0..1 + random.below(3))
        .map(|i| if i == 0 { name.clone() } else { random.domain() })
        .collect();
    let mut alternative = String::new();
    for name in &names {
        write!(alternative, "{}DNS:{name}", if alternative.is_empty() { "" } else { ", " })
            .unwrap();
    }
    let sha1 = random.hash(20);
    let number = 1_111_000_000 + index;
    format!(
        r#"{{"message_type":"certificate_update","data":{{"update_type":"{kind}","leaf_cert":{{"subject":{{"aggregated":"/CN={name}","C":null,"ST":null,"L":null,"O":null,"OU":null,"CN":"{name}","email_address":null}},"issuer":{{"aggregated":"/C=US/CN={ca}/O={organization}","C":"US","ST":null,"L":null,"O":"{organization}","OU":null,"CN":"{ca}","email_address":null}},"extensions":{{"authorityInfoAccess":"CA Issuers - URI:http://{site}/\nOCSP - URI:http://o.{site}\n","authorityKeyIdentifier":"keyid:66:69:49:D4:DE:2A:9C:91:03:CF:89:0E:24:B8:0E:30:03:6E:88:2E\n","basicConstraints":"CA:FALSE","certificatePolicies":"Policy: 2.23.140.1.2.1","extendedKeyUsage":"TLS Web server authentication","keyUsage":"Digital Signature, Key Encipherment","subjectAltName":"{alternative}","subjectKeyIdentifier":"{key}"}},"not_before":{from}.0,"not_after":{until}.0,"serial_number":"{serial}","fingerprint":"{sha1}","sha1":"{sha1}","sha256":"{sha256}","signature_algorithm":"sha256, rsa","is_ca":false,"all_domains":{names:?}}},"cert_index":{number},"cert_link":"{url}ct/v1/get-entries?start={number}&end={number}","seen":{seen}.{milliseconds},"submission_timestamp":{seen}.1,"offset":{offset},"source":{{"name":"{log}","url":"{url}"}}}}}}"#,
        kind = random.pick(&["X509LogEntry", "PrecertLogEntry"]),
        key = random.hash(20),
        from = 1_779_296_000 + random.below(4000),
        until = 1_787_072_000 + random.below(4000),
        serial = random.hash(18).replace(':', ""),
        sha256 = random.hash(32),
        seen = 1_779_302_000 + index / 100,
        milliseconds = index % 1000,
        offset = 1_779_302_000_000_000 + index,
    )
    .into_bytes()
}

/// Returns the bytes that a reader gets, and the shortest time to publish them.
fn publish(framing: Framing, pages: &[Vec<Vec<u8>>]) -> (usize, Duration) {
    let mut best = Duration::MAX;
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let hub = Hub::new(Echo, Limits { chunk_bytes: 64 << 20, ..Limits::default() }, 1);
        let request =
            Request { rendering: (), framing, since: None, filter: None, owner: Owner::default() };
        let mut reader: Reader<Echo> =
            hub.subscribe(request).expect("the hub has no history").reader;
        let pages = pages.to_vec();
        let start = Instant::now();
        for page in pages {
            hub.publish(hub.next_offset(), page).unwrap();
        }
        best = best.min(start.elapsed());
        bytes = std::iter::from_fn(|| reader.next_bytes(usize::MAX)).map(|(b, _)| b.len()).sum();
    }
    (bytes, best)
}

fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        return; // `cargo test --all-targets` only asks whether it builds
    }
    let mut random = Random(1);
    let messages: Vec<Vec<u8>> = (0..MESSAGES).map(|index| message(&mut random, index)).collect();
    let total: usize = messages.iter().map(Vec::len).sum();
    println!("messages of {} bytes on average", total / MESSAGES);
    for size in PAGES {
        let pages: Vec<Vec<Vec<u8>>> = messages.chunks(size).map(<[_]>::to_vec).collect();
        for framing in [Framing::WebSocketDeflate, Framing::SseGzip] {
            let (plain, least) = publish(framing.plain(), &pages);
            let (bytes, time) = publish(framing, &pages);
            let ratio = plain as f64 / bytes as f64;
            let each = time.saturating_sub(least).as_secs_f64() * 1e6 / MESSAGES as f64;
            println!(
                "{size:>3} messages a chunk, {framing:?}: {ratio:.2} times smaller, {each:.1} us a message"
            );
        }
    }
}
