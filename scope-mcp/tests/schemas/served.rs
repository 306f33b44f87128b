//! Everything that a server of ours says, to a client played by hand: in each revision, of both eras.

use std::sync::Arc;
use std::time::Duration;

use futures_util::join;
use libtest_mimic::Trial;
use scope_mcp::transport::memory;
use scope_mcp::{Era, Revision, ServeOptions};
use scope_mcp_judge::{Judge, Schemas, Side};
use serde_json::{Value, json};

use crate::by_hand::ByHand;
use crate::judged::{assert_right, trial};
use crate::server::server;

/// One for each revision.
pub(crate) fn trials(schemas: Option<&Schemas>) -> Vec<Trial> {
    let one = |revision: Revision| {
        trial(format!("served::says_only_what_there_is_in_{revision}"), schemas, move |schemas| {
            says_only_what_there_is(revision, schemas);
        })
    };
    let mut trials: Vec<Trial> = Revision::ALL.into_iter().map(one).collect();
    trials.push(trial("served::garbage_is_refused_as_the_schema_has_it".to_owned(), schemas, garbage));
    trials
}

fn says_only_what_there_is(revision: Revision, schemas: &Schemas) {
    let judge = Arc::new(Judge::new(schemas.clone(), [Side::Server, Side::Client]));
    let heard = Arc::clone(&judge);
    scope_smol::run_current_thread(async move |n| {
        let (ours, theirs) = memory::pair(4096);
        let served = server().start(n, ours, ServeOptions::default().drain(Duration::from_secs(60)))?;
        let mut client = ByHand::client(theirs, heard);
        match revision.era() {
            Era::Legacy => legacy(&mut client, revision).await,
            Era::Modern => modern(&mut client).await,
        }
        // Once the server ends it, once the client.
        let (report, ()) = match revision.era() {
            Era::Legacy => join!(async { Ok(served.closed().await) }, client.end()),
            Era::Modern => join!(async { served.close().await.map(Some) }, client.hear_the_rest()),
        };
        assert!(report?.is_some(), "it did not come to its end");
        Ok(())
    })
    .unwrap_or_else(|error| panic!("{revision}: {error:#}"));
    let mut types = match revision.era() {
        Era::Legacy => LEGACY.to_vec(),
        Era::Modern => MODERN.to_vec(),
    };
    if revision.era() == Era::Legacy {
        types.push(if revision == Revision::V2025_11_25 { "JSONRPCErrorResponse" } else { "JSONRPCError" });
    }
    if revision.era() == Era::Legacy && revision >= Revision::V2025_06_18 {
        types.push("ElicitRequest");
    }
    let tasks = ["CreateTaskResult", "GetTaskResult", "CancelTaskResult"];
    match revision {
        Revision::V2025_11_25 => {
            types.extend(tasks);
            types.extend(["GetTaskPayloadResult", "ListTasksResult", "TaskStatusNotification"]);
        }
        Revision::V2026_07_28 => types.extend(tasks.into_iter().chain(["UpdateTaskResult"])),
        _ => {}
    }
    assert_right(&judge, revision.as_str(), &types);
}

const LEGACY: [&str; 24] = [
    "InitializeResult",
    "ListToolsResult",
    "CallToolResult",
    "ListResourcesResult",
    "ListResourceTemplatesResult",
    "ReadResourceResult",
    "ListPromptsResult",
    "GetPromptResult",
    "CompleteResult",
    "EmptyResult",
    "PingRequest",
    "ListRootsRequest",
    "ListRootsResult",
    "CreateMessageRequest",
    "CreateMessageResult",
    "ProgressNotification",
    "LoggingMessageNotification",
    "CancelledNotification",
    "ToolListChangedNotification",
    "PromptListChangedNotification",
    "ResourceListChangedNotification",
    "ResourceUpdatedNotification",
    "SubscribeRequest",
    "UnsubscribeRequest",
];

const MODERN: [&str; 18] = [
    "DiscoverResultResponse",
    "ListToolsResultResponse",
    "CallToolResultResponse",
    "ListResourcesResultResponse",
    "ListResourceTemplatesResultResponse",
    "ReadResourceResultResponse",
    "ListPromptsResultResponse",
    "GetPromptResultResponse",
    "CompleteResultResponse",
    "SubscriptionsListenResultResponse",
    "JSONRPCErrorResponse",
    "ProgressNotification",
    "LoggingMessageNotification",
    "SubscriptionsAcknowledgedNotification",
    "ToolListChangedNotification",
    "PromptListChangedNotification",
    "ResourceListChangedNotification",
    "ResourceUpdatedNotification",
];

/// What a server says to lines that are none of a client.
fn garbage(schemas: &Schemas) {
    for revision in Revision::ALL {
        // Only the server: the client says what no schema has.
        let judge = Arc::new(Judge::new(schemas.clone(), [Side::Server]));
        let heard = Arc::clone(&judge);
        scope_smol::run_current_thread(async move |n| {
            let (ours, theirs) = memory::pair(4096);
            let served = server().start(n, ours, ServeOptions::default())?;
            let mut client = ByHand::client(theirs, heard);
            let none = &Value::Null;
            match revision.era() {
                Era::Legacy => client.ask("initialize", &opening(revision), none).await,
                Era::Modern => client.ask("server/discover", &modern_params(json!({})), none).await,
            };
            for (line, code) in GARBAGE {
                let line = match revision.era() {
                    Era::Legacy => line.replace("META", "{}"),
                    Era::Modern => line.replace("META", &modern_params(json!({})).to_string()),
                };
                client.say_text(&line).await;
                let answer = client.hear().await.expect("an answer");
                assert_eq!(answer["error"]["code"], code, "{line} was answered with {answer}");
            }
            // It has not gone.
            client.ask("tools/list", &modern_params(json!({})), none).await;
            join!(served.closed(), client.end());
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{revision}: {error:#}"));
        let name = if revision <= Revision::V2025_06_18 { "JSONRPCError" } else { "JSONRPCErrorResponse" };
        assert_right(&judge, revision.as_str(), &[name]);
    }
}

/// Lines, and the code of the error that each is answered with.
const GARBAGE: [(&str, i64); 7] = [
    ("no JSON", -32700),
    ("\u{feff}{}", -32700),
    (r#"{"jsonrpc":"2.0","id":70,"method":"#, -32700),
    (r#"[{"jsonrpc":"2.0"}"#, -32700),
    (r#"{"level":"info"}"#, -32600),
    (r#"{"jsonrpc":"2.0","id":71,"method":"no/such","params":META}"#, -32601),
    (r#"{"jsonrpc":"2.0","id":72,"method":"tools/call","params":META}"#, -32602),
];

/// What a person, a model and a file system answer.
fn answers(revision: Revision) -> Value {
    let modern = revision.era() == Era::Modern;
    let mut answers = json!({
        "roots/list": { "roots": [{ "uri": "file:///home", "name": "home" }] },
        "sampling/createMessage": { "role": "assistant", "model": "m", "content": { "type": "text", "text": "Hi" } },
    });
    if modern || revision >= Revision::V2025_06_18 {
        answers["elicitation/create"] = json!({ "action": "accept", "content": { "name": "Ada", "some": ["a"] } });
        if revision == Revision::V2025_06_18 {
            answers["elicitation/create"]["content"] = json!({ "name": "Ada" });
        }
    }
    answers
}

/// What both eras have.
async fn everywhere(client: &mut ByHand, with: impl Fn(Value) -> Value) {
    let none = &Value::Null;
    for (list, items) in [
        ("tools/list", "tools"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ] {
        let mut params = with(json!({}));
        let mut count = 0;
        loop {
            let page = client.ask(list, &params, none).await;
            count += page[items].as_array().unwrap().len();
            let Some(cursor) = page.get("nextCursor") else { break };
            params["cursor"] = cursor.clone();
        }
        assert!(count > 0, "{list}");
    }
    let call = |name: &str, arguments: Value| with(json!({ "name": name, "arguments": arguments }));
    client.ask("tools/call", &call("echo", json!({ "a": 1.5, "b": 2 })), none).await;
    for tool in ["contents", "list", "number", "structured", "described"] {
        client.ask("tools/call", &call(tool, json!({})), none).await;
    }
    let result = client.ask("tools/call", &call("fails", json!({})), none).await;
    assert_eq!(result["isError"], true, "{result}");
    // Some revisions want a result of this, some an error.
    let id = client.begin("tools/call", &call("echo", json!({}))).await;
    client.answer_to(id, none).await;
    client.begin("tools/call", &call("panics", json!({}))).await;
    let mut works = call("works", json!({}));
    works["_meta"]["progressToken"] = "t".into();
    client.ask("tools/call", &works, none).await;
    client.ask("resources/read", &with(json!({ "uri": "file:///text" })), none).await;
    client.ask("resources/read", &with(json!({ "uri": "file:///bytes" })), none).await;
    client.ask("resources/read", &with(json!({ "uri": "file:///named/Ada" })), none).await;
    client.ask("prompts/get", &with(json!({ "name": "greeting", "arguments": { "name": "Ada" } })), none).await;
    let argument = json!({ "name": "name", "value": "A" });
    let prompt = json!({ "type": "ref/prompt", "name": "greeting" });
    let template = json!({ "type": "ref/resource", "uri": "file:///named/{name}" });
    for reference in [prompt, template] {
        client.ask("completion/complete", &with(json!({ "ref": reference, "argument": argument })), none).await;
    }
    // What goes wrong.
    for (method, params) in [
        ("tools/call", json!({ "name": "nobody" })),
        ("prompts/get", json!({ "name": "nobody" })),
        ("prompts/get", json!({ "name": "greeting" })),
        ("resources/read", json!({ "uri": "file:///nothing" })),
        ("tools/list", json!({ "cursor": "none of yours" })),
    ] {
        client.ask_in_vain(method, &with(params)).await;
    }
    // A call that nobody waits for any more.
    let id = client.begin("tools/call", &call("never", json!({}))).await;
    client.notify("notifications/cancelled", &json!({ "requestId": id })).await;
}

fn opening(revision: Revision) -> Value {
    json!({
        "protocolVersion": revision.as_str(),
        "capabilities": {},
        "clientInfo": { "name": "by hand", "version": "1" },
    })
}

async fn legacy(client: &mut ByHand, revision: Revision) {
    let mut capabilities = json!({ "roots": {}, "sampling": {} });
    if revision >= Revision::V2025_06_18 {
        capabilities["elicitation"] = json!({});
    }
    if revision >= Revision::V2025_11_25 {
        capabilities["elicitation"] = json!({ "form": {}, "url": {} });
    }
    let none = &Value::Null;
    let mut params = opening(revision);
    params["capabilities"] = capabilities;
    let opened = client.ask("initialize", &params, none).await;
    assert_eq!(opened["protocolVersion"], revision.as_str());
    client.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    client.ask("ping", &json!({}), none).await;
    client.ask("logging/setLevel", &json!({ "level": "debug" }), none).await;
    everywhere(client, |params| params).await;
    client.ask("resources/subscribe", &json!({ "uri": "file:///text" }), none).await;
    client.ask("tools/call", &json!({ "name": "asks" }), &answers(revision)).await;
    client.ask("tools/call", &json!({ "name": "changes" }), none).await;
    for list in ["tools", "prompts", "resources"] {
        client.hear_of(&format!("notifications/{list}/list_changed")).await;
    }
    client.hear_of("notifications/resources/updated").await;
    client.ask("resources/unsubscribe", &json!({ "uri": "file:///text" }), none).await;
    if revision == Revision::V2025_03_26 {
        batches(client).await;
    }
    if revision == Revision::V2025_11_25 {
        tasks(client).await;
    }
    // A handler that asks, and whose call is cancelled: its question is, too.
    let id = client.begin("tools/call", &json!({ "name": "asks" })).await;
    let question = client.hear().await.expect("a question");
    assert_eq!(question["method"], "roots/list");
    client.notify("notifications/cancelled", &json!({ "requestId": id })).await;
    client.hear_of("notifications/cancelled").await;
}

/// Several messages in one line.
async fn batches(client: &mut ByHand) {
    let messages = json!([
        { "jsonrpc": "2.0", "id": "b1", "method": "ping" },
        { "jsonrpc": "2.0", "id": "b2", "method": "tools/call", "params": { "name": "contents" } },
        { "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "b1" } },
        { "jsonrpc": "2.0", "id": "b3", "method": "tools/call", "params": { "name": "nobody" } },
    ]);
    client.say(&messages).await;
    let answers = client.hear().await.expect("answers");
    assert_eq!(answers.as_array().map(Vec::len), Some(3), "{answers}");
}

/// Tasks in the core.
async fn tasks(client: &mut ByHand) {
    let none = &Value::Null;
    let answers = answers(Revision::V2025_11_25);
    let call = |name: &str| json!({ "name": name, "task": { "ttl": 60_000 } });
    let created = client.ask("tools/call", &call("slow"), &answers).await;
    let task = json!({ "taskId": created["task"]["taskId"] });
    client.ask("tasks/get", &task, &answers).await;
    let result = client.ask("tasks/result", &task, &answers).await;
    assert_eq!(result["content"][0]["text"], "done", "{result}");
    client.ask("tasks/list", &json!({}), none).await;
    let created = client.ask("tools/call", &call("breaks"), none).await;
    client.ask_in_vain("tasks/result", &json!({ "taskId": created["task"]["taskId"] })).await;
    let created = client.ask("tools/call", &call("endless"), none).await;
    let task = json!({ "taskId": created["task"]["taskId"] });
    client.ask("tasks/cancel", &task, none).await;
    client.hear_of("notifications/tasks/status").await;
    client.ask_in_vain("tasks/cancel", &task).await;
    client.ask_in_vain("tools/call", &json!({ "name": "endless" })).await;
}

/// Tasks of the extension.
async fn extended_tasks(client: &mut ByHand) {
    let none = &Value::Null;
    let with = |params: Value| {
        let mut params = modern_params(params);
        let capabilities = &mut params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
        capabilities["extensions"] = json!({ "io.modelcontextprotocol/tasks": {} });
        params
    };
    let call = |name: &str| with(json!({ "name": name }));
    // Until it is there: how often it is asked does not matter.
    async fn wait_for(client: &mut ByHand, task: &Value, status: &str) -> Value {
        for _ in 0..100_000 {
            let found = client.ask("tasks/get", task, &Value::Null).await;
            if found["status"] == status {
                return found;
            }
        }
        panic!("it never is {status}");
    }
    let created = client.ask("tools/call", &call("slow"), none).await;
    let task = with(json!({ "taskId": created["taskId"] }));
    let asking = wait_for(client, &task, "input_required").await;
    let keys = asking["inputRequests"].as_object().unwrap().keys();
    let answer = || answers(Revision::V2026_07_28)["elicitation/create"].clone();
    let mut update = task.clone();
    update["inputResponses"] = keys.map(|key| (key.clone(), answer())).collect();
    client.ask("tasks/update", &update, none).await;
    wait_for(client, &task, "completed").await;
    let created = client.ask("tools/call", &call("breaks"), none).await;
    wait_for(client, &with(json!({ "taskId": created["taskId"] })), "failed").await;
    let created = client.ask("tools/call", &call("endless"), none).await;
    let task = with(json!({ "taskId": created["taskId"] }));
    client.ask("tasks/cancel", &task, none).await;
    wait_for(client, &task, "cancelled").await;
    // One who does not know tasks.
    client.ask_in_vain("tools/call", &modern_params(json!({ "name": "endless" }))).await;
    client.ask_in_vain("tasks/get", &modern_params(json!({ "taskId": created["taskId"] }))).await;
    client.ask_in_vain("tasks/get", &with(json!({ "taskId": "none" }))).await;
}

fn modern_params(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": Revision::V2026_07_28.as_str(),
        "io.modelcontextprotocol/clientInfo": { "name": "by hand", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {
            "roots": {}, "sampling": {}, "elicitation": { "form": {}, "url": {} },
        },
        "io.modelcontextprotocol/logLevel": "debug",
    });
    params
}

async fn modern(client: &mut ByHand) {
    let revision = Revision::V2026_07_28;
    let with = modern_params;
    let none = &Value::Null;
    client.ask("server/discover", &with(json!({})), none).await;
    everywhere(client, with).await;
    // Questions come in results.
    for (method, params) in [
        ("tools/call", json!({ "name": "asks" })),
        ("resources/read", json!({ "uri": "file:///ask" })),
        ("prompts/get", json!({ "name": "asking" })),
    ] {
        let mut params = with(params);
        let mut rounds = 0;
        loop {
            let result = client.ask(method, &params, none).await;
            if result["resultType"] == "complete" {
                break;
            }
            rounds += 1;
            assert!(rounds < 10, "{result}");
            params["requestState"] = result["requestState"].clone();
            let asked = result["inputRequests"].as_object().unwrap();
            let answer = |question: &Value| match question["params"]["mode"].as_str() {
                Some("url") => json!({ "action": "accept" }),
                _ => answers(revision)[question["method"].as_str().unwrap()].clone(),
            };
            let responses = asked.iter().map(|(key, question)| (key.clone(), answer(question)));
            params["inputResponses"] = Value::Object(responses.collect());
        }
        assert!(rounds > 0, "{method} asked nothing");
    }
    // A client that cannot be asked, one of another revision, and a state that is none of ours.
    let mut params = with(json!({ "name": "asks" }));
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    assert_eq!(client.ask_in_vain("tools/call", &params).await, -32021);
    let params = with(json!({ "name": "asks", "requestState": "forged" }));
    client.ask_in_vain("tools/call", &params).await;
    extended_tasks(client).await;
    // A subscription.
    let filter = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["file:///text"],
    });
    let listening = client.begin("subscriptions/listen", &with(json!({ "notifications": filter }))).await;
    client.hear_of("notifications/subscriptions/acknowledged").await;
    client.ask("tools/call", &with(json!({ "name": "changes" })), none).await;
    for list in ["tools", "prompts", "resources"] {
        client.hear_of(&format!("notifications/{list}/list_changed")).await;
    }
    client.hear_of("notifications/resources/updated").await;
    client.notify("notifications/cancelled", &json!({ "requestId": listening })).await;
    // And one that is there when the server closes.
    client.heard.clear();
    client.begin("subscriptions/listen", &with(json!({ "notifications": {} }))).await;
    client.hear_of("notifications/subscriptions/acknowledged").await;
}
