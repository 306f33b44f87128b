use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use scope_core::rt::NoRuntime;
use scope_process::SpawnError;

use super::{Gone, Quoted, Spoken};
use crate::Revision;
use crate::jsonrpc::Rejection;

/// Why a server could not be opened. Nothing of it is left running by the time this is returned.
#[derive(Clone)]
pub struct OpenError(Arc<Inner>);

struct Inner {
    server: Arc<str>,
    command: Option<String>,
    kind: OpenKind,
    noise: Option<String>,
}

#[derive(Debug)]
pub(crate) enum OpenKind {
    NoRuntime(NoRuntime),
    Spawn(SpawnError),
    TimedOut(Duration),
    Gone(Gone),
    /// It had been open.
    Lost(Gone),
    Rejected(Rejection),
    Malformed(String),
    Revision(String),
    /// So much text that nobody will say it is a server.
    Text(u64),
    /// Its home takes no more tasks.
    NoHome(String),
    Closed,
    Other(String),
}

impl OpenError {
    /// `noise` is what the server printed that was no message.
    pub(crate) fn new(server: &Arc<str>, command: Option<&str>, kind: OpenKind, noise: Option<String>) -> Self {
        OpenError(Arc::new(Inner { server: Arc::clone(server), command: command.map(str::to_owned), kind, noise }))
    }

    /// The server's name.
    pub fn server(&self) -> &str {
        &self.0.server
    }

    /// The program that was to be started, if it was to be one.
    pub fn command(&self) -> Option<&str> {
        self.0.command.as_deref()
    }

    /// There is no such program.
    pub fn is_not_found(&self) -> bool {
        self.spawn_error().is_some_and(SpawnError::is_not_found)
    }

    /// The program is there and cannot be run, or is a directory.
    pub fn is_not_executable(&self) -> bool {
        self.spawn_error().is_some_and(|error| error.is_not_executable() || error.is_directory())
    }

    /// Why the process could not be started, if that is why.
    pub fn spawn_error(&self) -> Option<&SpawnError> {
        match &self.0.kind {
            OpenKind::Spawn(error) => Some(error),
            _ => None,
        }
    }

    /// It was started and did not answer in time.
    pub fn is_timeout(&self) -> bool {
        matches!(self.0.kind, OpenKind::TimedOut(_))
    }

    /// It was started and ended, or hung up, before it had answered or later: see
    /// [`disconnect`](OpenError::disconnect).
    pub fn is_disconnected(&self) -> bool {
        self.disconnect().is_some()
    }

    /// How it went: its exit status and the last lines of its standard error.
    pub fn disconnect(&self) -> Option<&Gone> {
        match &self.0.kind {
            OpenKind::Gone(gone) | OpenKind::Lost(gone) => Some(gone),
            _ => None,
        }
    }

    /// It answered `initialize` with an error: see [`rejection`](OpenError::rejection).
    pub fn is_rejected(&self) -> bool {
        matches!(self.0.kind, OpenKind::Rejected(_))
    }

    /// The error that it answered with.
    pub fn rejection(&self) -> Option<&Rejection> {
        match &self.0.kind {
            OpenKind::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// It speaks a revision that this crate does not.
    pub fn is_unknown_revision(&self) -> bool {
        matches!(self.0.kind, OpenKind::Revision(_))
    }

    /// It answered with something that is no answer to `initialize`, or printed nothing but text.
    pub fn is_malformed(&self) -> bool {
        matches!(self.0.kind, OpenKind::Malformed(_) | OpenKind::Text(_))
    }

    /// The first line it printed that was no message, if there was one, whatever else went wrong.
    pub fn printed_instead(&self) -> Option<&str> {
        self.0.noise.as_deref()
    }

    /// It has been closed, or its scope was cancelled or has ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.0.kind, OpenKind::Closed | OpenKind::NoHome(_))
    }

    /// No runtime was known where it was to be opened.
    pub fn is_no_runtime(&self) -> bool {
        matches!(self.0.kind, OpenKind::NoRuntime(_))
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { server, command, kind, noise } = &*self.0;
        if let OpenKind::Spawn(error) = kind {
            // Names the server, says why and what to do.
            return error.fmt(f);
        }
        let lost = matches!(kind, OpenKind::Lost(_));
        write!(f, "{} {:?}", if lost { "the server" } else { "cannot open the server" }, &**server)?;
        if let Some(command) = command {
            write!(f, " (command {command:?})")?;
        }
        f.write_str(if lost { " is not open any more: " } else { ": " })?;
        match kind {
            OpenKind::Spawn(_) => {}
            OpenKind::NoRuntime(error) => error.fmt(f)?,
            OpenKind::TimedOut(after) => match noise {
                None => write!(
                    f,
                    "it said nothing in {}; check that {}, or give it more time",
                    Spoken(*after),
                    match command {
                        Some(_) => "the command starts an MCP server on standard input and output",
                        None => "an MCP server is at the other end",
                    }
                )?,
                Some(_) => write!(f, "it did not answer in {}", Spoken(*after))?,
            },
            OpenKind::Lost(gone) => write!(f, "it {}", gone.story())?,
            OpenKind::Gone(gone) => write!(f, "before it had answered, it {}", gone.story())?,
            OpenKind::Rejected(rejection) => write!(f, "it refused to begin: {rejection}")?,
            OpenKind::Malformed(why) => write!(f, "it sent no proper answer to \"initialize\": {why}")?,
            OpenKind::Revision(offered) => {
                write!(f, "it speaks revision {}, and this program speaks ", Quoted(offered))?;
                for (at, known) in Revision::ALL.iter().enumerate() {
                    write!(f, "{}{known}", if at == 0 { "" } else { ", " })?;
                }
            }
            OpenKind::Text(lines) => write!(f, "it printed {lines} lines, and none was a message")?,
            OpenKind::Closed => f.write_str("it has been closed")?,
            OpenKind::NoHome(why) | OpenKind::Other(why) => f.write_str(why)?,
        }
        match noise {
            Some(line) => write!(
                f,
                "; it printed text instead of JSON: {}. An MCP server prints nothing but messages on standard output",
                Quoted(line)
            ),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenError")
            .field("server", &self.0.server)
            .field("command", &self.0.command)
            .field("kind", &self.0.kind)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            // Its own text is this one's.
            OpenKind::Spawn(error) => error.source(),
            OpenKind::Gone(gone) | OpenKind::Lost(gone) => gone.source(),
            _ => None,
        }
    }
}
