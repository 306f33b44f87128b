//! Everything that a client of ours says in the legacy era, to a server played by hand.

use std::time::Duration;

use futures_util::join;
use libtest_mimic::Trial;
use scope_core::Failure;
use scope_mcp::model::{CompleteParams, CompletionReference, LoggingLevel, meta_key};
use scope_mcp::transport::memory;
use scope_mcp::{CallOptions, Client, ClientOptions, Era, Revision};
use scope_mcp_judge::{Schemas, Side};
use serde_json::{Value, json};

use crate::by_hand::ByHand;
use crate::judged::{Judged, assert_right, trial};

/// One for each revision.
pub(crate) fn trials(schemas: Option<&Schemas>) -> Vec<Trial> {
    Revision::of(Era::Legacy)
        .map(|revision| {
            trial(format!("legacy_client::says_only_what_there_is_in_{revision}"), schemas, move |schemas| {
                says_only_what_there_is(revision.as_str(), schemas);
            })
        })
        .collect()
}

fn says_only_what_there_is(revision: &str, schemas: &Schemas) {
    let (judge, wire) = Judged::new(schemas, [Side::Client, Side::Server]);
    let revision = revision.to_owned();
    let spoken = revision.clone();
    scope_smol::run_current_thread(async move |n| {
        let (ours, theirs) = memory::pair(4096);
        let options = ClientOptions::default().open_timeout(Duration::from_secs(60)).wire(wire);
        let client = Client::open_stream(n, "by hand", ours, options);
        let (said, ()) = join!(async { say_everything(&client.await?).await }, serve(ByHand::server(theirs), &spoken));
        said
    })
    .unwrap_or_else(|error| panic!("{revision}: {error:#}"));
    let mut types = vec![
        "InitializeRequest",
        "InitializedNotification",
        "PingRequest",
        "ListToolsRequest",
        "CallToolRequest",
        "ListResourcesRequest",
        "ListResourceTemplatesRequest",
        "ReadResourceRequest",
        "SubscribeRequest",
        "UnsubscribeRequest",
        "ListPromptsRequest",
        "GetPromptRequest",
        "CompleteRequest",
        "SetLevelRequest",
        "CancelledNotification",
        // Its answers.
        "EmptyResult",
    ];
    types.push(if revision == "2025-11-25" { "JSONRPCErrorResponse" } else { "JSONRPCError" });
    // It begins with the newest, whatever it is answered then.
    types.retain(|name| *name != "InitializeRequest");
    assert_right(&judge, &revision, &types);
    assert_right(&judge, Revision::LATEST_LEGACY.as_str(), &["InitializeRequest"]);
}

async fn say_everything(client: &Client) -> Result<(), Failure> {
    client.ping().await?;
    assert_eq!(client.list_tools().await?.len(), 2);
    client.call_tool("echo", &json!({ "a": 1 })).await?;
    let options =
        CallOptions::new().meta(meta_key::TRACEPARENT, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let (options, mut progress) = options.with_progress(8);
    client.call_tool_with("progress", &json!({}), &options).await?;
    assert!(progress.try_next().is_some());
    client.call_tool("ask", &json!({})).await?;
    client.list_resources().await?;
    client.list_resource_templates().await?;
    client.read_resource("file:///a").await?;
    client.subscribe("file:///a").await?;
    client.unsubscribe("file:///a").await?;
    client.list_prompts().await?;
    client.get_prompt("greeting", &json!({ "name": "Ada" })).await?;
    let asked = CompleteParams::new(CompletionReference::prompt("greeting"), "name", "A");
    client.complete(&asked).await?;
    let asked = CompleteParams::new(CompletionReference::resource("file:///{name}"), "name", "A").given("x", "y");
    client.complete(&asked).await?;
    client.set_log_level(LoggingLevel::Notice).await?;
    let soon = CallOptions::new().timeout(Duration::from_millis(50));
    assert!(client.call_tool_with("never", &json!({}), &soon).await.is_err());
    client.close().await?;
    Ok(())
}

/// A server that has everything; until nobody asks any more.
async fn serve(mut server: ByHand, revision: &str) {
    let capabilities =
        json!({ "tools": {}, "resources": { "subscribe": true }, "prompts": {}, "logging": {}, "completions": {} });
    server.open(revision, &capabilities).await;
    while let Some(message) = server.hear().await {
        if message.get("id").is_none() {
            continue;
        }
        let params = &message["params"];
        match (message["method"].as_str().unwrap(), params["name"].as_str()) {
            ("tools/call", Some("never")) => continue,
            ("tools/call", Some("ask")) => ask_everything(&mut server).await,
            ("tools/call", Some("progress")) => {
                let token = &params["_meta"]["progressToken"];
                let params = json!({ "progressToken": token, "progress": 1, "total": 2 });
                server.say(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })).await;
            }
            _ => {}
        }
        server.answer(&message, &result(message["method"].as_str().unwrap(), params)).await;
    }
}

/// What a server may ask, and waits for the answer.
async fn ask_everything(server: &mut ByHand) {
    let sampling = json!({ "messages": [], "maxTokens": 1 });
    for (id, method, params) in
        [("q1", "ping", json!({})), ("q2", "roots/list", json!({})), ("q3", "sampling/createMessage", sampling)]
    {
        server.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        let answer = server.hear().await.expect("an answer");
        assert_eq!(answer["id"], id, "{answer}");
    }
}

fn result(method: &str, params: &Value) -> Value {
    let text = json!({ "type": "text", "text": "a" });
    let tool = json!({ "name": "echo", "inputSchema": { "type": "object" } });
    match method {
        "tools/list" if params["cursor"].is_null() => json!({ "tools": [tool], "nextCursor": "2" }),
        "tools/list" => json!({ "tools": [tool] }),
        "tools/call" => json!({ "content": [text] }),
        "resources/list" => json!({ "resources": [] }),
        "resources/templates/list" => json!({ "resourceTemplates": [] }),
        "resources/read" => json!({ "contents": [{ "uri": "file:///a", "text": "a" }] }),
        "prompts/list" => json!({ "prompts": [] }),
        "prompts/get" => json!({ "messages": [{ "role": "user", "content": text }] }),
        "completion/complete" => json!({ "completion": { "values": ["Ada"] } }),
        "ping" | "resources/subscribe" | "resources/unsubscribe" | "logging/setLevel" => json!({}),
        other => panic!("nobody expected {other}"),
    }
}
