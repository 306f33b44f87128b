//! The loop that takes the steps, and the end of a run.
//!
//! A run ends in this order: the orphan root settles; the root's future is dropped; outside threads are waited for, after
//! a good end only; the run is closed, and what is left is noted: tasks, scopes, timers; what is left is dropped.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::config::Config;
use crate::error::{Repeat, Report};
use crate::runtime::{Entered, TestRuntime};
use crate::scheduler::{Label, Scheduler, Stop};
use crate::state::{LAST_EVENTS, Payload, Work};
use crate::trace::{TaskNumber, What};

pub(crate) fn drive<T>(config: Config, root: impl AsyncFnOnce(TestRuntime) -> T) -> Report<T> {
    let scheduler = Scheduler::new(config);
    let runtime = TestRuntime::new(scheduler.clone());
    let entered = Entered::new(runtime.clone());
    // Of this run only: other tests of the process run beside it.
    let handle = runtime.handle();
    let scopes = || scope_core::tree::dump_of(&handle);
    scheduler.add(Work::Root, Label::default()).expect("a new run takes work");

    // Kept apart from the outcome: if the run fails after all, the value is dropped last.
    let mut value = None;
    let mut outcome = {
        // `async` so that the function itself, too, is called within a step, and dropped with the future.
        let mut future = pin!(Some(async {
            let handle = runtime.handle();
            value = Some(root(runtime).await);
            // What was dropped with no scope around it is part of the run.
            handle.settled().await;
        }));
        let mut outcome = steps(&scheduler, future.as_mut());
        if let Err(Stop::Failed(error)) = &mut outcome {
            // Before the scopes are dropped with the root.
            error.0.scopes = scopes();
        }
        then(outcome, catch(|| future.set(None)).map_err(Stop::Panicked))
    };
    scheduler.remove(TaskNumber::ROOT, What::Ended { task: TaskNumber::ROOT });
    if outcome.is_ok() {
        outcome = then(outcome, scheduler.close(scopes));
    }
    outcome = then(outcome, drop_all_left(&scheduler));
    drop(entered);

    let state = scheduler.lock();
    let (place, trace, last) = (state.place(), state.trace(), state.last_events(LAST_EVENTS));
    let first_choices = state.first_choices();
    drop(state);
    let result = match outcome {
        Ok(()) => Ok(value.expect("a root that ended has left its value")),
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Panicked(payload)) => {
            eprintln!("the run of scope-test panicked: {place}; the last events:");
            for line in last {
                eprintln!("  {line}");
            }
            eprintln!("{}", Repeat(place.seed));
            resume_unwind(payload);
        }
    };
    Report { result, trace, steps: place.steps, elapsed: place.at, first_choices }
}

/// Keeps what went wrong first, except that a panic is never hidden by a report.
fn then(outcome: Result<(), Stop>, next: Result<(), Stop>) -> Result<(), Stop> {
    match (outcome, next) {
        (Ok(()), next) => next,
        (Err(Stop::Failed(_)), Err(stop @ Stop::Panicked(_))) => Err(stop),
        (Err(stop), _) => Err(stop),
    }
}

fn catch<R>(run: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(run))
}

fn steps(scheduler: &Arc<Scheduler>, mut root: Pin<&mut Option<impl Future<Output = ()>>>) -> Result<(), Stop> {
    loop {
        let (number, work, waker) = scheduler.next()?;
        let mut cx = Context::from_waker(&waker);
        match work {
            Work::Root => {
                let future = root.as_mut().as_pin_mut().expect("the root is dropped after the last step only");
                match catch(|| future.poll(&mut cx)) {
                    Ok(Poll::Ready(())) => return Ok(()),
                    Ok(Poll::Pending) => scheduler.lock().root_parked(),
                    Err(payload) => return Err(Stop::Panicked(payload)),
                }
            }
            Work::Task(mut task) => match catch(|| task.as_mut().poll(&mut cx)) {
                Ok(Poll::Pending) => scheduler.lock().put_back(number, task),
                Ok(Poll::Ready(())) => end(scheduler, number, catch(|| drop(task)))?,
                Err(payload) => {
                    // A second panic, in its destructor, is told by the panic hook; the first one counts.
                    let dropped = catch(|| drop(task));
                    end(scheduler, number, Err(payload))?;
                    drop(dropped);
                }
            },
            Work::Blocking(job) => end(scheduler, number, catch(job))?,
            Work::Away => unreachable!("ready work is not in hand: there is one driver"),
        }
    }
}

fn end(scheduler: &Scheduler, task: TaskNumber, how: Result<(), Payload>) -> Result<(), Stop> {
    let what = if how.is_ok() { What::Ended { task } } else { What::Panicked { task } };
    scheduler.remove(task, what);
    how.map_err(Stop::Panicked)
}

/// Drops what is left.
fn drop_all_left(scheduler: &Scheduler) -> Result<(), Stop> {
    let left = {
        let mut state = scheduler.lock();
        state.closed = true;
        state.left()
    };
    let mut outcome = Ok(());
    for task in left {
        let gone = scheduler.lock().take_left(task);
        outcome = then(outcome, catch(|| drop(gone)).map_err(Stop::Panicked));
    }
    let mut state = scheduler.lock();
    state.current = None;
    let wakers = state.take_timers();
    drop(state);
    then(outcome, catch(|| drop(wakers)).map_err(Stop::Panicked))
}
