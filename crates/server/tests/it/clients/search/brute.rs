//! Searches by looking at every message: the independent model.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

/// A message, as far as searches look at it.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) offset: u64,
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    issuer: Vec<String>,
    whole_issuer: String,
    log: Vec<String>,
    is_precert: bool,
    serial: String,
    sha256: String,
    seen: f64,
}

/// The query of a search.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    domains: Vec<String>,
    parts: Vec<String>,
    issuer: Option<String>,
    log: Option<String>,
    serial: Option<String>,
    address: Option<IpAddr>,
    is_precert: Option<bool>,
    since: Option<u64>,
    until: Option<u64>,
    since_time: Option<f64>,
    unique: Option<&'static str>,
    is_oldest: bool,
}

/// The results: offsets, with the names that are new.
#[derive(Debug, Clone, Default)]
pub(super) struct Results(Vec<(u64, BTreeSet<String>)>);

impl Results {
    pub(super) fn offsets(&self) -> Vec<u64> {
        self.0.iter().map(|(offset, _)| *offset).collect()
    }

    pub(super) fn names(&self) -> Vec<BTreeSet<String>> {
        self.0.iter().map(|(_, names)| names.clone()).collect()
    }
}

impl Message {
    /// Reads a message of the full stream.
    pub(super) fn read(message: &Value) -> Self {
        let data = &message["data"];
        let leaf = &data["leaf_cert"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
        let names = leaf["all_domains"].as_array().expect("names");
        let alternative = text(&leaf["extensions"]["subjectAltName"]);
        let addresses = alternative.split(", ").filter_map(|name| name.strip_prefix("ip:"));
        Self {
            offset: message["offset"].as_u64().expect("an offset"),
            names: names.iter().map(text).collect(),
            addresses: addresses.map(|address| address.parse().expect("an address")).collect(),
            issuer: vec![text(&leaf["issuer"]["CN"]), text(&leaf["issuer"]["O"])],
            whole_issuer: leaf["issuer"].to_string(),
            log: vec![text(&data["source"]["name"]), text(&data["source"]["url"])],
            is_precert: data["update_type"] == "PrecertLogEntry",
            serial: text(&leaf["serial_number"]),
            sha256: text(&leaf["sha256"]),
            seen: data["seen"].as_f64().expect("a time"),
        }
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }

    /// Returns the names by which it is found: in lower case, without final dots, each once.
    fn names(&self) -> BTreeSet<String> {
        let names = self.names.iter();
        names.map(|name| name.strip_suffix('.').unwrap_or(name).to_owned()).collect()
    }
}

impl Wanted {
    pub(super) fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for domain in &self.domains {
            query.append_pair("domain", domain);
        }
        for part in &self.parts {
            query.append_pair("match", part);
        }
        let kind = self.is_precert.map(|is| if is { "precert" } else { "final" }.to_owned());
        let order = if self.is_oldest { "oldest" } else { "newest" };
        let others = [
            ("issuer", self.issuer.clone()),
            ("log", self.log.clone()),
            ("serial", self.serial.clone()),
            ("ip", self.address.map(|address| address.to_string())),
            ("entry", kind),
            ("since", self.since.map(|offset| offset.to_string())),
            ("until", self.until.map(|offset| offset.to_string())),
            ("since_time", self.since_time.map(|time| format!("{time:.3}"))),
            ("unique", self.unique.map(str::to_owned)),
            ("order", Some(order.to_owned())),
        ];
        for (name, value) in others {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }

    pub(super) fn is_unique_name(&self) -> bool {
        self.unique == Some("name")
    }

    fn is_of_domains(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        self.domains.iter().any(|domain| {
            let wildcard = domain.split_once('.').map(|(_, parent)| format!("*.{parent}"));
            name == domain
                || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
                || wildcard.as_deref() == Some(name)
        })
    }

    fn has_part(&self, name: &str) -> bool {
        self.parts.iter().any(|part| name.contains(part))
    }

    fn passes(&self, message: &Message, start: u64) -> bool {
        let any = |texts: &[String], part: &Option<String>| {
            part.as_ref().is_none_or(|part| texts.iter().any(|text| text.contains(part)))
        };
        (self.domains.is_empty() || message.names.iter().any(|name| self.is_of_domains(name)))
            && (self.parts.is_empty() || message.names.iter().any(|name| self.has_part(name)))
            && any(&message.issuer, &self.issuer)
            && any(&message.log, &self.log)
            && self.serial.as_ref().is_none_or(|serial| message.serial == *serial)
            && self.address.is_none_or(|address| message.addresses.contains(&address))
            && self.is_precert.is_none_or(|is| message.is_precert == is)
            && self.since.is_none_or(|since| message.offset > since)
            && self.until.is_none_or(|until| message.offset <= until)
            && message.offset >= start
    }

    /// Returns the names of a message that are wanted; all if none is by itself. Addresses are names where
    /// there are no others.
    fn names(&self, message: &Message) -> BTreeSet<String> {
        let all = message.names();
        if all.is_empty() {
            let addresses: BTreeSet<String> =
                message.addresses.iter().map(ToString::to_string).collect();
            return addresses.into_iter().take(100).collect();
        }
        let is_wanted = |name: &&String| {
            (self.domains.is_empty() || self.is_of_domains(name))
                && (self.parts.is_empty() || self.has_part(name))
        };
        let wanted: BTreeSet<String> = all.iter().filter(is_wanted).cloned().collect();
        let names = if wanted.is_empty() { all } else { wanted };
        names.into_iter().filter(|name| name.len() <= 253).take(100).collect()
    }

    /// Returns the results in their order.
    pub(super) fn results(&self, all: &[Message]) -> Results {
        let first = |time: f64| all.iter().find(|message| message.seen >= time);
        let start = self.since_time.map_or(Some(0), |time| first(time).map(|first| first.offset));
        let start = start.unwrap_or(u64::MAX);
        let mut passing: Vec<&Message> =
            all.iter().filter(|message| self.passes(message, start)).collect();
        if !self.is_oldest {
            passing.reverse();
        }
        let mut results = Results::default();
        let (mut certificates, mut names) = (BTreeSet::new(), BTreeSet::new());
        for message in passing {
            let identity = match message.serial.as_str() {
                "" => (message.sha256.clone(), String::new()),
                serial => (message.whole_issuer.clone(), serial.to_owned()),
            };
            let new: BTreeSet<String> = match self.unique {
                Some("certificate") if !certificates.insert(identity) => continue,
                Some("name") => {
                    let new = self.names(message).difference(&names).cloned().collect();
                    names.extend(self.names(message));
                    new
                }
                _ => BTreeSet::new(),
            };
            // One without a name repeats none.
            let is_repeated = new.is_empty() && !self.names(message).is_empty();
            if self.is_unique_name() && is_repeated {
                continue;
            }
            results.0.push((message.offset, new));
        }
        results
    }
}

/// Small numbers in a fixed order.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("fits") % limit.max(1)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Returns queries of every kind, each with something that is there, and some together.
pub(super) fn random(all: &[Message], seed: u64) -> Vec<Wanted> {
    let mut random = Random(seed);
    let mut wanted = Vec::new();
    for kind in 0..10 {
        let mut query = Wanted { is_oldest: random.below(2) == 0, ..Wanted::default() };
        for _ in 0..1 + random.below(2) {
            add(&mut query, kind, random.one(all), &mut random);
        }
        if random.below(3) == 0 {
            let kind = random.below(10);
            add(&mut query, kind, random.one(all), &mut random);
        }
        let unique = [None, None, Some("certificate"), Some("name")];
        query.unique = *random.one(&unique);
        wanted.push(query);
    }
    wanted.push(Wanted { domains: vec!["nowhere.invalid".to_owned()], ..Wanted::default() });
    wanted.push(Wanted { parts: vec!["qzxqzxqzx".to_owned()], ..Wanted::default() });
    wanted.push(Wanted { serial: Some("0123456789abcdef".to_owned()), ..Wanted::default() });
    wanted
}

/// Adds a part of a query that a message has.
fn add(query: &mut Wanted, kind: usize, message: &Message, random: &mut Random) {
    let is_term = |name: &&String| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_label = |label: &str| (1..=63).contains(&label.len());
        (5..=253).contains(&name.len())
            && name.chars().all(is_allowed)
            && name.trim_end_matches('.').split('.').all(is_label)
    };
    let names: Vec<&String> = message.names.iter().filter(is_term).collect();
    let first = names.first().map(|name| name.trim_end_matches('.').to_owned());
    match kind {
        0 => query.domains.extend(first),
        1 => {
            let parent = first.and_then(|name| Some(name.split_once('.')?.1.to_owned()));
            query.domains.extend(parent);
        }
        2 | 3 => {
            if let Some(name) = first {
                let start = random.below(name.len() - 2);
                let part: String = name.chars().skip(start).take(3 + random.below(6)).collect();
                query.parts.extend(Some(part).filter(|part| part.len() >= 3));
            }
        }
        4 => {
            let issuer: String = message.issuer[0].chars().take(8).collect();
            let is_usable = !issuer.trim().is_empty() && !issuer.contains([',', '*']);
            query.issuer = is_usable.then(|| issuer.trim().to_owned());
        }
        5 => query.log = Some(message.log[1].clone()),
        6 => query.serial = Some(message.serial.clone()).filter(|serial| !serial.is_empty()),
        7 => query.is_precert = Some(message.is_precert),
        8 => {
            query.since = Some(message.offset);
            query.until = Some(message.offset + 200);
        }
        _ => {
            query.since_time = Some(message.seen).filter(|_| query.since.is_none());
            query.address = message.addresses.first().copied().filter(|_| random.below(2) == 0);
        }
    }
    if query.since.is_some() {
        query.since_time = None;
    }
}
