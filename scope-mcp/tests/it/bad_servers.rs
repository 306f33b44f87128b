//! Each gives a typed error in a bounded time, and leaves nothing.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use futures_util::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use scope_mcp::transport::memory;
use scope_mcp::{CallOptions, Client, Ending};
use serde_json::json;

use crate::support::{Clock, assert_says, on_every_runtime, open, options};

on_every_runtime! {
    async fn one_that_dies_between_two_halves_of_an_answer(n, TEST) {
        let client = open(n, TEST.peer("dies-between-two-halves")).await?;
        let error = client.call_tool("echo", &json!({})).await.unwrap_err();
        assert!(error.is_disconnected() && error.is_sent_unknown(), "{error}");
        let gone = error.disconnect().unwrap();
        assert_eq!(gone.exit_status().unwrap().code(), Some(3));
        assert_eq!(gone.stderr_tail(), ["out of cheese"]);
        assert_says(&error, "the server exited with code 3; its last lines on standard error: «out of cheese»");
        assert_says(&error, "(whether it acted on the call is not known)");
        let report = client.closed().await.unwrap();
        assert!(matches!(&report.ending, Ending::Lost(_)) && report.is_complete(), "{report}");
        // Calls to what has gone are told the same, and that they were not sent.
        let error = client.call_tool("echo", &json!({})).await.unwrap_err();
        assert!(error.is_not_sent() && error.disconnect().unwrap().exit_status().is_some(), "{error}");
        assert!(client.list_tools().await.unwrap_err().is_disconnected());
        let error = client.wait_ready().await.unwrap_err();
        assert!(error.is_disconnected());
        assert_says(&error, "is not open any more: it exited with code 3");
        // Closing what has gone is no error.
        assert!(matches!(client.close().await?.ending, Ending::Lost(_)));
    }
}

on_every_runtime! {
    async fn one_that_is_ended_by_a_signal_takes_all_calls_with_it(n, TEST) {
        let client = open(n, TEST.peer("dies-on-call")).await?;
        let empty = json!({});
        let (a, b) = futures_util::join!(client.call_tool("a", &empty), client.call_tool("b", &empty));
        for error in [a.unwrap_err(), b.unwrap_err()] {
            // SIGABRT
            assert_eq!(error.disconnect().unwrap().exit_status().unwrap().signal(), Some(6), "{error}");
        }
    }
}

on_every_runtime! {
    async fn one_whose_answer_is_over_the_limit_fails_that_call_and_no_other(n, TEST) {
        let client = Client::open(n, TEST.peer("too-long").arg("3000000"), options().max_line(100_000)).await?;
        let error = client.call_tool("big", &json!({})).await.unwrap_err();
        assert!(error.is_too_long() && !error.is_not_sent(), "{error}");
        assert_says(&error, "the answer was dropped: it is 3000073 bytes long, and the limit is 100000");
        assert_eq!(client.request_raw("ping", None).await?.get(), "{}");
    }
}

on_every_runtime! {
    async fn one_whose_cursor_loops(n, TEST) {
        let client = open(n, TEST.peer("cursor-loop")).await?;
        let error = client.list_tools().await.unwrap_err();
        assert!(error.is_endless(), "{error}");
        assert_says(&error, "page 2 gave a cursor that was given before");
    }
}

on_every_runtime! {
    async fn one_whose_pages_do_not_end(n, TEST) {
        let few_pages = (options().max_pages(5), "more than 5 pages");
        let few_tools = (options().max_items(8), "more than 8 tools");
        for (options, why) in [few_pages, few_tools] {
            let client = Client::open(n, TEST.peer("pages-without-end"), options).await?;
            let error = client.list_tools().await.unwrap_err();
            assert!(error.is_endless(), "{error}");
        assert_says(&error, why);
        }
        // The time-out is for all pages together.
        let options = options().max_pages(usize::MAX).max_items(usize::MAX);
        let client = Client::open(n, TEST.peer("pages-without-end"), options).await?;
        let error = client.list_tools_with(&CallOptions::new().timeout(Duration::from_millis(300))).await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
}

on_every_runtime! {
    async fn one_that_lists_a_tool_without_a_schema(n, TEST) {
        let client = open(n, TEST.peer("lists-a-bad-tool")).await?;
        let error = client.list_tools().await.unwrap_err();
        assert!(error.is_malformed(), "{error}");
        assert_says(&error, r#"tool number 2 ("bad\x07"): missing field `inputSchema`"#);
    }
}

on_every_runtime! {
    async fn one_that_dies_among_many_callers_leaves_none_of_them_waiting(n, TEST) {
        let client = open(n, TEST.peer("dies-on-call")).await?;
        let mut tasks = Vec::new();
        for _ in 0..16 {
            let client = client.clone();
            tasks.push(scope_core::Spawns::spawn_erased_with_handle(n, async move {
                let mut told = 0;
                // Before its death, at its death, and after it.
                while told < 50 {
                    let error = client.call_tool("x", &json!({})).await.unwrap_err();
                    assert!(error.is_disconnected() || error.is_not_sent(), "{error}");
                    told += 1;
                }
                Ok(())
            }));
        }
        for task in tasks {
            task.await?;
        }
    }
}

on_every_runtime! {
    async fn one_that_floods_with_notifications_is_read_on(n, TEST) {
        let client = Client::open(n, TEST.peer("floods").arg("100000"), options().max_notifications(10)).await?;
        let mut heard = client.notifications();
        let result = client.call_tool("flood", &json!({})).await?;
        assert!(result.content.is_empty());
        assert_eq!(heard.missed(), 99_990);
        for n in 99_990..100_000 {
            assert_eq!(heard.try_next().unwrap().as_progress().unwrap().progress, f64::from(n));
        }
        client.close().await?;
        assert!(heard.next().await.is_none());
    }
}

on_every_runtime! {
    async fn one_that_floods_without_end_and_does_not_read_is_closed_all_the_same(n, TEST) {
        let client = open(n, TEST.peer("floods-without-end")).await?;
        let short = CallOptions::new().timeout(Duration::from_millis(200));
        let error = client.request_raw_with("ping", None, &short).await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        let clock = Clock::start();
        let report = client.close().await?;
        assert!(report.is_complete(), "{report:#}");
        clock.assert_within(20);
    }
}

on_every_runtime! {
    async fn one_that_fills_its_standard_error_is_read_and_its_last_lines_are_kept(n, TEST) {
        let client = open(n, TEST.peer("fills-standard-error")).await?;
        client.call_tool("fill", &json!({})).await?;
        let report = client.close().await?;
        assert_eq!(report.stderr_tail.last().unwrap(), "line 99999 of nothing in particular");
        assert_eq!(report.stderr_tail.len() as u64 + report.stderr_dropped, 100_000);
    }
}

on_every_runtime! {
    async fn one_that_stops_reading_blocks_neither_other_calls_nor_closing(n, TEST) {
        let client = open(n, TEST.peer("deaf")).await?;
        let short = CallOptions::new().timeout(Duration::from_millis(300));
        let message = "x".repeat(2_000_000);
        let arguments = json!({ "message": message });
        let (first, second) = futures_util::join!(
            client.call_tool_with("a", &arguments, &short),
            client.call_tool_with("b", &arguments, &short)
        );
        let (first, second) = (first.unwrap_err(), second.unwrap_err());
        assert!(first.is_timeout() && first.is_sent_unknown(), "{first}");
        assert!(second.is_timeout() && second.is_not_sent(), "{second}");
        assert_says(&second, "could not be sent in 300 ms: the server does not read");
        let clock = Clock::start();
        let report = client.close().await?;
        assert!(report.is_complete() && !report.is_polite(), "{report:#}");
        assert_eq!(report.process.as_ref().unwrap().signals(), [scope_process::Sent::Term]);
        clock.assert_within(10);
    }
}

/// Refuses `server/discover`, whose id is 1, answers `initialize`, whose id is 2, and does then what `$1` says.
const ANSWER: &str = r#"
    read -r line
    printf '%s\n' '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'
    read -r line
    printf '%s' '{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-06-18","capabilities":{},'
    printf '%s\n' '"serverInfo":{"name":"a","version":"b"}}}'
    read -r line
    "#;

on_every_runtime! {
    async fn one_that_closes_its_output_and_lives(n, TEST) {
        let client = open(n, TEST.script(&format!("{ANSWER} read -r line; echo bye >&2; exec >&-; sleep 600"))).await?;
        let error = client.request_raw("x", None).await.unwrap_err();
        assert!(error.is_disconnected() && error.is_sent_unknown(), "{error}");
        let gone = error.disconnect().unwrap();
        assert!(!gone.has_exited() && gone.exit_status().is_none());
        assert_says(&error, "closed its standard output but went on running; its last lines on standard error: «bye»");
        assert!(client.closed().await.unwrap().is_complete());
    }
}

on_every_runtime! {
    async fn one_that_closes_its_input_and_lives(n, TEST) {
        let script = ANSWER.to_owned() + r#"exec <&-; printf '%s\n' '{"jsonrpc":"2.0","method":"closed"}'; sleep 600"#;
        let client = Client::start(n, TEST.script(&script), options())?;
        let mut notifications = client.notifications();
        client.wait_ready().await?;
        assert_eq!(notifications.next().await.unwrap().method(), "closed");
        // A write goes through as long as a process that is just being started has not let go of its copy of the pipe.
        let short = CallOptions::new().timeout(Duration::from_millis(200));
        let error = loop {
            let error = client.request_raw_with("x", None, &short).await.unwrap_err();
            if !error.is_timeout() {
                break error;
            }
        };
        assert!(error.is_disconnected() && error.is_not_sent(), "{error}");
        assert_says(&error, "closed its standard input but went on running");
        assert!(client.closed().await.unwrap().is_complete());
    }
}

on_every_runtime! {
    async fn one_that_stops_listening_and_asks_is_gone_when_it_is_answered(n, TEST) {
        let (ours, theirs) = memory::pair(64 * 1024);
        let client = Client::start_stream(n, TEST.0, ours, options())?;
        let (reader, mut writer) = theirs.into_parts();
        let mut reader = BufReader::new(reader);
        let mut line = String::new();
        while !line.contains("notifications/initialized") {
            line.clear();
            reader.read_line(&mut line).await?;
            let message: serde_json::Value = serde_json::from_str(&line)?;
            let answer = match message["method"].as_str() {
                Some("initialize") => json!({ "result": {
                    "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "a", "version": "b" }
                } }),
                _ => json!({ "error": { "code": -32601, "message": "no" } }),
            };
            if let Some(id) = message.get("id") {
                let mut answer = answer;
                (answer["jsonrpc"], answer["id"]) = ("2.0".into(), id.clone());
                writer.write_all(format!("{answer}\n").as_bytes()).await?;
            }
        }
        drop(reader);
        writer.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").await?;
        // Nothing else happens that would have it looked at.
        let report = client.closed().await.unwrap();
        assert!(matches!(&report.ending, Ending::Lost(_)), "{report}");
        assert_says(&report, "closed the connection");
    }
}

on_every_runtime! {
    async fn one_that_closes_its_standard_error_and_lives_is_a_good_one(n, TEST) {
        let script = ANSWER.to_owned() + r#"exec 2>&-; read -r line; printf '%s\n' '{"jsonrpc":"2.0","id":3,"result":7}'; read -r line"#;
        let client = open(n, TEST.script(&script)).await?;
        assert_eq!(client.request_raw("x", None).await?.get(), "7");
        assert!(client.close().await?.is_polite());
    }
}

on_every_runtime! {
    async fn one_that_leaves_a_child_with_its_pipes(n, TEST) {
        let client = open(n, TEST.script(&format!("{ANSWER} sleep 600 & exit 5"))).await?;
        let error = client.request_raw("x", None).await.unwrap_err();
        assert_eq!(error.disconnect().unwrap().exit_status().unwrap().code(), Some(5), "{error}");
        let report = client.closed().await.unwrap();
        assert_eq!(report.process.as_ref().unwrap().stragglers().len(), 1, "{report:#}");
    }
}

on_every_runtime! {
    async fn one_that_asks_for_what_we_do_not_offer_is_answered(n, TEST) {
        let client = open(n, TEST.peer("asks")).await?;
        let answers = client.call_tool("ask", &json!({})).await?.structured_content.unwrap();
        assert_eq!(answers["p"], json!({ "jsonrpc": "2.0", "id": "p", "result": {} }));
        assert_eq!((&answers["r"]["id"], &answers["r"]["error"]["code"]), (&json!(7), &json!(-32601)));
    }
}
