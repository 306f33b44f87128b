//! What a server of the legacy era asks its client.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::join;
use scope_mcp::model::{ContentBlock, CreateMessageResult, ElicitResult, Root};
use scope_mcp::transport::memory;
use scope_mcp::{Client, ClientOptions, Rejection, Roots};
use serde_json::{Value, json};

use crate::by_hand::Peer;
use crate::support::{on_every_runtime, options};

fn form() -> Value {
    let name = json!({ "type": "string", "default": "nobody" });
    json!({ "message": "who?", "requestedSchema": { "type": "object", "properties": { "name": name } } })
}

fn sample() -> Value {
    json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": "hi" } }], "maxTokens": 9 })
}

/// Counts when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

on_every_runtime! {
    async fn a_server_is_told_what_it_may_ask_and_gets_its_answers(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(64);
        let mut peer = Peer::new(theirs);
        let options = options()
            .roots(Roots::new([Root::new("file:///here")]))
            .on_sampling(|question| async move {
                let text = format!("{} wants {}", question.server, question.params.max_tokens);
                Ok(CreateMessageResult::new("m", ContentBlock::text(text)))
            })
            .on_elicitation(|_| async { Ok(ElicitResult::accept()) });
        let (client, said) = join!(Client::open_stream(n, "far", ours, options), peer.open_with(json!({ "tools": {} })));
        let client = client?;
        let elicitation = json!({ "form": {} });
        let offered = json!({ "roots": { "listChanged": true }, "sampling": {}, "elicitation": elicitation });
        assert_eq!(said["capabilities"], offered);
        let served = async {
            let call = peer.hear_of("tools/call").await;
            // While the call waits.
            let answer = peer.ask("r", "roots/list", json!({})).await;
            assert_eq!(answer["result"], json!({ "roots": [{ "uri": "file:///here" }] }));
            let answer = peer.ask("s", "sampling/createMessage", sample()).await;
            let content = json!({ "type": "text", "text": "far wants 9" });
            assert_eq!(answer["result"], json!({ "role": "assistant", "content": content, "model": "m" }));
            let answer = peer.ask("e", "elicitation/create", form()).await;
            assert_eq!(answer["result"], json!({ "action": "accept", "content": { "name": "nobody" } }));
            peer.answer(&call, json!({ "content": [] })).await;
        };
        let arguments = json!({});
        let (result, ()) = join!(client.call_tool("ask", &arguments), served);
        assert!(!result?.is_error());
    }
}

on_every_runtime! {
    async fn a_handler_that_panics_is_an_error_answer_and_the_connection_lives(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let options = options().on_sampling(|_| async { panic!("hush") });
        let (client, ()) = join!(Client::open_stream(n, "far", ours, options), peer.open());
        let client = client?;
        for id in ["a", "b"] {
            let answer = peer.ask(id, "sampling/createMessage", sample()).await;
            let message = "the handler of this request panicked";
            assert_eq!(answer["error"], json!({ "code": -32603, "message": message }));
        }
        assert!(client.close().await?.is_polite());
    }
}

on_every_runtime! {
    async fn what_is_not_offered_is_refused(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let options = options().on_elicitation(|_| async { Err(Rejection::new(-7, "the user is out")) });
        let (client, ()) = join!(Client::open_stream(n, "far", ours, options), peer.open());
        let client = client?;
        for method in ["roots/list", "sampling/createMessage", "tools/list"] {
            assert_eq!(peer.ask("1", method, json!({})).await["error"]["code"], -32601);
        }
        let url = json!({ "mode": "url", "message": "m", "elicitationId": "e", "url": "https://example.com" });
        assert_eq!(peer.ask("2", "elicitation/create", url).await["error"]["code"], -32602);
        let refused = peer.ask("3", "elicitation/create", form()).await;
        assert_eq!(refused["error"], json!({ "code": -7, "message": "the user is out" }));
        assert!(client.close().await?.is_polite());
    }
}

/// Options with a handler that never answers "who?", and tells the server that it has begun by changing the roots.
fn slow(dropped: &Arc<AtomicUsize>) -> ClientOptions {
    let (dropped, roots) = (Arc::clone(dropped), Roots::default());
    options().roots(roots.clone()).on_elicitation(move |question| {
        let (guard, roots) = (Dropped(Arc::clone(&dropped)), roots.clone());
        async move {
            if question.params.message == "who?" {
                roots.set([Root::new("file:///begun")]);
                pending::<()>().await;
            }
            drop(guard);
            Ok(ElicitResult::decline())
        }
    })
}

on_every_runtime! {
    async fn a_question_that_is_taken_back_ends_its_handler(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let dropped = Arc::new(AtomicUsize::new(0));
        let (client, ()) = join!(Client::open_stream(n, "far", ours, slow(&dropped)), peer.open());
        let client = client?;
        peer.say(json!({ "jsonrpc": "2.0", "id": "x", "method": "elicitation/create", "params": form() })).await;
        peer.hear_of("notifications/roots/list_changed").await;
        let mut other = form();
        other["message"] = "and you?".into();
        // It is answered although the first is not.
        assert_eq!(peer.ask("y", "elicitation/create", other.clone()).await["result"]["action"], "decline");
        assert_eq!(dropped.load(Ordering::Acquire), 1);
        peer.notify("notifications/cancelled", json!({ "requestId": "x" })).await;
        // Nothing comes for the one that was taken back, neither before this nor before the end.
        assert_eq!(peer.ask("z", "elicitation/create", other).await["result"]["action"], "decline");
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite());
        assert_eq!(rest, None);
        assert_eq!(dropped.load(Ordering::Acquire), 3);
    }
}

on_every_runtime! {
    async fn the_end_of_the_connection_ends_its_handlers(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let dropped = Arc::new(AtomicUsize::new(0));
        let (client, ()) = join!(Client::open_stream(n, "far", ours, slow(&dropped)), peer.open());
        let client = client?;
        peer.say(json!({ "jsonrpc": "2.0", "id": "x", "method": "elicitation/create", "params": form() })).await;
        peer.hear_of("notifications/roots/list_changed").await;
        assert_eq!(dropped.load(Ordering::Acquire), 0);
        assert!(client.close().await?.is_polite());
        assert_eq!(dropped.load(Ordering::Acquire), 1);
    }
}

on_every_runtime! {
    async fn a_server_is_told_once_of_roots_that_change(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let roots = Roots::new([]);
        let (client, ()) = join!(Client::open_stream(n, "far", ours, options().roots(roots.clone())), peer.open());
        let client = client?;
        roots.set([Root::new("file:///a")]);
        peer.hear_of("notifications/roots/list_changed").await;
        let list = peer.ask("1", "roots/list", json!({})).await;
        assert_eq!(list["result"]["roots"], json!([{ "uri": "file:///a" }]));
        roots.set([Root::new("file:///a")]);
        let list = peer.ask("2", "roots/list", json!({})).await;
        assert_eq!(list["result"]["roots"][0]["uri"], "file:///a", "nothing was told of what did not change");
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite());
        assert_eq!(rest, None);
    }
}
