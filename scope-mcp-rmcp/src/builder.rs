use std::io;
use std::os::fd::AsFd;

use scope_core::rt::Handle;
use scope_process::{Budgets, Command, ProcessName, Reach, SpawnError, Stdio, Tail};
use scope_tokio::TokioRuntime;
use tokio::process::ChildStderr;

use crate::DEFAULT_MAX_LINE;
use crate::child::ChildProcess;
use crate::handle::Known;
use crate::launch::Launch;

/// What becomes of a server's standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stderr {
    /// It goes where the host's goes, as with rmcp's own child process.
    #[default]
    Inherit,
    /// Its last lines are kept: 64 lines or 16 KiB, whichever is less. Errors about a server that ended have the last
    /// three, [`ChildHandle::stderr_tail`](crate::ChildHandle::stderr_tail) all.
    Tail,
    /// It is given out by [`Builder::spawn`], and must be read: the server stops when the pipe is full.
    Piped,
    /// Nowhere.
    Null,
}

/// Sets up a [`ChildProcess`]: made by [`ChildProcess::builder`].
#[derive(Debug)]
#[must_use = "it starts nothing before `spawn` is called"]
pub struct Builder {
    launch: Launch,
    name: Option<ProcessName>,
    stderr: Stderr,
    budgets: Option<Budgets>,
    reach: Option<Reach>,
    max_line: usize,
}

impl Builder {
    pub(crate) fn new(launch: Launch) -> Builder {
        Builder {
            launch,
            name: None,
            stderr: Stderr::default(),
            budgets: None,
            reach: None,
            max_line: DEFAULT_MAX_LINE,
        }
    }

    /// What to call the server in messages. The program's name, unless set.
    pub fn name(mut self, name: impl Into<ProcessName>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// What becomes of its standard error. The host's own, unless set.
    pub fn stderr(mut self, stderr: Stderr) -> Builder {
        self.stderr = stderr;
        self
    }

    /// How much time it gets to end. Unless set: what a [`scope_process::Command`] says; 4 s in all for others.
    pub fn budgets(mut self, budgets: Budgets) -> Builder {
        self.budgets = Some(budgets);
        self
    }

    /// What counts as the server's when it is ended. Unless set: what a [`scope_process::Command`] says;
    /// [`Reach::Marked`] for others.
    pub fn reach(mut self, reach: Reach) -> Builder {
        self.reach = Some(reach);
        self
    }

    /// The longest message that is taken from the server, in bytes. [`DEFAULT_MAX_LINE`] unless set.
    pub fn max_line(mut self, bytes: usize) -> Builder {
        self.max_line = bytes;
        self
    }

    /// Starts the server, on the tokio runtime that this is called in. The second value is its standard error, if that
    /// was to be [piped](Stderr::Piped).
    ///
    /// Blocks for the time that the system takes to start a program: about a millisecond.
    ///
    /// # Errors
    /// Nothing is left behind by any of them:
    ///
    /// * the start failed: inside is the [`SpawnError`], which says why and what to do, and the kind is its;
    /// * `Unsupported`: there is something set on the command that [would be lost](Launch);
    /// * `NotConnected`: this is not called in a tokio runtime.
    pub fn spawn(self) -> io::Result<(ChildProcess, Option<ChildStderr>)> {
        let rt = TokioRuntime::current().map_err(|_| {
            io::Error::new(
                io::ErrorKind::NotConnected,
                "a server is started from within a tokio runtime: call this in a task, or after `Handle::enter`",
            )
        })?;
        let rt = Handle::new(rt);
        let mut command: Command = self.launch.into_command()?;
        command.stdin(Stdio::Piped).stdout(Stdio::Piped).stderr(match self.stderr {
            Stderr::Inherit => Stdio::Inherit,
            Stderr::Tail | Stderr::Piped => Stdio::Piped,
            Stderr::Null => Stdio::Null,
        });
        if let Some(name) = self.name {
            command.name(name);
        }
        if let Some(budgets) = self.budgets {
            command.budgets(budgets);
        }
        if let Some(reach) = self.reach {
            command.reach(reach);
        }
        let mut process = command.spawn(&rt).map_err(refused)?;
        let stderr = match self.stderr {
            Stderr::Piped => process.take_stderr(),
            _ => None,
        };
        let stderr = stderr.map(|reader| {
            // A copy, because the reader does not give its own away; it closes that one.
            let fd = rustix::io::fcntl_dupfd_cloexec(reader.as_fd(), 0)?;
            ChildStderr::from_std(std::process::ChildStderr::from(fd))
        });
        let tail = (self.stderr == Stderr::Tail).then(Tail::new);
        let known = Known::new(process.name().clone(), process.id(), process.number(), tail);
        let child = ChildProcess::start(rt, known, process, self.max_line)?;
        Ok((child, stderr.transpose()?))
    }
}

fn refused(error: SpawnError) -> io::Error {
    use std::error::Error;
    let kind = if error.is_not_found() {
        io::ErrorKind::NotFound
    } else if error.is_invalid_input() {
        io::ErrorKind::InvalidInput
    } else {
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        source.map_or(io::ErrorKind::Other, io::Error::kind)
    };
    io::Error::new(kind, error)
}
