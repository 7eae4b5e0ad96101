//! Finds every mistake of a configuration file; reading it into [`Config`] finds only the first.
//!
//! It walks the text as a tree. Each key has to be known; each value is read by itself, as a file
//! that contains nothing else, so that the same rules apply as in its place.

use std::slice;

use serde::Deserialize as _;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use crate::compat;
use crate::error::may_have_credentials;
use crate::file::places::{Node, Place, is_known, is_section, line_and_column};
use crate::kind::Kind;
use crate::model::Config;
use crate::table::suggest;
use crate::table::{SETTINGS, Setting};
use crate::tree;

/// Most mistakes reported of one file.
pub(crate) const MOST_MISTAKES: usize = 100;

/// A mistake in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Line and column, from 1.
    pub(crate) place: (u64, u64),
    /// The key, or the section of an unknown one; empty for the whole text.
    pub(crate) key: String,
    pub(crate) message: String,
}

/// Returns the configuration without its invalid parts, and the mistakes in the order of the text.
pub(crate) fn examine(text: &str, root: &Spanned<Node>) -> (Config, Vec<Mistake>) {
    let mut examination =
        Examination { text, tree: tree::of(&Config::default()), mistakes: Vec::new() };
    examination.section(root, &Place::default());
    let Examination { tree, mut mistakes, .. } = examination;
    mistakes.sort_by_key(|mistake| mistake.place);
    mistakes.truncate(MOST_MISTAKES);
    (Config::deserialize(tree).unwrap_or_default(), mistakes)
}

struct Examination<'a> {
    text: &'a str,
    /// The valid values, as a tree of a [`Config`].
    tree: Value,
    mistakes: Vec<Mistake>,
}

impl Examination<'_> {
    fn section(&mut self, node: &Spanned<Node>, place: &Place) {
        let Node::Map(fields) = &node.value else { return self.section_replacement(node, place) };
        for (name, value) in fields {
            let field = place.field(&name.value);
            if compat::setting(&field.key).is_some() {
                self.setting(value, &field);
            } else if is_section(&field.key) {
                self.section(value, &field);
            } else if !is_known(&field.key) {
                let message = suggest::unknown_key(&place.key, &name.value);
                self.mistake(name.referenced, &place.shown, message);
            }
        }
    }

    /// Reads a value in the place of a section: nothing, or a short form of it, as in `dedup:
    /// false`.
    fn section_replacement(&mut self, node: &Spanned<Node>, place: &Place) {
        if matches!(node.value, Node::Scalar(Value::Null)) {
            return;
        }
        match self.alone(node, &place.key) {
            Some(config) if !place.key.is_empty() => {
                let read = tree::of(&config);
                let section = tree::select(&read, &place.key).pop().map(|(_, value)| value.clone());
                tree::set(&mut self.tree, &place.key, section.unwrap_or_default());
            }
            _ => {
                let names = suggest::names_in(&place.key).join(", ");
                let message = match place.key.as_str() {
                    "" => "expected keys with values, such as port: 8080".to_owned(),
                    _ => format!("expected a section with {names}"),
                };
                self.mistake(node.referenced, &place.shown, message);
            }
        }
    }

    fn setting(&mut self, node: &Spanned<Node>, place: &Place) {
        let Some(setting) = place.setting() else { return };
        if let (Node::List(items), true) = (&node.value, is_section(&place.key)) {
            return self.items(items, place);
        }
        let Some(config) = self.alone(node, &place.key) else {
            let slip = self.indentation_mistake(node);
            let message = slip.unwrap_or_else(|| expected(setting.kind, node));
            return self.mistake(node.referenced, &place.shown, message);
        };
        let read = tree::of(&config);
        let Some((_, value)) = tree::select(&read, setting.key).pop() else { return };
        if setting.kind.allows(value) {
            tree::set(&mut self.tree, setting.key, value.clone());
        } else {
            self.mistake(
                node.referenced,
                &place.shown,
                not_allowed(setting, value, place.can_be_shown()),
            );
        }
    }

    /// Reads the items of a list of maps.
    fn items(&mut self, items: &[Spanned<Node>], list: &Place) {
        if let Some(all) = self.whole(items, list) {
            return self.push(list, all);
        }
        for (index, item) in items.iter().enumerate() {
            if let Some(whole) = self.whole(slice::from_ref(item), list) {
                self.push(list, whole);
                continue;
            }
            let (place, before) = (list.item(index), self.mistakes.len());
            self.item(item, &place);
            if self.mistakes.len() == before {
                let kind = list.setting().map_or(Kind::Logs, |setting| setting.kind);
                self.mistake(item.referenced, &place.shown, format!("expected {kind}"));
            }
            if before >= MOST_MISTAKES {
                return;
            }
        }
    }

    fn push(&mut self, list: &Place, items: Vec<Value>) {
        let all = self.tree.pointer_mut(&tree::pointer(&list.key)).and_then(Value::as_array_mut);
        if let Some(all) = all {
            all.extend(items);
        }
    }

    /// Returns these items of a list, if none has a mistake.
    fn whole(&self, items: &[Spanned<Node>], list: &Place) -> Option<Vec<Value>> {
        let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
        let text = only(&list.key, &format!("[{}]", items.join(", ")));
        let read = tree::of(&serde_saphyr::from_str::<Config>(&text).ok()?);
        let fields = SETTINGS.iter().filter(|field| field.section() == list.key);
        let mut values = fields.flat_map(|field| {
            tree::select(&read, field.key).into_iter().map(|(_, value)| (field.kind, value))
        });
        let is_right = values.all(|(kind, value)| kind.allows(value));
        let (_, read) = tree::select(&read, &list.key).pop()?;
        read.as_array().filter(|_| is_right).cloned()
    }

    fn item(&mut self, item: &Spanned<Node>, place: &Place) {
        let Node::Map(fields) = &item.value else { return };
        let list = compat::setting(place.key.trim_end_matches("[]"));
        let Some(list) = list else { return };
        let needed = list.kind.needed_fields();
        let before = self.mistakes.len();
        self.fields(fields, place, list);
        let misspelt = self.mistakes.iter().skip(before).any(|found| found.key == place.shown);
        for (needed, _) in needed {
            if !misspelt && !fields.iter().any(|(name, _)| name.value == *needed) {
                let message = format!("{needed} is missing");
                self.mistake(item.referenced, &place.shown, message);
            }
        }
    }

    /// Reads the fields of an item, or of a section in it.
    fn fields(
        &mut self,
        fields: &[(Spanned<String>, Spanned<Node>)],
        place: &Place,
        list: &'static Setting,
    ) {
        for (name, value) in fields {
            let field = place.field(&name.value);
            if let Some(setting) = field.setting() {
                self.field(value, &field, setting, list);
            } else if !is_section(&field.key) {
                let message = suggest::unknown_key(&place.key, &name.value);
                self.mistake(name.referenced, &place.shown, message);
            } else if let Node::Map(fields) = &value.value {
                self.fields(fields, &field, list);
            } else if !matches!(value.value, Node::Scalar(Value::Null)) {
                let names = suggest::names_in(&field.key).join(", ");
                let message = format!("expected a section with {names}");
                self.mistake(value.referenced, &field.shown, message);
            }
        }
    }

    /// Reads a field of an item, as that of a list whose only item has this field and those that it
    /// needs.
    fn field(
        &mut self,
        value: &Spanned<Node>,
        place: &Place,
        setting: &'static Setting,
        list: &'static Setting,
    ) {
        let path = setting.key.split_once("[].").map_or(setting.key, |(_, path)| path);
        let others = list.kind.needed_fields().iter().filter(|(key, _)| *key != path);
        let others: String = others.map(|(key, value)| format!(", {key}: {value:?}")).collect();
        let field = only(path, &self.flow(value));
        let item =
            field.strip_suffix('}').map_or_else(String::new, |field| field.to_owned() + &others);
        let text = only(list.key, &format!("[{item}}}]"));
        let read = serde_saphyr::from_str::<Config>(&text).map(|config| tree::of(&config));
        let message = match read.as_ref().map(|read| tree::select(read, setting.key).pop()) {
            Ok(Some((_, value))) if !setting.kind.allows(value) => {
                not_allowed(setting, value, place.can_be_shown())
            }
            Err(_) => expected(setting.kind, value),
            Ok(_) => return,
        };
        self.mistake(value.referenced, &place.shown, message);
    }

    /// Reads a file that contains only this value.
    fn alone(&self, node: &Spanned<Node>, key: &str) -> Option<Config> {
        let mut text = String::new();
        for (depth, name) in key.split('.').enumerate() {
            text += &format!("\n{}{name}: ", "  ".repeat(depth));
        }
        text += &self.flow(node);
        serde_saphyr::from_str(&text).ok()
    }

    /// Writes the node on one line. A scalar is written as in the text, so that `off` stays a word
    /// and `007` a text; JSON is YAML too.
    fn flow(&self, node: &Spanned<Node>) -> String {
        match &node.value {
            Node::Scalar(value) => {
                let written = self.written(node.defined).filter(|written| is_plain(written));
                written.map_or_else(|| value.to_string(), str::to_owned)
            }
            Node::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Node::Map(fields) => {
                let field = |(name, value): &(Spanned<String>, Spanned<Node>)| {
                    format!("{}: {}", Value::from(name.value.as_str()), self.flow(value))
                };
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn written(&self, location: Location) -> Option<&str> {
        let span = location.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
        self.text.get(start..end)
    }

    /// Describes the mistake where a value continues on the next line because that is indented
    /// further.
    fn indentation_mistake(&self, node: &Spanned<Node>) -> Option<String> {
        indentation_slip(self.text, node.referenced.line())
    }

    fn mistake(&mut self, at: Location, key: &str, message: String) {
        self.mistakes.push(Mistake { place: line_and_column(at), key: key.to_owned(), message });
    }
}

/// Writes a file that contains only the value of this key, on one line.
fn only(key: &str, value: &str) -> String {
    key.rsplit('.').fold(value.to_owned(), |value, name| format!("{{{name}: {value}}}"))
}

/// Describes what a value should be, with the nearest word of those that it can be.
fn expected(kind: Kind, node: &Spanned<Node>) -> String {
    let words = match kind {
        Kind::Choice(words) | Kind::Choices(words) | Kind::Subset(words) => words,
        _ => &[],
    };
    let near = match &node.value {
        Node::Scalar(Value::String(text)) => suggest::nearest(text, words.iter().copied()),
        _ => None,
    };
    let advice = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!("expected {kind}{advice}")
}

/// Describes a value outside the bounds of its setting, and quotes it if nothing in it is secret.
pub(crate) fn not_allowed(setting: &Setting, value: &Value, can_be_shown: bool) -> String {
    let shown = value.to_string();
    match can_be_shown && !setting.secret && !may_have_credentials(&shown) {
        true => format!("{shown} is not {}", setting.kind),
        false => format!("expected {}", setting.kind),
    }
}

/// Reports whether a text is a plain scalar that means the same in a list or map on one line.
fn is_plain(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-./+ ".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') && text.chars().all(is_word)
}

/// Names a line that is indented further than the one before it, although that already has a value:
/// YAML reads the two as one value.
pub(crate) fn indentation_slip(text: &str, line: u64) -> Option<String> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    // The key of a list's item begins behind the dash.
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let has_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let lines: Vec<&str> = text.lines().collect();
    let pair = |first: usize| {
        let second = lines.iter().skip(first + 1).position(has_content)? + first + 1;
        Some((first, second))
    };
    // The parser may find fault with either of the two lines.
    let before = lines.get(..index)?.iter().rposition(has_content);
    let pairs = [pair(index), before.map(|before| (before, index))];
    let slipped = |(first, second): &(usize, usize)| {
        let (Some(first), Some(second)) = (lines.get(*first), lines.get(*second)) else {
            return false;
        };
        let value = first.split_once(": ").map(|(_, value)| value.trim());
        let has_value = value.is_some_and(|value| {
            !value.is_empty() && !value.starts_with(['|', '>', '[', '{', '&', '#', '"', '\''])
        });
        has_value && second.contains(':') && indent(second) > indent(first)
    };
    let (first, second) = pairs.into_iter().flatten().find(slipped)?;
    let (first, second) = (first + 1, second + 1);
    Some(format!("the indentation of line {second} differs from that of line {first}"))
}
