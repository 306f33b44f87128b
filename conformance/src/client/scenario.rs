//! What each scenario asks of a client.

use std::time::Duration;

use futures_util::future::try_join;
use scope_core::Failure;
use scope_mcp::model::{ContentBlock, CreateMessageResult, ElicitResult, Implementation, Root};
use scope_mcp::{Client, ClientOptions, Roots};
use serde_json::{Value, json};

/// A client that can be asked for everything: what it declares is looked at too.
pub(crate) fn options() -> ClientOptions {
    ClientOptions::default()
        .client_info(Implementation::new("conformance-client", env!("CARGO_PKG_VERSION")))
        // What answers is a server, but on a busy machine the bridge takes its time to start.
        .probe_timeout(Duration::from_secs(20))
        .roots(Roots::new([Root::new("file:///conformance")]))
        .on_sampling(|_| async { Ok(CreateMessageResult::new("none", ContentBlock::text("Nothing comes to mind."))) })
        // Whatever the form fills in by itself is right.
        .on_elicitation(|_| async { Ok(ElicitResult::accept()) })
}

pub(crate) async fn play(client: &Client, scenario: &str) -> Result<(), Failure> {
    match scenario {
        // The opening is most of it. These servers declare nothing, but they answer.
        "initialize" | "request-metadata" => {
            client.request_raw("tools/list", None).await?;
        }
        "json-schema-ref-no-deref" => {
            client.list_tools().await?;
        }
        "tools_call" => {
            client.list_tools().await?;
            call(client, "add_numbers", &json!({ "a": 2, "b": 3 })).await?;
        }
        "elicitation-sep1034-client-defaults" => call(client, "test_client_elicitation_defaults", &json!({})).await?,
        "sep-2322-client-request-state" => {
            let none = json!({});
            // At once, so that what belongs to one call could get into the other.
            let asking = call(client, "test_mrtr_echo_state", &none);
            try_join(asking, call(client, "test_mrtr_unrelated", &none)).await?;
            call(client, "test_mrtr_no_state", &none).await?;
            call(client, "test_mrtr_no_result_type", &none).await?;
        }
        "json-schema-2020-12-preservation" => {
            let tools = client.list_tools().await?;
            let tool =
                tools.iter().find(|tool| tool.name == "json_schema_2020_12_tool").ok_or("the tool is missing")?;
            call(client, "json_schema_echo", &json!({ "schema": tool.input_schema })).await?;
        }
        other => return Err(format!("no such scenario is known: {other:?}").into()),
    }
    Ok(())
}

/// Calls a tool that should not fail.
async fn call(client: &Client, tool: &str, arguments: &Value) -> Result<(), Failure> {
    let result = client.call_tool(tool, arguments).await?;
    if result.is_error() {
        return Err(format!("the tool {tool} reported an error").into());
    }
    Ok(())
}
