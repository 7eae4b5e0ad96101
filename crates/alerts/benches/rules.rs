//! The cost of thousands of rules: `cargo bench -p alerts --bench rules`.
//!
//! Prints microseconds of CPU time per certificate, with reading it for the rules, and the memory of the rules.
//! Names are made of syllables, one to four for most certificates, as are the names to protect, so
//! that some are alike. Every certificate comes twice, as a precertificate and a final certificate
//! do, a thousand certificates apart.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Duration;

use alerts::{Candidate, Rule, Rules};
use wire::filter::Subject;

/// Numbers as good as random, the same each time (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % bound as u64) as usize
    }

    fn of(&mut self, texts: &str) -> String {
        let count = texts.split(' ').count();
        texts.split(' ').nth(self.below(count)).unwrap_or_default().to_owned()
    }

    /// A word of two to four syllables.
    fn word(&mut self) -> String {
        const FIRST: &str = "b br c ch d dr f fl g gr h k l m n p pl qu r s st t tr v w z";
        const THEN: &str = "a e i o u ai ea io an en in on er or al";
        (0..2 + self.below(3)).map(|_| self.of(FIRST) + &self.of(THEN)).collect()
    }

    fn domain(&mut self) -> String {
        let suffix = self.of("com com com net org de co.uk xyz shop io");
        match self.below(4) {
            0 => format!("{}-{}.{suffix}", self.word(), self.word()),
            1 => format!("{}{}.{suffix}", self.word(), self.below(1000)),
            _ => format!("{}.{suffix}", self.word()),
        }
    }

    fn names(&mut self) -> Vec<String> {
        let domain = self.domain();
        let mut names = vec![domain.clone()];
        for _ in 0..self.below(4) {
            let label = match self.below(3) {
                0 => self.word(),
                _ => self.of("* www mail autodiscover cpanel webdisk api staging vpn"),
            };
            names.push(format!("{label}.{domain}"));
        }
        if self.below(50) == 0 {
            names.extend((0..98).map(|_| self.domain()));
        }
        names
    }

    fn rule(&mut self, number: usize, lookalikes: bool) -> Rule {
        let mut rule = Rule { name: format!("rule {number}"), ..Rule::default() };
        let word = self.word() + &self.word();
        match number % 4 {
            _ if lookalikes => rule.lookalike = vec![format!("{}.com", self.word())],
            0 | 1 => rule.domain = vec![self.domain()],
            2 => rule.matches = vec![word],
            _ => rule.regex = vec![format!("^{word}[0-9]*\\.")],
        }
        // A word of four letters or fewer may be too short to be protected.
        if rule.check().is_ok() { rule } else { self.rule(number, lookalikes) }
    }
}

/// CPU time of this thread, so that what else the machine does counts little.
fn cpu_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(statistics.split(' ').next().unwrap().parse().unwrap())
}

/// Bytes of the process that are in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

fn measure(title: &str, certificates: &[Vec<String>], rules: &[Rule]) {
    let (memory, start) = (resident(), cpu_time());
    let mut rules = Rules::new(rules).unwrap();
    let built = (cpu_time() - start).as_secs_f64() * 1e3;
    let memory = resident().saturating_sub(memory);
    let (mut subject, mut found, mut matches) = (Subject::default(), Vec::new(), 0);
    let rounds = (0..5).map(|_| {
        let start = cpu_time();
        for names in certificates {
            subject.clear();
            names.iter().for_each(|name| subject.add_name(name));
            subject.add_issuer("R10");
            subject.add_issuer("Let's Encrypt");
            found.clear();
            let candidate = Candidate { subject: &subject, der: &[], sha256: &[0; 32] };
            rules.matching(&candidate, &mut found);
            matches += black_box(&found).len();
        }
        (cpu_time() - start).as_secs_f64() * 1e6 / certificates.len() as f64
    });
    let best = rounds.fold(f64::INFINITY, f64::min);
    println!("{title}");
    println!("  {best:.2} µs a certificate, the best of five rounds");
    println!("  {:.4} matches a certificate", matches as f64 / 5.0 / certificates.len() as f64);
    println!("  {:.1} MB, prepared in {built:.0} ms", memory as f64 / 1e6);
}

fn main() {
    let mut random = Random(1);
    let mut certificates = Vec::new();
    for _ in 0..50 {
        let thousand: Vec<_> = (0..1000).map(|_| random.names()).collect();
        certificates.extend(thousand.clone());
        certificates.extend(thousand);
    }
    let names: usize = certificates.iter().map(Vec::len).sum();
    let count = certificates.len();
    println!("{count} certificates with {:.1} names on average", names as f64 / count as f64);
    measure("no rule", &certificates, &[]);
    let others: Vec<_> = (0..2500).map(|number| random.rule(number, false)).collect();
    measure("2,500 rules without lookalikes", &certificates, &others);
    let lookalikes: Vec<_> = (2500..5000).map(|number| random.rule(number, true)).collect();
    measure("2,500 rules with a lookalike", &certificates, &lookalikes);
    measure(
        "5,000 rules, half of them with a lookalike",
        &certificates,
        &[others, lookalikes].concat(),
    );
}
