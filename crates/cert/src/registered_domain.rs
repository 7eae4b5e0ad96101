//! The registrable domain of a name, by the public suffix list.

use std::borrow::Cow;

/// Returns the registrable domain of a name by the public suffix list, in lower case; none if the
/// name is itself a public suffix, an IP address, or not a domain name.
#[must_use]
pub fn registered_domain(name: &str) -> Option<Cow<'_, str>> {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_allowed = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let last = name.rsplit('.').next().unwrap_or_default();
    if !name.chars().all(is_allowed) || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if name.chars().any(char::is_uppercase) {
        let lower = name.to_lowercase();
        return psl::domain_str(&lower).map(|domain| Cow::Owned(domain.to_owned()));
    }
    psl::domain_str(name).map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_registrable_domain_below_their_public_suffix() {
        for (name, expected) in [
            ("example.org", Some("example.org")),
            ("*.a.b.example.org", Some("example.org")),
            ("WWW.Example.CO.UK.", Some("example.co.uk")),
            ("login.shop.com.br", Some("shop.com.br")),
            ("me.github.io", Some("me.github.io")),
            ("a.xn--85x722f.xn--55qx5d.cn", Some("xn--85x722f.xn--55qx5d.cn")),
            ("a.b.unknown-suffix", Some("b.unknown-suffix")),
            ("co.uk", None),
            ("*.com", None),
            ("org", None),
            ("192.0.2.1", None),
            ("2001:db8::1", None),
            ("Example Inc. Root CA", None),
            ("user@example.org", None),
            ("", None),
            (".", None),
            ("..", None),
        ] {
            assert_eq!(registered_domain(name).as_deref(), expected, "{name:?}");
        }
    }
}
