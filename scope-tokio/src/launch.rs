//! Handing work to tokio, and noticing when it was not taken.
//!
//! After shutdown `Handle::spawn` and `Handle::spawn_blocking` report nothing: they drop the work, on the calling
//! thread, before they return. So what we hand over notes in a thread-local that it was dropped without having been
//! started, and the caller looks there. A task that finished during the call was started, and is told apart by that.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use scope_core::rt::Refused;
use tokio::runtime::Handle;

thread_local! {
    /// Set by work that is dropped on this thread without having been started.
    static DROPPED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `hand_over` and says whether the work it handed over was dropped in there.
fn refused(hand_over: impl FnOnce()) -> Result<(), Refused> {
    // Saved, because the destructor of refused work may itself spawn.
    let before = DROPPED.replace(false);
    hand_over();
    if DROPPED.replace(before) { Err(Refused::new()) } else { Ok(()) }
}

pub(crate) fn task<F>(handle: &Handle, future: F) -> Result<(), Refused>
where
    F: Future<Output = ()> + Send + 'static,
{
    refused(|| drop(handle.spawn(Tracked { future, polled: false })))
}

pub(crate) fn blocking(handle: &Handle, work: Box<dyn FnOnce() + Send>) -> Result<(), Refused> {
    let work = Unstarted(Some(work));
    refused(|| drop(handle.spawn_blocking(move || work.call())))
}

pin_project! {
    struct Tracked<F> {
        #[pin]
        future: F,
        polled: bool,
    }

    impl<F> PinnedDrop for Tracked<F> {
        fn drop(this: Pin<&mut Self>) {
            if !this.polled {
                DROPPED.set(true);
            }
        }
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        *this.polled = true;
        this.future.poll(cx)
    }
}

struct Unstarted(Option<Box<dyn FnOnce() + Send>>);

impl Unstarted {
    fn call(mut self) {
        if let Some(work) = self.0.take() {
            work();
        }
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        if self.0.is_some() {
            DROPPED.set(true);
        }
    }
}
