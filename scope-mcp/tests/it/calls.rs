use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};
use std::time::Duration;

use scope_core::blocking;
use scope_mcp::model::ContentKind;
use scope_mcp::{CallOptions, Client};
use serde_json::json;
use serde_json::value::RawValue;

use crate::support::{Clock, assert_says, on_every_runtime, open, options};

pub(crate) fn text(result: &scope_mcp::model::CallToolResult) -> &str {
    match result.content.first().map(|block| block.kind()) {
        Some(ContentKind::Text(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}

on_every_runtime! {
    async fn tools_are_listed_over_all_pages_and_nothing_of_them_is_lost(n, TEST) {
        let client = open(n, TEST.peer("good")).await?;
        let tools = client.list_tools().await?;
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["tool0", "tool1", "tool2", "tool3", "tool4", "tool5", "tool6"]);
        assert_eq!(tools[5].extra["x-new"], 5);
    }
}

on_every_runtime! {
    async fn a_tool_succeeds_fails_or_is_not_there(n, TEST) {
        let client = open(n, TEST.peer("good")).await?;
        let result = client.call_tool("echo", &json!({ "message": "a\n\u{2028}🦀" })).await?;
        assert_eq!((text(&result), result.is_error()), ("a\n\u{2028}🦀", false));
        let result = client.call_tool("fails", &json!({})).await?;
        assert_eq!((text(&result), result.is_error()), ("it went wrong", true));
        let error = client.call_tool("nothing", &json!({})).await.unwrap_err();
        assert_eq!(error.rejection().unwrap().code(), Some(-32602));
        assert_eq!(
            error.to_string(),
            "tools/call \"nothing\" at the server \"peer\": the server refused: no tool nothing (error -32602)"
        );
        let error = client.call_tool("wrong-shape", &json!({})).await.unwrap_err();
        assert!(error.is_malformed(), "{error}");
        assert_says(&error, "expected a sequence");
        let error = client.call_tool("echo", &json!([1])).await.unwrap_err();
        assert!(error.is_invalid_params() && error.is_not_sent(), "{error}");
        let result = client.call_tool("in-pieces", &json!({})).await?;
        assert_eq!(text(&result), "é in pieces 🦀");
    }
}

on_every_runtime! {
    async fn a_thread_of_no_runtime_calls_as_well(n, TEST) {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        fn wait_for<T>(future: impl Future<Output = T>) -> T {
            let mut future = pin!(future);
            let waker = Arc::new(Unpark(thread::current())).into();
            loop {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return output;
                }
                thread::park();
            }
        }
        let client = open(n, TEST.peer("good")).await?;
        let texts = blocking(move |_| {
            let calling = thread::spawn(move || {
                let call = |at: usize| wait_for(client.call_tool("echo", &json!({ "message": at.to_string() })));
                (0..20).map(|at| call(at).map(|result| text(&result).to_owned())).collect::<Result<Vec<_>, _>>()
            });
            calling.join().expect("it does not panic")
        });
        let expected: Vec<String> = (0..20).map(|at| at.to_string()).collect();
        assert_eq!(texts.await??, expected);
    }
}

on_every_runtime! {
    async fn raw_requests_go_and_come_as_they_are(n, TEST) {
        let client = open(n, TEST.peer("good")).await?;
        assert_eq!(client.request_raw("ping", None).await?.get(), "{}");
        let params: Box<RawValue> = serde_json::from_str("{ \"cursor\" :\n \"6\" }")?;
        let page = client.request_raw("tools/list", Some(params)).await?;
        assert_eq!(page.get(), r#"{"tools":[{"name":"tool6","inputSchema":{"type":"object"},"x-new":6}]}"#);
        let error = client.request_raw("no/such\u{7}", None).await.unwrap_err();
        let rejection = error.rejection().unwrap();
        assert_eq!(rejection.raw().get(), "{\"code\":-32601,\"message\":\"no method no/such\\u0007\",\"data\":[1.5]}");
        let error = client.request_raw("ping", Some(serde_json::from_str("7")?)).await.unwrap_err();
        assert!(error.is_invalid_params());
    }
}

on_every_runtime! {
    async fn many_tasks_call_at_once_and_each_gets_its_own_answer(n, TEST) {
        let client = Client::open(n, TEST.peer("good"), options().max_in_flight(16)).await?;
        let mut tasks = Vec::new();
        for number in 0..64 {
            let client = client.clone();
            tasks.push(scope_core::Spawns::spawn_erased_with_handle(n, async move {
                let message = format!("message {number}");
                for _ in 0..10 {
                    let result = client.call_tool("echo", &json!({ "message": message })).await?;
                    assert_eq!(text(&result), message);
                }
                Ok(number)
            }));
        }
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await?, number);
        }
        let report = client.close().await?;
        assert_eq!((report.unanswered, report.traffic.strays, report.traffic.noise), (0, 0, 0));
    }
}

on_every_runtime! {
    async fn a_large_answer_and_a_large_question_pass(n, TEST) {
        let client = open(n, TEST.peer("good")).await?;
        let result = client.call_tool("big", &json!({ "bytes": 5_000_000 })).await?;
        assert_eq!(text(&result).len(), 5_000_000);
        let message = "y".repeat(3_000_000);
        let result = client.call_tool("echo", &json!({ "message": message })).await?;
        assert!(text(&result) == message);
    }
}

on_every_runtime! {
    async fn a_call_that_takes_too_long_is_given_up_and_the_server_is_told(n, TEST) {
        let client = open(n, TEST.peer("good")).await?;
        let clock = Clock::start();
        let short = CallOptions::new().timeout(Duration::from_millis(100));
        let error = client.call_tool_with("sleep", &json!({ "ms": 60_000 }), &short).await.unwrap_err();
        assert!(error.is_timeout() && error.is_sent_unknown());
        assert_eq!(error.to_string(), "tools/call \"sleep\" at the server \"peer\": no answer in 100 ms");
        clock.assert_within(10);
        // The server has heard of it, and lives.
        let result = client.call_tool("cancelled", &json!({})).await?;
        assert_eq!(result.structured_content.unwrap()["ids"], json!([3]));
        // No time at all.
        let none = CallOptions::new().timeout(Duration::ZERO);
        let error = client.call_tool_with("echo", &json!({}), &none).await.unwrap_err();
        assert!(error.is_timeout() && error.is_not_sent(), "{error}");
    }
}

on_every_runtime! {
    async fn a_dropped_call_is_cancelled_frees_its_place_and_its_late_answer_is_ignored(n, TEST) {
        let client = Client::open(n, TEST.peer("good"), options().max_in_flight(1)).await?;
        let sleeping = json!({ "ms": 300 });
        let slow = client.call_tool("sleep", &sleeping);
        let slept = scope_core::fail_after(Duration::from_millis(100), slow).await;
        assert!(slept.is_err(), "the call was to be dropped");
        let result = client.call_tool("cancelled", &json!({})).await?;
        assert_eq!(result.structured_content.unwrap()["ids"], json!([3]));
        client.call_tool("sleep", &json!({ "ms": 500 })).await?;
        let report = client.close().await?;
        assert_eq!((report.traffic.strays, report.unanswered), (1, 0));
    }
}

on_every_runtime! {
    async fn calls_dropped_at_any_moment_disturb_no_other(n, TEST) {
        let client = Client::open(n, TEST.peer("good"), options().max_in_flight(8)).await?;
        let mut tasks = Vec::new();
        for number in 0..16_u64 {
            let client = client.clone();
            tasks.push(scope_core::Spawns::spawn_erased_with_handle(n, async move {
                for round in 0..20_u64 {
                    // From before it is sent to after it is answered.
                    let patience = Duration::from_micros((number * 37 + round * 101) % 3000);
                    let message = format!("{number} {round}");
                    let arguments = json!({ "message": message });
                    if let Ok(result) = scope_core::fail_after(patience, client.call_tool("echo", &arguments)).await {
                        assert_eq!(text(&result?), message);
                    }
                    let result = client.call_tool("echo", &arguments).await?;
                    assert_eq!(text(&result), message);
                }
                Ok(())
            }));
        }
        for task in tasks {
            task.await?;
        }
        let report = client.close().await?;
        assert_eq!((report.unanswered, report.traffic.noise), (0, 0));
        assert!(report.is_polite(), "{report:#}");
    }
}

on_every_runtime! {
    async fn a_flood_of_calls_beyond_what_may_wait_is_refused_not_kept(n, TEST) {
        let options = options().max_in_flight(1).max_waiting(1);
        let client = Client::open(n, TEST.peer("deaf"), options).await?;
        let calls = (0..5).map(|_| client.request_raw("ping", None));
        let mut busy = 0;
        // The first is sent and the second waits, for ever; the others are refused.
        let mut calls: Vec<_> = calls.map(Box::pin).collect();
        std::future::poll_fn(|cx| {
            calls.retain_mut(|call| match call.as_mut().poll(cx) {
                std::task::Poll::Ready(Err(error)) if error.is_busy() && error.is_not_sent() => {
                    busy += 1;
                    false
                }
                std::task::Poll::Ready(other) => panic!("{other:?}"),
                std::task::Poll::Pending => true,
            });
            if busy == 3 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}
