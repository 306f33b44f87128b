//! Calls that go on after they were answered: the tasks of one connection.
//!
//! They are kept here, so many and for so long, and run in the connection's nursery: when that ends, so do they.

mod answer;
mod job;
mod run;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::changes::{Changes, Watchers};
use super::page::{BadCursor, Listed, Page};
use crate::model::{Task, TaskForm};
pub(super) use answer::{About, answer};
pub(crate) use job::Job;
pub(super) use run::{NewTask, begin, form, require_extension, wanted};

/// How many tasks there are, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskBounds {
    pub(crate) max: usize,
    /// The longest time one is kept, from its beginning.
    pub(crate) longest: Duration,
    pub(crate) poll_interval: Duration,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Tasks {
    bounds: TaskBounds,
    jobs: Mutex<Listed<Job>>,
    watchers: Arc<Watchers>,
}

/// Why there is no new task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTask {
    /// So many there are.
    Full(usize),
    /// The system has no random numbers for its name.
    NoName,
}

impl Tasks {
    pub(crate) fn new(bounds: TaskBounds) -> Tasks {
        Tasks { bounds, jobs: Mutex::new(Listed::new(b'k')), watchers: Arc::default() }
    }

    /// A new task, at work, to be kept for as long as was asked for if that is not too long.
    pub(super) fn begin(
        &self,
        form: TaskForm,
        ttl: Option<Duration>,
        now: Instant,
        clock: SystemTime,
    ) -> Result<Arc<Job>, NoTask> {
        let TaskBounds { max, longest, poll_interval } = self.bounds;
        let ttl = ttl.unwrap_or(longest).min(longest);
        let id = name().ok_or(NoTask::NoName)?;
        let mut task = Task::new(form, &*id, super::timestamp::timestamp(clock)).ttl(millis(ttl));
        task.poll_interval = Some(millis(poll_interval));
        let job = Arc::new(Job::new(task, ttl, now, Arc::clone(&self.watchers)));
        let gone = {
            let mut jobs = self.jobs();
            let gone = expired(&mut jobs, now);
            if jobs.len() >= max {
                drop(jobs);
                return Err(NoTask::Full(max));
            }
            // A name that is taken is one in 2^128.
            jobs.add(&id, &job).map_err(|_| NoTask::NoName)?;
            gone
        };
        drop(gone);
        Ok(job)
    }

    /// The task of that id and form, if it is kept still.
    pub(super) fn get(&self, form: TaskForm, id: &str, now: Instant) -> Option<Arc<Job>> {
        self.jobs().get(id).filter(|job| job.form() == form && !job.is_expired(now))
    }

    /// Changes of tasks, from now on, of those that are watched.
    pub(super) fn watch(&self) -> Changes {
        self.watchers.watch()
    }

    pub(super) fn page(&self, cursor: Option<&str>, size: usize, now: Instant) -> Result<Page<Job>, BadCursor> {
        let mut jobs = self.jobs();
        let gone = expired(&mut jobs, now);
        let page = jobs.page(cursor, size);
        drop(jobs);
        drop(gone);
        page
    }

    /// Cancels those that run: nobody will hear of them.
    pub(crate) fn end(&self) {
        let all: Vec<_> = self.jobs().iter().cloned().collect();
        for job in all {
            job.cancel("the connection is over", SystemTime::now());
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Listed<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes out those whose time is over, to be dropped without the lock.
fn expired(jobs: &mut Listed<Job>, now: Instant) -> Vec<Arc<Job>> {
    let over: Vec<_> = jobs.iter().filter(|job| job.is_expired(now)).cloned().collect();
    for job in &over {
        jobs.remove(job.id());
    }
    over
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A name that nobody can guess: whoever knows it may ask for the result.
fn name() -> Option<String> {
    use std::fmt::Write as _;
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let mut name = String::with_capacity(32);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(max: usize) -> Tasks {
        let (longest, poll_interval) = (Duration::from_secs(60), Duration::from_secs(1));
        Tasks::new(TaskBounds { max, longest, poll_interval })
    }

    fn begin(tasks: &Tasks, ttl: Option<u64>, now: Instant) -> Result<Arc<Job>, NoTask> {
        tasks.begin(TaskForm::Core, ttl.map(Duration::from_secs), now, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn so_many_are_kept_and_for_so_long() {
        let (tasks, now) = (tasks(2), Instant::now());
        let short = begin(&tasks, Some(10), now).unwrap();
        let long = begin(&tasks, Some(1000), now).unwrap();
        assert_eq!((short.task().ttl, long.task().ttl), (Some(10_000), Some(60_000)), "no longer than the longest");
        assert_eq!(begin(&tasks, None, now).unwrap_err(), NoTask::Full(2));
        let later = now + Duration::from_secs(10);
        let get = |job: &Job| tasks.get(TaskForm::Core, job.id(), later);
        assert!(get(&short).is_none() && get(&long).is_some());
        assert!(tasks.get(TaskForm::Extension, long.id(), later).is_none(), "those are not told of each other");
        assert_eq!(begin(&tasks, None, later).unwrap().task().ttl, Some(60_000));
        assert_eq!(tasks.page(None, 9, now + Duration::from_secs(60)).unwrap().entries.len(), 1);
    }

    #[test]
    fn names_cannot_be_guessed_and_pages_have_their_order() {
        let (tasks, now) = (tasks(9), Instant::now());
        let ids: Vec<_> = (0..5).map(|_| begin(&tasks, None, now).unwrap().id().to_owned()).collect();
        assert!(ids.iter().all(|id| id.len() == 32));
        let first = tasks.page(None, 3, now).unwrap();
        let second = tasks.page(first.next_cursor.as_deref(), 3, now).unwrap();
        let listed: Vec<_> = first.entries.iter().chain(&second.entries).map(|job| job.id().to_owned()).collect();
        assert_eq!(listed, ids);
        assert!(tasks.page(Some("no"), 3, now).is_err() && tasks.get(TaskForm::Core, "no", now).is_none());
    }
}
