//! The body of an endless HTTP/1.1 response, which comes in chunks (RFC 9112 section 7.1).

use std::io::{Error, ErrorKind, Result};

/// Follows the chunks of one response through reads that end anywhere.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// The size in the line being read, and whether it has a digit yet: the line that ends the
    /// chunk before has none.
    size: Option<u64>,
    /// Bytes of the chunk still to come.
    left: u64,
}

impl Body {
    /// The next part of the content in `input`, which is moved past it; `None` once it is used up.
    ///
    /// # Errors
    /// If the response ends, or is not in chunks.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>> {
        while self.left == 0 {
            let Some((byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            match (byte, self.size) {
                (b'\r', _) | (b'\n', None) => {}
                (b'\n', Some(0)) => return Err(ErrorKind::UnexpectedEof.into()),
                (b'\n', Some(size)) => (self.left, self.size) = (size, None),
                (digit, size) => self.size = Some(longer(size.unwrap_or(0), *digit)?),
            }
        }
        let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        let (part, rest) = input.split_at(here);
        self.left -= here as u64;
        *input = rest;
        Ok((!part.is_empty()).then_some(part))
    }
}

/// A size with one more digit.
fn longer(size: u64, digit: u8) -> Result<u64> {
    let digit = char::from(digit).to_digit(16);
    let longer = digit.and_then(|digit| size.checked_mul(16)?.checked_add(digit.into()));
    longer.ok_or_else(|| Error::new(ErrorKind::InvalidData, "no size of a chunk"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(stream: &[u8], cut: usize) -> Result<Vec<u8>> {
        let (mut body, mut content) = (Body::default(), Vec::new());
        for mut part in stream.chunks(cut) {
            while let Some(bytes) = body.next(&mut part)? {
                content.extend_from_slice(bytes);
            }
        }
        Ok(content)
    }

    #[test]
    fn chunks_are_joined_wherever_reads_end() {
        let stream = b"5\r\nhello\r\n1\r\n,\r\n0C\r\n\n1\r\nworld!!!\r\n";
        for cut in 1..=stream.len() {
            let content = content(stream, cut).expect("chunks");
            assert_eq!(content, b"hello,\n1\r\nworld!!!", "reads of {cut}");
        }
    }

    #[test]
    fn an_end_and_invalid_chunk_sizes_are_errors() {
        let kind = |stream: &[u8]| content(stream, 64).expect_err("must fail").kind();
        assert_eq!(kind(b"1\r\nx\r\n0\r\n\r\n"), ErrorKind::UnexpectedEof);
        assert_eq!(kind(b"data: x\n\n"), ErrorKind::InvalidData);
        assert_eq!(kind(b"fffffffffffffffff\r\n"), ErrorKind::InvalidData);
    }
}
