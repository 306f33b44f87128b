//! o05: a scope future that is polled in one task of ours and then in another is noticed; so is an owned scope's close.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_lite::future::pending;
use scope_core::event::EventKind;
use scope_core::{Failure, Nursery, OwnedScope, ScopeRef, Spawns, fail_after, nursery, task};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

use crate::watch::Watch;

type Carried = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A nursery that says which task it thinks it is in, at each of its polls, and ends when the gate is open.
fn tells_its_task(journal: &Journal, go: &Gate, scope: &Arc<Mutex<Option<ScopeRef>>>) -> Carried {
    let (journal, go, scope) = (journal.clone(), go.clone(), scope.clone());
    Box::pin(async move {
        nursery(async |n| {
            *scope.lock().unwrap_or_else(PoisonError::into_inner) = Some(n.spawner().scope().clone());
            while !go.is_open() {
                journal.add(task::current().expect("in a task").to_string());
                turns(1).await;
            }
            Ok(())
        })
        .named("carried")
        .await
        .expect("a broken rule is no failure");
    })
}

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

/// Fails if: it goes unnoticed, is told at every wrong poll, ends the scope, or moves its home.
pub(crate) async fn o05_a_nursery_polled_in_another_task_is_one_event<R: Rt>() {
    nursery(async |n| {
        let [first, second, third] = ["first", "second", "third"].map(|name| Driver::new(n, name));
        let (journal, go, scope) = (Journal::new(), Gate::new(), Arc::default());
        let carried = tells_its_task(&journal, &go, &scope);
        let (carried, of_first) = first.poll(carried, 2).await;
        let of = scope.lock().unwrap_or_else(PoisonError::into_inner).clone().expect("it began");
        let watch = Watch::of(&of);
        journal.assert_is(&["first", "first"]);
        let (carried, of_second) = second.poll(carried, 3).await;
        watch.assert_one_violation(&["carried", &of_first, &of_second]);
        // Home again is no wrong poll, and a third task is no news.
        let (carried, _) = third.poll(carried, 1).await;
        watch.assert_one_violation(&["carried", &of_first, &of_second]);
        assert!(journal.lines().iter().all(|home| home == "first"), "home is unchanged: {journal:?}");
        assert_eq!(journal.lines().len(), 6, "the polls went on: {journal:?}");
        go.open();
        carried.await;
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}

/// The same for a block, which has no children.
pub(crate) async fn o05_a_block_polled_in_another_task_is_one_event<R: Rt>() {
    nursery(async |n| {
        let [first, second] = ["first", "second"].map(|name| Driver::new(n, name));
        let (journal, go) = (Journal::new(), Gate::new());
        let (j, g) = (journal.clone(), go.clone());
        let carried: Carried = Box::pin(async move {
            let block = fail_after(Duration::from_secs(3600), async {
                while !g.is_open() {
                    j.add(task::current().expect("in a task").to_string());
                    turns(1).await;
                }
            });
            block.await.expect("in time");
        });
        let (carried, of_first) = first.poll(carried, 1).await;
        // Its scope has no name that we know: who broke the rule has.
        let me = of_first.clone();
        let watch = Watch::which(move |event| matches!(event.kind(), EventKind::Violated(how) if how.contains(&me)));
        let (carried, of_second) = second.poll(carried, 2).await;
        watch.assert_one_violation(&[&of_first, &of_second]);
        journal.assert_is(&["first", "first", "first"]);
        go.open();
        carried.await;
        watch.assert_one_violation(&[]);
        Ok(())
    })
    .await
    .expect("a broken rule is no failure");
}

/// Fails if: somebody who has no task is taken for a wrong one: what only foreign tasks poll cannot be noticed.
pub(crate) async fn o05_what_only_foreign_tasks_poll_is_not_noticed<R: Rt>() {
    let runtime = scope_core::rt::current().expect("on a runtime");
    let (send, got) = async_channel::bounded(1);
    let first = R::foreign(async move {
        let (started, told) = async_channel::bounded(1);
        let mut root = Box::pin(
            nursery(async move |n| -> Result<(), Failure> {
                assert!(started.send(Watch::of(n.spawner().scope())).await.is_ok());
                turns(3).await;
                pending().await
            })
            .runtime(runtime),
        );
        assert!(poll_now(root.as_mut()).await.is_pending());
        assert!(send.send((root, told)).await.is_ok());
    });
    let (root, told) = got.recv().await.expect("it was sent");
    drop(first);
    let watch = told.recv().await.expect("it began");
    let (ended, end) = async_channel::bounded(1);
    let second = R::foreign(async move {
        let mut root = root;
        for _ in 0..3 {
            assert!(poll_now(root.as_mut()).await.is_pending());
        }
        assert!(ended.send(()).await.is_ok());
    });
    end.recv().await.expect("it was polled");
    drop(second);
    watch.assert_no_violation();
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
