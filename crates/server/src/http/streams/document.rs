//! `docs/messages.md`: its examples are what the server sends.

use record::StreamId;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};
use wire::{Profile, Renderer, StreamKind, heartbeat, sample_rendered_by};

use super::gap;

const TEMPLATE: &str = include_str!("document/messages.template.md");
/// Characters of a string that are shown.
const SHOWN: usize = 100;
/// The offset and time of examples.
const OFFSET: u64 = 1_767_225_600_594_000;
const NOW: u64 = 1_767_225_610_594;
/// Below this size, the sample is too large.
const TOO_SMALL: usize = 1_000;

#[test]
fn the_document_has_the_messages_that_the_server_sends() {
    let mut page = String::new();
    for line in TEMPLATE.lines() {
        let name = line.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        match name {
            Some(name) => page += &example(name),
            None => page += line,
        }
        page.push('\n');
    }
    for reason in reasons() {
        assert!(page.contains(&format!("| `{reason}` |")), "the page explains {reason}");
    }
    golden::check("docs/messages.md", page, "-p server document");
}

/// Every reason of a gap.
fn reasons() -> Vec<&'static str> {
    use feed::GapReason::{Ahead, BeforeStart, Evicted};
    let of_readers = [Evicted, BeforeStart, Ahead].map(|reason| reason.as_str());
    [&of_readers[..], &[gap::SLOW_CLIENT, gap::SHUTDOWN, gap::OTHER_STREAM, gap::RENUMBERED]]
        .concat()
}

/// Returns the block of an example.
fn example(name: &str) -> String {
    let words: Vec<_> = name.split(' ').collect();
    match words[..] {
        ["gap", reason] => text(gap::message(None, reason, false, stream()).as_bytes()),
        ["sse", "gap"] => text(&gap::event(Some(12), gap::SLOW_CLIENT, false, stream())),
        ["sse", "heartbeat"] => text(format!("id: {OFFSET}@{}\n\n", stream()).as_bytes()),
        ["heartbeat", profile, ref rest @ ..] => {
            let mut out = Vec::new();
            let offset = (rest == ["offset"]).then_some(OFFSET);
            heartbeat(named(profile), NOW, offset, stream(), &mut out);
            text(&out)
        }
        ["truncated", profile] => {
            let small = Renderer { max_message_bytes: TOO_SMALL, ..Renderer::default() };
            json(only_new(message(&small, StreamKind::Lite, profile), &lite(profile)))
        }
        ["lite", profile] => json(lite(profile)),
        ["full", profile] => {
            json(only_new(message(&Renderer::default(), StreamKind::Full, profile), &lite(profile)))
        }
        ["domains", profile] => json(message(&Renderer::default(), StreamKind::Domains, profile)),
        _ => panic!("there is no example {name}"),
    }
}

fn stream() -> StreamId {
    "Zq3xK9aB".parse().expect("an id")
}

fn named(profile: &str) -> Profile {
    Profile::from_name(profile).expect("a profile")
}

fn lite(profile: &str) -> Value {
    message(&Renderer::default(), StreamKind::Lite, profile)
}

fn message(renderer: &Renderer, kind: StreamKind, profile: &str) -> Value {
    let mut out = Vec::new();
    sample_rendered_by(renderer, kind, named(profile), &mut out);
    serde_json::from_slice(&out).expect("JSON")
}

/// Returns the members that another message does not have, or has with other values.
fn only_new(message: Value, known: &Value) -> Value {
    let Value::Object(members) = message else { return message };
    let new = members.into_iter().filter(|(name, value)| known.get(name) != Some(value));
    let new = new.map(|(name, value)| {
        let value = only_new(value, known.get(&name).unwrap_or(&Value::Null));
        (name, value)
    });
    Value::Object(new.collect())
}

fn text(example: &[u8]) -> String {
    let example = str::from_utf8(example).expect("UTF-8");
    format!("```text\n{}\n```", example.trim_end())
}

/// Returns a message as an indented block with short strings.
fn json(mut message: Value) -> String {
    shorten(&mut message);
    let mut out = Vec::new();
    let mut formatter = Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b"  "));
    serde::Serialize::serialize(&message, &mut formatter).expect("JSON");
    format!("```json\n{}\n```", String::from_utf8(out).expect("UTF-8"))
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.chars().count() > SHOWN => {
            *text = text.chars().take(SHOWN - 1).chain(['…']).collect();
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        _ => {}
    }
}
