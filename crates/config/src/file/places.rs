//! The places of keys and values in a YAML text, so that an error can name key and place.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use crate::compat::{self, COMPAT_KEYS};
use crate::table::{SETTINGS, Setting};

/// The sections whose values are never shown.
const SECRET_SECTIONS: [&str; 2] = ["auth", "alerts.receivers"];

/// Every place of a text, in the order of the text.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<((u64, u64), Place)>);

/// The key at a place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The key with numbers: `custom_logs[0].url`; empty for the whole text.
    pub(crate) shown: String,
    /// The key as in the table: `custom_logs[].url`.
    pub(crate) key: String,
    /// True if a section is expected here: a value in its place may be anything.
    is_misplaced: bool,
}

/// Reads a text as a tree of values with their places; `None` if it is not YAML. Of a repeated key
/// the first one counts.
pub(crate) fn nodes(text: &str) -> Option<Spanned<Node>> {
    let duplicate_keys = DuplicateKeyPolicy::FirstWins;
    let options = serde_saphyr::options! { duplicate_keys: duplicate_keys };
    serde_saphyr::from_str_with_options(text, options).ok()
}

impl Places {
    /// Collects the places of a tree.
    pub(crate) fn in_tree(root: Option<&Spanned<Node>>) -> Self {
        let mut places = Self::default();
        if let Some(root) = root {
            places.add(root, &Place::default());
        }
        places
    }

    /// Returns the key at this line and column: that of a value, or, at a key itself, its section.
    /// A list and its first item may have the same place; the item counts.
    pub(crate) fn at(&self, place: (u64, u64)) -> Option<&Place> {
        self.0.iter().rfind(|(at, _)| *at == place).map(|(_, place)| place)
    }

    /// Reports whether this line, from 1, can be shown: everything on it is under a known key and
    /// not secret. An unknown line cannot.
    pub(crate) fn can_be_shown(&self, line: u64) -> bool {
        let mut here = self.0.iter().filter(|((at, _), _)| *at == line).peekable();
        here.peek().is_some() && here.all(|(_, place)| place.can_be_shown())
    }

    /// Returns line and column, from 1, of the value of a key.
    pub(crate) fn of_key(&self, shown: &str) -> Option<(u64, u64)> {
        self.0.iter().find(|(_, place)| place.shown == shown).map(|(at, _)| *at)
    }

    /// Returns the place of a key.
    pub(crate) fn of(&self, shown: &str) -> Option<&Place> {
        self.0.iter().find(|(_, place)| place.shown == shown).map(|(_, place)| place)
    }

    fn add(&mut self, node: &Spanned<Node>, place: &Place) {
        let is_value = !matches!(node.value, Node::Map(_) | Node::Scalar(Value::Null));
        let is_misplaced = place.is_misplaced || is_value && place.is_only_section();
        let place = &Place { is_misplaced, ..place.clone() };
        self.0.push((line_and_column(node.referenced), place.clone()));
        match &node.value {
            Node::Scalar(_) => {}
            Node::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(item, &place.item(index));
                }
            }
            Node::Map(fields) => {
                for (name, value) in fields {
                    self.0.push((line_and_column(name.referenced), place.clone()));
                    self.add(value, &place.field(&name.value));
                }
            }
        }
    }
}

impl Place {
    /// Reports whether the value here can be quoted: its key is known and not secret. A misspelt
    /// key may have a token.
    pub(crate) fn can_be_shown(&self) -> bool {
        let is_secret = SECRET_SECTIONS.iter().any(|section| is_within(&self.key, section))
            || self.setting().is_some_and(|setting| setting.secret);
        !is_secret && !self.is_misplaced && is_known(self.key.trim_end_matches("[]"))
    }

    /// Reports whether only keys with values can be here.
    fn is_only_section(&self) -> bool {
        is_section(&self.key) && self.setting().is_none()
    }

    /// Returns the setting of the value here.
    pub(crate) fn setting(&self) -> Option<&'static Setting> {
        let key = self.key.as_str();
        // An item of a secret list is as secret.
        let list = || compat::setting(key.trim_end_matches("[]")).filter(|list| list.secret);
        compat::setting(key).or_else(list)
    }

    pub(crate) fn item(&self, index: usize) -> Self {
        let (shown, key) = (format!("{}[{index}]", self.shown), format!("{}[]", self.key));
        Self { shown, key, ..*self }
    }

    pub(crate) fn field(&self, name: &str) -> Self {
        let dot = if self.key.is_empty() { "" } else { "." };
        Self {
            shown: format!("{}{dot}{name}", self.shown),
            key: format!("{}{dot}{name}", self.key),
            ..*self
        }
    }
}

/// Reports whether a key, in the form of the table, is a setting, a section, or another server's.
pub(crate) fn is_known(key: &str) -> bool {
    key.is_empty()
        || compat::setting(key).is_some()
        || is_section(key)
        || COMPAT_KEYS.iter().any(|known| is_within(known.key, key))
}

/// Reports whether there are settings of ours under a key.
pub(crate) fn is_section(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key != key && is_within(setting.key, key))
}

/// Reports whether `key` is `outer` or below it.
fn is_within(key: &str, outer: &str) -> bool {
    key.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

pub(crate) fn line_and_column(location: Location) -> (u64, u64) {
    (location.line(), location.column())
}

/// A YAML value with the places of its parts. The parser bounds its depth.
#[derive(Debug)]
pub(crate) enum Node {
    Scalar(Value),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string().into()))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string().into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(text.into()))
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}
