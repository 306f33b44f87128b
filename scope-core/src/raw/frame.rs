//! The frame: who is being polled on this thread.
//!
//! A wrapper enters a frame for the length of one poll or one drop. The thread-local holds a pointer to the innermost
//! frame, which lives on the stack of [`Frame::enter`]; it is put back when `enter` returns or unwinds.
//!
//! Invariants
//! 1. `TOP` is null or points to a [`Frame`] on this thread's stack, owned by an `enter` that has not returned. So is, or
//!    does, what a frame has `below` it.
//! 2. What a frame borrows outlives the `enter` that made it: `enter` borrows it for its whole length.
//! 3. The thread-local is `const` and has no destructor, so it can be read while the thread is being torn down.

use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;

use crate::origin::LazyScope;
use crate::scope::Scope;
use crate::shield::ShieldCell;
use crate::sync::thread_local;
use crate::task::TaskRef;
use crate::task_local::Snapshot;
use crate::task_mail::{MailCell, TaskMail};
use crate::waits::{At, Waits};

/// The scope that code in a frame runs in.
#[derive(Clone, Copy)]
pub(crate) enum Here<'a> {
    /// One that is perhaps not allocated yet.
    Lazy(&'a LazyScope),
    /// One that has been allocated.
    Made(&'a Arc<Scope>),
}

impl Here<'_> {
    /// The scope, allocated now if it was not.
    pub(crate) fn make(&self) -> Arc<Scope> {
        match self {
            Here::Lazy(lazy) => lazy.make().clone(),
            Here::Made(scope) => (*scope).clone(),
        }
    }

    /// The scope, or where it is not allocated the nearest one around it that is.
    pub(crate) fn nearest(&self) -> Option<Arc<Scope>> {
        match self {
            Here::Lazy(lazy) => lazy.get().or_else(|| lazy.origin.parent.get()).cloned(),
            Here::Made(scope) => Some((*scope).clone()),
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Here::Lazy(lazy) => lazy.is_cancelled(),
            Here::Made(scope) => scope.is_cancelled(),
        }
    }

    pub(crate) fn runtime(&self) -> Option<&crate::rt::Handle> {
        match self {
            Here::Lazy(lazy) => lazy.runtime(),
            Here::Made(scope) => scope.runtime(),
        }
    }
}

/// Where a frame notes what is waited at in it.
#[derive(Clone, Copy)]
enum NotesIn<'a> {
    /// In the frame below.
    Below,
    Task(&'a Waits),
    /// In the scope whose body it is, if it has been allocated: nobody could see it otherwise.
    Body(&'a LazyScope),
}

pub(crate) struct Frame<'a> {
    /// The task and its scope. None where only task-locals were set, outside any task.
    place: Option<(&'a TaskRef, Here<'a>)>,
    /// None: those of the frame below.
    locals: Option<&'a Snapshot>,
    /// Of the body or child that runs in this frame: whoever delivers a cancellation to it looks here.
    shields: Option<&'a ShieldCell>,
    /// Where it is noted what is waited at.
    waits: NotesIn<'a>,
    /// Of a task of the runtime's own.
    mail: Option<&'a MailCell>,
    /// A task of the runtime's own, or a root: what lies below cannot drop it.
    outermost: bool,
    below: *const Frame<'static>,
}

impl<'a> Frame<'a> {
    pub(crate) fn of(task: &'a TaskRef, scope: Here<'a>) -> Self {
        Frame {
            place: Some((task, scope)),
            locals: None,
            shields: None,
            waits: NotesIn::Below,
            mail: None,
            outermost: false,
            below: ptr::null(),
        }
    }

    /// With these task-locals, and none of the frame below.
    pub(crate) fn locals(self, locals: &'a Snapshot) -> Self {
        Frame { locals: Some(locals), ..self }
    }

    /// Shields that are opened in this frame hold back what is delivered to the owner of `cell`.
    pub(crate) fn shields(self, cell: &'a ShieldCell) -> Self {
        Frame { shields: Some(cell), ..self }
    }

    /// Clean-up can be left there.
    pub(crate) fn mail(self, mail: &'a MailCell) -> Self {
        Frame { mail: Some(mail), ..self }
    }

    /// Notes there what is waited at; nothing yet.
    pub(crate) fn waits(self, waits: &'a Waits) -> Self {
        waits.begin();
        Frame { waits: NotesIn::Task(waits), ..self }
    }

    /// The body of `scope`: notes there what is waited at, and counts its shields.
    pub(crate) fn body(self, scope: &'a LazyScope, shields: &'a ShieldCell) -> Self {
        Frame { shields: Some(shields), waits: NotesIn::Body(scope), ..self }
    }

    /// Nothing below this frame can drop what runs in it.
    pub(crate) fn outermost(self) -> Self {
        Frame { outermost: true, ..self }
    }

    /// Runs `f` in this frame.
    #[inline]
    pub(crate) fn enter<R>(self, f: impl FnOnce() -> R) -> R {
        let below = TOP.get();
        // Put together at once, not changed in memory and copied: so are the methods above.
        let frame = Frame { below, ..self };
        let _restore = Restore(below);
        TOP.set((&raw const frame).cast());
        f()
    }

    fn below(&self) -> Option<&Frame<'_>> {
        // SAFETY: by invariant 1 it is null or points to a frame further up this thread's stack, which outlives this one.
        unsafe { self.below.cast::<Frame<'_>>().as_ref() }
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        let mut at = self;
        loop {
            if at.locals.is_some() {
                return at.locals;
            }
            at = at.below()?;
        }
    }
}

thread_local! {
    static TOP: Cell<*const Frame<'static>> = const { Cell::new(ptr::null()) };
    /// Counts the checkpoints of this thread.
    static TICKS: Cell<u32> = const { Cell::new(0) };
}

/// Puts the outer frame back, also when the poll unwinds.
struct Restore(*const Frame<'static>);

impl Drop for Restore {
    fn drop(&mut self) {
        TOP.set(self.0);
    }
}

/// Runs `f` as `task` in `scope`.
pub(crate) fn enter<R>(task: &TaskRef, scope: Here<'_>, f: impl FnOnce() -> R) -> R {
    Frame::of(task, scope).enter(f)
}

/// Runs `f` as whoever runs here, with these task-locals.
pub(crate) fn enter_with_locals<R>(locals: &Snapshot, f: impl FnOnce() -> R) -> R {
    with(|top| {
        let place = top.and_then(|frame| frame.place);
        Frame {
            place,
            locals: Some(locals),
            shields: None,
            waits: NotesIn::Below,
            mail: None,
            outermost: false,
            below: ptr::null(),
        }
        .enter(f)
    })
}

/// Shows the innermost frame of this thread to `f`.
pub(crate) fn with<R>(f: impl FnOnce(Option<&Frame<'_>>) -> R) -> R {
    let top = TOP.get();
    // SAFETY: by invariant 1 the pointer is null or points to a frame whose `enter` is further up this very stack, so it
    // and (invariant 2) what it borrows live until `f` returns. `f` sees it under a lifetime of its own, so nothing of it
    // escapes.
    f(unsafe { top.cast::<Frame<'_>>().as_ref() })
}

/// The task and the scope of the code that runs here.
pub(crate) fn here<R>(f: impl FnOnce(Option<(&TaskRef, Here<'_>)>) -> R) -> R {
    with(|top| f(top.and_then(|frame| frame.place)))
}

/// The task and the scope of the code that runs here, and its task-locals, as a child inherits them.
pub(crate) fn here_with_locals<R>(f: impl FnOnce(Option<(&TaskRef, Here<'_>)>, Option<&Snapshot>) -> R) -> R {
    with(|top| f(top.and_then(|frame| frame.place), top.and_then(Frame::snapshot)))
}

/// The scope in which `task`, of which the code that runs here is a part, ends.
pub(crate) fn home_of(task: &TaskRef) -> Option<Arc<Scope>> {
    with(|top| {
        let (mut at, mut outermost) = (top, None);
        while let Some(frame) = at {
            match &frame.place {
                Some((of, scope)) if *of == task => outermost = Some(*scope),
                _ => break,
            }
            at = frame.below();
        }
        outermost.map(|scope| scope.make())
    })
}

/// The task-locals of the code that runs here, as a child inherits them.
pub(crate) fn snapshot() -> Snapshot {
    with(|top| top.and_then(Frame::snapshot).cloned().unwrap_or_default())
}

/// Whether the code that runs here runs as the body or a same-task child of this very scope, or is destroyed as one.
///
/// Frames of a scope that may not be allocated yet are entered by its host only.
pub(crate) fn is_in(scope: *const LazyScope) -> bool {
    here(|place| matches!(place, Some((_, Here::Lazy(lazy))) if ptr::eq(lazy, scope)))
}

/// Shows each shield cell on the way from here to the task of the runtime's own, or root, that is being polled.
pub(crate) fn each_shield_cell(mut f: impl FnMut(&ShieldCell)) {
    with(|top| {
        let mut at = top;
        while let Some(frame) = at {
            if let Some(cell) = frame.shields {
                f(cell);
            }
            if frame.outermost {
                break;
            }
            at = frame.below();
        }
    });
}

/// Whether the code that runs here is in `scope`, or in a scope further in.
pub(crate) fn here_is_within(scope: &Arc<Scope>) -> bool {
    let mut at = here(|place| place.and_then(|(_, scope)| scope.nearest()));
    while let Some(here) = at {
        if Arc::ptr_eq(&here, scope) {
            return true;
        }
        at = here.parent().cloned();
    }
    false
}

/// Whether the code that runs here is part of a child that holds a place of the bounded set `id`.
pub(crate) fn here_holds_place(id: u64) -> bool {
    let mut at = here(|place| match place {
        Some((_, Here::Lazy(lazy))) if lazy.get().is_none() && lazy.origin.place == id => Some(None),
        Some((_, scope)) => scope.nearest().map(Some),
        None => None,
    });
    loop {
        match at {
            Some(None) => return true,
            Some(Some(scope)) if scope.place() == id => return true,
            Some(Some(scope)) => at = scope.parent().cloned().map(Some),
            None => return false,
        }
    }
}

/// Allocates the scopes of this stack's frames from that of `lazy` downwards, the outermost first: each finds the one around
/// it made. Nothing, where `lazy` is of another thread's stack.
pub(crate) fn make_down_from(lazy: *const LazyScope) {
    with(|top| {
        let mut unmade = Vec::new();
        let mut at = top;
        while let Some(frame) = at {
            if let Some((_, Here::Lazy(scope))) = frame.place
                && (!unmade.is_empty() || ptr::eq(scope, lazy))
            {
                if scope.get().is_some() {
                    // So are all around it.
                    break;
                }
                unmade.push(scope);
            }
            at = frame.below();
        }
        for scope in unmade.into_iter().rev() {
            scope.origin.parent.own();
            scope.make();
        }
    });
}

/// Where clean-up can be left for the task of the runtime's own that runs here.
pub(crate) fn mail() -> Option<Arc<TaskMail>> {
    with(|top| {
        let mut at = top;
        while let Some(frame) = at {
            if let Some(mail) = frame.mail {
                return Some(mail.get());
            }
            if frame.outermost {
                return None;
            }
            at = frame.below();
        }
        None
    })
}

/// Notes what the task that runs here waits at.
pub(crate) fn note_wait(what: At, location: Option<&'static Location<'static>>) {
    with(|top| {
        let mut at = top;
        while let Some(frame) = at {
            match frame.waits {
                NotesIn::Below => {}
                NotesIn::Task(waits) => return waits.note(what, location),
                NotesIn::Body(scope) => {
                    return scope.get().into_iter().for_each(|scope| scope.body_waits().note(what, location));
                }
            }
            if frame.outermost {
                return;
            }
            at = frame.below();
        }
    });
}

/// Whether the innermost scope of this thread is cancelled, as its own code sees it.
pub(crate) fn here_is_cancelled() -> bool {
    here(|place| place.is_some_and(|(_, scope)| scope.is_cancelled()))
}

/// How many checkpoints may pass before the clock is read.
const CLOCK_EVERY: u32 = 64;

/// At a checkpoint: whether it is to stay pending, since the scope it is awaited in has been cancelled.
///
/// A body whose checkpoints are always ready never returns to whoever watches its deadline: so the clock is read here,
/// now and then.
pub(crate) fn checkpoint_is_cancelled() -> bool {
    let ticks = TICKS.get().wrapping_add(1);
    TICKS.set(ticks);
    if ticks.is_multiple_of(CLOCK_EVERY) {
        expire_here();
    }
    here_is_cancelled()
}

#[cold]
fn expire_here() {
    let mut at = here(|place| place.and_then(|(_, scope)| scope.nearest()));
    // Past shields too: what is cancelled behind one waits there until it is left.
    while let Some(scope) = at {
        scope.expire_if_due();
        at = scope.parent().cloned();
    }
}
