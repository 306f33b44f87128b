//! A service and its handles: requests, asking for the end, opening, ending, and the wait for the poll in which it fails.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{check, check_up_to, scope, task};
use crate::closing::Closing;
use crate::failure::Failure;
use crate::finalizer::Exit;
use crate::mailbox::{Core, Inbox, Why, pair};
use crate::name::Name;
use crate::raw::frame::{self, Here};
use crate::requests::Requests;
use crate::scope::Closable;
use crate::service::{Service, reply};
use crate::sync::block_on;

struct Nothing;

impl Service for Nothing {
    type Request = ();
    type Info = u8;
    type Report = u8;

    fn name(&self) -> Name {
        Name::new("nothing")
    }

    async fn open(&mut self) -> Result<u8, Failure> {
        Ok(1)
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _exit: Exit) -> u8 {
        2
    }
}

fn made() -> (Arc<Core<Nothing>>, Inbox<()>) {
    pair(Name::new("nothing"), 1, None)
}

/// Two ask a service that has room for one request, and that waits for them: both are served.
#[test]
fn requests_without_room_are_served_too() {
    check_up_to(3, || {
        let requests = Arc::new(Requests::new(1));
        let askers: Vec<_> = (1..=2)
            .map(|request| {
                let requests = requests.clone();
                thread::spawn(move || block_on(requests.give(request)).is_ok())
            })
            .collect();
        let mut sum = 0;
        for _ in 1..=2 {
            sum += block_on(poll_fn(|cx| requests.poll_take(&mut false, cx))).unwrap_or_default();
        }
        assert_eq!(sum, 3);
        assert!(askers.into_iter().all(|asker| asker.join().is_ok_and(|given| given)));
    });
}

/// One gives up its wait for room while the service takes a request: the room is the other's.
#[test]
fn room_that_is_not_wanted_any_more_is_passed_on() {
    check_up_to(3, || {
        let requests = Arc::new(Requests::new(1));
        block_on(requests.give(1)).unwrap_or_else(|_| unreachable!("there is room"));
        let (impatient, patient) = (requests.clone(), requests.clone());
        let mut gives_up = Box::pin(async move { impatient.give(2).await.is_ok() });
        block_on(poll_fn(|cx| Poll::Ready(assert!(gives_up.as_mut().poll(cx).is_pending()))));
        let waits = thread::spawn(move || block_on(patient.give(3)).is_ok());
        let dropping = thread::spawn(move || drop(gives_up));
        assert_eq!(block_on(poll_fn(|cx| requests.poll_take(&mut false, cx))), Some(1));
        assert!(waits.join().is_ok_and(|given| given) && dropping.join().is_ok());
        assert_eq!(requests.try_take(), Some(3));
    });
}

/// A close ends the waits on both sides.
#[test]
fn a_close_ends_every_wait() {
    check_up_to(3, || {
        let requests = Arc::new(Requests::new(1));
        block_on(requests.give(1)).unwrap_or_else(|_| unreachable!("there is room"));
        let (closes, asks) = (requests.clone(), requests.clone());
        let asking = thread::spawn(move || block_on(asks.give(2)).is_ok());
        let closing = thread::spawn(move || closes.close());
        let mut taken = 0;
        while block_on(poll_fn(|cx| requests.poll_take(&mut false, cx))).is_some() {
            taken += 1;
        }
        let given = asking.join().unwrap_or_else(|_| unreachable!("it does not panic"));
        assert!(closing.join().is_ok());
        assert_eq!(taken + requests.len(), if given { 2 } else { 1 });
    });
}

/// Whoever waits to be asked is told, by whichever of two that ask.
#[test]
fn one_that_serves_is_told_of_the_end() {
    check(|| {
        let (core, inbox) = made();
        let (asks, also) = (core.clone(), core.clone());
        thread::spawn(move || asks.begin_close());
        thread::spawn(move || also.begin_close());
        block_on(inbox.closing());
        assert!(inbox.is_closing() && core.is_closing());
    });
}

/// Whoever waits for the end gets the report, in a task and on a thread.
#[test]
fn those_who_wait_for_the_end_get_the_report() {
    check_up_to(4, || {
        let (core, _inbox) = made();
        let (ends, blocks) = (core.clone(), core.clone());
        thread::spawn(move || ends.end(Why::Asked, Ok(2)));
        let blocking = thread::spawn(move || blocks.ended_blocking().report.is_ok());
        assert!(block_on(core.ended()).report.is_ok());
        assert!(blocking.join().is_ok_and(|reported| reported));
    });
}

/// Whoever waits for it to open is told that it has, or that it has ended.
#[test]
fn those_who_wait_for_the_opening_are_told() {
    check(|| {
        let (core, _inbox) = made();
        let opens = core.clone();
        thread::spawn(move || {
            opens.opened(1);
            opens.end(Why::Aborted, Err(Why::Aborted));
        });
        let ready = block_on(core.ready());
        assert!(ready.is_ok() || core.has_ended());
    });
}

/// An answer that comes while the one who asked gives up: it is taken, comes back, or goes with what was given up, once.
#[test]
fn an_answer_given_up_is_there_once() {
    check(|| {
        let value = Arc::new(());
        let (reply, answer) = reply::pair();
        let sent = value.clone();
        let answering = thread::spawn(move || reply.send(sent).err());
        let mut answer = Box::pin(answer);
        let polled = block_on(poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))));
        drop(answer);
        let taken = matches!(polled, Poll::Ready(Ok(_)));
        drop(polled);
        let came_back = answering.join().unwrap_or_else(|_| unreachable!("it does not panic"));
        assert!(!taken || came_back.is_none());
        assert_eq!(Arc::strong_count(&value), 1 + usize::from(came_back.is_some()), "no copy is left behind");
    });
}

/// Whoever waits for an answer gets it, or is told that there will be none, whatever waker it is polled with meanwhile.
#[test]
fn one_that_asked_is_told() {
    for answers in [true, false] {
        check(move || {
            let (reply, answer) = reply::pair();
            let answering = thread::spawn(move || if answers { reply.send(7).is_ok() } else { false });
            let mut answer = Box::pin(answer);
            let first = block_on(poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))));
            let got = match first {
                Poll::Ready(got) => got,
                Poll::Pending => block_on(answer),
            };
            assert_eq!(got.ok(), answers.then_some(7));
            assert!(answering.join().is_ok_and(|sent| sent == answers));
        });
    }
}

/// Whoever is to answer is told that nobody waits any more.
#[test]
fn one_that_is_to_answer_is_told_that_nobody_waits() {
    check(|| {
        let (mut reply, answer) = reply::pair::<u8>();
        let giving_up = thread::spawn(move || drop(answer));
        block_on(reply.given_up());
        assert!(reply.is_given_up() && reply.send(7) == Err(7));
        assert!(giving_up.join().is_ok());
    });
}

/// A reply that is dropped in the poll in which the service fails: the one who asked is told the failure.
#[test]
fn a_dropped_reply_is_explained_by_the_failure() {
    check(|| {
        let (core, _inbox) = made();
        let dropped = Arc::new(AtomicUsize::new(0));
        let (serves, drops) = (core.clone(), dropped.clone());
        let serving = thread::spawn(move || {
            serves.in_poll(|| {
                drops.store(1, Ordering::Release);
                serves.begin_end(&Why::Failed(Arc::new(Failure::from("torn"))));
            });
        });
        if dropped.load(Ordering::Acquire) == 1 {
            let error = block_on(core.unanswered());
            assert!(error.to_string().contains("torn"), "{error}");
        }
        assert!(serving.join().is_ok());
    });
}

/// A scope that gives up the opening waits for the service's end, or it has ended.
#[test]
fn a_scope_that_gave_up_waits_for_the_end() {
    check(|| {
        let (core, _inbox) = made();
        let scope = scope();
        let ends = core.clone();
        thread::spawn(move || ends.end(Why::Asked, Err(Why::Aborted)));
        frame::enter(&task(), Here::Made(&scope), || core.have_waited_for());
        let mut closing = Closing::new();
        block_on(poll_fn(|cx| closing.poll(&scope, &mut || Exit::Ok, cx)));
        assert!(core.has_ended());
    });
}

/// A scope that asks its services to close, through the same trait, from the outside.
#[test]
fn closing_twice_tells_once_and_for_all() {
    check(|| {
        let (core, inbox) = made();
        let closable: Arc<dyn Closable> = core.clone();
        let asking = thread::spawn(move || closable.begin_close());
        let mut closing = pin!(inbox.closing());
        block_on(poll_fn(|cx| {
            let polled = closing.as_mut().poll(cx);
            if polled.is_pending() && core.is_closing() {
                // Asked between the two: then the wake-up is on its way.
                return Poll::Pending;
            }
            polled
        }));
        assert!(asking.join().is_ok());
    });
}
