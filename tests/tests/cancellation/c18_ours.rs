//! c18, what is ours: a handle's value, a service's requests, and the places in its backlog.

use std::cell::{Cell, OnceCell, RefCell};
use std::pin::Pin;

use async_channel::{Receiver, Sender};
use futures_lite::future::pending;
use scope_core::{Canceller, Exit, Failure, Inbox, Name, Service, Spawns, TaskHandle, nursery};
use scope_tests::{Gate, Rt, poll_now, turns};

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
