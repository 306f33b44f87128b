//! s08: the calls that block a thread, for synchronous code.

use std::thread;

use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, Spawns, nursery, rt};
use scope_tests::{Gate, Journal, Rt, turns};

use crate::s08::{on_a_thread, other_threads};

/// Counts what it is sent, and says how many there were to those who ask. Dropped requests are forgotten, on purpose.
struct Count {
    seen: u32,
    may_open: Gate,
    journal: Journal,
}

enum Ask {
    Note,
    Seen(Reply<u32>),
    Forget(Reply<()>),
    Break,
}

impl Service for Count {
    type Request = Ask;
    type Info = &'static str;
    type Report = u32;

    fn name(&self) -> Name {
        Name::new("count")
    }

    fn backlog(&self) -> usize {
        1
    }

    async fn open(&mut self) -> Result<&'static str, Failure> {
        self.may_open.passed().await;
        Ok("open")
    }

    async fn serve(&mut self, inbox: &mut Inbox<Ask>) -> Result<(), Failure> {
        while let Some(ask) = inbox.next().await {
            turns(1).await;
            match ask {
                Ask::Note => self.seen += 1,
                Ask::Seen(reply) => drop(reply.send(self.seen)),
                Ask::Forget(reply) => drop(reply),
                Ask::Break => return Err(Failure::msg("broken")),
            }
        }
        Ok(())
    }

    async fn end(&mut self, _: Exit) -> u32 {
        self.journal.add("ended");
        self.seen
    }
}

fn count(journal: &Journal) -> (Count, Gate) {
    let may_open = Gate::new();
    (Count { seen: 0, may_open: may_open.clone(), journal: journal.clone() }, may_open)
}

/// Fails if: synchronous code gets another answer than a task, or hangs where the backlog is full.
pub(crate) async fn s08_blocking_calls_do_what_the_others_do<R: Rt>() {
    let _outside = other_threads::<R>();
    let journal = Journal::new();
    nursery(async |n| {
        let (service, may_open) = count(&journal);
        let service = n.serve(service);
        let (handle, opens) = (service.clone(), may_open);
        let seen = on_a_thread(move || {
            assert!(handle.info().is_none());
            opens.open();
            assert_eq!(*handle.ready_blocking().expect("it opens"), "open");
            // More than the backlog takes at once, from threads that get into each other's way.
            thread::scope(|threads| {
                for _ in 0..4 {
                    threads.spawn(|| (0..4).for_each(|_| handle.send_blocking(Ask::Note).expect("it serves")));
                }
            });
            let seen = handle.ask_blocking(Ask::Seen).expect("it answers");
            let error = handle.ask_blocking(Ask::Forget).expect_err("it forgets");
            assert!(error.is_unanswered(), "{error}");
            seen
        })
        .await;
        assert_eq!(seen, 16);
        assert_eq!(*service.close().await?, 16);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["ended"]);
}

/// Fails if: a thread that waits for the opening, for a place or for an answer is left waiting when the service ends, or is
/// not told how.
pub(crate) async fn s08_blocking_calls_hear_of_the_end<R: Rt>() {
    let _outside = other_threads::<R>();
    let journal = Journal::new();
    nursery(async |n| {
        // It never opens: nobody takes what is sent.
        let (service, _never) = count(&journal);
        let service = n.serve(service);
        let handle = service.clone();
        let waiting = on_a_thread(move || {
            handle.send_blocking(Ask::Note).expect("it is the one that the backlog takes");
            thread::scope(|threads| {
                let ready = threads.spawn(|| handle.ready_blocking().map(drop));
                let sent = threads.spawn(|| handle.send_blocking(Ask::Note));
                let asked = threads.spawn(|| handle.ask_blocking(Ask::Seen).map(drop));
                handle.begin_close();
                [ready, sent, asked].map(|one| one.join().expect("no panic").expect_err("it ends"))
            })
        });
        for error in waiting.await {
            assert!(error.is_closed(), "{error}");
        }
        service.closed().await;
        // One that breaks says so.
        let (service, may_open) = count(&journal);
        may_open.open();
        let handle = n.open(service).await?;
        let broken = on_a_thread(move || {
            handle.send_blocking(Ask::Break).expect("it serves");
            handle.ask_blocking(Ask::Seen).expect_err("it breaks")
        });
        let error = broken.await;
        assert!(error.failure().is_some_and(|failure| failure.to_string() == "broken"), "{error}");
        Ok(())
    })
    .await
    .expect("it cancels nobody who merely opened it");
    journal.assert_is(&["ended", "ended"]);
}

/// Fails if: the only thread that can answer is blocked for the answer; or the refused call has an effect.
pub(crate) async fn s08_blocking_the_services_own_thread_is_a_typed_error<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (service, may_open) = count(&journal);
        let service = n.serve(service);
        if !rt::current()?.can_block() {
            let errors = [
                service.ready_blocking().map(drop).expect_err("it would stand still"),
                service.send_blocking(Ask::Note).expect_err("it would stand still"),
                service.ask_blocking(Ask::Seen).map(drop).expect_err("it would stand still"),
            ];
            for error in errors {
                assert!(error.is_would_block(), "{error}");
                assert!(!error.is_closed(), "{error}");
            }
        }
        may_open.open();
        service.ready().await?;
        assert_eq!(service.ask(Ask::Seen).await?, 0);
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["ended"]);
}
