//! s06, s03, s07: a service closed during its handshake, by a handle, by its last handle's drop and by its scope's end.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_lite::future::{pending, yield_now};
use scope_core::{Canceller, Exit, Failure, Inbox, Name, ScopeError, Service, ServiceHandle, Spawns, nursery};
use scope_tests::{Gate, Journal, Rt, poll_now, turns};

/// A server that never says hello.
struct Shy {
    journal: Journal,
    greeting: Gate,
}

impl Service for Shy {
    type Request = ();
    type Info = ();
    type Report = &'static str;

    fn name(&self) -> Name {
        Name::new("shy")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let _note = self.journal.on_drop("handshake over");
        self.greeting.open();
        pending().await
    }

    async fn serve(&mut self, _: &mut Inbox<()>) -> Result<(), Failure> {
        unreachable!("it never opens")
    }

    async fn end(&mut self, exit: Exit) -> &'static str {
        assert!(!matches!(exit, Exit::Failed(_) | Exit::Panicked(_)), "{exit:?}");
        turns(2).await;
        self.journal.add("ended");
        "report"
    }
}

impl Drop for Shy {
    fn drop(&mut self) {
        self.journal.add("dropped");
    }
}

/// What ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Close,
    DropLast,
    EndScope,
}

/// How its scope ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cancelled,
    Orderly,
    FutureDropped,
}

const ORDERS: [[Act; 3]; 6] = {
    use Act::{Close, DropLast, EndScope};
    [
        [Close, DropLast, EndScope],
        [Close, EndScope, DropLast],
        [DropLast, Close, EndScope],
        [DropLast, EndScope, Close],
        [EndScope, Close, DropLast],
        [EndScope, DropLast, Close],
    ]
};

const ENDS: [End; 3] = [End::Cancelled, End::Orderly, End::FutureDropped];

/// What a case holds of one scope with one service in it, which is in its handshake.
struct Held {
    handles: Mutex<Vec<ServiceHandle<Shy>>>,
    canceller: Mutex<Option<Canceller>>,
    body_may_return: Gate,
}

impl Held {
    fn new() -> Arc<Self> {
        let (handles, canceller) = Default::default();
        Arc::new(Held { handles, canceller, body_may_return: Gate::new() })
    }

    /// The next handle of the two there are.
    fn handle(&self) -> ServiceHandle<Shy> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).pop().expect("two acts take one each")
    }

    fn cancel(&self) {
        let canceller = self.canceller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        canceller.expect("the body has run").cancel("enough");
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), ScopeError>> + Send + 'a>>;

/// A scope whose body waits, with a service whose handshake has begun.
async fn in_its_handshake(held: Arc<Held>, journal: Journal) -> Running<'static> {
    let greeting = Gate::new();
    let shy = Shy { journal, greeting: greeting.clone() };
    let mut scope: Running<'static> = Box::pin(async move {
        nursery(async |n| {
            let service = n.serve(shy);
            *held.canceller.lock().unwrap_or_else(PoisonError::into_inner) = Some(n.canceller());
            held.handles.lock().unwrap_or_else(PoisonError::into_inner).extend([service.clone(), service]);
            held.body_may_return.passed().await;
            Ok(())
        })
        .await
    });
    while !greeting.is_open() {
        assert!(poll_now(scope.as_mut()).await.is_pending());
        yield_now().await;
    }
    scope
}

/// Once, in this order, whoever ended it.
#[track_caller]
fn assert_ended_well(journal: &Journal, what: impl std::fmt::Debug) {
    assert_eq!(journal.lines(), ["handshake over", "ended", "dropped"], "{what:?}");
}

/// Fails if: the second or third to end it undoes what the first has done, ends it again, or waits for it for ever.
pub(crate) async fn s06_closed_in_its_handshake_in_every_order<R: Rt>() {
    for end in ENDS {
        for order in ORDERS {
            for turns_between in [0, 1, 5] {
                let journal = Journal::new();
                nursery(async |_| {
                    let held = Held::new();
                    let mut scope = Some(in_its_handshake(Arc::clone(&held), journal.clone()).await);
                    let mut result = None;
                    for act in order {
                        match act {
                            Act::Close => held.handle().begin_close(),
                            Act::DropLast => drop(held.handle()),
                            Act::EndScope if end == End::FutureDropped => scope = None,
                            Act::EndScope => {
                                match end {
                                    End::Cancelled => held.cancel(),
                                    _ => held.body_may_return.open(),
                                }
                                let running = scope.as_mut().expect("not dropped");
                                if let Poll::Ready(ended) = poll_now(running.as_mut()).await {
                                    result = Some(ended);
                                }
                            }
                        }
                        turns(turns_between).await;
                    }
                    match (scope, result) {
                        (None, _) => {}
                        (Some(_), Some(ended)) => assert_scope(end, ended),
                        (Some(running), None) => assert_scope(end, running.await),
                    }
                    Ok(())
                })
                .await
                .unwrap_or_else(|error| panic!("{end:?}, {order:?}: {error:?}"));
                assert_ended_well(&journal, (end, order, turns_between));
            }
        }
    }
}

#[track_caller]
fn assert_scope(end: End, ended: Result<(), ScopeError>) {
    match ended {
        Ok(()) => assert_eq!(end, End::Orderly),
        Err(error) => assert!(end == End::Cancelled && error.is_cancelled(), "{error:?}"),
    }
}

/// Fails if: the three at once, each in a task of its own, get in each other's way: the seeds, and on many threads the
/// machine, choose the order, down to the middle of a poll.
pub(crate) async fn s06_closed_in_its_handshake_by_all_at_once<R: Rt>() {
    let rounds = if R::THREADS { 50 } else { 1 };
    for _ in 0..rounds {
        for end in [End::Cancelled, End::Orderly] {
            let journal = Journal::new();
            nursery(async |n| {
                let held = Held::new();
                let scope = in_its_handshake(Arc::clone(&held), journal.clone()).await;
                let start = Gate::new();
                let (closes, drops) = (held.handle(), held.handle());
                let s = start.clone();
                let closed = n.spawn_erased_with_handle(async move {
                    s.passed().await;
                    let closed = closes.close().await.map(|report| *report);
                    Ok(closed)
                });
                let s = start.clone();
                R::spawn(n, async move {
                    s.passed().await;
                    drop(drops);
                    Ok(())
                });
                let s = start.clone();
                R::spawn(n, async move {
                    s.passed().await;
                    match end {
                        End::Cancelled => held.cancel(),
                        _ => held.body_may_return.open(),
                    }
                    Ok(())
                });
                start.open();
                let mut scope = pin!(scope);
                assert_scope(end, scope.as_mut().await);
                assert_ended_well(&journal, end);
                assert_eq!(closed.await?.expect("it has been ended"), "report");
                Ok(())
            })
            .await
            .unwrap_or_else(|error| panic!("{end:?}: {error:?}"));
            assert_ended_well(&journal, end);
        }
    }
}
