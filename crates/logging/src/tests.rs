//! Lines written in order, lost, and counted.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, SyncSender};

use super::*;
use parking_lot::Mutex;

/// The longest that a thread takes to begin its work on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An output in memory that fails while the test says so.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Page>>);

#[derive(Default)]
struct Page {
    text: Vec<u8>,
    /// Bytes that can be written before writing fails; `None` for any number.
    room: Option<usize>,
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().text.clone()).expect("UTF-8")
    }

    fn set_room(&self, room: Option<usize>) {
        self.0.lock().room = room;
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut page = self.0.lock();
        let room = page.room.unwrap_or(usize::MAX);
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(room);
        page.text.extend_from_slice(&bytes[..taken]);
        page.room = page.room.map(|room| room - taken);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output whose every write waits until the test lets it.
struct Gate {
    entered: SyncSender<()>,
    opened: Receiver<()>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The test may have ended.
        let _told = self.entered.send(());
        let _let = self.opened.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_are_written_in_their_order() {
    let paper = Paper::default();
    let lines = Lines::start(paper.clone());
    for number in 0..100 {
        lines.line(format!("{number}\n").as_bytes());
    }
    assert!(lines.flush(PATIENCE));
    let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
    assert_eq!((paper.text(), lines.lost()), (expected, 0));
}

#[test]
fn a_line_that_cannot_be_written_is_counted_and_the_next_begins_a_line() {
    let paper = Paper::default();
    let lines = Lines::start(paper.clone());
    paper.set_room(Some(9));
    for line in ["first\n", "second\n", "third\n"] {
        lines.line(line.as_bytes());
    }
    assert!(lines.flush(PATIENCE));
    assert_eq!((paper.text().as_str(), lines.lost()), ("first\nsec", 2));
    paper.set_room(None);
    lines.draw(b"drawn ");
    lines.line(b"fourth\n");
    assert!(lines.flush(PATIENCE));
    assert_eq!((paper.text().as_str(), lines.lost()), ("first\nsec\ndrawn fourth\n", 2));
}

#[test]
fn drawn_bytes_never_count_as_lost() {
    let paper = Paper::default();
    let lines = Lines::start(paper.clone());
    paper.set_room(Some(0));
    lines.draw(b"12 rows");
    assert!(lines.flush(PATIENCE));
    assert_eq!(lines.lost(), 0);
}

#[test]
fn an_output_that_blocks_delays_no_sender_and_takes_bounded_memory() {
    let (entered, enters) = mpsc::sync_channel(0);
    let (open, opened) = mpsc::sync_channel(0);
    let lines = Lines::start(Gate { entered, opened });
    let line = [b'x'; 1000];
    lines.line(&line);
    enters.recv_timeout(PATIENCE).expect("the thread writes");
    // The writer is stuck; this thread is not.
    for _ in 0..10_000 {
        lines.line(&line);
    }
    let kept = QUEUE_BYTES / (line.len() + LINE_OVERHEAD);
    assert_eq!(lines.lost(), 10_001 - kept as u64);
    println!("blocked output: {kept} of 10,001 lines wait, {} are lost", lines.lost());
    assert!(!lines.flush(Duration::from_millis(1)), "it does not wait for ever");
    drop((open, enters));
    assert!(lines.flush(PATIENCE));
    let lost = lines.lost();
    lines.line(&line);
    assert!(lines.flush(PATIENCE));
    assert_eq!(lines.lost(), lost, "there is room again");
}
