//! The cost of judging a certificate for thousands of filters at once:
//! `cargo bench -p wire --bench filter`.
//!
//! Prints microseconds per certificate, reading it for the filters included. The certificates are
//! made up, with names as they are: one to four for most, of words, brands and hosting labels. So
//! are the terms: domains and words of the same making, some of which are found.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use wire::filter::{Filter, Filters, Limits, Registered, Subject};
use wire::{Source, SourceKind};

/// Certificates judged at once, as a page of entries is.
const PAGE: usize = 64;

struct Leaf {
    names: Vec<String>,
    issuer: [&'static str; 2],
    source: usize,
}

/// Numbers as good as random, the same each time (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn word(&mut self) -> String {
        const SYLLABLES: &[&str] = &[
            "pay", "pal", "se", "cure", "log", "in", "mo", "bil", "e", "ban", "ka", "shop", "net",
            "flix", "goo", "gle", "ama", "zon", "web", "mail", "cloud", "host", "ing", "auto",
            "con", "fig", "ver", "ify", "tele", "kom", "data", "lab", "med", "ia", "tra", "vel",
            "x", "ing", "ton", "ber", "lin", "tok", "yo", "ri", "sta", "ging", "api", "dev", "o",
        ];
        (0..2 + self.below(3)).map(|_| self.of(SYLLABLES)).collect()
    }

    fn domain(&mut self) -> String {
        const TLDS: &[&str] = &["com", "com", "com", "net", "org", "de", "co.uk", "xyz", "shop"];
        let tld = self.of(TLDS);
        match self.below(4) {
            0 => format!("{}-{}.{tld}", self.word(), self.word()),
            1 => format!("{}{}.{tld}", self.word(), self.below(1000)),
            _ => format!("{}.{tld}", self.word()),
        }
    }

    fn leaf(&mut self) -> Leaf {
        const ISSUERS: &[[&str; 2]] = &[
            ["R10", "Let's Encrypt"],
            ["E6", "Let's Encrypt"],
            ["WE1", "Google Trust Services"],
            ["Sectigo RSA Domain Validation Secure Server CA", "Sectigo Limited"],
            ["DigiCert Global G2 TLS RSA SHA256 2020 CA1", "DigiCert Inc"],
            ["Amazon RSA 2048 M02", "Amazon"],
        ];
        const LABELS: &[&str] =
            &["*", "www", "mail", "autodiscover", "cpanel", "webdisk", "api", "dev-app-7f9c6b"];
        let domain = self.domain();
        let mut names = vec![domain.clone()];
        names.extend((0..self.below(4)).map(|_| format!("{}.{domain}", self.of(LABELS))));
        if self.below(50) == 0 {
            names.extend((0..98).map(|_| self.domain()));
        }
        Leaf { names, issuer: self.of(ISSUERS), source: self.below(8) }
    }

    /// Filters with this many different terms each, by a choice of parameters.
    fn filters(&mut self, count: usize, parameters: &[&str], each: usize) -> Vec<Filter> {
        let mut number = 0;
        let mut term = |random: &mut Self, parameter| {
            number += 1;
            match parameter {
                "domain" => random.domain(),
                "match" => random.word() + &random.word(),
                "issuer" => format!("{} ca {number}", random.word()),
                _ => format!("{}{}h1", random.word(), 2000 + number),
            }
        };
        let filters = (0..count).map(|_| {
            let pairs: Vec<_> = (0..each)
                .map(|_| {
                    let parameter = self.of(parameters);
                    (parameter, term(self, parameter))
                })
                .collect();
            Filter::parse(pairs, 20).unwrap().unwrap()
        });
        filters.collect()
    }
}

fn describe(leaf: &Leaf, sources: &[Source], subject: &mut Subject) {
    leaf.names.iter().for_each(|name| subject.add_name(name));
    leaf.issuer.iter().for_each(|name| subject.add_issuer(name));
    subject.set_log(&sources[leaf.source]);
}

/// Registers filters, and has them compacted as a server does.
fn registered(filters: &Filters, wanted: Vec<Filter>) -> Vec<Registered> {
    let start = Instant::now();
    let held = wanted
        .into_iter()
        .map(|filter| {
            let registered = filters.register(filter).unwrap();
            if filters.is_compaction_due() {
                filters.compact();
            }
            registered
        })
        .collect();
    let stats = filters.stats();
    println!(
        "  {} terms of {} filters registered in {:.0} ms",
        stats.terms,
        stats.filters,
        start.elapsed().as_secs_f64() * 1e3
    );
    held
}

/// In µs per certificate.
fn measure(name: &str, leaves: &[Leaf], wanted: Vec<Filter>) {
    println!("{name}");
    let sources: Vec<_> = (0..8)
        .map(|n| {
            let (name, url) = (format!("Example 'Log2026h{n}' log"), "https://ct.example/logs/");
            let id = "DleUvPOuqT4zGyyZB7P3kN+bwj1xMiXdIaklrGHFTiE=".to_owned();
            Source::new(name, &format!("{url}{n}"), "Example", SourceKind::Rfc6962, Some(id))
        })
        .collect();
    let filters = Filters::new(Limits { terms: 10_000, term_bytes: 10_000 * 64 });
    let held = registered(&filters, wanted);
    let mut found = Vec::new();
    let mut passed = 0;
    // The best of ten rounds for each page, so that what else the machine does counts little.
    let pages = leaves.chunks(PAGE).map(|page| {
        let rounds = (0..10).map(|_| {
            found.clear();
            let start = Instant::now();
            filters.matching(page, |leaf, subject| describe(leaf, &sources, subject), &mut found);
            start.elapsed().as_secs_f64() * 1e6
        });
        let best = rounds.fold(f64::INFINITY, f64::min);
        passed += black_box(&found).len();
        best
    });
    let each = pages.sum::<f64>() / leaves.len() as f64;
    let rate = passed as f64 / leaves.len() as f64;
    println!("  {each:.3} µs a certificate, which passes {rate:.2} filters");
    drop(held);
}

fn main() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let leaves: Vec<_> = (0..20_000).map(|_| random.leaf()).collect();
    let names: usize = leaves.iter().map(|leaf| leaf.names.len()).sum();
    let bytes: usize = leaves.iter().flat_map(|leaf| &leaf.names).map(String::len).sum();
    println!(
        "{} certificates with {:.1} names of {} bytes on average",
        leaves.len(),
        names as f64 / leaves.len() as f64,
        bytes / names
    );
    let mixed = ["domain", "domain", "match", "match", "issuer", "log"];
    measure("nothing registered", &leaves, Vec::new());
    measure("5,000 filters, mixed", &leaves, random.filters(5_000, &mixed, 2));
    measure("5,000 filters, domain only", &leaves, random.filters(5_000, &["domain"], 2));
    measure("5,000 filters, match only", &leaves, random.filters(5_000, &["match"], 2));

    // The worst that clients can do: every filter is looked at for every certificate, and none passes.
    let everything: Vec<_> = (0..5_000)
        .map(|n| {
            let rest =
                (0..18).map(|other| ("match", format!("never{:x}", (n >> other) % 500 + other)));
            let all = rest.chain([("domain", "com".to_owned()), ("match", format!("zz{n:x}"))]);
            Filter::parse(all, 20).unwrap().unwrap()
        })
        .collect();
    measure("hostile: 5,000 filters of 20 terms, all to be looked at", &leaves, everything);
    let letters = ('a'..='z').chain('0'..='9');
    let nested: Vec<_> = letters
        .flat_map(|letter| (3..=253).map(move |length| String::from(letter).repeat(length)))
        .map(|term| Filter::parse([("match", term)], 20).unwrap().unwrap())
        .take(4_900)
        .collect();
    let names =
        |n: usize| (0..n).map(|n| String::from(char::from(b'a' + (n % 19) as u8)).repeat(253));
    let leaf = Leaf { names: names(1000).collect(), issuer: ["R10", "Let's Encrypt"], source: 0 };
    measure("hostile: 1,000 names of 253 bytes in nested terms", &[leaf], nested);
}
