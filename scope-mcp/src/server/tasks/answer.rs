//! Requests about tasks.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::value::RawValue;

use super::super::caller::Caller;
use super::super::page::{BadCursor, Page};
use super::super::shared::Shared;
use super::super::typed::{read, written};
use super::Job;
use super::run::{form, require_extension, tell};
use crate::era::splice;
use crate::error::Quoted;
use crate::jsonrpc::{Json, Rejection};
use crate::model::{ListParams, ListTasksResult, Object, TaskForm, meta_key};
use crate::peer::{Outcome, Work};

/// What a client can ask about tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Get,
    Cancel,
    /// In the core only.
    Result,
    /// In the core only.
    List,
    /// With the extension only.
    Update,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    task_id: String,
    #[serde(default)]
    input_responses: Option<Object>,
}

impl About {
    /// What `method` asks, in that form.
    pub(crate) fn of(form: TaskForm, method: &str) -> Option<About> {
        match (method, form) {
            ("tasks/get", _) => Some(About::Get),
            ("tasks/cancel", _) => Some(About::Cancel),
            ("tasks/result", TaskForm::Core) => Some(About::Result),
            ("tasks/list", TaskForm::Core) => Some(About::List),
            ("tasks/update", TaskForm::Extension) => Some(About::Update),
            _ => None,
        }
    }
}

/// What is to be done for a request about tasks.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    caller: &Caller,
    page_size: usize,
    about: About,
    params: Option<&RawValue>,
) -> Result<Work, Rejection> {
    let Some(form) = form(caller.revision) else { return Err(Rejection::invalid_params("there are no tasks")) };
    if form == TaskForm::Extension {
        require_extension(caller)?;
    }
    // There is a clock: the connection is open.
    let now = shared.rt.get().map(|rt| rt.now()).ok_or_else(|| Rejection::internal("the connection is not open"))?;
    if about == About::List {
        let ListParams { cursor, .. } = read(params)?;
        return Ok(Work::Now(list(shared.tasks.page(cursor.as_deref(), page_size, now))));
    }
    let Params { task_id, input_responses } = read(params)?;
    let job = shared.tasks.get(form, &task_id, now).ok_or_else(|| {
        let id = Quoted(&task_id);
        Rejection::invalid_params(format!("there is no task of the id {id}, or it has been forgotten"))
    })?;
    Ok(match about {
        About::Get | About::List => Work::Now(written(&job.task())),
        About::Cancel => cancel(Arc::clone(shared), job)?,
        About::Result => Work::Later(Box::pin(async move { result(&job).await }), None),
        About::Update => {
            let answers = input_responses.ok_or_else(|| {
                Rejection::invalid_params("the parameters do not fit: missing field `inputResponses`")
            })?;
            job.give(answers, SystemTime::now());
            Work::Now(written(&Object::new()))
        }
    })
}

fn list(page: Result<Page<Job>, BadCursor>) -> Outcome {
    let Page { entries, next_cursor } = page.map_err(|BadCursor| BadCursor::rejection())?;
    let tasks = entries.iter().filter(|job| job.form() == TaskForm::Core).map(|job| job.task()).collect();
    written(&ListTasksResult { tasks, next_cursor, ..ListTasksResult::default() })
}

fn cancel(shared: Arc<Shared>, job: Arc<Job>) -> Result<Work, Rejection> {
    let counts = job.cancel("cancelled by the client", SystemTime::now());
    let task = job.task();
    match task.form {
        // There it is a signal, and the client is done with the task.
        TaskForm::Extension => Ok(Work::Now(written(&Object::new()))),
        TaskForm::Core if counts => {
            let work = async move {
                tell(&shared, &job).await;
                written(&task)
            };
            Ok(Work::Later(Box::pin(work), None))
        }
        TaskForm::Core => Err(Rejection::invalid_params("the task is over, and cannot be cancelled")),
    }
}

/// What the call would have been answered with, which may take its time.
async fn result(job: &Job) -> Outcome {
    let result = job.outcome().await?;
    splice(result.get(), &[], &[(meta_key::RELATED_TASK, &job.related())])
        .map(Json::from)
        .map_err(|why| Rejection::internal(format!("the result is not what a result is: {}", why.0)))
}
