//! How the program ends: the exit codes, and the one line that goes with them.

use std::fmt;
use std::process::ExitCode;

/// The exit codes that the program's help promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// All went well.
    Done = 0,
    /// The tool reported an error; its content is on stdout.
    ToolError = 1,
    /// The command line, the configuration, or where the output should go is at fault.
    Usage = 2,
    /// A server could not be started or spoken to, or left something behind.
    Server = 3,
    /// The time given ran out.
    TimedOut = 4,
    /// A signal asked for the end.
    Interrupted = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

/// The end of a command before its time: an exit code, and what to tell the user.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) code: Code,
    message: String,
}

impl Stop {
    /// The command line, the configuration or the place for the output is at fault.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Stop { code: Code::Usage, message: message.into() }
    }

    /// A server could not be started or spoken to.
    pub(crate) fn server(message: impl Into<String>) -> Self {
        Stop { code: Code::Server, message: message.into() }
    }

    /// The time given ran out.
    pub(crate) fn timed_out(message: impl Into<String>) -> Self {
        Stop { code: Code::TimedOut, message: message.into() }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stop {}
