//! The messages that a load client recorded.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::Context as _;

/// One message received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// The time at which it was read, microseconds since 1970.
    pub(crate) at: u64,
    /// The number of the client.
    pub(crate) client: usize,
    pub(crate) offset: u64,
    /// The entry's index in its log.
    pub(crate) index: u64,
    /// The SCT's time, milliseconds since 1970.
    pub(crate) submitted: u64,
    /// The log's URL, without a slash at its end.
    pub(crate) log: String,
    /// The certificate's domain names.
    pub(crate) domains: Vec<String>,
}

pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Received>> {
    let mut messages = Vec::new();
    for_each(path, |message| messages.push(message))?;
    Ok(messages)
}

/// Reads one message after the other, of which there may be more than memory holds.
pub(crate) fn for_each(path: &Path, mut see: impl FnMut(Received)) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    for line in BufReader::new(file).lines() {
        let line = line?;
        see(parse(&line).with_context(|| line.clone())?);
    }
    Ok(())
}

fn parse(line: &str) -> Option<Received> {
    let fields: Vec<_> = line.split(' ').collect();
    let [at, client, offset, index, _seen, submitted, log, domains] = fields[..] else {
        return None;
    };
    Some(Received {
        at: at.parse().ok()?,
        client: client.parse().ok()?,
        offset: offset.parse().ok()?,
        index: index.parse().ok()?,
        submitted: submitted.parse().ok()?,
        log: log.trim_end_matches('/').to_owned(),
        domains: serde_json::from_str(&format!("[{domains}]")).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back() {
        let received = Received {
            at: 1,
            client: 7,
            offset: 2,
            index: 3,
            submitted: 5,
            log: "http://log.example".to_owned(),
            domains: vec!["a.example".to_owned(), "*.b".to_owned()],
        };
        let line = r#"1 7 2 3 4 5 http://log.example/ "a.example","*.b""#;
        assert_eq!(parse(line), Some(received));
        assert_eq!(parse("1 7 2 3 4 5 x ").map(|received| received.domains), Some(vec![]));
        assert_eq!(parse("1 2 3 4 5"), None);
    }
}
