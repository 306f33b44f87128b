//! One program, on rmcp's child process and on ours.

use std::error::Error;

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use serde_json::json;
use tokio::process::Command;

use crate::peer;

mod ours {
    use super::*;
    use scope_mcp_rmcp::ChildProcess;

    include!("../../examples/tools/host.rs");

    pub(super) async fn run(command: Command) -> Vec<String> {
        host(command).await.unwrap()
    }
}

mod rmcps {
    use super::*;
    use rmcp::transport::TokioChildProcess as ChildProcess;

    include!("../../examples/tools/host.rs");

    pub(super) async fn run(command: Command) -> Vec<String> {
        host(command).await.unwrap()
    }
}

pub(crate) async fn one_program_on_either_transport() {
    for server in ["rmcp-on-ours", "rmcp-on-rmcps"] {
        let expected = ["echo", "sleep", "fails", "hello"];
        assert_eq!(ours::run(peer::command(server, &[])).await, expected);
        assert_eq!(rmcps::run(peer::command(server, &[])).await, expected);
    }
}

pub(crate) fn the_readme_shows_the_program() {
    let readme = include_str!("../../../README.md");
    assert!(
        readme.contains(include_str!("../../examples/tools/host.rs")),
        "examples/tools/host.rs is not in README.md"
    );
}
