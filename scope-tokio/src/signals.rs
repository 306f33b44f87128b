//! SIGINT and SIGTERM, for a program that ends cleanly on either.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::catch_unwind;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

/// A request to end, from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGINT: Ctrl-C in a terminal.
    Interrupt,
    /// SIGTERM: what `kill` and service managers send.
    Terminate,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        })
    }
}

/// Listens for SIGINT and SIGTERM.
///
/// From the first one that is made in a process, these signals no longer end the process, not even after it has been
/// dropped: it is up to the program then. Any number may exist; each is told of every signal since it was made, and
/// perhaps of one that came just before. Signals that follow each other quickly may be reported as one, which is the
/// kernel's way as well.
#[derive(Debug)]
#[must_use = "the signals no longer end the process: something has to act on them"]
pub struct Signals {
    interrupt: Listener,
    terminate: Listener,
}

impl Signals {
    /// Starts to listen.
    ///
    /// # Errors
    /// Outside a tokio runtime, in one without an I/O driver, or if the handlers cannot be installed.
    pub fn new() -> io::Result<Self> {
        Handle::try_current().map_err(io::Error::other)?;
        // tokio's only way to say that there is no driver is a panic.
        catch_unwind(|| {
            Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
        })
        .unwrap_or_else(|_| Err(crate::runtime::no_reactor()))
    }

    /// Waits for the next one.
    ///
    /// # Cancel safety
    /// A signal that nobody waited for is there for the next call.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Signals::next), for use in a future written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        // tokio says None only when there can be no further signal, so it is none here either.
        if let Poll::Ready(Some(())) = self.interrupt.poll_recv(cx) {
            return Poll::Ready(Signal::Interrupt);
        }
        if let Poll::Ready(Some(())) = self.terminate.poll_recv(cx) {
            return Poll::Ready(Signal::Terminate);
        }
        Poll::Pending
    }
}
