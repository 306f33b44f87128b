//! One task: how far it is, what it asks, and what came of it.
//!
//! ```text
//! working ⇄ input_required
//!    └──────────┴────────→ completed | failed | cancelled   and nothing after that
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use event_listener::Event;
use serde_json::{Value, json};

use super::super::changes::{Change, Watchers};
use super::super::timestamp::timestamp;
use crate::jsonrpc::Rejection;
use crate::model::{InputRequests, Object, Task, TaskForm, TaskStatus};
use crate::peer::{Cancel, Outcome};

/// What stands in for the result of a cancelled task.
const CANCELLED: i64 = -32000;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Job {
    id: Box<str>,
    ttl: Duration,
    /// When it is forgotten; never if that is beyond what a clock shows.
    until: Option<Instant>,
    state: Mutex<State>,
    /// Of any change.
    changed: Event,
    /// Of what runs for it.
    cancel: Cancel,
    form: TaskForm,
    watchers: Arc<Watchers>,
}

#[derive(Debug)]
struct State {
    task: Task,
    outcome: Option<Outcome>,
    /// Answers to what it asks now, as far as they are there.
    given: BTreeMap<String, Value>,
    /// Requests to the client that are on their way.
    waiting: usize,
}

/// While it is there, a task waits for its client.
#[derive(Debug)]
pub(crate) struct Waits<'a>(&'a Job);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.wait(|waiting| waiting - 1);
    }
}

impl Job {
    pub(super) fn new(task: Task, ttl: Duration, now: Instant, watchers: Arc<Watchers>) -> Job {
        let form = task.form;
        Job {
            id: task.task_id.as_str().into(),
            ttl,
            until: now.checked_add(ttl),
            state: Mutex::new(State { task, outcome: None, given: BTreeMap::new(), waiting: 0 }),
            changed: Event::new(),
            cancel: Cancel::default(),
            form,
            watchers,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn form(&self) -> TaskForm {
        self.form
    }

    /// How long it may take.
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// How far it is now.
    pub(crate) fn task(&self) -> Task {
        let state = self.state();
        let mut task = state.task.clone();
        if task.form == TaskForm::Core {
            // There the questions are requests, and what came of it is asked for separately.
            (task.input_requests, task.result, task.error) = (None, None, None);
        }
        task
    }

    /// What came of it; `is_error` if that is a result by which a tool says that it failed. Whether that counts: nothing
    /// does after the end.
    pub(crate) fn finish(&self, outcome: Outcome, is_error: bool, clock: SystemTime) -> bool {
        self.change(clock, |state| {
            match &outcome {
                Ok(result) => {
                    // The core calls that a failed task. The extension keeps the word for errors of the protocol.
                    let failed = is_error && state.task.form == TaskForm::Core;
                    state.task.status = if failed { TaskStatus::Failed } else { TaskStatus::Completed };
                    state.task.result = serde_json::from_str(result.get()).ok();
                }
                Err(rejection) => {
                    state.task.status = TaskStatus::Failed;
                    state.task.status_message = rejection.message().map(str::to_owned);
                    state.task.error = Some(rejection.raw().to_owned());
                }
            }
            state.outcome = Some(outcome);
        })
    }

    /// It is wanted no more, and what runs for it is to end. Whether that counts.
    pub(crate) fn cancel(&self, why: &'static str, clock: SystemTime) -> bool {
        let counts = self.change(clock, |state| {
            state.task.status = TaskStatus::Cancelled;
            state.task.status_message = Some(why.to_owned());
            state.outcome = Some(Err(Rejection::new(CANCELLED, why)));
        });
        self.cancel.cancel(why);
        counts
    }

    /// What is told to end when it is cancelled.
    pub(crate) fn canceller(&self) -> &Cancel {
        &self.cancel
    }

    /// It cannot go on without these answers.
    pub(crate) fn ask(&self, questions: InputRequests, clock: SystemTime) -> bool {
        self.change(clock, |state| {
            state.task.status = TaskStatus::InputRequired;
            state.task.input_requests = Some(questions);
            state.given.clear();
        })
    }

    /// In the core, where a question is a request: it waits for one more answer, until what comes back is dropped.
    pub(crate) fn waits_for_client(&self) -> Waits<'_> {
        self.wait(|waiting| waiting + 1);
        Waits(self)
    }

    fn wait(&self, change: impl FnOnce(usize) -> usize) {
        self.change(SystemTime::now(), |state| {
            state.waiting = change(state.waiting);
            let waits = state.waiting > 0;
            state.task.status = if waits { TaskStatus::InputRequired } else { TaskStatus::Working };
        });
    }

    /// What a message that belongs to it says of it, as JSON.
    pub(crate) fn related(&self) -> String {
        json!({ "taskId": self.id }).to_string()
    }

    /// Takes answers to what it asks; others are ignored.
    pub(crate) fn give(&self, answers: Object, clock: SystemTime) {
        {
            let mut state = self.state();
            if state.task.status != TaskStatus::InputRequired {
                return;
            }
            let State { task, given, .. } = &mut *state;
            let Some(asked) = &mut task.input_requests else { return };
            for (key, answer) in answers {
                if asked.remove(&key).is_some() {
                    given.insert(key, answer);
                }
            }
            task.last_updated_at = timestamp(clock);
            if asked.is_empty() {
                task.input_requests = None;
                task.status = TaskStatus::Working;
            }
        }
        self.tell();
    }

    /// Waits until all that it asked is answered, or it is over: then there is nothing.
    pub(crate) async fn answers(&self) -> Option<BTreeMap<String, Value>> {
        self.until(|state| match state.task.status {
            TaskStatus::InputRequired => None,
            TaskStatus::Working => Some(Some(std::mem::take(&mut state.given))),
            _ => Some(None),
        })
        .await
    }

    /// Waits until it is over.
    pub(crate) async fn outcome(&self) -> Outcome {
        self.until(|state| state.outcome.clone()).await
    }

    async fn until<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            if let Some(it) = ready(&mut self.state()) {
                return it;
            }
            let changed = self.changed.listen();
            if let Some(it) = ready(&mut self.state()) {
                return it;
            }
            changed.await;
        }
    }

    fn change(&self, clock: SystemTime, change: impl FnOnce(&mut State)) -> bool {
        {
            let mut state = self.state();
            if state.task.status.is_over() {
                return false;
            }
            change(&mut state);
            state.task.last_updated_at = timestamp(clock);
            if state.task.status.is_over() {
                state.task.input_requests = None;
                state.given.clear();
            }
        }
        self.tell();
        true
    }

    fn tell(&self) {
        self.changed.notify(usize::MAX);
        self.watchers.tell(&Change::Task(self.id.as_ref().to_owned()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use crate::jsonrpc::Json;
    use futures_util::FutureExt;

    use super::*;
    use crate::model::InputRequest;

    fn job(form: TaskForm) -> Job {
        Job::new(Task::new(form, "a", "t"), Duration::from_secs(60), Instant::now(), Arc::default())
    }

    fn clock(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn result() -> Outcome {
        Ok(Json::trusted("{\"n\":1}".to_owned()))
    }

    fn questions(keys: &[&str]) -> InputRequests {
        keys.iter().map(|key| ((*key).to_owned(), InputRequest::new("roots/list", None))).collect()
    }

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_came_of_it_comes_once_and_stays() {
        let job = job(TaskForm::Extension);
        assert!(job.outcome().now_or_never().is_none());
        assert!(job.finish(result(), false, clock(7)));
        assert!(!job.finish(Err(Rejection::internal("x")), false, clock(8)) && !job.cancel("late", clock(8)));
        assert!(!job.ask(questions(&["q"]), clock(8)));
        drop(job.waits_for_client());
        let task = job.task();
        assert_eq!((task.status, task.last_updated_at.as_str()), (TaskStatus::Completed, "1970-01-01T00:00:07.000Z"));
        assert_eq!(task.result.unwrap().get(), "{\"n\":1}");
        for _ in 0..2 {
            assert_eq!(job.outcome().now_or_never().unwrap().unwrap().get(), "{\"n\":1}");
        }
    }

    #[test]
    fn a_failure_and_a_cancellation_say_why() {
        let failed = job(TaskForm::Extension);
        failed.finish(Err(Rejection::internal("broken")), false, clock(1));
        let task = failed.task();
        assert_eq!((task.status, task.status_message.as_deref()), (TaskStatus::Failed, Some("broken")));
        assert_eq!(task.error.unwrap().get(), r#"{"code":-32603,"message":"broken"}"#);
        let cancelled = job(TaskForm::Core);
        assert!(cancelled.cancel("not wanted", clock(1)));
        let task = cancelled.task();
        assert_eq!((task.status, task.status_message.as_deref()), (TaskStatus::Cancelled, Some("not wanted")));
        assert_eq!(cancelled.outcome().now_or_never().unwrap().unwrap_err().message(), Some("not wanted"));
    }

    #[test]
    fn in_the_core_a_task_holds_no_result_of_its_own() {
        let job = job(TaskForm::Core);
        job.finish(result(), false, clock(1));
        assert!(job.task().result.is_none() && job.task().status == TaskStatus::Completed);
    }

    #[test]
    fn a_tool_that_says_it_failed_fails_its_task_in_the_core_only() {
        for (form, status) in [(TaskForm::Core, TaskStatus::Failed), (TaskForm::Extension, TaskStatus::Completed)] {
            let job = job(form);
            job.finish(result(), true, clock(1));
            assert_eq!(job.task().status, status);
            assert!(job.outcome().now_or_never().unwrap().is_ok());
        }
    }

    #[test]
    fn it_waits_until_all_it_asked_is_answered() {
        let job = job(TaskForm::Extension);
        assert!(job.ask(questions(&["a", "b"]), clock(1)));
        assert!(job.answers().now_or_never().is_none());
        job.give(object(json!({ "a": 1, "never asked": 2 })), clock(2));
        let task = job.task();
        assert_eq!((task.status, task.input_requests.unwrap().len()), (TaskStatus::InputRequired, 1));
        job.give(object(json!({ "a": 9 })), clock(3));
        assert!(job.answers().now_or_never().is_none());
        job.give(object(json!({ "b": 2 })), clock(4));
        assert!(job.task().input_requests.is_none() && job.task().status == TaskStatus::Working);
        let answers = job.answers().now_or_never().unwrap().unwrap();
        assert_eq!(answers, BTreeMap::from([("a".to_owned(), json!(1)), ("b".to_owned(), json!(2))]));
        job.give(object(json!({ "a": 3 })), clock(5));
        assert_eq!(job.answers().now_or_never().unwrap(), Some(BTreeMap::new()), "nothing is asked now");
    }

    #[test]
    fn in_the_core_it_waits_while_a_question_is_on_its_way() {
        let job = job(TaskForm::Core);
        let (one, two) = (job.waits_for_client(), job.waits_for_client());
        drop(one);
        assert_eq!(job.task().status, TaskStatus::InputRequired);
        drop(two);
        assert_eq!(job.task().status, TaskStatus::Working);
    }

    #[test]
    fn one_that_is_cancelled_while_it_asks_has_no_answers() {
        let job = job(TaskForm::Extension);
        job.ask(questions(&["a"]), clock(1));
        job.cancel("not wanted", clock(2));
        assert_eq!(job.answers().now_or_never(), Some(None));
        job.give(object(json!({ "a": 1 })), clock(3));
        assert!(job.task().input_requests.is_none() && job.task().status == TaskStatus::Cancelled);
    }
}
