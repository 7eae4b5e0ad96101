//! Fixed little-endian fields.

/// Takes fields from a record of fixed size; beyond its end they are 0.
#[derive(Debug)]
pub(super) struct Fields<'b> {
    rest: &'b [u8],
}

impl<'b> Fields<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.rest.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.rest = rest;
        *taken
    }

    pub(super) fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }
}

/// Appends the checksum of everything from `start` on.
pub(super) fn seal(out: &mut Vec<u8>, start: usize) {
    let crc = crc_fast::crc32_iscsi(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Returns the bytes before the checksum at the end, if that is right.
pub(super) fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (bytes, crc) = sealed.split_last_chunk()?;
    (crc_fast::crc32_iscsi(bytes) == u32::from_le_bytes(*crc)).then_some(bytes)
}
