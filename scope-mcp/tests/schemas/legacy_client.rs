//! Everything that a client of ours says in the legacy era, to a server played by hand.

use std::time::Duration;

use futures_util::join;
use libtest_mimic::Trial;
use scope_core::Failure;
use scope_mcp::model::{CompleteParams, CompletionReference, LoggingLevel, Root, meta_key};
use scope_mcp::transport::memory;
use scope_mcp::{CallOptions, Client, Era, Revision, Roots};
use scope_mcp_judge::{Schemas, Side};
use serde_json::{Value, json};

use crate::by_hand::ByHand;
use crate::client;
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
    let (judge, wire) = Judged::new(schemas, [Side::Client]);
    let revision = revision.to_owned();
    let spoken = revision.clone();
    scope_smol::run_current_thread(async move |n| {
        let (ours, theirs) = memory::pair(4096);
        let (options, roots) = client::options(wire);
        let client = Client::open_stream(n, "by hand", ours, options);
        let talk = async { say_everything(&client.await?, &roots).await };
        let (said, ()) = join!(talk, serve(ByHand::server(theirs), &spoken));
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
        "RootsListChangedNotification",
        // Its answers.
        "EmptyResult",
        "ListRootsResult",
        "CreateMessageResult",
    ];
    if *revision >= *"2025-06-18" {
        types.push("ElicitResult");
    }
    types.push(if revision == "2025-11-25" { "JSONRPCErrorResponse" } else { "JSONRPCError" });
    // It begins with the newest, whatever it is answered then.
    types.retain(|name| *name != "InitializeRequest");
    assert_right(&judge, &revision, &types);
    assert_right(&judge, Revision::LATEST_LEGACY.as_str(), &["InitializeRequest"]);
}

async fn say_everything(client: &Client, roots: &Roots) -> Result<(), Failure> {
    client.ping().await?;
    assert_eq!(client.list_tools().await?.len(), 2);
    client.call_tool("echo", &json!({ "a": 1 })).await?;
    let options =
        CallOptions::new().meta(meta_key::TRACEPARENT, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let (options, mut progress) = options.with_progress(8);
    client.call_tool_with("progress", &json!({}), &options).await?;
    assert!(progress.try_next().is_some());
    client.call_tool("ask", &json!({})).await?;
    roots.set([Root::new("file:///tmp")]);
    // Is answered when the server has heard of that.
    client.call_tool("roots changed", &json!({})).await?;
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
            server.heard.push(message);
            continue;
        }
        let params = &message["params"];
        match (message["method"].as_str().unwrap(), params["name"].as_str()) {
            ("tools/call", Some("never")) => continue,
            ("tools/call", Some("ask")) => ask_everything(&mut server, revision).await,
            ("tools/call", Some("roots changed")) => {
                // The news may come before the call or after it.
                let changed = "notifications/roots/list_changed";
                while !server.heard.iter().any(|message| message["method"] == changed) {
                    let news = server.hear().await.expect("a notification");
                    server.heard.push(news);
                }
            }
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

/// What a server may ask, and what it may not; and waits for the answer.
async fn ask_everything(server: &mut ByHand, revision: &str) {
    let text = json!({ "role": "user", "content": { "type": "text", "text": "Hello" } });
    let form = json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
    let url = json!({ "mode": "url", "message": "m", "url": "https://example.org", "elicitationId": "e" });
    let tool = json!({ "name": "t", "inputSchema": { "type": "object" } });
    let mut questions = vec![
        ("ping", json!({}), true),
        ("roots/list", json!({}), true),
        ("sampling/createMessage", json!({ "messages": [text], "maxTokens": 1 }), true),
    ];
    if revision >= "2025-06-18" {
        questions.push(("elicitation/create", json!({ "message": "m", "requestedSchema": form }), true));
    }
    if revision >= "2025-11-25" {
        questions.push(("elicitation/create", url, true));
        let with_tools = json!({ "messages": [text], "maxTokens": 1, "tools": [tool] });
        questions.push(("sampling/createMessage", with_tools, false));
    }
    questions.push(("sampling/createMessage", json!({ "messages": 7 }), false));
    questions.push(("no/such", json!({}), false));
    for (n, (method, params, answered)) in questions.into_iter().enumerate() {
        let id = format!("q{n}");
        server.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        let answer = server.hear().await.expect("an answer");
        assert_eq!((&answer["id"], answer.get("result").is_some()), (&json!(id), answered), "{method}: {answer}");
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
