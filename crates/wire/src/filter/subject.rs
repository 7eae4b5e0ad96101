//! What filters see of a certificate.

use cert::{Certificate, DirectoryString, Part};
use memchr::memmem;

use super::{MAX_TERM_BYTES, Parameter};
use crate::source::Source;

/// Bytes that a text keeps room for when it is used again. Few certificates need as much.
const KEPT_BYTES: usize = 64 << 10;

/// A certificate as filters see it: its names, its issuer and its log, in lower case. Meant to be
/// used again for the next certificate, so that nothing is allocated.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Each name with a line feed after it. No term has one, so none is found across two names.
    names: String,
    /// The CN and O of the issuer, in the same form.
    issuer: String,
    /// The name and URL of the log, in the same form.
    log: String,
    log_id: String,
}

impl Subject {
    /// Forgets the certificate it was.
    pub fn clear(&mut self) {
        for text in [&mut self.names, &mut self.issuer, &mut self.log, &mut self.log_id] {
            text.clear();
            text.shrink_to(KEPT_BYTES);
        }
    }

    /// Becomes this certificate of this log.
    pub fn read(&mut self, certificate: &Certificate<'_>, source: &Source) {
        self.clear();
        for name in certificate.common_name().into_iter().chain(certificate.dns_names()) {
            self.add_name(&name);
        }
        for part in [Part::CommonName, Part::Organization] {
            let part: Option<DirectoryString<'_>> = certificate.issuer.get(part);
            if let Some(part) = part {
                self.add_issuer(&part.to_text());
            }
        }
        self.set_log(source);
    }

    /// Adds a name that the certificate is for.
    pub fn add_name(&mut self, name: &str) {
        push_line(name, &mut self.names);
    }

    /// Adds a CN or O of the issuer.
    pub fn add_issuer(&mut self, name: &str) {
        push_line(name, &mut self.issuer);
    }

    /// Sets the log.
    pub fn set_log(&mut self, source: &Source) {
        self.log.clear();
        self.log_id.clear();
        push_line(source.name(), &mut self.log);
        push_line(source.url(), &mut self.log);
        push_lower(source.log_id().unwrap_or_default(), &mut self.log_id);
    }

    /// The text that terms of this parameter are looked for in, lines each ended by a line feed.
    pub(super) fn text(&self, parameter: Parameter) -> &str {
        match parameter {
            Parameter::Domain | Parameter::Match => &self.names,
            Parameter::Issuer => &self.issuer,
            Parameter::Log => &self.log,
        }
    }

    /// The base64 of the log's id, in lower case; empty if there is none.
    pub(super) fn log_id(&self) -> &str {
        &self.log_id
    }

    /// Every domain that one of the names is or lies below, without a final dot; no longer than
    /// terms can be.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        self.names.split_terminator('\n').flat_map(|name| {
            let name = name.strip_suffix('.').unwrap_or(name);
            let domains =
                std::iter::successors(Some(name), |domain| Some(domain.split_once('.')?.1));
            domains.filter(|domain| domain.len() <= MAX_TERM_BYTES)
        })
    }

    /// Whether a term in canonical form holds.
    pub(super) fn has(&self, parameter: Parameter, term: &str) -> bool {
        match parameter {
            Parameter::Domain => self.domains().any(|domain| domain == term),
            Parameter::Log if self.log_id == term => true,
            Parameter::Match | Parameter::Issuer | Parameter::Log => {
                memmem::find(self.text(parameter).as_bytes(), term.as_bytes()).is_some()
            }
        }
    }
}

/// Appends a text in lower case as one line.
fn push_line(text: &str, out: &mut String) {
    if text.contains('\n') {
        push_lower(&text.replace('\n', "\u{fffd}"), out);
    } else {
        push_lower(text, out);
    }
    out.push('\n');
}

/// Appends a text in lower case: character by character, so that a part of a text is a part of it
/// in lower case too.
pub(super) fn push_lower(text: &str, out: &mut String) {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        if let Some(new) = out.get_mut(start..) {
            new.make_ascii_lowercase();
        }
    } else {
        out.extend(text.chars().flat_map(char::to_lowercase));
    }
}
