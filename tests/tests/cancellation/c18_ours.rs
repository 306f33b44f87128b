//! c18, what is ours: a handle's value, streams of results, places, and a service's requests.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;

use async_channel::{Receiver, Sender};
use futures_lite::future::pending;
use scope_core::{
    Canceller, Exit, Failure, Inbox, Name, Service, Spawns, Supervisor, TaskHandle, nursery, nursery_local,
};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

use crate::primitives::at_once;

/// The orders in the one tick, and what becomes of the one who waits after it: whether its future is polled to its end,
/// or dropped as it is.
const WAYS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// Fails if: the value of a child is taken out of its handle for one who does not get it any more.
pub(crate) async fn c18_a_task_handle<R: Rt>() {
    for (cancel_first, dropped) in WAYS {
        let (go, handle) = (Gate::new(), RefCell::new(None::<TaskHandle<u8>>));
        // Polled by hand, so that the value is there exactly when we want it.
        let mut maker = Box::pin(nursery(async |n| -> Result<(), Failure> {
            let go = go.clone();
            *handle.borrow_mut() = Some(n.spawn_local_with_handle(async move {
                go.passed().await;
                Ok(7)
            }));
            Ok(())
        }));
        assert!(poll_now(maker.as_mut()).await.is_pending());
        let mut handle = handle.borrow_mut().take().expect("it was polled");
        let (told, got) = (OnceCell::<Canceller>::new(), Cell::new(None));
        let mut waiting = Box::pin(nursery(async |n| -> Result<(), Failure> {
            let _ = told.set(n.canceller());
            got.set(Some((&mut handle).await?));
            pending().await
        }));
        assert!(poll_now(waiting.as_mut()).await.is_pending());
        let canceller = told.get().expect("it was polled");
        if cancel_first {
            canceller.cancel("in the same tick");
        }
        go.open();
        maker.await.expect("nothing fails");
        canceller.cancel("in the same tick");
        if dropped {
            drop(waiting);
        } else {
            assert!(waiting.await.expect_err("cancelled").is_cancelled());
        }
        let value = match got.get() {
            Some(value) => value,
            None => handle.await.expect("it is still there"),
        };
        assert_eq!(value, 7, "{cancel_first} {dropped}");
    }
}

/// One who reads a stream in a scope of its own, in the tick in which something is put into it and the scope cancelled.
/// What was read.
async fn read_in_one_tick<S, F>(
    stream: &mut S,
    next: impl AsyncFn(&mut S) -> Option<u8>,
    put: impl FnOnce() -> F,
    (cancel_first, dropped): (bool, bool),
) -> Option<u8>
where
    F: Future<Output = ()>,
{
    let (told, got) = (OnceCell::<Canceller>::new(), Cell::new(None));
    let mut waiting = Box::pin(nursery_local(async |n| -> Result<(), Failure> {
        let _ = told.set(n.canceller());
        got.set(next(stream).await);
        pending().await
    }));
    assert!(poll_now(waiting.as_mut()).await.is_pending());
    let canceller = told.get().expect("it was polled");
    if cancel_first {
        canceller.cancel("in the same tick");
    }
    put().await;
    canceller.cancel("in the same tick");
    if dropped {
        drop(waiting);
    } else {
        assert!(waiting.await.expect_err("cancelled").is_cancelled());
    }
    got.get()
}

/// Fails if: the result of a child is taken out of the stream of results for one who does not get it any more.
pub(crate) async fn c18_results<R: Rt>() {
    for way in WAYS {
        for bounded in [false, true] {
            let (go, gone) = (Gate::new(), Gate::new());
            struct Opens(Gate);
            impl Drop for Opens {
                fn drop(&mut self) {
                    self.0.open();
                }
            }
            let value = nursery(async |n| {
                let (until, opens) = (go.clone(), Opens(gone.clone()));
                let child = async move {
                    let _opens = opens;
                    until.passed().await;
                    Ok(7)
                };
                let put = async || {
                    go.open();
                    gone.passed().await;
                };
                if bounded {
                    let mut results = n.spawner().results_bounded::<u8>(1)?;
                    results.spawn_erased(child).await?;
                    let got = read_in_one_tick(&mut results, async |r| r.next().await, put, way).await;
                    Ok(if got.is_none() { results.next().await } else { got })
                } else {
                    let mut results = n.spawner().results::<u8>();
                    results.spawn_erased(child)?;
                    let got = read_in_one_tick(&mut results, async |r| r.next().await, put, way).await;
                    Ok(if got.is_none() { results.next().await } else { got })
                }
            })
            .await;
            assert_eq!(value.expect("nothing fails"), Some(7), "{way:?} {bounded}");
        }
    }
}

/// Fails if: what became of a child is taken out of a supervisor for one who does not get it any more.
pub(crate) async fn c18_a_supervisor<R: Rt>() {
    for way in WAYS {
        let go = Gate::new();
        let value = nursery(async |n| {
            let mut supervisor = n.spawner().supervisor::<u8>();
            let until = go.clone();
            supervisor.spawn_erased(async move {
                until.passed().await;
                Ok(7)
            })?;
            let value = async |s: &mut Supervisor<_, u8>| s.next().await.and_then(|ended| ended.into_result().ok());
            let put = async || {
                go.open();
                turns(5).await;
            };
            let got = read_in_one_tick(&mut supervisor, value, put, way).await;
            Ok(if got.is_none() { value(&mut supervisor).await } else { got })
        })
        .await;
        assert_eq!(value.expect("nothing fails"), Some(7), "{way:?}");
    }
}

/// Fails if: a place in a bounded nursery is lost that became free when the one who waited for it was cancelled; or the
/// child that waited with it is spawned all the same, or not destroyed.
pub(crate) async fn c18_a_place_in_a_bounded_nursery<R: Rt>() {
    for (cancel_first, dropped) in WAYS {
        let (go, ran) = (Gate::new(), Journal::new());
        nursery(async |n| {
            let bounded = n.spawner().bounded(1)?;
            let until = go.clone();
            bounded
                .spawn_erased(async move {
                    until.passed().await;
                    Ok(())
                })
                .await?;
            let told = OnceCell::<Canceller>::new();
            let spawned = Cell::new(false);
            let (note, j) = (ran.on_drop("destroyed"), ran.clone());
            let mut waiting = Box::pin(nursery_local(async |inner| -> Result<(), Failure> {
                let _ = told.set(inner.canceller());
                bounded
                    .spawn_erased(async move {
                        let _note = note;
                        j.add("ran");
                        Ok(())
                    })
                    .await?;
                spawned.set(true);
                pending().await
            }));
            assert!(poll_now(waiting.as_mut()).await.is_pending());
            let canceller = told.get().expect("it was polled");
            if cancel_first {
                canceller.cancel("in the same tick");
            }
            go.open();
            turns(5).await;
            canceller.cancel("in the same tick");
            if dropped {
                drop(waiting);
            } else {
                assert!(waiting.await.expect_err("cancelled").is_cancelled());
            }
            // There is a place still, or again.
            bounded.spawn_erased(async { Ok(()) }).await?;
            while ran.count("destroyed") == 0 {
                turns(1).await;
            }
            assert_eq!(ran.count("ran") > 0, spawned.get(), "{cancel_first} {dropped}");
            Ok(())
        })
        .await
        .expect("nothing fails");
        assert_eq!(ran.count("destroyed"), 1);
    }
}

/// Takes its requests one by one, each in a scope of its own that anybody may cancel.
struct TakesInScopes {
    cancellers: Sender<Canceller>,
    took: Sender<u32>,
    backlog: usize,
}

impl TakesInScopes {
    fn new(backlog: usize) -> (Self, Receiver<Canceller>, Receiver<u32>) {
        let (cancellers, cancel) = async_channel::unbounded();
        let (took, taken) = async_channel::unbounded();
        (TakesInScopes { cancellers, took, backlog }, cancel, taken)
    }
}

impl Service for TakesInScopes {
    type Request = u32;
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("takes")
    }

    fn backlog(&self) -> usize {
        self.backlog
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<u32>) -> Result<(), Failure> {
        loop {
            let round = nursery(async |n| {
                self.cancellers.try_send(n.canceller())?;
                let Some(request) = inbox.next().await else { return Ok(false) };
                self.took.try_send(request)?;
                // A place for the cancellation to come in between.
                turns(1).await;
                Ok(true)
            })
            .await;
            match round {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if error.is_cancelled() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn end(&mut self, _: Exit) {}
}

/// Fails if: a request is lost, or taken twice, because the wait for it was cancelled when it came.
pub(crate) async fn c18_an_inbox<R: Rt>() {
    let rounds = if R::VIRTUAL { 4 } else { 200 };
    let (service, cancel, taken) = TakesInScopes::new(16);
    nursery(async |n| {
        let service = n.open(service).await?;
        for round in 0..rounds {
            let canceller = cancel.recv().await?;
            for _ in 0..round % 3 {
                turns(1).await;
            }
            let send = || at_once(service.send(round)).expect("there is room").expect("it is open");
            if round % 2 == 0 {
                canceller.cancel("in the same tick");
                send();
            } else {
                send();
                canceller.cancel("in the same tick");
            }
            assert_eq!(taken.recv().await?, round);
            // The rounds that were cancelled before they took anything.
            while cancel.len() > 1 {
                cancel.recv().await?;
            }
        }
        assert!(taken.is_empty(), "one was taken twice");
        service.close().await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a request of a cancelled sender is served though the sender never got to know, or one that was sent is not; or
/// the place that the sender waited for is lost.
pub(crate) async fn c18_a_place_in_a_backlog<R: Rt>() {
    let rounds = if R::VIRTUAL { 4 } else { 200 };
    let (service, _cancel, taken) = TakesInScopes::new(1);
    nursery(async |n| {
        let service = n.open(service).await?;
        let mut sent = Vec::new();
        for round in 0..rounds {
            let (told, ours) = (OnceCell::<Canceller>::new(), Cell::new(false));
            let mut waiting: Pin<Box<dyn Future<Output = _>>> = Box::pin(nursery(async |inner| {
                let _ = told.set(inner.canceller());
                service.send(round).await?;
                ours.set(true);
                pending::<()>().await;
                Ok(())
            }));
            if poll_now(waiting.as_mut()).await.is_pending() {
                turns(round as usize % 4).await;
                told.get().expect("it was polled").cancel("while it waits");
                if round % 3 == 0 {
                    drop(waiting);
                } else {
                    assert!(waiting.await.expect_err("cancelled").is_cancelled());
                }
            }
            if ours.get() {
                sent.push(round);
            }
        }
        // There is still a place.
        service.send(rounds).await?;
        sent.push(rounds);
        for expected in sent {
            assert_eq!(taken.recv().await?, expected);
        }
        service.close().await?;
        assert!(taken.is_empty(), "something was served that nobody sent");
        Ok(())
    })
    .await
    .expect("nothing fails");
}
