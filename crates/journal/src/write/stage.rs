//! Making frames of messages, in order: the fold and the context of what is appended next.

use std::sync::Arc;

use record::encoding::Encoder;
use record::{Batch, BatchHash, Begin, Checkpoint, Issuer, State};

use super::queue::{Item, Staged};
use crate::error::WriteError;
use crate::format::{Codec, FrameHeader, FrameKind, MAX_MESSAGE, Payload, Totals};

/// Bytes of certificates and issuers in a batch, beyond which it is refused.
const MAX_CERTIFICATES: usize = MAX_MESSAGE / 2;

/// The end of what was appended.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) state: State,
    pub(super) totals: Totals,
    encoder: Encoder,
    codec: Codec,
    plain: Vec<u8>,
}

impl Stage {
    pub(super) fn new(state: State, totals: Totals) -> Self {
        let (encoder, codec) = (Encoder::new(), Codec::default());
        Self { state, totals, encoder, codec, plain: Vec::new() }
    }

    /// Returns the issuers that the next message may refer to.
    pub(super) fn issuers(&self) -> &[Arc<Issuer>] {
        self.encoder.issuers()
    }

    /// Makes the frame of a begin, and applies it.
    pub(super) fn begin(&mut self, begin: &Begin) -> Result<Item, WriteError> {
        self.plain.clear();
        let hash = self.encoder.begin(begin, &mut self.plain);
        self.state.begin(begin, hash)?;
        let frame = self.frame(FrameKind::Begin, begin.header.number, begin.first_offset);
        self.totals.next_offset = begin.first_offset;
        self.item(frame, Staged::Begin(Box::new(*begin), hash))
    }

    /// Makes the frame of a batch, and applies it. If that fails, nothing has changed.
    pub(super) fn batch(&mut self, batch: &Batch) -> Result<(Item, BatchHash), WriteError> {
        let bytes = certificate_bytes(batch);
        if bytes > MAX_CERTIFICATES {
            return Err(WriteError::TooLarge(bytes));
        }
        self.state.check(batch)?;
        let mut frame = self.frame(FrameKind::Batch, batch.header.number, batch.first_offset);
        self.plain.clear();
        let hash = self.encoder.batch(batch, &mut self.plain)?;
        self.state.apply(batch, hash)?;
        let seen = batch.records.iter().map(|record| record.seen).max().unwrap_or_default();
        frame.records = u32::try_from(batch.records.len()).unwrap_or(u32::MAX);
        frame.newest = frame.newest.max(seen);
        self.totals = frame.totals();
        let item = self.item(frame, Staged::Batch(Box::new(batch.clone()), hash))?;
        Ok((item, hash))
    }

    /// Makes the frame of a checkpoint without issuers, after which each is written again at its first
    /// use.
    pub(super) fn checkpoint(&mut self) -> Result<Item, WriteError> {
        let frame = self.frame(FrameKind::Checkpoint, self.state.number(), self.totals.next_offset);
        let issuers = self.encoder.issuers().to_vec();
        let checkpoint = Checkpoint { state: self.state.clone(), issuers: Vec::new() };
        self.plain.clear();
        self.encoder.checkpoint(&checkpoint, &mut self.plain)?;
        self.item(FrameHeader { issuers: 0, ..frame }, Staged::Checkpoint(issuers))
    }

    /// Makes the frame of a checkpoint of an earlier state, with the issuers that the frames after it
    /// refer to. The context stays as it is.
    pub(super) fn earlier_checkpoint(
        &mut self,
        state: &State,
        totals: &Totals,
        issuers: &[Arc<Issuer>],
    ) -> Result<Item, WriteError> {
        let checkpoint = Checkpoint { state: state.clone(), issuers: issuers.to_vec() };
        self.plain.clear();
        Encoder::new().checkpoint(&checkpoint, &mut self.plain)?;
        let mut frame = frame(FrameKind::Checkpoint, state.number(), totals);
        frame.issuers = u16::try_from(issuers.len()).unwrap_or(u16::MAX);
        self.item(frame, Staged::Checkpoint(Vec::new()))
    }

    fn frame(&self, kind: FrameKind, number: u64, first_offset: u64) -> FrameHeader {
        let issuers = u16::try_from(self.encoder.issuers().len()).unwrap_or(u16::MAX);
        FrameHeader { issuers, first_offset, ..frame(kind, number, &self.totals) }
    }

    /// Compresses the message in `plain` and completes its frame.
    fn item(&mut self, mut frame: FrameHeader, staged: Staged) -> Result<Item, WriteError> {
        let too_large = WriteError::TooLarge(self.plain.len());
        let Payload { stored, length, is_compressed, crc } =
            self.codec.compress(&self.plain).ok_or(too_large)?;
        frame.stored = u32::try_from(stored.len()).unwrap_or(u32::MAX);
        (frame.length, frame.is_compressed, frame.crc) = (length, is_compressed, crc);
        let issuers_after = self.encoder.issuers().len();
        Ok(Item { frame, stored, staged, issuers_after })
    }
}

/// Makes the header of a frame without payload.
pub(super) const fn frame(kind: FrameKind, number: u64, totals: &Totals) -> FrameHeader {
    FrameHeader {
        kind,
        stored: 0,
        length: 0,
        is_compressed: false,
        crc: 0,
        number,
        records: 0,
        issuers: 0,
        synced: 0,
        first_offset: totals.next_offset,
        from: totals.entries_end,
        before: totals.entries,
        newest: totals.newest,
    }
}

fn certificate_bytes(batch: &Batch) -> usize {
    let issuers = batch.records.iter().flat_map(|record| &record.chain);
    let records = batch.records.iter().map(|record| record.certificate.len());
    records.chain(issuers.map(|issuer| issuer.der.len())).fold(0, usize::saturating_add)
}
