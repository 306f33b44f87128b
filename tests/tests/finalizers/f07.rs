//! f07: a stream that owns a scope: it may be dropped early, change tasks, be carried away; its scope ends with it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};

use futures_lite::StreamExt;
use futures_lite::future::pending;
use scope_core::event::{self, EventKind};
use scope_core::{Cause, Failure, ScopeStream, Spawns, nursery, rt, stream, task};
use scope_tests::{Boom, Gate, Journal, Rt, Stopped, poll_now, turns};

use crate::adoption::fill;

/// Numbers from 0 on, out of a nursery that has a child and a finalizer; `go` is what the finalizer waits for.
fn numbers<R: Rt>(
    upto: usize,
    journal: &Journal,
    go: &Gate,
) -> Pin<Box<ScopeStream<usize, impl Future<Output = Result<(), Failure>> + Send + use<R>>>> {
    let (journal, go) = (journal.clone(), go.clone());
    Box::pin(stream(async move |items| {
        nursery(async |n| {
            fill::<R>(n, "scope", &journal, &go).await;
            for number in 0..upto {
                items.send(number).await;
            }
            n.cancel("all of them were taken");
            Ok(())
        })
        .await?;
        Ok(())
    }))
}

fn open() -> Gate {
    let gate = Gate::new();
    gate.open();
    gate
}

const LEFT: &[&str] = &["scope: child ended", "scope: cleaned up"];

/// Fails if: items are lost, come twice or out of order, or the end comes before the scope has ended.
pub(crate) async fn f07_read_to_the_end<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let mut numbers = numbers::<R>(5, &journal, &open());
        let mut read = Vec::new();
        while let Some(number) = numbers.next().await {
            journal.assert_is(&[]);
            read.push(number?);
        }
        assert_eq!(read, [0, 1, 2, 3, 4]);
        journal.assert_is(LEFT);
        assert!(numbers.next().await.is_none(), "and so for ever");
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: the body runs ahead of who reads, or before anybody does.
pub(crate) async fn f07_it_runs_when_it_is_read<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        let j = journal.clone();
        let mut lines = Box::pin(stream(async move |items| {
            for number in 0..3 {
                j.add(format!("makes {number}"));
                items.send(number).await;
            }
            Ok(())
        }));
        turns(5).await;
        journal.assert_is(&[]);
        assert_eq!(lines.next().await.expect("three of them")?, 0);
        turns(5).await;
        journal.assert_is(&["makes 0"]);
        assert_eq!(lines.next().await.expect("three of them")?, 1);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: one that is dropped early leaves its scope running, or the scope around does not wait for it.
pub(crate) async fn f07_dropped_early_it_is_adopted<R: Rt>() {
    for read in 0..4 {
        let (journal, go) = (Journal::new(), Gate::new());
        let mut around = Box::pin(nursery(async |_| {
            let mut numbers = numbers::<R>(10, &journal, &go);
            for number in 0..=read {
                assert_eq!(numbers.next().await.expect("ten of them")?, number);
            }
            drop(numbers);
            journal.add("dropped");
            Ok(())
        }));
        while !journal.has("dropped") {
            assert!(poll_now(around.as_mut()).await.is_pending());
            turns(1).await;
        }
        scope_tests::while_it_waits(around.as_mut(), "the stream's scope still cleans up").await;
        go.open();
        around.await.expect("nothing fails");
        let mut lines = journal.lines();
        lines.retain(|line| line != "dropped");
        assert_eq!(lines, LEFT);
    }
}

/// Fails if: never read, it leaves anything.
pub(crate) async fn f07_never_read_it_leaves_nothing<R: Rt>() {
    let journal = Journal::new();
    nursery(async |_| {
        drop(numbers::<R>(3, &journal, &open()));
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&[]);
}

/// Fails if: the body's task changes with who reads, or reading in turns is a broken rule.
pub(crate) async fn f07_read_by_changing_tasks<R: Rt>() {
    let violations = Journal::new();
    nursery(async |n| {
        let (tasks, told) = (Journal::new(), violations.clone());
        let t = tasks.clone();
        let mut names = Box::pin(stream(async move |items| {
            for number in 0..6 {
                let me = task::current().expect("in a task");
                t.add(me.id().to_string());
                turns(1).await;
                assert_eq!(task::current(), Some(me));
                items.send(number).await;
            }
            Ok(())
        }));
        let mine = n.spawner().scope().id();
        let _guard = event::observe(move |event| {
            if let EventKind::Violated(how) = event.kind()
                && (event.scope().id() == mine || how.contains("f07.rs"))
            {
                told.add(how.clone());
            }
        });
        for number in 0..6 {
            let (send, got) = async_channel::bounded(1);
            n.task("reader").spawn_erased(async move {
                let read = names.next().await.expect("six of them")?;
                assert!(send.send((names, read)).await.is_ok());
                Ok(())
            });
            let read;
            (names, read) = got.recv().await?;
            assert_eq!(read, number);
        }
        assert!(names.next().await.is_none());
        let lines = tasks.lines();
        assert!(lines.len() == 6 && lines.iter().all(|line| *line == lines[0]), "one task, its own: {lines:?}");
        Ok(())
    })
    .await
    .expect("nothing fails");
    violations.assert_is(&[]);
}

/// Fails if: carried into a response body, in a foreign task, which is dropped, it ends with nobody to wait for it.
pub(crate) async fn f07_carried_into_a_foreign_task_and_dropped_there<R: Rt>() {
    let (journal, go) = (Journal::new(), Gate::new());
    let mut around = Box::pin(nursery(async |_| {
        let mut numbers = numbers::<R>(10, &journal, &go);
        assert_eq!(numbers.next().await.expect("ten of them")?, 0);
        let (send, got) = async_channel::bounded(1);
        // The server's: it reads on, and then its client hangs up.
        let response = R::foreign(async move {
            assert_eq!(numbers.next().await.expect("ten of them").expect("no error"), 1);
            assert!(send.send(()).await.is_ok());
            let _body = numbers;
            pending::<()>().await;
        });
        got.recv().await?;
        journal.assert_is(&[]);
        response.abort();
        journal.add("hung up");
        while !journal.has("scope: child ended") {
            turns(1).await;
        }
        Ok(())
    }));
    while !journal.has("scope: child ended") {
        assert!(poll_now(around.as_mut()).await.is_pending());
        turns(1).await;
    }
    scope_tests::while_it_waits(around.as_mut(), "the stream's scope still cleans up").await;
    go.open();
    around.await.expect("nothing fails");
    let mut lines = journal.lines();
    lines.retain(|line| line != "hung up");
    assert_eq!(lines, LEFT);
}

/// Fails if: with no scope around its first reader it is lost.
pub(crate) async fn f07_read_first_where_no_scope_is<R: Rt>() {
    let (journal, runtime) = (Journal::new(), rt::current().expect("on a runtime"));
    let (j, r, (send, got)) = (journal.clone(), runtime.clone(), async_channel::bounded(1));
    let response = R::foreign(async move {
        let cleaned = j.clone();
        let mut items = Box::pin(stream(async move |items| {
            // There is no runtime around it to inherit.
            nursery(async |n| {
                fill::<R>(n, "scope", &cleaned, &open()).await;
                items.send(1).await;
                pending::<Result<(), Failure>>().await
            })
            .runtime(r)
            .await?;
            Ok(())
        }));
        assert_eq!(items.next().await.expect("one").expect("no error"), 1);
        assert!(send.send(()).await.is_ok());
        let _body = items;
        pending::<()>().await;
    });
    got.recv().await.expect("it is sent");
    response.abort();
    while journal.lines().len() < 2 {
        turns(1).await;
    }
    runtime.settled().await;
    journal.assert_is(LEFT);
}

/// Fails if: what the body fails with is lost, comes before items that were sent, or is followed by more.
pub(crate) async fn f07_an_error_is_the_last_item<R: Rt>() {
    nursery(async |_| {
        let mut items = Box::pin(stream(async |items| {
            items.send(1).await;
            items.send(2).await;
            Err(Boom("out of numbers").into())
        }));
        assert_eq!(items.next().await.expect("first")?, 1);
        assert_eq!(items.next().await.expect("second")?, 2);
        let error = items.next().await.expect("the error").expect_err("it fails");
        assert!(matches!(error.cause(), Cause::Failed(failure) if failure.is::<Boom>()), "{error:?}");
        assert!(items.next().await.is_none());
        Ok(())
    })
    .await
    .expect("the reader has it");
}

/// Fails if: an item that was put in by a `send` that was given up comes after the error, or is lost.
pub(crate) async fn f07_an_item_that_was_put_in_comes_before_the_error<R: Rt>() {
    nursery(async |_| {
        let mut items = Box::pin(stream(async |items| {
            assert!(poll_now(pin!(items.send(1))).await.is_pending());
            Err(Boom("out of numbers").into())
        }));
        assert_eq!(items.next().await.expect("it was put in")?, 1);
        let error = items.next().await.expect("the error").expect_err("it fails");
        assert!(matches!(error.cause(), Cause::Failed(failure) if failure.is::<Boom>()), "{error:?}");
        assert!(items.next().await.is_none());
        Ok(())
    })
    .await
    .expect("the reader has it");
}

/// Fails if: a cancellation of the scope that reads does not reach the stream's scope.
pub(crate) async fn f07_cancelled_with_the_scope_that_reads_it<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let mut numbers = numbers::<R>(10, &journal, &open());
        assert_eq!(numbers.next().await.expect("ten of them")?, 0);
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(LEFT);
}

/// Fails if: a stream ends with the child that read it first, where that child has a handle.
pub(crate) async fn f07_read_by_changing_tasks_with_handles<R: Rt>() {
    nursery(async |n| {
        let mut numbers = Box::pin(stream(async |items| {
            for number in 0..6 {
                items.send(number).await;
            }
            Ok(())
        }));
        for number in 0..6 {
            let reader = n.task("reader").spawn_erased_with_handle(async move {
                let read = numbers.next().await.expect("six of them")?;
                Ok((numbers, read))
            });
            let read;
            (numbers, read) = reader.await?;
            assert_eq!(read, number);
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: the body's task is told under a lock, which it needs to be dropped, that its item was taken.
pub(crate) async fn f07_an_item_of_a_task_whose_executor_has_stopped<R: Rt>() {
    nursery(async |_| {
        let kept = Arc::new(Mutex::new(None));
        let keep = kept.clone();
        let mut items = Box::pin(stream(async move |items| {
            let waits = Stopped::with(async move { items.send(1).await });
            *keep.lock().expect("no panic") = Some(waits);
            pending().await
        }));
        assert_eq!(items.next().await.expect("it was put in")?, 1);
        assert!(kept.lock().expect("no panic").take().expect("it ran").has_gone());
        Ok(())
    })
    .await
    .expect("nothing fails");
}
