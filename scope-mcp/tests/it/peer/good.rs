//! A server that does what it should.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::{LONG, receive, say};

/// The calls that the client gave up, as it told us.
static CANCELLED: Mutex<Vec<Value>> = Mutex::new(Vec::new());

const TOOLS: usize = 7;
const PAGE: usize = 3;

/// Arguments: the revision to answer with (the client's own if none), and what to do besides: `child` starts one that
/// would outlive us, `stubborn` ignores the end of the input.
pub(crate) fn run(args: &[String]) {
    let has = |what: &str| args.iter().any(|arg| arg == what);
    let _child = has("child").then(start_child);
    eprintln!("good server, at your service");
    while let Some(message) = receive() {
        let Some(method) = message["method"].as_str() else { continue };
        let Some(id) = message.get("id").cloned() else {
            if method == "notifications/cancelled"
                && let Ok(mut cancelled) = CANCELLED.lock()
            {
                cancelled.push(message["params"]["requestId"].clone());
            }
            continue;
        };
        let params = message["params"].clone();
        match method {
            "initialize" => {
                let asked = params["protocolVersion"].clone();
                let revision = args.iter().find(|arg| arg.starts_with("20")).map_or(asked, |own| json!(own));
                answer(
                    &id,
                    json!({
                        "protocolVersion": revision,
                        "capabilities": { "tools": { "listChanged": true } },
                        "serverInfo": { "name": "peer", "title": "A peer", "version": "1.0" },
                        "instructions": "Be nice.",
                    }),
                );
            }
            "ping" => answer(&id, json!({})),
            "tools/list" => answer(&id, list(&params)),
            "tools/call" => {
                // Each in a thread: a slow one must not hold up the others.
                std::thread::spawn(move || call(&id, &params));
            }
            other => refuse(&id, json!({ "code": -32601, "message": format!("no method {other}"), "data": [1.50] })),
        }
    }
    if has("stubborn") {
        // On purpose; and not for ever, should nobody end it.
        std::thread::sleep(LONG);
    }
}

/// A child that ignores the end of its input, and runs when this returns.
fn start_child() -> Child {
    let this = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(this);
    let mut child = command.args([super::FLAG, "lives-on"]).stdout(Stdio::piped()).spawn().expect("it starts");
    // It has become its program when it speaks: before that /proc may not have its environment.
    let line = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut String::new()));
    assert!(matches!(line, Some(Ok(1..))), "the child says nothing: {line:?}");
    child
}

fn answer(id: &Value, result: Value) {
    say(&json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string());
}

fn refuse(id: &Value, error: Value) {
    say(&json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string());
}

fn list(params: &Value) -> Value {
    let from: usize = params["cursor"].as_str().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let tools: Vec<Value> = (from..TOOLS.min(from + PAGE))
        .map(|n| json!({ "name": format!("tool{n}"), "inputSchema": { "type": "object" }, "x-new": n }))
        .collect();
    match from + PAGE {
        next if next < TOOLS => json!({ "tools": tools, "nextCursor": next.to_string() }),
        _ => json!({ "tools": tools }),
    }
}

fn call(id: &Value, params: &Value) {
    let arguments = &params["arguments"];
    let text = |text: String| json!({ "content": [{ "type": "text", "text": text }] });
    let result = match params["name"].as_str().unwrap_or_default() {
        "echo" => text(arguments["message"].as_str().unwrap_or_default().to_owned()),
        "sleep" => {
            // A tool that takes its time is what it is.
            std::thread::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap_or(0)));
            text("woke".into())
        }
        "fails" => json!({ "content": [{ "type": "text", "text": "it went wrong" }], "isError": true }),
        "big" => text("x".repeat(arguments["bytes"].as_u64().unwrap_or(0) as usize)),
        "cancelled" => {
            let ids = CANCELLED.lock().map(|ids| ids.clone()).unwrap_or_default();
            json!({ "content": [], "structuredContent": { "ids": ids } })
        }
        "env" => {
            let all: serde_json::Map<String, Value> =
                std::env::vars().map(|(name, value)| (name, value.into())).collect();
            let cwd = std::env::current_dir().unwrap_or_default();
            json!({ "content": [], "structuredContent": { "env": all, "cwd": cwd } })
        }
        "wrong-shape" => json!({ "content": "not a list" }),
        "in-pieces" => {
            let line =
                json!({ "jsonrpc": "2.0", "id": id, "result": text("é in pieces 🦀".into()) }).to_string() + "\r\n";
            let mut out = std::io::stdout().lock();
            for byte in line.as_bytes() {
                let _ = out.write_all(&[*byte]).and_then(|()| out.flush());
            }
            return;
        }
        other => {
            return refuse(id, json!({ "code": -32602, "message": format!("no tool {other}") }));
        }
    };
    answer(id, result);
}
