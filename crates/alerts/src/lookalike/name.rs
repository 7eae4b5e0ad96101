//! A domain name in its parts.

use wire::filter::MAX_TERM_BYTES;

/// A domain name in lower case, divided at its public suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// The labels before the registrable domain, without a leading `*`; empty if there are none.
    pub(super) below: &'a str,
    /// The registrable domain: a label and its public suffix.
    pub(super) domain: &'a str,
    /// That label.
    pub(super) label: &'a str,
    /// That public suffix.
    pub(super) suffix: &'a str,
    /// That label with the one before it, as `pay.pal` of `www.pay.pal.com`.
    pub(super) across_dot: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// Divides a name. `None` for an address, a public suffix, and text that is not a domain name.
    pub(super) fn read(name: &'a str) -> Option<Self> {
        let name = name.strip_prefix("*.").unwrap_or(name);
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '*');
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_domain = name.len() <= MAX_TERM_BYTES
            && name.chars().all(is_allowed)
            && !last.bytes().all(|byte| byte.is_ascii_digit());
        if !is_domain {
            return None;
        }
        let found = psl::domain(name.as_bytes())?;
        let (below, domain) =
            name.split_at_checked(name.len().checked_sub(found.as_bytes().len())?)?;
        let below = below.strip_suffix('.').unwrap_or(below);
        let suffix_bytes = found.suffix().as_bytes().len();
        let (label, suffix) = domain.split_at_checked(domain.len().checked_sub(suffix_bytes)?)?;
        let label = label.strip_suffix('.').filter(|label| !label.is_empty())?;
        let across_dot = name
            .get(..name.len() - suffix_bytes - 1)
            .filter(|_| !below.is_empty())
            .map(|head| head.rmatch_indices('.').nth(1).map_or(head, |(dot, _)| after(head, dot)));
        Some(Self { below, domain, label, suffix, across_dot })
    }

    /// Returns the labels before the registrable domain, each with what follows it there.
    pub(super) fn labels_below(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.below;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (label, after) = rest.split_once('.').unwrap_or((rest, ""));
            rest = after;
            Some((label, after))
        })
    }
}

/// Returns the text after the dot at a place.
fn after(text: &str, dot: usize) -> &str {
    text.get(dot + 1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_divided_at_their_public_suffix() {
        for (name, expected) in [
            ("paypal.com", Some(("", "paypal", "com"))),
            ("*.login.paypal.co.uk.", Some(("login", "paypal", "co.uk"))),
            ("a.b.paypal.github.io", Some(("a.b", "paypal", "github.io"))),
            ("xn--pypal-4ve.xn--p1ai", Some(("", "xn--pypal-4ve", "xn--p1ai"))),
            ("_dmarc.b\u{fc}cher.de", Some(("_dmarc", "b\u{fc}cher", "de"))),
            ("com", None),
            ("co.uk", None),
            ("192.0.2.1", None),
            ("2001:db8::1", None),
            ("Example Inc", None),
            ("example.com evil.org", None),
            ("", None),
            (".", None),
            ("..com", None),
            ("*.", None),
        ] {
            let found = Name::read(name);
            let parts = found.map(|name| (name.below, name.label, name.suffix));
            assert_eq!(parts, expected, "{name:?}");
        }
        assert_eq!(Name::read(&format!("{}.com", "a".repeat(300))), None);
        for (name, expected) in [
            ("pal.com", None),
            ("pay.pal.com", Some("pay.pal")),
            ("a.pay.pal.co.uk", Some("pay.pal")),
        ] {
            assert_eq!(Name::read(name).and_then(|name| name.across_dot), expected, "{name}");
        }
        let name = Name::read("a.b.paypal.com");
        let labels: Vec<_> = name.iter().flat_map(Name::labels_below).collect();
        assert_eq!(labels, [("a", "b"), ("b", "")]);
    }
}
