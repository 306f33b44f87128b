//! s01: a service is a resource with a home: one task opens it, serves requests, and ends it; handles can only ask.

use std::cell::Cell;

use futures_lite::future::{pending, yield_now};
use scope_core::task;
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, ServiceHandle, Spawns, TaskId, nursery};
use scope_tests::{Boom, Gate, Journal, Rt};

/// A counter with a home: it is not `Sync`, and says where each part of its life took place.
struct Counter {
    count: Cell<u32>,
    journal: Journal,
    home: Option<TaskId>,
    fails: Option<&'static str>,
    opened: Gate,
    ended: Gate,
}

enum Ask {
    Add(u32, Reply<u32>),
    Where(Reply<Option<TaskId>>),
    Break,
}

impl Counter {
    fn new(journal: &Journal) -> Self {
        Counter {
            count: Cell::new(0),
            journal: journal.clone(),
            home: None,
            fails: None,
            opened: Gate::new(),
            ended: Gate::new(),
        }
    }

    fn at_home(&self) {
        assert_eq!(task::id(), self.home, "it left home");
    }
}

impl Service for Counter {
    type Request = Ask;
    type Info = &'static str;
    type Report = u32;

    fn name(&self) -> Name {
        Name::new("counter")
    }

    async fn open(&mut self) -> Result<&'static str, Failure> {
        self.home = task::id();
        self.journal.add("open");
        yield_now().await;
        self.at_home();
        if self.fails == Some("open") {
            return Err(Boom("cannot open").into());
        }
        assert!(self.fails != Some("panic in open"), "panic in open");
        if self.fails == Some("hang") {
            let _note = self.journal.on_drop("open: dropped");
            self.opened.open();
            pending::<()>().await;
        }
        Ok("ready")
    }

    async fn serve(&mut self, inbox: &mut Inbox<Ask>) -> Result<(), Failure> {
        self.journal.add("serve");
        assert!(self.fails != Some("panic in serve"), "panic in serve");
        while let Some(request) = inbox.next().await {
            self.at_home();
            match request {
                Ask::Add(n, reply) => {
                    self.count.set(self.count.get() + n);
                    yield_now().await;
                    self.at_home();
                    let _ = reply.send(self.count.get());
                }
                Ask::Where(reply) => {
                    let _ = reply.send(task::id());
                }
                Ask::Break => return Err(Boom("broke").into()),
            }
        }
        Ok(())
    }

    async fn end(&mut self, exit: Exit) -> u32 {
        self.at_home();
        // Shielded: await points of its own, whatever was cancelled.
        yield_now().await;
        scope_core::checkpoint().await;
        self.at_home();
        let how = match exit {
            Exit::Ok => "ok",
            Exit::Failed(_) => "failed",
            Exit::Cancelled(_) => "cancelled",
            Exit::Panicked(_) => "panicked",
            _ => "otherwise",
        };
        self.journal.add(format!("end: {how}"));
        self.ended.open();
        self.count.get()
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // Before its first poll it has no home yet; its destructor runs in its task all the same.
        if self.home.is_some() {
            self.at_home();
        }
        self.journal.add("dropped");
    }
}

async fn add(handle: &ServiceHandle<Counter>, n: u32) -> u32 {
    handle.ask(|reply| Ask::Add(n, reply)).await.expect("it serves")
}

/// Fails if: opening, serving, ending or dropping happens in the task of whoever asks, or the resource is shared.
pub(crate) async fn s01_one_task_opens_serves_and_ends_and_others_ask<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let service = n.open(Counter::new(&journal)).await?;
        assert_eq!(service.info().as_deref(), Some(&"ready"));
        nursery(async |users| {
            for _ in 0..4 {
                let handle = service.clone();
                R::spawn(users, async move {
                    add(&handle, 1).await;
                    Ok(())
                });
                users.spawn_local(async {
                    add(&service, 10).await;
                    Ok(())
                });
            }
            let (handle, done) = (service.clone(), Gate::new());
            let foreign_done = done.clone();
            R::foreign(async move {
                assert_eq!(task::id(), None);
                add(&handle, 100).await;
                foreign_done.open();
            });
            done.passed().await;
            Ok(())
        })
        .await?;
        let home = service.ask(Ask::Where).await?;
        assert!(home.is_some() && home != task::id());
        assert_eq!(add(&service, 0).await, 144);
        assert_eq!(*service.close().await?, 144);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["open", "serve", "end: ok", "dropped"]);
}

/// Fails if: a way to end skips `end`, or runs it twice, or tells it wrongly how it ended.
pub(crate) async fn s01_it_is_ended_exactly_once_however_it_ends<R: Rt>() {
    // Its scope is cancelled.
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let _service = n.open(Counter::new(&journal)).await?;
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["open", "serve", "end: cancelled", "dropped"]);

    // It cannot open.
    let journal = Journal::new();
    nursery(async |n| {
        let mut counter = Counter::new(&journal);
        counter.fails = Some("open");
        let error = n.open(counter).await.expect_err("it cannot open");
        assert!(error.is_open_failed(), "{error:?}");
        assert!(format!("{:?}", error.failure()).contains("cannot open"), "its typed cause: {error:?}");
        Ok(())
    })
    .await
    .expect("who asked knows; the scope lives on");
    journal.assert_is(&["open", "end: failed", "dropped"]);

    // It breaks while it serves.
    let journal = Journal::new();
    nursery(async |n| {
        let service = n.open(Counter::new(&journal)).await?;
        service.send(Ask::Break).await?;
        service.closed().await;
        let error = service.ask(Ask::Where).await.expect_err("it is gone");
        assert!(error.is_closed() || error.failure().is_some(), "{error:?}");
        Ok(())
    })
    .await
    .expect("a service that breaks cancels nobody who merely opened it");
    journal.assert_is(&["open", "serve", "end: failed", "dropped"]);

    // Its last handle is dropped, and its scope lives on.
    let journal = Journal::new();
    nursery(async |n| {
        let counter = Counter::new(&journal);
        let ended = counter.ended.clone();
        drop(n.open(counter).await?);
        ended.passed().await;
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["open", "serve", "end: ok", "dropped"]);

    // It panics, while it opens and while it serves.
    for when in ["panic in open", "panic in serve"] {
        let journal = Journal::new();
        nursery(async |n| {
            let mut counter = Counter::new(&journal);
            counter.fails = Some(when);
            let service = n.serve(counter);
            let end = service.closed().await;
            assert!(!end.was_asked(), "{end:?}");
            assert!(end.error().to_string().contains(when), "{end:?}");
            assert!(service.ask(Ask::Where).await.is_err());
            Ok(())
        })
        .await
        .expect("a service that breaks cancels nobody who merely opened it");
        let tail = ["end: panicked", "dropped"];
        assert!(journal.lines().ends_with(&tail.map(String::from)), "{when}: {journal:?}");
    }

    // Its scope is cancelled while it opens.
    let journal = Journal::new();
    nursery(async |n| -> Result<(), Failure> {
        let mut counter = Counter::new(&journal);
        counter.fails = Some("hang");
        let opening = counter.opened.clone();
        let _handle = n.serve(counter);
        opening.passed().await;
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    journal.assert_is(&["open", "open: dropped", "end: cancelled", "dropped"]);
}

/// Fails if: the nursery returns before its services have ended, or hangs on a handle that someone keeps.
pub(crate) async fn s01_it_ends_with_its_scope_even_where_a_handle_is_kept<R: Rt>() {
    let journal = Journal::new();
    let kept = nursery(async |n| {
        let service = n.open(Counter::new(&journal)).await?;
        add(&service, 3).await;
        Ok(service)
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["open", "serve", "end: ok", "dropped"]);
    let error = kept.ask(Ask::Where).await.expect_err("it has ended");
    assert!(error.is_closed(), "{error:?}");
    assert_eq!(*kept.close().await.expect("closing again is no error"), 3);
}

/// Fails if: a handle cannot go where it is needed. Ending the resource elsewhere has no way to be written: a handle
/// gives no access to it (compile_fail). From a blocking thread: blocking_only.
pub(crate) async fn s01_handles_are_cheap_to_clone_and_go_anywhere<R: Rt>() {
    fn goes_anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    let journal = Journal::new();
    let (first, second) = nursery(async |n| {
        let service = n.open(Counter::new(&journal)).await?;
        goes_anywhere(&service);
        // To a scope that lives longer, and to one that lives shorter.
        let inner = service.clone();
        let first = nursery(async |_| Ok(add(&inner, 5).await)).await?;
        let (sent, handles) = async_channel::bounded(1);
        let _ = sent.try_send(service);
        Ok((first, add(&handles.recv().await?, 6).await))
    })
    .await
    .expect("nothing fails");
    assert_eq!((first, second), (5, 11));
    journal.assert_is(&["open", "serve", "end: ok", "dropped"]);
}
