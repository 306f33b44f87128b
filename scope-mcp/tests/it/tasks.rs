//! Tools that are tasks: at servers of the revision 2025-11-25, and at modern ones.

use std::time::Duration;

use futures_util::join;
use scope_core::{Failure, Nursery};
use scope_mcp::model::{ContentKind, ElicitResult, TaskStatus};
use scope_mcp::transport::memory;
use scope_mcp::{CallOptions, Client, ClientOptions, ToolTask};
use serde_json::{Value, json};

use crate::by_hand::{Peer, modern};
use crate::support::{Clock, assert_says, on_every_runtime, options};

const RELATED: &str = "io.modelcontextprotocol/related-task";

async fn open(n: &Nursery<'_, '_>, options: ClientOptions) -> Result<(Client, Peer), Failure> {
    let (ours, theirs) = memory::pair(1000);
    let mut peer = Peer::new(theirs);
    let tasks = json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } });
    let capabilities = json!({ "tools": {}, "tasks": tasks });
    let (client, _) = join!(Client::open_stream(n, "far", ours, options), peer.open_with(capabilities));
    Ok((client?, peer))
}

fn task(status: &str, poll_interval: u64) -> Value {
    json!({ "taskId": "t", "status": status, "statusMessage": "so far", "ttl": null, "pollInterval": poll_interval,
            "createdAt": "2025-11-25T10:30:00Z", "lastUpdatedAt": "2025-11-25T10:30:00Z" })
}

/// Starts the tool, which is a task.
async fn start(client: &Client, peer: &mut Peer, poll_interval: u64) -> Result<ToolTask, Failure> {
    let arguments = json!({ "n": 1 });
    let begun = async {
        let call = peer.hear_of("tools/call").await;
        assert_eq!(call["params"], json!({ "name": "slow", "arguments": { "n": 1 }, "task": {} }));
        peer.answer(&call, json!({ "task": task("working", poll_interval) })).await;
    };
    let (started, ()) = join!(client.start_tool("slow", &arguments), begun);
    let started = started?;
    assert_eq!((started.id(), started.status()), (Some("t"), TaskStatus::Working));
    Ok(started)
}

on_every_runtime! {
    async fn a_tool_that_is_a_task_is_followed_and_its_questions_are_answered(n, TEST) {
        let _ = TEST;
        let options = options().on_elicitation(|_| async { Ok(ElicitResult::decline()) });
        let (client, mut peer) = open(n, options).await?;
        let mut started = start(&client, &mut peer, 1).await?;
        let served = async {
            for status in ["working", "input_required"] {
                let asked = peer.hear_of("tasks/get").await;
                assert_eq!(asked["params"], json!({ "taskId": "t" }));
                peer.answer(&asked, task(status, 1)).await;
            }
            let asked = peer.hear_of("tasks/result").await;
            assert_eq!(asked["params"], json!({ "taskId": "t" }));
            let form = json!({ "type": "object", "properties": {} });
            let question = json!({ "message": "m", "requestedSchema": form, "_meta": { RELATED: { "taskId": "t" } } });
            let answer = peer.ask("q", "elicitation/create", question).await;
            assert_eq!(answer["result"], json!({ "action": "decline", "_meta": { RELATED: { "taskId": "t" } } }));
            peer.answer(&asked, json!({ "content": [{ "type": "text", "text": "done" }] })).await;
        };
        let (result, ()) = join!(started.wait(), served);
        assert_eq!(result?.content[0].kind(), ContentKind::Text("done"));
        assert_eq!(started.status(), TaskStatus::Completed);
        assert_eq!(started.wait().await?.content.len(), 1, "it is kept");
        drop(started);
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite() && rest.is_none(), "what is over is not cancelled");
    }
}

on_every_runtime! {
    async fn one_that_fails_is_refused_as_the_call_would_have_been(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = open(n, options()).await?;
        let mut started = start(&client, &mut peer, 1).await?;
        let served = async {
            let asked = peer.hear_of("tasks/get").await;
            peer.answer(&asked, task("failed", 1)).await;
            let asked = peer.hear_of("tasks/result").await;
            let error = json!({ "code": -32603, "message": "out of cheese" });
            peer.say(json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error })).await;
        };
        let (result, ()) = join!(started.wait(), served);
        let error = result.unwrap_err();
        assert_eq!(error.rejection().unwrap().code(), Some(-32603));
        assert_says(error, "out of cheese");
        // A tool that says itself that it failed has a result.
        let served = async {
            let asked = peer.hear_of("tasks/result").await;
            peer.answer(&asked, json!({ "content": [], "isError": true })).await;
        };
        let (result, ()) = join!(started.wait(), served);
        assert!(result?.is_error());
        assert_eq!(started.status(), TaskStatus::Failed);
    }
}

on_every_runtime! {
    async fn a_server_that_makes_no_tasks_is_called(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let (client, ()) = join!(Client::open_stream(n, "far", ours, options()), peer.open());
        let client = client?;
        let served = async {
            let call = peer.hear_of("tools/call").await;
            assert_eq!(call["params"], json!({ "name": "quick", "arguments": {} }));
            peer.answer(&call, json!({ "content": [] })).await;
        };
        let arguments = json!({});
        let (started, ()) = join!(client.start_tool("quick", &arguments), served);
        let mut started = started?;
        assert_eq!((started.id(), started.status()), (None, TaskStatus::Completed));
        assert!(started.wait().await?.content.is_empty());
        assert!(client.list_tasks().await?.is_empty(), "it is not asked");
        assert!(client.close().await?.is_polite());
    }
}

on_every_runtime! {
    async fn one_that_is_dropped_is_cancelled_and_one_that_is_detached_is_not(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = open(n, options()).await?;
        let id = start(&client, &mut peer, 1).await?.detach().unwrap();
        let served = async {
            let asked = peer.hear_of("tasks/get").await;
            peer.answer(&asked, task("working", 1)).await;
        };
        let (taken_up, ()) = join!(client.task(&id), served);
        drop(taken_up?);
        let cancelled = peer.hear_of("tasks/cancel").await;
        assert_eq!(cancelled["params"], json!({ "taskId": "t" }));
        // Whatever it says to that.
        let error = json!({ "code": -32602, "message": "no" });
        peer.say(json!({ "jsonrpc": "2.0", "id": cancelled["id"], "error": error })).await;
        assert!(client.close().await?.is_polite());
    }
}

on_every_runtime! {
    async fn one_that_is_cancelled_is_over(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = open(n, options()).await?;
        let mut started = start(&client, &mut peer, 1).await?;
        let served = async {
            let asked = peer.hear_of("tasks/cancel").await;
            peer.answer(&asked, task("cancelled", 1)).await;
        };
        let (cancelled, ()) = join!(started.cancel(), served);
        cancelled?;
        assert_eq!(started.status(), TaskStatus::Cancelled);
        let error = started.wait().await.unwrap_err();
        assert!(error.is_ended(), "{error}");
        assert_eq!(error.to_string(), "tools/call \"slow\" at the server \"far\": the server ended it: «so far»");
        started.cancel().await?;
        drop(started);
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite() && rest.is_none());
    }
}

on_every_runtime! {
    async fn a_server_that_tells_is_asked_at_once(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = open(n, options()).await?;
        let clock = Clock::start();
        // Without being told, it would be asked after a minute.
        let mut started = start(&client, &mut peer, 3_600_000).await?;
        let served = async {
            let mut other = task("working", 1);
            other["taskId"] = "other".into();
            peer.notify("notifications/tasks/status", other).await;
            peer.notify("notifications/tasks/status", task("completed", 1)).await;
            let asked = peer.hear_of("tasks/get").await;
            peer.answer(&asked, task("completed", 1)).await;
            let asked = peer.hear_of("tasks/result").await;
            peer.answer(&asked, json!({ "content": [] })).await;
        };
        let (result, ()) = join!(started.wait(), served);
        assert!(!result?.is_error());
        clock.assert_within(30);
    }
}

on_every_runtime! {
    async fn waiting_ends_in_time_and_can_be_taken_up(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = open(n, options()).await?;
        let mut started = start(&client, &mut peer, 60_000).await?;
        let error = started.wait_for(Duration::from_millis(150)).await.unwrap_err();
        assert!(error.is_timeout() && !error.is_not_sent(), "{error}");
        let served = async {
            let asked = peer.hear_of("tasks/get").await;
            peer.answer(&asked, task("completed", 1)).await;
            let asked = peer.hear_of("tasks/result").await;
            peer.answer(&asked, json!({ "content": [] })).await;
        };
        let refreshed = async {
            assert_eq!(started.refresh().await?, TaskStatus::Completed);
            started.wait().await
        };
        let (result, ()) = join!(refreshed, served);
        assert!(!result?.is_error());
    }
}

/// As the extension has it.
fn modern_task(status: &str, more: Value) -> Value {
    let mut task = json!({ "resultType": "complete", "taskId": "t", "status": status, "ttlMs": null, "pollIntervalMs": 1,
                           "createdAt": "2026-07-28T10:30:00Z", "lastUpdatedAt": "2026-07-28T10:30:00Z" });
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    task
}

fn begun() -> Value {
    modern_task("working", json!({ "resultType": "task" }))
}

fn tools() -> Value {
    json!({ "tools": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

on_every_runtime! {
    async fn a_call_that_a_modern_server_makes_a_task_of_is_waited_for(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = modern(n, options(), tools()).await?;
        let served = async {
            let call = peer.hear_of("tools/call").await;
            let declared = &call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
            assert_eq!(declared["extensions"], json!({ "io.modelcontextprotocol/tasks": {} }));
            assert!(call["params"].get("task").is_none());
            peer.answer(&call, begun()).await;
            let asked = peer.hear_of("tasks/get").await;
            assert_eq!(asked["params"]["taskId"], "t");
            peer.answer(&asked, modern_task("working", json!({}))).await;
            let asked = peer.hear_of("tasks/get").await;
            let result = json!({ "content": [{ "type": "text", "text": "done" }] });
            peer.answer(&asked, modern_task("completed", json!({ "result": result }))).await;
        };
        let arguments = json!({});
        let (result, ()) = join!(client.call_tool("slow", &arguments), served);
        assert_eq!(result?.content[0].kind(), ContentKind::Text("done"));
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite() && rest.is_none());
    }
}

on_every_runtime! {
    async fn a_modern_task_is_given_what_it_needs_and_asked_for_nothing_twice(n, TEST) {
        let _ = TEST;
        let options = options().on_elicitation(|_| async { Ok(ElicitResult::decline()) });
        let (client, mut peer) = modern(n, options, tools()).await?;
        let question = || {
            let form = json!({ "type": "object", "properties": {} });
            json!({ "method": "elicitation/create", "params": { "message": "m", "requestedSchema": form } })
        };
        let served = async {
            let call = peer.hear_of("tools/call").await;
            peer.answer(&call, begun()).await;
            let asked = peer.hear_of("tasks/get").await;
            let needs = modern_task("input_required", json!({ "inputRequests": { "a": question() } }));
            peer.answer(&asked, needs.clone()).await;
            let update = peer.hear_of("tasks/update").await;
            assert_eq!(update["params"]["taskId"], "t");
            assert_eq!(update["params"]["inputResponses"], json!({ "a": { "action": "decline" } }));
            peer.answer(&update, json!({ "resultType": "complete" })).await;
            // It has not got that far yet.
            let asked = peer.hear_of("tasks/get").await;
            peer.answer(&asked, needs).await;
            let asked = peer.hear_of("tasks/get").await;
            let both = json!({ "inputRequests": { "a": question(), "b": question() } });
            peer.answer(&asked, modern_task("input_required", both)).await;
            let update = peer.hear_of("tasks/update").await;
            assert_eq!(update["params"]["inputResponses"], json!({ "b": { "action": "decline" } }));
            peer.answer(&update, json!({})).await;
            let asked = peer.hear_of("tasks/get").await;
            peer.answer(&asked, modern_task("completed", json!({ "result": { "content": [] } }))).await;
        };
        let used = async {
            let mut started = client.start_tool("slow", &json!({})).await?;
            assert_eq!(started.id(), Some("t"));
            started.wait().await
        };
        let (result, ()) = join!(used, served);
        assert!(result?.content.is_empty());
    }
}

on_every_runtime! {
    async fn a_modern_task_ends_as_it_says(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = modern(n, options(), tools()).await?;
        for (end, why) in [
            (modern_task("failed", json!({ "error": { "code": -32603, "message": "out of cheese" } })), "out of cheese"),
            (modern_task("failed", json!({})), "the task has failed and has no error"),
            (modern_task("completed", json!({})), "the task is completed and has no result"),
            (modern_task("cancelled", json!({ "statusMessage": "tired" })), "the server ended it: «tired»"),
            (modern_task("asleep", json!({})), "unknown variant `asleep`"),
            (modern_task("working", json!({ "taskId": "other" })), "another task"),
        ] {
            let asleep = matches!(end["status"].as_str(), Some("asleep" | "working"));
            let served = async {
                let call = peer.hear_of("tools/call").await;
                peer.answer(&call, begun()).await;
                let asked = peer.hear_of("tasks/get").await;
                peer.answer(&asked, end).await;
                if asleep {
                    // For all that is known, it goes on.
                    let cancelled = peer.hear_of("tasks/cancel").await;
                    peer.answer(&cancelled, json!({})).await;
                }
            };
            let arguments = json!({});
            let (result, ()) = join!(client.call_tool("slow", &arguments), served);
            assert_says(result.unwrap_err(), why);
        }
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite() && rest.is_none());
    }
}

on_every_runtime! {
    async fn a_call_that_is_dropped_cancels_its_task(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = modern(n, options(), tools()).await?;
        let arguments = json!({});
        let soon = CallOptions::new().timeout(Duration::from_millis(300)).max_timeout(Duration::from_millis(300));
        let served = async {
            let call = peer.hear_of("tools/call").await;
            let mut task = begun();
            task["pollIntervalMs"] = 60_000.into();
            peer.answer(&call, task).await;
            let cancelled = peer.hear_of("tasks/cancel").await;
            assert_eq!(cancelled["params"]["taskId"], "t");
            peer.answer(&cancelled, json!({ "resultType": "complete" })).await;
        };
        let (result, ()) = join!(client.call_tool_with("slow", &arguments, &soon), served);
        let error = result.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        // One that takes no tasks is not given one.
        let (client, mut peer) = modern(n, options().tasks(false), tools()).await?;
        let served = async {
            let call = peer.hear_of("tools/call").await;
            let declared = &call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
            assert_eq!(*declared, json!({}));
            peer.answer(&call, begun()).await;
        };
        let (result, ()) = join!(client.call_tool("slow", &arguments), served);
        assert!(result.unwrap_err().is_malformed());
    }
}
