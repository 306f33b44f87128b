use std::fmt;
use std::time::Duration;

use crate::Revision;
use crate::model::{Implementation, ServerCapabilities};

/// What opening a server found out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The server, as it introduces itself.
    pub server: Implementation,
    /// The revision both sides speak.
    pub revision: Revision,
    /// What it can do.
    pub capabilities: ServerCapabilities,
    /// What it tells a model about itself.
    pub instructions: Option<String>,
    /// The number of its process, if that was started here.
    pub pid: Option<u32>,
    /// From starting the process, or the first word to it, to its answer.
    pub opened_in: Duration,
}

impl fmt::Display for ServerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::visible::Visible;
        write!(
            f,
            "{} {}, revision {}",
            Visible::new(&self.server.name, 100),
            Visible::new(&self.server.version, 50),
            self.revision
        )
    }
}
