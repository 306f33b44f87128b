//! Where the tasks of a [`Crew`](crate::crew::Crew) lie, one station for each worker and one for everybody else: those that are
//! ready, those that wait, and the carriers that are called for them.
//!
//! Invariants
//! 1. While a task is ready here, a carrier of this station has been called that has not begun. So whichever thread comes free
//!    next finds it, whatever the polls that are under way wait for.
//! 2. Some runtimes hold back one that was called for the worker that has called it, until another is called there. So who
//!    leaves more than one task ready, or one beside which it polls another, calls one more, or two, until there are more than
//!    workers: one of them is not held back. On a runtime that holds back none, one is called at a time.
//! 3. What is ready lies in one station's queue, once, and is not being polled.
//! 4. A closed station has nothing ready, takes nothing, and calls nobody.

use std::collections::VecDeque;
use std::ptr;
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use super::crewed::{Header, Keep};
use crate::crew::CrewRules;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// On cache lines of its own.
#[repr(align(128))]
pub(super) struct Station {
    state: Mutex<State>,
    /// How many are ready, for those who look whether it is worth the lock.
    len: AtomicUsize,
}

pub(super) struct State {
    ready: VecDeque<Task>,
    /// Carriers that have been called and have not begun.
    called: usize,
    /// Carriers that have begun and are not idle.
    busy: usize,
    idle: Vec<Idle>,
    /// Tasks that have been polled here first and have not ended.
    waiting: *const Header,
    /// None when it has closed.
    keep: Option<Arc<Keep>>,
    /// The most that are called at a time.
    most: usize,
    /// So many may be idle, and one more.
    kept: usize,
}

// SAFETY: what lies here is touched under the lock, or by whoever has taken it out; it is Send, see `Shared::carry`.
unsafe impl Send for State {}

/// A task of which the station has the crew's reference.
#[derive(Clone, Copy)]
pub(super) struct Task(pub(super) *const Header);

/// A carrier that waits to be called, by its number.
struct Idle(u64, Waker);

/// What is to be done to have one more carrier, when the lock has been released.
#[must_use]
pub(super) enum Call {
    Wake(Waker),
    /// There is none that is idle.
    Another,
}

/// For how many tasks that are ready room is kept when there are none.
const ROOM: usize = 1024;

/// How many tasks move at once.
const SHARE: usize = 64;

impl Station {
    pub(super) fn new(rules: CrewRules) -> Self {
        let more_than_workers = rules.workers + 1;
        let state = State {
            ready: VecDeque::new(),
            called: 0,
            busy: 0,
            idle: Vec::new(),
            waiting: ptr::null(),
            keep: None,
            most: if rules.holds_back { more_than_workers } else { 1 },
            kept: more_than_workers,
        };
        Station { state: Mutex::new(state), len: AtomicUsize::new(0) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn seems_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    /// Adds one that is ready. False where it has closed.
    pub(super) fn push(&self, task: Task) -> (bool, Option<Call>) {
        let mut state = self.lock();
        if state.is_closed() {
            return (false, None);
        }
        state.ready.push_back(task);
        self.note(&mut state);
        let enough = if state.ready.len() == 1 { 1 } else { state.most };
        (true, state.call(enough))
    }

    /// Takes the one that has been ready for longest.
    pub(super) fn pop(&self, state: &mut State) -> Option<Task> {
        let task = state.ready.pop_front()?;
        self.note(state);
        Some(task)
    }

    /// Moves a part of what is ready here to `own`, which is another: of `parts` that are even. The first of it is taken out
    /// there, and `taken` called under the lock.
    pub(super) fn share(
        &self,
        parts: usize,
        own: &Station,
        taken: impl FnOnce(Task),
    ) -> (Option<Task>, [Option<Call>; 2]) {
        // Always in the same order, by address.
        let (mut theirs, mut ours);
        if ptr::from_ref(self) < ptr::from_ref(own) {
            theirs = self.lock();
            ours = own.lock();
        } else {
            ours = own.lock();
            theirs = self.lock();
        }
        if !ours.is_closed() {
            let count = theirs.ready.len().div_ceil(parts).min(SHARE);
            ours.ready.extend(theirs.ready.drain(..count));
            self.note(&mut theirs);
        }
        drop(theirs);
        let task = own.pop(&mut ours).inspect(|task| taken(*task));
        (task, ours.call_on())
    }

    fn note(&self, state: &mut State) {
        if state.ready.is_empty() && state.ready.capacity() > ROOM {
            state.ready = VecDeque::new();
        }
        self.len.store(state.ready.len(), Ordering::Relaxed);
    }

    /// Closes it. What was ready, and who was idle.
    pub(super) fn close(&self) -> (VecDeque<Task>, Vec<Waker>, Option<Arc<Keep>>) {
        let mut state = self.lock();
        let ready = std::mem::take(&mut state.ready);
        self.note(&mut state);
        let idle = state.idle.drain(..).map(|Idle(_, waker)| waker).collect();
        (ready, idle, state.keep.take())
    }
}

impl State {
    pub(super) fn open(&mut self, keep: Arc<Keep>) {
        self.keep = Some(keep);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.keep.is_none()
    }

    /// Whether nothing is left to be polled here, now or later.
    pub(super) fn is_empty(&self) -> bool {
        self.busy == 0 && self.ready.is_empty() && self.waiting.is_null()
    }

    fn call(&mut self, enough: usize) -> Option<Call> {
        if self.called >= enough {
            return None;
        }
        self.called += 1;
        Some(self.idle.pop().map_or(Call::Another, |Idle(_, waker)| Call::Wake(waker)))
    }

    /// The caller has taken a task out, and is going to poll it.
    pub(super) fn call_on(&mut self) -> [Option<Call>; 2] {
        let enough = if self.ready.is_empty() { 0 } else { self.most };
        [self.call(enough), self.call(enough)]
    }

    /// The first carrier of a station where nothing is ready yet.
    pub(super) fn call_first(&mut self) -> Call {
        self.called += 1;
        Call::Another
    }

    /// A carrier of this station begins. `idle`: its number, if it was idle; then it may not have been called at all, and its
    /// waker is still here.
    pub(super) fn begin(&mut self, idle: Option<u64>) -> Option<Waker> {
        self.busy += 1;
        let Some(at) = self.idle.iter().position(|one| Some(one.0) == idle) else {
            self.called -= 1;
            return None;
        };
        Some(self.idle.swap_remove(at).1)
    }

    /// A carrier of this station has stopped. The waker comes back where it ends: there are as many that are idle as are ever
    /// called, and one more, or the station has closed.
    pub(super) fn rest(&mut self, number: u64, waker: Waker) -> Result<(), Waker> {
        if self.is_closed() {
            return Err(waker);
        }
        self.busy -= 1;
        if self.idle.len() > self.kept {
            return Err(waker);
        }
        self.idle.push(Idle(number, waker));
        Ok(())
    }

    /// A carrier that has stopped is idle no more, and does not begin again.
    pub(super) fn leave(&mut self, number: u64) -> Option<Waker> {
        let at = self.idle.iter().position(|one| one.0 == number)?;
        Some(self.idle.swap_remove(at).1)
    }

    /// Calls all that are idle, with nothing for them to do yet.
    pub(super) fn call_idle(&mut self) -> impl Iterator<Item = Waker> {
        self.called += self.idle.len();
        self.idle.drain(..).map(|Idle(_, waker)| waker)
    }

    /// Links one that waits for the first time. False where the station has closed.
    ///
    /// # Safety
    /// The header is valid until it has been unlinked, is linked nowhere, and the caller polls it.
    pub(super) unsafe fn link(&mut self, header: *const Header) -> bool {
        let Some(keep) = &self.keep else { return false };
        // SAFETY: the caller's promise; what is linked is valid, and its links are touched under the lock only.
        unsafe {
            (*header).keep.set(Arc::into_raw(keep.clone()));
            (*header).previous.set(ptr::null());
            (*header).next.set(self.waiting);
            if let Some(next) = self.waiting.as_ref() {
                next.previous.set(header);
            }
        }
        self.waiting = header;
        true
    }

    /// # Safety
    /// The header is linked here.
    pub(super) unsafe fn unlink(&mut self, header: *const Header) {
        // SAFETY: as in `link`.
        unsafe {
            let (previous, next) = ((*header).previous.get(), (*header).next.get());
            match previous.as_ref() {
                Some(previous) => previous.next.set(next),
                None => self.waiting = next,
            }
            if let Some(next) = next.as_ref() {
                next.previous.set(previous);
            }
        }
    }

    /// Unlinks those that `claims` says yes to.
    ///
    /// # Safety
    /// `claims` may use the headers that it is given.
    pub(super) unsafe fn unlink_those(&mut self, mut claims: impl FnMut(*const Header) -> bool) -> Vec<Task> {
        let mut taken = Vec::new();
        let mut at = self.waiting;
        while !at.is_null() {
            // SAFETY: linked, so valid, until it is unlinked; nobody else touches the links.
            unsafe {
                let next = (*at).next.get();
                if claims(at) {
                    self.unlink(at);
                    taken.push(Task(at));
                }
                at = next;
            }
        }
        taken
    }
}
