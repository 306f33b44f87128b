//! The live tree of scopes, for people: "why has this scope not closed?".

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::id::ScopeId;
use crate::origin::Kind;
use crate::scope::Scope;

static ROOTS: Mutex<Vec<(ScopeId, Weak<Scope>)>> = Mutex::new(Vec::new());

pub(crate) fn plant(scope: &Arc<Scope>) {
    let root = (scope.id().id(), Arc::downgrade(scope));
    ROOTS.lock().unwrap_or_else(PoisonError::into_inner).push(root);
}

pub(crate) fn uproot(id: ScopeId) {
    ROOTS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(root, _)| *root != id);
}

/// The live scopes of this process as a tree, a line each: name, state, deadline, where opened, for how long; under each
/// the tasks that are parked in it and the finalizers it will run.
///
/// A scope is shown once something refers to it (a parallel child, a scope further in, a handle, an observer); a parallel
/// child from the first time it waits.
///
/// Takes each scope's lock for a moment, one after the other: the picture is not of one instant.
pub fn dump() -> String {
    let roots: Vec<Arc<Scope>> = {
        let roots = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
        roots.iter().filter_map(|(_, weak)| weak.upgrade()).collect()
    };
    let mut text = String::new();
    // A stack, not recursion: scopes may be nested very deep.
    let mut work: Vec<(usize, Arc<Scope>)> = roots.into_iter().rev().map(|root| (0, root)).collect();
    while let Some((depth, scope)) = work.pop() {
        describe(&mut text, depth, &scope);
        work.extend(scope.inner().into_iter().rev().map(|inner| (depth + 1, inner)));
    }
    text
}

fn describe(text: &mut String, depth: usize, scope: &Scope) {
    let indent = depth * 2;
    let kind = match scope.kind() {
        Kind::Nursery => "nursery",
        Kind::Block => "block",
        Kind::Owned => "owned scope",
        Kind::Service => "service",
        Kind::CleanUp => "clean-up",
    };
    // Writing to a String cannot fail.
    let _ = write!(text, "{:indent$}{kind} {}", "", scope.id());
    if let Some(reason) = scope.reason() {
        let _ = write!(text, ", ending: {reason}");
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
    let _ =
        writeln!(text, " (opened {:.1} s ago at {})", scope.opened().elapsed().as_secs_f64(), scope.id().location());
    for task in scope.parked_tasks() {
        let _ = writeln!(text, "{:indent$}  - {task}, waiting (spawned at {})", "", task.location());
    }
    for finalizer in scope.finalizer_names() {
        let _ = writeln!(text, "{:indent$}  - finalizer {finalizer}", "");
    }
}
