//! Blocking work, joined: a thread that a scope waits for.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::adopt;
use crate::cancel::Canceller;
use crate::error::{PanicPayload, SpawnError};
use crate::failure::Failure;
use crate::handle::Lost;
use crate::raw::frame::{self, Frame, Here};
use crate::reason::CancelReason;
use crate::record::RecordCause;
use crate::rt::NoRuntime;
use crate::scope::{Part, Scope};
use crate::shield::OpenShield;
use crate::spawner::{Spawner, Spawns};
use crate::task::TaskRef;
use crate::waits::At;

/// Runs `work` where blocking is allowed, and waits for it.
///
/// A thread cannot be cancelled, so this is a shield: a cancellation of the scope is delivered when `work` has returned, with
/// its value in hand. `work` can [ask](Blocking::is_cancelled) for it, and return early. The scope in which this is polled
/// first counts the work as a child: also where this future is dropped, the scope waits for it.
///
/// # Errors
/// [`BlockingError`] where no runtime is known, or it has shut down: `work` was not called.
///
/// # Panics
/// A panic of `work` is resumed here; where this future was dropped it is the scope's, and cancels nobody.
///
/// # Cancel safety
/// Dropping it gives up the value. The scope waits.
#[track_caller]
pub fn blocking<F, T>(work: F) -> BlockingWork<F, T>
where
    F: FnOnce(&Blocking) -> T + Send + 'static,
    T: Send + 'static,
{
    BlockingWork {
        work: Some(work),
        location: Location::caller(),
        cancellable: false,
        slot: Arc::new(Slot { state: Mutex::new(State::Running(None)) }),
        shield: None,
        begun: None,
    }
}

struct Slot<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    Running(Option<Waker>),
    Done(Outcome<T>),
    GivenUp,
}

enum Outcome<T> {
    Value(T),
    Panicked(Box<dyn Any + Send>),
    /// The runtime dropped the work uncalled.
    Dropped,
}

impl<T> Slot<T> {
    fn fill(&self, outcome: Outcome<T>) -> Result<(), Outcome<T>> {
        let waker = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State::Running(waker) = &mut *state else { return Err(outcome) };
            let waker = waker.take();
            *state = State::Done(outcome);
            waker
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}

/// What the work sees of its scope.
pub struct Blocking {
    scope: Arc<Scope>,
}

impl Blocking {
    /// Whether the scope has been cancelled: the work had better return.
    pub fn is_cancelled(&self) -> bool {
        self.scope.is_cancelled()
    }

    /// Why, if it has.
    pub fn reason(&self) -> Option<CancelReason> {
        self.scope.reason_if_cancelled()
    }

    /// A handle that cancels the scope.
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.scope.clone())
    }

    /// A handle that spawns children into the scope.
    pub fn spawner(&self) -> Spawner {
        Spawner::new(self.scope.clone())
    }

    /// Calls back into the scope: runs `future` as a parallel child of it, on the runtime, and blocks this thread until it has
    /// ended. Its error is the scope's, as any child's.
    ///
    /// # Errors
    /// [`BlockingError`]: the child gave no value, was not spawned, or this is a runtime's only thread, on which blocking work
    /// runs in turn with the tasks: a deterministic one's.
    #[track_caller]
    pub fn run<F, T>(&self, future: F) -> Result<T, BlockingError>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
        T: Send + 'static,
    {
        let location = Location::caller();
        let error = |why| BlockingError { location, why };
        if self.scope.runtime().is_some_and(|runtime| !runtime.can_block()) {
            return Err(error(Why::OnlyThread));
        }
        let spawned = self.spawner().spawn_erased_with_handle(future);
        let mut handle = pin!(spawned.map_err(|refused| error(Why::Refused(refused)))?);
        block_on(move |cx| handle.as_mut().poll_ended(cx)).map_err(|lost| error(Why::Lost(lost)))
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("scope", self.scope.id()).field("cancelled", &self.is_cancelled()).finish()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls until it is ready, with the thread parked in between.
pub(crate) fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// The future of [`blocking`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct BlockingWork<F, T> {
    work: Option<F>,
    location: &'static Location<'static>,
    cancellable: bool,
    slot: Arc<Slot<T>>,
    shield: Option<OpenShield>,
    /// What the work is, and the scope that it is of, until its outcome has been taken.
    begun: Option<(TaskRef, Arc<Scope>)>,
}

impl<F, T> Unpin for BlockingWork<F, T> {}

impl<F, T> BlockingWork<F, T> {
    /// Lets a cancellation end the wait while the work goes on. The scope waits for the work all the same.
    pub fn cancellable(mut self) -> Self {
        self.cancellable = true;
        self
    }
}

/// The work on its way to a thread, and on it. Dropped uncalled it says so.
struct Job<F, T> {
    work: Option<F>,
    scope: Arc<Scope>,
    task: TaskRef,
    slot: Arc<Slot<T>>,
}

impl<F, T> Job<F, T>
where
    F: FnOnce(&Blocking) -> T,
{
    fn run(mut self) {
        let Some(work) = self.work.take() else { return };
        let blocking = Blocking { scope: self.scope.clone() };
        let outcome = Frame::of(&self.task, Here::Made(&self.scope)).outermost().enter(|| {
            match catch_unwind(AssertUnwindSafe(|| work(&blocking))) {
                Ok(value) => Outcome::Value(value),
                Err(payload) => Outcome::Panicked(payload),
            }
        });
        self.end(outcome);
    }
}

impl<F, T> Job<F, T> {
    fn end(&self, outcome: Outcome<T>) {
        let Err(unwanted) = self.slot.fill(outcome) else { return };
        give_up(unwanted, &self.scope, &self.task);
    }
}

/// Destroys, as the work, what it came to and nobody takes. A panic is the scope's.
fn give_up<T>(unwanted: Outcome<T>, scope: &Arc<Scope>, task: &TaskRef) {
    match unwanted {
        Outcome::Value(value) => destroy(value, scope, task),
        Outcome::Panicked(payload) => {
            adopt::record_late(scope, task, RecordCause::Panicked(PanicPayload::new(payload)));
        }
        Outcome::Dropped => {}
    }
}

fn destroy(value: impl Sized, scope: &Arc<Scope>, task: &TaskRef) {
    let frame = Frame::of(task, Here::Made(scope)).outermost();
    if let Err(payload) = frame.enter(|| catch_unwind(AssertUnwindSafe(|| drop(value)))) {
        adopt::record_late(scope, task, RecordCause::Panicked(PanicPayload::new(payload)));
    }
}

impl<F, T> Drop for Job<F, T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            destroy(work, &self.scope, &self.task);
            self.end(Outcome::Dropped);
        }
        // Guards that went elsewhere.
        self.scope.end_owned_of(&self.task);
        self.scope.leave(Part::Child);
    }
}

impl<F, T> Future for BlockingWork<F, T>
where
    F: FnOnce(&Blocking) -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = Result<T, BlockingError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        frame::note_wait(At::Blocking, Some(this.location));
        let error = |why| Poll::Ready(Err(BlockingError { location: this.location, why }));
        if (this.work.is_some() || this.cancellable) && frame::checkpoint_is_cancelled() {
            return Poll::Pending;
        }
        if let Some(work) = this.work.take() {
            let Some(scope) = frame::here(|place| place.map(|(_, scope)| scope.make())) else {
                return error(Why::NoRuntime(NoRuntime::new()));
            };
            let Some(runtime) = scope.runtime().cloned() else { return error(Why::NoRuntime(NoRuntime::new())) };
            let task = TaskRef::fresh(None, this.location);
            if let Err(refused) = scope.admit(Part::Child) {
                return error(Why::Refused(refused.of_task(task)));
            }
            if !this.cancellable {
                this.shield = Some(OpenShield::here());
            }
            let job = Job { work: Some(work), scope: scope.clone(), task: task.clone(), slot: this.slot.clone() };
            this.begun = Some((task.clone(), scope.clone()));
            if runtime.spawn_blocking(Box::new(move || job.run())).is_err() {
                this.shield = None;
                return error(Why::Refused(SpawnError::refused(scope.id().clone()).of_task(task)));
            }
        }
        let fresh = cx.waker().clone();
        let mut state = this.slot.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Running(waker) = &mut *state {
            let old = waker.replace(fresh);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        let done = std::mem::replace(&mut *state, State::GivenUp);
        drop(state);
        this.begun = None;
        this.shield = None;
        match done {
            State::Done(Outcome::Value(value)) => Poll::Ready(Ok(value)),
            State::Done(Outcome::Panicked(payload)) => resume_unwind(payload),
            State::Done(Outcome::Dropped) => error(Why::Dropped),
            State::Running(_) | State::GivenUp => panic!("blocking work was polled after it had given its result"),
        }
    }
}

impl<F, T> Drop for BlockingWork<F, T> {
    fn drop(&mut self) {
        let Some((task, scope)) = self.begun.take() else { return };
        let state = {
            let mut state = self.slot.state.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *state, State::GivenUp)
        };
        if let State::Done(unwanted) = state {
            give_up(unwanted, &scope, &task);
        }
    }
}

impl<F, T> fmt::Debug for BlockingWork<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingWork").field("started", &self.work.is_none()).finish_non_exhaustive()
    }
}

/// Why blocking work gave no value.
#[derive(Clone)]
pub struct BlockingError {
    location: &'static Location<'static>,
    why: Why,
}

#[derive(Clone)]
enum Why {
    NoRuntime(NoRuntime),
    Refused(SpawnError),
    Dropped,
    OnlyThread,
    Lost(Lost),
}

impl BlockingError {
    /// Whether no runtime is known.
    pub fn is_no_runtime(&self) -> bool {
        matches!(self.why, Why::NoRuntime(_))
    }

    /// Whether the runtime has shut down: the work was not called.
    pub fn is_shut_down(&self) -> bool {
        matches!(self.why, Why::Dropped) || self.spawn_error().is_some_and(SpawnError::is_shut_down)
    }

    /// Why the work, or the child that it called back with, was not started.
    pub fn spawn_error(&self) -> Option<&SpawnError> {
        match &self.why {
            Why::Refused(error) => Some(error),
            _ => None,
        }
    }

    /// Whether it would have blocked the one thread that its runtime has.
    pub fn is_only_thread(&self) -> bool {
        matches!(self.why, Why::OnlyThread)
    }

    /// Why the child that it called back with gave no value.
    pub fn lost(&self) -> Option<Lost> {
        match self.why {
            Why::Lost(lost) => Some(lost),
            _ => None,
        }
    }
}

impl fmt::Display for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location;
        match &self.why {
            Why::NoRuntime(error) => write!(f, "blocking work at {location} was not started: {error}"),
            Why::Refused(error) => write!(f, "blocking work at {location}: {error}"),
            Why::Dropped => write!(f, "blocking work at {location} was dropped, uncalled: its runtime has shut down"),
            Why::OnlyThread => write!(
                f,
                "blocking work at {location} cannot call back into its scope: it runs on the only thread that its runtime has. \
                 Use a runtime with threads for blocking work"
            ),
            Why::Lost(lost) => write!(f, "the call back at {location} gave no value: {lost}"),
        }
    }
}

impl fmt::Debug for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockingError({self})")
    }
}

impl std::error::Error for BlockingError {}
