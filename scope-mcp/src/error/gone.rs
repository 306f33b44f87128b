use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

use super::Quoted;

/// A peer that ended, or hung up, without having been asked to: a client's server, or a server's client.
///
/// Cheap to clone: everybody who waited for an answer gets the same one.
#[derive(Clone)]
pub struct Gone(Arc<Inner>);

struct Inner {
    peer: Arc<str>,
    /// A server, unless it is a client.
    is_client: bool,
    how: HowGone,
    status: Option<ExitStatus>,
    /// `None` if it was not read.
    stderr: Option<Vec<String>>,
}

/// What was seen of a server's end.
#[derive(Debug)]
#[non_exhaustive]
pub enum HowGone {
    /// The process ended.
    Exited,
    /// It closed its output and went on running.
    ClosedOutput,
    /// It closed its input and went on running.
    ClosedInput,
    /// It closed the connection, which is not to a process that was started here.
    HungUp,
    /// The system would not let us read from it or write to it.
    Broken(io::Error),
}

/// So many lines of stderr go into a message; all that were kept are in [`Gone::stderr_tail`].
const SHOWN_LINES: usize = 3;

impl Gone {
    /// For those who bring a transport of their own: the end of `server`, with its status if that is known, and the last
    /// lines of its standard error unless these went elsewhere.
    pub fn new(
        server: impl Into<Arc<str>>,
        how: HowGone,
        status: Option<ExitStatus>,
        stderr: Option<Vec<String>>,
    ) -> Self {
        Gone(Arc::new(Inner { peer: server.into(), is_client: false, how, status, stderr }))
    }

    /// The end of a client.
    pub(crate) fn of_client(client: Arc<str>, how: HowGone) -> Self {
        Gone(Arc::new(Inner { peer: client, is_client: true, how, status: None, stderr: None }))
    }

    /// The name of the server, or of the client.
    pub fn peer(&self) -> &str {
        &self.0.peer
    }

    /// How its process ended. `None` if it was still running when this was noticed, and if somebody else reaped it.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.0.status
    }

    /// Whether the process had ended, rather than closed its end of a pipe.
    pub fn has_exited(&self) -> bool {
        matches!(self.0.how, HowGone::Exited)
    }

    /// The last lines it wrote to its standard error, oldest first, as it wrote them. None if nobody read them here.
    pub fn stderr_tail(&self) -> &[String] {
        self.0.stderr.as_deref().unwrap_or_default()
    }

    /// What happened, without the name.
    pub(crate) fn story(&self) -> Story<'_> {
        Story(self)
    }
}

pub(crate) struct Story<'a>(&'a Gone);

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = &self.0.0;
        match &it.how {
            HowGone::Exited => match it.status {
                Some(status) => Ending(status).fmt(f)?,
                None => f.write_str("ended")?,
            },
            HowGone::ClosedOutput => f.write_str("closed its standard output but went on running")?,
            HowGone::ClosedInput => f.write_str("closed its standard input but went on running")?,
            HowGone::HungUp => f.write_str("closed the connection")?,
            HowGone::Broken(error) => write!(f, "can no longer be reached: {error}")?,
        }
        let Some(stderr) = &it.stderr else { return Ok(()) };
        let lines: Vec<&String> = stderr.iter().filter(|line| !line.trim().is_empty()).collect();
        let Some(more) = lines.len().checked_sub(SHOWN_LINES) else {
            return list(f, &lines);
        };
        list(f, &lines[more..])
    }
}

fn list(f: &mut fmt::Formatter<'_>, lines: &[&String]) -> fmt::Result {
    if lines.is_empty() {
        return f.write_str(", with nothing on its standard error");
    }
    f.write_str("; its last lines on standard error: ")?;
    for (at, line) in lines.iter().enumerate() {
        write!(f, "{}{}", if at == 0 { "" } else { " " }, Quoted(line))?;
    }
    Ok(())
}

struct Ending(ExitStatus);

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code() {
            Some(code) => write!(f, "exited with code {code}"),
            // `signal: 9 (SIGKILL)`
            None => write!(f, "was ended by a {}", self.0),
        }
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.0.is_client { "client" } else { "server" };
        write!(f, "the {what} {:?} {}", self.peer(), self.story())
    }
}

impl fmt::Debug for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gone")
            .field("peer", &self.0.peer)
            .field("how", &self.0.how)
            .field("status", &self.0.status)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Gone {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.how {
            HowGone::Broken(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn gone(how: HowGone, raw: Option<i32>, stderr: &[&str]) -> String {
        let stderr = stderr.iter().map(|line| (*line).to_owned()).collect();
        Gone::new("s", how, raw.map(ExitStatus::from_raw), Some(stderr)).to_string()
    }

    #[test]
    fn an_end_is_told_with_its_cause_and_the_last_words() {
        assert_eq!(
            gone(HowGone::Exited, Some(1 << 8), &["a", "b", "", "c\u{7}", "d"]),
            "the server \"s\" exited with code 1; its last lines on standard error: «b» «c\\x07» «d»"
        );
        assert_eq!(
            gone(HowGone::Exited, Some(9), &[]),
            "the server \"s\" was ended by a signal: 9 (SIGKILL), with nothing on its standard error"
        );
        assert!(gone(HowGone::ClosedOutput, None, &[]).contains("closed its standard output but went on running"));
        let unread = Gone::new("s", HowGone::Exited, Some(ExitStatus::from_raw(0)), None);
        assert_eq!(unread.to_string(), "the server \"s\" exited with code 0");
    }
}
