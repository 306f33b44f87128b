//! Why a process could not be started.

use std::fmt;
use std::io;
use std::path::Path;

use crate::ProcessName;

/// A process could not be started. The text names the process, says why, and what to do; the system's own words, where
/// there are any, are in [`source`](std::error::Error::source).
///
/// Nothing is left behind by a failed start.
pub struct SpawnError(Box<Inner>);

struct Inner {
    name: ProcessName,
    kind: Kind,
    text: String,
    source: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    NotFound,
    IsDirectory,
    NotExecutable,
    BadCwd,
    InvalidInput,
    Exhausted,
    Unwatchable,
    Other,
}

impl SpawnError {
    pub(crate) fn new(name: &ProcessName, kind: Kind, text: impl Into<String>, source: Option<io::Error>) -> Self {
        SpawnError(Box::new(Inner { name: name.clone(), kind, text: text.into(), source }))
    }

    /// What the system said to the start itself, of a program that has been found.
    pub(crate) fn refused(name: &ProcessName, program: &Path, source: io::Error) -> Self {
        use rustix::io::Errno;
        let (kind, text) = match Errno::from_io_error(&source) {
            Some(Errno::NOENT) => (
                Kind::NotExecutable,
                format!(
                    "the program {program:?} is there, but what should run it is not: look at the first line of a \
                     script (`#!…`), or whether a binary is for this system"
                ),
            ),
            Some(Errno::NOEXEC) => (
                Kind::NotExecutable,
                format!(
                    "{program:?} is no program for this machine: a script needs a first line such as `#!/bin/sh`, a \
                     binary must be built for this processor"
                ),
            ),
            Some(Errno::ACCESS | Errno::PERM) => (
                Kind::NotExecutable,
                format!(
                    "not allowed to run {program:?}: look at its permissions, those of its folders, and whether its \
                     file system is mounted noexec"
                ),
            ),
            Some(Errno::TOOBIG) => (
                Kind::InvalidInput,
                "its arguments and environment together are too long: pass large values in a file".to_owned(),
            ),
            _ => return SpawnError::system(name, source),
        };
        SpawnError::new(name, kind, text, Some(source))
    }

    /// What the system said, wherever it did.
    pub(crate) fn system(name: &ProcessName, source: io::Error) -> Self {
        use rustix::io::Errno;
        let (kind, text) = match Errno::from_io_error(&source) {
            Some(Errno::MFILE) => (
                Kind::Exhausted,
                "this process has no file descriptor left: close something, or raise the limit (`ulimit -n`)",
            ),
            Some(Errno::NFILE) => (Kind::Exhausted, "the system has no file descriptor left"),
            Some(Errno::AGAIN) => (
                Kind::Exhausted,
                "no more processes can be started: end some, or raise the limit (`ulimit -u`, or pids.max of the \
                 container)",
            ),
            Some(Errno::NOMEM) => (Kind::Exhausted, "the system has no memory left for it"),
            _ if source.kind() == io::ErrorKind::Unsupported => (
                Kind::Unwatchable,
                "the runtime cannot watch pipes: on tokio, enable I/O when building the runtime (`enable_io`)",
            ),
            _ if source.kind() == io::ErrorKind::InvalidInput => {
                (Kind::InvalidInput, "the program, an argument or a variable has a NUL byte in it")
            }
            _ => (Kind::Other, "the system refused it"),
        };
        SpawnError::new(name, kind, text, Some(source))
    }

    /// The process that was to be started.
    pub fn name(&self) -> &ProcessName {
        &self.0.name
    }

    /// There is no such program.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// The program is a directory.
    pub fn is_directory(&self) -> bool {
        self.0.kind == Kind::IsDirectory
    }

    /// The program is there, but may not or cannot be run: permissions, a wrong format, a missing interpreter.
    pub fn is_not_executable(&self) -> bool {
        self.0.kind == Kind::NotExecutable
    }

    /// The working directory is missing, is no directory, or may not be entered.
    pub fn is_bad_cwd(&self) -> bool {
        self.0.kind == Kind::BadCwd
    }

    /// The program, an argument or a variable is malformed: empty, with a NUL byte, or too long.
    pub fn is_invalid_input(&self) -> bool {
        self.0.kind == Kind::InvalidInput
    }

    /// Descriptors, processes or memory ran out. The same start may succeed later.
    pub fn is_resource_exhausted(&self) -> bool {
        self.0.kind == Kind::Exhausted
    }

    /// The runtime cannot watch pipes: it has no reactor, or has shut down.
    pub fn is_unwatchable(&self) -> bool {
        self.0.kind == Kind::Unwatchable
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start {:?}: {}", self.0.name, self.0.text)
    }
}

impl fmt::Debug for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnError")
            .field("name", &self.0.name)
            .field("kind", &self.0.kind)
            .field("text", &self.0.text)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| e as _)
    }
}
