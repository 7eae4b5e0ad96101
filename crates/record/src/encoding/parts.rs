//! The small parts of messages: rows of the log table, alarms, gaps.

use ct::LogId;

use super::advance::read_log;
use super::bytes::{Reader, Writer};
use super::{DecodeError, EncodeError, limits};
use crate::alarm::{Alarm, AlarmKind};
use crate::entry::{Gap, GapReason};
use crate::log::{LogIdentity, Protocol};

const HAS_ID: u8 = 1;
/// The bits above are the number of the protocol.
const PROTOCOL: u32 = 1;

pub(super) fn write_identity(
    identity: &LogIdentity,
    writer: &mut Writer<'_>,
) -> Result<(), EncodeError> {
    let has_id = if identity.id.is_some() { HAS_ID } else { 0 };
    writer.byte(identity.protocol.number() << PROTOCOL | has_id);
    if let Some(LogId(id)) = &identity.id {
        writer.raw(id);
    }
    writer.bytes(identity.url.as_bytes(), limits::TEXT, "the URL of a log")?;
    writer.bytes(identity.name.as_bytes(), limits::TEXT, "the name of a log")?;
    writer.bytes(identity.operator.as_bytes(), limits::TEXT, "the operator of a log")
}

pub(super) fn read_identity(reader: &mut Reader<'_>) -> Result<LogIdentity, DecodeError> {
    let flags = reader.byte("the flags of a log")?;
    let protocol = Protocol::from_number(flags >> PROTOCOL)
        .ok_or(DecodeError::Unknown { what: "the flags of a log", value: flags })?;
    let id = match flags & HAS_ID {
        0 => None,
        _ => Some(LogId(reader.array("the id of a log")?)),
    };
    Ok(LogIdentity {
        id,
        protocol,
        url: reader.text(limits::TEXT, "the URL of a log")?,
        name: reader.text(limits::TEXT, "the name of a log")?,
        operator: reader.text(limits::TEXT, "the operator of a log")?,
    })
}

pub(super) fn write_alarm(alarm: &Alarm, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    writer.uint(alarm.log.0.into());
    writer.byte(match alarm.kind {
        AlarmKind::Equivocation => 0,
        AlarmKind::Fork => 1,
        AlarmKind::Mismatch => 2,
        AlarmKind::FinalHead => 3,
        AlarmKind::Gap => 4,
    });
    for number in [alarm.at, alarm.first, alarm.end] {
        writer.uint(number);
    }
    writer.bytes(alarm.text.as_bytes(), limits::TEXT, "the text of an alarm")?;
    writer.byte(u8::from(alarm.evidence.is_some()));
    match &alarm.evidence {
        Some(folder) => writer.bytes(folder.as_bytes(), limits::TEXT, "the evidence's folder"),
        None => Ok(()),
    }
}

pub(super) fn read_alarm(reader: &mut Reader<'_>) -> Result<Alarm, DecodeError> {
    let log = read_log(reader)?;
    let kind = match reader.byte("the kind of an alarm")? {
        0 => AlarmKind::Equivocation,
        1 => AlarmKind::Fork,
        2 => AlarmKind::Mismatch,
        3 => AlarmKind::FinalHead,
        4 => AlarmKind::Gap,
        value => return Err(DecodeError::Unknown { what: "the kind of an alarm", value }),
    };
    Ok(Alarm {
        log,
        kind,
        at: reader.uint("the time of an alarm")?,
        first: reader.uint("the first index of an alarm")?,
        end: reader.uint("the end of an alarm")?,
        text: reader.text(limits::TEXT, "the text of an alarm")?,
        evidence: match reader.byte("the evidence of an alarm")? {
            0 => None,
            1 => Some(reader.text(limits::TEXT, "the evidence's folder")?),
            value => return Err(DecodeError::Unknown { what: "the evidence of an alarm", value }),
        },
    })
}

pub(super) fn write_gap(gap: &Gap, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    let count = gap.range.end.saturating_sub(gap.range.start);
    if count == 0 {
        return Err(EncodeError::Gap(gap.log.0));
    }
    writer.uint(gap.log.0.into());
    writer.uint(gap.range.start);
    writer.uint(count);
    writer.byte(match gap.reason {
        GapReason::Skipped => 0,
        GapReason::Unreadable => 1,
        GapReason::TooLarge => 2,
        GapReason::Damaged => 3,
    });
    Ok(())
}

pub(super) fn read_gap(reader: &mut Reader<'_>) -> Result<Gap, DecodeError> {
    let log = read_log(reader)?;
    let first = reader.uint("the first index of a gap")?;
    let count = reader.uint("the length of a gap")?;
    let end = first.checked_add(count).filter(|end| *end > first);
    let end = end.ok_or(DecodeError::Position(log.0))?;
    let reason = match reader.byte("the reason of a gap")? {
        0 => GapReason::Skipped,
        1 => GapReason::Unreadable,
        2 => GapReason::TooLarge,
        3 => GapReason::Damaged,
        value => return Err(DecodeError::Unknown { what: "the reason of a gap", value }),
    };
    Ok(Gap { log, range: first..end, reason })
}
