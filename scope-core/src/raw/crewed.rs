//! A task that is carried by a crew: polled by whichever of its carriers comes to it first, by one at a time.
//!
//! One allocation for each holds its header and its future. Others know it only by its header: the stations, and wakers, which
//! may outlive the crew.
//!
//! Invariants
//! 1. The future is touched by who polls it: who has set `RUNNING`, which is done under the lock of the station that it is
//!    taken from, or, when the crew has closed, who has set `ENDED` while it was not running. It is destroyed in place when it
//!    ends; who has the last reference later only frees memory.
//! 2. `refs` counts the crew, once, until the task has ended, and its wakers. Only who polls makes a waker where there is none.
//! 3. Who sets `QUEUED` where nothing was set puts the task into a station. Where it was running, who polls it does so after
//!    that poll. What has ended is queued nowhere.
//! 4. What has waited once is linked in one station, whose lock its links belong to, until it ends; and keeps the crew's memory,
//!    for its wakers use it. So what is not linked has no waker but of a poll that has not returned.
//! 5. A crew closes once: first all stations, so that nothing is taken from one any more, then what waits is ended, but for
//!    what is running, which whoever polls it ends then.

use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Weak};
use std::task::{Context, RawWakerVTable, Waker};

use super::carried::forget;
use super::child::take_launched_of;
use super::counted::Leaving;
use super::spare::{Shape, Spares, Store};
use super::station::{Call, State, Station, Task};
use super::waker::{self, Woken, borrowed, is_alone};
use crate::crew::CrewRules;
use crate::scope::Scope;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{MutexGuard, thread_local};

const QUEUED: u32 = 1;
const RUNNING: u32 = 2;
const ENDED: u32 = 4;

pub(super) struct Header {
    calls: &'static Calls,
    refs: AtomicU32,
    state: AtomicU32,
    /// The station's that it is linked in, or was: null before it has waited. Set by who polls.
    pub(super) keep: Cell<*const Keep>,
    pub(super) previous: Cell<*const Header>,
    /// Before it is linked: the scope that it is a child of, if any. See [`scope_of`].
    pub(super) next: Cell<*const Header>,
}

/// What one type of task does; each takes a pointer to its header, which is the start of its [`Crewed`].
struct Calls {
    /// Polls the future. True if it is ready.
    poll: unsafe fn(*const Header, &mut Context<'_>) -> bool,
    /// Destroys the future.
    end: unsafe fn(*const Header),
    /// Of its memory.
    shape: Shape,
}

#[repr(C)]
struct Crewed<F> {
    header: Header,
    future: UnsafeCell<ManuallyDrop<F>>,
}

impl<F: Future<Output = ()>> Crewed<F> {
    const CALLS: Calls = Calls { poll: Self::poll, end: Self::end, shape: Shape::of::<Self>() };

    /// # Safety
    /// `this` is the header of a live `Crewed<F>` that has not ended, and the caller is who polls it.
    unsafe fn poll(this: *const Header, cx: &mut Context<'_>) -> bool {
        // SAFETY: `repr(C)` puts the header first; nobody else touches the future (invariant 1), which does not move.
        unsafe {
            let future = (*this.cast::<Self>()).future.get();
            Pin::new_unchecked(&mut **future).poll(cx).is_ready()
        }
    }

    /// # Safety
    /// As for `poll`; it is called once, and the future is not touched again.
    unsafe fn end(this: *const Header) {
        // SAFETY: as above; dropped in place.
        unsafe { ManuallyDrop::drop(&mut *(*this.cast::<Self>()).future.get()) };
    }
}

/// Gives up a reference. If that was the last one, the memory is left with a station of the crew, `at` one, or freed.
///
/// # Safety
/// `header` is valid, and the caller owns the reference.
unsafe fn release(header: *const Header, at: Option<(&Shared, usize)>) {
    // SAFETY: valid by that reference. Whoever gives up the last one is alone with it, and it has ended (invariant 2): the
    // future has been destroyed, and there is nothing else to drop. The crew is given back what `State::link` has taken.
    unsafe {
        if is_alone(header) || (*header).refs.fetch_sub(1, Ordering::AcqRel) == 1 {
            let keep = (*header).keep.get();
            let (shape, block) = ((*header).calls.shape, NonNull::new_unchecked(header.cast_mut().cast()));
            match at {
                Some((shared, at)) => shared.spares[at].keep(shape, block, &shared.store),
                None => shape.free(block),
            }
            if !keep.is_null() {
                drop(Arc::from_raw(keep));
            }
        }
    }
}

/// The scope that a task is a child of that has not been polled. Null if it has been, or is none.
///
/// # Safety
/// The caller is about to poll it.
unsafe fn scope_of(header: *const Header) -> *const Scope {
    // SAFETY: valid by the crew's reference; what is not linked is touched by who polls only.
    unsafe { if (*header).keep.get().is_null() { (*header).next.get().cast() } else { ptr::null() } }
}

static CALLS: RawWakerVTable = waker::calls::<Header>();

// SAFETY: what is touched by others than who polls is atomic, or under a station's lock; and a header is freed with its last
// reference only.
unsafe impl Woken for Header {
    fn calls() -> &'static RawWakerVTable {
        &CALLS
    }

    #[inline]
    unsafe fn refs<'a>(this: *const Self) -> &'a AtomicU32 {
        // SAFETY: the caller's promise.
        unsafe { &(*this).refs }
    }

    unsafe fn wake(this: *const Self) {
        // SAFETY: the caller's reference keeps the header valid throughout, and with it the crew, which it has waited in if
        // nothing was set. Where the crew has closed it is linked still, and ended by who closes it: invariant 5.
        unsafe {
            if (*this).state.fetch_or(QUEUED, Ordering::AcqRel) == 0 {
                let Keep { shared, .. } = &*(*this).keep.get();
                shared.push(Task(this));
            }
        }
    }

    unsafe fn release(this: *const Self) {
        // SAFETY: the caller's promise.
        unsafe { release(this, None) };
    }
}

/// What keeps the crew's memory for what is linked in one station. One for each, so that those who begin and end to wait on
/// different workers do not count in the same place.
pub(super) struct Keep {
    shared: Arc<Shared>,
    station: usize,
}

thread_local! {
    /// The crew that polls on this thread, or has last, and the station that it polls from.
    static HERE: Cell<(*const Shared, usize)> = const { Cell::new((ptr::null(), 0)) };
}

/// Starts another carrier.
type More = dyn Fn(Member) + Send + Sync;

/// What all carriers, the wakers and who gives tasks share.
pub(crate) struct Shared {
    /// The first is for all who are no workers.
    stations: Box<[Station]>,
    /// One for each station.
    spares: Box<[Spares]>,
    store: Store,
    closed: AtomicBool,
    /// Nobody gives tasks any more.
    no_more: AtomicBool,
    /// How many carriers there are.
    members: AtomicUsize,
    numbers: AtomicU64,
    /// Whether all carriers end when nothing is left.
    leaves: bool,
    more: Box<More>,
    this: Weak<Shared>,
}

impl Shared {
    pub(crate) fn start(rules: CrewRules, more: Box<More>) -> Arc<Self> {
        let shared = Arc::new_cyclic(|this| Shared {
            stations: (0..=rules.workers).map(|_| Station::new(rules)).collect(),
            spares: (0..=rules.workers).map(|_| Spares::new()).collect(),
            store: Store::new(),
            closed: AtomicBool::new(false),
            no_more: AtomicBool::new(false),
            members: AtomicUsize::new(0),
            numbers: AtomicU64::new(0),
            leaves: rules.leaves,
            more,
            this: this.clone(),
        });
        for (at, station) in shared.stations.iter().enumerate() {
            station.lock().open(Arc::new(Keep { shared: shared.clone(), station: at }));
        }
        // There is one from the start: so who is refused by the runtime learns it with the first task.
        let first = shared.stations[0].lock().call_first();
        shared.answer(first, 0);
        shared
    }

    /// Adds a task. False if the crew has gone: the future has been dropped then, unpolled.
    pub(crate) fn carry<F>(&self, future: F) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let at = self.at();
        let block = self.spares[at].take(const { Shape::of::<Crewed<F>>() }, &self.store);
        let crewed = block.cast::<Crewed<F>>().as_ptr();
        // SAFETY: it is of that shape, and ours.
        unsafe {
            crewed.write(Crewed {
                header: Header {
                    calls: const { &Crewed::<F>::CALLS },
                    refs: AtomicU32::new(1),
                    state: AtomicU32::new(QUEUED),
                    keep: Cell::new(ptr::null()),
                    previous: Cell::new(ptr::null()),
                    next: Cell::new(take_launched_of().cast()),
                },
                future: UnsafeCell::new(ManuallyDrop::new(future)),
            });
        }
        let header: *const Header = crewed.cast();
        if self.push_at(Task(header), at) {
            return true;
        }
        // SAFETY: fresh, and refused, so nobody else knows it.
        unsafe { end(header, None) };
        false
    }

    /// The station for what is given on this thread: that of the worker, also where something else runs there than a carrier,
    /// so that workers that wake what waits do not all do so in one place. (One that has become another thread's meanwhile
    /// does as well: who is called comes to what is ready, wherever it lies.)
    fn at(&self) -> usize {
        let (crew, at) = HERE.get();
        // One that has gone may have lain here, too, with more stations.
        if ptr::eq(crew, self) && at < self.stations.len() { at } else { 0 }
    }

    /// False if the crew has closed. The caller has set `QUEUED`.
    fn push(&self, task: Task) -> bool {
        self.push_at(task, self.at())
    }

    fn push_at(&self, task: Task, at: usize) -> bool {
        let (taken, call) = self.stations[at].push(task);
        if let Some(call) = call {
            self.answer(call, at);
        }
        taken
    }

    /// Has a carrier of the station come.
    fn answer(&self, call: Call, station: usize) {
        match call {
            Call::Wake(waker) => waker.wake(),
            Call::Another => {
                // Whoever calls it has the crew.
                let Some(shared) = self.this.upgrade() else { return };
                self.members.fetch_add(1, Ordering::Relaxed);
                let number = self.numbers.fetch_add(1, Ordering::Relaxed);
                (self.more)(Member { shared, station, number, begun: false, idle: false, over: false });
            }
        }
    }

    /// Nobody gives tasks any more: the carriers end with the last that there is.
    pub(crate) fn finish(&self) {
        self.no_more.store(true, Ordering::Release);
        if !self.close_if_done() {
            // Has one look. Refused, all have gone.
            self.carry(async {});
        }
    }

    /// Closes the crew if nothing is left, and nobody gives it more. Whether that is so.
    fn close_if_done(&self) -> bool {
        if !self.no_more.load(Ordering::Acquire) {
            return false;
        }
        let empty = self.all_empty().is_some();
        // It stays so: what could add to it would have to be there.
        if empty {
            self.close();
        }
        empty
    }

    /// All stations, if nothing is left in any.
    fn all_empty(&self) -> Option<Vec<MutexGuard<'_, State>>> {
        // All at once: what moves while one looks at one after the other would be missed.
        let all: Vec<MutexGuard<'_, State>> = self.stations.iter().map(Station::lock).collect();
        all.iter().all(|state| state.is_empty()).then_some(all)
    }

    /// Has all carriers end if nothing is left. Whether the one that asks does: not where it has been called meanwhile.
    fn leave_if_empty(&self, number: u64, station: usize) -> bool {
        if !self.leaves || !self.stations.iter().all(|station| station.lock().is_empty()) {
            return false;
        }
        let Some(mut all) = self.all_empty() else { return false };
        let own = all[station].leave(number);
        // They are called: who gives a task from now on relies on them. Each asks in its turn, and ends.
        let others: Vec<Waker> = all.iter_mut().flat_map(|state| state.call_idle()).collect();
        drop(all);
        others.into_iter().for_each(Waker::wake);
        own.is_some()
    }

    /// Ends all tasks where they are, and takes no more. What is being polled ends after that.
    fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut kept = Vec::new();
        let mut ended = Vec::new();
        let mut idle = Vec::new();
        for station in &self.stations {
            let (ready, wakers, keep) = station.close();
            // SAFETY: taken out, so ours, and valid by the crew's reference. What is linked is found below.
            ended.extend(ready.into_iter().filter(|task| unsafe { (*task.0).keep.get().is_null() }));
            idle.extend(wakers);
            kept.extend(keep);
        }
        for station in &self.stations {
            // SAFETY: linked, so valid. From here on nobody begins to poll: who has set `RUNNING` before finds `ENDED` after
            // the poll, and of all others it is ours.
            let those = unsafe {
                station
                    .lock()
                    .unlink_those(|header| (*header).state.fetch_or(ENDED | QUEUED, Ordering::AcqRel) & RUNNING == 0)
            };
            ended.extend(those);
        }
        for Task(header) in ended {
            // SAFETY: ours, as said, and linked no more.
            unsafe { end(header, None) };
        }
        // They find it closed, and end.
        idle.into_iter().for_each(Waker::wake);
        drop(kept);
    }
}

/// Ends a task that is not linked. Its memory, if no waker needs it, goes as in [`release`].
///
/// # Safety
/// The caller is who polls it, and has the crew's reference, which is given up.
unsafe fn end(header: *const Header, at: Option<(&Shared, usize)>) {
    // SAFETY: valid by that reference; the future is dropped once, for it has not ended.
    unsafe {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| ((*header).calls.end)(header))) {
            forget(payload);
        }
        if !is_alone(header) {
            (*header).state.fetch_or(ENDED | QUEUED, Ordering::AcqRel);
        }
        release(header, at);
    }
}

/// One of the carriers.
pub(crate) struct Member {
    shared: Arc<Shared>,
    /// The one that it is called for. It polls from there, and from the one where it runs.
    station: usize,
    number: u64,
    begun: bool,
    /// Whether it may be among those that are idle.
    idle: bool,
    over: bool,
}

impl Member {
    /// Polls what is ready, for as long as `goes_on`, on the worker `at`, counted from one. True if this carrier has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, at: usize, mut goes_on: impl FnMut() -> bool) -> bool {
        if self.over {
            return true;
        }
        let at = if at < self.shared.stations.len() { at } else { 0 };
        let _here = Here(HERE.replace((Arc::as_ptr(&self.shared), at)));
        let leaving = Leaving::begin();
        let mut next = self.begin();
        while let Some(Task(header)) = next {
            // SAFETY: just taken out.
            unsafe {
                leaving.polls(scope_of(header));
                self.poll_one(header, at);
            }
            if !goes_on() {
                break;
            }
            next = self.next(at);
        }
        drop(leaving);
        self.over = !self.rest(cx.waker());
        self.over
    }

    fn begin(&mut self) -> Option<Task> {
        self.begun = true;
        let station = &self.shared.stations[self.station];
        let mut state = station.lock();
        if state.is_closed() {
            return None;
        }
        let idle = mem::take(&mut self.idle).then_some(self.number);
        let waker = state.begin(idle);
        let task = take(station, &mut state);
        let calls = state.call_on();
        drop(state);
        drop(waker);
        self.answer(calls, self.station);
        task
    }

    fn answer(&self, calls: [Option<Call>; 2], station: usize) {
        calls.into_iter().flatten().for_each(|call| self.shared.answer(call, station));
    }

    /// From where it runs, or else from where there is something.
    fn next(&self, at: usize) -> Option<Task> {
        let stations = &self.shared.stations;
        let own = &stations[at];
        if let Some(task) = take(own, &mut own.lock()) {
            return Some(task);
        }
        // What is nobody's first, then what the next workers have.
        let others = (0..1).chain(at + 1..stations.len()).chain(1..at);
        for from in others.filter(|from| *from != at && !stations[*from].seems_empty()) {
            // Of what is nobody's, an even part for each.
            let parts = if from == 0 { stations.len() - 1 } else { 2 };
            let (task, calls) = stations[from].share(parts, own, taken);
            self.answer(calls, at);
            if task.is_some() {
                return task;
            }
        }
        None
    }

    /// False if it has ended.
    fn rest(&mut self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let rests = self.shared.stations[self.station].lock().rest(self.number, waker);
        self.idle = rests.is_ok();
        let done = self.shared.close_if_done() || self.shared.leave_if_empty(self.number, self.station);
        self.idle && !done
    }

    /// # Safety
    /// It has just been taken out of a station.
    unsafe fn poll_one(&self, header: *const Header, at: usize) {
        // SAFETY: valid by the crew's reference, which is ours as long as it is running; who ends it gives that up.
        unsafe {
            let waker = borrowed(header);
            let mut cx = Context::from_waker(&waker);
            let ready = catch_unwind(AssertUnwindSafe(|| ((*header).calls.poll)(header, &mut cx)));
            match ready {
                Ok(false) => self.wait(header, at),
                Ok(true) => self.end(header, at),
                Err(payload) => {
                    self.end(header, at);
                    forget(payload);
                }
            }
        }
    }

    /// A task that has been polled waits.
    ///
    /// # Safety
    /// As for `end`.
    unsafe fn wait(&self, header: *const Header, at: usize) {
        // SAFETY: as in `poll_one`. When it is not running any more it may be gone, unless it is ours to queue.
        unsafe {
            if (*header).keep.get().is_null() && !self.shared.stations[at].lock().link(header) {
                end(header, None);
                return;
            }
            let state = &(*header).state;
            if state.compare_exchange(RUNNING, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return;
            }
            // Woken meanwhile, or the crew has closed.
            if state.fetch_and(!RUNNING, Ordering::AcqRel) & ENDED == 0 {
                // Refused, it is linked still, and ended by who closes the crew.
                self.shared.push(Task(header));
            } else {
                self.end(header, at);
            }
        }
    }

    /// Ends a task that has been polled.
    ///
    /// # Safety
    /// The caller polls it.
    unsafe fn end(&self, header: *const Header, at: usize) {
        // SAFETY: as in `poll_one`; what has waited is linked.
        unsafe {
            if let Some(keep) = (*header).keep.get().as_ref() {
                self.shared.stations[keep.station].lock().unlink(header);
            }
            end(header, Some((&self.shared, at)));
        }
    }
}

/// Takes one out to poll it.
fn take(station: &Station, state: &mut State) -> Option<Task> {
    station.pop(state).inspect(|task| taken(*task))
}

/// Called under the lock of the station that it is taken from.
fn taken(Task(header): Task) {
    // SAFETY: it was queued, so it is valid, by the crew's reference.
    unsafe {
        if is_alone(header) && (*header).keep.get().is_null() {
            // Nobody else knows it.
            (*header).state.store(RUNNING, Ordering::Relaxed);
        } else {
            // A swap, not a store: it must be in order with what the task reads when it is polled, or a wake that comes
            // between the two would see it as queued still, and be lost.
            (*header).state.swap(RUNNING, Ordering::AcqRel);
        }
    }
}

/// Puts back what was polled on this thread before, if anything.
struct Here((*const Shared, usize));

impl Drop for Here {
    fn drop(&mut self) {
        let (before, _) = self.0;
        if !before.is_null() {
            HERE.set(self.0);
        }
    }
}

/// A carrier that is dropped before it has ended goes with its runtime: the crew closes. Unless it has never been polled, and
/// there are others: whoever has called it may be a waker, in which nobody's destructor is to run, and the others go, too.
impl Drop for Member {
    fn drop(&mut self) {
        let last = self.shared.members.fetch_sub(1, Ordering::AcqRel) == 1;
        if !self.over && (self.begun || last) {
            self.shared.close();
        }
    }
}
