//! Objects read member by member, each into the field it is for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::loose::{Loose, Odd};
use super::{Data, MAX_CHAIN};

/// Something that is filled from the members of an object.
pub(super) trait Members<'de> {
    /// Takes one member. It must read or skip the value.
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Member<'_, A>,
    ) -> Result<(), A::Error>;
}

/// What was met while reading a message.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The path of the first member whose value has no form known for it.
    pub(super) unread: Option<String>,
    /// Whether the end of a list was dropped.
    pub(super) truncated: bool,
}

/// The value of a member, still to be read.
pub(super) struct Member<'m, A> {
    key: &'m str,
    map: &'m mut A,
    notes: &'m mut Notes,
}

impl<'de, A: MapAccess<'de>> Member<'_, A> {
    pub(super) fn text(&mut self) -> Result<Option<Cow<'de, str>>, A::Error> {
        self.read(Loose::text)
    }

    /// A text that names a `T`.
    pub(super) fn named<T>(
        &mut self,
        from_name: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, A::Error> {
        self.read(|value| match value.text()? {
            Some(name) => from_name(&name).map(Some).ok_or(Odd),
            None => Ok(None),
        })
    }

    /// A list of texts; empty for none.
    pub(super) fn list(&mut self) -> Result<Vec<Cow<'de, str>>, A::Error> {
        self.read(Loose::list).map(Option::unwrap_or_default)
    }

    pub(super) fn flag(&mut self) -> Result<Option<bool>, A::Error> {
        self.read(Loose::flag)
    }

    pub(super) fn whole(&mut self) -> Result<Option<u64>, A::Error> {
        self.read(Loose::whole)
    }

    pub(super) fn milliseconds(&mut self) -> Result<Option<u64>, A::Error> {
        self.read(Loose::milliseconds)
    }

    pub(super) fn date(&mut self) -> Result<Option<i64>, A::Error> {
        self.read(Loose::date)
    }

    pub(super) fn skip(&mut self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(|_| ())
    }

    /// An object with its members. A value of another type leaves `target` as it is.
    pub(super) fn object<T: Members<'de>>(&mut self, target: &mut T) -> Result<(), A::Error> {
        self.seed(|notes| Into { target, notes })
    }

    /// A list of at most [`MAX_CHAIN`] objects.
    pub(super) fn objects<T: Members<'de> + Default>(
        &mut self,
        target: &mut Vec<T>,
    ) -> Result<(), A::Error> {
        self.seed(|notes| Into { target: &mut Objects(target), notes })
    }

    pub(super) fn object_or_list(&mut self, target: &mut Data<'de>) -> Result<(), A::Error> {
        self.seed(|notes| Into { target, notes })
    }

    fn read<T>(
        &mut self,
        convert: impl FnOnce(Loose<'de>) -> Result<Option<T>, Odd>,
    ) -> Result<Option<T>, A::Error> {
        let value = self.map.next_value()?;
        self.notes.truncated |= matches!(value, Loose::List { cut: true, .. });
        Ok(convert(value).unwrap_or_else(|Odd| {
            self.notes.unread.get_or_insert_with(|| self.key.to_owned());
            None
        }))
    }

    /// Reads an inner value, and puts this member's name before what it notes.
    fn seed<'m, S>(&'m mut self, seed: impl FnOnce(&'m mut Notes) -> S) -> Result<(), A::Error>
    where
        S: DeserializeSeed<'de, Value = ()>,
    {
        todo!()
    }
}
