//! Filters, one by one and all together.

use crate::event::EntryKind;
use crate::source::{Source, SourceKind};

use super::*;

mod model;
mod parse;
mod passes;
mod registry;

/// A filter by its query string, as if percent-decoded.
fn parse(query: &str) -> Result<Option<Filter>, FilterError> {
    Filter::parse(query.split('&').filter_map(|pair| pair.split_once('=')), 20)
}

fn filter(query: &str) -> Filter {
    parse(query).unwrap().unwrap()
}

fn argon() -> Source {
    let id = Some("DleUvPOuqT4zGyyZB7P3kN+bwj1xMiXdIaklrGHFTiE=".to_owned());
    let url = "https://ct.googleapis.com/logs/us1/argon2026h1/";
    Source::new("Google 'Argon2026h1' log", url, "Google", SourceKind::Rfc6962, id)
}

/// A precertificate by Let's Encrypt, in Argon.
fn subject<'n>(names: impl IntoIterator<Item = &'n str>) -> Subject {
    let mut subject = Subject::default();
    names.into_iter().for_each(|name| subject.add_name(name));
    subject.add_issuer("R10");
    subject.add_issuer("Let's Encrypt");
    subject.set_log(&argon());
    subject.set_sha256(&[0; 32]);
    subject.set_kind(EntryKind::PrecertLogEntry);
    subject
}
