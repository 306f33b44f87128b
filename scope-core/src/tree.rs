//! The live tree of scopes, for people: "why has this scope not closed?".

use std::fmt::{self, Write as _};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use crate::id::ScopeId;
use crate::origin::Kind;
use crate::rt;
use crate::scope::Scope;
use crate::scope_ref::ScopeRef;
use crate::task::TaskRef;
use crate::waits::Waiting;

static ROOTS: Mutex<Vec<(ScopeId, Weak<Scope>)>> = Mutex::new(Vec::new());
static AGES: AtomicBool = AtomicBool::new(false);

pub(crate) fn plant(scope: &Arc<Scope>) {
    let root = (scope.id().id(), Arc::downgrade(scope));
    ROOTS.lock().unwrap_or_else(PoisonError::into_inner).push(root);
}

pub(crate) fn uproot(id: ScopeId) {
    ROOTS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(root, _)| *root != id);
}

/// Has scopes that are opened from now on note when that was, so that the tree shows their ages. Off at first: it costs a
/// look at the clock for each scope.
pub fn record_ages(on: bool) {
    AGES.store(on, Ordering::Relaxed);
}

/// When a scope is opened: by the clock of its runtime if it has one.
pub(crate) fn birth(now: impl FnOnce() -> Instant) -> Option<Instant> {
    AGES.load(Ordering::Relaxed).then(now)
}

/// The live scopes of this process as a tree, a line each: name, state, deadline, where opened, and how long ago if
/// [asked for](record_ages). Under each: what its body and its children wait at (the last checkpoint of this crate's, or
/// something foreign), and the finalizers it will run.
///
/// A scope is shown once something refers to it (a child that waits, a scope further in that waits, a handle, an observer),
/// a child from the first time it waits. Takes each scope's lock for a moment, one after the other: the picture is not of one instant.
pub fn dump() -> String {
    draw(roots())
}

/// As [`dump`], of the roots that run on `runtime`, and all in them.
pub fn dump_of(runtime: &rt::Handle) -> String {
    let mut roots = roots();
    roots.retain(|root| root.runtime().is_some_and(|own| own.same(runtime)));
    draw(roots)
}

fn roots() -> Vec<Arc<Scope>> {
    let roots = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
    roots.iter().filter_map(|(_, weak)| weak.upgrade()).collect()
}

fn draw(roots: Vec<Arc<Scope>>) -> String {
    let mut text = String::new();
    // A stack, not recursion: scopes may be nested very deep.
    let mut work: Vec<(usize, Arc<Scope>)> = roots.into_iter().rev().map(|root| (0, root)).collect();
    while let Some((depth, scope)) = work.pop() {
        describe(&mut text, depth, &scope);
        work.extend(scope.inner().into_iter().rev().map(|inner| (depth + 1, inner)));
    }
    text
}

fn kind(scope: &Scope) -> &'static str {
    match scope.kind() {
        Kind::Nursery => "nursery",
        Kind::Block if scope.is_shielded() => "shield",
        Kind::Block => "cancel scope",
        Kind::Phase => "phase",
        Kind::Child => "child",
        Kind::Owned => "owned scope",
        Kind::Service => "service",
        Kind::CleanUp => "clean-up",
    }
}

fn describe(text: &mut String, depth: usize, scope: &Scope) {
    let indent = depth * 2;
    // Writing to a String cannot fail.
    let _ = write!(text, "{:indent$}{} {}", "", kind(scope), scope.id());
    if let Some(reason) = scope.reason() {
        let _ = write!(text, ", ending: {reason}");
    } else if scope.is_shutdown_requested() {
        text.push_str(", shutting down");
    }
    if let Some(at) = scope.deadline() {
        match scope.runtime().map(|runtime| at.saturating_duration_since(runtime.now())) {
            Some(left) => drop(write!(text, ", {:.1} s left", left.as_secs_f64())),
            None => text.push_str(", with a deadline"),
        }
    }
    let (children, services) = scope.live();
    if children > 0 {
        let _ = write!(text, ", {children} running");
    }
    if services > 0 {
        let _ = write!(text, ", {services} {}", if services == 1 { "service" } else { "services" });
    }
    if let Some(home) = scope.home() {
        let _ = write!(text, ", of {home}");
    }
    let _ = match scope.age() {
        Some(age) => writeln!(text, " (opened {:.1} s ago at {})", age.as_secs_f64(), scope.id().location()),
        None => writeln!(text, " (opened at {})", scope.id().location()),
    };
    for blocker in blockers(scope) {
        let _ = writeln!(text, "{:indent$}  - {blocker}", "");
    }
}

/// What is in the way in a scope and in those further in, each of these after the line that names it.
fn all_blockers(root: &Arc<Scope>) -> Vec<Blocker> {
    let mut found = Vec::new();
    let mut work = vec![(0, root.clone())];
    while let Some((depth, scope)) = work.pop() {
        if depth > 0 && scope.kind() != Kind::Child {
            let name = format!("{} {}", kind(&scope), scope.id());
            let location = scope.id().location();
            found.push(Blocker { depth: depth - 1, kind: BlockerKind::Inner, name, location, waiting: None });
        }
        let own = blockers(&scope);
        found.extend(own.into_iter().map(|blocker| Blocker { depth, ..blocker }));
        let inside = if scope.kind() == Kind::Child { depth } else { depth + 1 };
        work.extend(scope.inner().into_iter().rev().map(|inner| (inside, inner)));
    }
    found
}

fn blockers(scope: &Scope) -> Vec<Blocker> {
    let mut found = Vec::new();
    let place = scope.id().location();
    if scope.body_runs() && scope.kind() != Kind::Child {
        let waiting = Some(scope.body_waits().show());
        found.push(Blocker {
            depth: 0,
            kind: BlockerKind::Body,
            name: scope.id().to_string(),
            location: place,
            waiting,
        });
    }
    let child = |(task, waiting): (TaskRef, Waiting)| Blocker {
        depth: 0,
        kind: BlockerKind::Child,
        name: task.to_string(),
        location: task.location(),
        waiting: Some(waiting),
    };
    found.extend(scope.local_tasks().into_iter().map(child));
    found.extend(scope.parked_tasks().into_iter().map(child));
    let finalizer = |name: String, location, kind| Blocker { depth: 0, kind, name, location, waiting: None };
    if let Some((name, location)) = scope.finalizing() {
        found.push(finalizer(name.to_string(), location, BlockerKind::RunningFinalizer));
    }
    for (name, location) in scope.finalizers_left().into_iter().rev() {
        found.push(finalizer(name.to_string(), location, BlockerKind::Finalizer));
    }
    found
}

/// The tasks that run in a scope and in those further in, by name: what a shutdown says when its grace is over.
pub(crate) fn still_running(root: &Arc<Scope>) -> Vec<String> {
    const SHOWN: usize = 16;
    let mut names = Vec::new();
    let mut more = 0;
    let mut work = vec![root.clone()];
    while let Some(scope) = work.pop() {
        for blocker in blockers(&scope) {
            let name = match blocker.kind {
                BlockerKind::Body if scope.kind() == Kind::Service => format!("service {}", scope.id()),
                BlockerKind::Body if Arc::ptr_eq(&scope, root) => "its body".to_owned(),
                BlockerKind::Child | BlockerKind::RunningFinalizer => blocker.name,
                _ => continue,
            };
            if names.contains(&name) {
                continue;
            }
            if names.len() < SHOWN { names.push(name) } else { more += 1 }
        }
        work.extend(scope.inner().into_iter().rev());
    }
    if more > 0 {
        names.push(format!("{more} more"));
    }
    if names.is_empty() {
        names.push("a child that has not waited yet".to_owned());
    }
    names
}

/// What keeps a scope from closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockerKind {
    /// Its body runs.
    Body,
    /// A child runs.
    Child,
    /// A finalizer runs.
    RunningFinalizer,
    /// A finalizer will run.
    Finalizer,
    /// A scope further in is open.
    Inner,
}

/// One thing that keeps a scope from closing.
#[derive(Clone, Debug)]
pub struct Blocker {
    depth: usize,
    kind: BlockerKind,
    name: String,
    location: &'static Location<'static>,
    waiting: Option<Waiting>,
}

impl Blocker {
    /// How many scopes further in it is: 0 for what is the scope's own.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// What it is.
    pub fn kind(&self) -> BlockerKind {
        self.kind
    }

    /// Its name: of the task, the finalizer, the scope.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it was spawned, added or opened.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// What a body or child waits at: the last checkpoint of this crate's, or something foreign.
    pub fn waits_at(&self) -> Option<String> {
        self.waiting.map(|waiting| waiting.to_string())
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.kind {
            BlockerKind::Body => f.write_str("its body")?,
            BlockerKind::Child => write!(f, "{name} (spawned at {})", self.location)?,
            BlockerKind::RunningFinalizer => write!(f, "finalizer {name}, running (added at {})", self.location)?,
            BlockerKind::Finalizer => write!(f, "finalizer {name}, to be run (added at {})", self.location)?,
            BlockerKind::Inner => write!(f, "{name} (opened at {})", self.location)?,
        }
        match self.waiting {
            Some(waiting) => write!(f, ", waiting for {waiting}"),
            None => Ok(()),
        }
    }
}

/// Why a scope has not closed: [`Canceller::why_open`](crate::Canceller::why_open).
#[derive(Clone, Debug)]
pub struct WhyOpen {
    scope: ScopeRef,
    closed: bool,
    /// Children and services that count, listed or not.
    live: u32,
    blockers: Vec<Blocker>,
}

impl WhyOpen {
    pub(crate) fn of(scope: &Arc<Scope>) -> Self {
        let closed = scope.is_over();
        let (children, services) = scope.live();
        let blockers = if closed { Vec::new() } else { all_blockers(scope) };
        WhyOpen { scope: scope.id().clone(), closed, live: children + services, blockers }
    }

    /// Whether it has closed by now.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many children, services and adopted scopes it waits for: also those that have not waited yet, and are not among
    /// the [blockers](WhyOpen::blockers) therefore. Same-task children are not counted. On a runtime of several threads a few
    /// that have just ended may be, until another child's poll on the same thread has returned.
    pub fn running(&self) -> u32 {
        self.live
    }

    /// What keeps it from closing, as far as it can be seen: its body, children from the first time they wait, finalizers,
    /// scopes further in.
    pub fn blockers(&self) -> &[Blocker] {
        &self.blockers
    }
}

impl fmt::Display for WhyOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = &self.scope;
        if self.closed {
            return write!(f, "{scope} (opened at {}) has closed", scope.location());
        }
        write!(f, "{scope} (opened at {}) is open; {} running", scope.location(), self.live)?;
        for blocker in &self.blockers {
            write!(f, "\n{:1$}- {blocker}", "", 2 + 2 * blocker.depth)?;
        }
        Ok(())
    }
}
