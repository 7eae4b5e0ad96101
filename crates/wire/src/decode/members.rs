//! Objects read member by member, each into the field it is for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::MAX_CHAIN;
use super::loose::{Loose, Odd};

/// A target that is filled from the members of an object.
pub(super) trait Members<'de> {
    /// Takes one member; it must read or skip the value.
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: Member<'_, A>,
    ) -> Result<(), A::Error>;
}

/// Implements [`Members`] for a type: for each key, what is done with the value. Values of other keys
/// are skipped.
macro_rules! members {
    ($type:ty, |$target:ident, $value:ident| { $($key:pat => $take:expr,)+ }) => {
        impl<'de> Members<'de> for $type {
            fn member<A: MapAccess<'de>>(
                &mut self,
                key: &str,
                $value: Member<'_, A>,
            ) -> Result<(), A::Error> {
                let $target = self;
                match key {
                    $($key => $take,)+
                    _ => $value.skip()?,
                }
                Ok(())
            }
        }
    };
}
pub(super) use members;

/// A target that is filled from an object, a list or either. What it cannot take is noted and
/// skipped.
pub(super) trait Slot<'de> {
    /// Takes an object, and reports whether it could.
    fn object<A: MapAccess<'de>>(
        &mut self,
        mut object: A,
        notes: &mut Notes,
    ) -> Result<bool, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(notes.odd())
    }

    /// Takes a list, and reports whether it could.
    fn list<A: SeqAccess<'de>>(
        &mut self,
        mut list: A,
        notes: &mut Notes,
    ) -> Result<bool, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(notes.odd())
    }
}

/// The notes taken while a message is read.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The path of the first member whose value has no form known for it, as far as it has been
    /// put together on the way out.
    pub(super) unread: Option<String>,
    /// True if the end of a list was dropped.
    pub(super) truncated: bool,
}

impl Notes {
    /// Notes that the value being read has no form known for it; false.
    fn odd(&mut self) -> bool {
        self.unread.get_or_insert_default();
        false
    }
}

/// The value of a member, still to be read.
pub(super) struct Member<'m, A> {
    key: &'m str,
    object: &'m mut A,
    notes: &'m mut Notes,
}

impl<'de, A: MapAccess<'de>> Member<'_, A> {
    pub(super) fn text(self) -> Result<Option<Cow<'de, str>>, A::Error> {
        self.read(Loose::text)
    }

    /// Reads a text that names a `T`.
    pub(super) fn named<T>(
        self,
        from_name: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, A::Error> {
        self.read(|value| match value.text()? {
            Some(name) => from_name(&name).map(Some).ok_or(Odd),
            None => Ok(None),
        })
    }

    /// Reads a list of texts; empty for none.
    pub(super) fn list(self) -> Result<Vec<Cow<'de, str>>, A::Error> {
        self.read(Loose::list).map(Option::unwrap_or_default)
    }

    pub(super) fn flag(self) -> Result<Option<bool>, A::Error> {
        self.read(Loose::flag)
    }

    pub(super) fn whole(self) -> Result<Option<u64>, A::Error> {
        self.read(Loose::whole)
    }

    pub(super) fn milliseconds(self) -> Result<Option<u64>, A::Error> {
        self.read(Loose::milliseconds)
    }

    pub(super) fn date(self) -> Result<Option<i64>, A::Error> {
        self.read(Loose::date)
    }

    pub(super) fn skip(self) -> Result<(), A::Error> {
        self.object.next_value::<IgnoredAny>().map(|_| ())
    }

    /// Reads an object or a list, and reports whether there was one that `target` can take.
    pub(super) fn fill<S: Slot<'de>>(self, target: &mut S) -> Result<bool, A::Error> {
        self.noting(|object, notes| object.next_value_seed(Fill { target, notes }))
    }

    fn read<T>(
        self,
        convert: impl FnOnce(Loose<'de>) -> Result<Option<T>, Odd>,
    ) -> Result<Option<T>, A::Error> {
        self.noting(|object, notes| {
            let value = object.next_value()?;
            notes.truncated |= matches!(value, Loose::List { cut: true, .. });
            Ok(convert(value).unwrap_or_else(|Odd| {
                notes.odd();
                None
            }))
        })
    }

    /// Reads the value, and puts the member's name before what is noted on the way.
    fn noting<T>(
        self,
        read: impl FnOnce(&mut A, &mut Notes) -> Result<T, A::Error>,
    ) -> Result<T, A::Error> {
        let Self { key, object, notes } = self;
        let noted_before = notes.unread.is_some();
        let value = read(object, notes)?;
        if let Some(path) = &mut notes.unread
            && !noted_before
        {
            let dot = if path.is_empty() { "" } else { "." };
            *path = format!("{key}{dot}{path}");
        }
        Ok(value)
    }
}

/// Reads a value into a [`Slot`].
pub(super) struct Fill<'m, S> {
    pub(super) target: &'m mut S,
    pub(super) notes: &'m mut Notes,
}

impl<'de, S: Slot<'de>> DeserializeSeed<'de> for Fill<'_, S> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Slot<'de>> Visitor<'de> for Fill<'_, S> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<bool, A::Error> {
        self.target.object(object, self.notes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<bool, A::Error> {
        self.target.list(list, self.notes)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(self.notes.odd())
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(self.notes.odd())
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(self.notes.odd())
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(self.notes.odd())
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(self.notes.odd())
    }
}

impl<'de, T: Members<'de>> Slot<'de> for T {
    fn object<A: MapAccess<'de>>(
        &mut self,
        mut object: A,
        notes: &mut Notes,
    ) -> Result<bool, A::Error> {
        while let Some(key) = object.next_key()? {
            // Every key of an object is a text (RFC 8259 section 4).
            let Loose::Text(key) = key else { continue };
            self.member(&key, Member { key: &key, object: &mut object, notes })?;
        }
        Ok(true)
    }
}

/// Takes a list of objects, of which at most [`MAX_CHAIN`] are kept.
impl<'de, T: Members<'de> + Default> Slot<'de> for Vec<T> {
    fn list<A: SeqAccess<'de>>(
        &mut self,
        mut list: A,
        notes: &mut Notes,
    ) -> Result<bool, A::Error> {
        loop {
            if self.len() == MAX_CHAIN {
                let more = list.next_element::<IgnoredAny>()?.is_some();
                notes.truncated |= more;
                if !more {
                    return Ok(true);
                }
                continue;
            }
            let mut item = T::default();
            match list.next_element_seed(Fill { target: &mut item, notes })? {
                Some(true) => self.push(item),
                Some(false) => {}
                None => return Ok(true),
            }
        }
    }
}
