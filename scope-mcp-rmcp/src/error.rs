use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

use scope_mcp::Gone;
use scope_process::CloseReport;

/// A message could not be sent, or a transport not be closed as it should be. Cheap to clone.
///
/// From rmcp it comes as [`ServiceError::TransportSend`](rmcp::ServiceError::TransportSend); its
/// [`downcast`](rmcp::transport::DynamicTransportError::downcast) gives this type back.
#[derive(Clone)]
pub struct TransportError(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Closed,
    Gone(Gone),
    Io(io::Error),
    Unwritable(serde_json::Error),
    Incomplete(CloseReport),
    Unread,
}

impl TransportError {
    fn new(kind: Kind) -> Self {
        TransportError(Arc::new(kind))
    }

    pub(crate) fn closed() -> Self {
        TransportError::new(Kind::Closed)
    }

    pub(crate) fn gone(gone: Gone) -> Self {
        TransportError::new(Kind::Gone(gone))
    }

    pub(crate) fn io(error: io::Error) -> Self {
        TransportError::new(Kind::Io(error))
    }

    pub(crate) fn unwritable(error: serde_json::Error) -> Self {
        TransportError::new(Kind::Unwritable(error))
    }

    pub(crate) fn incomplete(report: CloseReport) -> Self {
        TransportError::new(Kind::Incomplete(report))
    }

    pub(crate) fn unread() -> Self {
        TransportError::new(Kind::Unread)
    }

    /// The transport has been closed on this side: the message was not sent.
    pub fn is_closed(&self) -> bool {
        matches!(*self.0, Kind::Closed)
    }

    /// The server ended, or hung up. The message was not sent, or not in full.
    pub fn is_gone(&self) -> bool {
        matches!(*self.0, Kind::Gone(_))
    }

    /// The message cannot be written as JSON. Nothing of it was sent, and the next one can be.
    pub fn is_unwritable(&self) -> bool {
        matches!(*self.0, Kind::Unwritable(_))
    }

    /// The end of the server, if [that](TransportError::is_gone) is what happened: its status, its last lines.
    pub fn end(&self) -> Option<&Gone> {
        match &*self.0 {
            Kind::Gone(gone) => Some(gone),
            _ => None,
        }
    }

    /// How the server ended, if it did and that is known.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.end().and_then(Gone::exit_status)
    }

    /// What closing left undone, if that is what happened: a process that could not be ended, or a doubt whether one is
    /// left.
    pub fn report(&self) -> Option<&CloseReport> {
        match &*self.0 {
            Kind::Incomplete(report) => Some(report),
            _ => None,
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match &*self.0 {
            Kind::Closed => io::ErrorKind::NotConnected,
            Kind::Gone(_) => io::ErrorKind::BrokenPipe,
            Kind::Io(error) => error.kind(),
            Kind::Unwritable(_) => io::ErrorKind::InvalidData,
            Kind::Incomplete(_) => io::ErrorKind::Other,
            Kind::Unread => io::ErrorKind::TimedOut,
        }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Closed => f.write_str("not sent: the transport has been closed on this side"),
            Kind::Gone(gone) => gone.fmt(f),
            Kind::Io(_) => f.write_str("the other side can no longer be written to"),
            Kind::Unwritable(_) => f.write_str("not sent: the message cannot be written as JSON"),
            Kind::Incomplete(report) => write!(f, "the server could not be ended for certain: {report}"),
            Kind::Unread => f.write_str("closed before the other side had read all that was sent to it"),
        }
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TransportError").field(&self.0).finish()
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Kind::Io(error) => Some(error),
            Kind::Unwritable(error) => Some(error),
            Kind::Gone(gone) => std::error::Error::source(gone),
            Kind::Closed | Kind::Incomplete(_) | Kind::Unread => None,
        }
    }
}

/// For those whose functions return [`io::Error`], as rmcp's own child process does.
impl From<TransportError> for io::Error {
    fn from(error: TransportError) -> Self {
        io::Error::new(error.kind(), error)
    }
}
