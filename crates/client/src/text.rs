//! Text that a server sent, made safe to show.

/// Most characters of a server's text that are shown.
const MAX_SHOWN: usize = 200;

/// Returns the beginning of a text, on one line, without characters that control a terminal or
/// change the order of others.
#[must_use]
pub fn shown(text: &str) -> String {
    let is_control = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let line = text.chars().map(|c| if is_control(c) { ' ' } else { c });
    line.take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(shown("a\nb\u{1b}[31m\u{9b}\u{202e}c"), "a b [31m  c");
    }
}
