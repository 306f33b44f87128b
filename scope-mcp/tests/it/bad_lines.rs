//! Lines that are no message, or hardly one: what becomes of the call they stand for, and of the others.

use std::time::Duration;

use scope_mcp::{CallOptions, Client};
use serde_json::json;

use crate::support::{assert_says, on_every_runtime, open, options};
use crate::telling::{close_unharmed, open_teller, order, tell, tell_in_vain, teller};

/// A good answer, for after the bad lines.
const GOOD: &str = r#"{"jsonrpc":"2.0","id":ID,"result":{"good":true}}"#;

on_every_runtime! {
    async fn text_between_messages_is_counted_and_disturbs_no_call(n, TEST) {
        let client = open_teller(n, TEST).await?;
        let noise: [&[u8]; 18] = [
            b"Server listening on standard input",
            b"\xff\xfe\x00",
            b"caf\xe9",
            b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"m\"}",
            b"42",
            b"-1.5e300",
            b"\"a string\"",
            b"null",
            b"true",
            b"[]",
            b"{}",
            b"{\"level\":\"info\",\"msg\":\"ready\"}",
            // A log line of the very call that is in flight.
            b"{\"level\":\"info\",\"id\":ID,\"msg\":\"calling\"}",
            b"{\"id\":ID,\"result\":{}}",
            b"{\"jsonrpc\":\"1.0\",\"id\":ID,\"result\":{}}",
            b"{\"jsonrpc\":2.0,\"id\":ID,\"result\":{}}",
            b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"method\":7}",
            b"{\"jsonrpc\":\"2.0\"}",
        ];
        for line in noise {
            let both = [line, b"\n", GOOD.as_bytes(), b"\n"].concat();
            assert_eq!(tell(&client, &both).await?.get(), r#"{"good":true}"#, "{}", line.escape_ascii());
        }
        let traffic = close_unharmed(&client).await?.traffic;
        assert_eq!((traffic.noise, traffic.strays), (noise.len() as u64, 0));
    }
}

on_every_runtime! {
    async fn what_cannot_be_told_from_text_is_named_when_the_time_is_over(n, TEST) {
        let client = open_teller(n, TEST).await?;
        for (line, shown) in [
            ("cannot do that\u{7} token=hush", r"«cannot do that\x07 token=[redacted]»"),
            (r#"{"level":"error","id":ID,"msg":"no"}"#, r#"«{"level":"error","id":"#),
            ("null", "«null»"),
        ] {
            let error = tell_in_vain(&client, format!("{line}\n")).await;
            assert_says(&error, "meanwhile it printed what is no message: ");
            assert_says(&error, shown);
        }
        // That one can be told.
        let marked = "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{}}\n";
        let error = tell(&client, marked).await.unwrap_err();
        assert!(error.is_malformed(), "{error}");
        assert_says(&error, "it begins with a byte order mark, which JSON does not allow");
        assert_eq!(close_unharmed(&client).await?.traffic.noise, 3);
    }
}

on_every_runtime! {
    async fn an_answer_that_is_not_proper_json_fails_its_call_at_once(n, TEST) {
        let client = open_teller(n, TEST).await?;
        let answers: [&[u8]; 9] = [
            b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":\"caf\xe9\"}",
            b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{\"a\":}}",
            b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{\"a\":[1,2}}",
            b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{\"a\":1",
            b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":NaN}",
            b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":1,}",
            b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":\"a\x01b\"}",
            b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":'a'}",
            b"{\"result\":01,\"id\":ID,\"jsonrpc\":\"2.0\"}",
        ];
        for answer in answers {
            let error = tell(&client, [answer, b"\n"].concat()).await.unwrap_err();
            assert!(error.is_malformed() && !error.is_not_sent(), "{}: {error}", answer.escape_ascii());
            assert_says(&error, "the server sent no proper answer: it is not proper JSON: ");
        }
        close_unharmed(&client).await?;
    }
}

on_every_runtime! {
    async fn a_lone_surrogate_passes_raw_and_is_told_where_text_is_wanted(n, TEST) {
        let client = open_teller(n, TEST).await?;
        let result = r#"{"content":[{"type":"text","text":"\ud800"}]}"#;
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{result}}}\n");
        assert_eq!(tell(&client, &answer).await?.get(), result);
        let error = client.call_tool("say", &json!({ "bytes": answer })).await.unwrap_err();
        assert!(error.is_malformed(), "{error}");
        assert_says(&error, "hex escape");
        // A method of that name there is not.
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"\\ud800\"}}\n{GOOD}\n");
        tell(&client, line).await?;
        assert_eq!(close_unharmed(&client).await?.traffic.noise, 1);
    }
}

on_every_runtime! {
    async fn line_ends_and_spaces_of_every_kind_are_taken(n, TEST) {
        let client = open_teller(n, TEST).await?;
        for answer in [
            format!("{GOOD}\r\n"),
            format!("\n\r\n \t \r\n\n{GOOD}\n\n"),
            format!(" \t{GOOD}\t \r\n"),
            GOOD.replace(':', " :\t").replace(',', "\r, ") + "\n",
        ] {
            assert!(tell(&client, &answer).await.is_ok(), "{answer:?}");
        }
        assert_eq!(close_unharmed(&client).await?.traffic.noise, 0);
    }
}

on_every_runtime! {
    async fn a_batch_is_taken_in_the_revision_that_has_it(n, TEST) {
        let client = Client::open(n, teller(TEST).arg("2025-03-26"), options()).await?;
        let mut notifications = client.notifications();
        let batch = format!(
            r#"[{{"jsonrpc":"2.0","method":"first"}},7,[{GOOD}],{{"jsonrpc":"2.0","id":"p","method":"ping"}},{GOOD}]"#
        );
        assert_eq!(tell(&client, batch + "\n").await?.get(), r#"{"good":true}"#);
        assert_eq!(notifications.try_next().unwrap().method(), "first");
        // What came in a batch is answered in one.
        assert_eq!(crate::telling::heard(&client).await?, [r#"[{"jsonrpc":"2.0","id":"p","result":{}}]"#]);
        // Whatever else is an array is as much noise as in any other revision.
        for batch in ["[]", "[1", "[[[]]]"] {
            tell(&client, format!("{batch}\n{GOOD}\n")).await?;
        }
        // Too many, each of which would be told apart: they are one.
        tell(&client, format!("[{}7]\n{GOOD}\n", "7,".repeat(1024))).await?;
        let noise = 2 + 2 + 1 + 1;
        assert_eq!(close_unharmed(&client).await?.traffic.noise, noise);
    }
}

on_every_runtime! {
    async fn a_batch_is_refused_in_any_other_revision(n, TEST) {
        for (revision, id) in [("2024-11-05", r#""id":null,"#), ("2025-06-18", r#""id":null,"#), ("2025-11-25", "")] {
            let client = Client::open(n, teller(TEST).arg(revision), options()).await?;
            let error = tell(&client, format!("[{GOOD}]\n")).await.unwrap_err();
            assert!(error.is_malformed(), "{error}");
            assert_says(&error, "it came in an array, which this revision does not have");
            let heard = crate::telling::heard(&client).await?;
            assert_eq!(heard.len(), 1);
            assert!(heard[0].starts_with(&format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32600,"#)), "{heard:?}");
            // An array of something else is a line of a log.
            let error = tell_in_vain(&client, "[\"ready\", 7]\n").await;
            assert_says(&error, "meanwhile it printed what is no message: «[\"ready\"");
            assert_eq!(close_unharmed(&client).await?.traffic.noise, 2);
        }
    }
}

on_every_runtime! {
    async fn a_key_twice_fails_the_call_whose_id_is_not_in_doubt(n, TEST) {
        let client = open_teller(n, TEST).await?;
        for (answer, key) in [
            (r#"{"jsonrpc":"2.0","id":ID,"result":{},"result":{}}"#, "result"),
            (r#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":ID,"result":{}}"#, "jsonrpc"),
            (r#"{"jsonrpc":"2.0","id":ID,"error":{},"error":{}}"#, "error"),
        ] {
            let error = tell(&client, format!("{answer}\n")).await.unwrap_err();
            assert!(error.is_malformed(), "{error}");
            assert_says(&error, &format!("duplicate field `{key}`"));
        }
        tell_in_vain(&client, "{\"jsonrpc\":\"2.0\",\"id\":ID,\"id\":ID,\"result\":{}}\n").await;
        // Within the result it is a matter of who reads it.
        let result = r#"{"content":[],"content":[]}"#;
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{result}}}\n");
        assert_eq!(tell(&client, &answer).await?.get(), result);
        let error = client.call_tool("say", &json!({ "bytes": answer })).await.unwrap_err();
        assert!(error.is_malformed(), "{error}");
        assert_says(&error, "duplicate field `content`");
        close_unharmed(&client).await?;
    }
}

on_every_runtime! {
    async fn a_whole_message_without_its_line_end_counts_at_the_end_and_half_a_one_does_not(n, TEST) {
        for (left_out, whole) in [(0, true), (1, false), (GOOD.len() / 2, false)] {
            let client = open_teller(n, TEST).await?;
            let answer = &GOOD[..GOOD.len() - left_out];
            let told = client.request_raw("say", Some(order(answer.as_bytes(), json!({ "exit": true })))).await;
            match told {
                Ok(result) => assert!(whole, "{answer:?} was taken for {result}"),
                Err(error) => {
                    assert!(!whole && error.is_disconnected() && error.is_sent_unknown(), "{answer:?}: {error}");
                }
            }
            assert!(client.closed().await.unwrap().is_complete());
        }
    }
}

on_every_runtime! {
    async fn an_answer_may_come_in_pieces_of_any_size(n, TEST) {
        let client = open_teller(n, TEST).await?;
        let answer = format!("{}\r\n", GOOD.replace("true", "\"é🦀\\u00e9\""));
        for pieces in [1, 2, 3, 7, 60] {
            let order = order(answer.as_bytes(), json!({ "pieces": pieces }));
            let result = client.request_raw("say", Some(order)).await?;
            assert_eq!(result.get(), "{\"good\":\"é🦀\\u00e9\"}");
        }
        close_unharmed(&client).await?;
    }
}

on_every_runtime! {
    async fn a_line_of_one_byte_too_many_fails_its_call_and_no_other(n, TEST) {
        const LIMIT: usize = 200_000;
        let client = Client::open(n, TEST.peer("says"), options().max_line(LIMIT)).await?;
        // How long the line gets depends on the id, so that is asked for first.
        let id: u64 = tell(&client, "{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":ID}\n").await?.get().parse()?;
        for (id, more) in (id + 1..).zip([0, 1, 2, LIMIT]) {
            // The id first, and last: of a line that is dropped no more is known.
            let frame = [format!(r#"{{"jsonrpc":"2.0","id":{id},"result":""#), "\"}".to_owned()];
            let frame = if more == 2 {
                [r#"{"result":""#.to_owned(), format!(r#"","id":{id},"jsonrpc":"2.0"}}"#)]
            } else {
                frame
            };
            let filling = "x".repeat(LIMIT + more - frame.concat().len());
            let answer = format!("{}{filling}{}\r\n", frame[0], frame[1]);
            match tell(&client, &answer).await {
                Ok(result) => assert_eq!((more, result.get().len()), (0, filling.len() + 2)),
                Err(error) => {
                    assert!(more > 0 && error.is_too_long(), "{more} too many: {error}");
                    let says = format!("it is {} bytes long, and the limit is {LIMIT}", LIMIT + more);
                    assert_says(&error, &says);
                }
            }
        }
        close_unharmed(&client).await?;
    }
}

on_every_runtime! {
    async fn the_limit_is_64_mib_unless_set(n, TEST) {
        const LIMIT: usize = 64 * 1024 * 1024;
        // What the peer puts around it, with an id of one digit.
        let around = r#"{"result":{"content":[{"type":"text","text":""}]},"jsonrpc":"2.0","id":2}"#.len();
        let client = open(n, TEST.peer("too-long").arg((LIMIT + 1 - around).to_string())).await?;
        let error = client.call_tool("big", &json!({})).await.unwrap_err();
        assert!(error.is_too_long() && !error.is_not_sent(), "{error}");
        assert_says(&error, "it is 67108865 bytes long, and the limit is 67108864");
        close_unharmed(&client).await?;
    }
}

on_every_runtime! {
    async fn deep_nesting_is_carried_raw_and_refused_where_it_would_be_followed(n, TEST) {
        let client = open_teller(n, TEST).await?;
        let mut notifications = client.notifications();
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{deep}}}\n");
        assert_eq!(tell(&client, &answer).await?.get(), deep);
        let result = format!(r#"{{"content":[],"structuredContent":{deep}}}"#);
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{result}}}\n");
        let error = client.call_tool("say", &json!({ "bytes": answer })).await.unwrap_err();
        assert!(error.is_malformed(), "{error}");
        assert_says(&error, "recursion limit");
        let error = format!(r#"{{"code":-1,"message":"no","data":{deep}}}"#);
        let refusal = tell(&client, format!("{{\"jsonrpc\":\"2.0\",\"id\":ID,\"error\":{error}}}\n")).await.unwrap_err();
        assert_eq!(refusal.rejection().unwrap().raw().get(), error);
        let log = format!(r#"{{"level":"info","data":{deep}}}"#);
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{log}}}\n{GOOD}\n");
        tell(&client, line).await?;
        let notification = notifications.try_next().unwrap();
        assert_eq!(notification.params().unwrap().get(), log);
        assert!(notification.as_log_message().is_none());
        // Where it is no message at all, it costs no more.
        for line in [deep.clone(), "[".repeat(10_000), "{\"a\":".repeat(10_000)] {
            tell(&client, format!("{line}\n{GOOD}\n")).await?;
        }
        let short = CallOptions::new().timeout(Duration::from_millis(100));
        let batch = order(format!("[{}{}]\n", "[".repeat(10_000), "]".repeat(10_000)).as_bytes(), json!({}));
        assert!(client.request_raw_with("say", Some(batch), &short).await.unwrap_err().is_timeout());
        assert_eq!(close_unharmed(&client).await?.traffic.noise, 4);
    }
}
