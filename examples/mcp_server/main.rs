//! An MCP server with a little of everything, for whoever starts it, on tokio or smol:
//!
//! ```sh
//! cargo build -p examples --example mcp_server
//! npx -y @modelcontextprotocol/inspector --cli target/debug/examples/mcp_server --method tools/list
//! ```
//!
//! It speaks every revision of the protocol from 2024-11-05 to 2026-07-28; nothing in [`server`] asks which. When the
//! client leaves, it says on standard error how that was.

mod server;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = env::args().nth(1);
    let served = match runtime.as_deref() {
        None | Some("tokio") => scope_tokio::run(async |_| server::serve().await),
        Some("smol") => scope_smol::run(async |_| server::serve().await),
        Some(other) => {
            eprintln!("there is no runtime {other:?}; usage: mcp_server [tokio|smol]");
            return ExitCode::from(2);
        }
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
