//! Clients whose messages are proper and wrong: ids, methods, parameters, answers.

use std::time::{Duration, Instant};

use scope_mcp::model::Tool;
use scope_mcp::{Context, ServeOptions, Server, ServerTool};
use serde_json::{Value, json};

use crate::bad_peers::{assert_unharmed, begin, server};
use crate::wire::{Peer, modern_meta, on_every_runtime};

on_every_runtime! {
    async fn a_request_is_answered_with_the_id_it_came_with(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let long = format!("\"{}\"", "x".repeat(1022));
        for id in ["1", "1.0", "\"1\"", "-7", "-0", "9007199254740993", "1e400", r#""\ud800""#, "\"\"", r#""\u0000""#, &long] {
            peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n")).await;
            assert_eq!(peer.hear_line().await.unwrap(), format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n"));
            let params = r#"{"name":"echo","arguments":{"message":"hello"}}"#;
            peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{params}}}\n")).await;
            let line = peer.hear_line().await.unwrap();
            assert!(line.starts_with(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":")), "{line}");
        }
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn a_name_with_escapes_is_the_name_that_it_spells(n) {
        let schema = json!({ "type": "object" });
        let tool = |name: &str, says: &'static str| {
            let tool = Tool::new(name, schema.as_object().cloned().unwrap());
            ServerTool::raw(tool, move |_, _: Context| async move { says })
        };
        let server = Server::builder("s", "1").add_tool(tool("ab", "spelt")).add_tool(tool(r"a\u0062", "written"));
        let (mut peer, handle) = Peer::of(n, &server.build().unwrap(), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        for id in 0..4 {
            for (name, says) in [("ab", "spelt"), (r"a\u0062", "spelt"), (r"a\\u0062", "written")] {
                let params = format!("{{\"name\":\"{name}\",\"arguments\":{{}}}}");
                let head = format!("\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\"");
                peer.say_raw(format!("{{{head},\"params\":{params}}}\n")).await;
                let answer = peer.hear().await;
                assert_eq!(answer["result"]["content"][0]["text"], says, "{name}: {answer}");
            }
        }
        peer.end_input().await;
        handle.close().await?;
    }
}

on_every_runtime! {
    async fn what_cannot_be_an_id_is_refused_without_one(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        for id in ["null", "{}", "[1]", "true", &format!("\"{}\"", "x".repeat(1023)), &"1".repeat(100_000)] {
            peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n")).await;
            let answer = peer.hear().await;
            assert_eq!((&answer["error"]["code"], answer.get("id")), (&json!(-32600), None), "{answer}");
        }
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn an_id_in_use_is_refused_and_one_that_was_answered_is_not(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let wait = json!({ "name": "wait", "_meta": { "progressToken": 1 } });
        let request = json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": wait });
        peer.say(request.clone()).await;
        assert_eq!(peer.hear().await["method"], "notifications/progress");
        for _ in 0..3 {
            peer.say(request.clone()).await;
            let answer = peer.hear().await;
            assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("a"), &json!(-32600)), "{answer}");
        }
        // What is cancelled is not in use any more.
        peer.notify("notifications/cancelled", json!({ "requestId": "a" })).await;
        for _ in 0..3 {
            peer.say(json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/list" })).await;
            assert!(peer.hear().await["result"]["tools"].is_array());
        }
        assert_eq!(assert_unharmed(peer, handle).await.cut, 0);
    }
}

on_every_runtime! {
    async fn answers_that_nobody_waits_for_are_counted_and_have_no_answer(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        for id in ["0", "1", "1.0", "\"1\"", "null", "18446744073709551616", "[1]"] {
            peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n")).await;
            peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":1}}}}\n")).await;
        }
        // Answers all the same, and not for us to answer.
        peer.say_raw("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"error\":2}\n{\"jsonrpc\":\"2.0\",\"id\":1}\n").await;
        let traffic = assert_unharmed(peer, handle).await.traffic;
        assert_eq!((traffic.strays, traffic.noise), (14, 2));
    }
}

on_every_runtime! {
    async fn a_question_that_is_answered_badly_fails_its_call_and_no_other(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let mut strays = 0;
        for (answer, says) in [
            (r#""result":{"action":"perhaps"}"#, "action"),
            (r#""result":{}"#, "action"),
            (r#""result":[]"#, "invalid type"),
            (r#""result":null"#, "null"),
            (r#""result":{"action":"accept","content":7}"#, "content"),
            (r#""error":{"code":-1,"message":"the user said no"}"#, "the user said no"),
            (r#""error":"no""#, "no"),
            (r#""result":{},"error":{}"#, "no proper answer"),
            (r#""results":{}"#, "no proper answer"),
        ] {
            let call = peer.ask("tools/call", json!({ "name": "ask" })).await;
            let question = peer.hear().await;
            assert_eq!(question["method"], "elicitation/create");
            let id = &question["id"];
            peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",{answer}}}\n")).await;
            peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{answer}}}\n")).await;
            let failed = peer.hear().await;
            let text = failed.to_string();
            assert!(failed["id"] == call && text.contains(says), "{answer}: {text}");
            assert!(failed["result"]["isError"] == true || failed["error"].is_object(), "{answer}: {text}");
            // A second one is too late.
            peer.say(json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "decline" } })).await;
            strays += 1;
        }
        let call = peer.ask("tools/call", json!({ "name": "ask" })).await;
        let question = peer.hear().await;
        peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"action\":}}}}\n", question["id"])).await;
        let failed = peer.hear().await;
        assert!(failed["id"] == call && failed["result"]["isError"] == true, "{failed}");
        let call = peer.ask("tools/call", json!({ "name": "ask" })).await;
        let question = peer.hear().await;
        peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":{}.0,\"result\":{{\"action\":\"decline\"}}}}\n", question["id"])).await;
        let declined = peer.hear().await;
        assert!(declined["id"] == call && declined["result"]["isError"] != true, "{declined}");
        assert!(assert_unharmed(peer, handle).await.traffic.strays >= strays);
    }
}

on_every_runtime! {
    async fn a_method_there_is_none_of_is_refused_and_a_notification_ignored(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        for method in ["no/such", "", "Tools/call", "tools/call ", "server/discover", "sampling/createMessage", "\u{0}"] {
            let answer = peer.call(method, json!({})).await;
            assert_eq!(answer["error"]["code"], -32601, "{method:?}: {answer}");
            peer.notify(method, json!({})).await;
        }
        for params in [json!(null), json!(7), json!({}), json!({ "requestId": null }), json!({ "requestId": [1] })] {
            peer.notify("notifications/cancelled", params.clone()).await;
            peer.notify("notifications/progress", params).await;
        }
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn requests_before_the_beginning_and_a_second_beginning_are_refused(n) {
        let (mut peer, handle) = Peer::of(n, &server(), ServeOptions::default());
        // A sign of life may be asked for at any time.
        assert_eq!(peer.call("ping", json!({})).await["result"], json!({}));
        assert!(peer.call("tools/list", json!({})).await["error"]["code"].is_number());
        for params in [json!({}), json!([]), json!({ "protocolVersion": 7, "capabilities": {}, "clientInfo": {} })] {
            assert_eq!(peer.call("initialize", params).await["error"]["code"], -32602);
        }
        // One that is not known gets the newest that begins so.
        let answer = peer.initialize("1999-01-01", json!({})).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        let params = json!({
            "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "a", "version": "b" }
        });
        assert_eq!(peer.call("initialize", params).await["error"]["code"], -32600);
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn parameters_that_do_not_fit_are_refused_by_the_name_of_the_field(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        for (method, params, field) in [
            ("tools/call", r#"{}"#, "name"),
            ("tools/call", r#"{"name":7}"#, "name"),
            ("tools/call", r#"{"name":"\ud800"}"#, "name"),
            ("tools/call", r#"{"name":"echo","arguments":{"message":"\ud800"}}"#, "message"),
            ("tools/call", r#"{"name":"echo","_meta":[]}"#, "_meta"),
            ("tools/call", r#"{"name":"echo","arguments":"x"}"#, "must be an object"),
            ("tools/call", r#"{"name":"echo","arguments":[]}"#, "must be an object"),
            ("tools/call", r#"["echo"]"#, "must be an object"),
            ("tools/call", r#"7"#, "must be an object"),
            ("resources/subscribe", r#"["test:///fixed"]"#, "must be an object"),
            ("tools/list", r#"{"cursor":7}"#, "cursor"),
            ("tools/list", r#"{"cursor":"made up"}"#, "cursor"),
            ("resources/read", r#"{"uri":{}}"#, "uri"),
            ("resources/subscribe", r#"{"url":"x"}"#, "uri"),
            ("prompts/get", r#"{"name":"greet","arguments":{"who":7}}"#, "arguments"),
            ("logging/setLevel", r#"{"level":"loud"}"#, "level"),
        ] {
            peer.say_raw(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{params}}}\n")).await;
            let answer = peer.hear().await;
            assert_eq!(answer["error"]["code"], -32602, "{method} {params}: {answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.contains(field) && message.len() < 500, "{method} {params}: {answer}");
        }
        // What a tool wants is said in its result, for the model to read.
        for (arguments, says) in [
            (json!({}), "message"),
            (json!({ "message": 7 }), "message"),
            (json!({ "message": null }), "message"),
        ] {
            let answer = peer.call("tools/call", json!({ "name": "echo", "arguments": arguments })).await;
            let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
            assert!(answer["result"]["isError"] == true && text.contains(says), "{arguments}: {answer}");
        }
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn what_the_modern_era_needs_and_is_not_there_is_refused(n) {
        let (mut peer, handle) = Peer::of(n, &server(), ServeOptions::default());
        let good = modern_meta(json!({}));
        let with = |key: &str, value: Value| {
            let mut meta = good.clone();
            meta[format!("io.modelcontextprotocol/{key}")] = value;
            json!({ "_meta": meta })
        };
        for (params, code) in [
            (json!({}), -32602),
            (json!({ "_meta": {} }), -32602),
            (json!({ "_meta": 7 }), -32602),
            (with("protocolVersion", json!(7)), -32602),
            (with("protocolVersion", json!("1900-01-01")), -32022),
            (with("protocolVersion", json!("2025-11-25")), -32022),
            (with("clientCapabilities", json!(null)), -32602),
            (with("clientCapabilities", json!([])), -32602),
            (with("clientInfo", json!("me")), -32602),
            (with("logLevel", json!("loud")), -32602),
        ] {
            let answer = peer.call("tools/list", params.clone()).await;
            assert_eq!(answer["error"]["code"], code, "{params}: {answer}");
        }
        for method in ["ping", "initialize", "logging/setLevel", "resources/subscribe", "no/such"] {
            let answer = peer.call(method, json!({ "_meta": good })).await;
            assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
        }
        for (key, value) in [("requestState", json!("forged")), ("requestState", json!(7)), ("inputResponses", json!([]))] {
            let mut params = json!({ "name": "ask", "_meta": modern_meta(json!({ "elicitation": {} })) });
            params[key] = value;
            let answer = peer.call("tools/call", params.clone()).await;
            assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
        }
        for notifications in [json!(null), json!([]), json!({ "resourceSubscriptions": [7] })] {
            let params = json!({ "notifications": notifications, "_meta": good });
            let answer = peer.call("subscriptions/listen", params.clone()).await;
            assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
        }
        peer.initialize("2025-11-25", json!({})).await;
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn a_pattern_that_explodes_costs_nothing(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let began = Instant::now();
        let a = "a".repeat(50_000) + "!";
        let answer = peer.call("tools/call", json!({ "name": "hard", "arguments": { "a": a } })).await;
        assert!(answer["result"]["isError"] == true || answer["error"]["code"] == -32602, "{answer}");
        assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
        assert!(answer.to_string().len() < 1000, "what does not fit is not said again");
        assert_unharmed(peer, handle).await;
    }
}
