//! What each scenario asks of a client.

use scope_core::Failure;
use scope_mcp::model::Implementation;
use scope_mcp::{Client, ClientOptions};
use serde_json::json;

pub(crate) fn options() -> ClientOptions {
    ClientOptions::default().client_info(Implementation::new("conformance-client", env!("CARGO_PKG_VERSION")))
}

pub(crate) async fn play(client: &Client, scenario: &str) -> Result<(), Failure> {
    match scenario {
        // The opening was all of it; a list more does no harm where it is about what stands in each request.
        "initialize" | "request-metadata" | "json-schema-ref-no-deref" => {
            client.list_tools().await?;
        }
        "tools_call" => {
            client.list_tools().await?;
            call(client, "add_numbers", &json!({ "a": 2, "b": 3 })).await?;
        }
        other => return Err(format!("no such scenario is known: {other:?}").into()),
    }
    Ok(())
}

/// Calls a tool that should not fail.
async fn call(client: &Client, tool: &str, arguments: &serde_json::Value) -> Result<(), Failure> {
    let result = client.call_tool(tool, arguments).await?;
    if result.is_error() {
        return Err(format!("the tool {tool} reported an error").into());
    }
    Ok(())
}
