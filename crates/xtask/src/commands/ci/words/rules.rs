//! The words to replace, and their search in texts.

use super::source::{Kind, Text};

/// Words in a row, and what to write instead. `#` stands for a number.
const PHRASES: &[(&str, &str)] = &[
    ("at all events", "in any case"),
    ("became of", "what happened to, or the outcome of"),
    ("become of", "what happens to, or how it is handled"),
    ("becomes of", "what happens to, or how it is handled"),
    ("befall", "happen to, affect"),
    ("befalls", "happens to, affects"),
    ("be had", "be available, be fetched"),
    ("is had", "is available, is fetched"),
    ("by hand", "configured, manual"),
    ("as it came", "unchanged, raw"),
    ("as they came", "unchanged, raw"),
    ("for a while", "temporarily, or the length of the interval"),
    ("go on", "continue, resume"),
    ("goes on", "continues, resumes"),
    ("going on", "continuing"),
    ("went on", "continued"),
    ("heed", "check, obey"),
    ("heeds", "checks, obeys"),
    ("in vain", "without success; for a wait: timed out"),
    ("is told", "is notified, is reported, is known"),
    ("was told", "was notified, was reported"),
    ("let in", "accepted"),
    ("lets in", "accepts"),
    ("let go", "disconnected, released"),
    ("lets go", "disconnects, releases"),
    ("lives", "is stored, exists, runs"),
    ("look after", "maintain, handle"),
    ("looks after", "maintains, handles"),
    ("mend", "fix, repair"),
    ("mended", "fixed, repaired"),
    ("mends", "fixes, repairs"),
    ("no doubles", "no duplicates"),
    ("without doubles", "without duplicates, exactly once"),
    ("of another make", "of other servers"),
    ("of other makes", "of other servers"),
    ("see to it", "make sure"),
    ("sees to it", "makes sure"),
    ("see to", "handle"),
    ("sees to", "handles"),
    ("signs of life", "liveness"),
    ("some #", "about, and the number"),
    ("a way in", "an entry point, a parser of untrusted input"),
    ("ways in", "entry points"),
    ("whoever", "a client that, a program that"),
    ("who connects again", "a client that reconnects"),
    ("without rights", "unprivileged"),
    ("it is no harm", "it is harmless"),
];

/// Words that texts for users do not contain: pages, and messages of the programs.
const FOR_USERS: &[(&str, &str)] = &[
    ("a double", "a duplicate"),
    ("anybody", "anyone, any client"),
    ("are believed", "are trusted"),
    ("asked too often", "received too many requests"),
    ("believes", "trusts"),
    ("breaks off", "ends early, is incomplete"),
    ("calls itself", "is marked as"),
    ("everybody", "everyone, all clients"),
    ("for ever", "forever, without an end"),
    ("has come", "has arrived, has connected"),
    ("have come", "have arrived, have connected"),
    ("is believed", "is trusted"),
    ("is there already", "already exists"),
    ("leave it out", "omit it, remove it"),
    ("leave one of them out", "omit one of them"),
    ("nothing came", "no data arrived"),
    ("nothing comes", "no data arrives"),
    ("stands there", "is listed"),
    ("switch off", "disable"),
    ("switch on", "enable"),
    ("switched off", "disabled"),
    ("switched on", "enabled"),
    ("taken apart", "parsed"),
    ("what came", "name what arrived"),
    ("what comes", "name what arrives"),
];

/// Words that a doc comment does not begin with.
const OPENINGS: [&str; 8] = ["what", "whether", "who", "whose", "where", "how", "when", "why"];

/// Number words after "some".
const NUMBERS: [&str; 12] = [
    "ten", "dozen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    "hundred", "thousand",
];

/// A word to replace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// From 1.
    pub(super) line: usize,
    pub(super) message: String,
}

/// A word in lower case; empty for punctuation, which no phrase contains.
struct Word {
    line: usize,
    text: String,
}

/// Returns the findings in the texts of one file, in order of their lines.
pub(super) fn findings(texts: &[Text]) -> Vec<Finding> {
    let mut findings = openings(texts);
    let mut block = Vec::new();
    let mut last: Option<&Text> = None;
    let comments = texts.iter().filter(|text| text.kind != Kind::Name);
    for text in comments {
        // Phrases may be broken over lines of one comment or paragraph.
        if !last.is_some_and(|last| last.line + 1 == text.line && last.kind == text.kind) {
            findings.extend(in_block(&block, last));
            block.clear();
        }
        block.extend(prose(text));
        last = Some(text);
    }
    findings.extend(in_block(&block, last));
    for name in texts.iter().filter(|text| text.kind == Kind::Name) {
        findings.extend(phrases(&parts_of_name(name), PHRASES));
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

/// Returns the findings in a comment, a paragraph or a message that ends with `last`.
fn in_block(words: &[Word], last: Option<&Text>) -> Vec<Finding> {
    let mut findings = phrases(words, PHRASES);
    if last.is_some_and(|last| last.kind == Kind::User) {
        findings.extend(phrases(words, FOR_USERS));
    }
    findings
}

/// Finds doc comments, and their sections of errors and panics, that begin with a question word.
fn openings(texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_opening = true;
    let mut last_line = 0;
    for text in texts.iter().filter(|text| text.kind == Kind::Doc) {
        is_opening |= text.line != last_line + 1;
        last_line = text.line;
        let words = text.text.trim();
        if words.starts_with("# Errors") || words.starts_with("# Panics") {
            is_opening = true;
        } else if !words.is_empty() {
            let first = words.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            if is_opening && OPENINGS.contains(&first.to_lowercase().as_str()) {
                let message = format!(
                    "a doc comment begins with \"{first}\": begin with a verb (\"Returns\", \
                     \"Reports whether\") or a noun; errors and panics with \"If\""
                );
                findings.push(Finding { line: text.line, message });
            }
            is_opening = false;
        }
    }
    findings
}

/// Returns the words of a comment or a line of prose; code in backticks counts as punctuation.
fn prose(text: &Text) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let word = |text_of: &str| Word { line: text.line, text: text_of.to_lowercase() };
    for (number, part) in text.text.split('`').enumerate() {
        if number % 2 == 1 {
            words.push(word(""));
            continue;
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '\'';
        for piece in part.split_whitespace() {
            for token in piece.split_inclusive(|c| !is_part(c)) {
                let trimmed = token.trim_end_matches(|c| !is_part(c));
                if !trimmed.is_empty() {
                    words.push(word(trimmed));
                }
                if trimmed.len() < token.len() {
                    words.push(word(""));
                }
            }
        }
    }
    words
}

/// Returns the words of an identifier in snake case or camel case.
fn parts_of_name(name: &Text) -> Vec<Word> {
    let mut words = vec![Word { line: name.line, text: String::new() }];
    let mut was_lower = false;
    for c in name.text.chars() {
        if c == '_' || c.is_uppercase() && was_lower {
            words.push(Word { line: name.line, text: String::new() });
        }
        was_lower = c.is_lowercase();
        if let Some(word) = words.last_mut()
            && c != '_'
        {
            word.text.extend(c.to_lowercase());
        }
    }
    words
}

/// Returns a finding for each phrase in a row of words.
fn phrases(words: &[Word], list: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (phrase, instead) in list {
        let parts: Vec<&str> = phrase.split(' ').collect();
        for window in words.windows(parts.len()) {
            let is_match = window.iter().zip(&parts).all(|(word, part)| matches(&word.text, part));
            let Some(first) = window.first() else { continue };
            if is_match {
                let found: Vec<_> = window.iter().map(|word| word.text.as_str()).collect();
                let message = format!("\"{}\": write instead: {instead}", found.join(" "));
                findings.push(Finding { line: first.line, message });
            }
        }
    }
    findings
}

fn matches(word: &str, part: &str) -> bool {
    match part {
        "#" => word.starts_with(|c: char| c.is_ascii_digit()) || NUMBERS.contains(&word),
        part => word == part,
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::{self, markdown};
    use super::*;

    fn rust(source: &str) -> Vec<Text> {
        source::rust(source, true)
    }

    fn lines(texts: &[Text]) -> Vec<usize> {
        findings(texts).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn phrases_are_found_in_comments_also_over_two_lines() {
        assert_eq!(lines(&rust("// It goes on.\n")), [1]);
        assert_eq!(lines(&rust("/// Reads and goes\n/// on.\nfn f() {}\n")), [1]);
        assert_eq!(lines(&rust("// It goes. On Monday.\n")), [0; 0], "two sentences");
        assert_eq!(lines(&rust("// Takes some 30 ms, some words.\n")), [1]);
    }

    #[test]
    fn phrases_are_found_in_names_and_messages() {
        assert_eq!(lines(&rust("fn logs_by_hand() {}\nstruct ByHand;\n")), [1, 2]);
        assert_eq!(lines(&rust("let x = \"by \\\n     hand\";\n")), [1]);
        assert_eq!(lines(&source::rust("let x = \"by hand\";\n", false)), [0; 0]);
    }

    #[test]
    fn some_phrases_are_refused_only_in_texts_for_users() {
        assert_eq!(lines(&rust("// Everybody.\nlet x = \"everybody\";\n")), [2]);
        assert_eq!(lines(&markdown("It is\nswitched off.\n")), [2]);
        assert_eq!(lines(&source::script("say(`everybody`)\n")), [1]);
    }

    #[test]
    fn phrases_are_found_in_pages_and_not_in_code() {
        assert_eq!(lines(&markdown("Set it by\nhand.\n\n`by hand`\n```\nby hand\n```\n")), [1]);
    }

    #[test]
    fn question_words_are_refused_at_the_beginning_of_doc_comments_only() {
        assert_eq!(lines(&rust("/// What it is.\nfn f() {}\n")), [1]);
        assert_eq!(lines(&rust("/// Reads.\n///\n/// # Errors\n/// When it fails.\n")), [4]);
        assert_eq!(lines(&rust("/// Reads. The\n/// When is a word.\n// What now?\n")), [0; 0]);
        assert_eq!(lines(&rust("/// Reads.\nfn f() {}\n/// Whether.\nfn g() {}\n")), [3]);
    }

    #[test]
    fn a_finding_says_what_to_write_instead() {
        let found = findings(&rust("// Adjusted by hand.\n"));
        assert_eq!(found[0].message, "\"by hand\": write instead: configured, manual");
    }

    #[test]
    fn every_phrase_is_found() {
        for (phrase, _) in PHRASES {
            let text = phrase.replace('#', "thirty");
            assert!(!findings(&rust(&format!("// Then {text}.\n"))).is_empty(), "{phrase}");
        }
        for (phrase, _) in FOR_USERS {
            assert!(!findings(&markdown(&format!("Then {phrase}.\n"))).is_empty(), "{phrase}");
        }
    }
}
