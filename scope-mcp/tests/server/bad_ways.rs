//! Clients that say too much, do not listen, or go away.

use std::time::{Duration, Instant};

use scope_mcp::{ServeEnding, ServeOptions};
use serde_json::{Value, json};

use crate::bad_peers::{assert_unharmed, begin, server};
use crate::wire::{Peer, on_every_runtime};

fn call(id: usize, tool: &str) -> String {
    let params = json!({ "name": tool, "arguments": { "message": "x".repeat(1000) } });
    format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
}

on_every_runtime! {
    async fn a_flood_of_requests_is_answered_or_refused_each(n) {
        let options = ServeOptions::default().max_requests(4).max_requests_waiting(8);
        let (mut peer, handle) = Peer::of(n, &server(), options);
        peer.initialize("2025-11-25", json!({})).await;
        // Four that never end take all the places there are.
        for id in 1000..1004 {
            peer.say_raw(call(id, "wait")).await;
        }
        peer.say_raw((0..20).map(|id| call(id, "echo")).collect::<String>()).await;
        let mut refused = Vec::new();
        while refused.len() < 12 {
            let answer = peer.hear().await;
            assert_eq!(answer["error"]["code"], -32000, "{answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains("ask less at a time"), "{answer}");
            refused.push(answer["id"].as_u64().unwrap());
        }
        assert_eq!(refused, (8..20).collect::<Vec<u64>>());
        // A sign of life is given all the same.
        assert_eq!(peer.call("ping", json!({})).await["result"], json!({}));
        for id in 1000..1004 {
            peer.notify("notifications/cancelled", json!({ "requestId": id })).await;
        }
        let mut answered = Vec::new();
        while answered.len() < 8 {
            let answer = peer.hear().await;
            assert!(answer["result"].is_object(), "{answer}");
            answered.push(answer["id"].as_u64().unwrap());
        }
        answered.sort_unstable();
        assert_eq!(answered, (0..8).collect::<Vec<u64>>());
        assert_eq!(assert_unharmed(peer, handle).await.cut, 0);
    }
}

on_every_runtime! {
    async fn a_flood_of_notifications_and_cancellations_is_read_on(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let noted = json!({ "jsonrpc": "2.0", "method": "notifications/x", "params": { "a": [1, 2] } });
        let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
        peer.say_raw(format!("{noted}\n{cancelled}\n").repeat(50_000)).await;
        // As are requests that are taken back at once.
        let mut text = String::new();
        for id in 0..2_000 {
            text += &call(id, "wait");
            text += &format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id}}}}}\n");
        }
        peer.say_raw(text).await;
        let report = assert_unharmed(peer, handle).await;
        assert!(report.traffic.received > 104_000 && report.cut == 0, "{report:?}");
    }
}

on_every_runtime! {
    async fn one_that_does_not_read_is_kept_a_bounded_number_of_answers(n) {
        for method in ["ping", "no/such", "tools/list"] {
            let (mut peer, handle) = Peer::of(n, &server(), ServeOptions::default());
            peer.initialize("2025-11-25", json!({})).await;
            let request = |id: usize| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"}}\n");
            peer.say_raw((0..100_000).map(request).collect::<String>()).await;
            // It reads now, and has all that was kept; what was not is counted.
            peer.end_input().await;
            let (mut answers, mut bytes) = (0, 0);
            while let Some(line) = peer.hear_line().await {
                // One that ends in the middle was written when time was up, and is no answer.
                answers += u64::from(line.ends_with('\n'));
                bytes += line.len();
            }
            let report = handle.closed().await.unwrap();
            let unanswered = report.traffic.unanswered_requests;
            assert_eq!(answers + unanswered + report.cut as u64, 100_000, "{method}: {report:?}");
            assert!(unanswered > 10_000 && bytes < 6_000_000, "{method}: {answers} answers, {bytes} bytes");
        }
    }
}

on_every_runtime! {
    async fn one_that_does_not_read_and_says_no_more_is_ended_in_time(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let began = Instant::now();
        for id in 0..2_000 {
            peer.say_raw(call(id, "echo")).await;
        }
        peer.end_input().await;
        let report = handle.closed().await.unwrap();
        assert!(matches!(report.ending, ServeEnding::ClientEnded) && report.cut > 0, "{report:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
    }
}

on_every_runtime! {
    async fn one_that_is_gone_takes_its_requests_with_it(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        let params = json!({ "name": "wait", "_meta": { "progressToken": "t" } });
        for _ in 0..3 {
            peer.ask("tools/call", params.clone()).await;
            assert_eq!(peer.hear().await["method"], "notifications/progress");
        }
        drop(peer);
        let report = handle.closed().await.unwrap();
        assert!(!matches!(report.ending, ServeEnding::Closed | ServeEnding::Failed(_)) && report.cut == 3, "{report:?}");
    }
}

on_every_runtime! {
    async fn one_that_stops_listening_is_gone_when_it_is_told_something(n) {
        let (mut peer, handle) = begin(n, "2025-11-25").await;
        peer.ask("tools/call", json!({ "name": "wait", "_meta": { "progressToken": "t" } })).await;
        let progress: Value = peer.hear().await;
        assert_eq!(progress["params"]["progressToken"], "t");
        peer.stop_listening();
        peer.ask("ping", json!({})).await;
        let report = handle.closed().await.unwrap();
        // The call that waits, and the ping, whose answer found nobody.
        assert!(matches!(report.ending, ServeEnding::Lost(_)) && report.cut == 2, "{report:?}");
    }
}
