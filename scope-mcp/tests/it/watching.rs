use std::sync::{Arc, Mutex};

use scope_mcp::{Client, Direction, Era, Wire, WireLine};
use serde_json::json;

use crate::support::{assert_says, on_every_runtime, options};

#[derive(Default)]
struct Log(Mutex<Vec<(Direction, String)>>);

impl Wire for Log {
    fn line(&self, line: &WireLine<'_>) {
        assert_eq!(line.server(), "peer");
        self.0.lock().unwrap().push((line.direction(), line.text()));
    }
}

on_every_runtime! {
    async fn every_line_is_seen_both_ways_in_order_and_without_secrets(n, TEST) {
        let log = Arc::new(Log::default());
        let client = Client::open(n, TEST.peer("good"), options().era(Era::Legacy).wire(log.clone())).await?;
        let arguments = json!({ "message": "{\"api_key\": \"hush-1\"}", "password": "hush-2" });
        client.call_tool("echo", &arguments).await?;
        client.close().await?;
        let log = log.0.lock().unwrap();
        let directions: Vec<String> = log.iter().map(|(direction, _)| direction.to_string()).collect();
        assert_eq!(directions, ["→", "←", "→", "→", "←"]);
        assert_eq!(
            log[0].1,
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{{"name":"scope-mcp","version":"{}"}}}}}}"#,
                env!("CARGO_PKG_VERSION")
            )
        );
        assert_eq!(log[2].1, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert_eq!(
            log[3].1,
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"message":"{\"api_key\": \"[redacted]\"}","password":"[redacted]"}}}"#
        );
        assert!(log[4].1.contains("[redacted]") && !log[4].1.contains("hush"), "{}", log[4].1);
    }
}

on_every_runtime! {
    async fn a_line_that_was_dropped_is_seen_as_a_note(n, TEST) {
        let log = Arc::new(Log::default());
        let spec = TEST.peer("too-long").arg("1000");
        let client = Client::open(n, spec, options().max_line(500).wire(log.clone())).await?;
        assert!(client.call_tool("big", &json!({})).await.unwrap_err().is_too_long());
        let last = log.0.lock().unwrap().pop().unwrap();
        assert_eq!(last, (Direction::Received, "(a line of 1073 bytes, over the limit of 500: dropped)".to_owned()));
    }
}

on_every_runtime! {
    async fn a_watcher_that_panics_ends_the_connection_and_nothing_else(n, TEST) {
        struct Bad;
        impl Wire for Bad {
            fn line(&self, line: &WireLine<'_>) {
                assert!(!line.text().contains("tools/call"), "on purpose");
            }
        }
        let client = Client::open(n, TEST.peer("good"), options().wire(Arc::new(Bad))).await?;
        let error = client.call_tool("echo", &json!({})).await.unwrap_err();
        assert!(error.is_closed(), "{error}");
        let report = client.closed().await.unwrap();
        assert!(report.is_complete(), "{report}");
        assert_says(&report, "on purpose");
        assert!(!n.is_cancelled());
    }
}
