//! Results, on their way to stdout.
//!
//! A thread of its own writes them: whoever reads may be slow (`| less`), and a blocked write must block neither the
//! servers nor the answer to Ctrl-C. What it could not write is found out while the work goes on, so `| head -1` ends
//! the work as soon as it has its line.

use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::sync::mpsc;
use std::thread;

use crate::exit::{Code, Stop};
use crate::stderr;

/// How wide the terminal is, if stdout is one.
pub(crate) fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Writes what is printed without a server in sight: help and version.
pub(crate) fn print_now(text: &str) -> Result<Code, Stop> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Code::Done),
        Err(error) => Unwritten(error).stop(),
    }
}

/// Where results go. Cheap to clone; every clone writes to the same stdout, in the order of the calls.
#[derive(Clone, Debug)]
pub(crate) struct Stdout {
    pieces: mpsc::Sender<Vec<u8>>,
}

/// How the writing ends.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    outcome: async_channel::Receiver<io::Error>,
}

impl Stdout {
    /// Starts the thread that writes.
    pub(crate) fn start() -> io::Result<(Stdout, Written)> {
        let (pieces, queue) = mpsc::channel::<Vec<u8>>();
        let (failed, outcome) = async_channel::bounded(1);
        thread::Builder::new().name("stdout".into()).spawn(move || {
            let mut stdout = io::stdout().lock();
            let is_terminal = stdout.is_terminal();
            for piece in queue {
                let mut write = || stdout.write_all(&piece).and_then(|()| stdout.flush());
                // Most likely it is the terminal that progress is shown on.
                let written = if is_terminal { stderr::while_clear(write) } else { write() };
                if let Err(error) = written {
                    _ = failed.send_blocking(error);
                    return;
                }
            }
        })?;
        Ok((Stdout { pieces }, Written { outcome }))
    }

    /// Prints a line, or several. Returns at once; after a failure nothing more is printed.
    pub(crate) fn line(&self, text: impl Into<String>) {
        let mut text = text.into();
        text.push('\n');
        self.bytes(text.into_bytes());
    }

    /// Prints bytes and nothing else. Otherwise as [`line`](Stdout::line).
    pub(crate) fn bytes(&self, bytes: Vec<u8>) {
        // It fails only if the thread has ended, after it said why.
        _ = self.pieces.send(bytes);
    }
}

impl Written {
    /// Waits until everything is written: `None` then, once every [`Stdout`] is dropped; or until something could not be.
    pub(crate) async fn outcome(&self) -> Option<Unwritten> {
        self.outcome.recv().await.ok().map(Unwritten)
    }
}

/// Why results could not be written.
#[derive(Debug)]
pub(crate) struct Unwritten(io::Error);

impl Unwritten {
    /// A reader that has gone has read all it wanted: that is a quiet end, and not an error.
    pub(crate) fn stop(self) -> Result<Code, Stop> {
        match self.0.kind() {
            ErrorKind::BrokenPipe => Ok(Code::Done),
            _ => Err(Stop::usage(format!("cannot write to stdout: {}", self.0))),
        }
    }
}
