//! The body of a checkpoint.

use std::sync::Arc;

use bytes::Bytes;

use super::bytes::{Reader, Writer};
use super::{DecodeError, EncodeError, advance, limits, parts};
use crate::batch::Header;
use crate::entry::LogNumber;
use crate::issuer::Issuer;
use crate::state::{Checkpoint, LogState, MAX_ALARMS, MAX_GAPS, State};

pub(super) fn write(checkpoint: &Checkpoint, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    let state = &checkpoint.state;
    writer.uint(state.next_offset());
    writer.count(state.logs().len(), limits::LOGS, "logs")?;
    for (number, log) in state.logs() {
        parts::write_identity(&log.identity, writer)?;
        writer.byte(u8::from(log.position.is_some()));
        if let Some(position) = &log.position {
            advance::write_position(number, position, writer)?;
        }
        writer.count(log.gaps.len(), MAX_GAPS, "gaps")?;
        log.gaps.iter().try_for_each(|gap| parts::write_gap(gap, writer))?;
        writer.count(log.alarms.len(), MAX_ALARMS, "alarms")?;
        log.alarms.iter().try_for_each(|alarm| parts::write_alarm(alarm, writer))?;
    }
    writer.count(checkpoint.issuers.len(), limits::ISSUERS, "issuers")?;
    for issuer in &checkpoint.issuers {
        writer.bytes(&issuer.der, limits::CERTIFICATE, "an issuer")?;
    }
    Ok(())
}

pub(super) fn read(header: Header, reader: &mut Reader<'_>) -> Result<Checkpoint, DecodeError> {
    let next_offset = reader.uint("the next offset")?;
    let mut numbers = 0..=u32::MAX;
    let logs = reader.list(limits::LOGS, "logs", |reader| {
        let number = LogNumber(numbers.next().unwrap_or(u32::MAX));
        read_log_state(number, reader)
    })?;
    let issuers = reader.list(limits::ISSUERS, "issuers", |reader| {
        let der = reader.bytes(limits::CERTIFICATE, "an issuer")?;
        Ok(Arc::new(Issuer::new(Bytes::copy_from_slice(der))))
    })?;
    Ok(Checkpoint { state: State::restored(header, next_offset, logs), issuers })
}

fn read_log_state(number: LogNumber, reader: &mut Reader<'_>) -> Result<LogState, DecodeError> {
    let identity = parts::read_identity(reader)?;
    let position = match reader.byte("a position")? {
        0 => None,
        1 => Some(advance::read_position(number, reader)?),
        value => return Err(DecodeError::Unknown { what: "a position", value }),
    };
    let gaps = reader.list(MAX_GAPS, "gaps", parts::read_gap)?;
    let alarms = reader.list(MAX_ALARMS, "alarms", parts::read_alarm)?;
    let is_own =
        gaps.iter().all(|gap| gap.log == number) && alarms.iter().all(|alarm| alarm.log == number);
    if !is_own {
        return Err(DecodeError::Position(number.0));
    }
    Ok(LogState { identity, position, gaps, alarms })
}
