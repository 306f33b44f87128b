//! Resources, prompts, completion, and what only the older revisions have.

use scope_core::Failure;
use scope_mcp::model::{CompleteParams, CompletionReference, ContentKind, LoggingLevel};
use scope_mcp::{CallError, CallOptions};
use serde_json::{Value, json};

use crate::by_hand::{Said, refused, with_server};
use crate::support::{assert_says, on_every_runtime, options};

fn everything() -> Value {
    json!({ "resources": { "subscribe": true }, "prompts": {}, "completions": {}, "logging": {} })
}

/// So many items in pages of two; a cursor is something that only this server understands.
fn page(params: &Value, field: &str, count: usize, item: impl Fn(usize) -> Value) -> Said {
    let from = match params.get("cursor") {
        None => 0,
        Some(cursor) => match cursor.as_str().and_then(|cursor| cursor.strip_prefix("\u{1f4c4} ")?.parse().ok()) {
            Some(from) => from,
            None => return refused(-32602, "no such page"),
        },
    };
    let end = count.min(from + 2);
    let mut page = json!({ field: (from..end).map(item).collect::<Vec<_>>(), "_meta": { "from": from } });
    if end < count {
        page["nextCursor"] = format!("\u{1f4c4} {end}").into();
    }
    Ok(page)
}

fn lists(method: &str, params: &Value) -> Said {
    match method {
        "resources/list" => {
            page(params, "resources", 5, |n| json!({ "uri": format!("x:{n}"), "name": "r", "size": n }))
        }
        "resources/templates/list" => page(
            params,
            "resourceTemplates",
            3,
            |n| json!({ "uriTemplate": format!("x:{n}/{{id}}"), "name": "t", "x-new": n }),
        ),
        "prompts/list" => page(
            params,
            "prompts",
            4,
            |n| json!({ "name": format!("p{n}"), "arguments": [{ "name": "a", "required": true }] }),
        ),
        other => refused(-32601, other),
    }
}

on_every_runtime! {
    async fn resources_templates_and_prompts_are_listed_over_all_pages(n, TEST) {
        let _ = TEST;
        let heard = with_server(n, options(), everything(), lists, async |client| {
            let resources = client.list_resources().await?;
            let uris: Vec<&str> = resources.iter().map(|resource| resource.uri.as_str()).collect();
            assert_eq!((uris, resources[4].size), (vec!["x:0", "x:1", "x:2", "x:3", "x:4"], Some(4)));
            let templates = client.list_resource_templates().await?;
            assert_eq!((templates.len(), templates[2].uri_template.as_str()), (3, "x:2/{id}"));
            assert_eq!(templates[2].extra["x-new"], 2);
            let prompts = client.list_prompts().await?;
            assert_eq!((prompts.len(), prompts[3].name.as_str()), (4, "p3"));
            assert!(prompts[0].arguments.as_ref().unwrap()[0].is_required());
            Ok(())
        })
        .await?;
        assert_eq!(heard.len(), 3 + 2 + 2);
        // The first page is asked for with no parameters of ours.
        assert!(heard[0].1.get("cursor").is_none() && heard[1].1["cursor"] == "\u{1f4c4} 2", "{heard:?}");
    }
}

on_every_runtime! {
    async fn pages_can_be_had_one_by_one(n, TEST) {
        let _ = TEST;
        with_server(n, options(), everything(), lists, async |client| {
            let first = client.list_resources_page(None).await?;
            assert_eq!((first.items.len(), first.items[0].uri.as_str(), &first.extra["_meta"]["from"]), (2, "x:0", &0.into()));
            let cursor = first.next_cursor.as_deref();
            let second = client.list_resources_page_with(cursor, &CallOptions::new()).await?;
            assert_eq!((second.items[1].uri.as_str(), second.next_cursor.as_deref()), ("x:3", Some("\u{1f4c4} 4")));
            assert_eq!(client.list_prompts_page(Some("\u{1f4c4} 2")).await?.next_cursor, None);
            assert_eq!(client.list_resource_templates_page(None).await?.items.len(), 2);
            let error = client.list_resources_page(Some("mine")).await.unwrap_err();
            assert_eq!(error.rejection().unwrap().code(), Some(-32602));
            Ok(())
        })
        .await?;
    }
}

on_every_runtime! {
    async fn a_list_that_changes_between_two_pages_is_what_the_pages_said(n, TEST) {
        let _ = TEST;
        let mut all = vec!["a", "b", "c"];
        let changing = |_: &str, params: &Value| {
            let answer = page(params, "resources", all.len(), |n| json!({ "uri": all[n], "name": "r" }));
            // After each page one comes in front, and after the first one goes at the end.
            if params.get("cursor").is_none() {
                all.pop();
            }
            all.insert(0, "new");
            answer
        };
        with_server(n, options(), everything(), changing, async |client| {
            let resources = client.list_resources().await?;
            let uris: Vec<&str> = resources.iter().map(|resource| resource.uri.as_str()).collect();
            // Twice there, or not at all; but an answer.
            assert_eq!(uris, ["a", "b", "b"]);
            Ok(())
        })
        .await?;
    }
}

on_every_runtime! {
    async fn a_list_without_end_or_with_too_much_is_given_up(n, TEST) {
        let _ = TEST;
        let again = |_: &str, _: &Value| Ok(json!({ "prompts": [{ "name": "p" }], "nextCursor": "again" }));
        with_server(n, options(), everything(), again, async |client| {
            let error = client.list_prompts().await.unwrap_err();
            assert!(error.is_endless(), "{error}");
            assert_says(&error, "page 2 gave a cursor that was given before");
            assert_eq!(client.list_prompts_page(Some("again")).await?.next_cursor.as_deref(), Some("again"));
            Ok(())
        })
        .await?;
        // Also where it is the last page that has them.
        let flood = |_: &str, _: &Value| Ok(json!({ "prompts": vec![json!({ "name": "p" }); 50] }));
        with_server(n, options().max_items(49), everything(), flood, async |client| {
            for error in [client.list_prompts().await.unwrap_err(), client.list_prompts_page(None).await.unwrap_err()] {
                assert!(error.is_endless(), "{error}");
                assert_says(&error, "more than 49 prompts");
            }
            Ok(())
        })
        .await?;
    }
}

on_every_runtime! {
    async fn a_list_of_large_pages_is_given_up_by_its_bytes(n, TEST) {
        let _ = TEST;
        let mut number = 0;
        let large = |_: &str, _: &Value| {
            number += 1;
            let prompt = json!({ "name": "p", "description": "x".repeat(1000) });
            Ok(json!({ "prompts": [prompt], "nextCursor": format!("{number}{}", "y".repeat(1000)) }))
        };
        let heard = with_server(n, options().max_list_bytes(10_000), everything(), large, async |client| {
            let error = client.list_prompts().await.unwrap_err();
            assert!(error.is_endless(), "{error}");
            assert_says(&error, "more than 10000 bytes");
            Ok(())
        })
        .await?;
        assert_eq!(heard.len(), 5);
    }
}

on_every_runtime! {
    async fn an_empty_cursor_ends_the_list_of_an_older_server(n, TEST) {
        let _ = TEST;
        let one = |_: &str, _: &Value| Ok(json!({ "prompts": [{ "name": "p" }], "nextCursor": "" }));
        let heard = with_server(n, options(), everything(), one, async |client| {
            assert_eq!(client.list_prompts().await?.len(), 1);
            assert_eq!(client.list_prompts_page(None).await?.next_cursor.as_deref(), Some(""));
            Ok(())
        })
        .await?;
        assert_eq!(heard.len(), 2);
    }
}

on_every_runtime! {
    async fn what_a_server_does_not_declare_is_not_listed_but_can_be_asked_for(n, TEST) {
        let _ = TEST;
        let heard = with_server(n, options(), json!({ "tools": {} }), lists, async |client| {
            assert!(client.list_resources().await?.is_empty() && client.list_prompts().await?.is_empty());
            assert!(client.list_resource_templates_page(None).await?.items.is_empty());
            let error = client.read_resource("x:0").await.unwrap_err();
            assert_eq!(error.rejection().unwrap().code(), Some(-32601));
            Ok(())
        })
        .await?;
        assert_eq!(heard, [("resources/read".to_owned(), json!({ "uri": "x:0" }))]);
    }
}

on_every_runtime! {
    async fn a_resource_is_read_refused_or_malformed(n, TEST) {
        let _ = TEST;
        let read = |_: &str, params: &Value| match params["uri"].as_str().unwrap() {
            "x:dir/" => Ok(json!({
                "contents": [
                    { "uri": "x:dir/a", "mimeType": "text/plain", "text": "hello" },
                    { "uri": "x:dir/b", "blob": "AAEC", "x-new": 1 },
                ],
                "ttlMs": 5,
            })),
            "x:wrong" => Ok(json!({ "contents": [{ "uri": "x:a", "text": "t" }, { "uri": 7 }] })),
            "x:none" => Ok(json!({})),
            _ => refused(-32002, "no such resource"),
        };
        with_server(n, options(), everything(), read, async |client| {
            let result = client.read_resource("x:dir/").await?;
            assert_eq!((result.contents[0].text.as_deref(), &result.extra["ttlMs"]), (Some("hello"), &5.into()));
            assert_eq!((result.contents[1].blob.as_deref(), &result.contents[1].extra["x-new"]), (Some("AAEC"), &1.into()));
            let error = client.read_resource("x:gone?token=hush").await.unwrap_err();
            assert_eq!(error.rejection().unwrap().code(), Some(-32002));
            assert_eq!(
                error.to_string(),
                "resources/read \"x:gone?token=[redacted]\" at the server \"far\": the server refused: no such resource \
                 (error -32002)"
            );
            for (uri, why) in [("x:wrong", "contents[1].uri: invalid type"), ("x:none", "missing field `contents`")] {
                let error = client.read_resource(uri).await.unwrap_err();
                assert!(error.is_malformed(), "{error}");
                assert_says(&error, why);
            }
            Ok(())
        })
        .await?;
    }
}

on_every_runtime! {
    async fn a_prompt_is_filled_in_refused_or_malformed(n, TEST) {
        let _ = TEST;
        let get = |_: &str, params: &Value| match params["name"].as_str().unwrap() {
            "greet" => Ok(json!({
                "description": "a greeting",
                "messages": [{ "role": "user", "content": { "type": "text", "text": params["arguments"]["name"] } }],
            })),
            "wrong" => Ok(json!({ "messages": [{ "role": "user", "content": { "type": "text" } }] })),
            _ => refused(-32602, "no such prompt"),
        };
        let heard = with_server(n, options(), everything(), get, async |client| {
            let result = client.get_prompt("greet", &json!({ "name": "Ada" })).await?;
            assert!(matches!(result.messages[0].content.kind(), ContentKind::Text("Ada")), "{result:?}");
            assert_eq!(result.description.as_deref(), Some("a greeting"));
            let error = client.get_prompt("wrong", &json!({})).await.unwrap_err();
            assert!(error.is_malformed(), "{error}");
            assert_says(&error, "messages[0].content: the field `text`");
            assert!(client.get_prompt("none", &json!({})).await.unwrap_err().is_rejected());
            for arguments in [json!({ "n": 1 }), json!(["a"]), json!(null), json!({ "n": { "a": "b" } })] {
                let error = client.get_prompt("greet", &arguments).await.unwrap_err();
                assert!(error.is_invalid_params() && error.is_not_sent(), "{error}");
                assert_says(&error, "a JSON object of strings");
            }
            Ok(())
        })
        .await?;
        assert_eq!(heard.len(), 3, "what cannot be right is not sent: {heard:?}");
    }
}

on_every_runtime! {
    async fn an_argument_is_completed(n, TEST) {
        let _ = TEST;
        let complete = |_: &str, params: &Value| match params["ref"]["type"].as_str() {
            Some("ref/prompt") => Ok(json!({ "completion": { "values": ["Paris", "Parma"], "total": 7, "hasMore": true } })),
            _ => Ok(json!({ "completion": { "values": [1] } })),
        };
        let heard = with_server(n, options(), everything(), complete, async |client| {
            let asked = CompleteParams::new(CompletionReference::prompt("travel"), "city", "Par").given("country", "FR");
            let found = client.complete(&asked).await?.completion;
            assert_eq!((found.values, found.total, found.has_more), (vec!["Paris".into(), "Parma".into()], Some(7), Some(true)));
            let asked = CompleteParams::new(CompletionReference::resource("x:{id}"), "id", "");
            let error = client.complete(&asked).await.unwrap_err();
            assert!(error.is_malformed(), "{error}");
            assert_says(&error, "completion.values[0]: invalid type");
            Ok(())
        })
        .await?;
        let sent = json!({
            "ref": { "type": "ref/prompt", "name": "travel" },
            "argument": { "name": "city", "value": "Par" },
            "context": { "arguments": { "country": "FR" } },
        });
        assert_eq!(heard[0], ("completion/complete".to_owned(), sent));
    }
}

on_every_runtime! {
    async fn pings_levels_and_subscriptions_are_answered_with_nothing(n, TEST) {
        let _ = TEST;
        let nothing = |method: &str, params: &Value| match (method, params["uri"].as_str()) {
            ("resources/subscribe", Some("x:none")) => refused(-32002, "no such resource"),
            ("resources/unsubscribe", Some("x:odd")) => Ok(json!([])),
            _ => Ok(json!({ "x-new": 1 })),
        };
        let heard = with_server(n, options(), everything(), nothing, async |client| {
            client.ping().await?;
            client.set_log_level(LoggingLevel::Warning).await?;
            client.ping_with(&CallOptions::new().log_level(LoggingLevel::Alert)).await?;
            client.subscribe("x:0").await?;
            client.unsubscribe_with("x:0", &CallOptions::new()).await?;
            let said = |error: CallError| Ok::<_, Failure>((error.is_rejected(), error.is_malformed()));
            assert_eq!(said(client.subscribe("x:none").await.unwrap_err())?, (true, false));
            assert_eq!(said(client.unsubscribe("x:odd").await.unwrap_err())?, (false, true));
            Ok(())
        })
        .await?;
        assert_eq!(heard[0].0, "ping");
        assert_eq!(heard[1], ("logging/setLevel".to_owned(), json!({ "level": "warning" })));
        assert_eq!(heard[2].1["_meta"]["io.modelcontextprotocol/logLevel"], "alert");
        assert_eq!(heard[3], ("resources/subscribe".to_owned(), json!({ "uri": "x:0" })));
        assert_eq!(heard[4], ("resources/unsubscribe".to_owned(), json!({ "uri": "x:0" })));
    }
}
