//! Calls of tools that are quick: begun where they are read, and answered from there.

use scope_mcp::model::{Object, Tool};
use scope_mcp::{Context, HandlerError, ServeOptions, Server, ServerTool, UnreadArguments, schemars};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::wire::{Peer, modern_meta, on_every_runtime};

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[schemars(crate = "scope_mcp::schemars")]
struct Said {
    text: String,
}

/// Has `echo`, and `tell`, which says how far it is before it says the same.
fn server() -> Server {
    Server::builder("quick", "1")
        .tool("echo", "Says what it is told", |said: Said, _: Context| async move { said.text })
        .tool("tell", "Tells of it before", |said: Said, cx: Context| async move {
            cx.progress(1.0, None, Some("first")).await;
            said.text
        })
        .add_tool(ServerTool::passing(Tool::new("pass", any()), |said: UnreadArguments, _: Context| async move {
            let Unread { text } = said.read()?;
            let content = [json!({ "type": "text", "text": text })];
            Ok::<_, HandlerError>(to_raw_value(&json!({ "content": content }))?)
        }))
        .build()
        .unwrap()
}

fn any() -> Object {
    Object::from_iter([("type".to_owned(), "object".into())])
}

#[derive(serde::Deserialize)]
struct Unread<'a> {
    #[serde(borrow)]
    text: &'a RawValue,
}

/// `meta` is a member, and a comma.
fn line(id: usize, meta: &str, tool: &str, text: &str) -> String {
    let text = Value::from(text);
    let params = format!(r#"{{{meta}"name":"{tool}","arguments":{{"text":{text}}}}}"#);
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{params}}}\n")
}

fn said(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

on_every_runtime! {
    async fn what_one_says_before_its_answer_comes_before_it_wherever_it_was_begun(n) {
        let (mut peer, _handle) = Peer::of(n, &server(), ServeOptions::default());
        // In its own form, and then in the usual one.
        let mut modern = modern_meta(json!({}));
        modern["progressToken"] = "t".into();
        let modern = format!("\"_meta\":{modern},");
        let legacy = r#""_meta":{"progressToken":"t"},"#.to_owned();
        for meta in [modern, legacy] {
            if !meta.contains("protocolVersion") {
                peer.initialize("2025-11-25", json!({})).await;
            }
            for id in 0..20 {
                // Several, so that some are heard in one go.
                peer.say_raw(line(id, &meta, "tell", "a") + &line(id + 100, &meta, "tell", "b")).await;
                let mut heard = Vec::new();
                for _ in 0..4 {
                    let message = peer.hear().await;
                    heard.push(if message["params"]["message"] == "first" { "first".into() } else { message["id"].clone() });
                }
                let answers = heard.iter().filter(|it| it.is_number()).count();
                assert!(answers == 2 && heard[0] == "first" && heard[3].is_number(), "{heard:?}");
            }
        }
    }
}

on_every_runtime! {
    async fn each_is_answered_with_its_own_text_however_long_the_ones_before_were(n) {
        let (mut peer, _handle) = Peer::of(n, &server(), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        let text = |id: usize| {
            let length = [0, 7, 8, 9, 60, 64, 200, 255, 256, 400, 513, 1000, 5000][id % 13];
            // With what is written otherwise in JSON, now and then.
            let with = ["a", "é", "\"", "\\n", "\u{1}", "\n", "b", "c"][id % 8];
            format!("{id}{}", with.repeat(length))
        };
        let mut next = 0;
        for burst in [1, 1, 1, 40, 3, 100, 1, 13] {
            let ids = next..next + burst;
            next += burst;
            peer.say_raw(ids.clone().map(|id| line(id, "", "echo", &text(id))).collect::<String>()).await;
            // Those that are long to read may end in another order.
            let mut left: Vec<usize> = ids.collect();
            while !left.is_empty() {
                let answer = peer.hear().await;
                let id = answer["id"].as_u64().expect("it answers a call") as usize;
                assert_eq!(said(&answer), text(id));
                left.retain(|it| *it != id);
            }
        }
    }
}

on_every_runtime! {
    async fn long_ones_are_answered_alike_whoever_reads_them_and_in_both_eras(n) {
        let (mut peer, _handle) = Peer::of(n, &server(), ServeOptions::default());
        let modern = format!("\"_meta\":{},", modern_meta(json!({})));
        let mut id = 0;
        for meta in [modern.as_str(), ""] {
            if meta.is_empty() {
                peer.initialize("2025-11-25", json!({})).await;
            }
            for with in ["a", "é\n"] {
                for length in [1, 70_000, 2, 90_000] {
                    for tool in ["echo", "pass", "tell"] {
                        id += 1;
                        let text = format!("{id}{}", with.repeat(length / with.len()));
                        peer.say_raw(line(id, meta, tool, &text)).await;
                        let answer = peer.hear().await;
                        assert_eq!((&answer["id"], said(&answer)), (&id.into(), text.as_str()));
                    }
                }
            }
        }
    }
}

on_every_runtime! {
    async fn long_ones_that_are_no_json_are_refused_and_the_next_is_answered(n) {
        let (mut peer, _handle) = Peer::of(n, &server(), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        let text = "x".repeat(90_000);
        for id in 0..8 {
            let tool = ["echo", "pass"][id % 2];
            let whole = line(id, "", tool, &text);
            let (said_wrong, code) = match id / 2 % 4 {
                0 => (whole.replace("\"}}}\n", "\"]}}\n").into_bytes(), json!(-32700)),
                1 => (whole.replace("xxx\"}", "xxx\u{1}\"}").into_bytes(), json!(-32700)),
                2 => ([whole.trim_end().as_bytes().strip_suffix(b"\"}}}").unwrap(), b"\xff\"}}}\n"].concat(), json!(-32700)),
                _ => (whole.replace("\"arguments\":{\"text\":", "\"arguments\":[").replace("\"}}}", "\"]}}").into_bytes(), json!(-32602)),
            };
            peer.say_raw(said_wrong).await;
            let answer = peer.hear().await;
            let shown = answer.to_string();
            assert_eq!(answer["error"]["code"], code, "{id}: {}", &shown[..shown.len().min(300)]);
            peer.say_raw(whole).await;
            assert_eq!(said(&peer.hear().await), text);
        }
    }
}

on_every_runtime! {
    async fn one_that_does_not_fit_its_schema_or_is_no_text_is_refused_and_the_next_is_answered(n) {
        let (mut peer, _handle) = Peer::of(n, &server(), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        for id in 0..60 {
            let whole = line(id, "", "echo", "x");
            match id % 3 {
                0 => peer.say_raw(whole).await,
                1 => peer.say_raw(whole.replace("\"x\"", "7")).await,
                _ => peer.say_raw(whole.replace("echo", "none")).await,
            }
            let answer = peer.hear().await;
            assert_eq!(answer["id"], id);
            match id % 3 {
                0 => assert_eq!(said(&answer), "x"),
                1 => assert_eq!(answer["result"]["isError"], true),
                _ => assert_eq!(answer["error"]["code"], -32602),
            }
        }
    }
}
