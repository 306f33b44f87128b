//! `subscriptions/listen` of the modern era: a request that runs until the client has heard enough, or the server ends.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::{Either, select};
use serde_json::{Value, json};

use super::Server;
use super::caller::Caller;
use super::changes::{Change, Changes, NotWatched};
use super::shared::Shared;
use super::tasks::{Job, require_extension};
use crate::Revision;
use crate::era::splice;
use crate::jsonrpc::{self, BUSY, Id, Json, Rejection};
use crate::model::{ListenParams, SubscriptionFilter, TaskForm, meta_key};
use crate::peer::{Ask, Outcome};

/// Tells the client of changes until it cancels the request. When the connection is closed on this side, the request is
/// answered.
pub(super) async fn listen(
    server: Server,
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    id: Id,
    params: ListenParams,
) -> Outcome {
    let Some(_place) = shared.subscribe() else {
        let max = shared.options.max_subscriptions;
        return Err(Rejection::new(BUSY, format!("this client has {max} subscriptions, and may not have more")));
    };
    let (changes, of_tasks) = (server.registry().watch(), shared.tasks.watch());
    let wanted_tasks = params.notifications.task_ids.clone();
    let mut filter = honour(&server, &changes, params.notifications)?;
    filter.task_ids = honour_tasks(&shared, &caller, &of_tasks, wanted_tasks)?;
    // First of all the client hears what it will be told.
    let honoured = serde_json::to_value(&filter).map_err(|error| Rejection::internal(error.to_string()))?;
    say(&shared, &id, "notifications/subscriptions/acknowledged", json!({ "notifications": honoured })).await;
    // What a task did before it was watched is news too.
    for id_of_task in filter.task_ids.iter().flatten() {
        say_task(&shared, &id, id_of_task).await;
    }
    loop {
        let news = poll_fn(|cx| match changes.poll_take(cx) {
            Poll::Ready(news) => Poll::Ready(news),
            Poll::Pending => of_tasks.poll_take(cx),
        });
        match select(pin!(news), pin!(shared.closing.begun())).await {
            Either::Left((news, _)) => {
                for change in news {
                    if let Change::Task(of_task) = &change {
                        say_task(&shared, &id, of_task).await;
                    } else if let Some((method, params)) = change.notification()
                        && wants(&filter, &change)
                    {
                        say(&shared, &id, method, params).await;
                    }
                }
            }
            Either::Right(_) => {
                return splice("{}", &[], &[(meta_key::SUBSCRIPTION_ID, id.as_json())])
                    .map(Json::from)
                    .map_err(|why| Rejection::internal(why.0));
            }
        }
    }
}

/// As much of what is wanted as there is.
fn honour(server: &Server, changes: &Changes, wanted: SubscriptionFilter) -> Result<SubscriptionFilter, Rejection> {
    let declared = server.registry().capabilities(Revision::LATEST);
    let has = |name: &str, detail: &str| declared.get(name).and_then(|it| it.get(detail)) == Some(&Value::Bool(true));
    let asked = |flag: Option<bool>, name: &str| flag.filter(|on| *on && has(name, "listChanged"));
    let mut filter = SubscriptionFilter::new();
    filter.tools_list_changed = asked(wanted.tools_list_changed, "tools");
    filter.prompts_list_changed = asked(wanted.prompts_list_changed, "prompts");
    filter.resources_list_changed = asked(wanted.resources_list_changed, "resources");
    if let Some(uris) = wanted.resource_subscriptions.filter(|_| has("resources", "subscribe")) {
        for uri in &uris {
            changes.watch(uri).map_err(NotWatched::rejection)?;
        }
        filter.resource_subscriptions = Some(uris);
    }
    Ok(filter)
}

/// Those of the tasks that there are.
fn honour_tasks(
    shared: &Shared,
    caller: &Caller,
    changes: &Changes,
    wanted: Option<Vec<String>>,
) -> Result<Option<Vec<String>>, Rejection> {
    let Some(mut ids) = wanted else { return Ok(None) };
    require_extension(caller)?;
    ids.retain(|id| task(shared, id).is_some());
    for id in &ids {
        changes.watch(id).map_err(NotWatched::rejection)?;
    }
    Ok((!ids.is_empty()).then_some(ids))
}

fn task(shared: &Shared, id: &str) -> Option<Arc<Job>> {
    shared.tasks.get(TaskForm::Extension, id, shared.rt.get()?.now())
}

/// Tells how far a task is; one that has been forgotten was told of when it ended.
async fn say_task(shared: &Shared, id: &Id, of_task: &str) {
    if let Some(job) = task(shared, of_task)
        && let Ok(params) = serde_json::to_value(job.task())
    {
        say(shared, id, "notifications/tasks", params).await;
    }
}

fn wants(filter: &SubscriptionFilter, change: &Change) -> bool {
    match change {
        Change::Tools => filter.tools_list_changed.is_some(),
        Change::Prompts => filter.prompts_list_changed.is_some(),
        Change::Resources => filter.resources_list_changed.is_some(),
        // Only those that are watched come here.
        Change::Resource(_) | Change::Task(_) => true,
    }
}

async fn say(shared: &Shared, id: &Id, method: &str, params: Value) {
    // The id to the letter, as the client wrote it.
    if let Ok(params) = splice(&params.to_string(), &[], &[(meta_key::SUBSCRIPTION_ID, id.as_json())]) {
        // An error: the connection is over, and so is this.
        let _ = shared.desk.leave(Ask::Line(jsonrpc::notification(method, Some(&params)))).await;
    }
}

impl Change {
    /// What a client is told; for a task, its state would have to be looked at.
    pub(super) fn notification(&self) -> Option<(&'static str, Value)> {
        Some(match self {
            Change::Tools => ("notifications/tools/list_changed", json!({})),
            Change::Prompts => ("notifications/prompts/list_changed", json!({})),
            Change::Resources => ("notifications/resources/list_changed", json!({})),
            Change::Resource(uri) => ("notifications/resources/updated", json!({ "uri": uri })),
            Change::Task(_) => return None,
        })
    }
}
