//! How messages get to a peer and back.
//!
//! A client starts its server as a child process ([`Client::open`](crate::Client::open)), or is given a [`Stream`] to one
//! ([`Client::open_stream`](crate::Client::open_stream)). A server is given a stream to its client: as a rule [`stdio`].
//! [`memory::pair`] makes two streams that are connected, for both sides in one program.

mod alarm;
mod child;
mod clock;
mod lines;
mod look;
pub mod memory;
mod stdio;
mod stream;
mod streams;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use scope_core::rt::Handle;
use scope_process::{CloseReport, SpawnError};

use crate::client::ServerSpec;
use crate::error::Gone;
use crate::session::Session;
use child::ChildLink;
use lines::Hear;
use streams::StreamLink;

pub use stdio::{StdioReader, StdioWriter, stdio, stdio_parts};
pub use stream::Stream;
pub(crate) use streams::CLOSING;

/// What a connection can be opened to.
#[derive(Debug)]
pub(crate) enum Target {
    Program(Box<ServerSpec>),
    Stream(Stream),
}

/// The connection to a peer. Whatever there is to read, to write or to wait for is polled together: an output that is
/// full stops nothing but what is to be written to it.
#[derive(Debug)]
pub(crate) enum Link {
    Child(Box<ChildLink>),
    Streams(Box<StreamLink>),
}

/// What is left of a connection that was ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// How the peer's process ended, if there was one of ours.
    pub(crate) process: Option<CloseReport>,
    /// The last lines of its standard error.
    pub(crate) stderr_tail: Vec<String>,
    /// How many lines came before those.
    pub(crate) stderr_dropped: u64,
}

impl Link {
    /// Connects to `target`, which is called `peer` in messages. Starting a process blocks for about a millisecond.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(crate) fn open(target: Target, peer: &Arc<str>, max_line: usize, rt: &Handle) -> Result<Link, SpawnError> {
        match target {
            Target::Program(spec) => {
                ChildLink::start(&spec, peer, max_line, rt).map(|child| Link::Child(Box::new(child)))
            }
            Target::Stream(stream) => Ok(Link::Streams(Box::new(StreamLink::new(stream, peer, max_line, rt, false)))),
        }
    }

    /// Connects to a client, `peer` in messages. When it says no more, it may still wait for answers: so that is told by
    /// [`input_ended`](Link::input_ended), and it is gone when nothing can be written to it.
    pub(crate) fn serving(stream: Stream, peer: &Arc<str>, max_line: usize, rt: &Handle) -> Link {
        Link::Streams(Box::new(StreamLink::new(stream, peer, max_line, rt, true)))
    }

    /// The number of the peer's process, if it is one of ours.
    pub(crate) fn id(&self) -> Option<u32> {
        match self {
            Link::Child(child) => Some(child.id()),
            Link::Streams(_) => None,
        }
    }

    /// Moves whatever can be moved between the peer and `session`. Ready when the peer is gone.
    /// What is read is told to `hear`: as a rule to the session itself.
    pub(crate) fn poll(&mut self, session: &mut Session, hear: Hear<'_>, cx: &mut Context<'_>) -> Poll<Gone> {
        match self {
            Link::Child(child) => child.poll(session, hear, cx),
            Link::Streams(streams) => streams.poll(session, hear, cx),
        }
    }

    /// Writes at once what has come up since it was polled. Whether that is all for now; if not, it has to be polled again.
    pub(crate) fn write(&mut self, session: &mut Session, cx: &mut Context<'_>) -> bool {
        match self {
            Link::Child(_) => !session.has_output(),
            Link::Streams(streams) => !streams.poll_write(session, cx),
        }
    }

    /// Writes, in whatever task this is, what has come up since it was polled. Whether it could: what is left then goes out
    /// when there is room for it. If not, it has to be polled.
    pub(crate) fn write_now(&mut self, session: &mut Session) -> bool {
        match self {
            Link::Child(child) => child.write_now(session),
            // Who polls it is whom it wakes.
            Link::Streams(_) => false,
        }
    }

    /// Reads what has come already, where that is likely: a part of an answer to what was [written](Link::write_now). Whether it
    /// had.
    pub(crate) fn read_ahead(&mut self, session: &mut Session) -> bool {
        match self {
            Link::Child(child) => child.read_ahead(session),
            Link::Streams(_) => false,
        }
    }

    /// Lends reading to the task of `waker`, where that can be: it is woken when there is something to be
    /// [read](Link::read_lent), in the place of the task that polls this. Whether that can be.
    pub(crate) fn lend(&mut self, waker: &Waker) -> bool {
        match self {
            Link::Child(child) => {
                child.lend(waker);
                true
            }
            Link::Streams(_) => false,
        }
    }

    /// For one to whom reading is lent: reads what there is, if it was woken for that. Whether the peer says no more: then this
    /// has to be polled.
    pub(crate) fn read_lent(&mut self, session: &mut Session) -> bool {
        match self {
            Link::Child(child) => child.read_lent(session),
            Link::Streams(_) => false,
        }
    }

    /// Reading is not lent any more. Whether this has to be polled for it.
    #[must_use = "nobody else reads"]
    pub(crate) fn take_back(&mut self) -> bool {
        match self {
            Link::Child(child) => child.take_back(),
            Link::Streams(_) => false,
        }
    }

    /// Whether something of `session` is due before it would look at the time.
    pub(crate) fn is_late_for(&self, session: &Session) -> bool {
        match self {
            Link::Child(child) => child.is_late_for(session),
            Link::Streams(streams) => streams.is_late_for(session),
        }
    }

    /// Whether nothing more will come from the peer. It may still read.
    pub(crate) fn input_ended(&self) -> bool {
        match self {
            Link::Child(child) => child.input_ended(),
            Link::Streams(streams) => streams.input_ended(),
        }
    }

    /// Ends the connection: a process as [`Process::close`](scope_process::Process::close) does, streams by closing them.
    ///
    /// # Cancel safety
    /// What was done stays done: call it again, or drop the link.
    pub(crate) async fn end(&mut self) -> Ended {
        match self {
            Link::Child(child) => child.end().await,
            Link::Streams(streams) => {
                streams.end().await;
                Ended::default()
            }
        }
    }
}
