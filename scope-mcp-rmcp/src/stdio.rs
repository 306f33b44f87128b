//! This process's own standard input and output, as a transport of rmcp.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rmcp::service::{RxJsonRpcMessage, ServiceRole, TxJsonRpcMessage};
use rmcp::transport::Transport;
use scope_core::rt::Handle;
use scope_mcp::transport;
use scope_tokio::TokioRuntime;

use crate::fault::{Fault, Faults};
use crate::incoming::{Around, End, Incoming};
use crate::outgoing::Outgoing;
use crate::queue::Receiving;
use crate::stream::{Input, Output};
use crate::{DEFAULT_MAX_LINE, TransportError};

/// How long `close` waits for what was sent to be read, where a thread of ours writes it.
const FLUSH: Duration = Duration::from_secs(1);

/// This process's standard input and output, for a server that a host has started: in the place of rmcp's `stdio()`.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = scope_mcp_rmcp::Stdio::new()?;
/// // let server = MyServer::new().serve(transport).await?;
/// # let _: &dyn std::fmt::Debug = &transport;
/// # Ok(())
/// # }
/// ```
///
/// Messages go through tokio's reactor: no thread is woken for one, and neither stream is changed for those who share it:
/// [`scope_mcp::transport::stdio`] says how that is done.
///
/// Nothing else may read the standard input or write to the standard output: `println!` breaks a message in two. Log to
/// standard error.
///
/// What comes from the other side and cannot be taken as a message is treated [as from a
/// server](crate::ChildProcess#what-goes-wrong-is-told).
///
/// # What drop does
/// It stops reading and writing. Descriptors 0 and 1 stay open: they are the process's.
///
/// # Cancel safety
/// As [`ChildProcess`](crate::ChildProcess#cancel-safety).
pub struct Stdio {
    rt: Handle,
    faults: Faults,
    incoming: Incoming,
    outgoing: Outgoing,
    has_ended: bool,
    closing: Option<Output>,
}

impl Stdio {
    /// Takes the streams, on the tokio runtime that this is called in. Messages of up to [`DEFAULT_MAX_LINE`] bytes are
    /// taken.
    ///
    /// # Errors
    /// `NotConnected`: this is not called in a tokio runtime. Else what the system or the runtime's reactor says: a
    /// stream is closed, no descriptor or thread is to be had.
    pub fn new() -> io::Result<Stdio> {
        Stdio::with_max_line(DEFAULT_MAX_LINE)
    }

    /// As [`new`](Stdio::new), with a limit on the bytes of one message.
    ///
    /// # Errors
    /// As [`new`](Stdio::new).
    pub fn with_max_line(max_line: usize) -> io::Result<Stdio> {
        let rt = TokioRuntime::current().map_err(|_| {
            io::Error::new(
                io::ErrorKind::NotConnected,
                "standard input and output are served from within a tokio runtime: call this in a task",
            )
        })?;
        let rt = Handle::new(rt);
        let (reader, writer) = transport::stdio_parts(&rt)?;
        Ok(Stdio {
            rt,
            faults: Faults::default(),
            incoming: Incoming::new(Input::Stdin(reader), max_line),
            outgoing: Outgoing::new(Output::Stdout(writer), None),
            has_ended: false,
            closing: None,
        })
    }

    /// The latest lines, 16 at most, that came from the other side and could not be taken as messages; oldest first.
    pub fn faults(&self) -> Vec<Fault> {
        self.faults.latest()
    }

    fn poll_receive<R: ServiceRole>(&mut self, cx: &mut Context<'_>) -> Poll<Option<RxJsonRpcMessage<R>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let shared = self.outgoing.shared();
        let around = Around { peer: "stdio", faults: &self.faults, hub: &shared.hub };
        let received = self.incoming.poll::<R>(&around, cx);
        if let Poll::Ready(Ok(message)) = received {
            return Poll::Ready(Some(message));
        }
        let goes_on = shared.aside(cx) == Receiving::GoesOn;
        if let Poll::Ready(Err(End::Error(error))) = &received {
            tracing::warn!(%error, "standard input can no longer be read");
        }
        // What was asked before the end is still answered: only reading is over.
        self.has_ended = received.is_ready() || !goes_on;
        if self.has_ended { Poll::Ready(None) } else { Poll::Pending }
    }

    async fn end(&mut self) -> Result<(), TransportError> {
        let shared = self.outgoing.shared();
        shared.finish(TransportError::closed(), true);
        self.closing = self.closing.take().or(shared.take_output());
        let Some(output) = &mut self.closing else { return Ok(()) };
        let mut late = self.rt.sleep(FLUSH);
        let done = poll_fn(|cx| match output.poll_close(cx) {
            // An error: nobody reads, so that there is nothing to wait for.
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => Pin::new(&mut late).poll(cx).map(|()| false),
        })
        .await;
        self.closing = None;
        if done { Ok(()) } else { Err(TransportError::unread()) }
    }
}

impl<R: ServiceRole> Transport<R> for Stdio {
    type Error = TransportError;

    fn send(&mut self, item: TxJsonRpcMessage<R>) -> impl Future<Output = Result<(), TransportError>> + Send + 'static {
        self.outgoing.send(&item)
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<R>>> + Send {
        poll_fn(move |cx| self.poll_receive::<R>(cx))
    }

    fn close(&mut self) -> impl Future<Output = Result<(), TransportError>> + Send {
        self.end()
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        let shared = self.outgoing.shared();
        shared.finish(TransportError::closed(), true);
        drop(shared.take_output());
    }
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdio").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}
