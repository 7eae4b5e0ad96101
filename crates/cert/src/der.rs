//! A reader of DER (ITU-T X.690) as it occurs in certificates: one element at a time, borrowed,
//! without recursion.
//!
//! It asks for less than DER does, because certificates in logs do not always comply: lengths
//! need not be minimal and contents are not judged. What it cannot follow (indefinite lengths,
//! tag numbers above 30) it reports.

/// An error in an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An element claims more bytes than there are.
    #[error("cut short")]
    CutShort,
    /// A length in indefinite form, or written in more than four bytes.
    #[error("a length that DER does not allow")]
    Length,
    /// A tag number above 30: no certificate field has one.
    #[error("a tag that no certificate field has")]
    Tag,
    /// An element of another type stands where this one belongs.
    #[error("not of the type expected")]
    Type,
    /// A time that is no time.
    #[error("not a time")]
    Time,
    /// More of them than are read.
    #[error("too many")]
    Number,
}

/// The identifier octets (X.690 section 8.1.2) met in certificates.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const T61_STRING: u8 = 0x14;
    pub(crate) const VIDEOTEX_STRING: u8 = 0x15;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const GRAPHIC_STRING: u8 = 0x19;
    pub(crate) const VISIBLE_STRING: u8 = 0x1a;
    pub(crate) const GENERAL_STRING: u8 = 0x1b;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(crate) const BMP_STRING: u8 = 0x1e;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[number]` with a primitive value.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// `[number]` with further elements inside.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// One element: its identifier octet and its contents octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
}

impl<'a> Element<'a> {
    /// The contents, if the element has this tag.
    pub(crate) fn expect(self, tag: u8) -> Result<&'a [u8], Fault> {
        if self.tag == tag { Ok(self.contents) } else { Err(Fault::Type) }
    }

    /// The elements inside, if this is a SEQUENCE.
    pub(crate) fn sequence(self) -> Result<Reader<'a>, Fault> {
        self.expect(tag::SEQUENCE).map(Reader::new)
    }
}

/// The elements that stand one after another in a run of bytes.
///
/// As an iterator it yields each element, and after the first fault nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the bytes that have not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next element, whatever it is. After a fault nothing is left to read.
    pub(crate) fn element(&mut self) -> Result<Element<'a>, Fault> {
        let (element, whole) = self.clipped()?;
        if whole { Ok(element) } else { Err(Fault::CutShort) }
    }

    /// The next element and its bytes, header included.
    pub(crate) fn element_with_bytes(&mut self) -> Result<(Element<'a>, &'a [u8]), Fault> {
        let before = self.rest;
        let element = self.element()?;
        let length = before.len().saturating_sub(self.rest.len());
        Ok((element, before.get(..length).unwrap_or_default()))
    }

    /// As [`element`](Self::element), but an element that claims more bytes than there are is
    /// given with those there are, and `false`.
    pub(crate) fn clipped(&mut self) -> Result<(Element<'a>, bool), Fault> {
        let input = std::mem::take(&mut self.rest);
        let (tag, length, after) = header(input)?;
        match after.split_at_checked(length) {
            Some((contents, rest)) => {
                self.rest = rest;
                Ok((Element { tag, contents }, true))
            }
            None => Ok((Element { tag, contents: after }, false)),
        }
    }

    /// As [`clipped`](Self::clipped), and an indefinite length is taken for all that follows, so
    /// that the elements after the end-of-contents octets are seen as if they stood inside.
    pub(crate) fn salvaged(&mut self) -> Option<Element<'a>> {
        match self.rest {
            [tag, 0x80, contents @ ..] => {
                self.rest = &[];
                Some(Element { tag: *tag, contents })
            }
            _ => self.clipped().ok().map(|(element, _)| element),
        }
    }

    /// The contents of the next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Fault> {
        self.element()?.expect(tag)
    }

    /// The elements inside the next one, which must be a SEQUENCE.
    pub(crate) fn sequence(&mut self) -> Result<Self, Fault> {
        self.element()?.sequence()
    }

    /// The contents of the next element if it has this tag; otherwise it is left unread.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Fault> {
        if self.rest.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Element<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_empty() { None } else { Some(self.element()) }
    }
}

/// Tag, length of the contents, and all that follows the header (X.690 sections 8.1.2, 8.1.3).
pub(crate) fn header(input: &[u8]) -> Result<(u8, usize, &[u8]), Fault> {
    let [tag, first, rest @ ..] = input else { return Err(Fault::CutShort) };
    if tag & 0x1f == 0x1f {
        return Err(Fault::Tag);
    }
    if *first < 0x80 {
        return Ok((*tag, usize::from(*first), rest));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return Err(Fault::Length);
    }
    let (length, rest) = rest.split_at_checked(count).ok_or(Fault::CutShort)?;
    let length = length.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
    let length = usize::try_from(length).map_err(|_| Fault::Length)?;
    Ok((*tag, length, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        type Header = (u8, usize, &'static [u8]);
        let cases: [(&[u8], Result<Header, Fault>); 11] = [
            (b"\x30\x00", Ok((0x30, 0, b""))),
            (b"\x02\x01\x05", Ok((0x02, 1, b"\x05"))),
            (b"\x04\x81\x80abc", Ok((0x04, 128, b"abc"))),
            (b"\x04\x82\x00\x01x", Ok((0x04, 1, b"x"))),
            (b"\x04\x84\xff\xff\xff\xff", Ok((0x04, 0xffff_ffff, b""))),
            (b"\x30\x80\x00\x00", Err(Fault::Length)),
            (b"\x30\x85\x00\x00\x00\x00\x01", Err(Fault::Length)),
            (b"\x30\x82\x01", Err(Fault::CutShort)),
            (b"\x30", Err(Fault::CutShort)),
            (b"", Err(Fault::CutShort)),
            (b"\x1f\x81\x01", Err(Fault::Tag)),
        ];
        for (input, expected) in cases {
            assert_eq!(header(input), expected, "{input:02x?}");
        }
    }

    #[test]
    fn a_fault_ends_the_run() {
        let mut reader = Reader::new(b"\x02\x01\x05\x04\x05ab");
        assert_eq!(reader.next(), Some(Ok(Element { tag: tag::INTEGER, contents: b"\x05" })));
        assert_eq!(reader.next(), Some(Err(Fault::CutShort)));
        assert_eq!(reader.next(), None);
    }

    #[test]
    fn a_clipped_element_keeps_what_there_is() {
        let mut reader = Reader::new(b"\x04\x05ab");
        let element = Element { tag: tag::OCTET_STRING, contents: b"ab" };
        assert_eq!(reader.clipped(), Ok((element, false)));
        assert!(reader.is_empty());
    }

    #[test]
    fn an_optional_element_of_another_type_is_left() {
        let mut reader = Reader::new(b"\x02\x01\x05");
        assert_eq!(reader.optional(tag::BOOLEAN), Ok(None));
        assert_eq!(reader.optional(tag::INTEGER), Ok(Some(&b"\x05"[..])));
        assert_eq!(reader.optional(tag::INTEGER), Ok(None));
    }
}
