use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{CreateTaskResult, Task, TaskForm, TaskStatus};
use crate::model::number::read_maybe_whole;
use crate::model::{InputRequests, Object};

/// A task, or a result that is or has one, of either form: all fields may be there, so that they are read, and named,
/// before it is known which it is.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AsSent {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<Task>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<TaskStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_updated_at: Option<String>,
    /// `null` says: for ever.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    ttl: Option<Option<u64>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<Option<u64>>,
    #[serde(default, deserialize_with = "read_maybe_whole", skip_serializing_if = "Option::is_none")]
    poll_interval: Option<u64>,
    #[serde(default, deserialize_with = "read_maybe_whole", skip_serializing_if = "Option::is_none")]
    poll_interval_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input_requests: Option<InputRequests>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Box<RawValue>>,
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Object>,
    #[serde(flatten)]
    extra: Object,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    read_maybe_whole(deserializer).map(Some)
}

/// The types of results that tasks stand in.
const RESULT_TYPE: &str = "resultType";

impl TryFrom<AsSent> for Task {
    type Error = &'static str;

    fn try_from(sent: AsSent) -> Result<Task, Self::Error> {
        let AsSent { result_type, task, ttl, ttl_ms, poll_interval, poll_interval_ms, mut extra, .. } = sent;
        let form = if ttl_ms.is_some() || poll_interval_ms.is_some() || result_type.is_some() {
            TaskForm::Extension
        } else {
            TaskForm::Core
        };
        if let Some(kind) = result_type {
            extra.insert(RESULT_TYPE.to_owned(), kind.into());
        }
        if let Some(task) = task.and_then(|task| serde_json::to_value(task).ok()) {
            extra.insert("task".to_owned(), task);
        }
        Ok(Task {
            task_id: sent.task_id.ok_or("missing field `taskId`")?,
            status: sent.status.ok_or("missing field `status`")?,
            status_message: sent.status_message,
            created_at: sent.created_at.ok_or("missing field `createdAt`")?,
            last_updated_at: sent.last_updated_at.ok_or("missing field `lastUpdatedAt`")?,
            ttl: ttl_ms.or(ttl).flatten(),
            poll_interval: poll_interval_ms.or(poll_interval),
            input_requests: sent.input_requests,
            result: sent.result,
            error: sent.error,
            form,
            meta: sent.meta,
            extra,
        })
    }
}

impl From<Task> for AsSent {
    fn from(task: Task) -> AsSent {
        let core = task.form == TaskForm::Core;
        AsSent {
            // What it was is in `extra`.
            result_type: None,
            task: None,
            task_id: Some(task.task_id),
            status: Some(task.status),
            status_message: task.status_message,
            created_at: Some(task.created_at),
            last_updated_at: Some(task.last_updated_at),
            ttl: core.then_some(task.ttl),
            ttl_ms: (!core).then_some(task.ttl),
            poll_interval: task.poll_interval.filter(|_| core),
            poll_interval_ms: task.poll_interval.filter(|_| !core),
            input_requests: task.input_requests,
            result: task.result,
            error: task.error,
            meta: task.meta,
            extra: task.extra,
        }
    }
}

impl TryFrom<AsSent> for CreateTaskResult {
    type Error = &'static str;

    fn try_from(mut sent: AsSent) -> Result<CreateTaskResult, Self::Error> {
        if let Some(task) = sent.task.take() {
            return Ok(CreateTaskResult { task, meta: sent.meta, extra: sent.extra });
        }
        let mut task = Task::try_from(sent)?;
        // Written again from what it is.
        task.extra.shift_remove(RESULT_TYPE);
        Ok(CreateTaskResult::from(task))
    }
}

impl From<CreateTaskResult> for AsSent {
    fn from(result: CreateTaskResult) -> AsSent {
        let CreateTaskResult { task, meta, extra } = result;
        match task.form {
            TaskForm::Core => AsSent { task: Some(task), meta, extra, ..AsSent::default() },
            TaskForm::Extension => {
                AsSent { result_type: Some(CreateTaskResult::RESULT_TYPE.to_owned()), ..AsSent::from(task) }
            }
        }
    }
}
