//! Errors with their causes.

use std::error::Error;

/// Returns an error and its causes in one line. A cause that the text before it ends with already is
/// not repeated.
#[must_use]
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full: {source}")]
    struct Full {
        source: io::Error,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Outer(#[from] Full);

    #[test]
    fn each_cause_is_named_once() {
        let full = Full { source: io::Error::other("no space") };
        assert_eq!(in_full(&full), "the disk is full: no space");
        assert_eq!(in_full(&Outer(full)), "cannot start: the disk is full: no space");
    }
}
