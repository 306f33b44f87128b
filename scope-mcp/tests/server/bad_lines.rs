//! Clients that say what is no message, or hardly one.

use scope_mcp::{ServeEnding, ServeOptions};
use serde_json::{Value, json};

use crate::bad_peers::{assert_unharmed, begin, server};
use crate::wire::{Peer, on_every_runtime};

/// What the server refuses a line with: the code, and the id.
async fn refusal(peer: &mut Peer, line: impl AsRef<[u8]>) -> (i64, Option<Value>) {
    peer.say_raw([line.as_ref(), b"\n"].concat()).await;
    let mut answer = peer.hear().await;
    assert!(answer["error"]["message"].as_str().is_some_and(|message| message.len() < 500), "{answer}");
    let id = answer.as_object_mut().unwrap().remove("id");
    (answer["error"]["code"].as_i64().unwrap(), id)
}

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

on_every_runtime! {
    async fn what_is_no_json_is_refused_as_such(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let lines: [&[u8]; 11] = [
            b"hello",
            b"Content-Length: 52\r",
            b"\xff\xfe\x00",
            b"{\"jsonrpc\":\"2.0\",\"method\":\"caf\xe9\"}",
            b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"m\"}",
            b"{\"jsonrpc\":\"2.0\"",
            b"{\"jsonrpc\":\"2.0\",\"method\":\"m\",}",
            b"{\"jsonrpc\":\"2.0\",\"method\":\"m\"}}",
            b"{\"jsonrpc\":\"2.0\",\"method\":\"a\tb\"}",
            b"[{\"jsonrpc\":\"2.0\",\"method\":\"m\"}",
            b"{'jsonrpc':'2.0'}",
        ];
        for line in lines {
            assert_eq!(refusal(&mut peer, line).await, (PARSE_ERROR, None), "{}", line.escape_ascii());
        }
        // Where the id can be seen, the caller learns that it was its request.
        let line = r#"{"jsonrpc":"2.0","id":"a","method":"ping","params":{"x":}}"#;
        assert_eq!(refusal(&mut peer, line).await, (PARSE_ERROR, Some(json!("a"))));
        let report = assert_unharmed(peer, handle).await;
        assert_eq!(report.traffic.noise, 12);
    }
}

on_every_runtime! {
    async fn what_is_json_and_no_message_is_refused_as_such(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        for line in [
            "42",
            "\"hello\"",
            "null",
            "true",
            "{}",
            r#"{"level":"info","msg":"x"}"#,
            r#"{"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"1.0","method":"m"}"#,
            r#"{"jsonrpc":2.0,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","method":7}"#,
            r#"{"jsonrpc":"2.0","method":null}"#,
            r#"{"jsonrpc":"2.0","method":"\ud800"}"#,
        ] {
            assert_eq!(refusal(&mut peer, line).await, (INVALID_REQUEST, None), "{line}");
        }
        let line = r#"{"jsonrpc":"2.0","id":7,"method":{}}"#;
        assert_eq!(refusal(&mut peer, line).await, (INVALID_REQUEST, Some(json!(7))));
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    /// JSON-RPC wants it, and MCP did until 2025-11-25.
    async fn where_the_id_is_not_known_older_revisions_are_told_null(n) {
        for (revision, id) in [("2024-11-05", Some(json!(null))), ("2025-06-18", Some(json!(null))), ("2025-11-25", None)] {
            let (mut peer, handle) = begin(n, revision).await;
            assert_eq!(refusal(&mut peer, "hello").await, (PARSE_ERROR, id));
            assert_unharmed(peer, handle).await;
        }
    }
}

on_every_runtime! {
    async fn line_ends_and_spaces_of_every_kind_are_taken(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        for ping in [
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n",
            "\n\r\n \t\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\n",
            " \t{ \"jsonrpc\" :\t\"2.0\",\r\"id\":1 , \"method\":\"p\\u0069ng\"} \r\n",
        ] {
            peer.say_raw(ping).await;
            assert_eq!(peer.hear().await, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
        }
        assert_eq!(assert_unharmed(peer, handle).await.traffic.noise, 0);
    }
}

on_every_runtime! {
    async fn a_batch_is_answered_as_one_in_the_revision_that_has_them(n) {
        let (mut peer, handle) = begin(n, "2025-03-26").await;
        let call = |id: &str| {
            let params = r#"{"name":"echo","arguments":{"message":"hello"}}"#;
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#)
        };
        let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
        let noted = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
        let answer = r#"{"jsonrpc":"2.0","id":9,"result":{}}"#;
        let unknown = r#"{"jsonrpc":"2.0","id":3,"method":"no/such"}"#;
        let batch = format!("[{},{ping},{noted},7,{answer},[{ping}],{unknown},{}]\n", call("1"), call("1.0"));
        peer.say_raw(batch).await;
        let answers = peer.hear().await;
        let answers = answers.as_array().expect("one line for all");
        let of = |id: Value| answers.iter().find(|it| it.get("id") == Some(&id)).unwrap_or_else(|| panic!("{id}: {answers:?}"));
        assert_eq!(of(json!(1))["result"]["content"][0]["text"], "hello");
        assert_eq!(of(json!(1.0))["result"]["content"][0]["text"], "hello");
        assert_eq!(of(json!("p"))["result"], json!({}));
        assert_eq!(of(json!(3))["error"]["code"], -32601);
        let refused = answers.iter().filter(|it| it["error"]["code"] == INVALID_REQUEST).count();
        assert_eq!((answers.len(), refused), (6, 2), "{answers:?}");
        // Of nothing but notifications and answers there is nothing to be said.
        peer.say_raw(format!("[{noted},{answer}]\n")).await;
        // One that is cancelled has no answer, and does not keep that of the others.
        peer.say_raw(format!("[{},{ping}]\n", call("8").replace("echo", "wait"))).await;
        peer.notify("notifications/cancelled", json!({ "requestId": 8 })).await;
        assert_eq!(peer.hear().await, json!([{ "jsonrpc": "2.0", "id": "p", "result": {} }]));
        for bad in ["[]", "[ ]"] {
            assert_eq!(refusal(&mut peer, bad).await.0, INVALID_REQUEST);
        }
        assert_eq!(refusal(&mut peer, format!("[{}7]", "7,".repeat(1024))).await.0, INVALID_REQUEST);
        assert_eq!(refusal(&mut peer, "[7").await.0, PARSE_ERROR);
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn a_batch_is_refused_as_a_whole_in_every_other_revision(n) {
        for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
            let (mut peer, handle) = begin(n, revision).await;
            let line = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
            assert_eq!(refusal(&mut peer, line).await.0, INVALID_REQUEST, "{revision}");
            assert_unharmed(peer, handle).await;
        }
        // Nor before anything was agreed upon.
        let (mut peer, _handle) = Peer::of(n, &server(), ServeOptions::default());
        assert_eq!(refusal(&mut peer, r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#).await.0, INVALID_REQUEST);
    }
}

on_every_runtime! {
    async fn a_key_twice_is_refused(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        for (line, id) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}"#, Some(json!(1))),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{},"params":{}}"#, Some(json!(1))),
        ] {
            assert_eq!(refusal(&mut peer, line).await, (PARSE_ERROR, id), "{line}");
        }
        let line = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"wait"}}"#;
        assert_eq!(refusal(&mut peer, line).await, (-32602, Some(json!(1))));
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn the_end_of_the_input_ends_a_whole_line_and_half_a_one_counts_for_nothing(n) {
        let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
        for (line, answered) in [(ping, true), (&ping[..ping.len() - 1], false), (&ping[..10], false)] {
            let (mut peer, handle) = begin(n, "2025-11-25").await;
            peer.say_raw(line).await;
            peer.end_input().await;
            assert_eq!(peer.hear_or_end().await.is_some(), answered, "{line}");
            assert_eq!(peer.hear_or_end().await, None);
            let report = handle.closed().await.unwrap();
            assert!(matches!(report.ending, ServeEnding::ClientEnded) && report.cut == 0, "{report}");
        }
    }
}

on_every_runtime! {
    async fn a_request_may_come_a_byte_at_a_time(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let params = json!({ "name": "echo", "arguments": { "message": "é🦀" } });
        for byte in format!("{}\r\n", json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })).bytes() {
            peer.say_raw([byte]).await;
        }
        assert_eq!(peer.hear().await["result"]["content"][0]["text"], "é🦀");
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn a_line_that_is_too_long_is_refused_and_the_next_is_read(n) {
        const LIMIT: usize = 10_000;
        let (mut peer, handle) = Peer::of(n, &server(), ServeOptions::default().max_line(LIMIT));
        peer.initialize("2025-11-25", json!({})).await;
        let line = |before: &str, after: &str, len: usize| {
            let filling = "x".repeat(len - before.len() - after.len());
            format!("{before}{filling}{after}")
        };
        let before = r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":""#;
        peer.say_raw(line(before, "\"}}", LIMIT) + "\r\n").await;
        assert_eq!(peer.hear().await["result"], json!({}));
        for len in [LIMIT + 1, 30 * LIMIT] {
            assert_eq!(refusal(&mut peer, line(before, "\"}}", len)).await, (INVALID_REQUEST, Some(json!(7))));
            let (before, after) = (r#"{"params":{"x":""#, r#""},"method":"ping","id":"late","jsonrpc":"2.0"}"#);
            assert_eq!(refusal(&mut peer, line(before, after, len)).await, (INVALID_REQUEST, Some(json!("late"))));
            assert_eq!(refusal(&mut peer, "x".repeat(len)).await, (INVALID_REQUEST, None));
        }
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn the_limit_is_64_mib_unless_set(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let mut line = Vec::from(r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":""#);
        line.resize(64 * 1024 * 1024, b'x');
        line.push(b'"');
        assert_eq!(refusal(&mut peer, line).await, (INVALID_REQUEST, Some(json!(7))));
        assert_unharmed(peer, handle).await;
    }
}

on_every_runtime! {
    async fn deep_nesting_is_refused_where_it_would_be_followed(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
        let request = |method: &str, params: String| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
        };
        for line in [
            request("tools/call", format!(r#"{{"name":"echo","arguments":{{"message":{open}{close}}}}}"#)),
            request("tools/call", format!(r#"{{"name":"echo","arguments":{open}{close}}}"#)),
            request("tools/call", format!(r#"{{"name":{open}{close}}}"#)),
            request("tools/list", format!(r#"{{"_meta":{{"a":{open}{close}}}}}"#)),
            request("tools/list", format!(r#"{{"cursor":{open}{close}}}"#)),
        ] {
            assert_eq!(refusal(&mut peer, line).await, (-32602, Some(json!(1))));
        }
        // What nobody follows does no harm.
        peer.say_raw(request("ping", format!("{open}{close}\n").trim_end().to_owned()) + "\n").await;
        assert_eq!(peer.hear().await["result"], json!({}));
        assert_eq!(refusal(&mut peer, format!("{open}{close}")).await, (INVALID_REQUEST, None));
        assert_eq!(refusal(&mut peer, &open).await, (PARSE_ERROR, None));
        let id = format!(r#"{{"jsonrpc":"2.0","id":{open}{close},"method":"ping"}}"#);
        assert_eq!(refusal(&mut peer, id).await, (INVALID_REQUEST, None));
        assert_unharmed(peer, handle).await;
    }
}
