//! The bundled server: this program, started again as a real MCP server over stdio.
//!
//! It is what `scope-mcp` works on when no configuration is given, so that everything can be tried with nothing
//! installed. It is made with `scope_mcp::Server`, and so speaks every revision of the protocol.

mod prompts;
mod resources;
mod tools;

use std::io::{self, Write as _};
use std::time::Duration;

use scope_core::Failure;
use scope_mcp::{BuildError, ServeOptions, Server, transport};

use crate::args::Runtime;
use crate::exit::{Code, Stop};

/// Nothing that is asked of it is worth waiting for once nobody waits for the answer.
const DRAIN: Duration = Duration::from_millis(100);

/// Serves stdin and stdout until stdin ends.
pub(crate) fn run(runtime: Runtime) -> Result<Code, Stop> {
    // stderr may be closed: that is no reason not to serve.
    _ = writeln!(io::stderr(), "bundled server {} started, process {}", env!("CARGO_PKG_VERSION"), std::process::id());
    let served = match runtime {
        Runtime::Tokio => scope_tokio::run_current_thread(async |_| serve().await),
        Runtime::Smol => scope_smol::run_current_thread(async |_| serve().await),
    };
    served.map(|()| Code::Done).map_err(|error| Stop::server(format!("the bundled server: {error}")))
}

async fn serve() -> Result<(), Failure> {
    server()?.serve(transport::stdio()?, ServeOptions::default().drain(DRAIN)).await?;
    Ok(())
}

fn server() -> Result<Server, BuildError> {
    let server = Server::builder("scope-mcp-bundled", env!("CARGO_PKG_VERSION"))
        .describe(|info| info.title("The server bundled with scope-mcp"))
        .instructions(
            "To try a client on. Tools: text back, a sum, time that passes, an error, a child process. Besides, resources \
             of text and bytes, and prompts.",
        )
        // Small, so that a client has to ask for more than one.
        .page_size(3);
    prompts::add(resources::add(tools::add(server))).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_put_together() {
        server().unwrap();
    }
}
