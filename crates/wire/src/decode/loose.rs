//! A JSON value before it is known what it should have been.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{MAX_LIST, NO_EXPIRATION};

/// Any value. Of a list only its texts are kept, of an object nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Loose<'a> {
    Null,
    Flag(bool),
    Whole(u64),
    Negative(i64),
    Fraction(f64),
    Text(Cow<'a, str>),
    List {
        texts: Vec<Cow<'a, str>>,
        /// True if there were more than [`MAX_LIST`].
        cut: bool,
    },
    Object,
}

/// A value has none of the forms that its member can have.
#[derive(Debug, PartialEq)]
pub(super) struct Odd;

/// The meaning of a value: `None` for nothing.
type Said<T> = Result<Option<T>, Odd>;

impl<'a> Loose<'a> {
    /// Returns a text, or a list of them joined by commas; not empty.
    pub(super) fn text(self) -> Said<Cow<'a, str>> {
        let text = match self {
            Self::Null => return Ok(None),
            Self::Text(text) => text,
            Self::List { mut texts, .. } if texts.len() == 1 => texts.pop().unwrap_or_default(),
            Self::List { texts, .. } => texts.join(",").into(),
            _ => return Err(Odd),
        };
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Returns a list of texts, or one text alone.
    pub(super) fn list(self) -> Said<Vec<Cow<'a, str>>> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(vec![text])),
            Self::List { texts, .. } => Ok(Some(texts)),
            _ => Err(Odd),
        }
    }

    /// Returns `true` or `false`, perhaps as a text.
    pub(super) fn flag(self) -> Said<bool> {
        match self {
            Self::Flag(flag) => Ok(Some(flag)),
            other => match other.text()? {
                None => Ok(None),
                Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
                Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
                Some(_) => Err(Odd),
            },
        }
    }

    /// Returns a whole number that is not negative.
    pub(super) fn whole(self) -> Said<u64> {
        match self.number()? {
            Self::Null => Ok(None),
            Self::Whole(number) => Ok(Some(number)),
            Self::Fraction(number) => exact(number).map(Some).ok_or(Odd),
            _ => Err(Odd),
        }
    }

    /// Returns seconds since the Unix epoch, as whole milliseconds.
    pub(super) fn milliseconds(self) -> Said<u64> {
        match self.number()? {
            Self::Null => Ok(None),
            Self::Whole(seconds) => seconds.checked_mul(1000).map(Some).ok_or(Odd),
            Self::Fraction(seconds) => exact((seconds * 1000.0).round()).map(Some).ok_or(Odd),
            _ => Err(Odd),
        }
    }

    /// Returns seconds since the Unix epoch, perhaps before it, without their fraction; or
    /// `no_expiration`.
    pub(super) fn date(self) -> Said<i64> {
        if matches!(&self, Self::Text(text) if text == "no_expiration") {
            return Ok(Some(NO_EXPIRATION));
        }
        match self.number()? {
            Self::Null => Ok(None),
            Self::Whole(seconds) => i64::try_from(seconds).map(Some).map_err(|_| Odd),
            Self::Negative(seconds) => Ok(Some(seconds)),
            Self::Fraction(seconds) => {
                let size = exact(seconds.abs().floor()).ok_or(Odd)?.cast_signed();
                Ok(Some(if seconds < 0.0 { -size } else { size }))
            }
            _ => Err(Odd),
        }
    }

    /// Returns a number, perhaps as a text; `Null` for nothing.
    fn number(self) -> Result<Self, Odd> {
        match self {
            Self::Null | Self::Whole(_) | Self::Negative(_) | Self::Fraction(_) => Ok(self),
            Self::Text(text) if text.is_empty() => Ok(Self::Null),
            Self::Text(text) => {
                let whole = text.parse().map(Self::Whole);
                let negative = || text.parse().map(Self::Negative);
                let fraction = |_| text.parse().map(Self::Fraction);
                whole.or_else(|_| negative()).or_else(fraction).map_err(|_| Odd)
            }
            _ => Err(Odd),
        }
    }
}

/// Returns a number that an f64 holds exactly: whole, not negative and at most 2^53.
fn exact(number: f64) -> Option<u64> {
    const MAX: f64 = (1_u64 << 53) as f64;
    ((0.0..=MAX).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

impl<'de> Deserialize<'de> for Loose<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Loose::Flag(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Loose::Whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Loose::Negative(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Loose::Fraction(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        let (texts, cut) = texts(list)?;
        Ok(Loose::List { texts, cut })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Object)
    }
}

/// Returns the texts of a list, and whether there were more than [`MAX_LIST`].
pub(super) fn texts<'de, A: SeqAccess<'de>>(
    mut list: A,
) -> Result<(Vec<Cow<'de, str>>, bool), A::Error> {
    let mut texts = Vec::new();
    let mut cut = false;
    while let Some(item) = list.next_element()? {
        match item {
            Loose::Text(_) if texts.len() == MAX_LIST => cut = true,
            Loose::Text(text) => texts.push(text),
            _ => {}
        }
    }
    Ok((texts, cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loose(json: &str) -> Loose<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_text_may_be_a_list_of_texts() {
        let cases = [
            (r#""a""#, Ok(Some("a"))),
            (r#""a\n""#, Ok(Some("a\n"))),
            (r#"["a"]"#, Ok(Some("a"))),
            (r#"["a",null,["x"],"b"]"#, Ok(Some("a,b"))),
            ("[]", Ok(None)),
            (r#""""#, Ok(None)),
            ("null", Ok(None)),
            ("1", Err(Odd)),
            ("true", Err(Odd)),
            ("{}", Err(Odd)),
        ];
        for (json, expected) in cases {
            assert_eq!(loose(json).text(), expected.map(|text| text.map(Cow::from)), "{json}");
        }
        assert!(matches!(loose(r#""borrowed""#).text(), Ok(Some(Cow::Borrowed(_)))));
    }

    #[test]
    fn a_list_may_be_a_single_text() {
        let cases: [(&str, Said<Vec<&str>>); 6] = [
            (r#"["b","a","b"]"#, Ok(Some(vec!["b", "a", "b"]))),
            (r#"["",{"a":[1]},1]"#, Ok(Some(vec![""]))),
            (r#""a""#, Ok(Some(vec!["a"]))),
            ("null", Ok(None)),
            ("{}", Err(Odd)),
            ("false", Err(Odd)),
        ];
        for (json, expected) in cases {
            let list = loose(json).list();
            let expected = expected.map(|list| list.map(|list| list.into_iter().map(Cow::from)));
            assert_eq!(list, expected.map(|list| list.map(Iterator::collect)), "{json}");
        }
    }

    #[test]
    fn a_flag_may_be_a_text() {
        let cases = [
            ("true", Ok(Some(true))),
            ("false", Ok(Some(false))),
            (r#""TRUE""#, Ok(Some(true))),
            (r#""False""#, Ok(Some(false))),
            ("null", Ok(None)),
            (r#""""#, Ok(None)),
            (r#""yes""#, Err(Odd)),
            ("1", Err(Odd)),
        ];
        for (json, expected) in cases {
            assert_eq!(loose(json).flag(), expected, "{json}");
        }
    }

    #[test]
    fn whole_numbers_have_many_forms() {
        let cases = [
            ("0", Ok(Some(0))),
            ("4354630040", Ok(Some(4_354_630_040))),
            ("18446744073709551615", Ok(Some(u64::MAX))),
            ("7.0", Ok(Some(7))),
            ("4.35463004e9", Ok(Some(4_354_630_040))),
            ("-0.0", Ok(Some(0))),
            (r#""18446744073709551615""#, Ok(Some(u64::MAX))),
            (r#""7.0""#, Ok(Some(7))),
            (r#""""#, Ok(None)),
            ("null", Ok(None)),
            ("7.5", Err(Odd)),
            ("-1", Err(Odd)),
            ("18446744073709551616", Err(Odd)),
            ("1e300", Err(Odd)),
            (r#""seven""#, Err(Odd)),
            (r#""NaN""#, Err(Odd)),
            ("[7]", Err(Odd)),
        ];
        for (json, expected) in cases {
            assert_eq!(loose(json).whole(), expected, "{json}");
        }
    }

    #[test]
    fn times_are_whole_milliseconds() {
        let cases = [
            ("1708483726.594", Ok(Some(1_708_483_726_594))),
            ("1708483726.5941234", Ok(Some(1_708_483_726_594))),
            ("1708483726", Ok(Some(1_708_483_726_000))),
            ("1708483726.0", Ok(Some(1_708_483_726_000))),
            ("1.7e9", Ok(Some(1_700_000_000_000))),
            (r#""1708483726.594""#, Ok(Some(1_708_483_726_594))),
            ("0", Ok(Some(0))),
            ("null", Ok(None)),
            ("-1.5", Err(Odd)),
            ("1e17", Err(Odd)),
            ("18446744073709551615", Err(Odd)),
            (r#""2024-02-21""#, Err(Odd)),
        ];
        for (json, expected) in cases {
            assert_eq!(loose(json).milliseconds(), expected, "{json}");
        }
    }

    #[test]
    fn dates_are_whole_seconds() {
        let cases = [
            ("1509908649", Ok(Some(1_509_908_649))),
            ("1509908649.0", Ok(Some(1_509_908_649))),
            ("1509908649.9", Ok(Some(1_509_908_649))),
            ("-86400", Ok(Some(-86_400))),
            ("-1.5", Ok(Some(-1))),
            ("253402300799", Ok(Some(NO_EXPIRATION))),
            (r#""no_expiration""#, Ok(Some(NO_EXPIRATION))),
            (r#""-5""#, Ok(Some(-5))),
            ("null", Ok(None)),
            (r#""never""#, Err(Odd)),
            ("9223372036854775808", Err(Odd)),
            ("1e30", Err(Odd)),
            ("true", Err(Odd)),
        ];
        for (json, expected) in cases {
            assert_eq!(loose(json).date(), expected, "{json}");
        }
    }
}
