//! A server for tests: a good one, or a bad one of the kind that its first argument names.
//!
//! It speaks for itself, on std alone, so that a mistake of the client's is not made twice.

mod good;
mod says;

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

/// A time that no test waits for.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// The argument by which this program becomes a server.
pub(crate) const FLAG: &str = "--peer";

/// Arguments: the kind, and what that takes.
pub(crate) fn run(mut args: impl Iterator<Item = String>) {
    let kind = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let number = |at: usize| rest.get(at).and_then(|text| text.parse::<u64>().ok());
    match kind.as_str() {
        "good" => good::run(&rest),
        "says" => says::run(&rest),
        "begins-badly" => crate::bad_openings::run(&rest[0], number(1).map(|code| code as i32), rest.len() > 2),
        "probed" => crate::probing::run(&rest[0]),
        // Answers one `tools/list` after the other with its arguments, and every other call with nothing much.
        "lists" => {
            initialize("2025-11-25");
            let mut pages = rest.iter().map(String::as_str);
            while let Some(message) = receive() {
                let answer = match message["method"].as_str() {
                    Some("tools/list") => pages.next(),
                    Some("tools/call") => Some(r#""result":{"content":[]}"#),
                    Some("ping") => Some(r#""result":{}"#),
                    _ => None,
                };
                if let Some(answer) = answer {
                    say(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{},{answer}}}", message["id"]));
                }
            }
        }
        // Says after so many milliseconds what a call is about, asks whether the client is there, and answers when it is.
        "later" => {
            initialize("2025-11-25");
            while let Some(message) = receive() {
                if message["method"] != "tools/call" {
                    continue;
                }
                let arguments = &message["params"]["arguments"];
                std::thread::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap_or(0)));
                let params = json!({ "level": "info", "data": arguments["ms"] });
                say(&json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string());
                say(&json!({ "jsonrpc": "2.0", "id": "there?", "method": "ping" }).to_string());
                while receive().is_some_and(|answer| answer["id"] != "there?") {}
                let result = json!({ "content": [{ "type": "text", "text": "there" }] });
                say(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string());
            }
        }
        // Prints text and waits for the end of its input.
        "text" => {
            println!("Welcome to \u{1b}[31mserver\u{7} token=hush-hush!");
            wait_for_end();
        }
        "text-without-end" => loop {
            if writeln!(io::stdout(), "y").is_err() {
                return;
            }
        },
        "silent" => wait_for_end(),
        // On our own transport.
        "echo" => std::process::exit(crate::stdio::echo(&rest[0])),
        "exits" => {
            eprintln!("first words\nlast \u{1b}[1mwords");
            std::process::exit(number(0).unwrap_or(0) as i32);
        }
        "answers-initialize-with" => {
            let request = first();
            say(&rest[0].replace("ID", &request["id"].to_string()));
            wait_for_end();
        }
        "dies-between-two-halves" => {
            initialize("2025-11-25");
            let request = wait_for_call();
            print!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"content\":[", request["id"]);
            let _ = io::stdout().flush();
            eprintln!("out of cheese");
            std::process::exit(3);
        }
        "dies-on-call" => {
            initialize("2025-11-25");
            wait_for_call();
            std::process::abort();
        }
        "too-long" => {
            initialize("2025-11-25");
            let length = number(0).unwrap_or(0) as usize;
            serve(|method, id| match method {
                "tools/call" => {
                    let mut out = io::stdout().lock();
                    let _ = write!(out, "{{\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"");
                    let _ = out.write_all(&vec![b'x'; length]);
                    let _ = writeln!(out, "\"}}]}},\"jsonrpc\":\"2.0\",\"id\":{id}}}");
                    None
                }
                _ => Some(json!({})),
            });
        }
        "cursor-loop" => {
            initialize("2025-11-25");
            serve(|_, _| Some(json!({ "tools": [], "nextCursor": "again" })));
        }
        "pages-without-end" => {
            initialize("2025-11-25");
            let mut page = 0;
            serve(|_, _| {
                page += 1;
                Some(
                    json!({ "tools": [{ "name": format!("t{page}"), "inputSchema": {} }], "nextCursor": page.to_string() }),
                )
            });
        }
        "lists-a-bad-tool" => {
            initialize("2025-11-25");
            serve(|_, _| Some(json!({ "tools": [{ "name": "good", "inputSchema": {} }, { "name": "bad\u{7}" }] })));
        }
        // Answers each call after so many notifications.
        "floods" => {
            initialize("2025-11-25");
            let count = number(0).unwrap_or(0);
            serve(|_, _| {
                let mut out = io::BufWriter::new(io::stdout().lock());
                for n in 0..count {
                    let _ = writeln!(
                        out,
                        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":1,\"progress\":{n}}}}}"
                    );
                }
                drop(out);
                Some(json!({ "content": [] }))
            });
        }
        "floods-without-end" => {
            initialize("2025-11-25");
            let line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n".repeat(1000);
            while io::stdout().write_all(line.as_bytes()).is_ok() {}
        }
        "fills-standard-error" => {
            initialize("2025-11-25");
            serve(|_, _| {
                let mut err = io::BufWriter::new(io::stderr().lock());
                for n in 0..100_000 {
                    let _ = writeln!(err, "line {n} of nothing in particular");
                }
                drop(err);
                Some(json!({ "content": [] }))
            });
        }
        // Reads no more, ignores the end of its input.
        "deaf" => {
            initialize("2025-11-25");
            // On purpose; and not for ever, should nobody end it.
            std::thread::sleep(LONG);
        }
        // The child of a server, which outlives it.
        "lives-on" => {
            println!("up");
            std::thread::sleep(LONG);
        }
        // Asks the client for things when called, and tells what it was answered.
        "asks" => {
            initialize("2025-11-25");
            let request = wait_for_call();
            say("{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}");
            say("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"roots/list\"}");
            let answers = json!({ "p": receive(), "r": receive() });
            let result = json!({ "content": [], "structuredContent": answers });
            say(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string());
            wait_for_end();
        }
        // Asks without end, as far as a test goes, and reads no answer until it has asked.
        "asks-without-reading" => {
            initialize("2025-11-25");
            let mut out = io::BufWriter::new(io::stdout().lock());
            for n in 0..number(0).unwrap_or(0) {
                let _ = writeln!(out, "{{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"{}\"}}", rest[1]);
            }
            let _ = writeln!(out, "{{\"jsonrpc\":\"2.0\",\"method\":\"asked\"}}");
            drop(out);
            wait_for_end();
        }
        "speaks-only" => {
            initialize(&rest[0]);
            wait_for_end();
        }
        other => {
            eprintln!("no such kind of server: {other:?}");
            std::process::exit(2);
        }
    }
}

/// One line, without a chance for another thread's to get in between.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes());
    let _ = out.flush();
}

/// The next message; `None` at the end.
pub(crate) fn receive() -> Option<Value> {
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(serde_json::from_str(&line).unwrap_or(Value::Null)),
    }
}

fn wait_for_end() {
    let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
}

pub(crate) fn initialize(revision: &str) {
    let request = first();
    assert_eq!(request["method"], "initialize", "the client begins otherwise");
    let result = json!({
        "protocolVersion": revision,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "peer", "version": "1.0" },
    });
    say(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string());
    let next = receive().unwrap_or_default();
    assert_eq!(next["method"], "notifications/initialized", "the client goes on otherwise");
}

/// The first request that a server of the legacy era knows.
fn first() -> Value {
    loop {
        let request = receive().unwrap_or_default();
        if request["method"] != "server/discover" {
            return request;
        }
        let error = json!({ "code": -32601, "message": "Method not found" });
        say(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }).to_string());
    }
}

fn wait_for_call() -> Value {
    while let Some(message) = receive() {
        if message["method"] == "tools/call" {
            return message;
        }
    }
    std::process::exit(0);
}

/// Answers requests until the end of the input.
fn serve(mut answer: impl FnMut(&str, &Value) -> Option<Value>) {
    while let Some(message) = receive() {
        let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id")) else { continue };
        if let Some(result) = answer(method, id) {
            say(&json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string());
        }
    }
}
