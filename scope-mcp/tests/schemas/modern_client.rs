//! What a client of ours says in the modern era to a server, played by hand, that wants more of it than ours does.

use std::time::Duration;

use futures_util::join;
use libtest_mimic::Trial;
use scope_core::Failure;
use scope_mcp::model::{SubscriptionFilter, meta_key};
use scope_mcp::transport::memory;
use scope_mcp::{CallOptions, Client, Revision};
use scope_mcp_judge::{Schemas, Side};
use serde_json::{Value, json};

use crate::by_hand::ByHand;
use crate::client;
use crate::judged::{Judged, assert_right, trial};

pub(crate) fn trials(schemas: Option<&Schemas>) -> Vec<Trial> {
    vec![trial("modern_client::says_only_what_there_is".to_owned(), schemas, says_only_what_there_is)]
}

fn says_only_what_there_is(schemas: &Schemas) {
    let (judge, wire) = Judged::new(schemas, [Side::Client]);
    scope_smol::run_current_thread(async move |n| {
        let (ours, theirs) = memory::pair(4096);
        let (options, _) = client::options(wire);
        let client = Client::open_stream(n, "by hand", ours, options);
        let (said, ()) = join!(async { say_everything(&client.await?).await }, serve(ByHand::server(theirs)));
        said
    })
    .unwrap_or_else(|error| panic!("{error:#}"));
    let types = ["DiscoverRequest", "CallToolRequest", "SubscriptionsListenRequest", "ClientNotification"];
    assert_right(&judge, Revision::V2026_07_28.as_str(), &types);
}

async fn say_everything(client: &Client) -> Result<(), Failure> {
    for tool in ["asks for nothing", "asks for all", "asks not"] {
        let options = CallOptions::new().meta(meta_key::TRACESTATE, "a=b").meta(meta_key::BAGGAGE, "c=d");
        client.call_tool_with(tool, &json!({ "a": [1, null] }), &options).await?;
    }
    let mut subscription = client.listen(&SubscriptionFilter::new().tools_list_changed().task("t")).await?;
    client.call_tool("ends the subscription", &json!({})).await?;
    assert!(subscription.next().await.is_none(), "the server has ended it");
    let soon = CallOptions::new().timeout(Duration::from_millis(50));
    assert!(client.call_tool_with("never", &json!({}), &soon).await.is_err());
    client.close().await?;
    Ok(())
}

async fn serve(mut server: ByHand) {
    let mut discovered = 0;
    let mut rounds = 0;
    let mut listening = Value::Null;
    while let Some(message) = server.hear().await {
        let params = &message["params"];
        match (message["method"].as_str().unwrap(), params["name"].as_str()) {
            // It has to be asked twice.
            ("server/discover", _) if discovered == 0 => {
                discovered = 1;
                let data = json!({ "supported": ["2026-07-28"], "requested": "2026-07-28" });
                server.reject(&message, &json!({ "code": -32022, "message": "no", "data": data })).await;
            }
            ("server/discover", _) => {
                let result = json!({
                    "resultType": "complete", "supportedVersions": ["2026-07-28", "2099-01-01"], "ttlMs": 5,
                    "cacheScope": "public", "capabilities": { "tools": { "listChanged": true } },
                });
                server.answer(&message, &result).await;
            }
            ("tools/call", Some("never")) => {}
            ("tools/call", Some("ends the subscription")) => {
                server.notify("notifications/cancelled", &json!({ "requestId": listening })).await;
                server.answer(&message, &json!({ "resultType": "complete", "content": [] })).await;
            }
            ("tools/call", Some(tool)) => {
                rounds += 1;
                let result = round(tool, params, rounds);
                if result["resultType"] == "complete" {
                    rounds = 0;
                }
                server.answer(&message, &result).await;
            }
            ("subscriptions/listen", _) => {
                let meta = json!({ "io.modelcontextprotocol/subscriptionId": message["id"] });
                let params = json!({ "notifications": { "toolsListChanged": true }, "_meta": meta });
                server.notify("notifications/subscriptions/acknowledged", &params).await;
                listening = message["id"].clone();
            }
            ("notifications/cancelled", _) => {}
            (other, _) => panic!("nobody expected {other}"),
        }
    }
}

/// What a tool says in that round.
fn round(tool: &str, params: &Value, round: u32) -> Value {
    let text = json!({ "role": "user", "content": { "type": "text", "text": "Hello" } });
    let form = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
    match (tool, round) {
        // The state only, and then a question without one.
        ("asks for nothing", 1) => json!({ "resultType": "input_required", "requestState": "s1 \"é\"" }),
        ("asks for nothing", 2) => {
            assert_eq!(params["requestState"], "s1 \"é\"");
            assert!(params.get("inputResponses").is_none(), "{params}");
            json!({ "resultType": "input_required", "inputRequests": { "r": { "method": "roots/list" } } })
        }
        ("asks for all", 1) => json!({
            "resultType": "input_required",
            "requestState": "s",
            "inputRequests": {
                "roots": { "method": "roots/list" },
                "sample": { "method": "sampling/createMessage", "params": { "messages": [text], "maxTokens": 1 } },
                "form": { "method": "elicitation/create", "params": { "message": "m", "requestedSchema": form } },
                "": { "method": "elicitation/create",
                      "params": { "mode": "url", "message": "m", "url": "https://example.org" } },
            },
        }),
        // The last round has to have brought what was asked.
        ("asks for nothing", _) => {
            assert!(params.get("requestState").is_none(), "{params}");
            answered(params, &["r"])
        }
        ("asks for all", _) => answered(params, &["", "form", "roots", "sample"]),
        _ => answered(params, &[]),
    }
}

fn answered(params: &Value, keys: &[&str]) -> Value {
    let responses = params["inputResponses"].as_object().cloned().unwrap_or_default();
    let mut found: Vec<&str> = responses.keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, keys, "{params}");
    json!({ "resultType": "complete", "content": [] })
}
