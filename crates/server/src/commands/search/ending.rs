//! The end of a search, in words.

use jiff::Timestamp;

/// The part that was searched, and the reason why it is not all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// The times between which its entries were seen; none if it has none.
    pub(super) times: Option<(Timestamp, Timestamp)>,
    pub(super) left: Left,
}

/// The part that was not searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// As many results as were wanted are found.
    AfterLimit,
    /// A part is no longer kept, damaged, or not indexed yet.
    Lost,
}

impl Left {
    pub(super) const fn of(is_at_end: bool, has_lost: bool) -> Self {
        match (is_at_end, has_lost) {
            (false, _) => Self::AfterLimit,
            (true, true) => Self::Lost,
            (true, false) => Self::Nothing,
        }
    }
}

impl Ending {
    /// Returns the end as one line.
    pub(super) fn text(&self, found: usize) -> String {
        let found = match found {
            0 => "nothing found".to_owned(),
            1 => "1 certificate found".to_owned(),
            many => format!("{many} certificates found"),
        };
        let time = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let searched = match self.times {
            Some((since, until)) => {
                format!("searched what was seen from {} to {} UTC", time(since), time(until))
            }
            None => "nothing is kept of the time that was asked for".to_owned(),
        };
        let left = match self.left {
            Left::Nothing => "",
            Left::AfterLimit => "; there may be more, see --limit",
            Left::Lost => {
                "; a part was not searched: it is no longer kept, damaged, or not indexed yet"
            }
        };
        format!("{found}; {searched}{left}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_has_what_was_found_the_times_and_what_is_left() {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let times = Some((time("2026-11-29T08:00:00Z"), time("2026-11-30T08:00:00.5Z")));
        let end = |found, times, left| Ending { times, left }.text(found);
        assert_eq!(
            end(0, times, Left::Nothing),
            "nothing found; searched what was seen from 2026-11-29 08:00:00 to 2026-11-30 08:00:00 UTC"
        );
        assert!(end(1, times, Left::of(false, true)).starts_with("1 certificate found; "));
        assert!(
            end(7, times, Left::of(false, true)).ends_with("UTC; there may be more, see --limit")
        );
        assert!(
            end(7, None, Left::of(true, true))
                .ends_with("it is no longer kept, damaged, or not indexed yet")
        );
    }
}
