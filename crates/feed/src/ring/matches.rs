//! The filters that the entries of a page passed.

/// The filters that the entries of a page passed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Matches {
    /// Filters with this id or a later one were not applied.
    covered: u64,
    /// The filters that an entry passed, ascending.
    groups: Box<[Group]>,
    positions: Box<[u32]>,
}

#[derive(Debug, PartialEq, Eq)]
struct Group {
    filter: u64,
    /// The end of its positions; they begin where those of the group before end.
    end: usize,
}

impl Matches {
    /// Makes them of (filter id, position) in any order, without those that are duplicates, not
    /// covered, or past the page's `entries`.
    pub(crate) fn new(covered: u64, mut found: Vec<(u64, u32)>, entries: usize) -> Self {
        found.retain(|&(filter, position)| filter < covered && (position as usize) < entries);
        found.sort_unstable();
        found.dedup();
        let mut groups: Vec<Group> = Vec::new();
        for (end, &(filter, _)) in (1..).zip(&found) {
            match groups.last_mut() {
                Some(group) if group.filter == filter => group.end = end,
                _ => groups.push(Group { filter, end }),
            }
        }
        let positions = found.into_iter().map(|(_, position)| position).collect();
        Self { covered, groups: groups.into(), positions }
    }

    /// Returns the positions, ascending, of the entries that passed the filter; none if it was not
    /// applied.
    pub(crate) fn of(&self, filter: u64) -> Option<&[u32]> {
        if filter >= self.covered {
            return None;
        }
        let found = self.groups.binary_search_by_key(&filter, |group| group.filter);
        Some(found.map_or(&[], |index| self.group(index)))
    }

    /// Returns all filters that an entry passed, with the positions.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, &[u32])> {
        self.groups.iter().enumerate().map(|(index, group)| (group.filter, self.group(index)))
    }

    /// Returns the first id that was not applied.
    pub(crate) const fn covered(&self) -> u64 {
        self.covered
    }

    /// Returns the bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        size_of_val(&*self.groups) + size_of_val(&*self.positions)
    }

    fn group(&self, index: usize) -> &[u32] {
        let end = |index: usize| self.groups.get(index).map_or(0, |group| group.end);
        let start = index.checked_sub(1).map_or(0, end);
        self.positions.get(start..end(index)).unwrap_or_default()
    }
}
