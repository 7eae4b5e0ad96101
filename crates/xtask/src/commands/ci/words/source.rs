//! The parts of a file that the word check reads: comments, names and messages of Rust, prose of pages,
//! and all lines of other texts.

/// A kind of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Documentation of an item or a module.
    Doc,
    /// Any other comment.
    Prose,
    /// A text that users read: a page, or a message of a program.
    User,
    /// An identifier.
    Name,
}

/// A piece of text on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// From 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// Returns the comments and names of a Rust file, and its string literals if they are messages. Those of
/// tests, which are at the end of a file, are not.
pub(super) fn rust(source: &str, has_messages: bool) -> Vec<Text> {
    let mut texts = Vec::new();
    let tests = source.find("#[cfg(test)]\nmod ").unwrap_or(source.len());
    let last_message = source.get(..tests).map_or(0, |product| product.matches('\n').count());
    let mut code = Code { rest: source, line: 1 };
    while let Some(first) = code.rest.chars().next() {
        let line = code.line;
        if code.rest.starts_with("//") {
            let comment = code.take(code.rest.find('\n').unwrap_or(code.rest.len()));
            let is_doc = comment.starts_with("///") || comment.starts_with("//!");
            let kind = if is_doc { Kind::Doc } else { Kind::Prose };
            let text = comment.trim_start_matches(['/', '!']).to_owned();
            texts.push(Text { line, kind, text });
        } else if let Some(length) = literal(code.rest) {
            let literal = code.take(length);
            if has_messages && line <= last_message {
                texts.extend(message(literal, line));
            }
        } else if first.is_alphabetic() || first == '_' {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let length = code.rest.find(|c| !is_part(c)).unwrap_or(code.rest.len());
            let text = code.take(length).to_owned();
            texts.push(Text { line, kind: Kind::Name, text });
        } else {
            code.take(first.len_utf8());
        }
    }
    texts
}

/// Returns the lines of a string literal. Escapes and placeholders count as punctuation.
fn message(literal: &str, line: usize) -> impl Iterator<Item = Text> {
    literal.split('\n').enumerate().map(move |(number, text)| {
        let text = text.trim_end_matches('\\').replace("\\n", " ; ").replace("\\\"", "\"");
        Text { line: line + number, kind: Kind::User, text }
    })
}

/// Returns all lines of another text for users.
pub(super) fn lines(text: &str) -> Vec<Text> {
    let line = |(number, line): (usize, &str)| Text {
        line: number + 1,
        kind: Kind::User,
        text: line.to_owned(),
    };
    text.lines().enumerate().map(line).collect()
}

/// Returns the lines of a script of the web page.
pub(super) fn script(text: &str) -> Vec<Text> {
    let mut lines = lines(text);
    // Backticks delimit texts, not code.
    lines.iter_mut().for_each(|line| line.text = line.text.replace('`', " "));
    lines
}

/// Returns the prose of a page, without code blocks.
pub(super) fn markdown(page: &str) -> Vec<Text> {
    let mut in_block = false;
    let mut texts = Vec::new();
    for (number, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            texts.push(Text { line: number + 1, kind: Kind::User, text: line.to_owned() });
        }
    }
    texts
}

/// The rest of a source file.
struct Code<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Code<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
}

/// Returns the length of the string or character literal at the front of `code`, if there is one.
fn literal(code: &str) -> Option<usize> {
    let mut front = code.bytes().take(3);
    let prefix = front.position(|byte| matches!(byte, b'"' | b'\'' | b'#'))?;
    let start = code.get(..prefix)?;
    if !matches!(start, "" | "b" | "c" | "r" | "br" | "cr") {
        return None;
    }
    let rest = code.get(prefix..)?;
    if start.ends_with('r') {
        let hashes = rest.find(|c| c != '#')?;
        let inside = rest.get(hashes..)?.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = inside.find(&end)?;
        return Some(prefix + hashes + 1 + length + end.len());
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return Some(prefix + 1 + end_of(inside, '"')?);
    }
    // A lifetime has no second quote: a character literal is one character or an escape.
    let inside = rest.strip_prefix('\'')?;
    let mut characters = inside.chars();
    match (characters.next()?, characters.next()?) {
        ('\\', _) => Some(prefix + 1 + end_of(inside, '\'')?),
        (one, '\'') => Some(prefix + 2 + one.len_utf8()),
        _ => None,
    }
}

/// Returns the position after the first `quote` that no backslash escapes.
fn end_of(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_left_out_of_rust() {
        let source = r##"//! A.
let one = "two \" three"; // four
let five: &'static str = r#"six " seven"#; '"'; b"eight"; '\''; nine();
"##;
        let found: Vec<_> =
            rust(source, false).into_iter().map(|it| (it.line, it.kind, it.text)).collect();
        let name = |line, text: &str| (line, Kind::Name, text.to_owned());
        let expected = [
            (1, Kind::Doc, " A.".to_owned()),
            name(2, "let"),
            name(2, "one"),
            (2, Kind::Prose, " four".to_owned()),
            name(3, "let"),
            name(3, "five"),
            name(3, "static"),
            name(3, "str"),
            name(3, "nine"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn messages_are_the_string_literals_before_the_tests() {
        let source =
            "f(\"one {two}\\nthree \\\n    four\");\n#[cfg(test)]\nmod tests { f(\"five\") }\n";
        let texts = rust(source, true);
        let messages = texts.into_iter().filter(|text| text.kind == Kind::User);
        let found: Vec<_> = messages.map(|text| (text.line, text.text)).collect();
        let expected = [(1, "\"one {two} ; three ".to_owned()), (2, "    four\"".to_owned())];
        assert_eq!(found, expected);
    }

    #[test]
    fn texts_in_backticks_of_scripts_are_read() {
        assert_eq!(script("a(`by hand`)\n")[0].text, "a( by hand )");
    }

    #[test]
    fn code_blocks_are_left_out_of_pages() {
        let found: Vec<_> =
            markdown("a\n```sh\nb\n```\nc\n").into_iter().map(|it| it.line).collect();
        assert_eq!(found, [1, 5]);
    }
}
