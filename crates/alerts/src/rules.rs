//! All rules, judged together.

mod judge;

use std::collections::HashMap;

use wire::filter::{Filters, Limits, Registered, Subject};

use crate::lookalike::{Brand, Lookalike, Lookalikes};
use crate::problem::{Problem, Warning};
use crate::reason::Reason;
use crate::rule::{Compiled, Rule};

/// Rules at most.
pub const MAX_RULES: usize = 10_000;
/// Different protected names at most.
pub const MAX_LOOKALIKES: usize = 10_000;
/// Rules at most whose regular expressions have to be tried on every certificate.
pub const MAX_OPEN_REGEXES: usize = 32;

/// A certificate as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its names, its issuer, its kind.
    pub subject: &'a Subject,
    /// Its DER, of which an exception may need the key.
    pub der: &'a [u8],
    /// The SHA-256 of that.
    pub sha256: &'a [u8; 32],
}

/// A rule that a certificate matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The place of the rule in the list of rules.
    pub rule: usize,
    /// One reason for each condition of the rule, in the order of the settings.
    pub reasons: Vec<Reason>,
}

/// A rule that was refused, or that its author should know more about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {name:?}: {what}")]
pub struct About<T> {
    /// The name of the rule.
    pub name: String,
    /// The problem or warning.
    pub what: T,
}

/// All rules. A certificate is looked at once, however many there are: the conditions that filters
/// have are in the same index as those of the stream's clients, regular expressions are found by
/// texts in it, and names to protect by [`lookalike`](crate::lookalike)'s tables. Only rules that
/// these lead to are compared in full.
#[derive(Debug)]
pub struct Rules {
    rules: Box<[Prepared]>,
    filters: Filters,
    #[expect(dead_code, reason = "dropping them ends the registrations")]
    registered: Vec<Registered>,
    /// The rules of each filter.
    by_filter: HashMap<u64, Vec<u32>>,
    lookalikes: Lookalikes,
    /// The rules of each protected name.
    by_brand: Vec<Vec<u32>>,
    /// The rules to compare with every certificate.
    open: Vec<u32>,
    /// The number of the last certificate.
    certificate: u64,
    passed: Vec<(u64, u32)>,
    /// The names of the certificate that are like a protected one: their place, and the likeness.
    alike: Vec<(usize, Lookalike)>,
    found: Vec<Lookalike>,
    candidates: Vec<u32>,
}

/// A rule with its places in the tables.
#[derive(Debug)]
struct Prepared {
    compiled: Compiled,
    /// The numbers of its protected names, sorted, each with its place in the rule.
    brands: Box<[(u32, usize)]>,
    /// The number of the last certificate it was compared with.
    judged: u64,
}

impl Rules {
    /// Prepares rules. This takes some microseconds for each, more for those with a regular expression.
    ///
    /// # Errors
    /// Every problem of every rule that has one.
    pub fn new(rules: &[Rule]) -> Result<Self, Vec<About<Problem>>> {
        let mut problems = Vec::new();
        let mut compiled = Vec::with_capacity(rules.len());
        let mut names: HashMap<&str, usize> = HashMap::new();
        let about = |rule: &Rule, what| About { name: rule.name.clone(), what };
        for (place, rule) in rules.iter().enumerate() {
            if place == MAX_RULES {
                problems.push(about(rule, Problem::TooManyRules));
                break;
            }
            if names.insert(&rule.name, place).is_some() {
                problems.push(about(rule, Problem::NameTaken));
            }
            match rule.compile() {
                Ok(rule) => compiled.push(rule),
                Err(problem) => problems.push(about(rule, problem)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Self::prepare(compiled).map_err(|problem| vec![problem])
    }

    fn prepare(compiled: Vec<Compiled>) -> Result<Self, About<Problem>> {
        let mut tables = Tables::default();
        let mut rules = Vec::with_capacity(compiled.len());
        for (place, rule) in (0..).zip(compiled) {
            let brands = tables.add(place, &rule)?;
            rules.push(Prepared { compiled: rule, brands, judged: 0 });
        }
        if tables.filters.is_compaction_due() {
            tables.filters.compact();
        }
        let refused = |_| About { name: String::new(), what: Problem::TooManyLookalikes };
        Ok(Self {
            rules: rules.into(),
            filters: tables.filters,
            registered: tables.registered,
            by_filter: tables.by_filter,
            lookalikes: Lookalikes::new(tables.brands).map_err(refused)?,
            by_brand: tables.by_brand,
            open: tables.open,
            certificate: 0,
            passed: Vec::new(),
            alike: Vec::new(),
            found: Vec::new(),
            candidates: Vec::new(),
        })
    }

    /// Returns the number of rules.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// Reports whether there is no rule.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the name of a rule.
    #[must_use]
    pub fn name(&self, rule: usize) -> Option<&str> {
        self.rules.get(rule).map(|rule| &*rule.compiled.name)
    }

    /// Returns the limit of a rule, in alerts an hour.
    #[must_use]
    pub fn limit(&self, rule: usize) -> Option<u32> {
        self.rules.get(rule).map(|rule| rule.compiled.limit)
    }

    /// Returns what the authors of rules should know.
    pub fn warnings(&self) -> impl Iterator<Item = About<Warning>> {
        self.rules.iter().filter_map(|rule| {
            let what = rule.compiled.warning()?;
            Some(About { name: rule.compiled.name.clone(), what })
        })
    }

    /// Appends the rules that a certificate matches, each once, in the order of the rules.
    pub fn matching(&mut self, candidate: &Candidate<'_>, found: &mut Vec<Match>) {
        self.certificate += 1;
        self.look_up(candidate.subject);
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        candidates.extend(&self.open);
        let passed = self.passed.iter().filter_map(|(id, _)| self.by_filter.get(id));
        candidates.extend(passed.flatten());
        let brands = self.alike.iter().map(|(_, alike)| alike.brand as usize);
        candidates.extend(brands.filter_map(|brand| self.by_brand.get(brand)).flatten());
        candidates.sort_unstable();
        for number in &candidates {
            let Some(rule) = self.rules.get_mut(*number as usize) else { continue };
            if std::mem::replace(&mut rule.judged, self.certificate) == self.certificate {
                continue;
            }
            let judged = judge::judge(rule, candidate, &self.alike, &self.lookalikes);
            found.extend(judged.map(|reasons| Match { rule: *number as usize, reasons }));
        }
        self.candidates = candidates;
    }

    /// Looks up a certificate in all tables.
    fn look_up(&mut self, subject: &Subject) {
        self.passed.clear();
        let describe = |subject: &&Subject, scratch: &mut Subject| scratch.clone_from(subject);
        self.filters.matching(&[subject], describe, &mut self.passed);
        self.alike.clear();
        for (place, name) in subject.names().enumerate() {
            self.found.clear();
            self.lookalikes.find(name, &mut self.found);
            self.alike.extend(self.found.drain(..).map(|alike| (place, alike)));
        }
    }
}

/// The tables while rules are added.
#[derive(Debug)]
struct Tables {
    filters: Filters,
    registered: Vec<Registered>,
    by_filter: HashMap<u64, Vec<u32>>,
    brands: Vec<Brand>,
    numbers: HashMap<Box<str>, u32>,
    by_brand: Vec<Vec<u32>>,
    open: Vec<u32>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            // Bounded by the rules.
            filters: Filters::new(Limits { terms: usize::MAX, term_bytes: usize::MAX }),
            registered: Vec::new(),
            by_filter: HashMap::new(),
            brands: Vec::new(),
            numbers: HashMap::new(),
            by_brand: Vec::new(),
            open: Vec::new(),
        }
    }
}

impl Tables {
    /// Adds the rule of a place. Returns the numbers of its protected names, each with its place in the
    /// rule.
    fn add(&mut self, place: u32, rule: &Compiled) -> Result<Box<[(u32, usize)]>, About<Problem>> {
        let refused = |what| About { name: rule.name.clone(), what };
        if rule.brands.is_empty() {
            match rule.candidates() {
                Some(filter) => {
                    let registered =
                        self.filters.register(filter).map_err(|error| refused(error.into()))?;
                    self.by_filter.entry(registered.id()).or_default().push(place);
                    self.registered.push(registered);
                }
                None if self.open.len() == MAX_OPEN_REGEXES => {
                    return Err(refused(Problem::TooManyOpenRegexes));
                }
                None => self.open.push(place),
            }
            return Ok(Box::default());
        }
        let mut brands = Vec::with_capacity(rule.brands.len());
        for (order, brand) in rule.brands.iter().enumerate() {
            let number = match self.numbers.get(&brand.domain) {
                Some(number) => *number,
                None if self.brands.len() == MAX_LOOKALIKES => {
                    return Err(refused(Problem::TooManyLookalikes));
                }
                None => {
                    let number = u32::try_from(self.brands.len()).unwrap_or(u32::MAX);
                    self.numbers.insert(brand.domain.clone(), number);
                    self.brands.push(brand.clone());
                    self.by_brand.push(Vec::new());
                    number
                }
            };
            brands.push((number, order));
        }
        brands.sort_unstable();
        brands.dedup_by_key(|(number, _)| *number);
        for (brand, _) in &brands {
            if let Some(rules) = self.by_brand.get_mut(*brand as usize) {
                rules.push(place);
            }
        }
        Ok(brands.into())
    }
}
