//! Questions of a handler to its client, in either era.

use scope_mcp::model::{ElicitFormParams, FormField};
use scope_mcp::{Context, HandlerError, NoArguments, ServeOptions, Server};
use serde_json::{Value, json};

use crate::wire::{Peer, on_every_runtime};

/// Has `greet`, which asks for a name and then for a greeting, one after the other; and `both`, which asks at once.
fn server() -> Server {
    async fn ask(cx: &Context, key: &str) -> Result<String, HandlerError> {
        let form = ElicitFormParams::new(format!("Your {key}?")).required_field(key, FormField::text());
        let answer = cx.elicit(key, form).await?;
        let content = answer.content.ok_or_else(|| HandlerError::new("no answer"))?;
        Ok(content.get(key).and_then(Value::as_str).unwrap_or_default().to_owned())
    }
    Server::builder("asking", "1")
        .tool("greet", "Greets", |_: NoArguments, cx: Context| async move {
            let name = ask(&cx, "name").await?;
            let greeting = ask(&cx, "greeting").await?;
            Ok::<_, HandlerError>(format!("{greeting}, {name}"))
        })
        .tool("both", "Greets", |_: NoArguments, cx: Context| async move {
            let (name, greeting) = futures_util::join!(ask(&cx, "name"), ask(&cx, "greeting"));
            Ok::<_, HandlerError>(format!("{}, {}", greeting?, name?))
        })
        .build()
        .unwrap()
}

fn accepted(key: &str, value: &str) -> Value {
    json!({ "action": "accept", "content": { key: value } })
}

on_every_runtime! {
    async fn in_the_legacy_era_a_question_is_a_request(n) {
        let (mut peer, _handle) = Peer::judged(n, &server(), ServeOptions::default());
        peer.initialize("2025-11-25", json!({ "elicitation": {} })).await;
        let call = peer.ask("tools/call", json!({ "name": "greet" })).await;
        for (key, value) in [("name", "Ada"), ("greeting", "Hello")] {
            let question = peer.hear().await;
            assert_eq!(question["method"], "elicitation/create");
            assert_eq!(question["params"]["message"], format!("Your {key}?"));
            peer.say(json!({ "jsonrpc": "2.0", "id": question["id"], "result": accepted(key, value) })).await;
        }
        let answer = peer.hear().await;
        assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(call), &json!("Hello, Ada")));
    }
}

on_every_runtime! {
    async fn in_the_modern_era_a_question_is_a_result_and_the_call_is_made_again(n) {
        let (mut peer, _handle) = Peer::judged(n, &server(), ServeOptions::default());
        let can = json!({ "elicitation": { "form": {} } });
        let first = peer.modern("tools/call", json!({ "name": "greet" }), can.clone()).await;
        assert_eq!(first["result"]["resultType"], "input_required");
        assert_eq!(first["result"]["inputRequests"]["name"]["method"], "elicitation/create");
        assert!(first["result"]["inputRequests"].get("greeting").is_none());
        let second = peer
            .modern(
                "tools/call",
                json!({
                    "name": "greet",
                    "inputResponses": { "name": accepted("name", "Ada"), "other": 7 },
                    "requestState": first["result"]["requestState"],
                }),
                can.clone(),
            )
            .await;
        assert_eq!(second["result"]["inputRequests"].as_object().unwrap().len(), 1);
        assert_ne!(second["result"]["requestState"], first["result"]["requestState"]);
        // The first answer is in the state.
        let mut third = json!({
            "name": "greet",
            "inputResponses": { "greeting": accepted("greeting", "Hello") },
            "requestState": second["result"]["requestState"],
        });
        let done = peer.modern("tools/call", third.clone(), can.clone()).await;
        assert_eq!(done["result"]["content"][0]["text"], "Hello, Ada", "{done}");
        assert_eq!(done["result"]["resultType"], "complete");
        // One that was changed, or belongs to another call, is refused.
        third["name"] = "both".into();
        assert_eq!(peer.modern("tools/call", third.clone(), can.clone()).await["error"]["code"], -32602);
        third["requestState"] = format!("{}x", second["result"]["requestState"].as_str().unwrap()).into();
        assert_eq!(peer.modern("tools/call", third, can).await["error"]["code"], -32602);
    }
}

on_every_runtime! {
    async fn several_questions_can_be_asked_at_once(n) {
        let (mut peer, _handle) = Peer::judged(n, &server(), ServeOptions::default());
        let can = json!({ "elicitation": {} });
        let first = peer.modern("tools/call", json!({ "name": "both" }), can.clone()).await;
        assert_eq!(first["result"]["inputRequests"].as_object().unwrap().len(), 2, "{first}");
        let answers = json!({ "name": accepted("name", "Ada"), "greeting": accepted("greeting", "Hello") });
        let done = peer.modern("tools/call", json!({ "name": "both", "inputResponses": answers }), can).await;
        assert_eq!(done["result"]["content"][0]["text"], "Hello, Ada", "also without a state");
    }
}

on_every_runtime! {
    async fn a_client_that_cannot_be_asked_is_told_so(n) {
        let (mut peer, _handle) = Peer::judged(n, &server(), ServeOptions::default());
        let answer = peer.modern("tools/call", json!({ "name": "greet" }), json!({ "sampling": {} })).await;
        assert_eq!(answer["error"]["code"], -32021);
        assert_eq!(answer["error"]["data"], json!({ "requiredCapabilities": { "elicitation": { "form": {} } } }));
        peer.initialize("2025-06-18", json!({})).await;
        let answer = peer.call("tools/call", json!({ "name": "greet" })).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
}
