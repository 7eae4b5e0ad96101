//! The texts that a program generates from its own command line: examples of use, completions of
//! shells, and the manual page.

pub mod completions;
pub mod manual;

/// The address of the documentation.
pub const DOCUMENTATION: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/tree/main/docs");

/// An example of use: a command, and its description.
pub type Example = (&'static str, &'static str);

/// The longest command with its description on the same line.
const MAX_COLUMN: usize = 52;

/// Returns the examples as a section of a help text: the descriptions are in a column, or below a long
/// command.
#[must_use]
pub fn examples(examples: &[Example]) -> String {
    let lengths = examples.iter().map(|(command, _)| command.len());
    let width = lengths.filter(|length| *length <= MAX_COLUMN).max().unwrap_or_default();
    let line = |(command, about): &Example| match command.len() <= MAX_COLUMN {
        true => format!("\n  {command:<width$}  {about}"),
        false => format!("\n  {command}\n      {about}"),
    };
    format!("Examples:{}", examples.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_in_columns() {
        let text = examples(&[("a --long", "runs a"), ("b", "runs b")]);
        assert_eq!(text, "Examples:\n  a --long  runs a\n  b         runs b");
        let long: &str = Box::leak("c".repeat(60).into_boxed_str());
        let text = examples(&[("a", "runs a"), (long, "runs c")]);
        assert_eq!(text, format!("Examples:\n  a  runs a\n  {long}\n      runs c"));
    }
}
