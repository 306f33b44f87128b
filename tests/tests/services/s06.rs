//! s06: the last handle dropped ends the service; a handle in a static hangs nothing; a reconnect gets a fresh one.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use futures_lite::future::yield_now;
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, ServiceError, ServiceHandle, Spawner, Spawns, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, turns, while_it_waits};

/// A connection with a number, which it answers with.
struct Line {
    number: u32,
    journal: Journal,
    // Waited for at its end.
    may_end: Gate,
    // Where it breaks.
    breaks: Gate,
}

enum Ask {
    Number(Reply<u32>),
    /// Answered when the caller says so.
    Wait(Gate, Reply<u32>),
}

impl Line {
    fn new(number: u32, journal: &Journal) -> Self {
        let may_end = Gate::new();
        may_end.open();
        Line { number, journal: journal.clone(), may_end, breaks: Gate::new() }
    }
}

impl Service for Line {
    type Request = Ask;
    type Info = u32;
    type Report = u32;

    fn name(&self) -> Name {
        Name::from(format!("line {}", self.number))
    }

    async fn open(&mut self) -> Result<u32, Failure> {
        yield_now().await;
        self.journal.add(format!("{} open", self.number));
        Ok(self.number)
    }

    async fn serve(&mut self, inbox: &mut Inbox<Ask>) -> Result<(), Failure> {
        let broken = async {
            self.breaks.passed().await;
            Err(Boom("the line broke").into())
        };
        let serving = async {
            while let Some(request) = inbox.next().await {
                match request {
                    Ask::Number(reply) => drop(reply.send(self.number)),
                    Ask::Wait(gate, reply) => {
                        gate.passed().await;
                        let _ = reply.send(self.number);
                    }
                }
            }
            Ok(())
        };
        futures_lite::future::or(broken, serving).await
    }

    async fn end(&mut self, _: Exit) -> u32 {
        self.journal.add(format!("{} ending", self.number));
        self.may_end.passed().await;
        self.journal.add(format!("{} ended", self.number));
        self.number
    }
}

/// Waits for a line of the journal.
async fn written(journal: &Journal, line: &str) {
    while !journal.has(line) {
        yield_now().await;
    }
}

/// Fails if: any handle but the last ends it, or the last does not, wherever it is dropped.
pub(crate) async fn s06_the_last_handle_dropped_ends_it<R: Rt>() {
    for place in ["here", "parallel", "foreign", "thread"] {
        let journal = Journal::new();
        nursery(async |n| {
            let first = n.open(Line::new(1, &journal)).await?;
            let (second, last) = (first.clone(), first.clone());
            drop(first);
            drop(second);
            turns(5).await;
            assert_eq!(last.ask(Ask::Number).await?, 1, "it has a handle left");
            assert!(!journal.has("1 ending"));
            match place {
                "here" => drop(last),
                "parallel" => R::spawn(n, async move {
                    drop(last);
                    Ok(())
                }),
                "foreign" => drop(R::foreign(async move { drop(last) })),
                _ => thread::spawn(|| drop(last)).join().expect("no panic"),
            }
            // While its scope lives on.
            written(&journal, "1 ended").await;
            assert!(!n.is_cancelled());
            Ok(())
        })
        .await
        .unwrap_or_else(|error| panic!("{place}: {error:?}"));
        journal.assert_is(&["1 open", "1 ending", "1 ended"]);
    }
}

/// Fails if: a handle that is dropped takes back what was asked with it before, or one that only waits for an answer
/// counts for nothing.
pub(crate) async fn s06_a_handle_in_use_is_a_handle<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let service = n.open(Line::new(1, &journal)).await?;
        let gate = Gate::new();
        {
            let mut asking = Box::pin({
                let gate = gate.clone();
                async move { service.ask(|reply| Ask::Wait(gate, reply)).await }
            });
            // It holds the last one.
            while_it_waits(asking.as_mut(), "the gate is shut").await;
            assert!(!journal.has("1 ending"));
            gate.open();
            assert_eq!(asking.await?, 1);
        }
        written(&journal, "1 ended").await;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a handle that nobody will ever drop keeps the nursery waiting.
pub(crate) async fn s06_a_handle_kept_in_a_static_does_not_hang_the_nursery<R: Rt>() {
    static KEPT: Mutex<Vec<ServiceHandle<Line>>> = Mutex::new(Vec::new());
    let journal = Journal::new();
    nursery(async |n| {
        let service = n.open(Line::new(1, &journal)).await?;
        KEPT.lock().unwrap_or_else(PoisonError::into_inner).push(service);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["1 open", "1 ending", "1 ended"]);
}

/// Opens its gate when it is dropped.
struct OpensOnDrop(Gate);

impl Drop for OpensOnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Fails if: services are asked to close while someone in the scope may yet ask them, or are not asked at all.
pub(crate) async fn s06_services_are_asked_when_body_and_children_have_ended<R: Rt>() {
    let journal = Journal::new();
    // Lives longer than the scope.
    let kept: Arc<Mutex<Vec<ServiceHandle<Line>>>> = Arc::default();
    let keep = |kept: &Mutex<Vec<_>>, service| kept.lock().unwrap_or_else(PoisonError::into_inner).push(service);
    nursery(async |n| {
        let service = n.open(Line::new(1, &journal)).await?;
        keep(&kept, service.clone());
        let body_over = Gate::new();
        let (over, handle, j) = (body_over.clone(), service.clone(), journal.clone());
        R::spawn(n, async move {
            over.passed().await;
            turns(10).await;
            assert_eq!(handle.ask(Ask::Number).await?, 1);
            j.add("parallel child");
            Ok(())
        });
        let (over, j) = (body_over.clone(), journal.clone());
        n.spawn_local(async move {
            over.passed().await;
            turns(20).await;
            assert_eq!(service.ask(Ask::Number).await?, 1);
            j.add("same-task child");
            Ok(())
        });
        // Opened after the body's end, by a child.
        let (over, spawner, j, k) = (body_over.clone(), n.spawner(), journal.clone(), Arc::clone(&kept));
        R::spawn(n, async move {
            over.passed().await;
            let late = spawner.open(Line::new(2, &j)).await?;
            assert_eq!(late.ask(Ask::Number).await?, 2);
            keep(&k, late);
            j.add("late child");
            Ok(())
        });
        let _over = OpensOnDrop(body_over);
        Ok(())
    })
    .await
    .expect("nothing fails");
    let lines = journal.lines();
    let at = |line: &str| lines.iter().position(|l| l == line).unwrap_or_else(|| panic!("{line}: {lines:?}"));
    for child in ["parallel child", "same-task child", "late child"] {
        for ending in ["1 ending", "2 ending"] {
            assert!(at(child) < at(ending), "{child}, {ending}: {lines:?}");
        }
    }
    assert_eq!((journal.count("1 ended"), journal.count("2 ended")), (1, 1), "{lines:?}");
    assert_eq!(kept.lock().expect("no panic").len(), 2);
}

/// Opens another service in the same scope when it is asked to close.
struct Successor(Spawner, Journal, Arc<Mutex<Vec<ServiceHandle<Line>>>>);

impl Service for Successor {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("successor")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        while inbox.next().await.is_some() {}
        let next = self.0.serve(Line::new(1, &self.1))?;
        self.2.lock().unwrap_or_else(PoisonError::into_inner).push(next);
        Ok(())
    }

    async fn end(&mut self, _: Exit) {}
}

/// Fails if: a service that comes while the others are being asked to close is forgotten, and hangs the nursery.
pub(crate) async fn s06_one_that_is_opened_while_all_are_asked_is_asked_too<R: Rt>() {
    let (journal, kept) = (Journal::new(), Arc::default());
    nursery(async |n| {
        let first = n.open(Successor(n.spawner(), journal.clone(), Arc::clone(&kept))).await?;
        // Ended by its scope, not by its last handle.
        n.finalizer("keeps a handle", async move |_| {
            drop(first);
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(kept.lock().expect("no panic").len(), 1);
    assert_eq!(journal.count("1 ended"), 1, "{journal:?}");
}

/// What a user writes who wants an answer from some line: it opens one, and the next when that one has gone.
struct Reconnecting {
    spawner: Spawner,
    journal: Journal,
    line: Mutex<(u32, Option<ServiceHandle<Line>>)>,
    /// The first line's, whose end a case holds back, and which it breaks.
    first: (Gate, Gate),
}

impl Reconnecting {
    fn new(spawner: Spawner, journal: &Journal) -> Self {
        let first = (Gate::new(), Gate::new());
        Reconnecting { spawner, journal: journal.clone(), line: Mutex::new((0, None)), first }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (u32, Option<ServiceHandle<Line>>)> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line there is, or the next, with its number.
    fn line(&self) -> (u32, ServiceHandle<Line>) {
        let (number, line) = &mut *self.lock();
        if let Some(line) = line {
            return (*number, line.clone());
        }
        *number += 1;
        let mut next = Line::new(*number, &self.journal);
        if *number == 1 {
            (next.may_end, next.breaks) = self.first.clone();
        }
        let opened = self.spawner.serve(next).expect("the scope lives");
        *line = Some(opened.clone());
        (*number, opened)
    }

    /// Gives a line up, unless another has taken its place.
    fn forget(&self, gone: u32) {
        let (number, line) = &mut *self.lock();
        if *number == gone {
            *line = None;
        }
    }

    async fn number(&self) -> Result<u32, ServiceError> {
        loop {
            let (number, line) = self.line();
            match line.ask(Ask::Number).await {
                Err(error) if error.is_closed() || error.failure().is_some() => self.forget(number),
                answered => return answered,
            }
        }
    }
}

/// Fails if: one who asks while the old line ends is served by it, waits for its end, or is refused.
pub(crate) async fn s06_a_reconnect_does_not_reuse_a_dying_runner<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let lines = Arc::new(Reconnecting::new(n.spawner(), &journal));
        assert_eq!(lines.number().await?, 1);
        let (_, first) = lines.line();
        first.begin_close();
        // At once, and once it is in the middle of its end: which it is held in until all have been answered.
        assert_eq!(lines.number().await?, 2);
        written(&journal, "1 ending").await;
        assert!(!first.is_closed());
        lines.forget(2);
        *lines.lock() = (2, Some(first.clone()));
        let asking: Vec<_> = (0..3)
            .map(|_| {
                let lines = Arc::clone(&lines);
                n.spawn_erased_with_handle(async move { Ok(lines.number().await?) })
            })
            .collect();
        for asked in asking {
            assert_eq!(asked.await?, 3, "one line for all who found the old one gone");
        }
        assert!(!journal.has("1 ended"));
        lines.first.0.open();
        assert_eq!(*first.close().await?, 1);
        assert_eq!(lines.number().await?, 3);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: what was said to the old line, before or after it was replaced, reaches the new one.
pub(crate) async fn s06_a_reconnect_sees_no_stale_stop_signal<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let lines = Reconnecting::new(n.spawner(), &journal);
        assert_eq!(lines.number().await?, 1);
        let (_, first) = lines.line();
        // One who waits for the old one's end over the whole reconnect.
        let mut closing = Box::pin(first.close());
        while_it_waits(closing.as_mut(), "the old line may not end yet").await;
        written(&journal, "1 ending").await;
        assert_eq!(lines.number().await?, 2);
        // Again, and by the last handles on the old one.
        first.begin_close();
        assert_eq!(lines.number().await?, 2);
        lines.first.0.open();
        assert_eq!(*closing.await?, 1);
        first.begin_close();
        drop(first);
        turns(5).await;
        assert_eq!(lines.number().await?, 2);
        assert!(!journal.has("2 ending"), "{journal:?}");
        let (_, second) = lines.line();
        assert_eq!(*second.close().await?, 2, "its own signal it does see");
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["1 open", "1 ending", "2 open", "1 ended", "2 ending", "2 ended"]);
}

/// Fails if: a line that broke is kept, or one that replaced it is given up for its sake.
pub(crate) async fn s06_a_reconnect_after_a_failure<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let lines = Reconnecting::new(n.spawner(), &journal);
        assert_eq!(lines.number().await?, 1);
        let (_, first) = lines.line();
        lines.first.1.open();
        written(&journal, "1 ending").await;
        assert_eq!(lines.number().await?, 2);
        lines.first.0.open();
        let end = first.closed().await;
        assert!(end.error().failure().is_some_and(|failure| failure.is::<Boom>()), "{end:?}");
        lines.forget(1);
        assert_eq!(lines.number().await?, 2);
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert!(!journal.has("3 open"), "{journal:?}");
}
