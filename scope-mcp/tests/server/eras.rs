//! How a connection begins, in either era, and what is refused.

use scope_mcp::{Context, ServeOptions, Server};
use serde_json::{Value, json};

use crate::wire::{Peer, modern_meta, on_every_runtime};

fn server() -> Server {
    Server::builder("eras", "1.2.3")
        .instructions("ask")
        .tool("hello", "Says hello", |_: scope_mcp::NoArguments, cx: Context| async move {
            format!("hello in {}", cx.revision())
        })
        .build()
        .unwrap()
}

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {answer}"))
}

on_every_runtime! {
    async fn every_legacy_revision_is_spoken_and_the_newest_offered_for_others(n) {
        for (asked, spoken) in [
            ("2024-11-05", "2024-11-05"),
            ("2025-03-26", "2025-03-26"),
            ("2025-06-18", "2025-06-18"),
            ("2025-11-25", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
            ("1999-01-01", "2025-11-25"),
        ] {
            let (mut peer, handle) = Peer::judged(n, &server(), ServeOptions::default());
            let answer = peer.initialize(asked, json!({})).await;
            assert_eq!(answer["result"]["protocolVersion"], spoken);
            assert_eq!(answer["result"]["serverInfo"], json!({ "name": "eras", "version": "1.2.3" }));
            assert_eq!(answer["result"]["capabilities"], json!({ "tools": {} }));
            assert_eq!(answer["result"]["instructions"], "ask");
            let answer = peer.call("tools/call", json!({ "name": "hello" })).await;
            assert_eq!(answer["result"]["content"][0]["text"], format!("hello in {spoken}"));
            assert!(answer["result"].get("resultType").is_none(), "{answer}");
            assert_eq!(peer.call("ping", json!({})).await["result"], json!({}));
            assert_eq!(code(&peer.initialize(asked, json!({})).await), -32600);
            peer.end_input().await;
            assert_eq!(peer.hear_or_end().await, None);
            let report = handle.closed().await.unwrap();
            assert_eq!(report.to_string(), "the client ended it");
            assert_eq!(report.revision.unwrap().as_str(), spoken);
            assert_eq!(report.client_info.as_ref().unwrap().name, "by hand");
        }
    }
}

on_every_runtime! {
    async fn a_modern_request_stands_for_itself(n) {
        let (mut peer, _handle) = Peer::judged(n, &server(), ServeOptions::default());
        let answer = peer.modern("tools/call", json!({ "name": "hello" }), json!({})).await;
        let result = &answer["result"];
        assert_eq!(result["content"][0]["text"], "hello in 2026-07-28");
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "eras");
        let answer = peer.modern("server/discover", json!({}), json!({})).await;
        let result = &answer["result"];
        assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
        assert_eq!(result["capabilities"], json!({ "tools": {} }));
        assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(0), &json!("private")));
        assert_eq!(result["instructions"], "ask");
        for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "prompts/list", "no/such"] {
            assert_eq!(code(&peer.modern(method, json!({}), json!({})).await), -32601, "{method}");
        }
    }
}

on_every_runtime! {
    async fn a_request_that_does_not_say_what_it_speaks_is_refused(n) {
        let (mut peer, _handle) = Peer::judged(n, &server(), ServeOptions::default());
        for (method, params) in [
            ("server/discover", json!({})),
            ("tools/list", json!({ "_meta": {} })),
            ("tools/list", json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } })),
            ("tools/list", json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": 7 } })),
            ("tools/list", json!({ "_meta": modern_meta(json!([])) })),
            ("tools/list", json!({ "_meta": "x" })),
        ] {
            let answer = peer.call(method, params.clone()).await;
            assert_eq!(code(&answer), -32602, "{params}: {answer}");
        }
        let mut meta = modern_meta(json!({}));
        meta["io.modelcontextprotocol/protocolVersion"] = "v999.0.0".into();
        let answer = peer.call("tools/list", json!({ "_meta": meta })).await;
        assert_eq!(code(&answer), -32022);
        assert_eq!(answer["error"]["data"], json!({ "supported": ["2026-07-28"], "requested": "v999.0.0" }));
    }
}

on_every_runtime! {
    async fn one_connection_can_have_both_eras(n) {
        let (mut peer, _handle) = Peer::judged(n, &server(), ServeOptions::default());
        peer.initialize("2025-06-18", json!({})).await;
        let legacy = peer.call("tools/list", json!({})).await;
        let modern = peer.modern("tools/list", json!({}), json!({})).await;
        assert!(legacy["result"].get("resultType").is_none());
        assert_eq!(modern["result"]["resultType"], "complete");
        assert_eq!(legacy["result"]["tools"][0]["name"], modern["result"]["tools"][0]["name"]);
    }
}
