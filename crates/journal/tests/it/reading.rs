//! Reading: ranges, places, times.

use journal::storage::simulated::Random;
use journal::{LogTable, Opened, Start, StoredBatch};
use record::LogChange;

use crate::clean::{append, open, small};
use crate::stream::{self, SMALL};

fn offsets(batches: &[StoredBatch]) -> Vec<u64> {
    let all = batches.iter().map(|stored| &stored.batch);
    all.flat_map(|batch| batch.first_offset..batch.next_offset()).collect()
}

#[test]
fn any_offset_is_read_from_its_batch_on() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path(), small());
    let mut state = writer.begin(&Start::default()).unwrap();
    append(&mut writer, &mut state, 150, &mut Random::new(1));
    let all = journal.read(0, u64::MAX, usize::MAX).unwrap();
    assert!(journal.segments().len() > 3);
    let (first, end) = (journal.oldest().unwrap(), journal.head().next_offset);
    assert_eq!(offsets(&all), (first..end).collect::<Vec<_>>());
    for (place, stored) in all.iter().enumerate() {
        let batch = &stored.batch;
        assert_eq!(stored.before, batch.first_offset - first);
        assert_eq!(stored.from, if place == 0 { 0 } else { batch.first_offset });
        for offset in [batch.first_offset, batch.next_offset() - 1] {
            let read = journal.read(offset, u64::MAX, 1).unwrap();
            assert_eq!(read, std::slice::from_ref(stored), "{offset}");
        }
        assert_eq!(journal.read(batch.first_offset, batch.first_offset, 1).unwrap(), []);
    }
}

#[test]
fn ranges_read_one_after_another_are_everything_once() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path(), small());
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut random = Random::new(2);
    let (mut offset, mut read) = (0, Vec::new());
    let mut reader = journal.reader(0);
    let mut followed = Vec::new();
    for _ in 0..40 {
        append(&mut writer, &mut state, random.below(8), &mut random);
        let batches = journal.read(offset, u64::MAX, 1 + random.place(3_000)).unwrap();
        if let Some(last) = batches.last() {
            offset = last.batch.next_offset();
        }
        read.extend(batches);
        while let Some(batch) = reader.next_batch(u64::MAX).unwrap() {
            followed.push(batch);
        }
    }
    read.extend(journal.read(offset, u64::MAX, usize::MAX).unwrap());
    let all = journal.read(0, u64::MAX, usize::MAX).unwrap();
    assert_eq!(read, all);
    let numbers: Vec<u64> = followed.iter().map(|stored| stored.batch.header.number).collect();
    assert_eq!(numbers, (2..=state.number()).collect::<Vec<_>>());
    followed.retain(|stored| !stored.batch.records.is_empty());
    assert_eq!(followed, all);
}

#[test]
fn a_time_is_found_at_the_lowest_offset_seen_then_or_later() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path(), small());
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut random = Random::new(3);
    let mut seen = Vec::new();
    for step in 0..200_u64 {
        // The clock steps back once.
        let time = 1_000_000 + if step < 100 { step * 10 } else { step * 10 - 500 };
        let batch = stream::batch(&state, SMALL, time, &mut random);
        let hash = writer.append(&batch).unwrap();
        state.apply(&batch, hash).unwrap();
        seen.extend((batch.first_offset..).zip(batch.records.iter().map(|record| record.seen)));
    }
    for time in (999_000..1_002_000).step_by(7) {
        let expected = seen.iter().find(|(_, seen)| *seen >= time).map(|(offset, _)| *offset);
        assert_eq!(journal.at_time(time).unwrap(), expected, "{time}");
    }
}

#[test]
fn a_batch_has_the_log_table_as_of_its_changes_wherever_reading_begins() {
    let dir = tempfile::tempdir().unwrap();
    let Opened { mut writer, journal, .. } = open(dir.path(), small());
    let mut state = writer.begin(&Start::default()).unwrap();
    let mut random = Random::new(4);
    let mut tables: Vec<(u64, LogTable)> = Vec::new();
    for step in 0..150_u64 {
        let mut batch = stream::batch(&state, SMALL, 1_000_000, &mut random);
        let renamed = state.logs().next().filter(|_| step % 10 == 5);
        let renamed = renamed.filter(|(number, _)| batch.logs.iter().all(|c| c.number != *number));
        if let Some((number, log)) = renamed {
            let mut identity = log.identity.clone();
            identity.name = format!("Renamed {step}");
            batch.logs.push(LogChange { number, identity });
        }
        let hash = writer.append(&batch).unwrap();
        state.apply(&batch, hash).unwrap();
        tables.push((batch.header.number, LogTable::from(&state)));
    }
    let names: std::collections::HashSet<_> =
        tables.iter().filter_map(|(_, table)| table.get(record::LogNumber(0))).collect();
    assert!(names.len() > 5 && journal.segments().len() > 3, "{}", names.len());
    let table = |number| tables.iter().find(|(each, _)| *each == number).map(|(_, table)| table);
    let all = journal.read(0, u64::MAX, usize::MAX).unwrap();
    for stored in &all {
        let number = stored.batch.header.number;
        assert_eq!(Some(&stored.logs), table(number));
        // Another reader begins at a checkpoint before it.
        let read = journal.read(stored.batch.first_offset + 1, u64::MAX, 1).unwrap();
        let first = read.first().filter(|first| first.batch.header.number == number);
        assert!(stored.batch.records.len() == 1 || first == Some(stored), "{number}");
    }
}
