//! A call of a tool as a task: whether it becomes one, and its run.
//!
//! In the core of 2025-11-25 the client asks for a task; with the extension, from 2026-07-28 on, the server decides, and
//! makes one of every call of a tool that can be one, for clients that say they know tasks. What a task of the extension has
//! to ask its client, it asks with its state: its handler ends, as that of a call does, and runs again with the answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use scope_core::{Spawns, move_on_after};
use serde_json::json;
use serde_json::value::RawValue;

use super::super::arguments::Params;
use super::super::ask::{Answers, MISSING_CAPABILITY};
use super::super::caller::Caller;
use super::super::context::Context;
use super::super::registry::Registry;
use super::super::shared::Shared;
use super::super::typed::{part, written};
use super::{Job, NoTask};
use crate::decode::decode;
use crate::jsonrpc::{self, BUSY, Json, METHOD_NOT_FOUND, Rejection};
use crate::model::{CreateTaskResult, TASKS_EXTENSION, TaskForm, TaskSupport};
use crate::peer::{Ask, Outcome, outcome};
use crate::{Era, Revision};

/// What a call that becomes a task is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewTask {
    form: TaskForm,
    ttl: Option<Duration>,
}

/// The form in which those who speak `revision` have tasks.
pub(crate) fn form(revision: Revision) -> Option<TaskForm> {
    match revision.era() {
        Era::Modern => Some(TaskForm::Extension),
        Era::Legacy => (revision == Revision::V2025_11_25).then_some(TaskForm::Core),
    }
}

/// Refuses clients that do not say they know the extension.
pub(crate) fn require_extension(caller: &Caller) -> Result<(), Rejection> {
    if caller.capabilities.extension(TASKS_EXTENSION).is_some() {
        return Ok(());
    }
    let needed = json!({ "requiredCapabilities": { "extensions": { TASKS_EXTENSION: {} } } });
    let message = format!("this needs a client that declares the extension {TASKS_EXTENSION}");
    Err(Rejection::new(MISSING_CAPABILITY, message).with_data(needed))
}

/// The task that a call is to become, if it is to be one.
pub(crate) fn wanted(
    registry: &Registry,
    caller: &Caller,
    params: Option<&RawValue>,
) -> Result<Option<NewTask>, Rejection> {
    let Some(form) = form(caller.revision).filter(|_| registry.has_tasks()) else { return Ok(None) };
    #[derive(serde::Deserialize)]
    struct Params {
        name: String,
        #[serde(default)]
        task: Option<crate::model::TaskMetadata>,
    }
    // Whatever is wrong with them is told by the call itself.
    let Ok(Params { name, task }) = decode(params.map_or("{}", RawValue::get)) else { return Ok(None) };
    let Some(support) = registry.task_support(&name) else { return Ok(None) };
    match form {
        TaskForm::Core => match (support, task) {
            (TaskSupport::Forbidden, Some(_)) => {
                Err(Rejection::new(METHOD_NOT_FOUND, "this tool cannot be called as a task"))
            }
            (TaskSupport::Required, None) => {
                Err(Rejection::new(METHOD_NOT_FOUND, "this tool can only be called as a task"))
            }
            (_, task) => Ok(task.map(|task| NewTask { form, ttl: task.ttl.map(Duration::from_millis) })),
        },
        TaskForm::Extension => match support {
            TaskSupport::Forbidden => Ok(None),
            TaskSupport::Required => require_extension(caller).map(|()| Some(NewTask { form, ttl: None })),
            _ => Ok(require_extension(caller).ok().map(|()| NewTask { form, ttl: None })),
        },
    }
}

/// Begins the task of a call, whose context is `cx`, and gives what the call is answered with.
pub(crate) fn begin(
    registry: &Arc<Registry>,
    shared: &Arc<Shared>,
    new: NewTask,
    params: Params,
    cx: &Context,
) -> Outcome {
    let (Some(rt), Some(children)) = (shared.rt.get(), shared.children.get()) else {
        return Err(Rejection::internal("the connection is not open"));
    };
    let job = shared.tasks.begin(new.form, new.ttl, rt.now(), SystemTime::now()).map_err(|why| match why {
        NoTask::Full(max) => {
            Rejection::new(BUSY, format!("there are {max} tasks already: wait until some are forgotten"))
        }
        NoTask::NoName => Rejection::internal("the system has no random numbers"),
    })?;
    let created = written(&CreateTaskResult::from(job.task()))?;
    let run = run(Arc::clone(registry), Arc::clone(shared), Arc::clone(&job), params, cx.clone());
    if let Err(error) = children.run_erased(run) {
        job.cancel("the connection is ending", SystemTime::now());
        return Err(Rejection::internal(format!("no task can be begun: {error}")));
    }
    Ok(created)
}

async fn run(registry: Arc<Registry>, shared: Arc<Shared>, job: Arc<Job>, params: Params, cx: Context) {
    let work = {
        let job = Arc::clone(&job);
        Box::pin(async move { rounds(&registry, &job, params, &cx).await })
    };
    let ended = move_on_after(job.ttl(), outcome("task", "tools/call", job.canceller(), work, None)).await;
    let clock = SystemTime::now();
    let news = match ended {
        Ok(Some(Some(outcome))) => {
            let is_error = outcome.as_ref().is_ok_and(is_error);
            job.finish(outcome, is_error, clock)
        }
        Ok(Some(None)) => job.cancel("cancelled", clock),
        Ok(None) => job.cancel("its time is over", clock),
        Err(error) => {
            tracing::error!(task = job.id(), %error, "a task left its scope with an error");
            job.finish(Err(Rejection::internal("the task failed while it ended")), false, clock)
        }
    };
    if news {
        tell(&shared, &job).await;
    }
}

/// Runs the tool until it needs nothing more of its client.
async fn rounds(registry: &Arc<Registry>, job: &Arc<Job>, params: Params, cx: &Context) -> Outcome {
    let mut answers = Answers::new();
    loop {
        let cx = cx.of_task(Arc::clone(job), answers);
        let Some(method) = registry.method("tools/call") else {
            return Err(Rejection::method_not_found("tools/call"));
        };
        match registry.answer(method, &params, cx.clone()).await {
            Err(rejection) if rejection.is_needs_input() => {
                let (asked, kept) = cx.take_questions();
                answers = kept;
                if asked.is_empty() {
                    // It would wait for nothing. The handler has asked by another call's context.
                    return Err(Rejection::internal("the task wants an answer, and has asked nothing"));
                }
                job.ask(asked, SystemTime::now());
                let Some(given) = job.answers().await else {
                    return Err(Rejection::internal("the task is over"));
                };
                answers.extend(given);
            }
            outcome => return outcome,
        }
    }
}

/// In the core a client is told how far its tasks are. With the extension it asks.
pub(crate) async fn tell(shared: &Shared, job: &Job) {
    let task = job.task();
    if task.form == TaskForm::Core
        && let Ok(params) = part(&task)
    {
        // An error: the connection is over.
        let line = jsonrpc::notification("notifications/tasks/status", Some(&params));
        let _ = shared.desk.leave(Ask::Line(line)).await;
    }
}

fn is_error(result: &Json) -> bool {
    #[derive(serde::Deserialize)]
    struct Flag {
        #[serde(default, rename = "isError")]
        is_error: Option<bool>,
    }
    serde_json::from_str::<Flag>(result.get()).is_ok_and(|flag| flag.is_error == Some(true))
}
