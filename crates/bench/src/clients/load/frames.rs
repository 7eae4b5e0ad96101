//! The frames in what a server sends (RFC 6455 section 5.2), read without copying.

/// Opcodes the load client tells apart.
pub(super) const TEXT: u8 = 0x1;
pub(super) const PING: u8 = 0x9;
/// The bit of the first byte that marks a compressed message.
const RSV1: u8 = 0x40;

/// Follows the frames of one connection through reads that end anywhere.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; 10],
    /// Bytes of the header there are.
    have: usize,
    /// True if the header is complete.
    inside: bool,
    /// Bytes of the payload still to come.
    left: u64,
    /// Bytes of the whole frame.
    length: u64,
}

/// A part of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Some of the payload.
    Payload(&'a [u8]),
    /// The frame is complete.
    End {
        opcode: u8,
        /// True if it is marked as compressed (RFC 7692 section 6).
        deflated: bool,
        /// Bytes of the frame, header included.
        bytes: u64,
    },
}

impl Frames {
    /// The next piece in `input`, which is moved past it; `None` once it is used up.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Piece<'a>> {
        if !self.inside && !self.read_header(input) {
            return None;
        }
        if self.left == 0 {
            let [first, ..] = self.header;
            let (opcode, deflated) = (first & 0x0f, first & RSV1 != 0);
            let end = Piece::End { opcode, deflated, bytes: self.length };
            (self.have, self.inside) = (0, false);
            return Some(end);
        }
        if input.is_empty() {
            return None;
        }
        let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        let (payload, rest) = input.split_at(here);
        self.left -= here as u64;
        *input = rest;
        Some(Piece::Payload(payload))
    }

    /// Reports whether the last piece ended a frame.
    pub(super) const fn is_between(&self) -> bool {
        !self.inside
    }

    /// Reports whether the header is complete now.
    fn read_header(&mut self, input: &mut &[u8]) -> bool {
        loop {
            let wanted = self.header_length();
            if self.have == wanted {
                break;
            }
            let here = (wanted - self.have).min(input.len());
            if here == 0 {
                return false;
            }
            let (bytes, rest) = input.split_at(here);
            self.header[self.have..self.have + here].copy_from_slice(bytes);
            self.have += here;
            *input = rest;
        }
        let [_, short, length @ ..] = self.header;
        self.left = match short & 0x7f {
            126 => u64::from(u16::from_be_bytes([length[0], length[1]])),
            127 => u64::from_be_bytes(length),
            short => u64::from(short),
        };
        self.length = self.left + self.have as u64;
        self.inside = true;
        true
    }

    /// As far as the bytes there are tell.
    const fn header_length(&self) -> usize {
        match (self.have, self.header[1] & 0x7f) {
            (0 | 1, _) => 2,
            (_, 126) => 4,
            (_, 127) => 10,
            _ => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(stream: &[u8], cut: usize) -> Vec<(u8, bool, u64, usize)> {
        let (mut frames, mut found, mut payload) = (Frames::default(), Vec::new(), 0);
        for mut part in stream.chunks(cut) {
            while let Some(piece) = frames.next(&mut part) {
                match piece {
                    Piece::Payload(bytes) => payload += bytes.len(),
                    Piece::End { opcode, deflated, bytes } => {
                        found.push((opcode, deflated, bytes, std::mem::take(&mut payload)));
                    }
                }
            }
        }
        found
    }

    #[test]
    fn frames_are_found_wherever_reads_end() {
        let mut stream = vec![0x89, 0, 0x81, 5];
        stream.extend([b'x'; 5]);
        stream.extend([0xc1, 126, 0x01, 0x00]);
        stream.extend([b'y'; 256]);
        stream.extend([0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        stream.extend(vec![b'z'; 70_000]);
        let expected = [
            (PING, false, 2, 0),
            (TEXT, false, 7, 5),
            (TEXT, true, 260, 256),
            (TEXT, false, 70_010, 70_000),
        ];
        for cut in [1, 2, 3, 7, 64, 1_000_000] {
            assert_eq!(frames(&stream, cut), expected, "reads of {cut}");
        }
    }
}
