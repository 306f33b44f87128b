//! One run: a client and a server of ours in one nursery, with faulty pipes between them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use scope_core::{Failure, Nursery, Spawns};
use scope_mcp::Client;
use scope_test::TestRuntime;

use crate::asking;
use crate::journal::Journal;
use crate::plan::{Ending, LONG, Plan};
use crate::serving;

/// More than any connection takes to end once it is closed.
const CLOSES: Duration = Duration::from_secs(30);

/// Runs `plan`, and waits until all of it is over.
pub(crate) async fn run(rt: &TestRuntime, plan: &Arc<Plan>, journal: &Journal) -> Result<(), Failure> {
    let (ours, theirs, up) = plan.open(rt);
    scope_test::nursery(async |n| {
        let server = serving::server(plan, journal)?.start(n, theirs, serving::options(plan))?;
        let client = Client::start_stream(n, "server", ours, asking::options(plan, journal))?;
        match plan.ending {
            Ending::Done => {}
            Ending::ClosedAt(after) => {
                let client = client.clone();
                later(n, after, move || client.begin_close());
            }
            Ending::ServerClosedAt(after) => {
                let server = server.clone();
                later(n, after, move || server.begin_close());
            }
        }
        asking::make_all(rt, &client, &up, plan, journal).await?;
        if plan.is_whole() {
            // Handlers that nobody waits for any more are cancelled, also while the connection goes on.
            let begun = rt.elapsed();
            while journal.running() > 0 {
                assert!(rt.elapsed() - begun < LONG, "a handler goes on that nobody waits for: {journal:#?}");
                rt.sleep(Duration::from_secs(60)).await;
            }
        }
        within(rt, "the client's end", client.close()).await?;
        if plan.stalls() {
            // It may never hear of that.
            server.begin_close();
        }
        within(rt, "the server's end", server.closed()).await;
        assert_eq!(journal.running(), 0, "a handler outlives its connection: {journal:#?}");
        Ok(())
    })
    .await?;
    Ok(())
}

fn later(n: &Nursery<'_, '_>, after: Duration, act: impl FnOnce() + Send + 'static) {
    n.spawn_erased(async move {
        scope_core::sleep(after).await?;
        act();
        Ok(())
    });
}

async fn within<T>(rt: &TestRuntime, what: &str, future: impl Future<Output = T>) -> T {
    let late = async {
        rt.sleep(CLOSES).await;
        panic!("{what} has not come after {CLOSES:?}");
    };
    or(future, late).await
}
