//! How requests run: beside each other, until they end, are cancelled, panic, or the connection is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use scope_core::Spawns as _;
use scope_mcp::transport::memory;
use scope_mcp::{Context, NoArguments, ServeEnding, ServeOptions, Server, State, schemars};
use serde_json::json;

use crate::wire::{Peer, modern_meta, on_every_runtime};

/// Counts handlers that were dropped.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Has `wait`, which says that it has begun and then waits for ever; `panic`; and `quick`.
fn server(drops: &Arc<AtomicUsize>) -> Server {
    let drops = Arc::clone(drops);
    Server::builder("running", "1")
        .tool("wait", "Waits", move |_: NoArguments, cx: Context| {
            let dropped = Drops(Arc::clone(&drops));
            async move {
                let _dropped = dropped;
                cx.progress(0.0, None, Some("begun")).await;
                std::future::pending::<String>().await
            }
        })
        .tool("panic", "Panics", |_: NoArguments, _: Context| async move {
            if true {
                panic!("as it should");
            }
            String::new()
        })
        .tool("quick", "Is quick", |_: NoArguments, _: Context| async move { "done" })
        .build()
        .unwrap()
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[schemars(crate = "scope_mcp::schemars")]
struct Mood {
    mood: String,
}

/// Has `moody`, which does as it is told.
fn moody(drops: &Arc<AtomicUsize>) -> Server {
    let drops = Arc::clone(drops);
    Server::builder("running", "1")
        .tool("moody", "Does anything", move |Mood { mood }: Mood, cx: Context| {
            let drops = Arc::clone(&drops);
            async move {
                match &*mood {
                    "wait" => {
                        let _dropped = Drops(drops);
                        cx.progress(0.0, None, Some("begun")).await;
                        std::future::pending::<()>().await;
                    }
                    "nest" => {
                        let nested = scope_core::nursery(async |n| {
                            n.run_erased(async {
                                let _ = scope_core::sleep(Duration::from_millis(1)).await;
                            });
                            n.run_local(std::future::ready(()));
                            Ok(())
                        });
                        nested.await.expect("it is polled by one task, as it seems from within");
                    }
                    "leave" => {
                        // Half-way, with clean-up that fails: the request's scope waits for it.
                        let left = scope_core::nursery(async |n| {
                            n.finalizer("fails", |_| async { Err(scope_core::Failure::from("not put away")) });
                            std::future::pending().await
                        });
                        let done: Option<Result<(), scope_core::ScopeError>> = left.now_or_never();
                        assert!(done.is_none());
                    }
                    "panic" => panic!("as it should"),
                    _ => {}
                }
                mood
            }
        })
        .build()
        .unwrap()
}

async fn begin_waiting(peer: &mut Peer) -> u64 {
    let id = peer.ask("tools/call", json!({ "name": "wait", "_meta": { "progressToken": "t" } })).await;
    let progress = peer.hear().await;
    assert_eq!(progress["params"], json!({ "progressToken": "t", "progress": 0.0, "message": "begun" }));
    id
}

on_every_runtime! {
    async fn a_cancelled_request_is_dropped_and_has_no_answer(n) {
        let drops = Arc::default();
        let (mut peer, _handle) = Peer::of(n, &server(&drops), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        let id = begin_waiting(&mut peer).await;
        peer.notify("notifications/cancelled", json!({ "requestId": id, "reason": "enough" })).await;
        // The next to be heard is this.
        let answer = peer.call("tools/call", json!({ "name": "quick" })).await;
        assert_eq!(answer["result"]["content"][0]["text"], "done");
        while drops.load(Ordering::SeqCst) == 0 {
            assert_eq!(peer.call("ping", json!({})).await["result"], json!({}));
        }
    }
}

on_every_runtime! {
    async fn one_that_has_been_quick_may_wait_nest_or_panic_all_the_same(n) {
        let drops = Arc::default();
        let (mut peer, _handle) = Peer::of(n, &moody(&drops), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        let params = |mood: &str| json!({ "name": "moody", "arguments": { "mood": mood }, "_meta": { "progressToken": "t" } });
        for round in 1..=3 {
            for mood in ["nest", "panic", "wait"] {
                // After these it is begun in place.
                for _ in 0..3 {
                    let answer = peer.call("tools/call", params("quick")).await;
                    assert_eq!(answer["result"]["content"][0]["text"], "quick");
                }
                match mood {
                    "nest" => {
                        let answer = peer.call("tools/call", params(mood)).await;
                        assert_eq!(answer["result"]["content"][0]["text"], "nest", "{answer}");
                    }
                    "panic" => {
                        let answer = peer.call("tools/call", params(mood)).await;
                        assert_eq!(answer["error"]["code"], -32603);
                    }
                    _ => {
                        let id = peer.ask("tools/call", params(mood)).await;
                        assert_eq!(peer.hear().await["params"]["message"], "begun");
                        peer.notify("notifications/cancelled", json!({ "requestId": id })).await;
                        while drops.load(Ordering::SeqCst) < round {
                            assert_eq!(peer.call("ping", json!({})).await["result"], json!({}));
                        }
                    }
                }
            }
        }
    }
}

/// Calls of `moody` as lines that are read without a look at each member, once it has been quick.
fn line(id: u64, meta: &str, mood: &str) -> String {
    let params = format!(r#"{{{meta}"name":"moody","arguments":{{"mood":"{mood}"}}}}"#);
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{params}}}\n")
}

on_every_runtime! {
    async fn one_that_was_begun_where_it_was_read_and_waits_is_one_like_others(n) {
        let drops = Arc::default();
        let (mut peer, _handle) = Peer::of(n, &moody(&drops), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        for round in 1..=3 {
            for id in 0..3 {
                peer.say_raw(line(id, "", "quick")).await;
                assert_eq!(peer.hear().await["result"]["content"][0]["text"], "quick");
            }
            peer.say_raw(line(7, "", "panic")).await;
            assert_eq!(peer.hear().await["error"]["code"], -32603);
            peer.say_raw(line(8, "", "nest")).await;
            assert_eq!(peer.hear().await["result"]["content"][0]["text"], "nest");
            peer.say_raw(line(7, "", "quick")).await;
            assert_eq!(peer.hear().await["id"], 7, "an id can be used again");
            peer.say_raw(line(7, "", "wait") + &line(7, "", "quick") + &line(8, "", "quick")).await;
            let refused = peer.hear().await;
            assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(7), &json!(-32600)), "{refused}");
            assert_eq!(peer.hear().await["id"], 8);
            peer.notify("notifications/cancelled", json!({ "requestId": 7 })).await;
            while drops.load(Ordering::SeqCst) < round {
                assert_eq!(peer.call("ping", json!({})).await["result"], json!({}));
            }
        }
    }
}

on_every_runtime! {
    async fn in_the_modern_era_the_answer_says_what_it_is_wherever_it_was_begun(n) {
        let (mut peer, _handle) = Peer::of(n, &moody(&Arc::default()), ServeOptions::default());
        let meta = format!("\"_meta\":{},", modern_meta(json!({})));
        for id in 0..6 {
            // An argument that is missing, in the end.
            let call = line(id, &meta, "quick");
            peer.say_raw(if id < 5 { call } else { call.replace("\"mood\"", "\"food\"") }).await;
            let answer = peer.hear().await;
            assert_eq!((&answer["id"], &answer["result"]["resultType"]), (&json!(id), &json!("complete")), "{answer}");
            assert_eq!(answer["result"]["isError"].as_bool().unwrap_or_default(), id == 5, "{answer}");
        }
    }
}

on_every_runtime! {
    async fn more_than_may_run_at_once_are_all_answered_though_each_is_quick(n) {
        let (mut peer, _handle) = Peer::of(n, &moody(&Arc::default()), ServeOptions::default().max_requests(2));
        peer.initialize("2025-11-25", json!({})).await;
        let call = |id: usize| {
            let params = json!({ "name": "moody", "arguments": { "mood": "quick" } });
            format!("{}\n", json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
        };
        for burst in 0..3 {
            peer.say_raw((0..600).map(|n| call(1000 * (burst + 1) + n)).collect::<String>()).await;
            for _ in 0..600 {
                assert_eq!(peer.hear().await["result"]["content"][0]["text"], "quick");
            }
        }
    }
}

on_every_runtime! {
    async fn a_panic_is_an_error_answer_and_the_connection_lives(n) {
        let (mut peer, _handle) = Peer::of(n, &server(&Arc::default()), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        for _ in 0..3 {
            let answer = peer.call("tools/call", json!({ "name": "panic" })).await;
            assert_eq!(answer["error"]["code"], -32603);
            assert!(!answer.to_string().contains("as it should"), "what it panics with is nobody's business: {answer}");
        }
        let answer = peer.call("tools/call", json!({ "name": "quick" })).await;
        assert_eq!(answer["result"]["content"][0]["text"], "done");
    }
}

on_every_runtime! {
    async fn what_was_asked_before_the_end_of_the_input_is_answered(n) {
        let (mut peer, handle) = Peer::of(n, &server(&Arc::default()), ServeOptions::default().max_requests(2));
        peer.initialize("2025-11-25", json!({})).await;
        let mut text = String::new();
        for id in 100..150 {
            let request = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "quick" } });
            text += &format!("{request}\n");
        }
        peer.say_raw(text).await;
        peer.end_input().await;
        let mut answered = Vec::new();
        while let Some(answer) = peer.hear_or_end().await {
            answered.push(answer["id"].as_u64().unwrap());
        }
        answered.sort_unstable();
        assert_eq!(answered, (100..150).collect::<Vec<_>>());
        let report = handle.closed().await.unwrap();
        assert!(matches!(report.ending, ServeEnding::ClientEnded) && report.cut == 0, "{report:?}");
    }
}

on_every_runtime! {
    async fn a_client_that_is_done_before_it_is_looked_at_is_no_error(_n) {
        let (ours, theirs) = memory::pair(64);
        drop(ours);
        let report = server(&Arc::default()).serve(theirs, ServeOptions::default()).await.unwrap();
        assert!(matches!(report.ending, ServeEnding::ClientEnded | ServeEnding::Lost(_)), "{report:?}");
    }
}

on_every_runtime! {
    async fn what_does_not_end_is_cut_off_when_the_client_is_gone(n) {
        let drops: Arc<AtomicUsize> = Arc::default();
        let options = ServeOptions::default().drain(Duration::from_millis(50));
        let (mut peer, handle) = Peer::of(n, &server(&drops), options);
        peer.initialize("2025-11-25", json!({})).await;
        for _ in 0..3 {
            begin_waiting(&mut peer).await;
        }
        peer.end_input().await;
        let report = handle.closed().await.unwrap();
        let mut states = handle.states();
        for state in [State::Starting, State::Ready, State::Closing, State::Closed] {
            assert_eq!(states.next().await, Some(state));
        }
        assert_eq!(states.next().await, None);
        assert_eq!(report.to_string(), "the client ended it; 3 requests were cut off");
        assert_eq!(drops.load(Ordering::SeqCst), 3, "nothing of theirs is left when the report is there");
        assert_eq!(peer.hear_or_end().await, None);
    }
}

on_every_runtime! {
    async fn closing_refuses_what_is_new_and_lets_come_to_its_end_what_runs(n) {
        let drops = Arc::default();
        let options = ServeOptions::default().drain(Duration::from_secs(30));
        let (mut peer, handle) = Peer::of(n, &server(&drops), options);
        peer.initialize("2025-11-25", json!({})).await;
        let id = begin_waiting(&mut peer).await;
        handle.begin_close();
        // Until the connection has heard of it, requests are answered.
        loop {
            let answer = peer.call("tools/call", json!({ "name": "quick" })).await;
            if answer["error"]["code"] == -32000 {
                break;
            }
        }
        peer.notify("notifications/cancelled", json!({ "requestId": id })).await;
        let report = handle.closed().await.unwrap();
        assert_eq!(report.to_string(), "closed");
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert_eq!(peer.hear_or_end().await, None);
    }
}

on_every_runtime! {
    async fn so_many_run_so_many_wait_and_the_rest_is_refused(n) {
        let drops = Arc::default();
        let options = ServeOptions::default().max_requests(2).max_requests_waiting(3);
        let (mut peer, handle) = Peer::of(n, &server(&drops), options);
        peer.initialize("2025-11-25", json!({})).await;
        let running = [begin_waiting(&mut peer).await, begin_waiting(&mut peer).await];
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(peer.ask("tools/call", json!({ "name": "quick" })).await);
        }
        let refused = peer.call("tools/call", json!({ "name": "quick" })).await;
        assert_eq!(refused["error"]["code"], -32000, "{refused}");
        assert_eq!(peer.call("ping", json!({})).await["result"], json!({}), "a sign of life is given all the same");
        peer.notify("notifications/cancelled", json!({ "requestId": running[0] })).await;
        for id in waiting {
            assert_eq!(peer.hear().await["id"], id, "in the order in which they came");
        }
        handle.begin_close();
        peer.notify("notifications/cancelled", json!({ "requestId": running[1] })).await;
        handle.closed().await.unwrap();
    }
}

on_every_runtime! {
    async fn what_fails_when_a_handler_has_answered_is_not_the_connections(n) {
        let (mut peer, handle) = Peer::of(n, &moody(&Arc::default()), ServeOptions::default());
        peer.initialize("2025-11-25", json!({})).await;
        // On the long way, at first; begun where its line is read, when the tool has turned out to be quick.
        for mood in ["leave", "usual", "usual", "leave", "usual"] {
            let answer = peer.call("tools/call", json!({ "name": "moody", "arguments": { "mood": mood } })).await;
            assert_eq!(answer["result"]["content"][0]["text"], mood, "{answer}");
        }
        peer.end_input().await;
        assert_eq!(peer.hear_or_end().await, None);
        let report = handle.closed().await.expect("nothing of the connection's own has failed");
        assert!(matches!(report.ending, ServeEnding::ClientEnded), "{report}");
        assert_eq!(report.cut, 0);
    }
}
