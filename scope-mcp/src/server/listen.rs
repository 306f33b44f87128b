//! `subscriptions/listen` of the modern era: a request that runs until the client has heard enough, or the server ends.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use serde_json::{Value, json};

use super::Server;
use super::changes::{Change, Changes, NotWatched};
use super::shared::Shared;
use crate::Revision;
use crate::era::splice;
use crate::jsonrpc::{self, BUSY, Id, Rejection};
use crate::model::{ListenParams, SubscriptionFilter, meta_key};
use crate::peer::{Ask, Outcome};

/// Tells the client of changes until it cancels the request. When the connection is closed on this side, the request is
/// answered.
pub(super) async fn listen(server: Server, shared: Arc<Shared>, id: Id, params: ListenParams) -> Outcome {
    let Some(_place) = shared.subscribe() else {
        let max = shared.options.max_subscriptions;
        return Err(Rejection::new(BUSY, format!("this client has {max} subscriptions, and may not have more")));
    };
    let changes = server.registry().watch();
    let filter = honour(&server, &changes, params.notifications)?;
    // First of all the client hears what it will be told.
    let honoured = serde_json::to_value(&filter).map_err(|error| Rejection::internal(error.to_string()))?;
    say(&shared, &id, "notifications/subscriptions/acknowledged", json!({ "notifications": honoured })).await;
    loop {
        let news = poll_fn(|cx| changes.poll_take(cx));
        match select(pin!(news), pin!(shared.closing.begun())).await {
            Either::Left((news, _)) => {
                for change in news {
                    let (method, params) = change.notification();
                    if wants(&filter, &change) {
                        say(&shared, &id, method, params).await;
                    }
                }
            }
            Either::Right(_) => {
                return splice("{}", &[], &[(meta_key::SUBSCRIPTION_ID, id.as_json())])
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

fn wants(filter: &SubscriptionFilter, change: &Change) -> bool {
    match change {
        Change::Tools => filter.tools_list_changed.is_some(),
        Change::Prompts => filter.prompts_list_changed.is_some(),
        Change::Resources => filter.resources_list_changed.is_some(),
        // Only those that are watched come here.
        Change::Resource(_) => true,
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
    /// What a client is told.
    pub(super) fn notification(&self) -> (&'static str, Value) {
        match self {
            Change::Tools => ("notifications/tools/list_changed", json!({})),
            Change::Prompts => ("notifications/prompts/list_changed", json!({})),
            Change::Resources => ("notifications/resources/list_changed", json!({})),
            Change::Resource(uri) => ("notifications/resources/updated", json!({ "uri": uri })),
        }
    }
}
