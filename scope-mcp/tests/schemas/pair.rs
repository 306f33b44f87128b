//! A client and a server, both ours: what passes between them is judged in both directions.

use std::time::Duration;

use libtest_mimic::Trial;
use scope_core::Failure;
use scope_mcp::model::{CompleteParams, CompletionReference, LoggingLevel, SubscriptionFilter};
use scope_mcp::transport::memory;
use scope_mcp::{CallOptions, Client, Era, ServeOptions};
use scope_mcp_judge::{Schemas, Side};
use serde_json::json;

use crate::client;
use crate::judged::{Judged, assert_right, trial};
use crate::server::server;

/// In each way to begin.
pub(crate) fn trials(schemas: Option<&Schemas>) -> Vec<Trial> {
    let ways = [("if_the_client_finds_out", None), ("as_told", Some(Era::Modern)), ("as_told", Some(Era::Legacy))];
    let one = |(how, era): (&str, Option<Era>)| {
        let era_spoken = era.unwrap_or(Era::Modern);
        trial(format!("pair::what_both_say_in_the_{era_spoken}_era_is_right_{how}"), schemas, move |schemas| {
            both_say_what_is_right(schemas, era, era_spoken);
        })
    };
    ways.into_iter().map(one).collect()
}

fn both_say_what_is_right(schemas: &Schemas, era: Option<Era>, era_spoken: Era) {
    let (judge, wire) = Judged::new(schemas, [Side::Client, Side::Server]);
    let revision = scope_smol::run_current_thread(async move |n| {
        let (ours, theirs) = memory::pair(4096);
        let options =
            ServeOptions::default().drain(Duration::from_secs(60)).task_poll_interval(Duration::from_millis(1));
        let server = server();
        let served = server.start(n, theirs, options)?;
        let (mut options, roots) = client::options(wire);
        options.era = era;
        let client = Client::open_stream(n, "ours", ours, options).await?;
        let revision = client.wait_ready().await?.revision;
        say_everything(&client, revision.era()).await?;
        roots.set([]);
        hear_of_changes(&client).await?;
        use_tasks(&client).await?;
        client.close().await?;
        assert!(served.closed().await.is_some(), "it did not come to its end");
        Ok(revision)
    })
    .unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(revision.era(), era_spoken);
    let mut types = vec!["CallToolRequest", "CompleteRequest", "GetPromptRequest", "ReadResourceRequest"];
    types.extend(["ListToolsRequest", "ListPromptsRequest", "ListResourcesRequest", "ListResourceTemplatesRequest"]);
    types.extend(["JSONRPCErrorResponse", "ProgressNotification", "LoggingMessageNotification"]);
    types.extend(["ToolListChangedNotification", "PromptListChangedNotification", "ResourceUpdatedNotification"]);
    types.extend(["CreateTaskResult", "GetTaskRequest", "GetTaskResult", "CancelTaskRequest", "CancelTaskResult"]);
    let of_the_era: &[&str] = match revision.era() {
        Era::Legacy => &[
            "InitializeResult",
            "CallToolResult",
            "ElicitResult",
            "CreateMessageResult",
            "ListRootsResult",
            "CancelledNotification",
            "SubscribeRequest",
            "UnsubscribeRequest",
            "GetTaskPayloadRequest",
            "GetTaskPayloadResult",
            "ListTasksRequest",
            "TaskStatusNotification",
        ],
        Era::Modern => &[
            "ClientNotification",
            "DiscoverRequest",
            "DiscoverResultResponse",
            "CallToolResultResponse",
            "GetPromptResultResponse",
            "ReadResourceResultResponse",
            "SubscriptionsListenRequest",
            "SubscriptionsAcknowledgedNotification",
            "UpdateTaskRequest",
            "UpdateTaskResult",
        ],
    };
    types.extend(of_the_era);
    assert_right(&judge, revision.as_str(), &types);
}

/// A subscription, or what is the like of it.
async fn hear_of_changes(client: &Client) -> Result<(), Failure> {
    let all = SubscriptionFilter::new().tools_list_changed().prompts_list_changed().resources_list_changed();
    let mut subscription = client.listen(&all.resource("file:///text")).await?;
    client.call_tool("changes", &json!({})).await?;
    let mut missing = vec!["tools/list_changed", "prompts/list_changed", "resources/list_changed", "resources/updated"];
    while !missing.is_empty() {
        let news = subscription.next().await.expect("news");
        missing.retain(|method| news.method().strip_prefix("notifications/") != Some(method));
    }
    drop(subscription);
    // So that the server has heard of that, too.
    client.list_prompts().await?;
    Ok(())
}

/// Tasks, in the form of the revision.
async fn use_tasks(client: &Client) -> Result<(), Failure> {
    let mut slow = client.start_tool("slow", &json!({})).await?;
    slow.refresh().await?;
    assert!(!slow.wait().await?.is_error());
    client.list_tasks().await?;
    let mut breaks = client.start_tool("breaks", &json!({})).await?;
    assert!(breaks.wait().await.is_err());
    let mut endless = client.start_tool("endless", &json!({})).await?;
    endless.cancel().await?;
    // One that is dropped is cancelled.
    drop(client.start_tool("endless", &json!({})).await?);
    client.list_prompts().await?;
    Ok(())
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
    let (options, mut progress) = CallOptions::new().log_level(LoggingLevel::Debug).with_progress(8);
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
        client.unsubscribe("file:///text").await?;
    }
    let soon = CallOptions::new().timeout(Duration::from_millis(50));
    assert!(client.call_tool_with("never", &json!({}), &soon).await.is_err());
    Ok(())
}
