//! Tasks, in both forms: that of the core of the revision 2025-11-25, and that of the extension from 2026-07-28 on.

mod wire;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::number::read_maybe_whole;
use super::{InputRequests, InputResponses, Object};
use wire::AsSent;

/// Something that goes on at a peer after the request for it has been answered.
///
/// Both forms are read, and each is written as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "AsSent", into = "AsSent")]
#[non_exhaustive]
pub struct Task {
    /// Names it.
    pub task_id: String,
    /// How far it is.
    pub status: TaskStatus,
    /// For people, or a model.
    pub status_message: Option<String>,
    /// When it began: a moment as in ISO 8601, not checked.
    pub created_at: String,
    /// When it last changed: a moment as in ISO 8601, not checked.
    pub last_updated_at: String,
    /// How long it is kept, from its beginning, in milliseconds; for ever if `None`.
    pub ttl: Option<u64>,
    /// How long to wait before asking again, in milliseconds, if the peer says so.
    pub poll_interval: Option<u64>,
    /// What it waits for; in the extension, where the status is [`InputRequired`](TaskStatus::InputRequired).
    pub input_requests: Option<InputRequests>,
    /// Its result, as the request that began it would have had it; in the extension, where it is
    /// [`Completed`](TaskStatus::Completed).
    pub result: Option<Box<RawValue>>,
    /// The error that the request which began it would have had; in the extension, where it has
    /// [`Failed`](TaskStatus::Failed).
    pub error: Option<Box<RawValue>>,
    /// Which form it came in, or is to be written in.
    pub form: TaskForm,
    /// `_meta` of the result or the notification that it came in.
    pub meta: Option<Object>,
    /// What else came with it.
    pub extra: Object,
}

/// How far a [`Task`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskStatus {
    /// It goes on.
    Working,
    /// It waits for answers to its questions.
    InputRequired,
    /// It has a result; which may be that a tool failed.
    Completed,
    /// It ended with an error.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl TaskStatus {
    /// Whether it is over, and will not change any more.
    pub fn is_over(self) -> bool {
        matches!(self, TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled)
    }
}

/// The two forms of tasks, which name their times differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskForm {
    /// Of the core of the revision 2025-11-25: `ttl` and `pollInterval`.
    Core,
    /// Of the [extension](super::TASKS_EXTENSION) from the revision 2026-07-28 on: `ttlMs` and `pollIntervalMs`.
    Extension,
}

impl Task {
    /// A task that goes on, since `created_at` (a moment as in ISO 8601).
    pub fn new(form: TaskForm, task_id: impl Into<String>, created_at: impl Into<String>) -> Self {
        let created_at = created_at.into();
        Task {
            task_id: task_id.into(),
            status: TaskStatus::Working,
            status_message: None,
            last_updated_at: created_at.clone(),
            created_at,
            ttl: None,
            poll_interval: None,
            input_requests: None,
            result: None,
            error: None,
            form,
            meta: None,
            extra: Object::new(),
        }
    }

    /// Sets [`ttl`](Task::ttl), in milliseconds.
    #[must_use]
    pub fn ttl(mut self, milliseconds: u64) -> Self {
        self.ttl = Some(milliseconds);
        self
    }

    /// Sets [`poll_interval`](Task::poll_interval), in milliseconds.
    #[must_use]
    pub fn poll_interval(mut self, milliseconds: u64) -> Self {
        self.poll_interval = Some(milliseconds);
        self
    }
}

/// Instead of a result: the task that will have it.
///
/// In the core it is a field of the result, in the extension the result itself, marked by its `resultType`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "AsSent", into = "AsSent")]
#[non_exhaustive]
pub struct CreateTaskResult {
    /// The task.
    pub task: Task,
    /// `_meta` of the result, in the core; in the extension that is the task's.
    pub meta: Option<Object>,
    /// What else the peer sent beside the task, in the core; in the extension that is the task's.
    pub extra: Object,
}

impl CreateTaskResult {
    /// As it stands in `resultType`, in the extension.
    pub const RESULT_TYPE: &str = "task";
}

impl From<Task> for CreateTaskResult {
    fn from(task: Task) -> Self {
        CreateTaskResult { task, meta: None, extra: Object::new() }
    }
}

/// That a request shall become a task (2025-11-25).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskMetadata {
    /// How long it should be kept, in milliseconds from its beginning.
    #[serde(default, deserialize_with = "read_maybe_whole", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl TaskMetadata {
    /// To be kept as long as the peer likes.
    pub fn new() -> Self {
        TaskMetadata::default()
    }

    /// Sets [`ttl`](TaskMetadata::ttl), in milliseconds.
    #[must_use]
    pub fn ttl(mut self, milliseconds: u64) -> Self {
        self.ttl = Some(milliseconds);
        self
    }
}

/// Which task: the parameters of `tasks/get`, `tasks/cancel` and `tasks/result`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskParams {
    /// Which task.
    pub task_id: String,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl TaskParams {
    /// The task of that id.
    pub fn new(task_id: impl Into<String>) -> Self {
        TaskParams { task_id: task_id.into(), meta: None, extra: Object::new() }
    }
}

/// Answers to questions of a task: the parameters of `tasks/update`, in the extension.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UpdateTaskParams {
    /// Which task.
    pub task_id: String,
    /// The answers, by the keys of the questions.
    pub input_responses: InputResponses,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl UpdateTaskParams {
    /// Answers for the task of that id.
    pub fn new(task_id: impl Into<String>, input_responses: InputResponses) -> Self {
        UpdateTaskParams { task_id: task_id.into(), input_responses, meta: None, extra: Object::new() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::decode::decode;

    fn round_trip<T: serde::de::DeserializeOwned + Serialize>(json: &str) -> T {
        let value: T = decode(json).unwrap();
        let before: Value = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_value(&value).unwrap(), before);
        value
    }

    #[test]
    fn both_forms_are_read_and_written_back_as_they_came() {
        let core: Task = round_trip(
            r#"{"taskId":"a","status":"working","createdAt":"t","lastUpdatedAt":"t","ttl":null,"pollInterval":5,"x":1}"#,
        );
        assert_eq!((core.form, core.ttl, core.poll_interval), (TaskForm::Core, None, Some(5)));
        let extension: Task = round_trip(
            r#"{"taskId":"a","status":"completed","statusMessage":"done","createdAt":"t","lastUpdatedAt":"t","ttlMs":60000,
                "result":{"content":[]},"resultType":"complete","_meta":{"a":1}}"#,
        );
        assert_eq!((extension.form, extension.ttl), (TaskForm::Extension, Some(60_000)));
        assert_eq!(extension.result.unwrap().get(), r#"{"content":[]}"#);
        assert!(extension.status.is_over() && !core.status.is_over());
        let asks: Task = round_trip(
            r#"{"taskId":"a","status":"input_required","createdAt":"t","lastUpdatedAt":"t","ttlMs":null,"pollIntervalMs":1,
                "inputRequests":{"k":{"method":"roots/list"}}}"#,
        );
        assert_eq!((asks.form, asks.input_requests.unwrap()["k"].method.as_str()), (TaskForm::Extension, "roots/list"));
    }

    #[test]
    fn a_task_instead_of_a_result_is_read_in_both_forms() {
        let core: CreateTaskResult = round_trip(
            r#"{"task":{"taskId":"a","status":"working","createdAt":"t","lastUpdatedAt":"t","ttl":1},"_meta":{"m":1},"x":2}"#,
        );
        assert_eq!((core.task.task_id.as_str(), core.meta.unwrap().len(), core.extra.len()), ("a", 1, 1));
        let extension: CreateTaskResult = round_trip(
            r#"{"resultType":"task","taskId":"b","status":"working","createdAt":"t","lastUpdatedAt":"t","ttlMs":1,"_meta":{},
                "x":2}"#,
        );
        assert_eq!((extension.task.task_id.as_str(), extension.task.form), ("b", TaskForm::Extension));
        let ours = CreateTaskResult::from(Task::new(TaskForm::Extension, "c", "t").ttl(7).poll_interval(8));
        assert_eq!(
            serde_json::to_value(ours).unwrap(),
            serde_json::json!({ "resultType": "task", "taskId": "c", "status": "working", "createdAt": "t",
                                "lastUpdatedAt": "t", "ttlMs": 7, "pollIntervalMs": 8 })
        );
        let ours = CreateTaskResult::from(Task::new(TaskForm::Core, "c", "t"));
        assert_eq!(
            serde_json::to_value(ours).unwrap(),
            serde_json::json!({ "task": { "taskId": "c", "status": "working", "createdAt": "t", "lastUpdatedAt": "t",
                                          "ttl": null } })
        );
    }

    #[test]
    fn what_a_task_lacks_is_named() {
        for (json, named) in [
            (r#"{"status":"working","createdAt":"t","lastUpdatedAt":"t","ttl":1}"#, "`taskId`"),
            (r#"{"taskId":"a","createdAt":"t","lastUpdatedAt":"t","ttl":1}"#, "`status`"),
            (r#"{"taskId":"a","status":"working","lastUpdatedAt":"t","ttl":1}"#, "`createdAt`"),
            (r#"{"taskId":"a","status":"working","createdAt":"t","ttl":1}"#, "`lastUpdatedAt`"),
            (
                r#"{"taskId":"a","status":"asleep","createdAt":"t","lastUpdatedAt":"t"}"#,
                "status: unknown variant `asleep`",
            ),
            (r#"{"taskId":"a","status":"working","createdAt":"t","lastUpdatedAt":"t","ttlMs":-1}"#, "ttlMs: -1 is not"),
        ] {
            let error = decode::<Task>(json).unwrap_err();
            assert!(error.contains(named), "{json}: {error}");
        }
        let error = decode::<CreateTaskResult>(r#"{"task":{"taskId":1}}"#).unwrap_err();
        assert!(error.starts_with("task.taskId: "), "{error}");
        assert!(decode::<CreateTaskResult>(r#"{"content":[]}"#).unwrap_err().contains("`taskId`"));
    }
}
