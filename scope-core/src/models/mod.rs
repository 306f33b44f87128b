//! Models: the core's own types, driven by two or three threads in every order that loom can think of.
//!
//! ```sh
//! RUSTFLAGS="--cfg scope_loom" cargo test -p scope-core --release --lib models::
//! ```
//!
//! The cfg is our own: crates that we depend on have a `cfg(loom)`, and would be rebuilt by it. What is a step and what is
//! not stands in [`crate::sync`]; channels, the tree's roots, events and ids are single steps.
//!
//! A thread that waits for a wake-up that never comes is a deadlock to loom, and fails the model with the threads' states.

mod cancel;
mod carrier;
mod crew;
mod join;
mod local;
mod mail;
mod owned;
mod places;
mod service;

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::raw::around::Around;
use crate::raw::counted;
use crate::reason::CancelCause;
use crate::scope::{Part, Scope};
use crate::task::TaskRef;

/// Runs `model` in every order.
fn check(model: impl Fn() + Sync + Send + 'static) {
    run(loom::model::Builder::new(), model);
}

/// Runs `model` in every order in which the threads are interrupted, while they could go on, no more than so often in all:
/// where there are too many orders to try each. `LOOM_MAX_PREEMPTIONS` says otherwise.
fn check_up_to(interruptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(interruptions);
    run(builder, model);
}

fn run(mut builder: loom::model::Builder, model: impl Fn() + Sync + Send + 'static) {
    builder.max_branches = 20_000;
    let orders = Arc::new(AtomicUsize::new(0));
    let counter = orders.clone();
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    // For whoever asks with `--nocapture` what a model costs.
    println!("Completed in {} orders", orders.load(Ordering::Relaxed));
}

/// A scope that nothing is around, polled by nobody yet.
fn scope() -> Arc<Scope> {
    open(Kind::Nursery, None, false)
}

fn open(kind: Kind, parent: Option<&Arc<Scope>>, shielded: bool) -> Arc<Scope> {
    let mut origin = Origin::new(kind, Location::caller());
    origin.parent = parent.cloned().map(Around::from).unwrap_or_default();
    origin.shielded = shielded;
    origin.home = Some(task());
    Scope::open(&origin)
}

fn task() -> TaskRef {
    TaskRef::fresh(None, Location::caller())
}

/// Counts a child in.
fn counted(scope: &Arc<Scope>) -> counted::Counted {
    counted::Counted::admit(scope, Part::Child).unwrap_or_else(|error| panic!("{error}"))
}

fn cancel(scope: &Arc<Scope>) -> bool {
    scope.cancel(CancelCause::Explicit, Name::new(""), Location::caller())
}

/// Polls once; the waker is nobody's.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Pending once, and woken at once: so what it is in is polled twice.
async fn come_again() {
    let mut came = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut came, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts how often it is dropped. No step of the model.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

impl Drops {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn guard(&self) -> Counted {
        Counted(self.clone())
    }
}

struct Counted(Drops);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}
