//! Every line both ways, for those who want to see it.

use std::fmt;

use crate::redact::redact;

/// Gets every line that goes to a server or comes from it: [`ClientOptions::wire`](crate::ClientOptions::wire).
///
/// It is called in the middle of reading and writing: keep it short, and do not block. A panic in it ends the connection.
pub trait Wire: Send + Sync {
    /// One line has passed.
    fn line(&self, line: &WireLine<'_>);
}

/// A line that went to a server or came from it.
///
/// Its text can be had with [secrets redacted](mod@crate::redact) only.
#[derive(Clone, Copy)]
pub struct WireLine<'a> {
    server: &'a str,
    direction: Direction,
    bytes: &'a [u8],
}

/// Which way a line went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the server.
    Sent,
    /// From the server.
    Received,
}

impl<'a> WireLine<'a> {
    pub(crate) fn new(server: &'a str, direction: Direction, bytes: &'a [u8]) -> Self {
        WireLine { server, direction, bytes: bytes.strip_suffix(b"\n").unwrap_or(bytes) }
    }

    /// The server's name.
    pub fn server(&self) -> &'a str {
        self.server
    }

    /// Which way it went.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The line without its end and without what looks like a secret; a note in parentheses instead of a line that was
    /// too long to be kept. Control characters are left as they are; what is
    /// not UTF-8 is replaced.
    pub fn text(&self) -> String {
        redact(&String::from_utf8_lossy(self.bytes)).into_owned()
    }

    /// How long it was, in bytes, without its end.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Debug for WireLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireLine")
            .field("server", &self.server)
            .field("direction", &self.direction)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Direction::Sent => "→",
            Direction::Received => "←",
        })
    }
}
