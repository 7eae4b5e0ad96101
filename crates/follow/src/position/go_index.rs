//! The file of certstream-server-go, as its running server writes it: for a return to that server.

use std::io;
use std::path::Path;

use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::{Imported, State, without_scheme};
use crate::file;

impl State {
    /// Returns the positions as certstream-server-go stores them while it runs: the index of the last
    /// entry read of each log. That server repeats this entry when it starts. Logs of which it is
    /// unknown are omitted, as is index 0, which means unknown there.
    #[must_use]
    pub fn go_index(&self) -> Imported {
        let last = |(url, position): (&String, &super::Position)| {
            let index = position.current_index.checked_sub(1).filter(|index| *index > 0)?;
            Some((without_scheme(url).to_owned(), index))
        };
        self.logs.iter().filter_map(last).collect()
    }
}

/// Replaces a file with these positions, indented by one space as by certstream-server-go.
///
/// # Errors
/// If the folder cannot be written; the old content stays.
pub fn write_go_index(path: &Path, index: &Imported) -> io::Result<()> {
    let mut text = Vec::new();
    let mut json = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
    index.serialize(&mut json)?;
    file::replace(path, &text)
}
