//! An alert as a message for people (RFC 5322).

use std::time::SystemTime;

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};

use super::super::body::{for_people, plain};
use crate::alert::Alert;

/// Characters of the name in a subject at most.
const MAX_NAME: usize = 100;

/// Returns the message. Its `Message-ID` is made of the alert's identity, so every attempt has the same.
pub(super) fn message(
    alert: &Alert,
    from: &Mailbox,
    to: &[Mailbox],
    time: SystemTime,
) -> Result<Vec<u8>, lettre::error::Error> {
    // No program replies to it, as those do that tell of holidays (RFC 3834 section 5).
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let mut builder = Message::builder()
        .message_id(Some(format!("<{}@{}>", alert.id, from.email.domain())))
        .date(time)
        .from(from.clone())
        .subject(subject(alert))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
    for address in to {
        builder = builder.to(address.clone());
    }
    Ok(builder.singlepart(SinglePart::plain(for_people(alert)))?.formatted())
}

/// Returns the subject: the rule, and the name that matched it.
fn subject(alert: &Alert) -> String {
    let matched = alert.reasons.iter().find_map(|reason| reason.name.as_deref());
    let name = matched.or_else(|| alert.certificate.names.first().map(String::as_str));
    let mut name: Vec<char> = name.unwrap_or_default().chars().collect();
    if name.len() > MAX_NAME {
        name.truncate(MAX_NAME);
        name.push('…');
    }
    let name: String = name.into_iter().collect();
    let text = plain(&format!("Certificate alert: {}: {name}", alert.rule));
    // A text that is encoded already would be decoded (RFC 2047).
    text.replace("=?", "= ?")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::alert::tests::alert;

    fn text(alert: &Alert) -> String {
        let [from, to, other] = ["CT <ct@example.org>", "a@example.com", "\u{dc} <b@example.com>"]
            .map(|address| address.parse().unwrap());
        let time = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        String::from_utf8(message(alert, &from, &[to, other], time).unwrap()).unwrap()
    }

    #[test]
    fn a_message_has_the_headers_that_programs_read_and_a_text_for_people() {
        let alert = alert("our brand");
        let text = text(&alert);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        for header in [
            &format!("Message-ID: <{}@example.org>", alert.id),
            "Date: Wed, 18 Nov 2026 11:06:40 +0000",
            "From: CT <ct@example.org>",
            "To: a@example.com, =?utf-8?b?w5w=?= <b@example.com>",
            "Subject: Certificate alert: our brand: example.com",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(head.lines().any(|line| line == header), "{header} in {head}");
        }
        assert!(
            body.starts_with("Certificate alert: our brand\r\nReason: example[.]com is"),
            "{body}"
        );
        assert!(body.contains(&format!("SHA-256: {}", alert.certificate.sha256)), "{body}");
    }

    /// A name cannot add a header, end the headers, or change the direction of a text.
    #[test]
    fn names_cannot_change_the_message_around_them() {
        let mut hostile = alert("a\r\nBcc: all@example.com\r\n\r\n\u{202e}rule");
        let name = "=?utf-8?q?=0ABcc:_x?= \u{2066}\r\n.\r\nQUIT ".repeat(10);
        hostile.reasons[0].name = Some(name.clone());
        hostile.certificate.names = vec![name; 20];
        let text = text(&hostile);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<_> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':').map(|(name, _)| name))
            .collect();
        let expected = [
            "Message-ID",
            "Date",
            "From",
            "Subject",
            "Auto-Submitted",
            "To",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
        ];
        assert_eq!(names, expected, "{head}");
        assert!(head.is_ascii() && head.lines().all(|line| line.len() <= 998), "{head}");
        assert!(!head.contains("=?utf-8?q?"), "{head}");
        assert!(body.lines().all(|line| line.len() <= 998 && line != "."), "{body}");
        assert!(!text.contains('\u{202e}') && !text.contains('\u{2066}'));
    }
}
