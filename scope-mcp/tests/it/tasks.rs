//! Tools that are tasks, at servers of the revision 2025-11-25.

use std::time::Duration;

use futures_util::join;
use scope_core::{Failure, Nursery};
use scope_mcp::model::{ContentKind, ElicitResult, TaskStatus};
use scope_mcp::transport::memory;
use scope_mcp::{Client, ClientOptions, ToolTask};
use serde_json::{Value, json};

use crate::by_hand::Peer;
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
