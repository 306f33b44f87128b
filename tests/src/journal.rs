//! What happened, in order.

use std::sync::{Arc, Mutex, PoisonError};

use scope_core::task;

/// What happened, in the order it happened, whichever thread it happened on. Clones are the same journal.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    /// An empty one.
    pub fn new() -> Self {
        Journal::default()
    }

    /// Adds a line.
    pub fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.into());
    }

    /// What adds `line` when it is dropped.
    #[must_use = "dropped at once, it adds its line at once"]
    pub fn on_drop(&self, line: impl Into<String>) -> Note {
        Note { journal: self.clone(), line: line.into(), with_task: false }
    }

    /// What adds `line` and the name of the task it is dropped in, as `line@task`, or `line@nowhere`.
    #[must_use = "dropped at once, it adds its line at once"]
    pub fn on_drop_with_task(&self, line: impl Into<String>) -> Note {
        Note { journal: self.clone(), line: line.into(), with_task: true }
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether `line` was added.
    pub fn has(&self, line: &str) -> bool {
        self.count(line) > 0
    }

    /// How often `line` was added.
    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|l| *l == line).count()
    }

    /// Fails unless these lines, in this order, are all there is.
    #[track_caller]
    pub fn assert_is(&self, lines: &[&str]) {
        assert_eq!(self.lines(), lines);
    }
}

/// A line of a [`Journal`] to be.
#[derive(Debug)]
pub struct Note {
    journal: Journal,
    line: String,
    with_task: bool,
}

impl Drop for Note {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if self.with_task {
            line.push('@');
            match task::current() {
                Some(task) => line.push_str(&task.to_string()),
                None => line.push_str("nowhere"),
            }
        }
        self.journal.add(line);
    }
}
