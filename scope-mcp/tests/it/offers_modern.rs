//! Lists, resources, prompts and completion where the revision 2026-07-28 is spoken; and the same from our own server in
//! both eras.

use scope_mcp::model::{
    CompleteParams, CompletionReference, ContentKind, LoggingLevel, Prompt, PromptArgument, Resource, ResourceContents,
    ResourceTemplate,
};
use scope_mcp::transport::memory;
use scope_mcp::{
    CallOptions, Client, ClientOptions, Completing, Era, PromptArguments, ResourceUri, ServeOptions, Server,
    ServerPrompt, ServerTemplate,
};
use serde_json::{Value, json};

use crate::by_hand::{Said, with_server};
use crate::support::{assert_says, on_every_runtime, options};

fn modern() -> ClientOptions {
    options().era(Era::Modern)
}

fn everything() -> Value {
    json!({ "resources": {}, "prompts": {}, "completions": {}, "logging": {} })
}

fn complete(mut result: Value) -> Said {
    result["resultType"] = "complete".into();
    Ok(result)
}

on_every_runtime! {
    async fn an_empty_cursor_is_one_like_others(n, TEST) {
        let _ = TEST;
        let pages = |_: &str, params: &Value| match params.get("cursor").map(|cursor| cursor.as_str().unwrap()) {
            None => complete(json!({ "prompts": [{ "name": "a" }], "nextCursor": "", "ttlMs": 7, "cacheScope": "public" })),
            Some("") => complete(json!({ "prompts": [{ "name": "b" }], "ttlMs": 7, "cacheScope": "public" })),
            Some(other) => panic!("a cursor that was never given: {other}"),
        };
        with_server(n, modern(), everything(), pages, async |client| {
            let names: Vec<String> = client.list_prompts().await?.into_iter().map(|prompt| prompt.name).collect();
            assert_eq!(names, ["a", "b"]);
            let page = client.list_prompts_page(None).await?;
            assert_eq!((&page.extra["ttlMs"], &page.extra["cacheScope"]), (&json!(7), &json!("public")));
            Ok(())
        })
        .await?;
    }
}

on_every_runtime! {
    async fn each_request_says_for_itself_what_it_speaks_and_which_log_it_wants(n, TEST) {
        let _ = TEST;
        let answer = |method: &str, _: &Value| match method {
            "resources/list" => complete(json!({ "resources": [] })),
            "resources/read" => complete(json!({ "contents": [] })),
            "prompts/get" => complete(json!({ "messages": [] })),
            _ => complete(json!({ "completion": { "values": [] } })),
        };
        let heard = with_server(n, modern(), everything(), answer, async |client| {
            client.list_resources().await?;
            client.read_resource("x:a").await?;
            client.get_prompt_with("p", &json!({}), &CallOptions::new().log_level(LoggingLevel::Error)).await?;
            client.complete(&CompleteParams::new(CompletionReference::prompt("p"), "a", "")).await?;
            Ok(())
        })
        .await?;
        for (method, params) in &heard {
            assert_eq!(params["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28", "{method}");
        }
        assert_eq!(heard[2].1["_meta"]["io.modelcontextprotocol/logLevel"], "error");
        assert_eq!((heard.len(), &heard[1].1["uri"]), (4, &json!("x:a")));
    }
}

on_every_runtime! {
    async fn what_there_is_no_more_is_not_sent(n, TEST) {
        let _ = TEST;
        let heard = with_server(n, modern(), everything(), |method, _| panic!("{method}"), async |client| {
            let errors = [
                (client.ping().await, "ping at the server \"far\": not sent, for the revision 2026-07-28 does not have it"),
                (client.set_log_level(LoggingLevel::Info).await, "CallOptions::log_level"),
                (client.subscribe("x:a").await, "listen"),
                (client.unsubscribe("x:a").await, "listen"),
            ];
            for (outcome, said) in errors {
                let error = outcome.unwrap_err();
                assert!(error.is_unsupported() && error.is_not_sent(), "{error}");
                assert_says(&error, said);
            }
            Ok(())
        })
        .await?;
        assert_eq!(heard, []);
    }
}

on_every_runtime! {
    async fn a_result_of_a_type_that_is_not_known_is_an_error_that_names_it(n, TEST) {
        let _ = TEST;
        let odd = |method: &str, _: &Value| match method {
            "resources/list" => Ok(json!({ "resultType": "hologram\u{7}", "resources": [] })),
            _ => Ok(json!({ "resultType": "input_required", "inputRequests": {}, "completion": { "values": [] } })),
        };
        with_server(n, modern(), everything(), odd, async |client| {
            let error = client.list_resources().await.unwrap_err();
            assert!(error.is_malformed(), "{error}");
            assert_says(&error, "\"hologram\\x07\"");
            let asked = CompleteParams::new(CompletionReference::prompt("p"), "a", "");
            let error = client.complete(&asked).await.unwrap_err();
            assert!(error.is_malformed(), "{error}");
            assert_says(&error, "completion/complete does not have");
            Ok(())
        })
        .await?;
    }
}

on_every_runtime! {
    async fn our_own_server_offers_the_same_in_either_era(n, TEST) {
        let _ = TEST;
        let mut server = Server::builder("own", "1.0").page_size(2).logging();
        for number in 0..5 {
            server = server.resource(Resource::new(format!("x:{number}"), "r"), move |_: ResourceUri, _| async move {
                format!("text {number}")
            });
        }
        let notes = ServerTemplate::new(ResourceTemplate::new("note:{name}", "note"), |uri: ResourceUri, _| async move {
            Ok::<_, scope_mcp::HandlerError>(ResourceContents::text(uri.as_str(), format!("about {}", uri.variable("name")?)))
        });
        let notes = notes.complete("name", |it: Completing, _| async move { vec![format!("{}!", it.value)] });
        let greet = Prompt::new("greet").argument(PromptArgument::new("name").required());
        let greet = ServerPrompt::new(greet, |given: PromptArguments, _| async move {
            Ok::<_, scope_mcp::HandlerError>(format!("Greet {}.", given.get("name").unwrap_or_default()))
        });
        let server = server.add_template(notes).add_prompt(greet).build()?;
        for era in [Era::Legacy, Era::Modern] {
            let (ours, theirs) = memory::pair(4096);
            let serving = server.start(n, theirs, ServeOptions::default())?;
            let client = Client::open_stream(n, "own", ours, options().era(era)).await?;
            let uris: Vec<String> = client.list_resources().await?.into_iter().map(|it| it.uri).collect();
            assert_eq!(uris, ["x:0", "x:1", "x:2", "x:3", "x:4"]);
            assert_eq!(client.list_resources_page(None).await?.items.len(), 2);
            assert_eq!(client.list_resource_templates().await?[0].uri_template, "note:{name}");
            let contents = client.read_resource("x:3").await?.contents;
            assert_eq!(contents[0].text.as_deref(), Some("text 3"));
            let contents = client.read_resource("note:a").await?.contents;
            assert_eq!(contents[0].text.as_deref(), Some("about a"));
            let gone = client.read_resource("x:9").await.unwrap_err();
            let code = if era == Era::Modern { -32602 } else { -32002 };
            assert_eq!(gone.rejection().unwrap().code(), Some(code));
            assert_eq!(client.list_prompts().await?[0].name, "greet");
            let result = client.get_prompt("greet", &json!({ "name": "Ada" })).await?;
            assert!(matches!(result.messages[0].content.kind(), ContentKind::Text("Greet Ada.")), "{result:?}");
            assert!(client.get_prompt("greet", &json!({})).await.unwrap_err().is_rejected());
            let asked = CompleteParams::new(CompletionReference::resource("note:{name}"), "name", "b");
            assert_eq!(client.complete(&asked).await?.completion.values, ["b!"]);
            let pinged = client.ping().await;
            assert_eq!(pinged.is_err_and(|error| error.is_unsupported()), era == Era::Modern);
            client.close().await?;
            serving.closed().await;
        }
    }
}
