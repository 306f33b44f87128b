//! One run of a program with one seed.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use scope_core::event::{self, EventKind, ObserverGuard};
use scope_test::Config;

use crate::interpret::{Env, Here, nest};
use crate::journal::{Entry, Journal, What};
use crate::program::{Program, ROOT};

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) entries: Vec<Entry>,
    /// Why the run as a whole failed: a deadlock, something left behind, a panic that nobody should have seen.
    pub(crate) broken: Option<String>,
    pub(crate) steps: u64,
}

thread_local! {
    /// The journal of the run on this thread. Observers are for the whole process, runs are not.
    static SINK: RefCell<Option<Journal>> = const { RefCell::new(None) };
}

/// Puts the framework's own events into the journal of the run that they happen in.
fn observe() {
    static OBSERVER: OnceLock<ObserverGuard> = OnceLock::new();
    OBSERVER.get_or_init(|| {
        event::observe(|event| {
            let Some(journal) = SINK.with_borrow(Clone::clone) else { return };
            journal.add(match event.kind() {
                EventKind::Opened => What::SawOpened(event.scope().id()),
                EventKind::Closed => What::SawClosed(event.scope().id()),
                EventKind::Violated(_) => What::SawViolation(event.scope().to_string()),
                EventKind::Lost(what) => What::SawLost(what.clone()),
                _ => return,
            });
        })
    });
}

/// A run takes so many steps for each act at the most: it waits, it does not poll.
const STEPS: u64 = 200_000;

pub(crate) fn run(program: &Program, seed: u64) -> Report {
    observe();
    let mut journal = None;
    let config = Config::new(seed).step_limit(STEPS).trace_limit(200);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        config.try_block_on(async |runtime| {
            let journal = &*journal.insert(Journal::new(runtime.clone()));
            SINK.set(Some(journal.clone()));
            let env = Env::new(runtime, journal.clone());
            let here = Here { body: ROOT, task: ROOT, quiet: false };
            // The root catches what fails in it.
            let _ = nest(&env, here, None, &program.root).await;
            env.wind_up().await;
        })
    }));
    SINK.set(None);
    let entries = journal.map_or_else(Vec::new, |journal| journal.take());
    match ran {
        Ok(report) => {
            let broken = report.result().err().map(ToString::to_string);
            Report { entries, broken, steps: report.steps() }
        }
        Err(payload) => Report { entries, broken: Some(format!("a panic got out: {}", text(&*payload))), steps: 0 },
    }
}

fn text(payload: &(dyn Any + Send)) -> &str {
    scope_tests::panic_text(payload)
}
