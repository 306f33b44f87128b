use std::fmt;
use std::sync::Arc;

use crate::Revision;
use crate::client::Traffic;
use crate::error::Gone;
use crate::model::Implementation;
use crate::visible::Visible;

/// How serving a client ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeReport {
    /// How the client is called: see [`ServeOptions::client_name`](super::ServeOptions::client_name).
    pub client: Arc<str>,
    /// What was agreed upon with `initialize`; `None` for a client that never began so: one of the modern era.
    pub revision: Option<Revision>,
    /// What the client called itself then.
    pub client_info: Option<Implementation>,
    /// Why it ended.
    pub ending: ServeEnding,
    /// Requests that had not been answered when the client was gone, or the [time for that](super::ServeOptions::drain)
    /// was up. An answer that had not been written to its end is none.
    pub cut: usize,
    /// What went over the wire. Answers that nobody waited for are the client's here.
    pub traffic: Traffic,
}

/// Why serving a client ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServeEnding {
    /// The client closed what it wrote to: the usual end.
    ClientEnded,
    /// It was asked to end on this side, or the last handle was dropped.
    Closed,
    /// The client was gone before it had its answers.
    Lost(Gone),
    /// Its scope was cancelled; the text says why.
    Cancelled(String),
    /// Something in the connection itself failed or panicked.
    Failed(String),
}

impl fmt::Display for ServeEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeEnding::ClientEnded => f.write_str("the client ended it"),
            ServeEnding::Closed => f.write_str("closed"),
            ServeEnding::Lost(gone) => write!(f, "lost: {gone}"),
            ServeEnding::Cancelled(why) => write!(f, "cancelled: {}", Visible::new(why, 1000)),
            ServeEnding::Failed(why) => write!(f, "failed: {}", Visible::new(why, 1000)),
        }
    }
}

impl fmt::Display for ServeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ending)?;
        match self.cut {
            0 => Ok(()),
            1 => f.write_str("; 1 request was cut off"),
            cut => write!(f, "; {cut} requests were cut off"),
        }
    }
}
