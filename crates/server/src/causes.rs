//! What went wrong, with its causes, each said once.

/// An error and its causes in one line. A cause that the message before it says already is not
/// repeated.
#[must_use]
pub fn in_full(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read it: {source}")]
    struct Unreadable {
        source: io::Error,
    }

    #[test]
    fn each_cause_is_said_once() {
        let error = Unreadable { source: io::Error::other("no space") };
        let error = anyhow::Error::from(error).context("the state");
        assert_eq!(in_full(&error), "the state: cannot read it: no space");
    }
}
