//! A client and a server, both ours: what passes between them is judged in both directions.

use std::time::Duration;

use libtest_mimic::Trial;
use scope_core::Failure;
use scope_mcp::model::{CompleteParams, CompletionReference, LoggingLevel};
use scope_mcp::transport::memory;
use scope_mcp::{CallOptions, Client, Era, ServeOptions};
use scope_mcp_judge::{Schemas, Side};
use serde_json::json;

use crate::client;
use crate::judged::{Judged, assert_right, trial};
use crate::server::server;

pub(crate) fn trials(schemas: Option<&Schemas>) -> Vec<Trial> {
    vec![trial("pair::what_both_say_is_right".to_owned(), schemas, both_say_what_is_right)]
}

fn both_say_what_is_right(schemas: &Schemas) {
    let (judge, wire) = Judged::new(schemas, [Side::Client, Side::Server]);
    let revision = scope_smol::run_current_thread(async move |n| {
        let (ours, theirs) = memory::pair(4096);
        let served = server().start(n, theirs, ServeOptions::default().drain(Duration::from_secs(60)))?;
        let (options, _) = client::options(wire);
        let client = Client::open_stream(n, "ours", ours, options).await?;
        let revision = client.ready().await?.revision;
        say_everything(&client, revision.era()).await?;
        client.close().await?;
        assert!(served.closed().await.is_some(), "it did not come to its end");
        Ok(revision)
    })
    .unwrap_or_else(|error| panic!("{error:#}"));
    let mut types = vec!["CallToolRequest", "CompleteRequest", "GetPromptRequest", "ReadResourceRequest"];
    types.extend(["ListToolsRequest", "ListPromptsRequest", "ListResourcesRequest", "ListResourceTemplatesRequest"]);
    types.extend(["JSONRPCErrorResponse", "ProgressNotification"]);
    types.extend(match revision.era() {
        Era::Legacy => [
            "InitializeResult",
            "CallToolResult",
            "ElicitResult",
            "CreateMessageResult",
            "ListRootsResult",
            "CancelledNotification",
        ],
        Era::Modern => [
            "ClientNotification",
            "DiscoverRequest",
            "DiscoverResultResponse",
            "CallToolResultResponse",
            "GetPromptResultResponse",
            "ReadResourceResultResponse",
        ],
    });
    assert_right(&judge, revision.as_str(), &types);
}

async fn say_everything(client: &Client, era: Era) -> Result<(), Failure> {
    assert!(client.list_tools().await?.len() > 2);
    assert!(client.list_resources().await?.len() > 2);
    client.list_resource_templates().await?;
    client.list_prompts().await?;
    client.call_tool("echo", &json!({ "a": 0.5 })).await?;
    client.call_tool("contents", &json!({})).await?;
    assert!(client.call_tool("fails", &json!({})).await?.is_error());
    assert!(client.call_tool("panics", &json!({})).await.is_err());
    assert!(client.call_tool("nobody", &json!({})).await.is_err());
    let (options, mut progress) = CallOptions::new().with_progress(8);
    client.call_tool_with("works", &json!({}), &options).await?;
    assert!(progress.try_next().is_some());
    // Questions, in requests or in results.
    client.call_tool("asks", &json!({})).await?;
    client.read_resource("file:///ask").await?;
    client.get_prompt("asking", &json!({})).await?;
    client.read_resource("file:///bytes").await?;
    client.get_prompt("greeting", &json!({ "name": "Ada" })).await?;
    let asked = CompleteParams::new(CompletionReference::prompt("greeting"), "name", "A").given("b", "c");
    client.complete(&asked).await?;
    if era == Era::Legacy {
        client.ping().await?;
        client.set_log_level(LoggingLevel::Notice).await?;
        client.subscribe("file:///text").await?;
        client.call_tool("changes", &json!({})).await?;
        client.unsubscribe("file:///text").await?;
    }
    let soon = CallOptions::new().timeout(Duration::from_millis(50));
    assert!(client.call_tool_with("never", &json!({}), &soon).await.is_err());
    Ok(())
}
