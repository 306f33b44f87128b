//! A process that is left behind on purpose: `scope-mcp demo --plant-survivor`.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use scope_process::OwnerId;

/// A process in a group of its own that carries this program's marker, as if it had escaped from a server. Ended when
/// this is dropped.
#[derive(Debug)]
pub(crate) struct Survivor(Child);

impl Survivor {
    pub(crate) fn plant() -> io::Result<Self> {
        Command::new("sleep")
            .arg("600")
            // The number of no server: those start at 1.
            .env(OwnerId::of_this_host().variable(), "0")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Survivor)
    }
}

impl Drop for Survivor {
    fn drop(&mut self) {
        // Neither fails for a child that has not been waited for.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
