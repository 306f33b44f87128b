//! A parallel child: the future that a runtime runs, around the user's.
//!
//! Invariants
//! 1. The child is pinned from its first poll on; `entry` is listed in the scope only while `state` is `Running`, and
//!    [`Child::end`], which takes it out, runs before the memory ends: at the end of the future or in `drop`.
//! 2. `end` runs once. It destroys the user's future, gives the outcome away and counts the child out, in this order;
//!    after that nothing of the scope's is touched.
//! 3. `future` is polled and dropped in place, and never moved once it has been polled.

use std::cell::Cell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::deposit::{Deposit, End, record_panic};
use crate::event::{self, EventKind};
use crate::id::TaskId;
use crate::raw::frame::{self, Here};
use crate::raw::list::Entry;
use crate::scope::{Part, Scope};
use crate::task::TaskRef;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Running,
    Ended,
}

pub(crate) struct Child<F: Future, D: Deposit<F::Output>> {
    entry: Entry,
    scope: Arc<Scope>,
    part: Part,
    state: State,
    /// The waker that the entry holds, as numbers: it is kept alive there.
    registered: (usize, usize),
    deposit: Option<D>,
    future: ManuallyDrop<F>,
}

thread_local! {
    /// The task that is being given to the runtime on this thread, and whether the runtime has dropped it meanwhile.
    static LAUNCHING: Cell<Option<(TaskId, bool)>> = const { Cell::new(None) };
}

/// Runs `launch`, which gives the child `id` to a runtime. False if the child was dropped unpolled by then.
pub(crate) fn launching(id: TaskId, launch: impl FnOnce() -> bool) -> bool {
    struct Restore(Option<(TaskId, bool)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            LAUNCHING.set(self.0);
        }
    }
    let _restore = Restore(LAUNCHING.replace(Some((id, false))));
    let taken = launch();
    taken && !matches!(LAUNCHING.get(), Some((_, true)))
}

/// What a waker is told by, without holding it.
fn numbers(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}

impl<F: Future, D: Deposit<F::Output>> Child<F, D> {
    /// A child that `scope` has counted in already, as `part`.
    pub(crate) fn new(task: TaskRef, scope: Arc<Scope>, part: Part, deposit: D, future: F) -> Self {
        Child {
            entry: Entry::new(task),
            scope,
            part,
            state: State::Fresh,
            registered: (0, 0),
            deposit: Some(deposit),
            future: ManuallyDrop::new(future),
        }
    }

    /// Whether a cancellation is delivered by dropping the future. A service ends itself.
    fn is_delivered_to(&self) -> bool {
        self.part == Part::Child
    }

    /// Lists the child with this waker unless it is listed with it already. True if it is to end now.
    ///
    /// # Safety
    /// `self` is pinned.
    unsafe fn park(&mut self, waker: &Waker) -> bool {
        if self.registered == numbers(waker) {
            // Listed with this waker: a cancel that comes after this look wakes it.
            return self.scope.is_cancelled() && self.is_delivered_to();
        }
        let waker = waker.clone();
        // Of the clone, which is kept alive in the entry: no other waker can have these numbers meanwhile.
        self.registered = numbers(&waker);
        // SAFETY: `self` is pinned by the caller's promise.
        let entry = unsafe { Pin::new_unchecked(&self.entry) };
        let (old, cancelled) = self.scope.with_parked(|parked, cancelled| {
            // SAFETY: this entry is only ever listed in this scope, and taken out in `end` (invariant 1).
            (unsafe { parked.park(entry, waker, cancelled) }, cancelled)
        });
        drop(old);
        cancelled && self.is_delivered_to()
    }

    /// # Safety
    /// `self` is pinned if it has been polled, and has not ended.
    unsafe fn end(&mut self, end: End<F::Output>) {
        let parked = self.state == State::Running;
        self.state = State::Ended;
        let (scope, task) = (&self.scope, self.entry.task());
        let future = &mut self.future;
        if matches!(end, End::Cancelled) {
            scope.note_cut();
        }
        frame::enter(task, Here::Made(scope), || {
            let dropped = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: `state` was not `Ended` before, so it has not been dropped; it is dropped in place.
                unsafe { ManuallyDrop::drop(future) }
            }));
            // A guard that went elsewhere.
            scope.end_owned_of(task);
            if parked {
                // SAFETY: it was polled, so it is pinned.
                let entry = unsafe { Pin::new_unchecked(&self.entry) };
                // SAFETY: the entry is only ever listed in this scope.
                let waker = scope.with_parked(|parked, _| unsafe { parked.remove(entry) });
                drop(waker);
            }
            // It may panic too: it converts and prints errors of the user's.
            let deposit = self.deposit.take();
            let deposited = catch_unwind(AssertUnwindSafe(|| {
                if let Some(deposit) = deposit {
                    deposit.deposit(Here::Made(scope), task, end);
                }
            }));
            for payload in [deposited, dropped].into_iter().filter_map(Result::err) {
                record_panic(Here::Made(scope), task, payload);
            }
        });
        if event::observed() {
            event::tell(EventKind::Ended, scope.id().clone(), Some(task.clone()), task.location());
        }
        scope.leave(self.part);
    }
}

impl<F: Future, D: Deposit<F::Output>> Future for Child<F, D> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: nothing is moved out of `this` (invariant 3).
        let this = unsafe { self.get_unchecked_mut() };
        if this.state == State::Ended {
            return Poll::Ready(());
        }
        this.state = State::Running;
        let polled = {
            // SAFETY: it is part of a pinned whole and is dropped in place.
            let future = unsafe { Pin::new_unchecked(&mut *this.future) };
            frame::enter(this.entry.task(), Here::Made(&this.scope), || {
                catch_unwind(AssertUnwindSafe(|| future.poll(cx)))
            })
        };
        let end = match polled {
            Ok(Poll::Ready(output)) => End::Done(output),
            Err(payload) => End::Panicked(payload),
            Ok(Poll::Pending) => {
                // SAFETY: `self` came pinned.
                if !unsafe { this.park(cx.waker()) } {
                    return Poll::Pending;
                }
                End::Cancelled
            }
        };
        // SAFETY: `self` came pinned, and the state is `Running`.
        unsafe { this.end(end) };
        Poll::Ready(())
    }
}

impl<F: Future, D: Deposit<F::Output>> Drop for Child<F, D> {
    fn drop(&mut self) {
        let end = match self.state {
            State::Ended => return,
            State::Running => End::Aborted,
            State::Fresh => match LAUNCHING.get() {
                Some((id, _)) if id == self.entry.task().id() => {
                    LAUNCHING.set(Some((id, true)));
                    End::Refused
                }
                _ => End::Aborted,
            },
        };
        // SAFETY: a value that was pinned stays in place until its drop has returned; it has not ended.
        unsafe { self.end(end) };
    }
}
