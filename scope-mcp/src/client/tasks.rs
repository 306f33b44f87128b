//! Tools that go on after the call has been answered: tasks, in the form of 2025-11-25 and in that of the extension from
//! 2026-07-28 on.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::allowance::Allowance;
use super::call::{read, write};
use super::errands::Errand;
use super::input::Outcome;
use super::interest::Interest;
use super::paging::Listed;
use super::tools::call_params;
use super::{CallOptions, Client, Notifications, ServerInfo};
use crate::decode::decode;
use crate::error::{CallError, CallName};
use crate::jsonrpc::Rejection;
use crate::model::{
    CallToolResult, CreateTaskResult, InputRequests, Object, Task, TaskMetadata, TaskParams, TaskStatus,
    UpdateTaskParams,
};
use crate::{Era, Revision};

/// How soon a server is asked again, whatever it says, and however often it tells of its progress.
const SOONEST: Duration = Duration::from_millis(100);

/// How late, whatever it says.
const LATEST: Duration = Duration::from_secs(60);

/// How long to wait for a server that does not say.
const USUAL: Duration = Duration::from_secs(1);

/// A tool that was started, and goes on at the server until it has a result.
///
/// It owns what goes on there: dropped before that is over, it has the task cancelled (`tasks/cancel`), and nobody waits for
/// that. What shall go on without its owner is [detached](ToolTask::detach), and can be [taken up](Client::task) again by
/// its id. As a handle of the client it keeps the connection open.
///
/// The server is asked how far it is, as often as it would like to be: no more than ten times a second, and no less than
/// once a minute. In between is nothing: a task that nobody [waits](ToolTask::wait) for is not asked about.
///
/// A task is at the end of its time when its server says so: a server may forget a task, and what came of it, when its
/// [`ttl`](Task::ttl) is over.
#[must_use = "dropped, it cancels the task"]
pub struct ToolTask {
    client: Client,
    info: Arc<ServerInfo>,
    name: CallName<'static>,
    /// As the server described it last; `None` if it made no task of it.
    task: Option<Task>,
    /// Once it is there.
    result: Option<Box<RawValue>>,
    /// Whose questions have been answered, by their keys: each is answered once.
    answered: HashSet<String>,
    /// How often it asked.
    rounds: u32,
    /// To be cancelled, if it is dropped.
    owned: bool,
}

impl Listed for Task {
    const METHOD: &'static str = "tasks/list";
    const CAPABILITY: &'static str = "tasks";
    const FIELD: &'static str = "tasks";
    const NOUN: [&'static str; 2] = ["task", "tasks"];
}

impl Client {
    /// Starts a tool, and does not wait for its result: if the server makes a task of it.
    ///
    /// One of the revision 2025-11-25 is asked to, if it declares that it can. A modern one decides for itself; any other
    /// knows no tasks. Where none is made, this waits for the result, and [`wait`](ToolTask::wait) has it at once.
    ///
    /// # Errors
    /// As [`call_tool`](Client::call_tool). A tool that does not run as a task (`execution.taskSupport`) is for the server
    /// to [refuse](CallError::rejection).
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw). A task that the server has made by then, and not told of, is left to it.
    ///
    /// ```no_run
    /// # async fn f(client: scope_mcp::Client) -> Result<(), scope_mcp::CallError> {
    /// let mut task = client.start_tool("research", &serde_json::json!({ "topic": "scopes" })).await?;
    /// println!("{:?}", task.status());
    /// println!("{:?}", task.wait().await?.content);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start_tool<A>(&self, tool: &str, arguments: &A) -> Result<ToolTask, CallError>
    where
        A: Serialize + Sync + ?Sized,
    {
        self.start_tool_with(tool, arguments, &TaskMetadata::new(), &CallOptions::default()).await
    }

    /// As [`start_tool`](Client::start_tool), with other options, for the call that starts it; and with a wish how long the
    /// task is kept, which only servers of the revision 2025-11-25 take.
    ///
    /// # Errors
    /// As [`start_tool`](Client::start_tool).
    pub async fn start_tool_with<A>(
        &self,
        tool: &str,
        arguments: &A,
        task: &TaskMetadata,
        options: &CallOptions,
    ) -> Result<ToolTask, CallError>
    where
        A: Serialize + Sync + ?Sized,
    {
        let name = self.call_name("tools/call", Some(tool));
        let info = self.opened(&name).await?;
        if !makes_tasks(&info) {
            let params = call_params(&name, tool, arguments, None)?;
            return match self.converse(&name, Some(params), options).await? {
                Outcome::Result(result) => Ok(ToolTask::new(self, info, &name, None, Some(result.into_raw()))),
                Outcome::Task(task) => self.take_up(info, &name, &task),
            };
        }
        let params = call_params(&name, tool, arguments, Some(task))?;
        let begun =
            self.request(&name, Some(Cow::Owned(params)), options.terms(&self.shared.options)).await?.into_raw();
        self.take_up(info, &name, &begun)
    }

    /// The task of that id, to be owned from here on: one that was [detached](ToolTask::detach), also from another
    /// connection, if the server keeps its tasks so long. The server is asked how far it is.
    ///
    /// # Errors
    /// See [`CallError`]; a task that it does not know is for the server to [refuse](CallError::rejection).
    ///
    /// # Cancel safety
    /// Safe: when the future is dropped nothing is owned yet.
    pub async fn task(&self, id: &str) -> Result<ToolTask, CallError> {
        let name = self.call_name("tasks/get", Some(id));
        let info = self.opened(&name).await?;
        let task = self.get_task(id, &CallOptions::default()).await?;
        Ok(ToolTask::new(self, info, &name, Some(task), None))
    }

    /// All tasks that a server of the revision 2025-11-25 knows of, over all pages. Any other has no list, and is not
    /// asked.
    ///
    /// # Errors
    /// As [`list_tools`](Client::list_tools).
    ///
    /// # Cancel safety
    /// As [`request_raw`](Client::request_raw).
    pub async fn list_tasks(&self) -> Result<Vec<Task>, CallError> {
        self.list_all(&CallOptions::default()).await
    }

    /// A task that a server has made instead of a result.
    fn take_up(&self, info: Arc<ServerInfo>, name: &CallName<'_>, result: &RawValue) -> Result<ToolTask, CallError> {
        let CreateTaskResult { task, .. } = read(name, result)?;
        Ok(ToolTask::new(self, info, name, Some(task), None))
    }

    /// What comes of a call that a modern server has made a task of.
    pub(super) async fn follow(
        &self,
        name: &CallName<'_>,
        task: &RawValue,
        allowance: Allowance,
    ) -> Result<Box<RawValue>, CallError> {
        let mut task = self.take_up(self.opened(name).await?, name, task)?;
        task.finish(allowance).await?;
        task.result.take().ok_or_else(|| CallError::malformed(name, "the task has no result"))
    }

    async fn get_task(&self, id: &str, options: &CallOptions) -> Result<Task, CallError> {
        let task: Task = self.ask_of_task("tasks/get", id, &TaskParams::new(id), options).await?;
        if task.task_id == id {
            return Ok(task);
        }
        Err(CallError::malformed(&self.call_name("tasks/get", Some(id)), "the server describes another task"))
    }

    async fn ask_of_task<T: DeserializeOwned>(
        &self,
        method: &str,
        id: &str,
        params: &(impl Serialize + Sync),
        options: &CallOptions,
    ) -> Result<T, CallError> {
        let name = self.call_name(method, Some(id));
        let params = write(&name, params)?;
        let answer = self.converse(&name, Some(params), options).await?.into_raw();
        read(&name, &answer)
    }
}

/// Whether a server is to be asked to make tasks of tools.
fn makes_tasks(info: &ServerInfo) -> bool {
    let declared = info.capabilities.get("tasks").and_then(|tasks| tasks.pointer("/requests/tools/call"));
    info.revision == Revision::V2025_11_25 && declared.is_some_and(|declared| !declared.is_null())
}

impl ToolTask {
    fn new(
        client: &Client,
        info: Arc<ServerInfo>,
        name: &CallName<'_>,
        task: Option<Task>,
        result: Option<Box<RawValue>>,
    ) -> Self {
        let name = name.to_owned();
        ToolTask { client: client.clone(), info, name, task, result, answered: HashSet::new(), rounds: 0, owned: true }
    }

    /// What it is known by; `None` if the server made no task of it.
    pub fn id(&self) -> Option<&str> {
        self.task.as_ref().map(|task| &*task.task_id)
    }

    /// How far it was when the server was asked last.
    pub fn status(&self) -> TaskStatus {
        match &self.task {
            Some(task) if self.result.is_none() || task.status.is_over() => task.status,
            _ => TaskStatus::Completed,
        }
    }

    /// As the server described it last; `None` if it made no task of it.
    pub fn description(&self) -> Option<&Task> {
        self.task.as_ref()
    }

    /// Asks the server how far it is.
    ///
    /// # Errors
    /// See [`CallError`]; a task that the server has forgotten is for it to [refuse](CallError::rejection).
    ///
    /// # Cancel safety
    /// Safe: when the future is dropped, what was known is known still.
    pub async fn refresh(&mut self) -> Result<TaskStatus, CallError> {
        self.refresh_with(&CallOptions::default()).await
    }

    async fn refresh_with(&mut self, options: &CallOptions) -> Result<TaskStatus, CallError> {
        if let Some(task) = &self.task
            && self.result.is_none()
            && !task.status.is_over()
        {
            self.task = Some(self.client.get_task(&task.task_id, options).await?);
        }
        Ok(self.status())
    }

    /// Waits for the result, and has the server's questions answered meanwhile, as those of a call.
    ///
    /// # Errors
    /// See [`CallError`]: the error of the call, if it failed; [`is_ended`](CallError::is_ended) if the task was cancelled;
    /// [`is_timeout`](CallError::is_timeout) after [`task_timeout`](crate::ClientOptions::task_timeout). Unless the task is
    /// over, one can wait again.
    ///
    /// # Cancel safety
    /// Safe: when the future is dropped the task goes on, and one can wait again. A question that was not answered by then
    /// is asked again.
    pub async fn wait(&mut self) -> Result<CallToolResult, CallError> {
        self.wait_for(self.client.shared.options.task_timeout).await
    }

    /// As [`wait`](ToolTask::wait), for so long.
    ///
    /// # Errors
    /// As [`wait`](ToolTask::wait).
    pub async fn wait_for(&mut self, timeout: Duration) -> Result<CallToolResult, CallError> {
        self.finish(self.client.allow(timeout)).await?;
        read(&self.name, self.result()?)
    }

    /// Has the server cancel it, and waits until it has heard of that. It may yet be done, where it was nearly; one can
    /// [wait](ToolTask::wait) to see. One that is over is not cancelled any more.
    ///
    /// # Errors
    /// See [`CallError`].
    ///
    /// # Cancel safety
    /// When the future is dropped, the server may have heard of it or not.
    pub async fn cancel(&mut self) -> Result<(), CallError> {
        let Some(id) = self.to_be_cancelled() else { return Ok(()) };
        let params = TaskParams::new(&id);
        let options = CallOptions::default();
        let answer: Box<RawValue> = self.client.ask_of_task("tasks/cancel", &id, &params, &options).await?;
        self.owned = false;
        // In the legacy era, how far it is now.
        if let Ok(task) = decode::<Task>(answer.get())
            && task.task_id == id
        {
            self.task = Some(task);
        }
        Ok(())
    }

    /// Leaves it to the server, which goes on with it. Returns its id, to [take it up](Client::task) again; `None` if there
    /// is no task, and the result is lost.
    pub fn detach(mut self) -> Option<String> {
        self.owned = false;
        self.task.take().map(|task| task.task_id)
    }

    fn result(&self) -> Result<&RawValue, CallError> {
        self.result.as_deref().ok_or_else(|| CallError::malformed(&self.name, "the task has no result"))
    }

    /// The id of a task that goes on, as far as is known.
    fn to_be_cancelled(&self) -> Option<String> {
        let task = self.task.as_ref().filter(|task| self.result.is_none() && !task.status.is_over())?;
        Some(task.task_id.clone())
    }

    /// Waits until the result is there.
    async fn finish(&mut self, allowance: Allowance) -> Result<(), CallError> {
        let Some(id) = self.id().map(str::to_owned).filter(|_| self.result.is_none()) else { return Ok(()) };
        let legacy = self.info.revision.era() == Era::Legacy;
        let mut news = self.client.hear(Interest::Task(id.clone()));
        while let Some(task) = &mut self.task {
            match task.status {
                TaskStatus::Cancelled => {
                    let reason = task.status_message.as_deref().unwrap_or("the task was cancelled");
                    return Err(CallError::ended(&self.name, reason));
                }
                // It may have been asked for input that comes as requests of the server, before the answer to this.
                TaskStatus::InputRequired | TaskStatus::Completed | TaskStatus::Failed if legacy => {
                    let name = self.client.call_name("tasks/result", Some(&id));
                    let params = write(&name, &TaskParams::new(&*id))?;
                    let left = self.client.left(allowance);
                    let options = CallOptions::default().round(left, left, None);
                    let terms = options.terms(&self.client.shared.options);
                    self.result = Some(self.client.request(&name, Some(Cow::Owned(params)), terms).await?.into_raw());
                    return Ok(());
                }
                TaskStatus::Completed => {
                    let result = task.result.take();
                    let result = result
                        .ok_or_else(|| CallError::malformed(&self.name, "the task is completed and has no result"));
                    self.result = Some(result?);
                    return Ok(());
                }
                TaskStatus::Failed => {
                    let Some(error) = &task.error else {
                        return Err(CallError::malformed(&self.name, "the task has failed and has no error"));
                    };
                    return Err(CallError::rejected(&self.name, Rejection::from_raw(error)));
                }
                TaskStatus::InputRequired => self.answer(&id, allowance).await?,
                TaskStatus::Working => {}
            }
            self.until_next(&mut news, allowance).await?;
            // What has been told by now is as old as what the server says next.
            while news.try_next().is_some() {}
            let left = self.client.left(allowance);
            let once = self.client.shared.options.call_timeout.min(left);
            self.refresh_with(&CallOptions::default().round(once, left, None)).await?;
        }
        Ok(())
    }

    /// Answers what has not been answered yet (modern era).
    async fn answer(&mut self, id: &str, allowance: Allowance) -> Result<(), CallError> {
        let asked = self.task.as_ref().and_then(|task| task.input_requests.as_ref());
        let asked: InputRequests = asked
            .into_iter()
            .flatten()
            .filter(|(key, _)| !self.answered.contains(*key))
            .map(|(key, question)| (key.clone(), question.clone()))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        self.rounds += 1;
        let max_rounds = self.client.shared.options.max_rounds.max(1);
        if self.rounds > max_rounds {
            let why = format!("the server asked for input more than {max_rounds} times, and still was not done");
            return Err(CallError::endless(&self.name, why));
        }
        let answering = self.client.answer_all(&self.name, self.info.revision, &asked)?;
        let answers = self.client.in_time(&self.name, allowance, answering).await??;
        let params = UpdateTaskParams::new(id, answers);
        let left = self.client.left(allowance);
        let options = CallOptions::default().round(self.client.shared.options.call_timeout.min(left), left, None);
        let _: Object = self.client.ask_of_task("tasks/update", id, &params, &options).await?;
        self.answered.extend(asked.into_keys());
        Ok(())
    }

    /// Until the server is to be asked again: as late as it likes, within bounds, or when it tells of a change.
    async fn until_next(&self, news: &mut Notifications, allowance: Allowance) -> Result<(), CallError> {
        let wish = self.task.as_ref().and_then(|task| task.poll_interval).map_or(USUAL, Duration::from_millis);
        self.client.pause(&self.name, allowance, SOONEST).await?;
        let rest = wish.clamp(SOONEST, LATEST) - SOONEST;
        let pause = pin!(self.client.pause(&self.name, allowance, rest));
        match select(pause, pin!(news.next())).await {
            Either::Left((paused, _)) => paused,
            Either::Right(_) => Ok(()),
        }
    }
}

impl Drop for ToolTask {
    fn drop(&mut self) {
        if let Some(id) = self.to_be_cancelled().filter(|_| self.owned) {
            self.client.shared.errands.leave(Errand::CancelTask(id));
        }
    }
}

impl fmt::Debug for ToolTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolTask")
            .field("call", &self.name.to_string())
            .field("id", &self.id())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
