//! The bodies of requests.

use serde_json::{Value, json};

use crate::alert::{Alert, Described};

/// Names that a text for people lists at most.
const MAX_NAMES: usize = 10;
/// Characters of a text for people at most: Discord takes no more than 2,000.
const MAX_CHARACTERS: usize = 1900;
/// Characters of all its names at most, quoted.
const MAX_ALL_NAMES: usize = 700;
/// Reasons that it lists at most: more than there are conditions.
const MAX_REASONS: usize = 8;
/// Characters of a reason at most, quoted.
const MAX_REASON: usize = 200;
/// Characters of all reasons at most, quoted.
const MAX_ALL_REASONS: usize = 400;
/// Characters at most of the rule, the issuer and the name of a log, quoted.
const MAX_SHORT: usize = 140;
/// Characters of a link at most: beyond, it is left out.
const MAX_LINK: usize = 1000;

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
/// harmless, so all that is too long is cut before.
fn text(alert: &Alert, quote: impl Fn(String) -> String) -> String {
    let certificate = &alert.certificate;
    let valid = format!("Valid: {} to {}", certificate.not_before, certificate.not_after);
    let mut end = vec![format!("SHA-256: {}", certificate.sha256)];
    let link = alert.link.iter().filter(|link| link.chars().count() <= MAX_LINK);
    end.extend(link.map(|link| format!("Link: {link}")));
    if alert.suppressed > 0 {
        end.push(format!("Left out before this one: {} alerts", alert.suppressed));
    }
    let taken = end.iter().chain([&valid]).map(|line| line.chars().count() + 1).sum();
    let left = MAX_CHARACTERS.saturating_sub(taken);
    let mut space = Space { quote: |text: &str| quote(plain(text)), left };
    let title = space.line("Certificate alert: ", &alert.rule, "", MAX_SHORT);
    let reasons: Vec<_> = alert.reasons.iter().take(MAX_REASONS).collect();
    let most = (MAX_ALL_REASONS / reasons.len().max(1)).min(MAX_REASON);
    let reasons: Vec<_> = reasons
        .into_iter()
        .filter_map(|reason| space.line("Reason: ", &reason.text, "", most))
        .collect();
    let issuer = [certificate.issuer_cn.as_str(), &certificate.issuer_o].join(", ");
    let issuer = space.line("Issuer: ", &issuer, "", MAX_SHORT);
    let names = space.names(certificate);
    let sightings = alert.sightings.iter().take(MAX_NAMES).map_while(|sighting| {
        let place = format!(", index {} ({})", sighting.index, alert.entry);
        space.line("Seen: ", &sighting.log, &place, MAX_SHORT)
    });
    let sightings: Vec<_> = sightings.collect();
    let lines = title.into_iter().chain(reasons).chain(names).chain(issuer).chain([valid]);
    lines.chain(sightings).chain(end).collect::<Vec<_>>().join("\n")
}

/// The space that is left in a text for people.
struct Space<Q> {
    quote: Q,
    /// Characters, with those that end lines.
    left: usize,
}

impl<Q: Fn(&str) -> String> Space<Q> {
    /// Returns a line with a quoted text, cut to `most` characters and to the space that is left;
    /// none if there is no space.
    fn line(&mut self, label: &str, text: &str, end: &str, most: usize) -> Option<String> {
        let around = label.chars().count() + end.chars().count() + 1;
        let quoted = self.cut(text, most.min(self.left.checked_sub(around)?))?;
        self.left = self.left.saturating_sub(around + quoted.chars().count());
        Some(format!("{label}{quoted}{end}"))
    }

    /// Returns a line with as many names as have space, and the number of the others.
    fn names(&mut self, certificate: &Described) -> Option<String> {
        let mut shown = String::new();
        let mut count = 0;
        for name in certificate.names.iter().take(MAX_NAMES) {
            let comma = if count == 0 { "" } else { ", " };
            let longer = format!("{shown}{comma}{name}");
            if count > 0 && (self.quote)(&longer).chars().count() > MAX_ALL_NAMES {
                break;
            }
            shown = longer;
            count += 1;
        }
        let more = certificate.name_count.saturating_sub(count);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        self.line("Names: ", &shown, &more, MAX_ALL_NAMES)
    }

    /// Returns a text that has at most this number of characters when it is quoted, with a mark if a
    /// part is left out.
    fn cut(&self, text: &str, most: usize) -> Option<String> {
        let fits = |quoted: &String| quoted.chars().count() <= most;
        let whole = Some((self.quote)(text)).filter(fits);
        whole.or_else(|| {
            let starts: Vec<_> = text.char_indices().map(|(start, _)| start).take(most).collect();
            let until = |end: usize| (self.quote)(&format!("{}…", text.get(..end).unwrap_or("")));
            let fitting = starts.partition_point(|end| fits(&until(*end)));
            starts.get(fitting.checked_sub(1)?).map(|end| until(*end))
        })
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

    /// The longest names leave quotes closed, and the fields that identify the certificate in place.
    #[test]
    fn long_names_leave_quotes_closed_and_all_fields_in_place() {
        for unit in ["n", "`", "|", "<", ">", "&", "a.", "@everyone ", "\u{1f980}", "://"] {
            let mut long = hostile();
            let text: String = unit.chars().cycle().take(250).collect();
            long.rule = text.chars().take(100).collect();
            long.certificate.names = vec![text.clone(); 10];
            long.certificate.issuer_cn.clone_from(&text);
            long.reasons = vec![long.reasons[0].clone(); 6];
            long.reasons.iter_mut().for_each(|reason| reason.text.clone_from(&text));
            long.sightings = vec![long.sightings[0].clone(); 20];
            let texts = [
                super::text(&long, |text| code(&escaped(&text))),
                super::text(&long, |text| code(&text)),
                super::text(&long, |text| text),
                for_people(&long),
            ];
            for (place, text) in texts.iter().enumerate() {
                assert!(text.chars().count() <= MAX_CHARACTERS, "{text}");
                let sha256 = format!("\nSHA-256: {}\n", long.certificate.sha256);
                let fields =
                    ["\nNames: ", " more\n", "\nIssuer: ", "\nValid: ", "\nSeen: ", &sha256];
                for field in fields.into_iter().chain(["\nLink: https://certs.example/cert\n"]) {
                    assert!(text.contains(field), "{field:?} in {text}");
                }
                let is_quoted = place < 2;
                for line in text.lines().filter(|_| is_quoted) {
                    assert!(matches!(line.matches('`').count(), 0 | 2), "{line}");
                }
            }
        }
    }
}
