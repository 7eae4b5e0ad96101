//! Where in a YAML text each key's value stands, so that an error can name key and place.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::peers::{self, PEER_KEYS};
use super::table::{SETTINGS, Setting};

/// The section whose values are never shown, whatever they are.
const SECRET_SECTION: &str = "auth";

/// Every place of a text, in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<((u64, u64), Place)>);

/// What stands at a place.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// The key as a reader says it: `custom_logs[0].url`; empty for the whole text.
    pub(super) shown: String,
    /// The key as the table says it: `custom_logs[].url`.
    pub(super) key: String,
}

/// A text as a tree of values with their places; none if it is not YAML. Of a key that stands twice
/// the first one counts.
pub(super) fn nodes(text: &str) -> Option<Spanned<Node>> {
    let duplicate_keys = DuplicateKeyPolicy::FirstWins;
    let options = serde_saphyr::options! { duplicate_keys: duplicate_keys };
    serde_saphyr::from_str_with_options(text, options).ok()
}

impl Places {
    /// The places of a tree.
    pub(super) fn in_tree(root: Option<&Spanned<Node>>) -> Self {
        let mut places = Self::default();
        if let Some(root) = root {
            places.add(root, &Place::default());
        }
        places
    }

    /// What stands at this line and column: the key of a value, or, where a key itself stands,
    /// the section it is in. A list and its first item may stand at one place; the item counts.
    pub(super) fn at(&self, place: (u64, u64)) -> Option<&Place> {
        self.0.iter().rfind(|(at, _)| *at == place).map(|(_, place)| place)
    }

    /// Whether this line, from 1, can be shown: whatever stands on it is under a known key, and is no
    /// secret. Of a line of which nothing is known it cannot.
    pub(super) fn can_be_shown(&self, line: u64) -> bool {
        let mut here = self.0.iter().filter(|((at, _), _)| *at == line).peekable();
        here.peek().is_some() && here.all(|(_, place)| place.can_be_shown())
    }

    /// Line and column, from 1, of the value of a key.
    pub(super) fn of_key(&self, shown: &str) -> Option<(u64, u64)> {
        self.0.iter().find(|(_, place)| place.shown == shown).map(|(at, _)| *at)
    }

    /// What stands under a key.
    pub(super) fn of(&self, shown: &str) -> Option<&Place> {
        self.0.iter().find(|(_, place)| place.shown == shown).map(|(_, place)| place)
    }

    fn add(&mut self, node: &Spanned<Node>, place: &Place) {
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
    /// Whether the value here can be quoted: its key is known and it is no secret. Under a misspelt
    /// key a token may stand.
    pub(super) fn can_be_shown(&self) -> bool {
        let is_secret = self.key.split('.').next() == Some(SECRET_SECTION)
            || self.setting().is_some_and(|setting| setting.secret);
        !is_secret && is_known(self.key.trim_end_matches("[]"))
    }

    /// The setting whose value stands here.
    pub(super) fn setting(&self) -> Option<&'static Setting> {
        let key = self.key.as_str();
        // An item of a secret list is as secret.
        let list = || peers::setting(key.trim_end_matches("[]")).filter(|list| list.secret);
        peers::setting(key).or_else(list)
    }

    pub(super) fn item(&self, index: usize) -> Self {
        Self { shown: format!("{}[{index}]", self.shown), key: format!("{}[]", self.key) }
    }

    pub(super) fn field(&self, name: &str) -> Self {
        let dot = if self.key.is_empty() { "" } else { "." };
        Self {
            shown: format!("{}{dot}{name}", self.shown),
            key: format!("{}{dot}{name}", self.key),
        }
    }
}

/// Whether a key, in the form of the table, is a setting, a section, or another server's.
pub(super) fn is_known(key: &str) -> bool {
    key.is_empty()
        || peers::setting(key).is_some()
        || is_section(key)
        || PEER_KEYS.iter().any(|known| is_within(known.key, key))
}

/// Whether settings of ours stand under a key.
pub(super) fn is_section(key: &str) -> bool {
    SETTINGS.iter().any(|setting| setting.key != key && is_within(setting.key, key))
}

/// Whether `key` is `outer` or stands below it.
fn is_within(key: &str, outer: &str) -> bool {
    key.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

pub(super) fn line_and_column(location: Location) -> (u64, u64) {
    (location.line(), location.column())
}

/// A YAML value with the places of its parts. The parser bounds its depth.
#[derive(Debug)]
pub(super) enum Node {
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
