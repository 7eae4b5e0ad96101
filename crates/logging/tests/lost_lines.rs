//! Lost lines and panics are log lines. A program of its own, with one test: the subscriber and the
//! panic hook are of the whole process.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use logging::Lines;
use parking_lot::Mutex;

/// The longest that a thread takes to begin its work on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An output in memory, which fails while it is full.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Page>>);

#[derive(Default)]
struct Page {
    text: Vec<u8>,
    is_full: bool,
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut page = self.0.lock();
        if page.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        page.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().text.clone()).expect("UTF-8")
    }

    fn set_full(&self, is_full: bool) {
        self.0.lock().is_full = is_full;
    }
}

#[test]
fn lost_lines_are_logged_when_output_works_again() {
    let paper = Paper::default();
    let lines = Lines::start(paper.clone());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("the only one of this program");
    paper.set_full(true);
    tracing::info!("one");
    tracing::info!("two");
    // The end of a program asks for this; the warning cannot be written, so it is still due.
    assert!(lines.flush(PATIENCE));
    assert_eq!((paper.text().as_str(), lines.lost()), ("", 2));
    paper.set_full(false);
    // No line follows.
    assert!(lines.flush(PATIENCE));
    let warnings = || paper.text().matches("log lines were lost").count();
    assert!(paper.text().contains("lines=2"), "{}", paper.text());
    assert_eq!((warnings(), lines.lost()), (1, 2));

    // More are lost soon after: they too are logged, and nothing is logged twice.
    paper.set_full(true);
    tracing::info!("three");
    assert!(lines.flush(PATIENCE));
    paper.set_full(false);
    tracing::info!("four");
    assert!(lines.flush(PATIENCE) && lines.flush(PATIENCE));
    let text = paper.text();
    assert!(text.contains("four") && !text.contains("three") && text.contains("lines=1"), "{text}");
    assert_eq!((warnings(), lines.lost()), (2, 3));

    // The thread that panics is not delayed by the line of it.
    let last = logging::start();
    let panicked = thread::Builder::new().name("crasher".to_owned()).spawn(|| panic!("a defect"));
    assert!(panicked.expect("a thread").join().is_err());
    assert!(lines.flush(PATIENCE));
    let text = paper.text();
    assert!(text.contains("panicked: a defect") && text.contains("lost_lines.rs"), "{text}");
    drop(last);
}
