//! What is being waited for, shown on stderr while it takes its time.

use std::fmt::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::stderr;

/// What is in progress. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    tasks: Vec<(u64, String, Instant)>,
    next: u64,
    ended: bool,
}

/// Something in progress, until it is dropped.
#[derive(Debug)]
pub(crate) struct Task {
    shared: Arc<Shared>,
    id: u64,
}

/// The thread that shows it all. Dropped, nothing is shown any more.
#[derive(Debug)]
pub(crate) struct Shown(Arc<Shared>);

/// What is over sooner than this is not shown at all.
const PATIENCE: Duration = Duration::from_millis(400);
const EVERY: Duration = Duration::from_millis(100);

impl Progress {
    /// Starts showing it, if there is a terminal to show it on.
    pub(crate) fn show(&self) -> Option<Shown> {
        if !stderr::can_show_progress() {
            return None;
        }
        let shared = self.0.clone();
        thread::Builder::new().name("progress".into()).spawn(move || shared.run()).ok()?;
        Some(Shown(self.0.clone()))
    }

    /// Something begins, such as `opening "files"`.
    pub(crate) fn task(&self, what: impl Into<String>) -> Task {
        let mut state = self.0.lock();
        state.next += 1;
        let id = state.next;
        state.tasks.push((id, what.into(), Instant::now()));
        self.0.changed.notify_all();
        Task { shared: self.0.clone(), id }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.shared.lock().tasks.retain(|(id, ..)| *id != self.id);
        self.shared.changed.notify_all();
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
        stderr::clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut frame = 0;
        let mut state = self.lock();
        while !state.ended {
            if state.tasks.is_empty() {
                stderr::clear();
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if let Some(line) = state.line(frame, Instant::now()) {
                // Under the lock: whoever ends the showing finds the screen clear afterwards.
                stderr::show_progress(&line);
            }
            frame += 1;
            let waited = self.changed.wait_timeout_while(state, EVERY, |state| !state.ended);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    /// The line to show: the oldest task first, and how many there are.
    fn line(&self, frame: usize, now: Instant) -> Option<String> {
        const FRAMES: [char; 4] = ['|', '/', '-', '\\'];
        let (_, first, since) = self.tasks.first()?;
        let elapsed = now.saturating_duration_since(*since);
        if elapsed < PATIENCE {
            return None;
        }
        let mut line = format!("{} {:.1} s: {first}", FRAMES[frame % FRAMES.len()], elapsed.as_secs_f64());
        for (_, task, _) in self.tasks.iter().skip(1).take(3) {
            _ = write!(line, ", {task}");
        }
        if self.tasks.len() > 4 {
            _ = write!(line, " and {} more", self.tasks.len() - 4);
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_shown_oldest_first() {
        let progress = Progress::default();
        let tasks: Vec<Task> = (0..6).map(|i| progress.task(format!("opening {i}"))).collect();
        let state = progress.0.lock();
        let start = state.tasks[0].2;
        assert_eq!(state.line(0, start), None);
        let line = state.line(1, start + Duration::from_millis(1500)).unwrap();
        assert_eq!(line, "/ 1.5 s: opening 0, opening 1, opening 2, opening 3 and 2 more");
        drop(state);
        drop(tasks);
        assert_eq!(progress.0.lock().line(0, start + Duration::from_secs(9)), None);
    }
}
