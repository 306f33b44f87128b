//! The bundled server: this program, started again as a real MCP server over stdio.
//!
//! It is what `scope-mcp` works on when no configuration is given, so that everything can be tried with nothing
//! installed. It knows the revisions from 2024-11-05 to 2025-11-25 and is deliberately of another make than the client:
//! threads and blocking reads, no scope, no runtime, none of the types that the client uses.

mod arguments;
mod output;
mod page;
mod prompts;
mod resources;
mod revision;
mod running;
mod session;
mod tools;

use std::io::{self, BufRead, Read as _, Write as _};

use self::output::Output;
use self::session::Session;

/// Longer messages are refused, not stored.
const LONGEST: usize = 64 << 20;

/// Serves stdin and stdout until stdin ends.
///
/// # Errors
/// When stdin cannot be read or stdout cannot be written.
pub(crate) fn serve() -> io::Result<()> {
    // stderr may be closed: that is no reason not to serve.
    _ = writeln!(io::stderr(), "bundled server {} started, process {}", env!("CARGO_PKG_VERSION"), std::process::id());
    let session = Session::new(Output::stdout());
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    while let Some(whole) = next_line(&mut input, &mut line)? {
        if whole {
            session.message(&line)?;
        } else {
            session.too_long(LONGEST)?;
        }
    }
    Ok(())
}

/// Reads a line into `line`: `None` at the end, `false` if it was too long and has been skipped.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let read = input.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') || read <= LONGEST {
        return Ok(Some(true));
    }
    *line = Vec::new();
    input.skip_until(b'\n')?;
    Ok(Some(false))
}

#[cfg(test)]
mod tests;
