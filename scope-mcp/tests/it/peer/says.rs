//! A server that says whatever the caller tells it to say, so that a test has what is said and what comes of it in one
//! place.

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

/// Arguments: the revision.
///
/// A request that brings `bytes` (a string in which each character is one byte; `ID` stands for the request's id) is
/// answered with them and nothing else; all at once, or in writes of `pieces` bytes. `heard` gives every line that came
/// and was no request, as it came.
pub(crate) fn run(args: &[String]) {
    super::initialize(args.first().map_or("2025-11-25", String::as_str));
    let mut heard: Vec<String> = Vec::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let message: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id")) else {
            heard.push(line);
            continue;
        };
        let params = &message["params"];
        let told = if method == "tools/call" { &params["arguments"] } else { params };
        if let Some(text) = told["bytes"].as_str() {
            let text = text.replace("ID", &id.to_string());
            let bytes: Vec<u8> = text.chars().map(|it| u8::try_from(it).expect("a character that is a byte")).collect();
            let pieces = told["pieces"].as_u64().unwrap_or(u64::MAX) as usize;
            let mut out = io::stdout().lock();
            for piece in bytes.chunks(pieces) {
                let _ = out.write_all(piece).and_then(|()| out.flush());
            }
            if told["exit"] == true {
                return;
            }
        } else {
            let result = if method == "heard" { json!(heard) } else { json!({}) };
            super::say(&json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string());
        }
    }
}
