//! Subjects of NATS, and keys of Kafka.

use crate::message::Message;

/// Longest part of a subject: names of logs are not bounded.
const LONGEST: usize = 128;

/// Returns the subject of a message: `<prefix>.<operator>.<log>`. The parts are in lower case; characters
/// other than letters and digits of ASCII are `_`.
pub(crate) fn subject(prefix: &str, message: &Message) -> String {
    let log = &message.log;
    format!("{prefix}.{}.{}", token(&log.operator), token(&log.name))
}

/// Returns a part of a subject; one without characters is `unknown`.
fn token(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let token: String = text.chars().take(LONGEST).map(plain).collect();
    if token.is_empty() { "unknown".to_owned() } else { token }
}

/// Returns the registrable domain of the first name of a message by the public suffix list, in lower
/// case; the name itself where it has none, and nothing without a name.
pub(crate) fn domain(message: &Message) -> Option<String> {
    let name = message.name.as_deref()?;
    let name = name.strip_prefix("*.").unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    let domain = if is_address { None } else { psl::domain_str(&name) };
    Some(domain.map_or_else(|| name.clone(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::message;

    #[test]
    fn subjects_have_operator_and_log_in_lower_case() {
        let one = message(1, None);
        assert_eq!(subject("certs", &one), "certs.let_s_encrypt.example__rock2027__log");
        assert_eq!(token("a.b*c>d-e\u{e9}"), "a_b_c_d_e_");
        assert_eq!(token(""), "unknown");
        assert_eq!(token(&"x".repeat(1_000)).len(), LONGEST);
    }

    #[test]
    fn the_key_is_the_registrable_domain_of_the_first_name() {
        for (name, expected) in [
            (Some("*.a.Example.CO.UK"), Some("example.co.uk")),
            (Some("www.example.org."), Some("example.org")),
            (Some("co.uk"), Some("co.uk")),
            (Some("192.0.2.1"), Some("192.0.2.1")),
            (Some("2001:db8::1"), Some("2001:db8::1")),
            (None, None),
        ] {
            assert_eq!(domain(&message(1, name)).as_deref(), expected, "{name:?}");
        }
    }
}
