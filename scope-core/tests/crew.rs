//! What a [`Crew`] does with its tasks, its carriers polled by hand. Its races are in the models.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use scope_core::rt::{Crew, CrewMember, CrewRules};

/// The carriers that were started and not taken out yet.
#[derive(Clone, Default)]
struct Started(Arc<Mutex<Vec<CrewMember>>>);

impl Started {
    fn crew(&self, workers: usize) -> Crew {
        // A crew's carriers are not to keep each other.
        let started = Arc::downgrade(&self.0);
        Crew::start(workers, move |member| {
            if let Some(started) = started.upgrade() {
                started.lock().unwrap().push(member);
            }
        })
    }

    fn leaving_crew(&self) -> Crew {
        let started = Arc::downgrade(&self.0);
        Crew::start_with(CrewRules { workers: 2, holds_back: false, leaves: true }, move |member| {
            if let Some(started) = started.upgrade() {
                started.lock().unwrap().push(member);
            }
        })
    }

    fn take(&self) -> Vec<CrewMember> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn only(&self) -> CrewMember {
        let mut all = self.take();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// On a thread of its own: who gives tasks here, or wakes them, is no worker.
fn poll_on(worker: usize, member: &mut CrewMember) -> Poll<()> {
    poll_with(Waker::noop(), worker, member)
}

fn poll_with(waker: &Waker, worker: usize, member: &mut CrewMember) -> Poll<()> {
    let poll = || member.poll(&mut Context::from_waker(waker), Some(worker), || true);
    thread::scope(|threads| threads.spawn(poll).join().unwrap())
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
    let started = Started::default();
    let crew = started.crew(1);
    let mut member = started.only();
    let (said, names) = channel();
    let (given, wakers) = channel();
    for name in ["a", "b", "c"] {
        crew.carry(thrice(name, said.clone(), given.clone())).unwrap();
    }
    assert!(poll_on(0, &mut member).is_pending());
    assert_eq!(all(&names), ["a", "b", "c"]);
    // Nobody has called it.
    assert!(poll_on(0, &mut member).is_pending());
    assert!(all(&names).is_empty());
    let wakers = all(&wakers);
    for at in [2, 0, 2] {
        wakers[at].wake_by_ref();
    }
    assert!(poll_on(0, &mut member).is_pending());
    assert_eq!(all(&names), ["c", "a"]);
    wakers[0].wake_by_ref();
    assert!(poll_on(0, &mut member).is_pending());
    assert_eq!(all(&names), ["a"]);
    // It has ended.
    wakers[0].wake_by_ref();
    assert!(poll_on(0, &mut member).is_pending());
    assert!(all(&names).is_empty());
}

#[test]
fn a_turn_ends_when_it_is_told_to_and_another_carrier_goes_on() {
    let started = Started::default();
    let crew = started.crew(1);
    let mut member = started.only();
    let (said, names) = channel();
    let (given, _wakers) = channel();
    for name in ["a", "b", "c"] {
        crew.carry(thrice(name, said.clone(), given.clone())).unwrap();
    }
    let mut cx = Context::from_waker(Waker::noop());
    assert!(member.poll(&mut cx, Some(0), || false).is_pending());
    assert_eq!(all(&names), ["a"]);
    let mut others = started.take();
    assert!(poll_on(0, &mut others[0]).is_pending());
    assert_eq!(all(&names), ["b", "c"]);
}

#[test]
fn while_one_is_polled_a_carrier_has_been_called_for_the_others() {
    let started = Started::default();
    let crew = started.crew(2);
    let mut member = started.only();
    let done = Arc::new(AtomicUsize::new(0));
    let (others, ended) = (started.clone(), done.clone());
    // Holds up its carrier until the second has been polled: by another, on another worker.
    crew.carry(async move {
        let mut called = others.take();
        assert!(poll_on(1, called.last_mut().expect("one was called")).is_pending());
        assert_eq!(ended.load(Ordering::Relaxed), 1);
        others.0.lock().unwrap().append(&mut called);
    })
    .unwrap();
    let ended = done.clone();
    crew.carry(async move {
        ended.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert!(poll_on(0, &mut member).is_pending());
    assert_eq!(done.load(Ordering::Relaxed), 1);
}

#[test]
fn however_many_hold_up_their_carriers_another_has_been_called() {
    const MANY: usize = 20;
    let started = Started::default();
    let crew = started.crew(2);
    let mut member = started.only();
    let (held_up, done) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    for number in 1..=MANY {
        let (others, held_up, done) = (started.clone(), held_up.clone(), done.clone());
        crew.carry(async move {
            if number < MANY {
                let next = others.0.lock().unwrap().pop();
                let mut next = next.expect("one was called");
                if poll_on(number % 2, &mut next).is_pending() {
                    held_up.lock().unwrap().push(next);
                }
            }
            done.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    }
    // Then there are more than are ever called: the last to stop end.
    assert!(poll_on(0, &mut member).is_ready());
    assert_eq!(done.load(Ordering::Relaxed), MANY);
    // One more than there are workers is called at a time, and one may be on its way back.
    assert_eq!(held_up.lock().unwrap().len(), 4);
}

#[test]
fn what_a_task_wakes_is_taken_by_another_worker_where_the_own_is_held_up() {
    let started = Started::default();
    let crew = Arc::new(started.crew(2));
    let mut member = started.only();
    let done = Arc::new(AtomicUsize::new(0));
    let (others, spawner, ended) = (started.clone(), crew.clone(), done.clone());
    crew.carry(async move {
        for _ in 0..3 {
            let ended = ended.clone();
            spawner
                .carry(async move {
                    ended.fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
        }
        let mut called = others.take();
        // Whichever of them comes first takes them, one by one.
        assert!(poll_on(1, &mut called[0]).is_pending());
        assert_eq!(ended.load(Ordering::Relaxed), 3);
        others.0.lock().unwrap().append(&mut called);
    })
    .unwrap();
    assert!(poll_on(0, &mut member).is_pending());
    assert_eq!(done.load(Ordering::Relaxed), 3);
}

#[test]
fn a_carrier_that_is_idle_is_woken_once_for_all_that_is_woken_meanwhile() {
    let started = Started::default();
    let crew = started.crew(1);
    let mut member = started.only();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    assert!(poll_with(&waker, 0, &mut member).is_pending());
    for _ in 0..2 {
        crew.carry(async {}).unwrap();
    }
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert!(poll_with(&waker, 0, &mut member).is_pending());
    crew.carry(async {}).unwrap();
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "the one that was called for the second comes");
    assert!(poll_on(0, &mut started.take()[0]).is_pending());
}

/// What a worker wakes while it polls something else than a carrier: wherever the one that is called for it comes.
#[test]
fn what_a_worker_wakes_between_two_turns_has_a_carrier_called() {
    let started = Started::default();
    let crew = started.crew(2);
    let mut first = started.only();
    let (said, names) = channel();
    let (given, wakers) = channel();
    crew.carry(thrice("a", said, given)).unwrap();
    assert!(first.poll(&mut Context::from_waker(Waker::noop()), Some(0), || true).is_pending());
    assert_eq!(all(&names), ["a"]);
    all(&wakers)[0].wake_by_ref();
    let mut called = started.only();
    assert!(poll_on(1, &mut called).is_pending());
    assert_eq!(all(&names), ["a"]);
    // By a thread that is no worker it is given to all, and the one that is idle there is called.
    let waker = all(&wakers).remove(0);
    thread::spawn(move || waker.wake()).join().unwrap();
    assert!(poll_on(1, &mut first).is_pending());
    assert_eq!(all(&names), ["a"]);
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
    let started = Started::default();
    let crew = started.crew(1);
    let mut member = started.only();
    let (said, names) = channel();
    let (given, wakers) = channel();
    let dropped = Arc::new(AtomicUsize::new(0));
    crew.carry(async { panic!("in a poll") }).unwrap();
    let bomb = Bomb(dropped.clone());
    crew.carry(async move { drop(bomb) }).unwrap();
    crew.carry(thrice("a", said, given)).unwrap();
    for _ in 0..3 {
        assert!(poll_on(0, &mut member).is_pending());
        wakers.try_iter().for_each(Waker::wake);
    }
    assert_eq!(all(&names), ["a", "a", "a"]);
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn a_crew_whose_carrier_is_dropped_ends_all_whatever_their_destructors_do() {
    let started = Started::default();
    let crew = started.crew(2);
    let mut member = started.only();
    let dropped = Arc::new(AtomicUsize::new(0));
    let (given, wakers) = channel();
    for polled in [true, false] {
        for _ in 0..3 {
            let (bomb, given) = (Bomb(dropped.clone()), given.clone());
            crew.carry(async move {
                let _bomb = bomb;
                poll_fn(|cx| Poll::Ready(given.send(cx.waker().clone()))).await.unwrap();
                pending().await
            })
            .unwrap();
        }
        if polled {
            assert!(poll_on(0, &mut member).is_pending());
        }
    }
    // One that waits is queued, too.
    let wakers = all(&wakers);
    assert_eq!(wakers.len(), 3);
    wakers[1].wake_by_ref();
    drop(member);
    assert_eq!(dropped.load(Ordering::Relaxed), 6);
    wakers.into_iter().for_each(Waker::wake);

    let again = Bomb(dropped.clone());
    assert!(crew.carry(async move { drop(again) }).is_err(), "whatever the destructor does");
    assert_eq!(dropped.load(Ordering::Relaxed), 7);
    for mut other in started.take() {
        assert!(poll_on(1, &mut other).is_ready());
    }
}

#[test]
fn a_task_that_is_polled_when_the_crew_closes_ends_after_that() {
    for waited in [false, true] {
        let started = Started::default();
        let crew = started.crew(1);
        let mut member = started.only();
        let (drops, wakers) = (Arc::new(AtomicUsize::new(0)), channel());
        struct Noted(Arc<AtomicUsize>);
        impl Drop for Noted {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (noted, given, count) = (Noted(drops.clone()), wakers.0, drops.clone());
        let (others, mut left) = (started.clone(), if waited { 2 } else { 1 });
        crew.carry(async move {
            let _noted = noted;
            poll_fn(|cx| {
                given.send(cx.waker().clone()).unwrap();
                left -= 1;
                if left == 0 {
                    // The others go down on other workers meanwhile.
                    for mut other in others.take() {
                        let _ = poll_on(0, &mut other);
                        drop(other);
                    }
                    assert_eq!(count.load(Ordering::Relaxed), 0);
                    cx.waker().wake_by_ref();
                }
                Poll::<()>::Pending
            })
            .await;
        })
        .unwrap();
        // So that there is another.
        crew.carry(pending()).unwrap();
        if waited {
            assert!(poll_on(0, &mut member).is_pending());
            for waker in all(&wakers.1) {
                waker.wake();
            }
            assert!(poll_on(0, &mut member).is_ready());
        } else {
            assert!(poll_on(0, &mut member).is_ready());
        }
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        assert!(crew.carry(async {}).is_err());
    }
}

#[test]
fn a_runtime_that_takes_no_carrier_has_all_refused() {
    let crew = Crew::start(2, drop);
    assert!(crew.carry(async {}).is_err());
}

#[test]
fn the_carriers_end_with_the_last_task_when_nobody_gives_more() {
    let started = Started::default();
    let crew = started.crew(1);
    let mut member = started.only();
    let (said, names) = channel();
    let (given, wakers) = channel();
    crew.carry(thrice("a", said, given)).unwrap();
    assert!(poll_on(0, &mut member).is_pending());
    drop(crew);
    let mut others = started.take();
    for _ in 0..2 {
        assert!(poll_on(0, &mut member).is_pending());
        wakers.try_iter().for_each(Waker::wake);
    }
    assert_eq!(all(&names), ["a", "a"]);
    assert!(poll_on(0, &mut member).is_ready());
    assert_eq!(all(&names), ["a"]);
    others.append(&mut started.take());
    assert!(others.iter_mut().all(|other| poll_on(0, other).is_ready()));
}

#[test]
fn a_task_that_is_given_by_a_destructor_of_the_last_is_refused() {
    struct Gives(Arc<AtomicUsize>, Arc<Crew>);
    impl Drop for Gives {
        fn drop(&mut self) {
            let refused = self.1.carry(async {}).is_err();
            self.0.fetch_add(if refused { 1 } else { 100 }, Ordering::Relaxed);
        }
    }
    let started = Started::default();
    let crew = Arc::new(started.crew(1));
    let mut member = started.only();
    let noted = Arc::new(AtomicUsize::new(0));
    let gives = Gives(noted.clone(), crew.clone());
    crew.carry(async move {
        let _gives = gives;
        pending().await
    })
    .unwrap();
    assert!(poll_on(0, &mut member).is_pending());
    drop(member);
    assert_eq!(noted.load(Ordering::Relaxed), 1);
}

#[test]
fn one_carrier_is_called_at_a_time_where_none_is_held_back() {
    let started = Started::default();
    let crew = started.leaving_crew();
    let mut first = started.only();
    for _ in 0..9 {
        crew.carry(pending()).unwrap();
    }
    assert!(started.take().is_empty());
    let (mut called, mut counts) = (Vec::new(), Vec::new());
    let mut cx = Context::from_waker(Waker::noop());
    let poll = first.poll(&mut cx, Some(0), || {
        called.append(&mut started.take());
        counts.push(called.len());
        true
    });
    assert!(poll.is_pending());
    // For what nobody has taken, and for what is the worker's.
    assert_eq!(counts, [1, 2, 2, 2, 2, 2, 2, 2, 2]);
}

#[test]
fn carriers_that_leave_end_with_the_last_task_and_others_come_with_the_next() {
    let started = Started::default();
    let crew = started.leaving_crew();
    let (said, names) = channel();
    let (given, wakers) = channel();
    for round in 0..3 {
        if round > 0 {
            assert!(started.take().is_empty(), "none is needed");
        }
        for name in ["a", "b"] {
            crew.carry(thrice(name, said.clone(), given.clone())).unwrap();
        }
        let mut members = vec![started.only()];
        // Each polls one task.
        let mut cx = Context::from_waker(Waker::noop());
        assert!(members[0].poll(&mut cx, Some(0), || false).is_pending());
        members.push(started.only());
        assert!(members[1].poll(&mut cx, Some(1), || false).is_pending());
        let [a, b]: [Waker; 2] = all(&wakers).try_into().unwrap();
        let mut everybody_looks = || {
            // Also those that were not woken, and who comes meanwhile.
            for _ in 0..3 {
                members.retain_mut(|member| poll_on(0, member).is_pending());
                members.append(&mut started.take());
            }
            members.len()
        };
        a.wake_by_ref();
        assert_ne!(everybody_looks(), 0);
        a.wake();
        b.wake_by_ref();
        assert_ne!(everybody_looks(), 0, "one task is left");
        b.wake_by_ref();
        assert_eq!(everybody_looks(), 0);
        assert_eq!(all(&names), ["a", "b", "a", "a", "b", "b"]);
        // It has ended: nobody comes for that.
        b.wake();
        all(&wakers).into_iter().for_each(Waker::wake);
    }
}

#[test]
fn carriers_that_leave_are_there_for_what_is_given_meanwhile() {
    /// On a thread that is no worker: what is given or woken there is nobody's.
    fn elsewhere<T: Send>(does: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|threads| threads.spawn(does).join().unwrap())
    }
    let started = Started::default();
    let crew = started.leaving_crew();
    let mut first = started.only();
    let (said, names) = channel();
    let (given, wakers) = channel();
    crew.carry(thrice("a", said.clone(), given.clone())).unwrap();
    crew.carry(async {}).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.poll(&mut cx, Some(0), || false).is_pending());
    let mut second = started.only();
    assert!(poll_on(0, &mut second).is_pending());
    let waker = all(&wakers).remove(0);
    elsewhere(|| waker.wake_by_ref());
    assert!(poll_on(0, &mut second).is_pending());
    elsewhere(|| waker.wake());
    assert!(poll_on(0, &mut second).is_ready());
    assert_eq!(all(&names), ["a", "a", "a"]);
    // The first has been told to leave, and finds this.
    elsewhere(|| crew.carry(thrice("b", said, given)).unwrap());
    assert!(started.take().is_empty());
    assert!(poll_on(0, &mut first).is_pending());
    assert_eq!(all(&names), ["b"]);
}

#[test]
fn a_crew_without_carriers_and_tasks_goes_when_nobody_has_it() {
    let started = Started::default();
    let crew = started.leaving_crew();
    let mut first = started.only();
    crew.carry(async {}).unwrap();
    assert!(poll_on(0, &mut first).is_ready());
    drop(crew);
    assert!(started.take().is_empty(), "nobody need come for that");
}
