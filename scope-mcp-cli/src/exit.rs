//! How the program ends: the exit codes, and the one line that goes with them.

use std::fmt;
use std::process::ExitCode;

/// The exit codes that the program's help promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// All went well.
    Done = 0,
    /// The tool reported an error, whose content is on stdout; or the server refused.
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

/// The end of a command that has something to say: an exit code, and lines for stderr. They are said when the results
/// have been written, so that on a terminal they come after them.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) code: Code,
    lines: Vec<String>,
}

impl Stop {
    fn new(code: Code, line: impl fmt::Display) -> Self {
        Stop { code, lines: vec![line.to_string()] }
    }

    /// The tool reported an error, or the server refused.
    pub(crate) fn tool_error(line: impl fmt::Display) -> Self {
        Stop::new(Code::ToolError, line)
    }

    /// The command line, the configuration or the place for the output is at fault.
    pub(crate) fn usage(line: impl fmt::Display) -> Self {
        Stop::new(Code::Usage, line)
    }

    /// A server could not be started or spoken to.
    pub(crate) fn server(line: impl fmt::Display) -> Self {
        Stop::new(Code::Server, line)
    }

    /// The time given ran out.
    pub(crate) fn timed_out(line: impl fmt::Display) -> Self {
        Stop::new(Code::TimedOut, line)
    }

    /// Several servers failed. Only where each of them ran out of time is that what is wrong.
    pub(crate) fn all<'a>(failures: impl IntoIterator<Item = &'a Stop>) -> Option<Self> {
        failures.into_iter().fold(None, |all, one| {
            let mut all = all.unwrap_or_else(|| Stop { code: one.code, lines: Vec::new() });
            if all.code != one.code {
                all.code = Code::Server;
            }
            all.lines.extend(one.lines.iter().cloned());
            Some(all)
        })
    }

    /// The same end with another line to say.
    pub(crate) fn saying(self, line: impl fmt::Display) -> Self {
        Stop::new(self.code, line)
    }

    /// What is to be said.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("; "))
    }
}

impl std::error::Error for Stop {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_together_are_a_time_out_only_if_each_is() {
        let (late, gone) = (Stop::timed_out("a is late"), Stop::server("b is gone"));
        assert!(Stop::all([]).is_none());
        assert_eq!(Stop::all([&late, &late]).unwrap().code, Code::TimedOut);
        let both = Stop::all([&late, &gone]).unwrap();
        assert_eq!((both.code, both.lines()), (Code::Server, &["a is late".to_owned(), "b is gone".to_owned()][..]));
        assert_eq!(both.saying("2 of 2 failed").to_string(), "2 of 2 failed");
    }
}
