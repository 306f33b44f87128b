//! What a [`Carrier`] does with its tasks, polled by hand. Its races are in the models.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};

use scope_core::rt::Carrier;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll(carrier: &mut Carrier) -> bool {
    carrier.poll(&mut Context::from_waker(Waker::noop()), || true)
}

/// A task that says its name in each poll, and ends when it is polled for the third time.
async fn thrice(name: &'static str, said: Sender<&'static str>, wakers: Sender<Waker>) {
    let mut left = 3;
    poll_fn(|cx| {
        said.send(name).unwrap();
        wakers.send(cx.waker().clone()).unwrap();
        left -= 1;
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn all<T>(of: &Receiver<T>) -> Vec<T> {
    of.try_iter().collect()
}

#[test]
fn only_what_was_woken_is_polled_in_the_order_of_the_wakes() {
    let mut carrier = Carrier::new();
    let (said, names) = channel();
    let (given, wakers) = channel();
    for name in ["a", "b", "c"] {
        carrier.handle().carry(thrice(name, said.clone(), given.clone())).unwrap();
    }
    assert!(!poll(&mut carrier));
    assert_eq!(all(&names), ["a", "b", "c"]);
    assert!(!poll(&mut carrier));
    assert!(all(&names).is_empty());
    let first = all(&wakers);
    // Twice woken is polled once.
    for at in [2, 0, 2] {
        first[at].wake_by_ref();
    }
    assert!(!poll(&mut carrier));
    assert_eq!(all(&names), ["c", "a"]);
    let second = all(&wakers);
    assert!(second[0].will_wake(&first[2]) && second[1].will_wake(&first[0]) && !second[0].will_wake(&second[1]));
    first[0].wake_by_ref();
    first[0].wake_by_ref();
    assert!(!poll(&mut carrier));
    assert_eq!(all(&names), ["a"]);
    // It has ended.
    first[0].wake_by_ref();
    assert!(!poll(&mut carrier));
    assert!(all(&names).is_empty());
}

#[test]
fn a_turn_ends_when_it_is_told_to_and_the_rest_comes_first_in_the_next() {
    let mut carrier = Carrier::new();
    let (said, names) = channel();
    let (given, _wakers) = channel();
    for name in ["a", "b", "c"] {
        carrier.handle().carry(thrice(name, said.clone(), given.clone())).unwrap();
    }
    let mut cx = Context::from_waker(Waker::noop());
    assert!(carrier.poll(&mut cx, || false), "two are left");
    assert_eq!(all(&names), ["a"]);
    carrier.handle().carry(thrice("d", said.clone(), given.clone())).unwrap();
    let mut more = 1;
    let left = carrier.poll(&mut cx, || std::mem::replace(&mut more, 0) > 0);
    assert_eq!(all(&names), ["b", "c"]);
    assert!(left, "one is");
    assert!(!poll(&mut carrier));
    assert_eq!(all(&names), ["d"]);
}

#[test]
fn it_is_empty_when_what_it_has_been_given_has_ended() {
    let mut carrier = Carrier::new();
    assert!(carrier.is_empty());
    let (said, _names) = channel();
    let (given, wakers) = channel();
    carrier.handle().carry(thrice("a", said, given)).unwrap();
    for _ in 0..3 {
        assert!(!carrier.is_empty(), "ready");
        assert!(!poll(&mut carrier));
        let waker = wakers.try_recv().unwrap();
        assert!(wakers.try_recv().is_err());
        if !carrier.is_empty() {
            waker.wake();
        }
    }
    assert!(carrier.is_empty());
    carrier.handle().carry(async {}).unwrap();
    carrier.handle().carry(pending()).unwrap();
    assert!(carrier.poll(&mut Context::from_waker(Waker::noop()), || false));
    assert!(!poll(&mut carrier));
    assert!(!carrier.is_empty(), "waits");
}

#[test]
fn the_carrier_is_woken_once_for_all_that_is_woken_meanwhile() {
    let mut carrier = Carrier::new();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let (said, _names) = channel();
    let (given, wakers) = channel();
    assert!(!carrier.poll(&mut Context::from_waker(&waker), || true));
    for name in ["a", "b"] {
        carrier.handle().carry(thrice(name, said.clone(), given.clone())).unwrap();
    }
    assert_eq!(wakes.count(), 1);
    assert!(!carrier.poll(&mut Context::from_waker(&waker), || true));
    let wakers = all(&wakers);
    wakers.iter().for_each(Waker::wake_by_ref);
    assert_eq!(wakes.count(), 2);
    // Another task polls it from now on.
    let others = Arc::new(Wakes::default());
    assert!(!carrier.poll(&mut Context::from_waker(&Waker::from(others.clone())), || true));
    wakers.iter().for_each(Waker::wake_by_ref);
    assert_eq!((wakes.count(), others.count()), (2, 1));
}

/// Counts its drop, and panics in it.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("in a destructor");
    }
}

#[test]
fn what_panics_ends_alone() {
    let mut carrier = Carrier::new();
    let (said, names) = channel();
    let (given, wakers) = channel();
    let dropped = Arc::new(AtomicUsize::new(0));
    carrier.handle().carry(async { panic!("in a poll") }).unwrap();
    let bomb = Bomb(dropped.clone());
    carrier.handle().carry(async move { drop(bomb) }).unwrap();
    carrier.handle().carry(thrice("a", said, given)).unwrap();
    for _ in 0..3 {
        assert!(!poll(&mut carrier));
        wakers.try_iter().for_each(Waker::wake);
    }
    assert_eq!(all(&names), ["a", "a", "a"]);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn a_carrier_that_is_dropped_ends_all_whatever_their_destructors_do() {
    let mut carrier = Carrier::new();
    let tasks = carrier.handle();
    let dropped = Arc::new(AtomicUsize::new(0));
    let (given, wakers) = channel();
    for polled in [true, false] {
        for _ in 0..3 {
            let (bomb, given) = (Bomb(dropped.clone()), given.clone());
            tasks
                .carry(async move {
                    let _bomb = bomb;
                    poll_fn(|cx| Poll::Ready(given.send(cx.waker().clone()))).await.unwrap();
                    pending().await
                })
                .unwrap();
        }
        if polled {
            assert!(!poll(&mut carrier));
        }
    }
    // One of them is queued, too.
    let wakers = all(&wakers);
    wakers[1].wake_by_ref();
    drop(carrier);
    assert_eq!(dropped.load(Ordering::Relaxed), 6);
    wakers.into_iter().for_each(Waker::wake);

    let again = Bomb(dropped.clone());
    assert!(tasks.carry(async move { drop(again) }).is_err(), "whatever the destructor does");
    assert_eq!(dropped.load(Ordering::Relaxed), 7);
    assert!(tasks.carry(async {}).is_err());
}

#[test]
fn a_task_that_is_given_by_a_destructor_of_the_last_is_refused() {
    struct Gives(Arc<AtomicUsize>, scope_core::rt::CarrierHandle);
    impl Drop for Gives {
        fn drop(&mut self) {
            let refused = self.1.carry(async {}).is_err();
            self.0.fetch_add(if refused { 1 } else { 100 }, Ordering::Relaxed);
        }
    }
    let mut carrier = Carrier::new();
    let noted = Arc::new(AtomicUsize::new(0));
    let gives = Gives(noted.clone(), carrier.handle());
    carrier
        .handle()
        .carry(async move {
            let _gives = gives;
            pending().await
        })
        .unwrap();
    assert!(!poll(&mut carrier));
    drop(carrier);
    assert_eq!(noted.load(Ordering::Relaxed), 1);
}
