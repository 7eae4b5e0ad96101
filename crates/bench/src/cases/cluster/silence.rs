//! The times without a record, by the kills that caused them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::chaos::{Killed, Kind};

/// The longest time from a kill to the last record before its silence, in microseconds: what was under
/// way still arrives.
const LATE: u64 = 1_000_000;

/// A time in which a client had no record, in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    from: u64,
    until: u64,
}

/// The silences after all kills of one kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Silences {
    pub(super) kills: usize,
    /// The longest of any client, in microseconds.
    pub(super) longest: u64,
    /// From each kill that caused a silence to the first record that any client got after it, in
    /// microseconds, sorted: without those during which another process was killed.
    pub(super) recoveries: Vec<u64>,
    /// The longest of those that it leaves out.
    pub(super) with_others: u64,
}

/// Returns the silences that the clients reported.
pub(super) fn read(sequences: &Value) -> Vec<Silence> {
    let silences = sequences["silences"].as_array().into_iter().flatten();
    let read = |it: &Value| Some(Silence { from: it[1].as_u64()?, until: it[2].as_u64()? });
    silences.filter_map(read).collect()
}

/// Returns the silences by the kind of the kill, and the longest silence without a kill.
pub(super) fn by_kind(kills: &[Killed], silences: &[Silence]) -> (BTreeMap<Kind, Silences>, u64) {
    let mut without = 0;
    let mut longest = vec![0; kills.len()];
    let mut first: Vec<Option<u64>> = vec![None; kills.len()];
    for silence in silences {
        let length = silence.until - silence.from;
        let Some(number) = cause(kills, silence) else {
            without = length.max(without);
            continue;
        };
        longest[number] = length.max(longest[number]);
        let until = first[number].unwrap_or(u64::MAX).min(silence.until);
        first[number] = Some(until);
    }
    let mut kinds: BTreeMap<Kind, Silences> = BTreeMap::new();
    for (number, kill) in kills.iter().enumerate() {
        let of_kind = kinds.entry(kill.kind).or_default();
        of_kind.kills += 1;
        of_kind.longest = of_kind.longest.max(longest[number]);
        let Some(first) = first[number] else { continue };
        let took = first.saturating_sub(kill.at);
        if kills.get(number + 1).is_some_and(|next| next.at < first) {
            of_kind.with_others = of_kind.with_others.max(took);
        } else {
            of_kind.recoveries.push(took);
            of_kind.recoveries.sort_unstable();
        }
    }
    (kinds, without)
}

/// Returns the number of the kill that is closest to the beginning of a silence and may have caused it.
fn cause(kills: &[Killed], silence: &Silence) -> Option<usize> {
    let may_be = |kill: &Killed| kill.at + LATE >= silence.from && kill.at <= silence.until;
    let candidates = kills.iter().enumerate().filter(|(_, kill)| may_be(kill));
    candidates.min_by_key(|(_, kill)| kill.at.abs_diff(silence.from)).map(|(number, _)| number)
}

impl Silences {
    /// Returns the median time to the first record, in seconds, and the longest.
    pub(super) fn recovery(&self) -> Option<(f64, f64)> {
        let seconds = |it: &u64| *it as f64 / 1e6;
        let median = self.recoveries.get(self.recoveries.len() / 2)?;
        Some((seconds(median), seconds(self.recoveries.last()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_belongs_to_the_kill_at_its_beginning() {
        let kills = [
            Killed { kind: Kind::Leader, at: 10_000_000 },
            Killed { kind: Kind::Edge, at: 13_000_000 },
            Killed { kind: Kind::Leader, at: 30_000_000 },
            Killed { kind: Kind::Standby, at: 38_000_000 },
        ];
        let silences = [
            Silence { from: 1_000_000, until: 1_700_000 },
            Silence { from: 10_050_000, until: 16_000_000 },
            Silence { from: 10_040_000, until: 17_000_000 },
            Silence { from: 12_990_000, until: 13_900_000 },
            Silence { from: 30_100_000, until: 38_000_000 },
        ];
        let (kinds, without) = by_kind(&kills, &silences);
        assert_eq!(without, 700_000);
        let leader = Silences {
            kills: 2,
            longest: 7_900_000,
            recoveries: vec![8_000_000],
            with_others: 6_000_000,
        };
        let edge =
            Silences { kills: 1, longest: 910_000, recoveries: vec![900_000], with_others: 0 };
        let standby = Silences { kills: 1, ..Silences::default() };
        let expected =
            [(Kind::Leader, leader), (Kind::Edge, edge), (Kind::Standby, standby)].into();
        assert_eq!(kinds, expected);
        assert_eq!(kinds[&Kind::Leader].recovery(), Some((8.0, 8.0)));
    }
}
