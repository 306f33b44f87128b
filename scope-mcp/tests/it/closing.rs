use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scope_core::Spawns;
use scope_mcp::{Client, Ending, Wire, WireLine};
use scope_process::{Budgets, Ended};
use serde_json::json;

use crate::support::{Clock, on_every_runtime, open, options};

on_every_runtime! {
    async fn a_server_is_closed_from_a_task_that_did_not_open_it_and_its_calls_are_told(n, TEST) {
        let client = open(n, TEST.peer("good")).await?;
        let other = client.clone();
        let (begun, begin) = futures_channel::oneshot::channel::<()>();
        let closer = n.spawn_erased_with_handle(async move {
            begin.await?;
            Ok(other.close().await?)
        });
        let sleeping = json!({ "ms": 60_000 });
        let call = client.call_tool("sleep", &sleeping);
        let ping = async {
            // Behind the call, so that the call is on its way when this is answered.
            client.request_raw("ping", None).await?;
            let _ = begun.send(());
            Ok::<_, scope_mcp::CallError>(())
        };
        let (call, ping) = futures_util::join!(call, ping);
        ping?;
        let error = call.unwrap_err();
        assert!(error.is_closed() && error.is_sent_unknown(), "{error}");
        let report = closer.await?;
        assert_eq!(report.unanswered, 1);
        // Once more, from here: the same report, at once.
        assert!(Arc::ptr_eq(&report, &client.close().await?));
        assert!(client.is_closed());
        let error = client.request_raw("ping", None).await.unwrap_err();
        assert!(error.is_closed() && error.is_not_sent(), "{error}");
    }
}

on_every_runtime! {
    async fn a_server_that_ignores_the_end_of_its_input_is_ended_with_its_child(n, TEST) {
        let soon = Duration::from_millis(100);
        let spec = TEST.peer("good").arg("stubborn").arg("child").budgets(Budgets::default().with_after_eof(soon));
        let client = open(n, spec).await?;
        assert_eq!(TEST.left().len(), 2, "it does not answer before its child runs");
        let clock = Clock::start();
        let report = client.close().await?;
        let process = report.process.as_ref().unwrap();
        assert_eq!(process.ended(), Ended::AtTerm, "{report:#}");
        assert_eq!(process.stragglers().len(), 1, "{report:#}");
        assert!(TEST.left().is_empty());
        clock.assert_within(10);
    }
}

/// Tells of the first line.
struct FirstLine(Mutex<Option<futures_channel::oneshot::Sender<()>>>);

impl Wire for FirstLine {
    fn line(&self, _: &WireLine<'_>) {
        if let Some(spoken) = self.0.lock().unwrap().take() {
            let _ = spoken.send(());
        }
    }
}

on_every_runtime! {
    async fn closing_while_it_opens_takes_effect_at_once(n, TEST) {
        let (spoken, hear) = futures_channel::oneshot::channel();
        let client = Client::start(n, TEST.peer("silent"), options().wire(Arc::new(FirstLine(Mutex::new(Some(spoken))))))?;
        let clock = Clock::start();
        // It runs, and is asked; it will never answer.
        hear.await?;
        let report = client.close().await?;
        assert!(report.is_complete(), "{report}");
        assert!(client.wait_ready().await.unwrap_err().is_closed());
        clock.assert_within(10);
    }
}

on_every_runtime! {
    async fn the_last_handle_dropped_ends_the_server(n, TEST) {
        let client = open(n, TEST.peer("good")).await?;
        let mut notifications = client.notifications();
        drop(client);
        assert!(notifications.next().await.is_none());
    }
}

on_every_runtime! {
    async fn the_end_of_the_nursery_is_the_end_of_its_servers(_n, TEST) {
        let kept = scope_core::nursery(async |n| {
            let client = open(n, TEST.peer("good")).await?;
            Ok(client)
        })
        .await?;
        assert!(kept.is_closed());
        assert!(TEST.left().is_empty());
        assert!(matches!(kept.closed().await.unwrap().ending, Ending::Closed));
    }
}

on_every_runtime! {
    async fn a_cancelled_nursery_ends_its_servers_properly(_n, TEST) {
        let mut kept = None;
        let result = scope_core::nursery(async |n| {
            let client = open(n, TEST.peer("good")).await?;
            kept = Some(client.clone());
            n.cancel("enough");
            client.call_tool("sleep", &json!({ "ms": 60_000 })).await?;
            Ok(())
        })
        .await;
        assert!(result.unwrap_err().is_cancelled());
        assert!(TEST.left().is_empty());
        let report = kept.unwrap().closed().await.unwrap();
        assert!(matches!(&report.ending, Ending::Cancelled(why) if why.contains("enough")), "{report}");
        assert_eq!(report.process.as_ref().unwrap().ended(), Ended::AtEndOfInput, "{report:#}");
    }
}

on_every_runtime! {
    async fn whoever_is_cancelled_with_the_connection_hears_of_that_and_not_of_its_end(_n, TEST) {
        let result = scope_core::nursery(async |n| {
            let client = open(n, TEST.peer("good")).await?;
            let sleeping = json!({ "ms": 60_000 });
            let mut call = pin!(client.call_tool("sleep", &sleeping));
            assert!(futures_util::poll!(call.as_mut()).is_pending());
            n.cancel("enough");
            // The connection is over, and has told the call so, before the call is looked at again.
            scope_core::shield(client.closed()).await;
            call.await?;
            Ok(())
        })
        .await;
        let error = result.unwrap_err();
        assert!(error.is_cancelled() && !format!("{error:?}").contains("closed"), "{error:?}");
    }
}

on_every_runtime! {
    async fn a_time_out_around_opening_leaves_nothing(n, TEST) {
        let opening = open(n, TEST.peer("silent"));
        assert!(scope_core::fail_after(Duration::from_millis(100), opening).await.is_err());
    }
}

on_every_runtime! {
    async fn a_server_lives_where_its_spawner_leads(n, TEST) {
        let spawner = n.spawner();
        let opening = async move { Ok(Client::open(&spawner, TEST.peer("good"), options()).await?) };
        let client = n.spawn_erased_with_handle(opening).await?;
        assert_eq!(client.list_tools().await?.len(), 7);
        let gone = scope_core::nursery(async |inner| Ok(inner.spawner())).await?;
        let error = Client::start(&gone, TEST.peer("good"), options()).unwrap_err();
        assert!(error.is_closed(), "{error}");
    }
}
