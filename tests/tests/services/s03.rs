//! s03: many opened at once, one close; closed in any order; a close during opening takes effect at once.

use futures_lite::future::{pending, yield_now};
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, ServiceHandle, Spawns, nursery};
use scope_tests::{Gate, Journal, Rt, turns};

/// One of many.
struct One {
    name: String,
    journal: Journal,
    hangs: bool,
    opening: Gate,
}

impl One {
    fn new(name: impl Into<String>, journal: &Journal) -> Self {
        One { name: name.into(), journal: journal.clone(), hangs: false, opening: Gate::new() }
    }

    fn hanging(name: &str, journal: &Journal) -> (Self, Gate) {
        let one = One { hangs: true, ..One::new(name, journal) };
        let opening = one.opening.clone();
        (one, opening)
    }
}

impl Service for One {
    type Request = ();
    type Info = String;
    type Report = String;

    fn name(&self) -> Name {
        Name::from(self.name.clone())
    }

    async fn open(&mut self) -> Result<String, Failure> {
        let _note = self.journal.on_drop(format!("{}: open is over", self.name));
        self.opening.open();
        yield_now().await;
        if self.hangs {
            pending::<()>().await;
        }
        Ok(self.name.clone())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        self.journal.add(format!("{}: serves", self.name));
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _: Exit) -> String {
        turns(self.name.len() % 3).await;
        self.journal.add(format!("{}: ended", self.name));
        self.name.clone()
    }
}

const MANY: usize = 6;

/// Fails if: services open one after the other, or closing one touches another.
pub(crate) async fn s03_many_are_opened_at_once_and_one_is_closed<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let all: Vec<ServiceHandle<One>> =
            (0..MANY).map(|i| n.serve(One::new(format!("service {i}"), &journal))).collect();
        for (i, ready) in
            futures_util::future::join_all(all.iter().map(|one| one.ready())).await.into_iter().enumerate()
        {
            assert_eq!(*ready?, format!("service {i}"));
        }
        assert_eq!(*all[2].close().await?, "service 2");
        for (i, one) in all.iter().enumerate() {
            let sent = one.send(()).await;
            assert_eq!(sent.is_err(), i == 2, "only that one is closed: {sent:?}");
            assert_eq!(journal.has(&format!("service {i}: ended")), i == 2);
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
    for i in 0..MANY {
        assert_eq!(journal.count(&format!("service {i}: ended")), 1, "the scope ends the rest");
    }
}

/// Fails if: a service waits for one opened before it, or after it.
pub(crate) async fn s03_they_close_in_any_order<R: Rt>() {
    let orders: [[usize; 4]; 4] = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]];
    for order in orders {
        let journal = Journal::new();
        nursery(async |n| {
            let mut all = Vec::new();
            for i in 0..4 {
                all.push(n.open(One::new(format!("service {i}"), &journal)).await?);
            }
            for i in order {
                assert_eq!(*all[i].close().await?, format!("service {i}"));
            }
            Ok(())
        })
        .await
        .expect("nothing fails");
        let ended: Vec<_> = journal.lines().into_iter().filter(|line| line.ends_with("ended")).collect();
        let expected: Vec<_> = order.iter().map(|i| format!("service {i}: ended")).collect();
        assert_eq!(ended, expected);
    }
    // And all at once, from a task each.
    let journal = Journal::new();
    nursery(async |n| {
        nursery(async |closers| {
            for i in 0..4 {
                let one = n.open(One::new(format!("service {i}"), &journal)).await?;
                R::spawn(closers, async move {
                    one.close().await?;
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        assert_eq!(journal.lines().iter().filter(|line| line.ends_with("ended")).count(), 4);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: closing waits for the handshake, which never ends here; or `open` goes on beside `end`.
pub(crate) async fn s03_a_close_during_opening_takes_effect_at_once<R: Rt>() {
    let begun = R::now();
    let journal = Journal::new();
    nursery(async |n| {
        let (one, opening) = One::hanging("hanging", &journal);
        let service = n.serve(one);
        let waiting = service.clone();
        let ready = n.spawner().spawn_erased_with_handle(async move { Ok(waiting.ready().await.map(drop)) })?;
        opening.passed().await;
        assert_eq!(*service.close().await?, "hanging");
        let error = ready.await?.expect_err("it will never be ready");
        assert!(error.is_closed(), "{error:?}");
        Ok(())
    })
    .await
    .expect("nobody else is hurt");
    journal.assert_is(&["hanging: open is over", "hanging: ended"]);
    R::assert_no_time_passed(begun);
}

/// Fails if: a close before the first poll is lost, or opens the resource to close it.
pub(crate) async fn s03_a_close_before_it_began_to_open<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (one, _) = One::hanging("early", &journal);
        let service = n.serve(one);
        service.begin_close();
        service.close().await?;
        Ok(())
    })
    .await
    .expect("nobody is hurt");
    assert!(!journal.has("early: serves"));
    assert!(journal.count("early: ended") <= 1);
}

/// Fails if: those who wait in `open` are left waiting when another handle closes it.
pub(crate) async fn s03_one_who_waits_for_the_opening_hears_of_the_close<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (one, opening) = One::hanging("hanging", &journal);
        let (handles, spawner) = (Gate::new(), n.spawner());
        let (sent, got) = async_channel::bounded(1);
        let told = handles.clone();
        let waiting = n.spawner().spawn_erased_with_handle(async move {
            let service = spawner.serve(one)?;
            let _ = sent.send(service.clone()).await;
            let outcome = service.ready().await.map(drop);
            told.open();
            Ok(outcome)
        })?;
        let service: ServiceHandle<One> = got.recv().await.expect("sent");
        opening.passed().await;
        service.begin_close();
        handles.passed().await;
        assert!(waiting.await?.expect_err("it was closed").is_closed());
        Ok(())
    })
    .await
    .expect("nobody is hurt");
}

/// Takes one request at a time, and never answers.
struct Busy {
    taken: Gate,
}

impl Service for Busy {
    type Request = Reply<()>;
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("busy")
    }

    fn backlog(&self) -> usize {
        1
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Reply<()>>) -> Result<(), Failure> {
        let _held = inbox.next().await;
        self.taken.open();
        inbox.closing().await;
        Ok(())
    }

    async fn end(&mut self, _: Exit) {}
}

/// Fails if: one who asked, waits in the backlog, or waits for a place in it, is left waiting by a close.
pub(crate) async fn s03_all_who_wait_for_an_answer_hear_of_the_close<R: Rt>() {
    nursery(async |n| {
        let taken = Gate::new();
        let service = n.open(Busy { taken: taken.clone() }).await?;
        let asking: Vec<_> = (0..4)
            .map(|_| {
                let service = service.clone();
                n.spawn_erased_with_handle(async move { Ok(service.ask(|reply| reply).await) })
            })
            .collect();
        taken.passed().await;
        service.close().await?;
        for asked in asking {
            let error = asked.await?.expect_err("nobody answered");
            assert!(error.is_closed(), "{error:?}");
            assert!(error.to_string().contains("busy"), "{error}");
        }
        Ok(())
    })
    .await
    .expect("nobody else is hurt");
}
