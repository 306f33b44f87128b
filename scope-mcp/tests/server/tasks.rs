//! Calls of tools that become tasks, in both forms.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use event_listener::Event;
use scope_mcp::model::{ElicitFormParams, FormField, TaskSupport};
use scope_mcp::{Context, HandlerError, NoArguments, ServeOptions, Server, ServerTool};
use serde_json::{Value, json};

use crate::wire::{Peer, modern_meta, on_every_runtime};

/// What the tests know of the tools that run.
#[derive(Default)]
struct Known {
    running: AtomicUsize,
    go: Event,
    changed: Event,
}

/// While a tool runs.
struct Running(Arc<Known>);

impl Running {
    fn new(known: &Arc<Known>) -> Running {
        known.running.fetch_add(1, Ordering::SeqCst);
        known.changed.notify(usize::MAX);
        Running(Arc::clone(known))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify(usize::MAX);
    }
}

impl Known {
    /// Waits until so many tools run.
    async fn run(&self, count: usize) {
        loop {
            let changed = self.changed.listen();
            if self.running.load(Ordering::SeqCst) == count {
                return;
            }
            changed.await;
        }
    }
}

/// Has `slow`, which waits for [`Known::go`]; `quick`; `failing`; `panicking`; `asking`; `only`, which is a task always; and
/// `never`, which is none.
fn server(known: &Arc<Known>) -> Server {
    let support = |support| move |tool: ServerTool| tool.describe(|tool| tool.task_support(support));
    let optional = support(TaskSupport::Optional);
    let (slow, only) = (Arc::clone(known), Arc::clone(known));
    Server::builder("tasks", "1")
        .add_tool(optional(ServerTool::new("slow", "", move |_: NoArguments, cx: Context| {
            let known = Arc::clone(&slow);
            async move {
                let go = known.go.listen();
                let _running = Running::new(&known);
                cx.progress(0.5, None, None).await;
                go.await;
                "done"
            }
        })))
        .add_tool(optional(ServerTool::new("quick", "", |_: NoArguments, _| async { "at once" })))
        .add_tool(optional(ServerTool::new("failing", "", |_: NoArguments, _| async {
            Err::<(), _>(HandlerError::new("it broke"))
        })))
        .add_tool(optional(ServerTool::new("panicking", "", |_: NoArguments, _| async { panic!("on purpose") as () })))
        .add_tool(optional(ServerTool::new("asking", "", |_: NoArguments, cx: Context| async move {
            let mut all = Vec::new();
            for key in ["name", "greeting"] {
                let form = ElicitFormParams::new("?").required_field(key, FormField::text());
                let answer = cx.elicit(key, form).await?;
                all.push(answer.content.unwrap_or_default()[key].as_str().unwrap_or_default().to_owned());
            }
            Ok::<_, HandlerError>(all.join(", "))
        })))
        .add_tool(support(TaskSupport::Required)(ServerTool::new("only", "", move |_: NoArguments, _| {
            let running = Running::new(&only);
            async move {
                let _running = running;
                std::future::pending::<()>().await;
            }
        })))
        .add_tool(ServerTool::new("never", "", |_: NoArguments, _| async { "none" }))
        .build()
        .unwrap()
}

fn core_call(name: &str, ttl: Option<u64>) -> Value {
    let mut task = json!({});
    if let Some(ttl) = ttl {
        task["ttl"] = ttl.into();
    }
    json!({ "name": name, "task": task, "_meta": { "progressToken": "p" } })
}

async fn core(n: &impl scope_mcp::Home, known: &Arc<Known>, options: ServeOptions) -> (Peer, scope_mcp::ServerHandle) {
    let (mut peer, handle) = Peer::judged(n, &server(known), options);
    peer.initialize("2025-11-25", json!({ "elicitation": {} })).await;
    (peer, handle)
}

fn extension() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} }, "elicitation": {} })
}

/// Asks for the task until it is as `wanted`.
async fn modern_until(peer: &mut Peer, id: &Value, wanted: &str) -> Value {
    loop {
        let task = peer.modern("tasks/get", json!({ "taskId": id }), extension()).await["result"].clone();
        assert_eq!(task["resultType"], "complete", "{task}");
        if task["status"] == wanted {
            return task;
        }
        assert!(task["status"] == "working" || task["status"] == "input_required", "{task}");
        scope_core::sleep(Duration::from_millis(1)).await.unwrap();
    }
}

on_every_runtime! {
    async fn a_call_of_the_core_form_is_answered_with_a_task_and_goes_on(n) {
        let known = Arc::<Known>::default();
        let (mut peer, _handle) = core(n, &known, ServeOptions::default()).await;
        let created = peer.call("tools/call", core_call("slow", Some(5000))).await["result"]["task"].clone();
        assert_eq!((&created["status"], &created["ttl"]), (&json!("working"), &json!(5000)));
        let id = created["taskId"].clone();
        let progress = peer.hear().await;
        assert_eq!(progress["method"], "notifications/progress", "a task goes on telling how far it is: {progress}");
        assert_eq!(progress["params"]["_meta"]["io.modelcontextprotocol/related-task"], json!({ "taskId": id }));
        let task = peer.call("tasks/get", json!({ "taskId": id })).await["result"].clone();
        assert_eq!((&task["status"], &task["createdAt"]), (&json!("working"), &created["createdAt"]));
        // Its result is waited for.
        let result = peer.ask("tasks/result", json!({ "taskId": id })).await;
        assert_eq!(peer.call("ping", json!({})).await["result"], json!({}));
        known.run(1).await;
        known.go.notify(1);
        let (mut status, mut answer) = (None, None);
        for _ in 0..2 {
            let message = peer.hear().await;
            let kind = if message.get("method").is_some() { &mut status } else { &mut answer };
            *kind = Some(message);
        }
        let (status, answer) = (status.unwrap(), answer.unwrap());
        assert_eq!((&status["method"], &status["params"]["status"]), (&json!("notifications/tasks/status"), &json!("completed")));
        assert_eq!(answer["id"], result);
        assert_eq!(answer["result"]["content"][0]["text"], "done");
        assert_eq!(answer["result"]["_meta"]["io.modelcontextprotocol/related-task"], json!({ "taskId": id }));
        let again = peer.call("tasks/result", json!({ "taskId": id })).await;
        assert_eq!(again["result"], answer["result"]);
        let list = peer.call("tasks/list", json!({})).await["result"].clone();
        assert_eq!((&list["tasks"][0]["taskId"], &list["tasks"][0]["status"]), (&id, &json!("completed")));
        assert_eq!(peer.call("tasks/cancel", json!({ "taskId": id })).await["error"]["code"], -32602, "it is over");
    }
}

on_every_runtime! {
    async fn a_tool_that_fails_or_panics_fails_its_task_and_its_result_says_how(n) {
        let (mut peer, _handle) = core(n, &Arc::default(), ServeOptions::default()).await;
        for (name, error) in [("failing", None), ("panicking", Some(-32603))] {
            let id = peer.call("tools/call", core_call(name, None)).await["result"]["task"]["taskId"].clone();
            let status = peer.hear().await;
            assert_eq!((&status["params"]["taskId"], &status["params"]["status"]), (&id, &json!("failed")), "{name}");
            let answer = peer.call("tasks/result", json!({ "taskId": id })).await;
            match error {
                Some(code) => assert_eq!(answer["error"]["code"], code),
                None => assert_eq!((&answer["result"]["isError"], &answer["result"]["content"][0]["text"]), (&json!(true), &json!("it broke"))),
            }
        }
    }
}

on_every_runtime! {
    async fn a_task_that_is_cancelled_ends(n) {
        let known = Arc::<Known>::default();
        let (mut peer, _handle) = core(n, &known, ServeOptions::default()).await;
        let id = peer.call("tools/call", core_call("only", None)).await["result"]["task"]["taskId"].clone();
        known.run(1).await;
        let cancel = peer.ask("tasks/cancel", json!({ "taskId": id })).await;
        let status = peer.hear().await;
        assert_eq!((&status["method"], &status["params"]["status"]), (&json!("notifications/tasks/status"), &json!("cancelled")));
        let answer = peer.hear().await;
        assert_eq!((&answer["id"], &answer["result"]["status"]), (&json!(cancel), &json!("cancelled")));
        known.run(0).await;
        assert_eq!(peer.call("tasks/result", json!({ "taskId": id })).await["error"]["message"], "cancelled by the client");
    }
}

on_every_runtime! {
    async fn a_task_of_the_core_form_asks_by_requests(n) {
        let (mut peer, _handle) = core(n, &Arc::default(), ServeOptions::default()).await;
        let id = peer.call("tools/call", core_call("asking", None)).await["result"]["task"]["taskId"].clone();
        for (key, value) in [("name", "Ada"), ("greeting", "hello")] {
            let question = peer.hear().await;
            assert_eq!(question["method"], "elicitation/create");
            assert_eq!(question["params"]["_meta"]["io.modelcontextprotocol/related-task"]["taskId"], id);
            assert_eq!(peer.call("tasks/get", json!({ "taskId": id })).await["result"]["status"], "input_required");
            let answer = json!({ "action": "accept", "content": { key: value } });
            peer.say(json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer })).await;
        }
        assert_eq!(peer.hear().await["params"]["status"], "completed");
        let answer = peer.call("tasks/result", json!({ "taskId": id })).await;
        assert_eq!(answer["result"]["content"][0]["text"], "Ada, hello");
    }
}

on_every_runtime! {
    async fn what_can_be_a_task_is_declared_and_kept_to(n) {
        let known = Arc::<Known>::default();
        let (mut peer, _handle) = Peer::judged(n, &server(&known), ServeOptions::default());
        let begun = peer.initialize("2025-11-25", json!({})).await;
        let tasks = json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } });
        assert_eq!(begun["result"]["capabilities"]["tasks"], tasks);
        let tools = peer.call("tools/list", json!({})).await["result"]["tools"].clone();
        let support: Vec<_> = tools.as_array().unwrap().iter().map(|tool| tool["execution"]["taskSupport"].clone()).collect();
        assert_eq!(support[0], "optional");
        assert_eq!(support[5..], [json!("required"), Value::Null]);
        assert_eq!(peer.call("tools/call", json!({ "name": "only" })).await["error"]["code"], -32601);
        assert_eq!(peer.call("tools/call", core_call("never", None)).await["error"]["code"], -32601);
        assert_eq!(peer.call("tools/call", json!({ "name": "quick" })).await["result"]["content"][0]["text"], "at once");
        assert_eq!(peer.call("tools/call", core_call("no such", None)).await["error"]["code"], -32602);
        for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
            assert_eq!(peer.call(method, json!({ "taskId": "no such" })).await["error"]["code"], -32602, "{method}");
        }
        assert_eq!(peer.call("tasks/list", json!({ "cursor": "no" })).await["error"]["code"], -32602);
        assert_eq!(peer.call("tasks/update", json!({ "taskId": "x" })).await["error"]["code"], -32601, "of the extension");
        // A revision without tasks does not know of them.
        let (mut peer, _handle) = Peer::judged(n, &server(&known), ServeOptions::default());
        let begun = peer.initialize("2025-06-18", json!({})).await;
        assert!(begun["result"]["capabilities"].get("tasks").is_none());
        assert_eq!(peer.call("tools/call", core_call("quick", None)).await["result"]["content"][0]["text"], "at once");
        assert_eq!(peer.call("tasks/list", json!({})).await["error"]["code"], -32601);
    }
}

on_every_runtime! {
    async fn so_many_tasks_there_are_and_no_more(n) {
        let options = ServeOptions::default().max_tasks(2);
        let (mut peer, _handle) = core(n, &Arc::default(), options).await;
        for _ in 0..2 {
            assert!(peer.call("tools/call", core_call("only", None)).await["result"]["task"].is_object());
        }
        let refused = peer.call("tools/call", core_call("only", None)).await;
        assert_eq!(refused["error"]["code"], -32000, "{refused}");
    }
}

on_every_runtime! {
    async fn a_task_whose_time_is_over_is_cancelled_and_forgotten(n) {
        let known = Arc::<Known>::default();
        let options = ServeOptions::default().max_tasks(1).task_lifetime(Duration::from_millis(50));
        let (mut peer, _handle) = core(n, &known, options).await;
        for _ in 0..2 {
            let task = peer.call("tools/call", core_call("only", Some(1_000_000))).await["result"]["task"].clone();
            assert_eq!(task["ttl"], 50, "no more than the server gives");
            let status = peer.hear().await;
            assert_eq!(status["params"]["statusMessage"], "its time is over", "{status}");
            known.run(0).await;
            assert_eq!(peer.call("tasks/list", json!({})).await["result"]["tasks"], json!([]));
            assert_eq!(peer.call("tasks/get", json!({ "taskId": task["taskId"] })).await["error"]["code"], -32602);
        }
    }
}

on_every_runtime! {
    async fn tasks_end_with_their_connection(n) {
        let known = Arc::<Known>::default();
        let (mut peer, handle) = core(n, &known, ServeOptions::default()).await;
        for _ in 0..3 {
            peer.call("tools/call", core_call("only", None)).await;
        }
        known.run(3).await;
        // A result that is waited for is not; nobody can ask for it any more.
        peer.end_input().await;
        assert!(handle.closed().await.is_some());
        assert_eq!(known.running.load(Ordering::SeqCst), 0);
    }
}

on_every_runtime! {
    async fn with_the_extension_the_server_decides_and_the_client_asks_until_it_is_done(n) {
        let known = Arc::<Known>::default();
        let (mut peer, _handle) = Peer::judged(n, &server(&known), ServeOptions::default());
        let discovered = peer.modern("server/discover", json!({}), json!({})).await;
        assert_eq!(discovered["result"]["capabilities"]["extensions"], json!({ "io.modelcontextprotocol/tasks": {} }));
        let created = peer.modern("tools/call", json!({ "name": "slow" }), extension()).await["result"].clone();
        assert_eq!((&created["resultType"], &created["status"]), (&json!("task"), &json!("working")));
        assert_eq!((&created["ttlMs"], &created["pollIntervalMs"]), (&json!(3_600_000), &json!(1000)));
        let id = created["taskId"].clone();
        known.run(1).await;
        let working = modern_until(&mut peer, &id, "working").await;
        assert!(working.get("result").is_none(), "and no progress is told of: {working}");
        known.go.notify(1);
        let done = modern_until(&mut peer, &id, "completed").await;
        assert_eq!(done["result"]["content"][0]["text"], "done");
        for (name, status) in [("failing", "completed"), ("panicking", "failed")] {
            let id = peer.modern("tools/call", json!({ "name": name }), extension()).await["result"]["taskId"].clone();
            let task = modern_until(&mut peer, &id, status).await;
            match status {
                "failed" => assert_eq!(task["error"]["code"], -32603),
                _ => assert_eq!(task["result"]["isError"], true),
            }
        }
    }
}

on_every_runtime! {
    async fn with_the_extension_a_task_asks_in_its_state(n) {
        let (mut peer, _handle) = Peer::judged(n, &server(&Arc::default()), ServeOptions::default());
        let id = peer.modern("tools/call", json!({ "name": "asking" }), extension()).await["result"]["taskId"].clone();
        for (key, value) in [("name", "Ada"), ("greeting", "hello")] {
            let task = loop {
                let task = modern_until(&mut peer, &id, "input_required").await;
                if task["inputRequests"].get(key).is_some() {
                    break task;
                }
            };
            assert_eq!(task["inputRequests"].as_object().unwrap().len(), 1, "{task}");
            assert_eq!(task["inputRequests"][key]["method"], "elicitation/create");
            let answers = json!({ key: { "action": "accept", "content": { key: value } }, "never asked": 1 });
            let update = json!({ "taskId": id, "inputResponses": answers });
            let answer = peer.modern("tasks/update", update, extension()).await;
            assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        }
        let done = modern_until(&mut peer, &id, "completed").await;
        assert_eq!(done["result"]["content"][0]["text"], "Ada, hello");
    }
}

on_every_runtime! {
    async fn a_client_without_the_extension_gets_no_task(n) {
        let known = Arc::<Known>::default();
        let (mut peer, _handle) = Peer::judged(n, &server(&known), ServeOptions::default());
        let answer = peer.modern("tools/call", json!({ "name": "quick" }), json!({})).await;
        assert_eq!(answer["result"]["content"][0]["text"], "at once");
        let needed = json!({ "requiredCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } } });
        for (method, params) in [("tools/call", json!({ "name": "only" })), ("tasks/get", json!({ "taskId": "x" }))] {
            let answer = peer.modern(method, params, json!({})).await;
            assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(-32021), &needed), "{method}");
        }
        for method in ["tasks/result", "tasks/list"] {
            assert_eq!(peer.modern(method, json!({ "taskId": "x" }), extension()).await["error"]["code"], -32601, "{method}");
        }
        let answer = peer.modern("tasks/cancel", json!({ "taskId": "no such" }), extension()).await;
        assert_eq!(answer["error"]["code"], -32602);
        let id = peer.modern("tools/call", json!({ "name": "only" }), extension()).await["result"]["taskId"].clone();
        known.run(1).await;
        let answer = peer.modern("tasks/cancel", json!({ "taskId": id }), extension()).await;
        assert!(answer["result"].get("taskId").is_none() && answer["result"]["resultType"] == "complete", "{answer}");
        known.run(0).await;
        assert_eq!(modern_until(&mut peer, &id, "cancelled").await["statusMessage"], "cancelled by the client");
    }
}

on_every_runtime! {
    async fn with_the_extension_a_client_that_listens_is_told_of_its_tasks(n) {
        let known = Arc::<Known>::default();
        let (mut peer, _handle) = Peer::judged(n, &server(&known), ServeOptions::default());
        let id = peer.modern("tools/call", json!({ "name": "slow" }), extension()).await["result"]["taskId"].clone();
        known.run(1).await;
        let listen = |capabilities| {
            json!({ "notifications": { "taskIds": [id, "no such"] }, "_meta": modern_meta(capabilities) })
        };
        let refused = peer.call("subscriptions/listen", listen(json!({}))).await;
        assert_eq!(refused["error"]["code"], -32021, "{refused}");
        let listening = peer.ask("subscriptions/listen", listen(extension())).await;
        let begun = peer.hear().await;
        assert_eq!(begun["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(begun["params"]["notifications"], json!({ "taskIds": [id] }), "those that there are");
        for status in ["working", "completed"] {
            let told = peer.hear().await;
            assert_eq!((&told["method"], &told["params"]["status"]), (&json!("notifications/tasks"), &json!(status)));
            assert_eq!(told["params"]["taskId"], id);
            assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], listening);
            assert_eq!(told["params"].get("result").is_some(), status == "completed", "{told}");
            known.go.notify(1);
        }
        // One that is over when it is first listened to is told of at once.
        peer.ask("subscriptions/listen", listen(extension())).await;
        assert_eq!(peer.hear().await["params"]["notifications"], json!({ "taskIds": [id] }));
        assert_eq!(peer.hear().await["params"]["status"], "completed");
    }
}

on_every_runtime! {
    async fn the_tasks_of_one_form_are_not_those_of_the_other(n) {
        let known = Arc::<Known>::default();
        // Not judged: no conversation is of both eras but this.
        let (mut peer, _handle) = Peer::of(n, &server(&known), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        let core = peer.call("tools/call", core_call("only", None)).await["result"]["task"]["taskId"].clone();
        let modern = peer.modern("tools/call", json!({ "name": "only" }), extension()).await["result"]["taskId"].clone();
        assert_eq!(peer.call("tasks/get", json!({ "taskId": modern })).await["error"]["code"], -32602);
        let answer = peer.modern("tasks/get", json!({ "taskId": core }), extension()).await;
        assert_eq!(answer["error"]["code"], -32602);
        let list = peer.call("tasks/list", json!({})).await["result"]["tasks"].clone();
        assert_eq!((list.as_array().unwrap().len(), &list[0]["taskId"]), (1, &core));
    }
}
