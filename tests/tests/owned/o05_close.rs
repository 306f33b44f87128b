//! o05, the closing of an owned scope: a future that is polled in one task of ours and then in another is noticed.

use std::future::Future;
use std::pin::Pin;

use async_channel::{Receiver, Sender};
use scope_core::{Nursery, OwnedScope, Spawns, nursery, task};
use scope_tests::{Gate, Journal, Rt, poll_now};

use crate::watch::Watch;

type Carried = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that polls what it is given, and lives until this is dropped: what began in it is not to end with it.
struct Driver(Sender<(Carried, usize)>, Receiver<(Carried, String)>);

impl Driver {
    fn new(n: &Nursery<'_, '_>, name: &'static str) -> Self {
        let (give, given) = async_channel::bounded::<(Carried, usize)>(1);
        let (back, got) = async_channel::bounded(1);
        let driving = async move {
            while let Ok((mut carried, times)) = given.recv().await {
                for _ in 0..times {
                    assert!(poll_now(carried.as_mut()).await.is_pending());
                }
                let here = format!("{:?}", task::current().expect("in a task"));
                assert!(back.send((carried, here)).await.is_ok());
            }
            Ok(())
        };
        n.spawner().task(name).spawn_erased(driving).expect("it is open");
        Driver(give, got)
    }

    /// Has it poll `carried`; says who did.
    async fn poll(&self, carried: Carried, times: usize) -> (Carried, String) {
        assert!(self.0.send((carried, times)).await.is_ok());
        self.1.recv().await.expect("it gives it back")
    }
}

/// Fails if: the closing of an owned scope, begun at home, can be gone on with elsewhere.
pub(crate) async fn o05_a_close_gone_on_with_in_another_task_is_one_event<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let stranger = Driver::new(n, "stranger");
        let owned: OwnedScope = OwnedScope::open("half closed")?;
        let watch = Watch::of(owned.scope());
        let (go, home) = (Gate::new(), format!("{:?}", owned.home()));
        let (g, j) = (go.clone(), journal.clone());
        owned.finalizer("sweep", async move |_| {
            g.passed().await;
            j.add("cleaned up");
            Ok(())
        })?;
        let mut carried: Carried = Box::pin(async move { drop(owned.close().await) });
        assert!(poll_now(carried.as_mut()).await.is_pending());
        let (mut carried, there) = stranger.poll(carried, 2).await;
        watch.assert_one_violation(&["half closed", &home, &there]);
        // At home again it goes on.
        assert!(poll_now(carried.as_mut()).await.is_pending());
        go.open();
        carried.await;
        watch.assert_one_violation(&[]);
        assert_eq!(watch.ends(), 1);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
    journal.assert_is(&["cleaned up"]);
}
