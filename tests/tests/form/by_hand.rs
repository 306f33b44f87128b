//! A runtime whose tasks are polled by the test, each time with the waker that the test chooses.

use std::any::Any;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use scope_core::rt::{self, Refused, Runtime, Task, Timer};

/// What it does with a task that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Keeps it, to be polled by [`ByHand::turn`].
    Keep,
    /// Polls it once before `spawn` returns, and keeps it.
    PollAtOnce,
    /// Polls it once, and forgets it where it lies.
    PollAndForget,
    /// Drops it, and says that it has taken it.
    DropInSilence,
    /// Panics, with the task in its hands.
    Panic,
}

#[derive(Clone, Debug)]
pub(crate) struct ByHand {
    habit: Habit,
    tasks: Arc<Mutex<Tasks>>,
}

#[derive(Default)]
struct Tasks(VecDeque<Task>);

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tasks", self.0.len())
    }
}

impl ByHand {
    pub(crate) fn new(habit: Habit) -> Self {
        ByHand { habit, tasks: Arc::default() }
    }

    pub(crate) fn handle(&self) -> rt::Handle {
        rt::Handle::new(self.clone())
    }

    /// Polls every task once, with a waker each. True while any is left.
    pub(crate) fn turn(&self, mut waker: impl FnMut() -> Waker) -> bool {
        let tasks = std::mem::take(&mut self.tasks.lock().unwrap().0);
        for mut task in tasks {
            let waker = waker();
            // A task that panics is dropped by its unwinding: the core's own never do.
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                self.tasks.lock().unwrap().0.push_back(task);
            }
        }
        !self.tasks.lock().unwrap().0.is_empty()
    }

    /// Drops what it has been given, as a runtime that shuts down does.
    pub(crate) fn drop_tasks(&self) {
        let tasks = std::mem::take(&mut self.tasks.lock().unwrap().0);
        drop(tasks);
    }
}

/// Never elapses.
struct Never;

impl Timer for Never {
    fn poll_elapsed(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn reset(self: Pin<&mut Self>, _: Instant) {}
}

impl Runtime for ByHand {
    fn name(&self) -> &'static str {
        "by hand"
    }

    fn spawn(&self, mut task: Task) -> Result<(), Refused> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.habit {
            Habit::Keep => self.tasks.lock().unwrap().0.push_back(task),
            Habit::PollAtOnce => {
                if task.as_mut().poll(&mut cx).is_pending() {
                    self.tasks.lock().unwrap().0.push_back(task);
                }
            }
            Habit::PollAndForget => {
                let _ = task.as_mut().poll(&mut cx);
                std::mem::forget(task);
            }
            Habit::DropInSilence => drop(task),
            Habit::Panic => panic!("the runtime's own panic"),
        }
        Ok(())
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send + 'static>) -> Result<(), Refused> {
        work();
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self, _: Instant) -> Pin<Box<dyn Timer>> {
        Box::pin(Never)
    }

    #[cfg(unix)]
    fn watch(&self, _: std::os::fd::OwnedFd) -> std::io::Result<Box<dyn rt::Io>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn can_block(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
