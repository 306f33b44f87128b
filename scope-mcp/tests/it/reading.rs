//! A caller that is alone reads its own answer. Nobody depends on that.

use std::pin::pin;
use std::time::Duration;

use futures_util::{FutureExt, join};
use scope_core::{Failure, fail_after, nursery, sleep};
use scope_mcp::Client;
use serde_json::json;

use crate::calls::text;
use crate::support::{on_every_runtime, options};

/// Bounds a hang.
const HANG: Duration = Duration::from_secs(60);

/// From none at all to more than a caller is given to read.
const DELAYS: [u64; 5] = [0, 3, 15, 30, 60];

async fn echo(client: &Client, message: &str) -> Result<(), Failure> {
    assert_eq!(text(&client.call_tool("echo", &json!({ "message": message })).await?), message);
    Ok(())
}

on_every_runtime! {
    async fn a_call_that_is_not_polled_holds_up_nobody(n, TEST) {
        let client = Client::open(n, TEST.peer("later"), options()).await?;
        let mut said = client.notifications();
        for ms in DELAYS {
            // By these it is found out that the next one may be read by its caller.
            for _ in 0..3 {
                assert_eq!(text(&client.call_tool("say", &json!({ "ms": 0 })).await?), "there");
                assert_eq!(said.next().await.map(|it| it.method().to_owned()).as_deref(), Some("notifications/message"));
            }
            let arguments = json!({ "ms": ms });
            let mut call = pin!(client.call_tool("say", &arguments));
            let first = call.as_mut().now_or_never();
            // Only then the server is answered, which will not say more before that.
            let heard = fail_after(HANG, said.next()).await?;
            assert_eq!(heard.map(|it| it.method().to_owned()).as_deref(), Some("notifications/message"));
            let result = match first {
                Some(result) => result?,
                None => fail_after(HANG, call).await??,
            };
            assert_eq!(text(&result), "there");
        }
        client.close().await?;
    }
}

on_every_runtime! {
    async fn a_call_that_is_not_polled_holds_up_no_other_call(n, TEST) {
        let client = Client::open(n, TEST.peer("good"), options()).await?;
        for ms in DELAYS {
            echo(&client, "before").await?;
            let arguments = json!({ "ms": ms });
            let mut slow = pin!(client.call_tool("sleep", &arguments));
            let first = slow.as_mut().now_or_never();
            let other = client.clone();
            let second = async { echo(&client, "a").await };
            let third = async move { echo(&other, "b").await };
            let (second, third) = fail_after(HANG, async { join!(second, third) }).await?;
            second?;
            third?;
            let result = match first {
                Some(result) => result?,
                None => fail_after(HANG, slow).await??,
            };
            assert_eq!(text(&result), "woke");
        }
        client.close().await?;
    }
}

on_every_runtime! {
    async fn a_call_that_is_dropped_leaves_reading_to_others(n, TEST) {
        let client = Client::open(n, TEST.peer("good"), options()).await?;
        for round in 0..100 {
            echo(&client, "before").await?;
            {
                let ms = DELAYS[round % DELAYS.len()].min(3);
                let arguments = json!({ "ms": ms });
                let mut call = pin!(client.call_tool("sleep", &arguments));
                let _ = call.as_mut().now_or_never();
                if round % 3 == 0 {
                    // Its answer has come, as a rule, when it is dropped.
                    sleep(Duration::from_millis(ms + 1)).await?;
                }
            }
            fail_after(HANG, echo(&client, "after")).await??;
        }
        assert_eq!(client.close().await?.unanswered, 0);
    }
}

on_every_runtime! {
    async fn a_call_that_moves_to_another_task_is_read_there(n, TEST) {
        let client = Client::open(n, TEST.peer("good"), options()).await?;
        for ms in DELAYS {
            echo(&client, "before").await?;
            let moved = client.clone();
            let mut call = Box::pin(async move { moved.call_tool("sleep", &json!({ "ms": ms })).await });
            let result = match (&mut call).now_or_never() {
                Some(result) => result?,
                None => {
                    let elsewhere = nursery(async move |there| {
                        Ok(there.spawn_local_with_handle(async move { Ok(call.await?) }).await?)
                    });
                    fail_after(HANG, elsewhere).await??
                }
            };
            assert_eq!(text(&result), "woke");
        }
        client.close().await?;
    }
}
