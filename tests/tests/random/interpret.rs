//! Runs a program on scope-core.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, abortable};
use scope_core::{
    CancelScope, Canceller, Failure, Nursery, OwnedScope, ScopeError, ServiceHandle, Spawner, Spawns, TaskHandle,
    checkpoint, fail_after, move_on_after, shield, sleep, task,
};
use scope_test::TestRuntime;
use scope_tests::{Gate, turns};

use crate::journal::{Journal, Leaf, What};
use crate::program::{Act, Block, Id, Nest, NestKind, OnDrop, Spawn, SpawnKind};
use crate::resources::{add_finalizer, ask, close, serve};
use crate::serve::Served;
use crate::watch::{
    Around, Body, Boom, Boxed, Ended, Scopes, leaf_of_panic, leaves_of_error, leaves_of_failure, start_panic,
};

/// Whose code it is that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    /// The innermost body.
    pub(crate) body: Id,
    /// The task of the framework's.
    pub(crate) task: Id,
    /// Whether what fails goes to nobody but who asks: in a service.
    pub(crate) quiet: bool,
}

/// What a run's tasks reach each other by.
pub(crate) struct Env {
    pub(crate) journal: Journal,
    pub(crate) scopes: Scopes,
    pub(crate) runtime: TestRuntime,
    reach: Mutex<Reach>,
    /// Whether something may outlive the root.
    loose: AtomicBool,
}

/// What outlives the root has two to the power of so many milliseconds of virtual time.
const LONGEST_END: u32 = 17;

#[derive(Default)]
pub(crate) struct Reach {
    cancellers: HashMap<Id, Canceller>,
    spawners: HashMap<Id, Spawner>,
    handles: HashMap<Id, TaskHandle<Value>>,
    gates: HashMap<Id, Gate>,
    pub(crate) owned: HashMap<Id, OwnedScope>,
    pub(crate) services: HashMap<Id, ServiceHandle<Served>>,
    carried: HashMap<Id, Boxed<'static, Result<(), Failure>>>,
    foreign: HashMap<Id, AbortHandle>,
}

impl Env {
    pub(crate) fn new(runtime: TestRuntime, journal: Journal) -> Arc<Self> {
        Arc::new(Env {
            journal,
            scopes: Scopes::default(),
            runtime,
            reach: Mutex::default(),
            loose: AtomicBool::new(false),
        })
    }

    pub(crate) fn reach(&self) -> MutexGuard<'_, Reach> {
        self.reach.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, what: What) {
        self.journal.add(what);
    }

    /// Gives up all that is left in reach, with no lock held. What was started outside the root, or carried out of it, is
    /// waited for; all else has to have ended.
    pub(crate) async fn wind_up(&self) {
        let loose = self.loose.load(Ordering::Relaxed);
        for longer in 0..LONGEST_END {
            let left = std::mem::take(&mut *self.reach());
            drop(left);
            self.runtime.handle().settled().await;
            if !loose || self.runtime.alive() == 1 && self.reach().carried.is_empty() {
                return;
            }
            self.runtime.sleep(ms(1 << longer)).await;
        }
    }

    fn opened(&self, id: Id, canceller: Canceller, spawner: Option<Spawner>) {
        self.scopes.note(canceller.scope().id(), id);
        let mut reach = self.reach();
        reach.cancellers.insert(id, canceller);
        reach.spawners.extend(spawner.map(|spawner| (id, spawner)));
    }
}

/// A body's value.
pub(crate) struct Value {
    journal: Journal,
    id: Id,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.journal.add(What::ValueGone(self.id));
    }
}

/// A failure that its owner will not pass on, or not yet.
struct Kept<'e> {
    env: &'e Env,
    failure: Option<Failure>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if let Some(failure) = self.failure.take() {
            self.env.note(What::Caught(leaves_of_failure(&failure, &self.env.scopes)));
        }
    }
}

pub(crate) const fn ms(millis: u32) -> Duration {
    Duration::from_millis(millis as u64)
}

pub(crate) type InNursery<'s, 'env> = Option<&'s Nursery<'s, 'env>>;

/// Runs the acts of a block. `n` is the innermost nursery, where code can name it.
pub(crate) fn block<'s, 'env: 's>(
    env: Arc<Env>,
    here: Here,
    n: InNursery<'s, 'env>,
    block: Block,
) -> Boxed<'s, Result<(), Failure>> {
    Box::pin(async move {
        // Dropped after what is left behind, which may panic on top of a failure.
        let mut kept = Kept { env: &env, failure: None };
        let mut left_behind = Vec::new();
        kept.failure = acts(&env, here, n, &block, &mut left_behind).await.err();
        drop(left_behind);
        kept.failure.take().map_or(Ok(()), Err)
    })
}

async fn acts<'s, 'env: 's>(
    env: &Arc<Env>,
    here: Here,
    n: InNursery<'s, 'env>,
    acts: &[Act],
    left_behind: &mut Vec<OnDropped>,
) -> Result<(), Failure> {
    for act in acts {
        env.note(What::Acts(here.body));
        match act {
            Act::Turn => turns(1).await,
            Act::ForeignSleep(millis) => env.runtime.sleep(ms(*millis)).await,
            Act::Forever => std::future::pending().await,
            Act::PassGate(gate) => {
                let gate = env.reach().gates.entry(*gate).or_default().clone();
                gate.passed().await;
            }
            Act::Checkpoint => checkpoint().await,
            Act::Sleep(millis) => {
                let until = env.runtime.elapsed() + ms(*millis);
                sleep(ms(*millis)).await?;
                if env.runtime.elapsed() != until {
                    env.note(What::Overslept(here.body));
                }
            }
            Act::Nest(inner) => nest(env, here, n, inner).await?,
            Act::Race(blocks) => race(env, here, n, blocks).await?,
            Act::Join(blocks) => join(env, here, n, blocks).await?,
            Act::Abandon(polls, inner) => abandon(block(env.clone(), here, n, inner.clone()), *polls).await?,
            Act::Carry(polls, inner) => carry(env, here, *polls, inner).await?,
            Act::Resume(scope) => {
                let left = env.reach().carried.remove(scope);
                if let Some(left) = left {
                    left.await?;
                }
            }
            Act::Told(scope) => {
                let canceller = env.reach().cancellers.get(scope).cloned();
                if let Some(canceller) = canceller {
                    canceller.cancelled().await;
                }
            }
            Act::Await(child) => await_handle(env, here, *child).await,
            Act::CloseOwned(owned) => close(env, here, *owned).await,
            Act::Serve(server) => serve(env, here, n, server).await,
            Act::Ask { service, how } => ask(env, here, *service, *how).await,
            Act::OnDrop { id, what } => {
                left_behind.push(OnDropped { env: env.clone(), body: here.body, id: *id, what: *what });
            }
            at_once => do_at_once(env, here, n, at_once)?,
        }
        match act {
            Act::Turn | Act::ForeignSleep(_) | Act::PassGate(_) => env.note(What::PassedForeign(here.body)),
            Act::Checkpoint | Act::Sleep(_) => env.note(What::PassedOurs(here.body)),
            _ => {}
        }
    }
    Ok(())
}

/// An act that waits for nothing.
fn do_at_once(env: &Arc<Env>, here: Here, n: InNursery<'_, '_>, act: &Act) -> Result<(), Failure> {
    match act {
        Act::OpenGate(gate) => {
            let gate = env.reach().gates.entry(*gate).or_default().clone();
            gate.open();
        }
        Act::Fail(id) => {
            if !here.quiet {
                env.note(What::Raised(Leaf::Error(*id)));
            }
            return Err(Boom(*id).into());
        }
        Act::Panic(id) => {
            if !here.quiet {
                env.note(What::Raised(Leaf::Panic(*id)));
            }
            start_panic(*id);
        }
        Act::Spawn(child) => spawn(env, here, n, child),
        Act::Discard(scope) => {
            let left = env.reach().carried.remove(scope);
            drop(left);
        }
        Act::LetGo(child) => {
            let handle = env.reach().handles.remove(child);
            drop(handle);
        }
        Act::Cancel { id, scope } => cancel(env, *id, *scope),
        Act::CancelChild { id, child } => {
            let handle = env.reach().handles.remove(child);
            if let Some(handle) = handle {
                let did = handle.cancel(format!("c{id}"));
                env.note(What::CancelledChild { by: *id, child: *child, did });
                env.reach().handles.insert(*child, handle);
            }
        }
        Act::Lift(scope) => {
            let canceller = env.reach().cancellers.get(scope).cloned();
            if canceller.is_some_and(|canceller| canceller.lift_shield()) {
                env.note(What::Lifted(*scope));
            }
        }
        Act::Deadline { scope, after } => {
            let canceller = env.reach().cancellers.get(scope).cloned();
            if let Some(canceller) = canceller {
                let at = after.map(|after| env.runtime.now() + ms(after));
                canceller.set_deadline(at);
                let at = after.map(|after| env.runtime.elapsed() + ms(after));
                env.note(What::DeadlineSet { scope: *scope, at });
            }
        }
        Act::Finalizer(finalizer) => add_finalizer(env, n, finalizer),
        Act::Own(id) => match OwnedScope::open(format!("s{id}")) {
            Ok(owned) => {
                let cancelled = scope_core::is_cancelled();
                env.opened(*id, owned.canceller(), Some(owned.spawner()));
                env.note(What::Opened { owned: *id, task: here.task, cancelled });
                env.reach().owned.insert(*id, owned);
            }
            Err(_) => env.note(What::NotOpened(*id)),
        },
        Act::DropOwned(owned) => {
            let guard = env.reach().owned.remove(owned);
            if let Some(guard) = guard {
                env.note(What::DroppedOwned { owned: *owned, task: here.task });
                drop(guard);
            }
        }
        Act::Foreign { id, nest } => foreign(env, *id, nest),
        Act::Abort(id) => {
            let handle = env.reach().foreign.remove(id);
            if let Some(handle) = handle {
                env.note(What::Aborting(*id));
                handle.abort();
            }
        }
        waiting => unreachable!("{waiting:?} waits"),
    }
    Ok(())
}

fn cancel(env: &Env, id: Id, scope: Id) {
    let canceller = env.reach().cancellers.get(&scope).cloned();
    if let Some(canceller) = canceller {
        let did = canceller.cancel(format!("c{id}"));
        env.note(What::Cancelled { by: id, scope, did });
    }
}

/// A nursery or another scope around a block, and what becomes of its failure.
pub(crate) async fn nest<'s, 'env: 's>(
    env: &Arc<Env>,
    here: Here,
    n: InNursery<'s, 'env>,
    nest: &Arc<Nest>,
) -> Result<(), Failure> {
    let (id, inner) = (nest.id, nest.block.clone());
    let within = nest.deadline.map(ms);
    let e = env.clone();
    let future: Boxed<'s, Result<(), Ended>> = match nest.kind {
        NestKind::Nursery => {
            let mut nursery = scope_test::nursery(async move |n: &Nursery<'_, 'static>| {
                e.opened(id, n.canceller(), Some(n.spawner()));
                let body = block(e.clone(), Here { body: id, ..here }, Some(n), inner);
                Body::new(&e.journal, &e.scopes, id, body).await
            })
            .named(format!("s{id}"));
            if let Some(within) = within {
                nursery = nursery.timeout(within);
            }
            if let Some(budget) = nest.budget {
                nursery = nursery.cleanup_budget(ms(budget));
            }
            Box::pin(nursery.map(|result| result.map_err(Ended::Scope)))
        }
        kind => {
            let (journal, scopes) = (e.journal.clone(), e.scopes.clone());
            let acts = block(e.clone(), Here { body: id, ..here }, n, inner);
            let body = Box::pin(async move {
                if let Some(canceller) = scope_core::canceller() {
                    e.opened(id, canceller, None);
                }
                acts.await
            });
            around(kind, within, Body::new(&journal, &scopes, id, body))
        }
    };
    let caught = |leaves: Vec<Leaf>| env.note(What::Caught(leaves));
    match Around::new(&env.journal, &env.scopes, id, future).await {
        Ok(()) | Err(Ended::MovedOn) => Ok(()),
        Err(Ended::Panicked(payload)) => {
            if !nest.caught {
                resume_unwind(payload);
            }
            caught(vec![leaf_of_panic(&*payload)]);
            Ok(())
        }
        Err(Ended::Block(failure)) => {
            if !nest.caught {
                return Err(failure);
            }
            caught(leaves_of_failure(&failure, &env.scopes));
            Ok(())
        }
        Err(Ended::Scope(error)) => {
            let early = error.leaves().is_empty();
            if !nest.caught {
                if early {
                    env.note(What::Raised(Leaf::Cut(id)));
                }
                return Err(error.into());
            }
            if !early {
                caught(leaves_of_error(&error, &env.scopes));
            }
            Ok(())
        }
    }
}

/// A scope without children of its own around a body.
fn around<'s>(kind: NestKind, within: Option<Duration>, body: Body<'s, ()>) -> Boxed<'s, Result<(), Ended>> {
    fn end(result: Result<Result<(), Failure>, ScopeError>) -> Result<(), Ended> {
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => Err(Ended::Block(failure)),
            Err(error) => Err(Ended::Scope(error)),
        }
    }
    let within_or_never = within.unwrap_or(Duration::MAX);
    match kind {
        NestKind::FailAfter | NestKind::Nursery => Box::pin(fail_after(within_or_never, body).map(end)),
        NestKind::MoveOn => Box::pin(move_on_after(within_or_never, body).map(|result| match result {
            Ok(None) => Err(Ended::MovedOn),
            Ok(Some(result)) => end(Ok(result)),
            Err(error) => end(Err(error)),
        })),
        NestKind::CancelScope { shielded } => {
            let mut scope = CancelScope::new();
            if shielded {
                scope = scope.shield();
            }
            if let Some(within) = within {
                scope = scope.timeout(within);
            }
            Box::pin(scope.run(body).map(end))
        }
        NestKind::Shield => Box::pin(shield(body).map(|result| end(Ok(result)))),
    }
}

async fn race<'s, 'env: 's>(
    env: &Arc<Env>,
    here: Here,
    n: InNursery<'s, 'env>,
    blocks: &[Block],
) -> Result<(), Failure> {
    let mut branches: Vec<_> = blocks.iter().map(|inner| block(env.clone(), here, n, inner.clone())).collect();
    // Kept while the losers are dropped, which may panic.
    let mut kept = Kept { env, failure: None };
    poll_fn(|cx| match branches.iter_mut().find_map(|branch| ready(branch.as_mut(), cx)) {
        Some(result) => {
            kept.failure = result.err();
            Poll::Ready(())
        }
        None => Poll::Pending,
    })
    .await;
    drop(branches);
    kept.failure.take().map_or(Ok(()), Err)
}

fn ready<F: Future + ?Sized>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Option<F::Output> {
    match future.poll(cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

async fn join<'s, 'env: 's>(
    env: &Arc<Env>,
    here: Here,
    n: InNursery<'s, 'env>,
    blocks: &[Block],
) -> Result<(), Failure> {
    let mut branches: Vec<_> = blocks.iter().map(|inner| Some(block(env.clone(), here, n, inner.clone()))).collect();
    let mut kept: Vec<Kept<'_>> = Vec::new();
    poll_fn(|cx| {
        for slot in &mut branches {
            if let Some(result) = slot.as_mut().and_then(|branch| ready(branch.as_mut(), cx)) {
                *slot = None;
                kept.extend(result.err().map(|failure| Kept { env, failure: Some(failure) }));
            }
        }
        if branches.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    match kept.first_mut().and_then(|first| first.failure.take()) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

async fn abandon(mut future: Boxed<'_, Result<(), Failure>>, polls: u32) -> Result<(), Failure> {
    for _ in 0..polls {
        if let Poll::Ready(result) = scope_test::poll_once(&mut future).await {
            return result;
        }
        turns(1).await;
    }
    Ok(())
}

async fn carry(env: &Arc<Env>, here: Here, polls: u32, inner: &Arc<Nest>) -> Result<(), Failure> {
    let (id, inside, inner) = (inner.id, env.clone(), inner.clone());
    let mut future: Boxed<'static, _> = Box::pin(async move { nest(&inside, here, None, &inner).await });
    for poll in 0..polls {
        if poll > 0 {
            turns(1).await;
        }
        if let Poll::Ready(result) = scope_test::poll_once(&mut future).await {
            return result;
        }
    }
    env.loose.store(true, Ordering::Relaxed);
    env.reach().carried.insert(id, future);
    Ok(())
}

fn spawn(env: &Arc<Env>, here: Here, n: InNursery<'_, '_>, child: &Arc<Spawn>) {
    let id = child.id;
    let local = child.kind == SpawnKind::Local;
    let inside = Here { body: id, task: id, quiet: here.quiet };
    let name = format!("t{id}");
    let spawner = match child.kind {
        SpawnKind::Into(scope) => env.reach().spawners.get(&scope).cloned(),
        SpawnKind::Local | SpawnKind::Erased => n.map(Nursery::spawner),
    };
    let Some(spawner) = spawner else { return };
    if let (true, Some(n)) = (local, n) {
        let body = Body::new(&env.journal, &env.scopes, id, child_body(env, inside, Some(n), child));
        if child.handle {
            let handle = n.task(name).spawn_local_with_handle(body);
            env.reach().handles.insert(id, handle);
        } else {
            n.task(name).spawn_local(body.map(|result| result.map(drop)));
        }
        return;
    }
    let body = Body::new(&env.journal, &env.scopes, id, child_body(env, inside, None, child));
    match (child.handle, child.kind, n) {
        (true, SpawnKind::Erased, Some(n)) => {
            let handle = n.task(name).spawn_erased_with_handle(body);
            env.reach().handles.insert(id, handle);
        }
        (false, SpawnKind::Erased, Some(n)) => n.task(name).spawn_erased(body.map(|result| result.map(drop))),
        (true, ..) => match spawner.task(name).spawn_erased_with_handle(body) {
            Ok(handle) => drop(env.reach().handles.insert(id, handle)),
            Err(_) => env.note(What::Refused(id)),
        },
        (false, ..) => {
            if spawner.task(name).spawn_erased(body.map(|result| result.map(drop))).is_err() {
                env.note(What::Refused(id));
            }
        }
    }
}

fn child_body<'s, 'env: 's>(
    env: &Arc<Env>,
    inside: Here,
    n: InNursery<'s, 'env>,
    child: &Spawn,
) -> Boxed<'s, Result<Value, Failure>> {
    let journal = env.journal.clone();
    let acts = block(env.clone(), inside, n, child.block.clone());
    Box::pin(acts.map(move |result| result.map(|()| Value { journal, id: inside.body })))
}

async fn await_handle(env: &Env, here: Here, child: Id) {
    let handle = env.reach().handles.remove(&child);
    if let Some(handle) = handle {
        env.note(What::HandleAwaited { by: here.body, child });
        let result = handle.await;
        env.note(What::Handle { task: child, result: result.as_ref().map(drop).map_err(|lost| *lost) });
    }
}

/// Notes that a foreign task has been destroyed.
struct ForeignGone {
    env: Arc<Env>,
    id: Id,
}

impl Drop for ForeignGone {
    fn drop(&mut self) {
        self.env.note(What::ForeignGone(self.id));
    }
}

fn foreign(env: &Arc<Env>, id: Id, inner: &Arc<Nest>) {
    let gone = ForeignGone { env: env.clone(), id };
    let inner = inner.clone();
    let (task, abort) = abortable(async move {
        let here = Here { body: id, task: id, quiet: false };
        // A nursery that catches: nothing comes out.
        let _ = nest(&gone.env, here, None, &inner).await;
    });
    env.reach().foreign.insert(id, abort);
    env.loose.store(true, Ordering::Relaxed);
    // The run goes on as long as its root does, which is what runs this.
    let _ = env.runtime.spawn(task.map(drop));
}

/// Acts when it is destroyed.
struct OnDropped {
    env: Arc<Env>,
    body: Id,
    id: Id,
    what: OnDrop,
}

impl Drop for OnDropped {
    fn drop(&mut self) {
        self.env.note(What::Acts(self.body));
        match self.what {
            OnDrop::Cancel(scope) => cancel(&self.env, self.id, scope),
            OnDrop::Spawn(scope) => {
                let child = Spawn {
                    id: self.id,
                    kind: SpawnKind::Into(scope),
                    handle: false,
                    block: Arc::new(vec![Act::Turn]),
                };
                let here = Here { body: self.body, task: self.body, quiet: false };
                spawn(&self.env, here, None, &Arc::new(child));
            }
            // A second panic on top of the first is the language's end.
            OnDrop::Panic if std::thread::panicking() => {}
            OnDrop::Panic => {
                self.env.note(What::Raised(Leaf::Panic(self.id)));
                start_panic(self.id);
            }
        }
    }
}

/// The task of the framework's that runs this.
pub(crate) fn task_id() -> Option<scope_core::TaskId> {
    task::id()
}
