//! A server that is a child process, as a transport of rmcp.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use rmcp::service::{RxJsonRpcMessage, ServiceRole, TxJsonRpcMessage};
use rmcp::transport::Transport;
use scope_core::rt::Handle;
use scope_process::{CloseReport, Process};

use crate::TransportError;
use crate::builder::Builder;
use crate::handle::{ChildHandle, Known};
use crate::incoming::{Around, End, Incoming};
use crate::launch::Launch;
use crate::outgoing::Outgoing;
use crate::queue::{Receiving, lock};
use crate::server::Server;
use crate::stream::{Input, Output};

/// A server process to be given to rmcp, in the place of its `TokioChildProcess`: nothing of it is left running.
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use rmcp::transport::Transport;
/// use scope_mcp_rmcp::ChildProcess;
/// use tokio::process::Command;
///
/// let mut command = Command::new("npx");
/// command.args(["-y", "@modelcontextprotocol/server-everything"]);
/// let transport = ChildProcess::new(command)?;
/// // let client = ().serve(transport).await?;
/// # let _: &dyn std::fmt::Debug = &transport;
/// # Ok(())
/// # }
/// ```
///
/// # How it ends
/// * When rmcp closes it (`cancel`, `close`, the service's token, the end of the server's output): standard input is
///   closed, then SIGTERM, then SIGKILL, each after its [budget](Builder::budgets); to the process and to all that it
///   started. A server that does not read, and messages that are stuck because of it, hold nothing up.
/// * When it is dropped, which rmcp does if the handshake fails, its task is aborted or the runtime shuts down: as a
///   [`Process`] is, killed with all that belongs to it, in any thread, inside a runtime or outside.
/// * When the host is killed: by scope-process's guardian.
///
/// What belongs to it is a matter of its [reach](Builder::reach).
///
/// # What goes wrong is told
/// * A message over the [limit](Builder::max_line), or broken, that was to answer a call fails that call with a JSON-RPC
///   error (-32600, or -32700 for what is no JSON; `data.fault` says which). If it was a request, the server is sent that
///   error. Anything else is counted, logged by `tracing`, and kept for [`ChildHandle::faults`].
/// * When the server ends or hangs up, what is being sent fails with a [`TransportError`] that has its exit status and
///   last lines. rmcp fails calls that wait for an answer with its own `TransportClosed`; [`ChildHandle::gone`] says why.
/// * A full pipe makes the future of a message wait, and nothing else.
///
/// # Cancel safety
/// `receive` loses nothing when it is dropped, however often. Messages go out in the order of the calls of `send`. The
/// future of a message that is dropped takes the message back, unless a part of it may be in the pipe already. The future
/// of `close` may be dropped and `close` be called again; what was sent to the process stays sent.
pub struct ChildProcess {
    known: Arc<Known>,
    incoming: Incoming,
    outgoing: Outgoing,
    /// While it is being closed, and after.
    closing: Option<Process>,
}

impl ChildProcess {
    /// Starts `command` with the defaults of [`builder`](ChildProcess::builder).
    ///
    /// Blocks for the time that the system takes to start a program: about a millisecond.
    ///
    /// # Errors
    /// As [`Builder::spawn`].
    pub fn new(command: impl Into<Launch>) -> io::Result<ChildProcess> {
        ChildProcess::builder(command).spawn().map(|(child, _)| child)
    }

    /// To set more than the command. [`Launch`] says what of a command counts.
    pub fn builder(command: impl Into<Launch>) -> Builder {
        Builder::new(command.into())
    }

    pub(crate) fn start(
        rt: Handle,
        known: Arc<Known>,
        mut process: Process,
        max_line: usize,
    ) -> io::Result<ChildProcess> {
        let missing = || io::Error::other("the process has no pipes");
        let stdin = process.take_stdin().ok_or_else(missing)?;
        let stdout = process.take_stdout().ok_or_else(missing)?;
        let stderr = process.take_stderr();
        let server = Server::new(rt, Arc::clone(&known), process, stderr);
        Ok(ChildProcess {
            known,
            incoming: Incoming::new(Input::Pipe(stdout), max_line),
            outgoing: Outgoing::new(Output::Pipe(stdin), Some(server)),
            closing: None,
        })
    }

    /// The number of the process, as long as it is surely the server's: until it has been closed.
    pub fn id(&self) -> Option<u32> {
        self.known.report().is_none().then(|| self.known.id())
    }

    /// To ask about the server once rmcp has the transport.
    pub fn handle(&self) -> ChildHandle {
        ChildHandle(Arc::clone(&self.known))
    }

    /// Ends the server: [`shutdown`](ChildProcess::shutdown) under the name that rmcp's child process has for it.
    ///
    /// # Errors
    /// [`TransportError::report`]: it cannot be said for certain that nothing is left.
    ///
    /// # Cancel safety
    /// As [`shutdown`](ChildProcess::shutdown).
    pub async fn graceful_shutdown(&mut self) -> Result<(), TransportError> {
        let report = self.shutdown().await;
        if report.is_complete() { Ok(()) } else { Err(TransportError::incomplete(report)) }
    }

    /// Ends the server, politely at first and then for certain, with all that it started, and says how that went. What
    /// was not sent yet fails with [`TransportError::is_closed`]; `receive` gives `None` from here on. The second time it
    /// only says the same again.
    ///
    /// # Cancel safety
    /// When the future is dropped, the process stays owned and keeps what was sent to it. Call it again, or drop the
    /// transport.
    pub async fn shutdown(&mut self) -> CloseReport {
        let shared = Arc::clone(self.outgoing.shared());
        shared.finish(TransportError::closed(), true);
        if self.closing.is_none()
            && let Some((mut process, stderr)) = shared.server.as_ref().and_then(|server| lock(server).take())
        {
            let stdin = shared.take_output().and_then(Output::into_pipe);
            let stdout = self.incoming.take_input().and_then(Input::into_pipe);
            process.give_back(stdin, stdout, stderr);
            if let Some(tail) = self.known.tail() {
                process.keep_stderr(tail);
            }
            self.closing = Some(process);
        }
        let Some(process) = &mut self.closing else { unreachable!("the process is taken by nobody else") };
        let report = process.close().await;
        self.known.closed(&report);
        report
    }

    fn poll_receive<R: ServiceRole>(&mut self, cx: &mut Context<'_>) -> Poll<Option<RxJsonRpcMessage<R>>> {
        let shared = self.outgoing.shared();
        let around = Around { peer: self.known.name().as_str(), faults: &self.known.faults, hub: &shared.hub };
        match self.incoming.poll::<R>(&around, cx) {
            Poll::Ready(Ok(message)) => return Poll::Ready(Some(message)),
            Poll::Ready(Err(end)) => {
                if let Some(server) = &shared.server {
                    lock(server).output_ended(match end {
                        End::Eof => None,
                        End::Error(error) => Some(error),
                    });
                }
                shared.hub.stir();
            }
            Poll::Pending => {}
        }
        match shared.aside(cx) {
            Receiving::GoesOn => Poll::Pending,
            Receiving::IsOver { told: false } => Poll::Ready(None),
            // rmcp stops at the end of what is received, and gives its own, empty word to all who wait by then. Those
            // whose messages have just failed are to have the reason: a moment for their tasks to bring it.
            Receiving::IsOver { told: true } => match &shared.server {
                Some(server) => lock(server).poll_linger(cx).map(|()| None),
                None => Poll::Ready(None),
            },
        }
    }
}

impl<R: ServiceRole> Transport<R> for ChildProcess {
    type Error = TransportError;

    fn send(&mut self, item: TxJsonRpcMessage<R>) -> impl Future<Output = Result<(), TransportError>> + Send + 'static {
        self.outgoing.send(&item)
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<R>>> + Send {
        poll_fn(move |cx| self.poll_receive::<R>(cx))
    }

    fn close(&mut self) -> impl Future<Output = Result<(), TransportError>> + Send {
        self.graceful_shutdown()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let shared = self.outgoing.shared();
        // Messages that are still to be sent keep a part of this alive, but not the process.
        let server = shared.server.as_ref().and_then(|server| lock(server).take());
        drop(server);
        drop(self.closing.take());
        shared.finish(TransportError::closed(), true);
        drop(shared.take_output());
    }
}

impl fmt::Debug for ChildProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildProcess")
            .field("name", self.known.name())
            .field("id", &self.known.id())
            .field("closed", &self.known.report().is_some())
            .finish_non_exhaustive()
    }
}
