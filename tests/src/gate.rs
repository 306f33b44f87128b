//! A door that is opened once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_listener::Event;

/// A door that is closed until [`open`](Gate::open) and open ever after. Clones are the same door.
///
/// Waiting at it is a foreign await point: the framework does not know it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: AtomicBool,
    opened: Event,
}

impl Gate {
    /// A closed one.
    pub fn new() -> Self {
        Gate::default()
    }

    /// Opens it. From any thread; again does nothing.
    pub fn open(&self) {
        self.0.open.store(true, Ordering::SeqCst);
        self.0.opened.notify(usize::MAX);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::SeqCst)
    }

    /// Waits until it is open; ready at once when it is.
    pub async fn passed(&self) {
        while !self.is_open() {
            let opened = self.0.opened.listen();
            if self.is_open() {
                return;
            }
            opened.await;
        }
    }

    /// Blocks the thread until it is open.
    pub fn passed_blocking(&self) {
        futures_lite::future::block_on(self.passed());
    }
}
