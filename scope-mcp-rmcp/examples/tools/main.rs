//! A host on rmcp, the official SDK. Started with `--rmcp` it uses rmcp's own child process, else that of
//! scope-mcp-rmcp; the program is the same, in [`host.rs`](host.rs), and one name in it means one type or the other.
//!
//! ```sh
//! cargo run -p scope-mcp-rmcp --example tools -- npx -y @modelcontextprotocol/server-everything
//! ```
//!
//! With that server, look afterwards what `--rmcp` has left running: `pgrep -af server-everything`.

use std::error::Error;
use std::process::ExitCode;

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use serde_json::json;
use tokio::process::Command;

mod ours {
    use super::*;
    use scope_mcp_rmcp::ChildProcess;

    include!("host.rs");

    pub(crate) async fn run(command: Command) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        host(command).await
    }
}

mod rmcps {
    use super::*;
    use rmcp::transport::TokioChildProcess as ChildProcess;

    include!("host.rs");

    pub(crate) async fn run(command: Command) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        host(command).await
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let rmcps_own = arguments.next_if(|first| first == "--rmcp").is_some();
    let Some(program) = arguments.next() else {
        eprintln!("usage: tools [--rmcp] PROGRAM [ARGUMENT]…");
        return ExitCode::from(2);
    };
    let mut command = Command::new(program);
    command.args(arguments);
    match if rmcps_own { rmcps::run(command).await } else { ours::run(command).await } {
        Ok(said) => {
            said.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
