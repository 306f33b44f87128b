use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::number::{no_float, write_float, write_maybe_float};
use super::{LogMessage, Object, ResourceParams, Task, setters};

/// Something a server said without being asked.
#[derive(Clone, Debug)]
pub struct Notification {
    method: Box<str>,
    params: Option<Box<RawValue>>,
}

impl Notification {
    pub(crate) fn new(method: Cow<'_, str>, params: Option<&RawValue>) -> Self {
        Notification { method: method.into(), params: params.map(ToOwned::to_owned) }
    }

    /// Which one: `notifications/progress`, for example.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Bytes that it takes up, about.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.method.len() + self.params.as_ref().map_or(0, |raw| raw.get().len())
    }

    /// Its parameters, as they stood on the wire.
    pub fn params(&self) -> Option<&RawValue> {
        self.params.as_deref()
    }

    /// The progress of a request, if that is what it is, and well formed.
    pub fn as_progress(&self) -> Option<Progress> {
        self.read("notifications/progress")
    }

    /// A log message, if that is what it is, and well formed.
    pub fn as_log_message(&self) -> Option<LogMessage> {
        self.read("notifications/message")
    }

    /// Which resource has changed, if it says that, and well formed.
    pub fn as_resource_updated(&self) -> Option<ResourceParams> {
        self.read("notifications/resources/updated")
    }

    /// How far a task is, if it says that, and well formed; in both forms of tasks.
    pub fn as_task(&self) -> Option<Task> {
        self.read("notifications/tasks").or_else(|| self.read("notifications/tasks/status"))
    }

    fn read<'a, T: Deserialize<'a>>(&'a self, method: &str) -> Option<T> {
        if *self.method != *method {
            return None;
        }
        serde_json::from_str(self.params.as_deref()?.get()).ok()
    }
}

/// How far a request has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Progress {
    /// Which request: the token that went out with it.
    pub progress_token: Value,
    /// How far. Grows.
    #[serde(serialize_with = "write_float")]
    pub progress: f64,
    /// How far it will go, if known.
    #[serde(default, serialize_with = "write_maybe_float", skip_serializing_if = "no_float")]
    pub total: Option<f64>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl Progress {
    /// The request with that token has come so far. A number that is not finite cannot be written.
    pub fn new(token: impl Into<Value>, progress: f64) -> Self {
        Progress {
            progress_token: token.into(),
            progress,
            total: None,
            message: None,
            meta: None,
            extra: Object::new(),
        }
    }

    /// Sets [`total`](Progress::total).
    #[must_use]
    pub fn total(mut self, total: f64) -> Self {
        self.total = Some(total);
        self
    }

    setters!(Progress { message: String });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(method: &str, params: &str) -> Notification {
        Notification::new(method.to_owned().into(), Some(serde_json::from_str(params).unwrap()))
    }

    #[test]
    fn a_notification_is_read_by_its_method_only() {
        let progress = notification("notifications/progress", r#"{"progressToken":7,"progress":0.5,"total":1}"#);
        let read = progress.as_progress().unwrap();
        assert_eq!((read.progress_token, read.progress, read.total), (7.into(), 0.5, Some(1.0)));
        assert!(progress.as_log_message().is_none());
        assert!(notification("notifications/message", r#"{"progressToken":7,"progress":0.5}"#).as_progress().is_none());
        assert!(notification("notifications/progress", r#"{"progress":"x"}"#).as_progress().is_none());
        let log = notification("notifications/message", r#"{"level":"info","data":{"a":1}}"#).as_log_message().unwrap();
        assert_eq!((log.level.as_str(), &log.data["a"]), ("info", &1.into()));
    }

    #[test]
    fn what_has_changed_is_named() {
        let updated = notification("notifications/resources/updated", r#"{"uri":"file:///a","_meta":{"b":1}}"#);
        assert_eq!(updated.as_resource_updated().unwrap().uri, "file:///a");
        assert!(updated.as_task().is_none());
        let task = r#"{"taskId":"t","status":"working","createdAt":"c","lastUpdatedAt":"c"}"#;
        for method in ["notifications/tasks", "notifications/tasks/status"] {
            assert_eq!(notification(method, task).as_task().unwrap().task_id, "t");
        }
        assert!(notification("notifications/tasks", r#"{"taskId":"t"}"#).as_task().is_none());
    }
}
