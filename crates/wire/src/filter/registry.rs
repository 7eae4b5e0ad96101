//! The filters of all connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use slab::Slab;

use super::automaton::Automaton;
use super::index::{Index, TermId};
use super::subject::Subject;
use super::substrings::Plan;
use super::{Filter, FilterError, Parameter};

/// The bounds of all filters together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Different terms.
    pub terms: usize,
    /// Bytes of these terms.
    pub term_bytes: usize,
}

/// The filters of one owner may take one part in so many of the bounds.
const SHARES: usize = 4;

/// The registrations in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Registrations.
    pub registered: usize,
    /// Different filters.
    pub filters: usize,
    /// Different terms.
    pub terms: usize,
}

/// The filters of all connections, judged together. Clones share them.
///
/// Every registered filter has an id. Ids grow, and none is used again. Filters with the same
/// meaning have the same id while one of them is registered.
#[derive(Clone, Debug)]
pub struct Filters(Arc<Mutex<Registry>>);

/// A registered filter. Dropping it ends the registration.
pub struct Registered {
    filters: Filters,
    filter: Arc<Filter>,
    id: u64,
    key: usize,
    owner: Option<u128>,
}

#[derive(Debug)]
struct Registry {
    limits: Limits,
    index: Index,
    entries: Slab<Entry>,
    /// The place of a filter.
    keys: HashMap<Arc<Filter>, usize>,
    next_id: u64,
    registered: usize,
    owners: HashMap<u128, Owned>,
    /// The certificate being judged.
    subject: Subject,
}

/// The share of one owner's filters.
#[derive(Debug, Default)]
struct Owned {
    terms: usize,
    bytes: usize,
    /// Registrations of each filter, by its place.
    filters: HashMap<usize, usize>,
}

/// A filter and its terms.
#[derive(Debug)]
struct Entry {
    id: u64,
    filter: Arc<Filter>,
    registrations: usize,
    /// The terms of each parameter that was given, and wildcards with the domains, in the order of
    /// [`Parameter::ALL`]. The index leads here from those of the first.
    terms: Vec<Box<[TermId]>>,
    /// The number of the last certificate that this filter was looked at for.
    judged: u64,
}

impl Filters {
    /// Makes an empty registry.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Registry {
            limits,
            index: Index::default(),
            entries: Slab::new(),
            keys: HashMap::new(),
            next_id: 0,
            registered: 0,
            owners: HashMap::new(),
            subject: Subject::default(),
        })))
    }

    /// Sets other limits. Registered filters stay, even if they are over them.
    pub fn set_limits(&self, limits: Limits) {
        self.0.lock().limits = limits;
    }

    /// Registers a filter. It is effective when this returns: every later call of
    /// [`matching`](Self::matching) applies it. Never builds anything; see
    /// [`is_compaction_due`](Self::is_compaction_due).
    ///
    /// # Errors
    /// [`FilterError`] if a limit would be passed.
    pub fn register(&self, filter: Filter) -> Result<Registered, FilterError> {
        self.add(filter, None)
    }

    /// Registers a filter for an owner, such as a network address: its different filters together may
    /// take a quarter of what [`Limits`] allows to all.
    ///
    /// # Errors
    /// [`FilterError`] if a limit or the owner's share of it would be passed.
    pub fn register_for(&self, owner: u128, filter: Filter) -> Result<Registered, FilterError> {
        self.add(filter, Some(owner))
    }

    fn add(&self, filter: Filter, owner: Option<u128>) -> Result<Registered, FilterError> {
        let (key, id, filter) = self.0.lock().register(filter, owner)?;
        Ok(Registered { filters: self.clone(), filter, id, key, owner })
    }

    /// Applies the filters: appends (filter id, position in `messages`) for each message that passes,
    /// each pair once, in any order. Returns the first id that was not applied: every registered
    /// filter with a smaller one was. `describe` fills in a subject that was cleared.
    pub fn matching<M>(
        &self,
        messages: &[M],
        describe: impl Fn(&M, &mut Subject),
        found: &mut Vec<(u64, u32)>,
    ) -> u64 {
        let registry = &mut *self.0.lock();
        if !registry.entries.is_empty() {
            for (position, message) in (0..).zip(messages) {
                registry.subject.clear();
                describe(message, &mut registry.subject);
                registry.judge(|id| found.push((id, position)));
            }
        }
        registry.next_id
    }

    /// Reports whether new terms have gathered, which cost each certificate a search of its own until
    /// [`compact`](Self::compact) is called.
    #[must_use]
    pub fn is_compaction_due(&self) -> bool {
        self.0.lock().index.is_due()
    }

    /// Builds the automata that make new terms cheap to look for. Takes up to some tens of milliseconds, so it
    /// belongs on a thread that may be kept busy; neither registering nor judging waits for it. A
    /// call during another call leaves the work to that.
    pub fn compact(&self) {
        for parameter in Parameter::ALL {
            while let Some(plan) = self.plan(parameter) {
                let built = Automaton::build(&plan).ok();
                let is_built = built.is_some();
                self.commit(parameter, built);
                if !is_built {
                    // Not within any sensible limits. The terms are looked for one by one.
                    break;
                }
            }
        }
    }

    pub(super) fn plan(&self, parameter: Parameter) -> Option<Plan> {
        self.0.lock().index.plan(parameter)
    }

    pub(super) fn commit(&self, parameter: Parameter, built: Option<Automaton>) {
        self.0.lock().index.commit(parameter, built);
    }

    /// Returns the number of registrations at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let registry = self.0.lock();
        Stats {
            registered: registry.registered,
            filters: registry.entries.len(),
            terms: registry.index.size.terms,
        }
    }
}

impl Registry {
    fn register(
        &mut self,
        filter: Filter,
        owner: Option<u128>,
    ) -> Result<(usize, u64, Arc<Filter>), FilterError> {
        let known = self.keys.get(&filter).copied();
        let (terms, bytes) = size(&filter);
        if let Some(owner) = owner {
            self.check_share(owner, known, terms, bytes)?;
        }
        let key = match known {
            Some(key) => key,
            None => self.insert(filter)?,
        };
        if let Some(owner) = owner {
            self.owners.entry(owner).or_default().add(key, terms, bytes);
        }
        let entry = &mut self.entries[key];
        entry.registrations += 1;
        self.registered += 1;
        Ok((key, entry.id, Arc::clone(&entry.filter)))
    }

    fn insert(&mut self, filter: Filter) -> Result<usize, FilterError> {
        self.check_limits(&filter)?;
        let filter = Arc::new(filter);
        let terms: Vec<Box<[TermId]>> = Parameter::ALL
            .into_iter()
            .filter(|parameter| !filter.terms(*parameter).is_empty())
            .map(|parameter| {
                filter.lookups(parameter).map(|text| self.index.add(parameter, text)).collect()
            })
            .collect();
        let key = self.entries.vacant_key();
        for id in terms.first().into_iter().flatten() {
            self.index.link(*id, key);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.keys.insert(Arc::clone(&filter), key);
        self.entries.insert(Entry { id, filter, registrations: 0, terms, judged: 0 });
        Ok(key)
    }

    fn check_limits(&self, filter: &Filter) -> Result<(), FilterError> {
        let Limits { terms, term_bytes } = self.limits;
        let (size, growth) = (self.index.size, self.index.growth(filter));
        if size.terms + growth.terms > terms {
            return Err(FilterError::TooManyDistinct { most: terms });
        }
        if size.bytes + growth.bytes > term_bytes {
            return Err(FilterError::TooManyBytes { most: term_bytes });
        }
        Ok(())
    }

    /// Checks whether an owner may have one more filter of this size.
    fn check_share(
        &self,
        owner: u128,
        known: Option<usize>,
        terms: usize,
        bytes: usize,
    ) -> Result<(), FilterError> {
        let Some(owned) = self.owners.get(&owner) else { return Ok(()) };
        if known.is_some_and(|key| owned.filters.contains_key(&key)) {
            return Ok(());
        }
        let most = self.limits.terms.div_ceil(SHARES);
        let most_bytes = self.limits.term_bytes.div_ceil(SHARES);
        if owned.terms + terms > most || owned.bytes + bytes > most_bytes {
            return Err(FilterError::ShareTaken { most, most_bytes });
        }
        Ok(())
    }

    fn deregister(&mut self, key: usize, owner: Option<u128>) {
        self.registered -= 1;
        let entry = &mut self.entries[key];
        if let Some(owner) = owner
            && let Some(owned) = self.owners.get_mut(&owner)
        {
            let (terms, bytes) = size(&entry.filter);
            owned.remove(key, terms, bytes);
            if owned.filters.is_empty() {
                self.owners.remove(&owner);
            }
        }
        entry.registrations -= 1;
        if entry.registrations > 0 {
            return;
        }
        let Entry { filter, terms, .. } = self.entries.remove(key);
        self.keys.remove(&filter);
        for id in terms.first().into_iter().flatten() {
            self.index.unlink(*id, key);
        }
        for id in terms.iter().flatten() {
            self.index.remove(*id);
        }
    }

    /// Calls `passed` with each filter that the subject passes, once.
    fn judge(&mut self, mut passed: impl FnMut(u64)) {
        let certificate = self.index.look_at(&self.subject);
        for key in self.index.candidates() {
            let entry = &mut self.entries[key];
            if entry.judged == certificate {
                continue;
            }
            entry.judged = certificate;
            if entry.terms.iter().skip(1).all(|any| self.index.any_holds(any)) {
                passed(entry.id);
            }
        }
    }
}

impl Owned {
    fn add(&mut self, key: usize, terms: usize, bytes: usize) {
        let registrations = self.filters.entry(key).or_default();
        if *registrations == 0 {
            self.terms += terms;
            self.bytes += bytes;
        }
        *registrations += 1;
    }

    fn remove(&mut self, key: usize, terms: usize, bytes: usize) {
        let Some(registrations) = self.filters.get_mut(&key) else { return };
        *registrations -= 1;
        if *registrations == 0 {
            self.filters.remove(&key);
            self.terms -= terms;
            self.bytes -= bytes;
        }
    }
}

/// Returns the number of terms of a filter, and their bytes.
fn size(filter: &Filter) -> (usize, usize) {
    let terms = || Parameter::ALL.into_iter().flat_map(|parameter| filter.terms(parameter));
    (terms().count(), terms().map(|term| term.len()).sum())
}

impl Registered {
    /// Returns the id of the filter.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Returns the filter.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.filters.0.lock().deregister(self.key, self.owner);
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("id", &self.id)
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}
