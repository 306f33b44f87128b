//! Changes that a server tells of.

use std::time::Duration;

use futures_util::join;
use scope_mcp::model::{Notification, SubscriptionFilter};
use scope_mcp::transport::memory;
use scope_mcp::{CallError, CallOptions, Client, Subscription, SubscriptionEnd};
use serde_json::{Value, json};

use crate::by_hand::{Peer, modern};
use crate::support::{assert_says, on_every_runtime, options};

const CHANGED: &str = "notifications/tools/list_changed";

const ID: &str = "io.modelcontextprotocol/subscriptionId";

fn capabilities() -> Value {
    json!({ "tools": { "listChanged": true }, "prompts": {}, "resources": { "subscribe": true } })
}

fn filter() -> SubscriptionFilter {
    SubscriptionFilter::new().tools_list_changed().prompts_list_changed().resource("file:///a").resource("file:///b")
}

on_every_runtime! {
    async fn a_legacy_server_is_asked_for_each_resource_and_heard_of_what_was_asked_for(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let (client, _) = join!(Client::open_stream(n, "far", ours, options()), peer.open_with(capabilities()));
        let client = client?;
        let served = async {
            for uri in ["file:///a", "file:///b"] {
                let asked = peer.hear_of("resources/subscribe").await;
                assert_eq!(asked["params"]["uri"], uri);
                peer.answer(&asked, json!({})).await;
            }
            peer.notify("notifications/prompts/list_changed", json!({})).await;
            peer.notify("notifications/resources/updated", json!({ "uri": "file:///c" })).await;
            peer.notify("notifications/resources/updated", json!({ "uri": "file:///a/below" })).await;
            peer.notify("notifications/tools/list_changed", json!({})).await;
        };
        let wanted = filter();
        let (changes, ()) = join!(client.listen(&wanted), served);
        let mut changes = changes?;
        let honoured = SubscriptionFilter::new().tools_list_changed().resource("file:///a").resource("file:///b");
        assert_eq!(*changes.honoured(), honoured, "prompts are not told of");
        let first = changes.next().await.unwrap();
        assert_eq!(first.params().unwrap().get(), "{\"uri\":\"file:///a/below\"}");
        assert_eq!(changes.next().await.unwrap().method(), "notifications/tools/list_changed");
        assert!(changes.end().is_none() && changes.missed() == 0);
        let mut nothing = client.listen(&SubscriptionFilter::new()).await?;
        peer.notify(CHANGED, json!({})).await;
        client.close().await?;
        assert!(nothing.next().await.is_none());
        assert_eq!(changes.next().await.unwrap().method(), CHANGED, "what came before the end");
        assert!(changes.next().await.is_none());
        assert!(matches!(changes.end(), Some(SubscriptionEnd::Failed(error)) if error.is_closed()));
    }
}

on_every_runtime! {
    async fn a_legacy_server_is_told_when_the_last_one_has_gone(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let (client, _) = join!(Client::open_stream(n, "far", ours, options()), peer.open_with(capabilities()));
        let client = client?;
        let wanted = SubscriptionFilter::new().resource("file:///a");
        let mut both = Vec::new();
        for _ in 0..2 {
            let served = async {
                let asked = peer.hear_of("resources/subscribe").await;
                peer.answer(&asked, json!({})).await;
            };
            let (changes, ()) = join!(client.listen(&wanted), served);
            both.push(changes?);
        }
        both.pop();
        // Asked for after the first has gone: so nothing was said of it.
        let refused = async {
            let asked = peer.hear_of("resources/subscribe").await;
            let error = json!({ "code": -32602, "message": "no such thing" });
            peer.say(json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error })).await;
            assert_eq!(peer.hear_of("resources/unsubscribe").await["params"]["uri"], "file:///b");
        };
        let other = SubscriptionFilter::new().resource("file:///b");
        let (error, ()) = join!(client.listen(&other), refused);
        assert_says(error.unwrap_err(), "no such thing");
        both.pop();
        assert_eq!(peer.hear_of("resources/unsubscribe").await["params"]["uri"], "file:///a");
        assert!(client.close().await?.is_polite());
    }
}

on_every_runtime! {
    async fn the_end_of_the_connection_is_the_end_of_a_subscription(n, TEST) {
        let _ = TEST;
        let (ours, theirs) = memory::pair(1000);
        let mut peer = Peer::new(theirs);
        let (client, _) = join!(Client::open_stream(n, "far", ours, options()), peer.open_with(capabilities()));
        let client = client?;
        let mut changes = client.listen(&SubscriptionFilter::new().tools_list_changed()).await?;
        let (next, ()) = join!(changes.next(), async { drop(peer) });
        assert!(next.is_none());
        let end = changes.end().unwrap().to_string();
        assert_eq!(end, "subscriptions/listen at the server \"far\": the server closed the connection");
        // A subscription does not keep anything open.
        drop(client);
        assert!(changes.next().await.is_none());
    }
}

fn listens() -> Value {
    json!({ "tools": { "listChanged": true } })
}

/// Begins a subscription, by hand: returns it and its number.
async fn begin(client: &Client, peer: &mut Peer) -> Result<(Subscription, Value), CallError> {
    let served = async {
        let asked = peer.hear_of("subscriptions/listen").await;
        assert_eq!(asked["params"]["notifications"], json!({ "toolsListChanged": true, "promptsListChanged": true }));
        let acknowledged = json!({ "_meta": { ID: asked["id"] }, "notifications": { "toolsListChanged": true } });
        peer.notify("notifications/subscriptions/acknowledged", acknowledged).await;
        asked["id"].clone()
    };
    let filter = SubscriptionFilter::new().tools_list_changed().prompts_list_changed();
    let (begun, id) = join!(client.listen(&filter), served);
    Ok((begun?, id))
}

/// A change, for the subscription of that number.
async fn change(peer: &mut Peer, id: &Value, n: u32) {
    peer.notify(CHANGED, json!({ "_meta": { ID: id }, "n": n })).await;
}

/// The number that a change was told with.
fn number(change: &Notification) -> u64 {
    let params: Value = serde_json::from_str(change.params().unwrap().get()).unwrap();
    params["n"].as_u64().unwrap()
}

on_every_runtime! {
    async fn each_subscription_hears_what_is_its_own(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = modern(n, options().max_notifications(2), listens()).await?;
        let (mut first, one) = begin(&client, &mut peer).await?;
        let (mut second, two) = begin(&client, &mut peer).await?;
        assert_eq!(*first.honoured(), SubscriptionFilter::new().tools_list_changed());
        for (id, n) in [(&one, 1), (&two, 2), (&one, 3), (&json!("x"), 4), (&two, 5), (&two, 6)] {
            change(&mut peer, id, n).await;
        }
        assert_eq!(number(&first.next().await.unwrap()), 1);
        assert_eq!(number(&first.next().await.unwrap()), 3);
        // So that all has come.
        let served = async {
            let asked = peer.hear_of("tools/list").await;
            peer.answer(&asked, json!({ "tools": [] })).await;
        };
        join!(client.list_tools(), served).0?;
        assert_eq!(number(&second.next().await.unwrap()), 5);
        assert_eq!(number(&second.next().await.unwrap()), 6);
        assert_eq!((first.missed(), second.missed()), (0, 1));
    }
}

on_every_runtime! {
    async fn a_server_can_end_a_subscription_in_every_way(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = modern(n, options(), listens()).await?;
        let (mut ended, id) = begin(&client, &mut peer).await?;
        change(&mut peer, &id, 1).await;
        peer.answer_raw(&json!({ "id": id }), "{\"resultType\":\"complete\"}").await;
        assert_eq!(number(&ended.next().await.unwrap()), 1);
        assert!(ended.next().await.is_none() && ended.next().await.is_none());
        assert!(matches!(ended.end(), Some(SubscriptionEnd::Ended)));
        let (mut cancelled, id) = begin(&client, &mut peer).await?;
        change(&mut peer, &id, 2).await;
        peer.notify("notifications/cancelled", json!({ "requestId": id, "reason": "tired" })).await;
        assert_eq!(number(&cancelled.next().await.unwrap()), 2);
        assert!(cancelled.next().await.is_none());
        let end = cancelled.end().unwrap();
        assert!(matches!(end, SubscriptionEnd::Failed(error) if error.is_ended()));
        assert_says(end, "«tired»");
        let (mut refused, id) = begin(&client, &mut peer).await?;
        peer.refuse(&json!({ "id": id }), -32603, "no more").await;
        assert!(refused.next().await.is_none());
        assert_says(refused.end().unwrap(), "no more");
        // All in one breath.
        let served = async {
            let asked = peer.hear_of("subscriptions/listen").await;
            let id = &asked["id"];
            let notification = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "method": method, "params": params });
            let begins = json!({ "_meta": { ID: id }, "notifications": {} });
            let said = [
                notification("notifications/subscriptions/acknowledged", begins),
                notification(CHANGED, json!({ "_meta": { ID: id }, "n": 3 })),
                json!({ "jsonrpc": "2.0", "id": id, "result": {} }),
            ];
            peer.say_all(&said).await;
        };
        let wanted = SubscriptionFilter::new().tools_list_changed();
        let (short, ()) = join!(client.listen(&wanted), served);
        let mut short = short?;
        assert_eq!(number(&short.next().await.unwrap()), 3);
        assert!(short.next().await.is_none() && matches!(short.end(), Some(SubscriptionEnd::Ended)));
        let (mut lost, _) = begin(&client, &mut peer).await?;
        // Nothing was said of those that the server has ended.
        drop((ended, cancelled, refused));
        let (report, rest) = join!(client.close(), peer.hear_more());
        assert!(report?.is_polite() && rest.is_none());
        assert!(lost.next().await.is_none());
        assert!(matches!(lost.end(), Some(SubscriptionEnd::Failed(error)) if error.is_closed()));
    }
}

on_every_runtime! {
    async fn a_subscription_that_is_dropped_is_cancelled(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = modern(n, options(), listens()).await?;
        let (subscription, id) = begin(&client, &mut peer).await?;
        drop(subscription);
        assert_eq!(peer.hear_of("notifications/cancelled").await["params"]["requestId"], id);
        // Also while it begins.
        let filter = SubscriptionFilter::new().tools_list_changed();
        let soon = CallOptions::new().timeout(Duration::from_millis(50));
        let served = async {
            let asked = peer.hear_of("subscriptions/listen").await;
            assert_eq!(peer.hear_of("notifications/cancelled").await["params"]["requestId"], asked["id"]);
        };
        let (error, ()) = join!(client.listen_with(&filter, &soon), served);
        let error = error.unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
}

on_every_runtime! {
    async fn a_subscription_that_does_not_begin_fails(n, TEST) {
        let _ = TEST;
        let (client, mut peer) = modern(n, options(), listens()).await?;
        let filter = SubscriptionFilter::new().tools_list_changed();
        for (answer, why) in [
            (json!({ "error": { "code": -32601, "message": "what?" } }), "what?"),
            (json!({ "result": {} }), "ended the subscription before it had begun"),
        ] {
            let served = async {
                let mut answer = answer;
                let asked = peer.hear_of("subscriptions/listen").await;
                answer["jsonrpc"] = "2.0".into();
                answer["id"] = asked["id"].clone();
                peer.say(answer).await;
            };
            let (error, ()) = join!(client.listen(&filter), served);
            assert_says(error.unwrap_err(), why);
        }
        let served = async {
            let asked = peer.hear_of("subscriptions/listen").await;
            let params = json!({ "_meta": { ID: asked["id"] }, "notifications": 7 });
            peer.notify("notifications/subscriptions/acknowledged", params).await;
            peer.hear_of("notifications/cancelled").await;
        };
        let (error, ()) = join!(client.listen(&filter), served);
        assert_says(error.unwrap_err(), "notifications: ");
        let (error, ()) = join!(client.listen(&filter), async { drop(peer) });
        assert!(error.unwrap_err().is_disconnected());
    }
}
