//! The service's task: it opens, serves and ends, each in a scope of its own.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Service, ServiceError, ServiceHandle};
use crate::adopt;
use crate::block::{Block, Ended, Outcome};
use crate::error::{PanicPayload, SpawnError};
use crate::event::{self, EventKind};
use crate::finalizer::Exit;
use crate::mailbox::{self, Core, Inbox, Why};
use crate::name::Name;
use crate::origin::{Kind, Origin};
use crate::raw::frame;
use crate::record::printed;
use crate::scope::Scope;
use crate::spawner::{Place, start_service};
use crate::task::{TaskRef, at_checkpoint};
use crate::waits::At;

/// Starts a service's task in `scope`.
pub(crate) fn serve<E: crate::Fault, S: Service>(
    place: Place<'_, E>,
    service: S,
    location: &'static Location<'static>,
) -> (ServiceHandle<S>, Result<(), SpawnError>) {
    let scope = place.scope();
    let name = service.name();
    let task = TaskRef::fresh(Some(name.clone()), location);
    let (core, inbox) = mailbox::pair::<S>(name, service.backlog(), scope.runtime().cloned());
    let closable: Arc<dyn crate::scope::Closable> = core.clone();
    let weak = Arc::downgrade(&closable);
    // Before it is begun, because it may end at once.
    let number = scope.add_service(weak);
    let run = Run { core: Some(core.clone()), why: Why::Aborted, scope: scope.clone(), number };
    let result = start_service(scope, task, run.run(service, inbox, location));
    if let Err(error) = &result {
        core.not_started(error.clone());
    }
    (ServiceHandle::new(core), result)
}

/// Waits until a service is open. Dropped before that, it asks for the end, and the scope it is dropped in waits for it.
pub(crate) fn opened<S: Service>(
    handle: ServiceHandle<S>,
) -> impl Future<Output = Result<ServiceHandle<S>, ServiceError>> + Send + use<S> {
    struct GivenUp<S: Service>(Option<ServiceHandle<S>>);

    impl<S: Service> Drop for GivenUp<S> {
        fn drop(&mut self) {
            if let Some(handle) = self.0.take() {
                handle.begin_close();
                handle.core().have_waited_for();
            }
        }
    }

    impl<S: Service> GivenUp<S> {
        fn take(mut self) -> Option<ServiceHandle<S>> {
            self.0.take()
        }
    }

    let waiting = GivenUp(Some(handle.clone()));
    async move {
        let ready = handle.ready().await;
        drop(waiting.take());
        ready.map(|_| handle)
    }
}

/// The service's task. Dropped before its end, it tells those who wait.
struct Run<S: Service> {
    core: Option<Arc<Core<S>>>,
    why: Why,
    /// Where it was opened.
    scope: Arc<Scope>,
    /// What it is there, among the services.
    number: u64,
}

impl<S: Service> Drop for Run<S> {
    fn drop(&mut self) {
        self.scope.remove_service(self.number);
        if let Some(core) = self.core.take() {
            // The last: a request of a user's may panic when it is dropped.
            core.end(self.why.clone(), Err(self.why.clone()));
        }
    }
}

impl<S: Service> Run<S> {
    async fn run(mut self, service: S, inbox: Inbox<S::Request>, location: &'static Location<'static>) {
        let Some(core) = self.core.clone() else { return };
        let mut origin = Origin::new(Kind::Service, location);
        origin.name = Some(core.name.clone());
        origin.parent = self.scope.clone().into();
        origin.budget = service.cleanup_budget().unwrap_or(self.scope.budget);
        let mut block = pin!(Block::new(origin, live(&core, service, inbox, location)));
        let outcome = poll_fn(|cx| core.in_poll(|| block.as_mut().poll(cx))).await;
        let (why, report) = match outcome.ended {
            Ended::Done(end) => end,
            // The three phases catch their own panics; a service is not cut.
            Ended::Panicked(_) | Ended::Cancelled(_) | Ended::NoClock(_) => (Why::Aborted, Err(Why::Aborted)),
        };
        adopt::bequeath(&outcome.scope, outcome.records);
        self.core = None;
        core.end(why, report);
    }
}

/// The three phases, each in a scope of its own.
async fn live<S: Service>(
    core: &Arc<Core<S>>,
    mut service: S,
    mut inbox: Inbox<S::Request>,
    location: &'static Location<'static>,
) -> (Why, Result<S::Report, Why>) {
    let own = frame::here(|place| place.map(|(_, scope)| scope.make()));
    if let Some(own) = &own {
        core.set_scope(own.clone());
    }
    let phase = |name: &'static str, kind| {
        let mut origin = Origin::new(kind, location);
        origin.name = Some(Name::from(format!("{name} {}", core.name)));
        origin
    };

    let opening = Block::new(phase("opening", Kind::Phase), until_closing(core, service.open()));
    let mut why = match settle(opening.await) {
        Ok(Some(Ok(info))) => {
            core.opened(info);
            if event::observed()
                && let Some(own) = &own
            {
                event::tell(EventKind::Ready, own, crate::task::current(), location);
            }
            None
        }
        Ok(Some(Err(failure))) => Some(Why::OpenFailed(Arc::new(failure))),
        Ok(None) => Some(Why::Asked),
        Err(why) => Some(why),
    };
    if why.is_none() {
        let serving = Block::new(phase("serving", Kind::Phase), service.serve(&mut inbox));
        why = Some(match settle(serving.await) {
            Ok(Ok(())) => Why::Asked,
            Ok(Err(failure)) => Why::Failed(Arc::new(failure)),
            Err(why) => why,
        });
    }
    let mut why = why.unwrap_or(Why::Asked);
    core.begin_end(&why);
    // Requests that nobody will serve are dropped, which tells those who asked. `end` is for after that, also where one panics.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| inbox.shut()))
        && matches!(why, Why::Asked)
    {
        why = panicked(payload);
    }
    if event::observed()
        && let (Some(own), Why::OpenFailed(_) | Why::Failed(_) | Why::Panicked(_)) = (&own, &why)
    {
        event::tell(EventKind::Failed(text_of(core, &why)), own, crate::task::current(), location);
    }

    let mut ending = phase("ending", Kind::CleanUp);
    if let Some(own) = &own
        && let Some(runtime) = own.runtime()
    {
        ending.set_timeout(runtime.now(), own.budget);
    }
    let exit = match &why {
        Why::Asked => Exit::Ok,
        Why::Cancelled(reason) => Exit::Cancelled(reason.clone()),
        Why::Panicked(text) => Exit::Panicked(text.clone()),
        other => Exit::Failed(Name::from(text_of(core, other))),
    };
    let report = settle(Block::new(ending, service.end(exit)).await);
    (why, report)
}

/// The value of a phase, or why there is none. What failed in it beside goes to the scope around.
fn settle<T>(outcome: Outcome<T>) -> Result<T, Why> {
    let Outcome { ended, records, scope } = outcome;
    adopt::bequeath(&scope, records);
    match ended {
        Ended::Done(value) => Ok(value),
        Ended::Cancelled(reason) => Err(Why::Cancelled(reason)),
        // The phases have no deadline but `end`, which has one only where there is a clock.
        Ended::NoClock(_) => Err(Why::Aborted),
        Ended::Panicked(payload) => Err(panicked(payload)),
    }
}

/// What those who ask are told. Printing an error of the service's may panic: `end` is called all the same.
fn text_of<S: Service>(core: &Core<S>, why: &Why) -> String {
    let error = ServiceError::new(core.name.clone(), why.clone());
    printed(&error)
        .unwrap_or_else(|payload| format!("service {} failed, and printing it panicked: {payload}", core.name))
}

fn panicked(payload: Box<dyn Any + Send>) -> Why {
    Why::Panicked(Name::from(PanicPayload::new(payload).message().to_owned()))
}

/// Runs `opening` until it ends or the end is asked for; `None` in the latter case.
async fn until_closing<S: Service, F: Future>(core: &Core<S>, opening: F) -> Option<F::Output> {
    let mut opening = pin!(opening);
    // In a cancelled scope it is the cancellation that ends this, not a handle that goes with it.
    let mut closing = pin!(at_checkpoint(At::Foreign, core.closing()));
    poll_fn(|cx: &mut Context<'_>| {
        if closing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        opening.as_mut().poll(cx).map(Some)
    })
    .await
}
