//! The names of parts, which say what is in them:
//! `log=argon2026h1-0e5794bc/argon2026h1-0e5794bc-0000000065536-0000000131072.parquet`.

use std::ops::Range;

use ct::LogId;

use crate::settings::Format;

/// The most characters of a log's name in names of files.
const NAME: usize = 60;
/// The width of an index in names, so that names sort as indexes do.
const WIDTH: usize = 13;

/// A range of entries that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// Returns a span; none if it is empty.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Option<Self> {
        if start < end { Some(Self { start, end }) } else { None }
    }

    /// Returns the first index.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Returns the index after the last one.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Returns the number of entries.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.end - self.start
    }
}

/// Returns the name of a log in names of files: letters, digits and dashes, and the beginning of its id.
#[must_use]
pub fn slug(name: &str, id: &LogId) -> String {
    let mut slug = String::new();
    for c in name.chars().take(NAME) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let LogId(hash) = id;
    let id: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    match slug.trim_end_matches('-') {
        "" => id,
        name => format!("{name}-{id}"),
    }
}

/// Returns the name of the folder of a log.
#[must_use]
pub fn folder(slug: &str) -> String {
    format!("log={slug}")
}

/// Returns the name of a part.
#[must_use]
pub fn name(slug: &str, span: Span, format: Format) -> String {
    let Span { start, end } = span;
    format!("{slug}-{start:0WIDTH$}-{end:0WIDTH$}.{}", format.extension())
}

/// Reads the name of a part; none if it is that of another file.
#[must_use]
pub fn parse(slug: &str, text: &str) -> Option<(Span, Format)> {
    let (stem, extension) = text.rsplit_once('.')?;
    let format = Format::from_extension(extension)?;
    let (start, end) = stem.strip_prefix(slug)?.strip_prefix('-')?.split_once('-')?;
    let span = Span::new(start.parse().ok()?, end.parse().ok()?)?;
    (name(slug, span, format) == text).then_some((span, format))
}

/// Returns the spans that are still to be read: `range` without what is there, cut at multiples of
/// `entries`.
#[must_use]
pub fn missing(range: Range<u64>, there: &[Span], entries: u64) -> Vec<Span> {
    let mut there: Vec<_> = there.to_vec();
    there.sort_unstable();
    let mut missing = Vec::new();
    let mut next = range.start;
    for span in there {
        cut(next..span.start.min(range.end), entries.max(1), &mut missing);
        next = next.max(span.end);
    }
    cut(next..range.end, entries.max(1), &mut missing);
    missing
}

/// Cuts a range, which may be empty, at multiples of `entries`.
fn cut(range: Range<u64>, entries: u64, spans: &mut Vec<Span>) {
    let mut next = range.start;
    while next < range.end {
        let boundary = (next / entries).saturating_add(1).saturating_mul(entries);
        let end = boundary.min(range.end);
        spans.extend(Span::new(next, end));
        next = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64) -> Span {
        Span::new(start, end).unwrap()
    }

    #[test]
    fn names_say_log_and_range_and_are_parsed_back() {
        let id = LogId([0xab; 32]);
        let slug = slug("Google 'Argon2026h1' log", &id);
        assert_eq!(slug, "google-argon2026h1-log-abababab");
        assert_eq!(super::slug("…", &id), "abababab");
        let name = name(&slug, span(65_536, 131_072), Format::Parquet);
        assert_eq!(name, format!("{slug}-0000000065536-0000000131072.parquet"));
        assert_eq!(parse(&slug, &name), Some((span(65_536, 131_072), Format::Parquet)));
        for other in ["x.parquet", &name.replace("0000000065536", "65536"), &format!("{name}.tmp")]
        {
            assert_eq!(parse(&slug, other), None, "{other}");
        }
        assert_eq!(parse("google-argon2026h1-log", &name), None, "a longer name is another log");
    }

    #[test]
    fn what_is_missing_is_cut_at_fixed_indexes() {
        let cut = |range, there: &[Span]| missing(range, there, 100);
        assert_eq!(cut(0..250, &[]), [span(0, 100), span(100, 200), span(200, 250)]);
        assert_eq!(cut(30..120, &[]), [span(30, 100), span(100, 120)]);
        assert_eq!(cut(0..300, &[span(100, 200)]), [span(0, 100), span(200, 300)]);
        assert_eq!(cut(0..300, &[span(0, 300)]), []);
        assert_eq!(
            cut(50..260, &[span(0, 80), span(90, 95), span(240, 900)]),
            [span(80, 90), span(95, 100), span(100, 200), span(200, 240)]
        );
        assert_eq!(cut(0..200, &[span(0, 150), span(10, 20)]), [span(150, 200)]);
        assert_eq!(cut(5..5, &[]), []);
    }
}
