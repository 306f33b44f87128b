//! Adoption: what a scope leaves behind when its future is dropped before its end.
//!
//! A drop cannot await, so it hands over: the scope is cancelled, and the nearest scope around it that is still open
//! counts it as a child and does not return before its children have ended and its finalizers have run. Where there is
//! none, the orphan root of the runtime takes it: [`rt::Handle::settled`](crate::rt::Handle::settled).

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::closing::Closing;
use crate::error::PanicPayload;
use crate::event::{self, EventKind};
use crate::finalizer::{Exit, Finalizer};
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::reason::CancelCause;
use crate::record::{Record, RecordCause};
use crate::rt::{self, Task};
use crate::scope::{Part, Scope};
use crate::task::TaskRef;
use crate::task_mail::TaskMail;

/// Takes over a scope whose body has just been dropped. Never blocks.
pub(crate) fn hand_over(scope: Arc<Scope>, closing: Closing) {
    if let Some(adopted) = adopt(scope, closing) {
        run_anywhere(adopted);
    }
}

/// Takes over scopes that are to end in this order, each when the one before it has. Never blocks.
///
/// `tell` says that it came to this. It is called when they are cancelled and counted, and before anything runs for them: who
/// has seen them cleaned up finds it told. A panic of it comes out when they are on their way.
pub(crate) fn hand_over_in_order(scopes: Vec<(Arc<Scope>, Closing)>, tell: impl FnOnce()) {
    adopt_all_and(scopes, tell, run_anywhere);
}

/// The same for owned scopes that were dropped elsewhere: the task that opened them runs it, where there still is one.
pub(crate) fn hand_over_to_home(scopes: Vec<(Arc<Scope>, Closing)>, mail: Option<&Arc<TaskMail>>, tell: impl FnOnce()) {
    adopt_all_and(scopes, tell, |chain| run_at_home(chain, mail));
}

fn run_at_home(chain: Chain, mail: Option<&Arc<TaskMail>>) {
    let Some(mail) = mail else {
        // Part of the task that polls the scope it was opened in, which waits for it.
        let mut around = chain.around();
        while let Some(scope) = around.take_if(|scope| scope.kind() == Kind::Owned) {
            around = scope.parent().cloned();
        }
        return match around.filter(|scope| chain.is_waited_for() && !scope.is_handed_over()) {
            Some(scope) => scope.post(Box::pin(chain)),
            None => run_anywhere(chain),
        };
    };
    // A task of the runtime's own.
    let runtime = chain.runtime();
    if let Err(chain) = mail.post(Box::pin(chain)) {
        run_boxed(chain, runtime, None);
    }
}

/// Runs a finalizer of a scope that has closed: in a scope of its own inside it, which is handed over.
pub(crate) fn run_at_once(closed: &Arc<Scope>, finalizer: Finalizer) {
    let mut origin = Origin::new(Kind::Block, finalizer.location);
    origin.name = Some(finalizer.name.clone());
    origin.parent = closed.clone().into();
    origin.home = closed.home().cloned();
    origin.budget = closed.budget;
    let scope = Scope::open(&origin);
    scope.tell_opened();
    scope.add_finalizer(|| finalizer);
    hand_over(scope, Closing::new());
}

/// Runs it on the runtime; without one, by whoever polls the heir.
fn run_anywhere(adopted: impl Cleans) {
    let (runtime, heir) = (adopted.runtime(), adopted.heir());
    run_boxed(Box::pin(adopted), runtime, heir);
}

fn run_boxed(task: Task, runtime: Option<rt::Handle>, heir: Option<Arc<Scope>>) {
    match (runtime, heir) {
        // A runtime that has shut down drops it, and its drop reports that.
        (Some(runtime), _) => drop(runtime.spawn(task)),
        (None, Some(heir)) => heir.post(task),
        (None, None) => drop(task),
    }
}

/// What is to be run to its end for scopes that were dropped.
trait Cleans: Future<Output = ()> + Send + 'static {
    fn runtime(&self) -> Option<rt::Handle>;
    fn heir(&self) -> Option<Arc<Scope>>;
}

fn adopt_all_and(scopes: Vec<(Arc<Scope>, Closing)>, tell: impl FnOnce(), run: impl FnOnce(Chain)) {
    let left: VecDeque<_> =
        scopes.into_iter().filter_map(|(scope, closing)| adopt(scope, closing)).map(Box::pin).collect();
    let told = catch_unwind(AssertUnwindSafe(tell));
    if !left.is_empty() {
        run(Chain { left });
    }
    if let Err(payload) = told {
        resume_unwind(payload);
    }
}

/// Cancels a scope and finds it an heir. None if there is nothing to wait for, or somebody else has taken it over.
fn adopt(scope: Arc<Scope>, closing: Closing) -> Option<Adopted> {
    // Counted before anybody can see that it is handed over: a scope around that ends just now either waits, or has taken this
    // one in before. An owned one was counted when it was opened.
    let heir = if scope.kind() == Kind::Owned { None } else { heir(&scope) };
    if !scope.note_handed_over() {
        give_back(heir);
        return None;
    }
    // Asked before the children are told: whether there was something to adopt is not to hang on how fast they end.
    let idle = closing.is_untouched() && scope.close_if_idle();
    if !scope.cancel(CancelCause::Dropped, Name::new(""), scope.id().location()) {
        // Cancelled before: whoever still polls it has not been told that this is not theirs any more.
        scope.wake_host();
    }
    if idle {
        // Nothing to wait for: the loser of a `select!` costs no task.
        let records = scope.take_records();
        bequeath(&scope, records);
        scope.ended();
        count_out_owned(&scope);
        give_back(heir);
        return None;
    }
    let heir = if scope.kind() == Kind::Owned { scope.parent().cloned() } else { heir };
    if event::observed() {
        let heir = heir.as_ref().map(|heir| heir.id().clone());
        event::tell(EventKind::Adopted(heir), &scope, scope.home().cloned(), scope.id().location());
    }
    if heir.is_none()
        && let Some(runtime) = scope.runtime()
    {
        runtime.orphans().add(scope.id().clone());
    }
    Some(Adopted { scope, closing: closing.adopted(), heir, over: false })
}

/// An owned scope has ended: the scope around need not wait for it any longer.
pub(crate) fn count_out_owned(scope: &Scope) {
    if scope.kind() == Kind::Owned
        && let Some(parent) = scope.parent()
    {
        parent.leave(Part::Child);
    }
}

/// The nearest scope around that is still open, which has counted the new child in.
fn heir(scope: &Scope) -> Option<Arc<Scope>> {
    let mut around = scope.parent();
    while let Some(candidate) = around {
        if candidate.admit(Part::Child).is_ok() {
            return Some(candidate.clone());
        }
        around = candidate.parent();
    }
    None
}

/// It is not needed any more.
fn give_back(heir: Option<Arc<Scope>>) {
    if let Some(heir) = heir {
        heir.leave(Part::Child);
    }
}

/// Gives what failed in a scope that cannot return it to the nearest scope around that is still open, as secondary
/// failures: they cancel nobody.
pub(crate) fn bequeath(scope: &Scope, records: Vec<Record>) {
    if records.is_empty() {
        return;
    }
    let heir = heir(scope);
    settle(heir.as_ref(), scope, records);
    give_back(heir);
}

/// Records what went wrong for a task that has ended: in its scope, which is cancelled for it; or, where that has closed, in
/// the nearest scope around that is open, as a secondary failure.
pub(crate) fn record_now(scope: &Arc<Scope>, task: &TaskRef, cause: RecordCause) {
    record_for(scope, task, cause, false);
}

/// The same, as a secondary failure in any case.
pub(crate) fn record_late(scope: &Arc<Scope>, task: &TaskRef, cause: RecordCause) {
    record_for(scope, task, cause, true);
}

fn record_for(scope: &Arc<Scope>, task: &TaskRef, cause: RecordCause, secondary: bool) {
    let (path, location, task) = (scope.child_path(task), task.location(), Some(task.clone()));
    let record = Record { path, location, task, cause, secondary };
    // Held open for the moment.
    if scope.admit(Part::Child).is_ok() {
        scope.fail(record, !secondary);
        scope.leave(Part::Child);
    } else {
        bequeath(scope, vec![record]);
    }
}

/// [`bequeath`] where there is such a scope.
///
/// # Errors
/// What failed, where there is none.
pub(crate) fn bequeath_to_open(scope: &Scope, records: Vec<Record>) -> Result<(), Vec<Record>> {
    if records.is_empty() {
        return Ok(());
    }
    let Some(heir) = heir(scope) else { return Err(records) };
    settle(Some(&heir), scope, records);
    heir.leave(Part::Child);
    Ok(())
}

fn settle(heir: Option<&Arc<Scope>>, scope: &Scope, records: Vec<Record>) {
    for mut record in records {
        match heir {
            Some(heir) => {
                if let RecordCause::CleanUp(printed) = record.cause {
                    record.cause = RecordCause::Adopted(printed);
                }
                record.secondary = true;
                heir.fail(record, false);
            }
            None => lost(scope, &format!("{}: {}", record.path, record.cause), record.location),
        }
    }
}

fn lost(scope: &Scope, what: &str, location: &'static Location<'static>) {
    if event::observed() {
        event::tell(EventKind::Lost(what.to_owned()), scope, scope.home().cloned(), location);
    }
}

/// A dropped scope on its way to its end.
pub(crate) struct Adopted {
    scope: Arc<Scope>,
    closing: Closing,
    heir: Option<Arc<Scope>>,
    over: bool,
}

impl Adopted {
    fn over(&mut self) {
        self.over = true;
        let records = self.scope.take_records();
        settle(self.heir.as_ref(), &self.scope, records);
        self.scope.ended();
        match self.heir.take() {
            Some(heir) => heir.leave(Part::Child),
            None => {
                if let Some(runtime) = self.scope.runtime() {
                    runtime.orphans().remove(self.scope.id().id());
                }
            }
        }
    }
}

impl Future for Adopted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(());
        }
        let scope = &this.scope;
        let mut exit = || {
            // What had gone wrong before it was dropped is how it ended.
            scope.failed_exit().unwrap_or_else(|| scope.reason().map_or(Exit::Ok, Exit::Cancelled))
        };
        ready!(this.closing.poll(scope, &mut exit, cx));
        this.over();
        Poll::Ready(())
    }
}

impl Cleans for Adopted {
    fn runtime(&self) -> Option<rt::Handle> {
        self.scope.runtime().cloned()
    }

    fn heir(&self) -> Option<Arc<Scope>> {
        self.heir.clone()
    }
}

/// Dropped scopes that end one after the other.
struct Chain {
    left: VecDeque<Pin<Box<Adopted>>>,
}

impl Chain {
    /// The scope that the outermost of them is in.
    fn around(&self) -> Option<Arc<Scope>> {
        self.left.back()?.scope.parent().cloned()
    }

    /// Whether a scope waits for the outermost of them.
    fn is_waited_for(&self) -> bool {
        self.left.back().is_some_and(|adopted| adopted.heir.is_some())
    }
}

impl Cleans for Chain {
    fn runtime(&self) -> Option<rt::Handle> {
        self.left.back()?.scope.runtime().cloned()
    }

    fn heir(&self) -> Option<Arc<Scope>> {
        self.left.back()?.heir.clone()
    }
}

impl Future for Chain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(adopted) = self.left.front_mut() {
            ready!(adopted.as_mut().poll(cx));
            self.left.pop_front();
        }
        Poll::Ready(())
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (children, services) = self.scope.live();
        let cut = self.scope.finalizing();
        let finalizers: Vec<_> = self.scope.finalizers_left().into_iter().map(|(name, _)| name).collect();
        let scope = self.scope.clone();
        let why = match scope.runtime() {
            Some(runtime) => format!("{} has shut down", runtime.name()),
            None => "no runtime is known".to_owned(),
        };
        if children + services > 0 || cut.is_some() || !finalizers.is_empty() {
            let cut = cut.map_or_else(String::new, |(name, _)| format!("finalizer {name:?} was cut short, "));
            lost(
                &scope,
                &format!(
                    "{why}, so {children} children and {services} services were not waited for, {cut}and these \
                     finalizers did not run: {finalizers:?}"
                ),
                scope.id().location(),
            );
        }
        // Destroyed before anybody is told that all is over.
        let closing = std::mem::replace(&mut self.closing, Closing::new());
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(closing))) {
            let cause = RecordCause::Panicked(PanicPayload::new(payload));
            let (path, location) = (scope.own_path(), scope.id().location());
            scope.fail(Record { path, location, task: None, cause, secondary: true }, false);
        }
        // The finalizers' own destructors are the last that can be done for what they hold.
        while scope.pop_finalizer().is_some() {}
        self.over();
    }
}
