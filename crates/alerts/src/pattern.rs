//! Regular expressions over names.
//!
//! A pattern is compiled within bounds, without Unicode classes (names have A-labels) and without
//! automata that grow while they search: a search takes time proportional to the name and the
//! compiled size. Before it is tried, one of its [`required`](Pattern::required) texts must be in a
//! name, which the index of all rules finds.

mod literals;

use regex_automata::meta::{BuildError, Config, Regex};
use regex_syntax::ParserBuilder;

use crate::problem::Problem;
pub(crate) use literals::is_selective;

/// Bytes of a pattern at most.
pub const MAX_PATTERN_BYTES: usize = 1000;

/// Bytes of a compiled pattern at most. A pattern of a hundred letters takes about a tenth.
pub const MAX_PROGRAM_BYTES: usize = 32 << 10;

/// Groups in groups of a pattern at most.
const MAX_NESTING: u32 = 32;

/// Names of no particular kind. A pattern that matches all of them matches nearly any name.
const PROBES: [&str; 4] = ["q7.example", "www.zvx-kkw.com", "mjh.b2.co.uk", "*.xn--80ak.net"];

/// A regular expression that was read and compiled.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    regex: Regex,
    required: Option<Vec<String>>,
}

impl Pattern {
    pub(crate) fn compile(written: &str) -> Result<Self, Problem> {
        if written.len() > MAX_PATTERN_BYTES {
            return Err(Problem::PatternTooLong { bytes: written.len() });
        }
        let wrong = |error: String| Problem::Pattern { pattern: written.to_owned(), error };
        let tree = ParserBuilder::new()
            .case_insensitive(true)
            .unicode(false)
            .utf8(false)
            .nest_limit(MAX_NESTING)
            .build()
            .parse(written)
            .map_err(|error| wrong(mistake(&error)))?;
        let config = Config::new()
            .nfa_size_limit(Some(MAX_PROGRAM_BYTES))
            .utf8_empty(false)
            .hybrid(false)
            .dfa(false)
            .onepass(false);
        let build = |error: BuildError| match error.size_limit() {
            Some(_) => Problem::PatternTooLarge { pattern: written.to_owned() },
            None => wrong(error.to_string()),
        };
        let regex = Regex::builder().configure(config).build_from_hir(&tree).map_err(build)?;
        Ok(Self { text: written.into(), regex, required: literals::required(&tree) })
    }

    /// Returns the pattern as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns texts of which every match contains one, if there are any of use.
    pub(crate) fn required(&self) -> Option<&[String]> {
        self.required.as_deref()
    }

    /// Reports whether a part of the name matches.
    pub(crate) fn is_match(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }

    /// Reports whether nearly any name matches.
    pub(crate) fn is_broad(&self) -> bool {
        PROBES.iter().all(|name| self.is_match(name))
    }
}

/// Returns the mistake in a pattern in one line; the library shows the place below the pattern.
fn mistake(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_parts_of_names_unless_anchored() {
        for (pattern, name, expected) in [
            ("pay.?pal", "www.pay-pal.com", true),
            ("PAYPAL", "paypal.com", true),
            ("^pay", "paypal.com", true),
            ("^pal", "paypal.com", false),
            (r"pal\.com$", "paypal.com", true),
            (r"\bpal\b", "pay-pal.com", true),
            (r"\d{2}", "a1b.com", false),
            ("(a|b)+c", "xabac.com", true),
        ] {
            assert_eq!(Pattern::compile(pattern).unwrap().is_match(name), expected, "{pattern}");
        }
    }

    #[test]
    fn wrong_and_large_patterns_are_refused() {
        let long = "a".repeat(1001);
        let nested = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        for (pattern, message) in [
            ("(", "unclosed group"),
            ("[z-a]", "range"),
            (r"\p{Greek}", "Unicode"),
            (r"(?=a)", "look-around"),
            (r"(a)\1", "backreferences"),
            ("((a{100}){100}){100}", "fewer or smaller repetitions"),
            ("(x+x+)+{500}{500}y", "fewer or smaller repetitions"),
            (&*long, "1001 bytes"),
            (&nested, "nest"),
        ] {
            let error = Pattern::compile(pattern).unwrap_err().to_string();
            assert!(error.contains(message) && error.starts_with("regex: "), "{pattern}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    /// Such patterns take other engines exponential time.
    #[test]
    fn searches_take_time_proportional_to_the_name() {
        for pattern in ["(a+)+$", "(a|aa)+$", "(a*)*b", "(.*){9}x"] {
            let pattern = Pattern::compile(pattern).unwrap();
            assert!(!pattern.is_match(&("a".repeat(5000) + "!")));
        }
    }

    #[test]
    fn a_pattern_that_matches_any_name_is_broad() {
        for pattern in ["", ".*", ".", "a*", r"\.", "[a-z]", "(foo)?", "^"] {
            assert!(Pattern::compile(pattern).unwrap().is_broad(), "{pattern}");
        }
        for pattern in ["paypal", "^a$", r"\d{4}", "pay.*pal"] {
            assert!(!Pattern::compile(pattern).unwrap().is_broad(), "{pattern}");
        }
    }
}
