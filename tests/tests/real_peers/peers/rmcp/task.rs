//! A task, as the modern era has them: it asks for a name while it goes on, and ends when that is there.

use std::sync::{Mutex, PoisonError};

use rmcp::ErrorData;
use rmcp::model::{
    CreateTaskResult, DetailedTask, ElicitResult, GetTaskResult, Task, TaskPayload, TaskStatus, UpdateTaskParams,
};

use super::{answer, greeting, questions, wrong};

const ID: &str = "the only one";

/// The answer, once it is there.
#[derive(Default)]
pub(super) struct Greeting(Mutex<Option<ElicitResult>>);

impl Greeting {
    /// There is one at a time.
    pub(super) fn begins(&self) -> CreateTaskResult {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        CreateTaskResult::new(task())
    }

    pub(super) fn is_at(&self, id: &str) -> Result<GetTaskResult, ErrorData> {
        known(id)?;
        let payload = match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => TaskPayload::InputRequired { input_requests: questions() },
            Some(answer) => match serde_json::to_value(greeting(answer)) {
                Ok(serde_json::Value::Object(result)) => TaskPayload::Completed { result },
                other => return Err(ErrorData::internal_error(format!("{other:?}"), None)),
            },
        };
        Ok(GetTaskResult::new(DetailedTask::new(task(), payload)))
    }

    pub(super) fn is_told(&self, update: UpdateTaskParams) -> Result<(), ErrorData> {
        known(&update.task_id)?;
        let answer = answer(update.input_responses)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Ok(())
    }
}

fn known(id: &str) -> Result<(), ErrorData> {
    if id == ID { Ok(()) } else { Err(wrong(format!("no task {id:?}"))) }
}

fn task() -> Task {
    let when = "2026-07-28T00:00:00Z";
    Task::new(ID, TaskStatus::Working, when, when).with_poll_interval_ms(100)
}
