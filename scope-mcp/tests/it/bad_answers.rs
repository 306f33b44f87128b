//! Messages that are proper and wrong: answers to nothing, of the wrong shape, twice; requests and notifications nobody
//! asked for; lists that do not hold together.

use scope_core::Failure;
use scope_mcp::{CallError, Client, OutputCheck};
use serde_json::json;

use crate::support::{Clock, Test, assert_says, on_every_runtime, open, options};
use crate::telling::{close_unharmed, heard, open_teller, tell, tell_in_vain};

fn answer(id: &str, rest: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{rest}}}\n")
}

on_every_runtime! {
    async fn answers_that_nobody_waits_for_are_counted_and_change_nothing(n, TEST) {
        let client = open_teller(n, TEST).await?;
        let good = answer("ID", r#""result":"mine""#);
        for id in ["0", "1", "999", "18446744073709551615", "\"x\"", "null"] {
            let other = answer(id, r#""result":"another's""#);
            let error = answer(id, r#""error":{"code":-32700,"message":"?"}"#);
            assert_eq!(tell(&client, format!("{other}{error}{good}")).await?.get(), "\"mine\"");
        }
        // The first one counts.
        let twice = format!("{good}{}{}", answer("ID", r#""result":2"#), answer("ID", r#""error":{"code":3}"#));
        assert_eq!(tell(&client, twice).await?.get(), "\"mine\"");
        let traffic = close_unharmed(&client).await?.traffic;
        assert_eq!((traffic.strays, traffic.noise), (14, 0));
    }
}

on_every_runtime! {
    async fn an_id_counts_by_its_value_and_its_type(n, TEST) {
        let client = open_teller(n, TEST).await?;
        for id in ["ID.0", "ID.000", "IDe0", "ID.0E+0"] {
            assert_eq!(tell(&client, answer(id, r#""result":1"#)).await?.get(), "1", "{id}");
        }
        let mut strays = 0;
        for id in ["\"ID\"", "-ID", "ID.5", "null", "[ID]", "{\"id\":ID}", "true", "9007199254740993", "1e400"] {
            tell_in_vain(&client, answer(id, r#""result":1"#)).await;
            strays += 1;
        }
        assert_eq!(close_unharmed(&client).await?.traffic.strays, strays);
    }
}

on_every_runtime! {
    async fn an_answer_with_both_or_neither_fails_its_call_at_once(n, TEST) {
        let client = open_teller(n, TEST).await?;
        for (rest, why) in [
            (r#""result":{},"error":{"code":1,"message":"a"}"#, "it has a result and an error"),
            (r#""results":{}"#, "it has neither a result nor an error"),
        ] {
            let error = tell(&client, answer("ID", rest)).await.unwrap_err();
            assert!(error.is_malformed() && !error.is_not_sent(), "{error}");
            assert_says(&error, why);
        }
        // What is null is as good as not there, as long as the other is.
        assert_eq!(tell(&client, answer("ID", r#""result":{},"error":null"#)).await?.get(), "{}");
        let error = tell(&client, answer("ID", r#""result":null,"error":{"code":7}"#)).await.unwrap_err();
        assert_eq!(error.rejection().unwrap().code(), Some(7));
        // An error may be anything.
        for raw in ["\"no\"", "null", "[]", r#"{"code":"x","message":{}}"#, r#"{"code":1e99}"#] {
            let error = tell(&client, answer("ID", &format!("\"error\":{raw}"))).await.unwrap_err();
            assert_eq!(error.rejection().unwrap().raw().get(), raw);
            assert_eq!(error.rejection().unwrap().code(), None);
        }
        close_unharmed(&client).await?;
    }
}

on_every_runtime! {
    async fn requests_of_the_server_are_answered_with_the_id_they_came_with(n, TEST) {
        let client = open_teller(n, TEST).await?;
        let good = answer("ID", r#""result":{}"#);
        for id in ["1", "1.0", "\"1\"", "9007199254740993", "-7", "1e400", r#""é\u0000\ud83e\udd80""#] {
            let asked = answer(id, r#""method":"ping""#) + &answer(id, r#""method":"sampling/createMessage","params":{}"#);
            tell(&client, asked.bytes().chain(good.bytes()).collect::<Vec<u8>>()).await?;
            let heard = heard(&client).await?;
            let [.., ping, sampling] = heard.as_slice() else { panic!("{id}: {heard:?}") };
            assert_eq!(*ping, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
            let refused = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"#);
            assert!(sampling.starts_with(&refused), "{sampling}");
        }
        // What cannot be an id cannot be answered.
        let before = heard(&client).await?.len();
        for id in ["null", "{}", "[1]", "true"] {
            tell(&client, answer(id, r#""method":"ping""#) + &good).await?;
        }
        assert_eq!(heard(&client).await?.len(), before);
        close_unharmed(&client).await?;
    }
}

on_every_runtime! {
    async fn one_that_asks_without_reading_the_answers_gets_a_bounded_number_of_them(n, TEST) {
        for method in ["ping", "roots/list", "no/such"] {
            let client = Client::start(n, TEST.peer("asks-without-reading").arg("100000").arg(method), options())?;
            let mut notifications = client.notifications();
            assert_eq!(notifications.next().await.unwrap().method(), "asked");
            let report = client.close().await?;
            // The pipe, and what is kept, hold the answers to some of them.
            let unanswered = report.traffic.unanswered_requests;
            assert!((1000..100_000).contains(&unanswered), "{method}: {unanswered} of 100000");
            assert!(report.is_complete(), "{report:#}");
        }
    }
}

on_every_runtime! {
    async fn an_id_that_is_too_long_is_none(n, TEST) {
        let client = open_teller(n, TEST).await?;
        let good = answer("ID", r#""result":{}"#);
        let ids = [format!("\"{}\"", "x".repeat(1022)), format!("\"{}\"", "y".repeat(1023)), "7".repeat(100_000)];
        for id in &ids {
            tell(&client, answer(id, r#""method":"ping""#) + &good).await?;
        }
        assert_eq!(heard(&client).await?, [format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, ids[0])]);
        assert_eq!(close_unharmed(&client).await?.traffic.noise, 2);
    }
}

on_every_runtime! {
    async fn large_notifications_push_out_those_before_them(n, TEST) {
        let options = options().max_notification_bytes(1_000_000);
        let client = Client::open(n, TEST.peer("says"), options).await?;
        let mut notifications = client.notifications();
        let large = |n: usize| {
            let params = format!("{{\"n\":{n},\"x\":\"{}\"}}", "x".repeat(99_000));
            format!("{{\"jsonrpc\":\"2.0\",\"method\":\"large\",\"params\":{params}}}\n")
        };
        let flood: String = (0..30).map(large).collect();
        tell(&client, flood + &answer("ID", r#""result":{}"#)).await?;
        assert_eq!(notifications.missed(), 20);
        for n in 20..30 {
            let params = notifications.try_next().unwrap();
            let params: serde_json::Value = serde_json::from_str(params.params().unwrap().get())?;
            assert_eq!(params["n"], n);
        }
        close_unharmed(&client).await?;
    }
}

on_every_runtime! {
    async fn a_flood_that_nobody_listens_to_is_read_on(n, TEST) {
        let client = open(n, TEST.peer("floods").arg("100000")).await?;
        assert!(client.call_tool("flood", &json!({})).await?.content.is_empty());
        // Who begins to listen now has missed it all, and knows of nothing to have missed.
        let mut notifications = client.notifications();
        assert!(notifications.try_next().is_none() && notifications.missed() == 0);
        assert!(client.close().await?.traffic.received > 100_000);
    }
}

/// The tools of a server whose pages are these, each the result of one `tools/list`.
async fn list(
    n: &scope_core::Nursery<'_, '_>,
    test: Test,
    pages: &[&str],
) -> Result<Result<Vec<String>, CallError>, Failure> {
    let client = Client::open(n, test.peer("lists").args(pages.iter().copied()), options()).await?;
    let listed = client.list_tools().await;
    close_unharmed(&client).await?;
    Ok(listed.map(|tools| tools.into_iter().map(|tool| tool.name).collect()))
}

on_every_runtime! {
    async fn tools_that_change_between_two_pages_are_listed_as_they_came(n, TEST) {
        // `b` moved to the second page, `c` appeared, and who knows what was lost.
        let pages = [
            r#""result":{"tools":[{"name":"a","inputSchema":{}},{"name":"b","inputSchema":{}}],"nextCursor":"2"}"#,
            r#""result":{"tools":[{"name":"b","inputSchema":{}},{"name":"c","inputSchema":{}}]}"#,
        ];
        assert_eq!(list(n, TEST, &pages).await??, ["a", "b", "b", "c"]);
    }
}

on_every_runtime! {
    async fn a_cursor_that_is_refused_fails_the_list(n, TEST) {
        let pages = [
            r#""result":{"tools":[{"name":"a","inputSchema":{}}],"nextCursor":"2"}"#,
            r#""error":{"code":-32602,"message":"that cursor is no longer known"}"#,
        ];
        let error = list(n, TEST, &pages).await?.unwrap_err();
        assert_eq!(error.rejection().unwrap().code(), Some(-32602));
        assert_says(&error, "that cursor is no longer known");
    }
}

on_every_runtime! {
    async fn a_cursor_that_loops_over_several_pages_is_seen(n, TEST) {
        let page = |next: &str| format!(r#""result":{{"tools":[],"nextCursor":{next}}}"#);
        let pages = [page("\"a\""), page("\" \""), page("\"c\""), page("\" \"")];
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        let error = list(n, TEST, &pages).await?.unwrap_err();
        assert!(error.is_endless(), "{error}");
        assert_says(&error, "page 4 gave a cursor that was given before");
        let error = list(n, TEST, &[&page("7")]).await?.unwrap_err();
        assert!(error.is_malformed(), "{error}");
    }
}

on_every_runtime! {
    async fn a_result_of_the_wrong_shape_fails_its_call_at_once(n, TEST) {
        let client = open_teller(n, TEST).await?;
        for (result, why) in [
            (r#"{}"#, "missing field `content`"),
            (r#"{"content":"not a list"}"#, "content: invalid type: string"),
            (r#"{"content":[{"type":"text","text":"a"},{"type":"text"}]}"#, "content[1]: "),
            (r#"{"content":[{"type":"text","text":7}]}"#, "`text`"),
            (r#"{"content":[],"isError":"no"}"#, "isError: invalid type: string"),
            (r#"{"content":[],"_meta":[]}"#, "_meta: invalid type: sequence"),
            ("[]", "invalid type: sequence, expected struct CallToolResult"),
            ("null", "invalid type: null"),
            ("\"done\"", "invalid type: string"),
        ] {
            let bytes = answer("ID", &format!("\"result\":{result}"));
            let error = client.call_tool("say", &json!({ "bytes": bytes })).await.unwrap_err();
            assert!(error.is_malformed() && !error.is_not_sent(), "{result}: {error}");
            assert_says(&error, why);
        }
        close_unharmed(&client).await?;
    }
}

on_every_runtime! {
    async fn a_pattern_that_explodes_costs_nothing(n, TEST) {
        let schema = r#"{"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}"#;
        let page = format!(
            r#""result":{{"tools":[{{"name":"a","inputSchema":{schema},"outputSchema":{schema}}}]}}"#
        );
        let client = Client::open(n, TEST.peer("lists").arg(page), options()).await?;
        let clock = Clock::start();
        let tools = client.list_tools().await?;
        let hard = "a".repeat(50_000) + "!";
        let mut result = client.call_tool("a", &json!({ "a": hard })).await?;
        // For those who ask for that, by the server's own pattern.
        let check = OutputCheck::of(&tools[0])?.unwrap();
        result.structured_content = Some(json!({ "a": hard }));
        let violation = check.check(&result).unwrap_err();
        assert!(!violation.is_too_costly(), "{violation}");
        clock.assert_within(20);
        close_unharmed(&client).await?;
    }
}
