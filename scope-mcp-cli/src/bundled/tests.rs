use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::output::Output;
use super::session::Session;

/// What the session writes, message by message.
struct Sink(Sender<Value>);

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1), "one message is one line");
        _ = self.0.send(serde_json::from_slice(line).expect("it writes JSON"));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Peer {
    session: Session,
    answers: Receiver<Value>,
}

impl Peer {
    fn silent() -> Self {
        let (sender, answers) = channel();
        Peer { session: Session::new(Output::new(Sink(sender))), answers }
    }

    fn new(revision: &str) -> Self {
        let peer = Self::silent();
        let answer = peer.ask(json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}},
        }));
        assert_eq!(answer["result"]["protocolVersion"], revision);
        peer.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        peer
    }

    fn say(&self, message: Value) {
        self.session.message(message.to_string().as_bytes()).unwrap();
    }

    fn hear(&self) -> Value {
        self.answers.recv_timeout(Duration::from_secs(30)).expect("an answer")
    }

    fn hears_nothing(&self) {
        if let Ok(heard) = self.answers.try_recv() {
            panic!("nothing was to be said, but: {heard}");
        }
    }

    fn ask(&self, message: Value) -> Value {
        self.say(message);
        self.hear()
    }

    fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        self.ask(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
    }
}

const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

#[test]
fn an_unknown_revision_is_answered_with_the_newest() {
    let peer = Peer::silent();
    let ask = |version: Value| {
        peer.ask(json!({"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": {"protocolVersion": version}}))
    };
    assert_eq!(ask(json!("1999-01-01"))["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(ask(json!(7))["error"]["code"], -32602);
}

#[test]
fn all_tools_come_in_two_pages() {
    for revision in REVISIONS {
        let peer = Peer::new(revision);
        let list = |cursor: Option<&str>| {
            let params = cursor.map_or(json!({}), |cursor| json!({ "cursor": cursor }));
            peer.ask(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}))
        };
        let first = list(None);
        let second = list(first["result"]["nextCursor"].as_str());
        assert!(second["result"].get("nextCursor").is_none());
        let tools: Vec<&Value> =
            [&first, &second].iter().flat_map(|page| page["result"]["tools"].as_array().unwrap()).collect();
        let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["echo", "add", "sleep", "fail", "spawn_child"]);
        assert!(tools.iter().all(|tool| tool["inputSchema"]["type"] == "object"));
        assert_eq!(tools[1].get("outputSchema").is_some(), revision >= "2025-06-18");
        assert_eq!(tools[1].get("annotations").is_some(), revision >= "2025-03-26");
        assert_eq!(list(Some("from:99"))["error"]["code"], -32602);
        assert_eq!(list(Some("x"))["error"]["code"], -32602);
    }
}

#[test]
fn resources_are_listed_and_read() {
    for revision in REVISIONS {
        let peer = Peer::new(revision);
        let ask = |method: &str, params: Value| {
            peer.ask(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        };
        let list = ask("resources/list", json!({}));
        assert_eq!(list["result"]["resources"][0]["uri"], "bundled:readme");
        assert_eq!(list["result"]["resources"][0].get("title").is_some(), revision >= "2025-06-18");
        let templates = ask("resources/templates/list", json!({}));
        assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "bundled:echo/{text}");
        let read = |uri: &str| ask("resources/read", json!({ "uri": uri }));
        let text = &read("bundled:readme")["result"]["contents"][0];
        assert!(text["text"].as_str().unwrap().starts_with("This server") && text.get("blob").is_none());
        assert!(read("bundled:pixel.png")["result"]["contents"][0]["blob"].as_str().unwrap().starts_with("iVBOR"));
        assert_eq!(read("bundled:echo/a b")["result"]["contents"][0]["text"], "a b");
        let none = read("bundled:readm");
        assert_eq!(none["error"]["code"], -32002);
        assert!(none["error"]["message"].as_str().unwrap().contains("did you mean \"bundled:readme\"?"));
        assert_eq!(ask("resources/read", json!({}))["error"]["code"], -32602);
    }
}

#[test]
fn prompts_are_listed_and_filled_in() {
    for revision in REVISIONS {
        let peer = Peer::new(revision);
        let ask = |method: &str, params: Value| {
            peer.ask(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        };
        let list = ask("prompts/list", json!({}));
        assert_eq!(list["result"]["prompts"][0]["arguments"][0]["required"], true);
        assert_eq!(list["result"]["prompts"][0].get("title").is_some(), revision >= "2025-06-18");
        let get = |name: &str, arguments: Value| ask("prompts/get", json!({ "name": name, "arguments": arguments }));
        let greet = get("greet", json!({ "name": "Ada" }));
        assert_eq!(greet["result"]["messages"][0]["content"]["text"], "Greet Ada in English.");
        let greet = get("greet", json!({ "name": "Ada", "language": "French" }));
        assert_eq!(greet["result"]["messages"][0]["content"]["text"], "Greet Ada in French.");
        assert_eq!(get("haiku", json!({}))["result"]["messages"].as_array().unwrap().len(), 3);
        for (name, arguments, said) in [
            ("greet", json!({}), "\"name\" is missing"),
            ("greet", json!({ "name": "Ada", "x": "y" }), "no argument \"x\""),
            ("great", json!({}), "did you mean \"greet\"?"),
        ] {
            let error = get(name, arguments);
            assert_eq!(error["error"]["code"], -32602);
            assert!(error["error"]["message"].as_str().unwrap().contains(said), "{error}");
        }
    }
}

#[test]
fn tools_answer() {
    let peer = Peer::new("2025-11-25");
    assert_eq!(peer.call("echo", json!({"text": "ä\n\u{1b}"}))["result"]["content"][0]["text"], "ä\n\u{1b}");
    let sum = peer.call("add", json!({"a": 2, "b": 3}));
    assert_eq!(sum["result"]["structuredContent"], json!({"sum": 5}));
    assert_eq!(peer.call("add", json!({"a": 0.5, "b": 1}))["result"]["content"][0]["text"], "1.5");
    assert_eq!(peer.call("add", json!({"a": 1e308, "b": 1e308}))["result"]["isError"], true);
    let failed = peer.call("fail", json!({"message": "no"}));
    assert_eq!(failed["result"], json!({"content": [{"type": "text", "text": "no"}], "isError": true}));
    assert_eq!(peer.call("sleep", json!({"seconds": 0}))["result"]["isError"], false);
}

#[test]
fn wrong_arguments_are_reported_as_the_revision_says() {
    let wrong = [
        ("echo", json!({})),
        ("echo", json!({"text": 1})),
        ("echo", json!({"text": "a", "loud": true})),
        ("add", json!({"a": "1", "b": 2})),
        ("sleep", json!({"seconds": -1})),
        ("sleep", json!({"seconds": 1e9})),
    ];
    for revision in REVISIONS {
        let peer = Peer::new(revision);
        for (tool, arguments) in &wrong {
            let answer = peer.call(tool, arguments.clone());
            if revision == "2025-11-25" {
                assert_eq!(answer["result"]["isError"], true, "{answer}");
            } else {
                assert_eq!(answer["error"]["code"], -32602, "{answer}");
            }
        }
        let unknown = peer.call("ecko", json!({}));
        assert_eq!(unknown["error"]["code"], -32602);
        assert_eq!(unknown["error"]["message"], "unknown tool \"ecko\"; did you mean \"echo\"?");
    }
}

#[test]
fn a_cancelled_call_is_not_answered() {
    let peer = Peer::new("2025-11-25");
    let params = json!({"name": "sleep", "arguments": {"seconds": 3600}});
    peer.say(json!({"jsonrpc": "2.0", "id": "long", "method": "tools/call", "params": params}));
    peer.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "other"}}));
    peer.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "long"}}));
    // Once the call is over, its id is free again.
    let params = json!({"name": "sleep", "arguments": {"seconds": 0.001}});
    loop {
        let again = peer.ask(json!({"jsonrpc": "2.0", "id": "long", "method": "tools/call", "params": params}));
        if again["result"]["isError"] == false {
            break;
        }
        std::thread::yield_now();
    }
    peer.hears_nothing();
}

#[test]
fn progress_is_reported_to_those_who_ask() {
    let peer = Peer::new("2025-11-25");
    let params = json!({"name": "sleep", "arguments": {"seconds": 0.01}, "_meta": {"progressToken": "p"}});
    let first = peer.ask(json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}));
    assert_eq!(first["method"], "notifications/progress");
    assert_eq!(first["params"]["progressToken"], "p");
    assert_eq!(first["params"]["total"], 0.01);
    assert_eq!(peer.hear()["id"], 5);
}

#[test]
fn what_is_no_request_is_refused() {
    let peer = Peer::new("2025-11-25");
    let refused = |line: &str| {
        peer.session.message(line.as_bytes()).unwrap();
        let answer = peer.hear();
        (answer["id"].clone(), answer["error"]["code"].as_i64().unwrap())
    };
    assert_eq!(refused("{"), (Value::Null, -32700));
    assert_eq!(refused("7"), (Value::Null, -32600));
    assert_eq!(refused("[]"), (Value::Null, -32600));
    assert_eq!(refused(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#), (Value::Null, -32600));
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1}"#), (json!(1), -32600));
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#), (Value::Null, -32600));
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#), (json!(1), -32600));
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":"x","method":"server/discover"}"#), (json!("x"), -32601));
    peer.session.too_long(10).unwrap();
    assert_eq!(peer.hear()["error"]["code"], -32600);
    for ignored in ["", " \r\n", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, r#"{"jsonrpc":"2.0","method":"x/y"}"#] {
        peer.session.message(ignored.as_bytes()).unwrap();
        peer.hears_nothing();
    }
}

#[test]
fn tools_come_after_initialize_and_ping_whenever() {
    let peer = Peer::silent();
    for method in ["tools/list", "tools/call", "resources/read", "prompts/get"] {
        assert_eq!(peer.ask(json!({"jsonrpc": "2.0", "id": 1, "method": method}))["error"]["code"], -32600);
    }
    assert_eq!(peer.ask(json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover"}))["error"]["code"], -32601);
    assert_eq!(peer.ask(json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}))["result"], json!({}));
}

#[test]
fn a_batch_is_answered_as_one_where_the_revision_has_batches() {
    let peer = Peer::new("2025-03-26");
    let answer = peer.ask(json!([
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "sleep", "arguments": {"seconds": 0.01}}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "ping"},
        7,
    ]));
    let mut ids: Vec<String> = answer.as_array().unwrap().iter().map(|one| one["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["1", "2", "null"]);
    peer.hears_nothing();
}
