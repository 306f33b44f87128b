//! Calls of the modern era that take several rounds.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_channel::{mpsc, oneshot};
use futures_util::future::{Either, select};
use futures_util::{StreamExt, join};
use scope_core::Failure;
use scope_mcp::model::{ElicitResult, Object, Root};
use scope_mcp::{CallOptions, Client, ClientOptions, Rejection, Roots};
use serde_json::{Value, json};

use crate::by_hand::modern;
use crate::peer::LONG;
use crate::support::{Clock, assert_says, on_every_runtime, options};

fn form(message: &str) -> Value {
    let name = json!({ "type": "string", "default": "nobody" });
    let form = json!({ "type": "object", "properties": { "name": name } });
    json!({ "method": "elicitation/create", "params": { "message": message, "requestedSchema": form } })
}

fn needs(questions: Value) -> Value {
    json!({ "resultType": "input_required", "inputRequests": questions })
}

fn done() -> Value {
    json!({ "resultType": "complete", "content": [] })
}

fn tools() -> Value {
    json!({ "tools": {} })
}

/// A client that answers forms, and counts them.
fn answering(count: &Arc<AtomicUsize>) -> ClientOptions {
    let count = Arc::clone(count);
    options().on_elicitation(move |_| {
        count.fetch_add(1, Ordering::AcqRel);
        async { Ok(ElicitResult::accept()) }
    })
}

async fn call(client: &Client) -> Result<scope_mcp::model::CallToolResult, scope_mcp::CallError> {
    client.call_tool("ask", &json!({ "n": 1.5 })).await
}

on_every_runtime! {
    async fn a_call_is_made_again_with_what_the_server_needs(n, TEST) {
        let _ = TEST;
        let asked = Arc::new(AtomicUsize::new(0));
        let options = answering(&asked).roots(Roots::new([Root::new("file:///here")]));
        let (client, mut peer) = modern(n, options, tools()).await?;
        let served = async {
            let first = peer.hear_of("tools/call").await;
            let questions = json!({ "f": form("a"), "g": form("b"), "r": { "method": "roots/list" } });
            let state = r#""\u0061\/ \ud83d\ude00""#;
            let result = format!(
                r#"{{"resultType":"input_required","inputRequests":{questions},"requestState":{state}}}"#
            );
            peer.answer_raw(&first, &result).await;
            let line = peer.line().await;
            assert!(line.contains(&format!("\"requestState\":{state}")), "{line}");
            let second: Value = serde_json::from_str(&line).unwrap();
            assert_ne!(second["id"], first["id"]);
            let accepted = json!({ "action": "accept", "content": { "name": "nobody" } });
            let roots = json!({ "roots": [{ "uri": "file:///here" }] });
            let mut params = first["params"].clone();
            params["inputResponses"] = json!({ "f": accepted, "g": accepted, "r": roots });
            params["requestState"] = "a/ \u{1f600}".into();
            assert_eq!(second["params"], params);
            // The next round has neither what was asked before, nor a state that was not given.
            peer.answer(&second, needs(json!({ "again": form("c") }))).await;
            let third = peer.hear_of("tools/call").await;
            let mut params = first["params"].clone();
            params["inputResponses"] = json!({ "again": accepted });
            assert_eq!(third["params"], params);
            peer.answer(&third, done()).await;
            // Nothing of it is in another call.
            let other = peer.hear_of("tools/call").await;
            assert_eq!(other["params"], first["params"]);
            peer.answer(&other, done()).await;
        };
        let called = async {
            call(&client).await?;
            call(&client).await
        };
        let (result, ()) = join!(called, served);
        assert!(!result?.is_error());
        assert_eq!(asked.load(Ordering::Acquire), 3);
    }
}

on_every_runtime! {
    async fn one_that_only_has_to_be_made_again_is(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = modern(n, options(), json!({ "prompts": {} })).await?;
        let served = async {
            for round in 0..3 {
                let asked = peer.hear_of("prompts/get").await;
                assert_eq!(asked["params"].get("requestState").cloned(), (round > 0).then(|| json!(round)));
                assert!(asked["params"].get("inputResponses").is_none());
                let state = json!({ "resultType": "input_required", "requestState": round + 1 });
                peer.answer(&asked, state).await;
            }
            let asked = peer.hear_of("prompts/get").await;
            peer.answer(&asked, json!({ "messages": [] })).await;
        };
        let arguments = Object::new();
        let (result, ()) = join!(client.get_prompt("p", &arguments), served);
        assert!(result?.messages.is_empty());
    }
}

on_every_runtime! {
    async fn what_nobody_can_answer_ends_the_call_and_nobody_is_asked(n, TEST) {
        let _ = TEST;
        let asked = Arc::new(AtomicUsize::new(0));
        let (client, mut peer) = modern(n, answering(&asked), tools()).await?;
        let url = json!({ "mode": "url", "message": "m", "url": "https://example.com" });
        for (question, why) in [
            (json!({ "method": "sampling/createMessage", "params": {} }), "sampling/createMessage: this client does not"),
            (json!({ "method": "roots/list" }), "it was given no roots"),
            (json!({ "method": "tools/list" }), "tools/list: this client does not offer that"),
            (json!({ "method": "elicitation/create", "params": url }), "elicitation by a URL"),
            (json!({ "method": "elicitation/create", "params": { "message": "m" } }), "`requestedSchema`"),
        ] {
            let served = async {
                let first = peer.hear_of("tools/call").await;
                peer.answer(&first, needs(json!({ "good": form("a"), "other": question }))).await;
            };
            let (result, ()) = join!(call(&client), served);
            let error = result.unwrap_err();
            assert!(error.is_input_required() && !error.is_not_sent(), "{error}");
            assert_says(&error, "the server needs input that it does not get: ");
            assert_says(&error, why);
        }
        let many: Value = (0..101).map(|key| (key.to_string(), form("a"))).collect();
        let served = async {
            let first = peer.hear_of("tools/call").await;
            peer.answer(&first, needs(many)).await;
        };
        let (result, ()) = join!(call(&client), served);
        let error = result.unwrap_err();
        assert!(error.is_malformed(), "{error}");
        assert_says(error, "101 questions at a time");
        assert_eq!(asked.load(Ordering::Acquire), 0);
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite() && rest.is_none(), "nothing more was sent");
    }
}

on_every_runtime! {
    async fn a_handler_that_refuses_or_panics_ends_the_call(n, TEST) {
        let _ = TEST;
        let options = options().on_elicitation(|question| async move {
            assert_ne!(question.params.message, "panic");
            Err(Rejection::new(-7, "the user is out"))
        });
        let (client, mut peer) = modern(n, options, tools()).await?;
        for (message, why) in [("a", "the user is out (error -7)"), ("panic", "the handler of this request panicked")] {
            let served = async {
                let first = peer.hear_of("tools/call").await;
                peer.answer(&first, needs(json!({ "q": form(message) }))).await;
            };
            let (result, ()) = join!(call(&client), served);
            let error = result.unwrap_err();
            assert!(error.is_input_required(), "{error}");
            assert_says(error, why);
        }
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite() && rest.is_none(), "nothing more was sent");
    }
}

on_every_runtime! {
    async fn a_server_that_never_has_enough_is_given_up(n, TEST) {
        let _ = TEST;
        let asked = Arc::new(AtomicUsize::new(0));
        let (client, mut peer) = modern(n, answering(&asked).max_rounds(3), tools()).await?;
        let served = async {
            for _ in 0..3 {
                let asked = peer.hear_of("tools/call").await;
                peer.answer(&asked, needs(json!({ "q": form("a") }))).await;
            }
        };
        let (result, ()) = join!(call(&client), served);
        let error = result.unwrap_err();
        assert!(error.is_endless(), "{error}");
        assert_says(error, "the server asked for input 3 times, and still was not done");
        assert_eq!(asked.load(Ordering::Acquire), 2, "nobody is asked in vain");
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite() && rest.is_none());
    }
}

on_every_runtime! {
    async fn all_rounds_together_have_the_time_of_one_call(n, TEST) {
        let _ = TEST;
        let options = options().on_elicitation(|question| async move {
            if question.params.message == "slow" {
                pending::<()>().await;
            }
            Ok(ElicitResult::accept())
        });
        let (client, mut peer) = modern(n, options, tools()).await?;
        let soon = CallOptions::new().timeout(Duration::from_millis(200));
        let arguments = json!({});
        let served = async {
            for message in ["a", "slow"] {
                let asked = peer.hear_of("tools/call").await;
                peer.answer(&asked, needs(json!({ "q": form(message) }))).await;
            }
        };
        let (result, ()) = join!(client.call_tool_with("ask", &arguments, &soon), served);
        let error = result.unwrap_err();
        assert!(error.is_timeout() && !error.is_not_sent(), "{error}");
        // One that is not answered in its second round is cancelled there.
        let served = async {
            let first = peer.hear_of("tools/call").await;
            peer.answer(&first, needs(json!({ "q": form("a") }))).await;
            let second = peer.hear_of("tools/call").await;
            assert_eq!(peer.hear_of("notifications/cancelled").await["params"]["requestId"], second["id"]);
        };
        let (result, ()) = join!(client.call_tool_with("ask", &arguments, &soon), served);
        let error = result.unwrap_err();
        assert!(error.is_timeout() && error.is_sent_unknown(), "{error}");
        assert_says(error, "no answer in 200 ms");
        // Progress does not give a user more time, for there is none meanwhile.
        let (soon, _heard) = soon.max_timeout(LONG).with_progress(1);
        let served = async {
            let asked = peer.hear_of("tools/call").await;
            peer.answer(&asked, needs(json!({ "q": form("slow") }))).await;
        };
        let clock = Clock::start();
        let (result, ()) = join!(client.call_tool_with("ask", &arguments, &soon), served);
        let error = result.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_says(error, "no answer in 200 ms");
        clock.assert_within(30);
    }
}

on_every_runtime! {
    async fn a_call_that_is_dropped_while_somebody_is_asked_ends_that_too(n, TEST) {
        let _ = TEST;
        struct Dropped(Arc<AtomicUsize>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::AcqRel);
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&dropped);
        let (begin, begun) = oneshot::channel();
        let begin = Mutex::new(Some(begin));
        let options = options().on_elicitation(move |_| {
            let guard = Dropped(Arc::clone(&count));
            let begin = begin.lock().unwrap().take().expect("asked once");
            async move {
                begin.send(()).expect("somebody waits");
                pending::<()>().await;
                drop(guard);
                Ok(ElicitResult::accept())
            }
        });
        let (client, mut peer) = modern(n, options, tools()).await?;
        let served = async {
            let first = peer.hear_of("tools/call").await;
            peer.answer(&first, needs(json!({ "q": form("a") }))).await;
            begun.await.unwrap();
        };
        match select(pin!(call(&client)), pin!(served)).await {
            Either::Left((result, _)) => panic!("{result:?}"),
            Either::Right(((), _calling)) => assert_eq!(dropped.load(Ordering::Acquire), 0),
        }
        assert_eq!(dropped.load(Ordering::Acquire), 1);
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite() && rest.is_none(), "the call was over for the server");
    }
}

on_every_runtime! {
    async fn a_call_ends_with_its_connection_while_somebody_is_asked(n, TEST) {
        let _ = TEST;
        for is_closed in [true, false] {
            let (begin, mut begun) = mpsc::unbounded();
            let options = options().on_elicitation(move |_| {
                begin.unbounded_send(()).expect("somebody waits");
                pending()
            });
            let (client, mut peer) = modern(n, options, tools()).await?;
            let ends = async {
                let first = peer.hear_of("tools/call").await;
                peer.answer(&first, needs(json!({ "q": form("a") }))).await;
                begun.next().await.expect("it is asked");
                if is_closed {
                    client.close().await?;
                }
                drop(peer);
                Ok::<_, Failure>(())
            };
            let (result, ended) = join!(call(&client), ends);
            ended?;
            let error = result.unwrap_err();
            assert!(error.is_sent_unknown(), "{error}");
            assert_eq!((error.is_closed(), error.is_disconnected()), (is_closed, !is_closed), "{error}");
        }
    }
}

on_every_runtime! {
    async fn a_result_of_no_known_type_is_none(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = modern(n, options(), tools()).await?;
        let served = async {
            let asked = peer.hear_of("tools/call").await;
            peer.answer(&asked, json!({ "resultType": "hologram", "content": [] })).await;
            let asked = peer.hear_of("tools/list").await;
            peer.answer(&asked, needs(json!({ "q": form("a") }))).await;
        };
        let called = async { (call(&client).await, client.list_tools().await) };
        let ((hologram, list), ()) = join!(called, served);
        let hologram = hologram.unwrap_err();
        assert!(hologram.is_malformed(), "{hologram}");
        assert_says(hologram, "a result of the type \"hologram\", which is not known");
        let list = list.unwrap_err();
        assert!(list.is_malformed(), "{list}");
    }
}

on_every_runtime! {
    async fn a_raw_call_can_take_its_rounds_by_itself(n, TEST) {
        let _ = TEST;
        let asked = Arc::new(AtomicUsize::new(0));
        let (client, mut peer) = modern(n, answering(&asked), tools()).await?;
        let params = serde_json::value::to_raw_value(&json!({ "name": "x" }))?;
        let served = async {
            let first = peer.hear_of("tools/call").await;
            peer.answer(&first, needs(json!({ "q": form("a") }))).await;
            for result in [needs(json!({ "q": form("a") })), done()] {
                let asked = peer.hear_of("tools/call").await;
                peer.answer(&asked, result).await;
            }
        };
        let called = async {
            let once = CallOptions::new().one_round(true);
            let first = client.request_raw_with("tools/call", Some(params.clone()), &once).await?;
            assert_eq!(serde_json::from_str::<Value>(first.get())?, needs(json!({ "q": form("a") })));
            assert_eq!(asked.load(Ordering::Acquire), 0);
            let last = client.request_raw("tools/call", Some(params)).await?;
            assert_eq!(serde_json::from_str::<Value>(last.get())?, done());
            Ok::<_, scope_core::Failure>(())
        };
        let (called, ()) = join!(called, served);
        called?;
        assert_eq!(asked.load(Ordering::Acquire), 1);
    }
}

on_every_runtime! {
    async fn progress_is_heard_of_in_every_round(n, TEST) {
        let _ = TEST;
        let asked = Arc::new(AtomicUsize::new(0));
        let (client, mut peer) = modern(n, answering(&asked), tools()).await?;
        let (options, mut heard) = CallOptions::new().with_progress(10);
        let served = async {
            for (round, result) in [needs(json!({ "q": form("a") })), done()].into_iter().enumerate() {
                let asked = peer.hear_of("tools/call").await;
                let token = &asked["params"]["_meta"]["progressToken"];
                assert!(!token.is_null(), "{asked}");
                let progress = json!({ "progressToken": token, "progress": round });
                peer.notify("notifications/progress", progress).await;
                peer.answer(&asked, result).await;
            }
        };
        let arguments = json!({});
        let (result, ()) = join!(client.call_tool_with("ask", &arguments, &options), served);
        result?;
        drop(options);
        let mut progress = Vec::new();
        while let Some(next) = heard.next().await {
            progress.push(next.as_progress().unwrap().progress);
        }
        assert_eq!(progress, [0.0, 1.0]);
    }
}
