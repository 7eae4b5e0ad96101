//! The query of a search: the predicate of streams, and what only a search has.

use cert::{Certificate, Digests};
use journal::{Order, Term, Wanted};
use record::{LogNumber, Record};
use wire::filter::{Filter, Parameter, Subject};
use wire::{EntryKind, Source};

use super::names::{self, Pattern};
use crate::history::terms;
use crate::publish::entries::Entries;

/// Bytes of a serial number at most. CAs may not use more than 20 (RFC 5280 section 4.1.2.2).
const MOST_SERIAL_BYTES: usize = 64;

/// The query of a search.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// The filter, as of a stream.
    pub(crate) filter: Option<Filter>,
    /// The serial number.
    pub(crate) serial: Option<Serial>,
    /// A pattern that one of the names has.
    pub(crate) pattern: Option<Pattern>,
    /// The order of the results.
    pub(crate) order: Order,
    /// The kind of result that is returned once only.
    pub(crate) unique: Option<Unique>,
}

/// A kind of result that a search returns once only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unique {
    /// Certificates with the same issuer and serial number: a precertificate and its final certificate
    /// are one.
    Certificate,
    /// Names.
    Name,
}

/// A serial number: its bytes without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Serial(Vec<u8>);

impl Serial {
    /// Reads hexadecimal digits of either case, with or without colons between the bytes. The error is
    /// the answer to the client.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "serial: a serial number has 1 to {} hexadecimal digits, perhaps with colons between \
                 the bytes, such as 03:AB:CD or 3abcd\n",
                2 * MOST_SERIAL_BYTES
            )
        };
        // Longer texts are not worth looking at.
        if text.len() > 3 * MOST_SERIAL_BYTES {
            return Err(wrong());
        }
        let has_colons = text.contains(':');
        if has_colons && text.split(':').any(|byte| byte.len() != 2) {
            return Err(wrong());
        }
        let mut digits: Vec<u8> = Vec::new();
        for character in text.chars().filter(|character| *character != ':') {
            let digit = character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            digits.push(digit.ok_or_else(wrong)?);
        }
        if digits.is_empty() || digits.len() > 2 * MOST_SERIAL_BYTES {
            return Err(wrong());
        }
        if !digits.len().is_multiple_of(2) {
            digits.insert(0, 0);
        }
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        Ok(Self(without_zeros(&bytes).to_vec()))
    }

    /// Returns the forms that it has in certificates: with and without a leading zero. The number zero
    /// has the first only: no bytes stand for a serial number that cannot be read.
    fn encoded(&self) -> Vec<Vec<u8>> {
        let with_zero = [&[0], self.0.as_slice()].concat();
        if self.0.is_empty() { vec![with_zero] } else { vec![self.0.clone(), with_zero] }
    }

    fn is_of(&self, certificate: &Certificate<'_>) -> bool {
        self.encoded().iter().any(|encoded| certificate.serial == encoded)
    }
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

impl Query {
    /// Returns what the indexes know of it.
    pub(super) fn wanted(&self, logs: &Entries) -> Wanted {
        let mut groups = self.filter.as_ref().map(terms::of).unwrap_or_default();
        if let Some(filter) = &self.filter {
            let parts = filter.terms(Parameter::Match);
            if !parts.is_empty() {
                let parts = parts.iter().map(ToString::to_string).collect();
                groups.push(vec![Term::Parts(parts)]);
            }
        }
        if let Some(serial) = &self.serial {
            groups.push(serial.encoded().into_iter().map(Term::Serial).collect());
        }
        if let Some(pattern) = &self.pattern {
            groups.push(vec![pattern.term()]);
        }
        Wanted { groups, logs: self.logs(logs) }
    }

    /// Returns the logs that pass the filter; `None` for all.
    fn logs(&self, logs: &Entries) -> Option<Vec<LogNumber>> {
        let filter = self.filter.as_ref()?;
        if filter.terms(Parameter::Log).is_empty() {
            return None;
        }
        let mut subject = Subject::default();
        let sources = logs.sources();
        let passing = (0_u32..).zip(sources.iter()).filter(|(_, source)| {
            subject.set_log(source);
            filter.holds(Parameter::Log, &subject)
        });
        Some(passing.map(|(number, _)| LogNumber(number)).collect())
    }

    /// Reports whether a record is wanted, repetitions included.
    pub(crate) fn passes(&self, record: &Record, source: &Source) -> bool {
        // Filters look at the SHA-256 only.
        let digests = Digests { sha1: [0; 20], sha256: record.fingerprint };
        let certificate = Certificate::read_with_digests(&record.certificate, &digests);
        if self.serial.as_ref().is_some_and(|serial| !serial.is_of(&certificate)) {
            return false;
        }
        if let Some(pattern) = &self.pattern
            && !names::of(&certificate).iter().any(|name| pattern.matches(name))
        {
            return false;
        }
        let Some(filter) = &self.filter else { return true };
        let mut subject = Subject::default();
        subject.read(&certificate, source, EntryKind::from(record.kind));
        subject.set_new(record.is_new);
        filter.passes(&subject)
    }

    /// Returns those names of a certificate that are wanted, in lower case; all if none is by itself. One
    /// that has addresses only is named by them.
    pub(crate) fn names(&self, certificate: &Certificate<'_>) -> Vec<String> {
        let all = names::of(certificate);
        if all.is_empty() {
            return names::addresses_of(certificate);
        }
        let mut subject = Subject::default();
        let mut is_wanted = |name: &String| {
            subject.clear();
            subject.add_name(name);
            let passes = |filter: &Filter| {
                [Parameter::Domain, Parameter::Match]
                    .iter()
                    .all(|parameter| filter.holds(*parameter, &subject))
            };
            self.filter.as_ref().is_none_or(passes)
                && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
        };
        let wanted: Vec<String> = all.iter().filter(|name| is_wanted(name)).cloned().collect();
        if wanted.is_empty() { all } else { wanted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_number_zero_is_not_one_that_cannot_be_read() {
        let serial = Some(Serial::parse("00").expect("a serial number"));
        let query =
            Query { filter: None, serial, pattern: None, order: Order::Newest, unique: None };
        let state = record::State::new(record::StreamId::from_random(1));
        let wanted = query.wanted(&Entries::new(&state));
        assert_eq!(wanted.groups, [[Term::Serial(vec![0])]]);
        let der = bytes::Bytes::from_static(b"no certificate");
        let record = Record::as_read(0, 0, ct::leaf::EntryType::X509, der, Vec::new());
        let log = crate::history::sample::log("Log", "https://log.example", None);
        assert!(!query.passes(&record, &Source::from(&log)));
    }

    #[test]
    fn serial_numbers_are_read_as_messages_and_other_tools_write_them() {
        for text in ["03:AB:CD", "03abcd", "3abcd", "003ABCD", "00:03:ab:cd"] {
            assert_eq!(Serial::parse(text), Ok(Serial(vec![3, 0xab, 0xcd])), "{text}");
        }
        assert_eq!(Serial::parse("0").map(|serial| serial.0), Ok(Vec::new()));
        let long = "a".repeat(129);
        for text in ["", ":", "3:ab", "xyz", "3a bc", "' OR 1=1", "\u{202e}ab", &long] {
            let problem = Serial::parse(text).expect_err("no serial number");
            assert!(problem.starts_with("serial: a serial number has 1 to 128 hex"), "{text}");
        }
    }
}
