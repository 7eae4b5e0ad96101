//! Where in a YAML text each key's value stands, so that an error can name key and place.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

use super::peers;
use super::table::Setting;

/// Every place of a text, in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<((u64, u64), Place)>);

/// What stands at a place.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The key as a reader says it: `custom_logs[0].url`; empty for the whole text.
    pub(super) shown: String,
    /// The key as the table says it: `custom_logs[].url`.
    key: String,
}

impl Places {
    /// The places of `text`; none if it is not YAML.
    pub(super) fn of(text: &str) -> Self {
        let mut places = Self::default();
        if let Ok(root) = serde_saphyr::from_str::<Spanned<Node>>(text) {
            places.add(&root, &Place { shown: String::new(), key: String::new() });
        }
        places
    }

    /// What stands at this line and column: the key of a value, or, where a key itself stands,
    /// the section it is in. A list and its first item may stand at one place; the item counts.
    pub(super) fn at(&self, place: (u64, u64)) -> Option<&Place> {
        self.0.iter().rfind(|(at, _)| *at == place).map(|(_, place)| place)
    }

    /// Whether this line, from 1, holds something secret. Of a text that is no YAML nobody knows.
    pub(super) fn is_secret(&self, line: u64) -> bool {
        let mut here = self.0.iter().filter(|((at, _), _)| *at == line);
        here.any(|(_, place)| place.setting().is_some_and(|setting| setting.secret))
    }

    /// Whether the text is no YAML, or says nothing.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Line and column, from 1, of the value of a key.
    pub(super) fn of_key(&self, shown: &str) -> Option<(u64, u64)> {
        self.0.iter().find(|(_, place)| place.shown == shown).map(|(at, _)| *at)
    }

    fn add(&mut self, node: &Spanned<Node>, place: &Place) {
        self.0.push((line_and_column(node.referenced), place.clone()));
        match &node.value {
            Node::Scalar => {}
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
    /// The setting whose value stands here.
    pub(super) fn setting(&self) -> Option<&'static Setting> {
        let key = self.key.as_str();
        // An item of a secret list is as secret.
        let list = || peers::setting(key.trim_end_matches("[]")).filter(|list| list.secret);
        peers::setting(key).or_else(list)
    }

    fn item(&self, index: usize) -> Self {
        Self { shown: format!("{}[{index}]", self.shown), key: format!("{}[]", self.key) }
    }

    fn field(&self, name: &str) -> Self {
        let dot = if self.key.is_empty() { "" } else { "." };
        Self {
            shown: format!("{}{dot}{name}", self.shown),
            key: format!("{}{dot}{name}", self.key),
        }
    }
}

fn line_and_column(location: Location) -> (u64, u64) {
    (location.line(), location.column())
}

/// A YAML value of which only the shape matters. The parser bounds its depth.
#[derive(Debug)]
enum Node {
    Scalar,
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

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
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
