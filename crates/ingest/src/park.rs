//! A waker that unparks a thread.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};

#[derive(Debug)]
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Returns a waker that unparks the current thread.
pub(crate) fn waker() -> Waker {
    Arc::new(Unpark(thread::current())).into()
}
