//! Servers that speak for themselves, on std alone, most of them badly.

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

/// A time that no test waits for.
const LONG: Duration = Duration::from_secs(600);

pub(super) fn run(kind: &str, arguments: &[String]) {
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    match kind {
        // Answers with the numbers of the calls it has seen so far, in their order.
        "counts" => {
            initialize();
            let mut seen = Vec::new();
            serve(|_, _, params| {
                seen.push(params["arguments"]["n"].clone());
                format!("{{{}}}", result(&json!(seen).to_string()))
            });
        }
        // Answers a call with a line of so many bytes.
        "long-answer" => {
            initialize();
            let bytes = number(0);
            serve(|_, _, _| {
                let head = format!("{{{},\"_meta\":{{\"x\":\"", result("long"));
                head + &"x".repeat(bytes) + "\"}}"
            });
        }
        // Answers each call with what the call says, as it stands, `ID` being the call's.
        "says" => {
            initialize();
            each_call(|id, params| {
                let text = params["arguments"]["line"].as_str().unwrap_or_default().replace("ID", &id.to_string());
                // Each `\u{fffd}` stands for a byte that is no UTF-8.
                let mut bytes = Vec::new();
                for part in text.split_inclusive('\u{fffd}') {
                    let whole = part.strip_suffix('\u{fffd}');
                    bytes.extend_from_slice(whole.unwrap_or(part).as_bytes());
                    bytes.extend(whole.map(|_| 0xff));
                }
                bytes.push(b'\n');
                let mut out = io::stdout().lock();
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
            });
        }
        // Sends a request that is none, tells what it is answered as the answer of the first call.
        "asks-badly" => {
            initialize();
            each_call(|id, params| {
                say(params["arguments"]["line"].as_str().unwrap_or_default());
                let answer = receive().unwrap_or_default().to_string();
                say(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{{}}}}}", result(&answer)));
            });
        }
        "dies-on-call" => {
            initialize();
            each_call(|_, _| {
                eprintln!("out of cheese");
                std::process::exit(3);
            });
        }
        "dies-at-once" => {
            eprintln!("no licence found");
            std::process::exit(4);
        }
        // Reads no more once it is open, and ignores the end of its input.
        "deaf" => {
            initialize();
            std::thread::sleep(LONG);
        }
        "never-reads" => std::thread::sleep(LONG),
        // A child of its own would outlive it, and it ignores SIGTERM's polite forerunner.
        "has-a-child" => {
            let child = std::process::Command::new("sleep").arg("600").spawn();
            initialize();
            serve(|_, _, _| format!("{{{}}}", result("one child")));
            drop(child);
            std::thread::sleep(LONG);
        }
        // One that has left its group for a session of its own.
        "has-a-daemon" => {
            let daemon = std::process::Command::new("setsid").args(["sleep", "600"]).spawn();
            initialize();
            while receive().is_some() {}
            drop(daemon);
        }
        "refuses" => {
            let request = receive().unwrap_or_default();
            let error = json!({ "code": -32000, "message": "not today" });
            say(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }).to_string());
            std::thread::sleep(LONG);
        }
        "fills-standard-error" => {
            initialize();
            serve(|_, _, _| {
                let mut err = io::BufWriter::new(io::stderr().lock());
                for n in 0..100_000 {
                    let _ = writeln!(err, "line {n} of nothing in particular");
                }
                let _ = err.flush();
                format!("{{{}}}", result("said all"))
            });
        }
        // Says half an answer, and the other half when it is told anything.
        "in-halves" => {
            initialize();
            each_call(|id, _| {
                let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{{}}}}}\n", result("whole"));
                let (first, second) = line.split_at(line.len() / 2);
                let mut out = io::stdout().lock();
                let _ = out.write_all(first.as_bytes()).and_then(|()| out.flush());
                eprintln!("half of {id}");
                receive();
                let _ = out.write_all(second.as_bytes()).and_then(|()| out.flush());
            });
        }
        // Does not read before it has said all that.
        "complains-first" => {
            for n in 0..100_000 {
                eprintln!("complaint {n}");
            }
            while receive().is_some() {}
        }
        // Reads no more once it is open, and dies when that has filled the pipe.
        "dies-when-full" => {
            initialize();
            while rustix::io::ioctl_fionread(io::stdin()).unwrap() < 60_000 {
                std::thread::sleep(Duration::from_millis(1));
            }
            eprintln!("full up");
            std::process::exit(5);
        }
        // Says its answers byte by byte.
        "in-pieces" => {
            initialize();
            each_call(|id, _| {
                let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{{}}}}}\r\n", result("é 🦀"));
                let mut out = io::stdout().lock();
                for byte in line.as_bytes() {
                    let _ = out.write_all(&[*byte]).and_then(|()| out.flush());
                }
            });
        }
        // Says `pong` so many times before each answer.
        "chatters" => {
            initialize();
            let count = number(0);
            serve(|_, _, _| {
                let mut out = io::BufWriter::new(io::stdout().lock());
                for n in 0..count {
                    let _ = writeln!(out, "debug: step {n}");
                }
                drop(out);
                format!("{{{}}}", result("done"))
            });
        }
        // Calls its standard input away while it lives on.
        "closes-input" => {
            initialize();
            rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null").unwrap()).unwrap();
            std::thread::sleep(LONG);
        }
        other => panic!("no such peer: {other:?}"),
    }
}

fn result(text: &str) -> String {
    format!("\"content\":[{{\"type\":\"text\",\"text\":{}}}]", json!(text))
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
}

/// The next message; `None` at the end.
fn receive() -> Option<Value> {
    let mut line = String::new();
    match io::stdin().lock().by_ref().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(serde_json::from_str(&line).unwrap_or(Value::Null)),
    }
}

fn initialize() {
    let request = receive().unwrap_or_default();
    assert_eq!(request["method"], "initialize", "the client begins otherwise");
    let result = json!({
        "protocolVersion": request["params"]["protocolVersion"],
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "plain", "version": "1.0" },
    });
    say(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string());
    assert_eq!(receive().unwrap_or_default()["method"], "notifications/initialized", "the client goes on otherwise");
}

fn each_call(mut answer: impl FnMut(&Value, &Value)) {
    while let Some(message) = receive() {
        if message["method"] == "tools/call" {
            answer(&message["id"], &message["params"]);
        }
    }
}

fn serve(mut answer: impl FnMut(&Value, &str, &Value) -> String) {
    each_call(|id, params| {
        let result = answer(id, params["name"].as_str().unwrap_or_default(), params);
        say(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}"));
    });
}
