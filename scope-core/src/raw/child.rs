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
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::deposit::{Deposit, End, record_panic};
use crate::event::{self, EventKind};
use crate::raw::frame::{self, Frame, Here};
use crate::raw::list::Entry;
use crate::scope::{Part, Scope};
use crate::shield::ShieldCell;
use crate::sync::thread_local;
use crate::task::TaskRef;
use crate::task_local::Snapshot;
use crate::task_mail::MailCell;

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
    shields: ShieldCell,
    locals: Snapshot,
    mail: MailCell,
    deposit: Option<D>,
    future: ManuallyDrop<F>,
}

thread_local! {
    /// The task that is being given to the runtime on this thread, and whether the runtime has dropped it meanwhile. Null,
    /// or a pointer to what a `launching` further up this very stack has borrowed.
    static LAUNCHING: Cell<(*const TaskRef, bool)> = const { Cell::new((ptr::null(), false)) };
}

/// Runs `launch`, which gives the child `task` to a runtime. False if the child was dropped unpolled by then.
pub(crate) fn launching(task: &TaskRef, launch: impl FnOnce() -> bool) -> bool {
    struct Restore((*const TaskRef, bool));
    impl Drop for Restore {
        fn drop(&mut self) {
            LAUNCHING.set(self.0);
        }
    }
    let _restore = Restore(LAUNCHING.replace((ptr::from_ref(task), false)));
    let taken = launch();
    taken && !LAUNCHING.get().1
}

/// The task that is being given to the runtime on this thread.
pub(crate) fn launched() -> Option<TaskRef> {
    let (task, _) = LAUNCHING.get();
    // SAFETY: null, or what a `launching` further up this stack has borrowed: its guard puts the one before back, also
    // when it unwinds. Nothing of it escapes: it is cloned.
    unsafe { task.as_ref() }.cloned()
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
            shields: ShieldCell::new(),
            locals: frame::snapshot(),
            mail: MailCell::new(),
            deposit: Some(deposit),
            future: ManuallyDrop::new(future),
        }
    }

    /// Whether a cancellation is delivered by dropping the future. A service ends itself.
    fn is_delivered_to(&self) -> bool {
        self.part == Part::Child
    }

    /// Parks the child. True if it is to end now instead.
    ///
    /// # Safety
    /// `self` is pinned.
    unsafe fn park(&mut self, waker: &Waker) -> bool {
        // SAFETY: the caller's promise.
        let cancelled = unsafe { self.list(waker) };
        cancelled && self.is_delivered_to() && !self.shields.holds_back(waker)
    }

    /// Lists the child with this waker unless it is listed with it already. True if its scope has been cancelled.
    ///
    /// # Safety
    /// `self` is pinned.
    unsafe fn list(&mut self, waker: &Waker) -> bool {
        if self.registered == numbers(waker) {
            // Listed with this waker: a cancel that comes after this look wakes it.
            return self.scope.is_cancelled();
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
        cancelled
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
        let locals = std::mem::take(&mut self.locals);
        Frame::of(task, Here::Made(scope)).locals(&locals).outermost().enter(|| {
            let dropped = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: `state` was not `Ended` before, so it has not been dropped; it is dropped in place.
                unsafe { ManuallyDrop::drop(future) }
            }));
            self.shields.forget_waker();
            // Not this task's any more: its heirs wait for it all the same.
            for task in self.mail.close() {
                match scope.runtime() {
                    Some(runtime) => drop(runtime.spawn(task)),
                    None => scope.post(task),
                }
            }
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
            // Guards that went elsewhere.
            scope.end_owned_of(task);
        });
        // Values may have destructors.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(locals)));
        if let Err(payload) = dropped {
            record_panic(Here::Made(scope), task, payload);
        }
        if event::observed() {
            event::tell(EventKind::Ended, scope, Some(task.clone()), task.location());
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
            Frame::of(this.entry.task(), Here::Made(&this.scope))
                .locals(&this.locals)
                .shields(&this.shields)
                .waits(this.entry.waits())
                .mail(&this.mail)
                .outermost()
                .enter(|| catch_unwind(AssertUnwindSafe(|| future.poll(cx))))
        };
        let end = match polled {
            Ok(Poll::Ready(output)) => End::Done(output),
            Err(payload) => End::Panicked(payload),
            Ok(Poll::Pending) => {
                this.mail.poll(cx);
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
            State::Fresh if launched().as_ref() == Some(self.entry.task()) => {
                LAUNCHING.set((LAUNCHING.get().0, true));
                End::Refused
            }
            State::Fresh => End::Aborted,
        };
        // SAFETY: a value that was pinned stays in place until its drop has returned; it has not ended.
        unsafe { self.end(end) };
    }
}
