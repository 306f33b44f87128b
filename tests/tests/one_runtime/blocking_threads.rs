//! Blocking work that is in progress, on a second real thread, while something happens to its scope.

use std::pin::pin;

use futures_lite::future::{block_on, pending, yield_now};
use scope_core::rt::Handle;
use scope_core::{Blocking, Cause, Failure, Spawns, blocking, nursery};
use scope_test::Config;
use scope_tests::{Boom, Gate, Journal, Rt, Smol, TokioCt, TokioMt, poll_now, turns, while_it_waits, within_bound};

/// Blocks its thread until it is opened, and says that it does.
fn in_progress(entered: &Gate, let_go: &Gate) {
    entered.open();
    let_go.passed_blocking();
}

/// Fails if: a cancellation from outside is not seen by the work, or cuts the one who waits for it while it goes on, or
/// is not delivered after it (c19).
async fn sees_a_cancellation_and_is_waited_for() {
    let (journal, entered, let_go) = (Journal::new(), Gate::new(), Gate::new());
    let mut owner = pin!(nursery(async |n| -> Result<(), Failure> {
        let (j, enters, gate) = (journal.clone(), entered.clone(), let_go.clone());
        let _note = journal.on_drop("body");
        n.spawn_local(async {
            entered.passed().await;
            n.cancel("while it works");
            pending().await
        });
        let value = blocking(move |b: &Blocking| {
            assert!(!b.is_cancelled());
            enters.open();
            while !b.is_cancelled() {
                std::thread::yield_now();
            }
            gate.passed_blocking();
            j.add("work ended");
            7
        })
        .await?;
        journal.add(format!("got {value}"));
        yield_now().await;
        journal.add("past an await point");
        Ok(())
    }));
    while !entered.is_open() || !poll_now(owner.as_mut()).await.is_pending() {
        assert!(poll_now(owner.as_mut()).await.is_pending());
        yield_now().await;
    }
    while_it_waits(owner.as_mut(), "the work goes on").await;
    journal.assert_is(&[]);
    let_go.open();
    let error = owner.await.expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    journal.assert_is(&["work ended", "got 7", "body"]);
}

/// Fails if: work that nobody waits for any more is left behind by its scope: the one that said so, or one that is dropped.
async fn is_joined_though_its_waiter_is_gone() {
    for cancellable in [false, true] {
        let (journal, entered, let_go) = (Journal::new(), Gate::new(), Gate::new());
        let mut owner = pin!(nursery(async |n| {
            let (j, enters, gate) = (journal.clone(), entered.clone(), let_go.clone());
            let work = blocking(move |_| {
                in_progress(&enters, &gate);
                j.add("work ended");
            });
            if cancellable {
                let note = journal.on_drop("waiter gone");
                n.spawn_local(async move {
                    let _note = note;
                    work.cancellable().await?;
                    Ok(())
                });
                entered.passed().await;
                n.cancel("the waiter may go");
            } else {
                let mut work = Box::pin(work);
                while !entered.is_open() {
                    assert!(poll_now(work.as_mut()).await.is_pending());
                    yield_now().await;
                }
                drop(work);
                journal.add("waiter gone");
            }
            Ok(())
        }));
        while !journal.has("waiter gone") {
            assert!(poll_now(owner.as_mut()).await.is_pending());
            yield_now().await;
        }
        while_it_waits(owner.as_mut(), "the work goes on").await;
        journal.assert_is(&["waiter gone"]);
        let_go.open();
        owner.await.expect("nothing fails");
        journal.assert_is(&["waiter gone", "work ended"]);
    }
}

/// Fails if: a scope that is dropped while its work goes on blocks there, or the one around does not wait.
async fn is_adopted_with_its_scope() {
    let (journal, entered, let_go) = (Journal::new(), Gate::new(), Gate::new());
    let mut around = pin!(nursery(async |_| {
        {
            let (j, enters, gate) = (journal.clone(), entered.clone(), let_go.clone());
            let mut dropped = Box::pin(nursery(async |_| {
                blocking(move |b: &Blocking| {
                    in_progress(&enters, &gate);
                    assert!(b.is_cancelled(), "its scope was dropped");
                    j.add("work ended");
                })
                .await?;
                Ok(())
            }));
            while !entered.is_open() {
                assert!(poll_now(dropped.as_mut()).await.is_pending());
                yield_now().await;
            }
        }
        journal.add("dropped");
        Ok(())
    }));
    while !journal.has("dropped") {
        assert!(poll_now(around.as_mut()).await.is_pending());
        yield_now().await;
    }
    while_it_waits(around.as_mut(), "the work goes on").await;
    let_go.open();
    around.await.expect("nothing fails");
    journal.assert_is(&["dropped", "work ended"]);
}

/// Fails if: what the work calls back is not run by the runtime while the thread waits, or not as a child of the scope.
async fn calls_back_and_waits() {
    let (gate, journal) = (Gate::new(), Journal::new());
    let sum = nursery(async |n| {
        n.spawn_local(async {
            turns(10).await;
            gate.open();
            Ok(())
        });
        let (gate, j) = (gate.clone(), journal.clone());
        Ok(blocking(move |b: &Blocking| {
            // Twice, one after the other: the first waits for somebody in the scope.
            let one = b.run(async move {
                gate.passed().await;
                Ok(1)
            })?;
            let two = b.run(async move {
                nursery(async |inner| {
                    inner.spawn_erased(async move {
                        turns(3).await;
                        j.add("grandchild");
                        Ok(())
                    });
                    Ok(2)
                })
                .await
                .map_err(Failure::from)
            })?;
            Ok::<_, scope_core::BlockingError>(one + two)
        })
        .await??)
    })
    .await
    .expect("nothing fails");
    assert_eq!(sum, 3);
    journal.assert_is(&["grandchild"]);
}

/// Fails if: a panic of work whose waiter has gone is lost, or is anybody's but the scope's, which it does not cancel.
async fn a_panic_that_nobody_waits_for_is_recorded() {
    let (entered, let_go) = (Gate::new(), Gate::new());
    let error = nursery(async |n| {
        let (enters, gate) = (entered.clone(), let_go.clone());
        let mut work = Box::pin(blocking(move |_| {
            in_progress(&enters, &gate);
            std::panic::resume_unwind(Box::new("in the work"));
        }));
        while !entered.is_open() {
            assert!(poll_now(work.as_mut()).await.is_pending());
            yield_now().await;
        }
        drop(work);
        let_go.open();
        turns(10).await;
        assert!(!n.is_cancelled());
        Ok(())
    })
    .await
    .expect_err("the panic is not lost");
    assert!(matches!(error.cause(), Cause::Panicked(payload) if payload.message() == "in the work"), "{error:?}");
}

/// Fails if: a handle that is dropped with a thread blocked in a call back, whose child fails, hangs the thread.
async fn a_call_back_that_fails_lets_the_thread_go() {
    let journal = Journal::new();
    let error = nursery(async |_| {
        let j = journal.clone();
        blocking(move |b: &Blocking| {
            let called = b.run(async {
                turns(3).await;
                Err::<u32, _>(Boom("called back").into())
            });
            assert!(called.is_err());
            // In a scope that its child's failure has cancelled: told, and not run past an await point.
            assert!(b.is_cancelled());
            assert!(b.run(pending::<Result<u32, Failure>>()).is_err());
            j.add("thread went on");
        })
        .await?;
        yield_now().await;
        Ok(())
    })
    .await
    .expect_err("a child failed");
    assert_eq!(error.find::<Boom>(), Some(&Boom("called back")));
    journal.assert_is(&["thread went on"]);
}

/// Each on the real runtimes, and on the deterministic one with threads for its blocking work: the seed does not decide
/// all then, so a few are enough.
macro_rules! with_threads {
    ($($test:ident $case:ident)+) => {
        $(
            #[test]
            fn $test() {
                TokioCt::check(stringify!($test), $case);
                TokioMt::check(stringify!($test), $case);
                Smol::check(stringify!($test), $case);
                within_bound(stringify!($test), || {
                    let configs = (0..16).map(|seed| Config::new(seed).blocking_threads(true));
                    scope_test::for_each_config(configs, async |runtime| {
                        let _outside = runtime.outside();
                        let handle: Handle = runtime.handle();
                        nursery(async |_| {
                            $case().await;
                            Ok(())
                        })
                        .runtime(handle)
                        .await
                        .expect("nothing fails");
                    });
                });
            }
        )+
    };
}

with_threads! {
    n14_sees_a_cancellation_and_is_waited_for sees_a_cancellation_and_is_waited_for
    n14_is_joined_though_its_waiter_is_gone is_joined_though_its_waiter_is_gone
    n14_is_adopted_with_its_scope is_adopted_with_its_scope
    n14_calls_back_and_waits calls_back_and_waits
    n14_a_panic_that_nobody_waits_for_is_recorded a_panic_that_nobody_waits_for_is_recorded
    n14_a_call_back_that_fails_lets_the_thread_go a_call_back_that_fails_lets_the_thread_go
}

/// Fails if: blocking work needs a task's own thread: in `block_on` inside a call back, say.
#[test]
fn n14_blocking_in_a_call_back() {
    TokioMt::check("n14_blocking_in_a_call_back", async || {
        let value = nursery(async |_| {
            Ok(blocking(|b: &Blocking| {
                let inner = b.run(async { Ok(blocking(|_| 7).await?) });
                // And the thread is free for other waiting afterwards.
                block_on(async { yield_now().await });
                inner
            })
            .await??)
        })
        .await
        .expect("nothing fails");
        assert_eq!(value, 7);
    });
}
