//! The judge is judged: what is right passes, and each thing that is planted wrong is refused, by its type and place.

use libtest_mimic::{Arguments, Completion, Trial};
use scope_mcp_judge::{Judge, Schemas, Side};
use serde_json::{Value, json};

use Side::{Client, Server};

type Test = (&'static str, fn(&Schemas));

fn main() {
    let arguments = Arguments::from_args();
    let schemas = Schemas::find();
    if let Err(reason) = &schemas
        && !arguments.list
    {
        eprintln!("SKIPPED judging: {reason}");
    }
    let tests: [Test; 9] = [
        ("what_is_right_passes_in_every_revision", what_is_right_passes_in_every_revision),
        ("a_modern_conversation_passes", a_modern_conversation_passes),
        ("what_is_wrong_in_the_legacy_era_is_refused_by_type_and_place", wrong_in_the_legacy_era),
        ("what_is_wrong_in_the_modern_era_is_refused_by_type_and_place", wrong_in_the_modern_era),
        ("ids_are_kept_account_of", ids_are_kept_account_of),
        ("a_notification_has_its_place", a_notification_has_its_place),
        ("only_the_sides_that_are_to_be_judged_are", only_the_sides_that_are_to_be_judged_are),
        ("each_message_is_judged_by_the_revision_it_is_in", each_message_is_judged_by_the_revision_it_is_in),
        ("a_judge_that_heard_nothing_is_not_content", a_judge_that_heard_nothing_is_not_content),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, test)| match &schemas {
            Ok(schemas) => {
                let schemas = schemas.clone();
                Trial::test(name, move || {
                    test(&schemas);
                    Ok(())
                })
            }
            Err(reason) => {
                let reason = reason.clone();
                Trial::ignorable_test(name, || Ok(Completion::ignored_with(reason)))
            }
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn heard(schemas: &Schemas, lines: &[(Side, Value)]) -> Judge {
    let judge = Judge::new(schemas.clone(), [Client, Server]);
    for (side, line) in lines {
        judge.line(*side, &line.to_string());
    }
    judge
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

fn result(id: impl Into<Value>, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "result": result })
}

fn error(id: impl Into<Value>, error: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "error": error })
}

/// How a conversation of the legacy era begins.
fn opening(revision: &str) -> Vec<(Side, Value)> {
    let client = json!({ "name": "c", "version": "1" });
    let server = json!({ "name": "s", "version": "1" });
    vec![
        (
            Client,
            request(0, "initialize", json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": client })),
        ),
        (Server, result(0, json!({ "protocolVersion": revision, "capabilities": {}, "serverInfo": server }))),
        (Client, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })),
    ]
}

/// `params` of the modern era.
fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

fn what_is_right_passes_in_every_revision(schemas: &Schemas) {
    for revision in LEGACY {
        let mut lines = opening(revision);
        let text = json!([{ "type": "text", "text": "a" }]);
        lines.extend([
            (
                Client,
                request(1, "tools/call", json!({ "name": "a", "arguments": {}, "_meta": { "progressToken": 1 } })),
            ),
            (Server, notification("notifications/progress", json!({ "progressToken": 1, "progress": 0.5 }))),
            (Server, request("a", "ping", json!({}))),
            (Client, result("a", json!({}))),
            (Server, request(1, "roots/list", json!({}))),
            (Client, error(1, json!({ "code": -32601, "message": "no roots" }))),
            (Server, result(1, json!({ "content": text }))),
            (Client, request(2, "logging/setLevel", json!({ "level": "info" }))),
            (Client, notification("notifications/cancelled", json!({ "requestId": 2, "reason": "late" }))),
            (Server, result(2, json!({}))),
        ]);
        let judge = heard(schemas, &lines);
        judge.assert_clean();
        assert_eq!(judge.judged().values().sum::<u64>(), lines.len() as u64);
        assert_eq!(judge.judged()[&format!("{revision} CallToolResult")], 1);
    }
    // Several in one line, where they may be.
    let judge = heard(schemas, &opening("2025-03-26"));
    judge.line(Client, r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#);
    judge.line(Server, r#"[{"jsonrpc":"2.0","id":2,"result":{}},{"jsonrpc":"2.0","id":1,"result":{}}]"#);
    judge.assert_clean();
    assert_eq!(judge.judged()["2025-03-26 EmptyResult"], 2);
    // A task instead of a result, in the core.
    let mut lines = opening("2025-11-25");
    let task = json!({ "taskId": "t", "status": "working", "createdAt": "c", "lastUpdatedAt": "c", "ttl": null });
    lines.extend([
        (Client, request(1, "tools/call", json!({ "name": "a", "task": {} }))),
        (Server, result(1, json!({ "task": task }))),
    ]);
    heard(schemas, &lines).assert_clean();
    // A server that knows no tasks answers as ever.
    lines.pop();
    lines.push((Server, result(1, json!({ "content": [] }))));
    heard(schemas, &lines).assert_clean();
}

fn modern_conversation() -> Vec<(Side, Value)> {
    let question = json!({ "method": "elicitation/create", "params": {
        "message": "Who?", "requestedSchema": { "type": "object", "properties": { "n": { "type": "string" } } },
    } });
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let subscription = json!({ "io.modelcontextprotocol/subscriptionId": 5 });
    let task = json!({ "taskId": "t", "createdAt": "c", "lastUpdatedAt": "c", "ttlMs": null });
    let with = |base: &Value, more: Value| {
        let mut both = base.clone();
        both.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        both
    };
    vec![
        (Client, request(0, "server/discover", modern(json!({})))),
        (
            Server,
            result(
                0,
                json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {},
                        "ttlMs": 0, "cacheScope": "private" }),
            ),
        ),
        (Client, request(1, "tools/call", modern(json!({ "name": "a" })))),
        (
            Server,
            result(
                1,
                json!({ "resultType": "input_required", "inputRequests": { "k": question }, "requestState": "s" }),
            ),
        ),
        (
            Client,
            request(
                2,
                "tools/call",
                modern(json!({ "name": "a", "requestState": "s", "inputResponses": { "k": { "action": "cancel" } } })),
            ),
        ),
        (Server, notification("notifications/message", json!({ "level": "info", "data": 1 }))),
        (Server, result(2, json!({ "resultType": "complete", "content": [] }))),
        (Client, request(5, "subscriptions/listen", modern(filter.clone()))),
        (
            Server,
            notification("notifications/subscriptions/acknowledged", with(&filter, json!({ "_meta": subscription }))),
        ),
        (Server, notification("notifications/tools/list_changed", json!({ "_meta": subscription }))),
        (Client, request(6, "tools/call", modern(json!({ "name": "slow" })))),
        (Server, result(6, with(&task, json!({ "resultType": "task", "status": "working", "pollIntervalMs": 10 })))),
        (Client, request(7, "tasks/get", modern(json!({ "taskId": "t" })))),
        (
            Server,
            result(
                7,
                with(&task, json!({ "resultType": "complete", "status": "completed", "result": { "content": [] } })),
            ),
        ),
        (Client, request(8, "tasks/update", modern(json!({ "taskId": "t", "inputResponses": {} })))),
        (Server, result(8, json!({ "resultType": "complete" }))),
        (
            Server,
            notification("notifications/tasks", with(&task, json!({ "status": "cancelled", "_meta": subscription }))),
        ),
        (Server, result(5, json!({ "resultType": "complete", "_meta": subscription }))),
        (Client, request(9, "tasks/cancel", modern(json!({ "taskId": "t" })))),
        (Server, error(9, json!({ "code": -32602, "message": "no such task" }))),
        (Client, request(10, "tools/list", modern(json!({})))),
        (
            Server,
            error(10, json!({ "code": -32022, "message": "no", "data": { "requested": "a", "supported": ["b"] } })),
        ),
    ]
}

fn a_modern_conversation_passes(schemas: &Schemas) {
    let lines = modern_conversation();
    let judge = heard(schemas, &lines);
    judge.assert_clean();
    assert_eq!(judge.judged().values().sum::<u64>(), lines.len() as u64);
    assert_eq!(judge.judged()["2026-07-28 CallToolResultResponse"], 2);
    assert_eq!(judge.judged()["2026-07-28 CreateTaskResult"], 1);
}

/// The last line, and no other, is refused, as a `type_name`, for a reason that has all these words.
#[track_caller]
fn refused(schemas: &Schemas, mut lines: Vec<(Side, Value)>, planted: (Side, Value), type_name: &str, words: &[&str]) {
    lines.push(planted);
    let judge = heard(schemas, &lines);
    let found = judge.violations();
    assert!(!found.is_empty(), "nobody minds {}", lines.last().unwrap().1);
    for violation in &found {
        assert_eq!(violation.number, lines.len() as u64, "{violation}");
        assert_eq!(violation.type_name, type_name, "{violation}");
    }
    let said: Vec<String> = found.iter().map(ToString::to_string).collect();
    let said = said.join("\n");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
    assert_eq!(judge.verdict(), Err(format!("{} of {} messages:\n{said}", found.len(), lines.len())));
}

fn wrong_in_the_legacy_era(schemas: &Schemas) {
    for revision in LEGACY {
        let open = || opening(revision);
        let asked = |method: &str, params: Value| {
            let mut lines = open();
            lines.push((Client, request(1, method, params)));
            lines
        };
        let refused = |lines, planted, type_name, words: &[&str]| refused(schemas, lines, planted, type_name, words);
        // Requests.
        refused(open(), (Client, request(1, "tools/call", json!({}))), "CallToolRequest", &["/params", "name"]);
        refused(
            open(),
            (Client, request(1, "tools/call", json!({ "name": "a", "arguments": [] }))),
            "CallToolRequest",
            &["/params/arguments", "object"],
        );
        refused(open(), (Client, request(1, "tools/cull", json!({}))), "tools/cull", &["ClientRequest has no such"]);
        refused(open(), (Client, request(1, "roots/list", json!({}))), "roots/list", &["ClientRequest has no such"]);
        refused(open(), (Server, request(1, "tools/list", json!({}))), "tools/list", &["ServerRequest has no such"]);
        refused(open(), (Client, request(1, "server/discover", json!({}))), "server/discover", &["no such method"]);
        refused(
            open(),
            (Server, request(1, "sampling/createMessage", json!({ "messages": [] }))),
            "CreateMessageRequest",
            &["maxTokens"],
        );
        refused(
            open(),
            (Client, request(1, "resources/read", json!({ "uri": "no address" }))),
            "ReadResourceRequest",
            &["/params/uri", "uri"],
        );
        // Results.
        refused(
            asked("tools/call", json!({ "name": "a" })),
            (Server, result(1, json!({}))),
            "CallToolResult",
            &["/result", "content"],
        );
        refused(
            asked("resources/read", json!({ "uri": "a:b" })),
            (Server, result(1, json!({ "contents": [{ "uri": "a:b", "blob": "not base64" }] }))),
            "ReadResourceResult",
            &["/result/contents/0"],
        );
        refused(
            asked("ping", json!({})),
            (Server, result(1, json!([]))),
            "EmptyResult",
            &["/result: [] is not of type"],
        );
        refused(
            asked("prompts/get", json!({ "name": "a" })),
            (
                Server,
                result(1, json!({ "messages": [{ "role": "tool", "content": { "type": "text", "text": "a" } }] })),
            ),
            "GetPromptResult",
            &["/result/messages/0/role"],
        );
        // Errors.
        let error_type = if revision == "2025-11-25" { "JSONRPCErrorResponse" } else { "JSONRPCError" };
        refused(
            asked("ping", json!({})),
            (Server, error(1, json!({ "code": -1 }))),
            error_type,
            &["/error", "message"],
        );
        refused(
            asked("ping", json!({})),
            (Server, error(1, json!({ "code": "a", "message": "b" }))),
            error_type,
            &["/error/code"],
        );
        // The id of a request that could not be read. Only older revisions have `null` there, and only for that.
        let unread = |code: i64| (Server, error(Value::Null, json!({ "code": code, "message": "no" })));
        match revision {
            "2025-11-25" => refused(open(), unread(-32700), error_type, &["/id"]),
            _ => {
                refused(open(), unread(-32601), error_type, &["/id"]);
                let mut lines = open();
                lines.push(unread(-32700));
                lines.push((Server, error(77, json!({ "code": -32700, "message": "half a line" }))));
                heard(schemas, &lines).assert_clean();
            }
        }
        // Notifications.
        refused(
            open(),
            (Server, notification("notifications/progress", json!({ "progress": 1 }))),
            "ProgressNotification",
            &["progressToken"],
        );
        refused(
            open(),
            (Server, notification("notifications/message", json!({ "level": "warn", "data": 1 }))),
            "LoggingMessageNotification",
            &["/params/level"],
        );
        refused(
            open(),
            (Server, notification("notifications/initialized", json!({}))),
            "notifications/initialized",
            &["no such"],
        );
        // The envelope.
        refused(open(), (Client, json!({ "id": 1, "method": "ping" })), "PingRequest", &["jsonrpc"]);
        refused(open(), (Client, json!({ "jsonrpc": "2.0", "id": 1.5, "method": "ping" })), "PingRequest", &["/id"]);
        refused(open(), (Client, json!({ "jsonrpc": "2.0" })), "JSONRPCMessage", &["as a whole"]);
        refused(open(), (Client, json!("hello")), "JSONRPCMessage", &["as a whole"]);
    }
    refused(
        schemas,
        vec![],
        (Client, request(0, "initialize", json!({ "protocolVersion": "2025-06-18", "capabilities": {} }))),
        "InitializeRequest",
        &["clientInfo", "2025-06-18"],
    );
    let judge = Judge::new(schemas.clone(), [Client]);
    judge.line(Client, "{");
    assert!(judge.violations()[0].to_string().contains("it is not JSON"));
}

fn wrong_in_the_modern_era(schemas: &Schemas) {
    let asked = |method: &str, params: Value| vec![(Client, request(1, method, modern(params)))];
    let refused = |lines, planted, type_name, words: &[&str]| refused(schemas, lines, planted, type_name, words);
    // The first request of the modern era that is heard says that it is: so each begins with a right one.
    let open = || modern_conversation().into_iter().take(2).collect::<Vec<_>>();
    refused(open(), (Client, request(1, "tools/list", json!({}))), "ListToolsRequest", &["_meta"]);
    refused(open(), (Client, request(1, "ping", modern(json!({})))), "ping", &["ClientRequest has no such method"]);
    refused(open(), (Server, request(1, "roots/list", json!({}))), "roots/list", &["ServerRequest has no such method"]);
    let mut params = modern(json!({ "name": "a" }));
    params["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
    refused(
        open(),
        (Client, request(1, "tools/call", params)),
        "CallToolRequest",
        &["/params/_meta", "clientCapabilities"],
    );
    refused(
        open(),
        (
            Client,
            request(1, "tools/call", modern(json!({ "name": "a", "inputResponses": { "k": { "action": "yes" } } }))),
        ),
        "CallToolRequest",
        &["/params/inputResponses/k"],
    );
    let call = || asked("tools/call", json!({ "name": "a" }));
    refused(call(), (Server, result(1, json!({ "content": [] }))), "CallToolResultResponse", &["/result"]);
    refused(
        call(),
        (Server, result(1, json!({ "resultType": "input_required", "inputRequests": { "k": { "method": "ping" } } }))),
        "CallToolResultResponse",
        &["/result"],
    );
    refused(
        asked("tools/list", json!({})),
        (Server, result(1, json!({ "resultType": "complete", "tools": [] }))),
        "ListToolsResultResponse",
        &["/result", "ttlMs"],
    );
    refused(
        asked(
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "a" }, "argument": { "name": "a", "value": "" } }),
        ),
        (
            Server,
            result(
                1,
                json!({ "resultType": "complete", "completion": { "values": (0..101).map(|n| n.to_string()).collect::<Vec<_>>() } }),
            ),
        ),
        "CompleteResultResponse",
        &["/result/completion/values"],
    );
    // Errors that have a shape of their own.
    refused(
        call(),
        (Server, error(1, json!({ "code": -32022, "message": "no" }))),
        "JSONRPCErrorResponse",
        &["/error", "(UnsupportedProtocolVersionError)"],
    );
    refused(
        call(),
        (Server, error(1, json!({ "code": -32021, "message": "no", "data": { "requiredCapabilities": [] } }))),
        "JSONRPCErrorResponse",
        &["/error/data/requiredCapabilities", "(MissingRequiredClientCapabilityError)"],
    );
    refused(
        call(),
        (Server, json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "no" } })),
        "JSONRPCErrorResponse",
        &["/id"],
    );
    refused(
        asked("subscriptions/listen", json!({ "notifications": {} })),
        (Server, result(1, json!({ "resultType": "complete" }))),
        "SubscriptionsListenResultResponse",
        &["/result", "_meta"],
    );
    // Tasks, of the extension.
    let task =
        json!({ "resultType": "task", "taskId": "t", "status": "working", "createdAt": "c", "lastUpdatedAt": "c" });
    let with = |name: &str, value: Value| {
        let mut task = task.clone();
        task[name] = value;
        task
    };
    refused(call(), (Server, result(1, task.clone())), "CreateTaskResult", &["/result", "ttlMs"]);
    let mut old = with("ttlMs", Value::Null);
    old["pollInterval"] = 5.into();
    refused(call(), (Server, result(1, old)), "CreateTaskResult", &["/result/pollInterval"]);
    let get = || asked("tasks/get", json!({ "taskId": "t" }));
    refused(get(), (Server, result(1, with("ttlMs", 1.into()))), "GetTaskResult", &["/result/resultType"]);
    let mut done = with("ttlMs", 1.into());
    done["resultType"] = "complete".into();
    done["status"] = "completed".into();
    refused(get(), (Server, result(1, done.clone())), "GetTaskResult", &["/result", "\"result\" is a required"]);
    done["status"] = "working".into();
    done["result"] = json!({});
    refused(get(), (Server, result(1, done)), "GetTaskResult", &["/result/result"]);
    refused(open(), (Client, request(1, "tasks/get", modern(json!({})))), "GetTaskRequest", &["taskId"]);
    refused(open(), (Client, request(1, "tasks/list", modern(json!({})))), "tasks/list", &["no such method"]);
    refused(
        open(),
        (Client, request(1, "tasks/update", modern(json!({ "taskId": "t" })))),
        "UpdateTaskRequest",
        &["inputResponses"],
    );
}

fn ids_are_kept_account_of(schemas: &Schemas) {
    let ping = |id: i64| (Client, json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }));
    let open = || {
        let mut lines = opening("2025-11-25");
        lines.push(ping(1));
        lines
    };
    refused(schemas, open(), ping(1), "PingRequest", &["has not been answered yet"]);
    refused(schemas, open(), (Server, result(2, json!({}))), "JSONRPCResponse", &["nobody asked"]);
    refused(schemas, open(), (Server, result("1", json!({}))), "JSONRPCResponse", &["nobody asked"]);
    // The client asked, not the server.
    refused(schemas, open(), (Client, result(1, json!({}))), "JSONRPCResponse", &["nobody asked"]);
    let mut answered = open();
    answered.push((Server, result(1, json!({}))));
    refused(schemas, answered.clone(), (Server, result(1, json!({}))), "EmptyResult", &["answered before"]);
    answered.extend([ping(1), (Server, result(1, json!({})))]);
    heard(schemas, &answered).assert_clean();
}

fn a_notification_has_its_place(schemas: &Schemas) {
    let call = |id: i64| {
        let params = json!({ "name": "a", "_meta": { "progressToken": format!("t{id}") } });
        (Client, request(id, "tools/call", params))
    };
    let progress = |token: &str| {
        (Server, notification("notifications/progress", json!({ "progressToken": token, "progress": 1 })))
    };
    let mut lines = opening("2025-11-25");
    lines.push(call(1));
    refused(schemas, lines.clone(), progress("t2"), "ProgressNotification", &["/params/progressToken", "\"t2\""]);
    lines.push(progress("t1"));
    heard(schemas, &lines).assert_clean();
    lines.push((Server, result(1, json!({ "content": [] }))));
    refused(schemas, lines, progress("t1"), "ProgressNotification", &["nobody waits"]);
    // What is cancelled is one's own request.
    let cancel = |side: Side, id: i64| (side, notification("notifications/cancelled", json!({ "requestId": id })));
    let mut lines = opening("2025-11-25");
    lines.push(call(1));
    let no_request = &["/params/requestId", "is no request"];
    refused(schemas, lines.clone(), cancel(Client, 2), "CancelledNotification", no_request);
    refused(schemas, lines.clone(), cancel(Server, 1), "CancelledNotification", no_request);
    refused(schemas, opening("2025-11-25"), cancel(Client, 0), "CancelledNotification", &["initialize cannot"]);
    lines.push(cancel(Client, 1));
    heard(schemas, &lines).assert_clean();
    // In the modern era, news come by a subscription.
    let listen = (Client, request(5, "subscriptions/listen", modern(json!({ "notifications": {} }))));
    let news = |id: i64| {
        let meta = json!({ "_meta": { "io.modelcontextprotocol/subscriptionId": id } });
        (Server, notification("notifications/tools/list_changed", meta))
    };
    let end = json!({ "resultType": "complete", "_meta": { "io.modelcontextprotocol/subscriptionId": 5 } });
    let mut lines: Vec<_> = modern_conversation().into_iter().take(2).collect();
    let type_name = "ToolListChangedNotification";
    refused(schemas, lines.clone(), news(5), type_name, &["no subscription that is open"]);
    lines.push(listen);
    let bare = (Server, notification("notifications/tools/list_changed", json!({})));
    refused(schemas, lines.clone(), bare, type_name, &["null is no subscription"]);
    lines.push(news(5));
    lines.push(cancel(Server, 5));
    heard(schemas, &lines).assert_clean();
    lines.push((Server, result(5, end)));
    refused(schemas, lines, news(5), type_name, &["no subscription that is open"]);
}

fn only_the_sides_that_are_to_be_judged_are(schemas: &Schemas) {
    let judge = Judge::new(schemas.clone(), [Client]);
    for (side, line) in opening("2025-11-25") {
        judge.line(side, &line.to_string());
    }
    for line in
        ["not JSON", r#"{"jsonrpc":"2.0","id":1,"method":"no such"}"#, r#"{"jsonrpc":"2.0","id":99,"result":1}"#, "[]"]
    {
        judge.line(Server, line);
    }
    // Also what that other side asked for is remembered.
    judge.line(Client, &error(1, json!({ "code": -32601, "message": "no" })).to_string());
    judge.assert_clean();
    assert_eq!(judge.judged().values().sum::<u64>(), 3);
}

fn each_message_is_judged_by_the_revision_it_is_in(schemas: &Schemas) {
    // A client of both eras asks a server of the older one.
    let mut lines = vec![
        (Client, request(100, "server/discover", modern(json!({})))),
        (Server, error(100, json!({ "code": -32601, "message": "no such method" }))),
    ];
    lines.extend(opening("2024-11-05"));
    lines.push((Client, notification("notifications/cancelled", json!({ "requestId": 100 }))));
    lines.push((Client, request(1, "ping", json!({}))));
    let judge = heard(schemas, &lines);
    judge.assert_clean();
    let judged = judge.judged();
    for name in [
        "2026-07-28 DiscoverRequest",
        "2024-11-05 InitializeResult",
        "2026-07-28 ClientNotification",
        "2024-11-05 PingRequest",
    ] {
        assert_eq!(judged.get(name), Some(&1), "{name} is not in {judged:?}");
    }
    // The server may choose an older revision than it was asked for.
    let mut lines = opening("2025-11-25");
    lines[1].1["result"]["protocolVersion"] = "2024-11-05".into();
    lines.push((Client, request(1, "tasks/list", json!({}))));
    let found = heard(schemas, &lines).violations();
    assert_eq!((found.len(), found[0].revision.as_str()), (1, "2024-11-05"));
}

fn a_judge_that_heard_nothing_is_not_content(schemas: &Schemas) {
    let judge = Judge::new(schemas.clone(), [Server]);
    judge.line(Client, &request(1, "ping", json!({})).to_string());
    assert_eq!(judge.verdict(), Err("there was nothing to be judged".to_owned()));
}
