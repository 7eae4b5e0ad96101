//! Folding what is kept to a state.

use record::encoding::Message;
use record::{BatchHash, Refused, State};
use thiserror::Error;

use super::tail::Tail;
use crate::damage::{Damage, DamageKind};
use crate::error::ReadError;
use crate::format::{Block, FrameHeader, Totals};
use crate::read::blocks;
use crate::read::walk::{Step, Walk};
use crate::segment::{Segment, Store};

/// The state after what is kept.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) state: State,
    pub(crate) totals: Totals,
    pub(crate) damage: Vec<Damage>,
}

/// Folds from the last checkpoint that can be read; `None` if there is none.
pub(super) fn fold(store: &Store, tail: &Tail) -> Result<Option<Folded>, ReadError> {
    let segments = store.list();
    for (age, segment) in segments.iter().rev().enumerate() {
        let blocks = match age {
            0 => tail.blocks.clone(),
            _ => blocks::usable(store, segment)?,
        };
        for block in blocks.iter().rev() {
            let folded = fold_from(store, segment, block, tail.kept)?;
            if folded.is_some() {
                return Ok(folded);
            }
        }
    }
    Ok(None)
}

/// Folds from a block up to a number.
fn fold_from(
    store: &Store,
    segment: &Segment,
    block: &Block,
    kept: u64,
) -> Result<Option<Folded>, ReadError> {
    let mut walk = Walk::new(segment.name(), block.at, block.number);
    let (mut fold, mut damage) = (Fold::default(), Vec::new());
    if block.number == 0 {
        fold.state = Some(State::new(segment.header.stream));
    }
    while let Some(step) = walk.step(store, kept)? {
        match step {
            Step::Message(message, header) => {
                if fold.apply(&message, &header, walk.encoded()).is_err() {
                    let ((segment, end), kind) = (walk.place(), DamageKind::Message);
                    let at = end.saturating_sub(header.frame_bytes());
                    damage.push(Damage { file: segment.to_string(), at, end, kind });
                }
            }
            Step::Damage(found) => damage.push(found),
        }
    }
    let Fold { state, totals } = fold;
    let reached = state.filter(|state| state.number() > 0 || kept == 0);
    Ok(reached.map(|state| Folded { state, totals, damage }))
}

/// Reason why a message does not fit those before it.
#[derive(Clone, Copy, Debug, Error)]
pub(crate) enum Misfit {
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("the checkpoint differs from the fold of the messages before it")]
    Checkpoint,
}

/// A fold in progress.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    /// `None` before the first checkpoint.
    state: Option<State>,
    totals: Totals,
}

impl Fold {
    /// Applies a message.
    ///
    /// # Errors
    /// If it does not fit those before it.
    pub(crate) fn apply(
        &mut self,
        message: &Message,
        header: &FrameHeader,
        encoded: &[u8],
    ) -> Result<(), Misfit> {
        let hash = || BatchHash::of(encoded);
        match (message, &mut self.state) {
            (Message::Checkpoint(checkpoint), state) => {
                let fits = state.as_ref().is_none_or(|known| fits(known, &checkpoint.state));
                *state = Some(checkpoint.state.clone());
                self.totals = header.totals();
                return if fits { Ok(()) } else { Err(Misfit::Checkpoint) };
            }
            (_, None) => return Ok(()),
            (Message::Batch(batch), Some(state)) => state.apply(batch, hash())?,
            (Message::Begin(begin), Some(state)) => state.begin(begin, hash())?,
        }
        self.totals = header.totals();
        Ok(())
    }
}

/// Reports whether a checkpoint is the fold of what precedes it, as far as nothing is missing.
fn fits(known: &State, checkpoint: &State) -> bool {
    known.number() != checkpoint.number()
        || *known == *checkpoint
        || known.clone().with_stream(checkpoint.stream()) == *checkpoint
}
