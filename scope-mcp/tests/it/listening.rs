//! Changes that a server tells of.

use futures_util::join;
use scope_mcp::model::SubscriptionFilter;
use scope_mcp::transport::memory;
use scope_mcp::{Client, SubscriptionEnd};
use serde_json::{Value, json};

use crate::by_hand::Peer;
use crate::support::{assert_says, on_every_runtime, options};

const EVERYTHING: &str = "notifications/tools/list_changed";

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
        peer.notify(EVERYTHING, json!({})).await;
        client.close().await?;
        assert!(nothing.next().await.is_none());
        assert_eq!(changes.next().await.unwrap().method(), EVERYTHING, "what came before the end");
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
