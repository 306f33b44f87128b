//! Starting servers and calling them.

use std::time::Duration;

use rmcp::model::CallToolRequestParams;
use rmcp::service::RunningService;
use rmcp::{RoleClient, ServiceError, ServiceExt};
use scope_mcp_rmcp::{Builder, ChildHandle, ChildProcess, Stderr};
use scope_process::Budgets;
use serde_json::{Value, json};

use crate::oracle::Suspect;
use crate::peer;

pub(crate) type Client = RunningService<RoleClient, ()>;

/// For those that let the time pass.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// How much a close may take beyond its budgets: of a second, for the machine.
pub(crate) const SLACK: Duration = Duration::from_secs(1);

pub(crate) fn server(kind: &str, arguments: &[&str]) -> Builder {
    let budgets = Budgets::default().with_after_eof(SHORT).with_after_term(SHORT);
    ChildProcess::builder(peer::command(kind, arguments)).name(kind).stderr(Stderr::Tail).budgets(budgets)
}

pub(crate) fn start(builder: Builder) -> (ChildProcess, ChildHandle, Suspect) {
    let (child, _) = builder.spawn().unwrap();
    let handle = child.handle();
    let suspect = Suspect::new(&handle);
    (child, handle, suspect)
}

/// One that has time to end by itself.
pub(crate) async fn open(builder: Builder) -> (Client, ChildHandle, Suspect) {
    let (child, handle, suspect) = start(builder.budgets(Budgets::default().with_after_eof(Duration::from_secs(30))));
    (().serve(child).await.unwrap(), handle, suspect)
}

pub(crate) async fn call(client: &Client, name: &'static str, arguments: Value) -> Result<String, ServiceError> {
    let mut call = CallToolRequestParams::new(name);
    call.arguments = arguments.as_object().cloned();
    let result = client.call_tool(call).await?;
    Ok(result.content[0].as_text().unwrap().text.clone())
}

/// What a call of a `says` server comes to that answers it with `line`.
pub(crate) async fn answered_with(client: &Client, line: &str) -> Result<String, ServiceError> {
    call(client, "x", json!({ "line": line })).await
}
