//! Invented host names and addresses, shaped like those of the web.

use crate::pki::der;
use crate::pki::random::Random;

const FIRST: &[&str] = &[
    "alpine", "amber", "arctic", "blue", "bright", "cedar", "city", "clear", "cloud", "copper",
    "coral", "delta", "east", "ember", "fair", "fern", "first", "frost", "global", "golden",
    "grand", "green", "harbor", "hill", "iron", "ivory", "lake", "linden", "lunar", "maple",
    "meadow", "metro", "mint", "north", "nova", "ocean", "olive", "open", "orchid", "pacific",
    "pine", "polar", "prime", "quick", "rapid", "red", "river", "royal", "ruby", "sage", "silver",
    "sky", "solar", "stone", "summit", "sunny", "swift", "true", "urban", "vale", "velvet", "west",
    "wild", "winter",
];
const SECOND: &[&str] = &[
    "academy",
    "bakery",
    "bank",
    "bikes",
    "books",
    "cafe",
    "care",
    "clinic",
    "coffee",
    "cycle",
    "dental",
    "design",
    "digital",
    "energy",
    "events",
    "farm",
    "finance",
    "fitness",
    "flowers",
    "foods",
    "garden",
    "gear",
    "group",
    "health",
    "homes",
    "hosting",
    "hotel",
    "invest",
    "kitchen",
    "labs",
    "legal",
    "logistics",
    "market",
    "media",
    "motors",
    "music",
    "news",
    "optics",
    "parts",
    "pay",
    "pharma",
    "photo",
    "print",
    "realty",
    "records",
    "repair",
    "school",
    "shop",
    "soft",
    "solutions",
    "sports",
    "studio",
    "supply",
    "systems",
    "tech",
    "tickets",
    "tools",
    "toys",
    "travel",
    "trust",
    "video",
    "wines",
    "works",
    "yoga",
];
const SUFFIXES: &[&str] = &[
    "com", "com", "com", "com", "com", "com", "net", "org", "de", "co.uk", "io", "fr", "com.br",
    "nl", "shop", "app", "dev", "online", "xyz", "it", "es", "pl", "eu", "info", "com.au", "ru",
    "in", "jp", "ca", "ch",
];
const SERVICES: &[&str] = &[
    "api",
    "app",
    "autodiscover",
    "admin",
    "beta",
    "blog",
    "cdn",
    "cpanel",
    "cpcalendars",
    "dev",
    "docs",
    "files",
    "ftp",
    "git",
    "grafana",
    "id",
    "img",
    "login",
    "m",
    "mail",
    "portal",
    "remote",
    "shop",
    "smtp",
    "staging",
    "static",
    "status",
    "test",
    "vpn",
    "webmail",
    "wiki",
];
/// Labels of other scripts, in the form DNS carries (RFC 5891).
const IDN: &[&str] = &[
    "xn--bcher-kva",
    "xn--caf-dma",
    "xn--mnchen-3ya",
    "xn--zrich-kva",
    "xn--jrgen-kva",
    "xn--fsqu00a",
    "xn--r8jz45g",
    "xn--e1afmkfd",
    "xn--hxajbheg2az3al",
    "xn--mgbh0fb",
];
/// `CommonName` holds at most 64 characters (RFC 5280, appendix A.1).
const LONGEST_COMMON_NAME: usize = 64;

/// The names of one certificate; kept between certificates to save its buffers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The content of `GeneralNames`.
    pub(crate) general_names: Vec<u8>,
    /// The subject's common name, or nothing.
    pub(crate) common_name: String,
    domain: String,
    name: String,
}

impl Names {
    /// Draws the names of another certificate.
    pub(crate) fn draw(&mut self, random: &mut Random) {
        self.general_names.clear();
        self.common_name.clear();
        if random.chance(10) {
            self.put_addresses(random);
            return;
        }
        self.draw_domain(random);
        match random.below(1000) {
            0..420 => self.draw_single(random),
            420..850 => self.draw_pair(random),
            850..940 => self.draw_many(3 + random.below(3), random),
            940..985 => self.draw_many(4 + random.below(9), random),
            985..999 => self.draw_many(10 + random.below(31), random),
            _ => self.draw_many(41 + random.below(60), random),
        }
        if random.chance(100) || self.common_name.len() > LONGEST_COMMON_NAME {
            self.common_name.clear();
        }
    }

    /// Takes the names of a certificate for a domain and what is below it, in place of what was drawn.
    pub(crate) fn plant(&mut self, domain: &str, below: &[&str]) {
        self.general_names.clear();
        self.common_name.clear();
        domain.clone_into(&mut self.domain);
        self.put("");
        if self.common_name.len() > LONGEST_COMMON_NAME {
            self.common_name.clear();
        }
        for label in below {
            self.put(label);
        }
    }

    fn draw_domain(&mut self, random: &mut Random) {
        self.domain.clear();
        if random.chance(20) {
            self.domain.push_str(random.pick(IDN));
        } else {
            self.domain.push_str(random.pick(FIRST));
            if random.chance(300) {
                self.domain.push('-');
            }
            self.domain.push_str(random.pick(SECOND));
        }
        if random.chance(600) {
            push_number(&mut self.domain, random.below(10_000));
        }
        self.domain.push('.');
        self.domain.push_str(random.pick(SUFFIXES));
    }

    fn draw_single(&mut self, random: &mut Random) {
        match random.below(10) {
            0..4 => self.put(""),
            4..9 => self.put(random.pick(SERVICES)),
            _ => self.put("*"),
        }
    }

    fn draw_pair(&mut self, random: &mut Random) {
        let other = if random.chance(600) { "www" } else { "*" };
        let (first, second) = if random.chance(500) { ("", other) } else { (other, "") };
        self.put(first);
        self.put(second);
    }

    /// Generates names as content networks and hosting panels request them: several below each of
    /// several domains.
    fn draw_many(&mut self, count: usize, random: &mut Random) {
        let from = random.below(SERVICES.len());
        for position in 0..count {
            match position % 8 {
                0 => {
                    if position > 0 {
                        self.draw_domain(random);
                    }
                    self.put("");
                }
                1 => self.put("www"),
                place => self.put(SERVICES[(from + place) % SERVICES.len()]),
            }
        }
    }

    /// Adds the name with this first label, or the domain itself.
    fn put(&mut self, label: &str) {
        self.name.clear();
        self.name.push_str(label);
        if !label.is_empty() {
            self.name.push('.');
        }
        self.name.push_str(&self.domain);
        if self.general_names.is_empty() {
            self.common_name.push_str(&self.name);
        }
        der::value(&mut self.general_names, der::context(2), self.name.as_bytes());
    }

    /// One address of the blocks kept for documentation (RFC 5737, RFC 3849), or one of either family.
    fn put_addresses(&mut self, random: &mut Random) {
        let [a, b, ..] = random.next().to_be_bytes();
        der::value(&mut self.general_names, der::context(7), &[203, 0, 113, a]);
        if random.chance(300) {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
            address[14..].copy_from_slice(&[a, b]);
            der::value(&mut self.general_names, der::context(7), &address);
        }
    }
}

fn push_number(text: &mut String, number: usize) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    if write!(text, "{number}").is_err() {
        text.push('0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content of each GeneralName; all are shorter than 128 bytes.
    fn split(mut names: &[u8]) -> Vec<(u8, &[u8])> {
        let mut out = Vec::new();
        while let [tag, length, rest @ ..] = names {
            let (content, rest) = rest.split_at((*length).into());
            out.push((*tag, content));
            names = rest;
        }
        out
    }

    #[test]
    fn generated_names_have_the_distribution_of_the_web() {
        let mut names = Names::default();
        let mut random = Random::of(1, 2, 3);
        let (mut total, mut most, mut addresses, mut idn, mut wildcards) = (0, 0, 0, 0, 0);
        for _ in 0..20_000 {
            names.draw(&mut random);
            let list = split(&names.general_names);
            total += list.len();
            most = most.max(list.len());
            addresses += usize::from(list.iter().all(|(tag, _)| *tag == 0x87));
            idn += usize::from(list.iter().any(|(_, name)| name.starts_with(b"xn--")));
            wildcards += usize::from(list.iter().any(|(_, name)| name.starts_with(b"*.")));
            let distinct: std::collections::BTreeSet<_> = list.iter().collect();
            assert!(distinct.len() * 100 >= list.len() * 90, "{list:?}");
            assert!(names.common_name.len() <= 64);
        }
        let mean = total as f64 / 20_000.0;
        assert!((2.2..2.6).contains(&mean), "{mean}");
        assert!((41..=100).contains(&most), "{most}");
        assert!((100..300).contains(&addresses), "{addresses}");
        assert!((100..600).contains(&idn), "{idn}");
        assert!((2_000..6_000).contains(&wildcards), "{wildcards}");
    }
}
