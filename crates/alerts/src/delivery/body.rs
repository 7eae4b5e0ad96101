//! The bodies of requests.

use serde_json::{Value, json};

use crate::alert::Alert;

/// Names that a text for people lists at most.
const MAX_NAMES: usize = 10;
/// Characters of a text for people at most: Discord takes no more than 2,000.
const MAX_CHARACTERS: usize = 1900;

/// The form of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The [`Alert`] as JSON.
    #[default]
    Json,
    /// A text for an incoming webhook of Slack.
    Slack,
    /// A text for a webhook of Discord.
    Discord,
    /// A card for a webhook of Microsoft Teams.
    Teams,
    /// A plain text for a topic of ntfy.
    Ntfy,
}

impl Format {
    /// All forms.
    pub const ALL: [Self; 5] = [Self::Json, Self::Slack, Self::Discord, Self::Teams, Self::Ntfy];

    /// Returns the name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::Ntfy => "ntfy",
        }
    }

    /// Returns the type of the body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Ntfy => "text/plain; charset=utf-8",
            _ => "application/json",
        }
    }

    /// Returns the body for an alert.
    ///
    /// # Errors
    /// If the alert cannot be written as JSON, which does not happen.
    pub fn body(self, alert: &Alert) -> serde_json::Result<Vec<u8>> {
        let value: Value = match self {
            Self::Json => return serde_json::to_vec(alert),
            Self::Ntfy => return Ok(for_people(alert).into_bytes()),
            Self::Slack => json!({ "text": text(alert, |text| code(&escaped(&text))) }),
            // Nobody is mentioned, whatever a name contains.
            Self::Discord => json!({
                "content": text(alert, |text| code(&text)),
                "allowed_mentions": { "parse": [] },
            }),
            Self::Teams => card(alert),
        };
        serde_json::to_vec(&value)
    }
}

/// Returns a text for people whose programs make links of what looks like one.
pub(super) fn for_people(alert: &Alert) -> String {
    text(alert, |text| unlinked(&text))
}

/// Returns an Adaptive Card. Its text runs are shown as they are, without Markdown.
fn card(alert: &Alert) -> Value {
    let text = text(alert, |text| text);
    let lines = text.lines().map(
        |line| json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": line }] }),
    );
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": lines.collect::<Vec<_>>(),
            },
        }],
    })
}

/// Returns an alert as a text for people. `quote` makes text that comes from a certificate or a rule
/// harmless.
fn text(alert: &Alert, quote: impl Fn(String) -> String) -> String {
    let quote = |text: &str| quote(plain(text));
    let certificate = &alert.certificate;
    let mut lines = vec![format!("Certificate alert: {}", quote(&alert.rule))];
    lines.extend(alert.reasons.iter().map(|reason| format!("Reason: {}", quote(&reason.text))));
    let names: Vec<_> = certificate.names.iter().take(MAX_NAMES).map(|name| plain(name)).collect();
    let more = certificate.name_count.saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    lines.push(format!("Names: {}{more}", quote(&names.join(", "))));
    let issuer = [certificate.issuer_cn.as_str(), &certificate.issuer_o];
    lines.push(format!("Issuer: {}", quote(&issuer.join(", "))));
    lines.push(format!("Valid: {} to {}", certificate.not_before, certificate.not_after));
    let sightings = alert.sightings.iter().take(MAX_NAMES);
    lines.extend(sightings.map(|sighting| {
        format!("Seen: {}, index {} ({})", quote(&sighting.log), sighting.index, alert.entry)
    }));
    lines.push(format!("SHA-256: {}", certificate.sha256));
    lines.extend(alert.link.iter().map(|link| format!("Link: {link}")));
    if alert.suppressed > 0 {
        lines.push(format!("Left out before this one: {} alerts", alert.suppressed));
    }
    let text = lines.join("\n");
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text,
    }
}

/// Returns a text as one line: what is not shown is left out, such as marks that change the direction.
pub(super) fn plain(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect()
}

/// Returns a text in which nothing becomes a link, in the form that analysts know: `www[.]example[.]com`.
fn unlinked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('.', Some(next)) if next.is_alphanumeric() => out.push_str("[.]"),
            (':', Some('/')) => out.push_str("[:]"),
            ('@', _) => out.push_str("[@]"),
            _ => out.push(character),
        }
    }
    out
}

/// Returns a text between backticks, in which nothing is a link or a mention.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

/// Returns a text with the three characters escaped that Slack gives a meaning.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::tests::alert;

    fn hostile() -> Alert {
        let mut alert = alert("a <!channel> `rule`");
        alert.certificate.names = vec!["@everyone\n`<b>&\u{202e}evil".to_owned(); 20];
        alert.certificate.name_count = 500;
        alert.suppressed = 3;
        alert.link = Some("https://certs.example/cert".to_owned());
        alert
    }

    fn parsed(format: Format) -> Value {
        serde_json::from_slice(&format.body(&hostile()).unwrap()).unwrap()
    }

    #[test]
    fn presets_have_the_fields_that_their_services_read() {
        assert_eq!(parsed(Format::Json)["version"], 1);
        let slack = parsed(Format::Slack)["text"].as_str().unwrap().to_owned();
        assert!(slack.starts_with("Certificate alert: `a &lt;!channel&gt; 'rule'`\n"), "{slack}");
        let discord = parsed(Format::Discord);
        assert_eq!(discord["allowed_mentions"]["parse"], json!([]));
        assert!(discord["content"].as_str().unwrap().contains("and 490 more"));
        let card = &parsed(Format::Teams)["attachments"][0];
        assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
        assert_eq!(card["content"]["body"][0]["type"], "RichTextBlock");
        let ntfy = String::from_utf8(Format::Ntfy.body(&hostile()).unwrap()).unwrap();
        assert!(ntfy.contains("Left out before this one: 3 alerts"), "{ntfy}");
        assert!(ntfy.contains("Link: https://certs.example/cert"), "{ntfy}");
    }

    /// A name cannot begin a line, end the quotes, or hide a part of itself.
    #[test]
    fn names_cannot_change_the_text_around_them() {
        for format in [Format::Slack, Format::Discord] {
            let body = parsed(format);
            let text = body.get("text").or_else(|| body.get("content")).unwrap().as_str().unwrap();
            let names = text.lines().find(|line| line.starts_with("Names: ")).unwrap();
            assert_eq!(names.matches('`').count(), 2, "{names}");
            assert!(!text.contains('\u{202e}') && text.lines().count() == 9, "{text}");
        }
        let mut linked = hostile();
        linked.certificate.names =
            vec!["http://localhost/ www.evil.example a@b.example".to_owned()];
        let text = String::from_utf8(Format::Ntfy.body(&linked).unwrap()).unwrap();
        let names = "Names: http[:]//localhost/ www[.]evil[.]example a[@]b[.]example";
        assert!(text.contains(names), "{text}");
        let mut long = hostile();
        long.certificate.names = vec!["n".repeat(253); 100];
        let body: Value = serde_json::from_slice(&Format::Discord.body(&long).unwrap()).unwrap();
        assert!(body["content"].as_str().unwrap().chars().count() <= 2000);
    }
}
