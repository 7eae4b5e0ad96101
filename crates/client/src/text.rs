//! Text that a server sent, made safe to show.

/// Most characters of a server's text that are shown.
const MAX_SHOWN: usize = 200;
/// Most characters of a line of a report.
const MAX_LINE: usize = 2000;

/// Returns the beginning of a text, on one line, without characters that control a terminal or
/// change the order of others.
#[must_use]
pub fn shown(text: &str) -> String {
    safe(text, MAX_SHOWN)
}

/// Returns a report of several lines, each made safe as by [`shown`], but longer.
#[must_use]
pub fn shown_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| safe(line, MAX_LINE)).collect();
    lines.join("\n")
}

fn safe(text: &str, most: usize) -> String {
    let is_control = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let line = text.chars().map(|c| if is_control(c) { ' ' } else { c });
    line.take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(shown("a\nb\u{1b}[31m\u{9b}\u{202e}c"), "a b [31m  c");
    }

    #[test]
    fn a_report_keeps_its_lines() {
        assert_eq!(shown_lines("a\u{1b}[2J\nb\u{202e}c\n"), "a [2J\nb c");
        assert_eq!(shown_lines(&"x".repeat(MAX_LINE + 1)).len(), MAX_LINE);
    }
}
