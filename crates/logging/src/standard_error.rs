//! Standard error as the writer thread sees it.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// The pause before another attempt where standard error does not block (`O_NONBLOCK`, which another
/// process that shares it may have set) and is full.
const FULL: Duration = Duration::from_millis(20);

/// Standard error. A write waits for room, whether the descriptor blocks or not.
#[derive(Debug)]
pub(crate) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match io::stderr().write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL),
                outcome => return outcome,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
