//! SIGINT and SIGTERM, for a program that ends cleanly on either.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll};

use async_io::Async;
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;

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
    /// The handlers cannot be installed, or there are no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Signals { interrupt: Listener::new(SIGINT)?, terminate: Listener::new(SIGTERM)? })
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
        if self.interrupt.poll_came(cx).is_ready() {
            return Poll::Ready(Signal::Interrupt);
        }
        if self.terminate.poll_came(cx).is_ready() {
            return Poll::Ready(Signal::Terminate);
        }
        Poll::Pending
    }
}

/// One signal: its handler writes a byte to a pipe that async-io watches.
#[derive(Debug)]
struct Listener {
    pipe: Async<UnixStream>,
    handler: SigId,
}

impl Listener {
    fn new(signal: i32) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        // The handler must never wait for us to read.
        write.set_nonblocking(true)?;
        let pipe = Async::new(read)?;
        Ok(Listener { pipe, handler: low_level::pipe::register(signal, write)? })
    }

    fn poll_came(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // One byte at a time: a second Ctrl-C is news.
            match self.pipe.get_ref().read(&mut [0]) {
                Ok(1..) => return Poll::Ready(()),
                // The handler was taken away by somebody else's use of signal-hook: no more signals will come here.
                Ok(0) => return Poll::Pending,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    match self.pipe.poll_readable(cx) {
                        Poll::Ready(Ok(())) => {}
                        // A reactor that cannot watch a pipe it has accepted: as above.
                        Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
                    }
                }
                Err(_) => return Poll::Pending,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        low_level::unregister(self.handler);
    }
}
