//! Clean-up that is left for a task of the runtime's own: what belongs to it and was dropped elsewhere.
//!
//! Invariant: once closed, nothing is put in, and what was in has been handed to the runtime.

use std::sync::{Arc, PoisonError};
use std::task::Context;

use crate::raw::late::Late;
use crate::rt::Task;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{AtomicWaker, Mutex, MutexGuard};

pub(crate) struct TaskMail {
    /// Something was put in, or is still running. Changed under the lock.
    any: AtomicBool,
    /// None: closed.
    left: Mutex<Option<Vec<Task>>>,
    owner: AtomicWaker,
}

impl TaskMail {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Task>>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves `task` for the owner to run.
    ///
    /// # Errors
    /// `task` itself, where the owner has ended.
    pub(crate) fn post(&self, task: Task) -> Result<(), Task> {
        {
            let mut left = self.lock();
            let Some(left) = &mut *left else { return Err(task) };
            left.push(task);
            self.any.store(true, Ordering::Release);
        }
        self.owner.wake();
        Ok(())
    }

    fn close(&self) -> Vec<Task> {
        let left = self.lock().take();
        drop(self.owner.take());
        left.unwrap_or_default()
    }
}

/// The mail of one task. Allocates when the first owned scope is opened in it.
#[derive(Default)]
pub(crate) struct MailCell(Late<TaskMail>);

impl MailCell {
    pub(crate) fn new() -> Self {
        MailCell(Late::new())
    }

    #[inline]
    pub(crate) fn is_made(&self) -> bool {
        self.0.get().is_some()
    }

    pub(crate) fn get(&self) -> Arc<TaskMail> {
        self.0.share(|| TaskMail {
            any: AtomicBool::new(false),
            left: Mutex::new(Some(Vec::new())),
            owner: AtomicWaker::new(),
        })
    }

    /// Runs what was left for the owner, who is being polled.
    #[inline]
    pub(crate) fn poll(&self, cx: &mut Context<'_>) {
        if let Some(mail) = self.0.get() {
            Self::poll_tasks(mail, cx);
        }
    }

    #[cold]
    fn poll_tasks(mail: &TaskMail, cx: &mut Context<'_>) {
        mail.owner.register(cx.waker());
        while mail.any.load(Ordering::Acquire) {
            let tasks = {
                let mut left = mail.lock();
                mail.any.store(false, Ordering::Release);
                left.as_mut().map(std::mem::take).unwrap_or_default()
            };
            let mut running = Vec::new();
            for mut task in tasks {
                if task.as_mut().poll(cx).is_pending() {
                    running.push(task);
                }
            }
            let mut left = mail.lock();
            let came = left.as_ref().is_some_and(|left| !left.is_empty());
            if let Some(left) = &mut *left {
                left.extend(running);
                mail.any.store(!left.is_empty(), Ordering::Release);
            }
            if !came {
                break;
            }
        }
    }

    /// The owner has ended: what it has not run goes back.
    pub(crate) fn close(&self) -> Vec<Task> {
        self.0.get().map_or_else(Vec::new, TaskMail::close)
    }
}
