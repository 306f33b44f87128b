use serde::{Deserialize, Serialize};

use super::Object;

/// What a client wants to be told of without asking, from the revision 2026-07-28 on; and in a server's answer, what of
/// it the client will be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SubscriptionFilter {
    /// When there are other tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools_list_changed: Option<bool>,
    /// When there are other prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts_list_changed: Option<bool>,
    /// When there are other resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources_list_changed: Option<bool>,
    /// When one of these resources changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_subscriptions: Option<Vec<String>>,
    /// When one of these tasks changes; of the [extension for tasks](super::TASKS_EXTENSION).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_ids: Option<Vec<String>>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl SubscriptionFilter {
    /// Nothing.
    pub fn new() -> Self {
        SubscriptionFilter::default()
    }

    /// Sets [`tools_list_changed`](SubscriptionFilter::tools_list_changed).
    #[must_use]
    pub fn tools_list_changed(mut self) -> Self {
        self.tools_list_changed = Some(true);
        self
    }

    /// Sets [`prompts_list_changed`](SubscriptionFilter::prompts_list_changed).
    #[must_use]
    pub fn prompts_list_changed(mut self) -> Self {
        self.prompts_list_changed = Some(true);
        self
    }

    /// Sets [`resources_list_changed`](SubscriptionFilter::resources_list_changed).
    #[must_use]
    pub fn resources_list_changed(mut self) -> Self {
        self.resources_list_changed = Some(true);
        self
    }

    /// Adds to [`resource_subscriptions`](SubscriptionFilter::resource_subscriptions).
    #[must_use]
    pub fn resource(mut self, uri: impl Into<String>) -> Self {
        self.resource_subscriptions.get_or_insert_default().push(uri.into());
        self
    }

    /// Adds to [`task_ids`](SubscriptionFilter::task_ids).
    #[must_use]
    pub fn task(mut self, id: impl Into<String>) -> Self {
        self.task_ids.get_or_insert_default().push(id.into());
        self
    }
}
