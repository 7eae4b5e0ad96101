//! The output of commands besides log lines.

use std::io::{self, Write as _};

/// Prints a text to standard output, its end trimmed to one newline. A reader that is gone
/// (`certstream-server --help | head`) has read enough and is no error.
///
/// # Errors
/// The error of standard output, if it has a reader.
pub fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let printed = writeln!(output, "{}", text.trim_end()).and_then(|()| output.flush());
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes why the program ends to standard error, as `error: …`. If that cannot be written, the
/// reason is lost.
pub fn print_error(problem: &str) {
    crate::stderr().line(format!("error: {problem}\n").as_bytes());
}

/// Writes what a user of a command should know besides its output to standard error, as `warning: …`. If that
/// cannot be written, it is lost.
pub fn print_warning(text: &str) {
    crate::stderr().line(format!("warning: {text}\n").as_bytes());
}
