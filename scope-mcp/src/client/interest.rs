//! What somebody who listens wants to hear.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::jsonrpc::whole_number;
use crate::model::Notification;

/// By this a server says that a subscription has begun, and what it brings.
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Which notifications somebody wants.
#[derive(Debug)]
pub(crate) enum Interest {
    /// All there are.
    Everything,
    /// Those that come for the call of that number (modern era).
    Subscription(u64),
    /// Those that such a subscription would bring (legacy era).
    Changes {
        /// Of lists, by method.
        lists: Vec<&'static str>,
        /// Of resources, and of what is below them.
        resources: HashSet<String>,
    },
    /// Changes of the task of that id.
    Task(String),
}

impl Interest {
    /// `subscription` is what the notification belongs to, once it has been read for somebody.
    pub(super) fn covers(&self, notification: &Notification, subscription: &mut Option<Option<u64>>) -> bool {
        match self {
            Interest::Everything => true,
            Interest::Subscription(id) => {
                *subscription.get_or_insert_with(|| subscription_of(notification)) == Some(*id)
            }
            Interest::Changes { lists, resources } => {
                lists.contains(&notification.method())
                    || changed_resource(notification)
                        .is_some_and(|changed| resources.iter().any(|uri| is_at_or_below(&changed, uri)))
            }
            Interest::Task(id) => changed_task(notification).is_some_and(|changed| changed == *id),
        }
    }

    /// Whether a notification that is covered says that the subscription has begun.
    pub(super) fn begins_with(&self, notification: &Notification) -> bool {
        matches!(self, Interest::Subscription(_)) && notification.method() == ACKNOWLEDGED
    }
}

/// Whether one address is another, or goes on from there: after a delimiter, not in the middle of a name.
fn is_at_or_below(address: &str, uri: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '%');
    address.strip_prefix(uri).is_some_and(|rest| !rest.starts_with(is_name) || !uri.ends_with(is_name))
}

/// Which subscription a notification belongs to.
fn subscription_of(notification: &Notification) -> Option<u64> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "_meta")]
        meta: Meta<'a>,
    }
    #[derive(Deserialize)]
    struct Meta<'a> {
        #[serde(borrow, rename = "io.modelcontextprotocol/subscriptionId")]
        subscription: &'a RawValue,
    }
    let params: Params<'_> = serde_json::from_str(notification.params()?.get()).ok()?;
    whole_number(params.meta.subscription.get())
}

/// Which resource has changed, if that is what is told.
fn changed_resource(notification: &Notification) -> Option<String> {
    #[derive(Deserialize)]
    struct Params {
        uri: String,
    }
    if notification.method() != "notifications/resources/updated" {
        return None;
    }
    Some(serde_json::from_str::<Params>(notification.params()?.get()).ok()?.uri)
}

/// Which task has changed, if that is what is told: in the legacy era, or in the modern.
fn changed_task(notification: &Notification) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params {
        task_id: String,
    }
    if !matches!(notification.method(), "notifications/tasks/status" | "notifications/tasks") {
        return None;
    }
    Some(serde_json::from_str::<Params>(notification.params()?.get()).ok()?.task_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(interest: &Interest, method: &str, params: &str) -> bool {
        let params: Box<RawValue> = serde_json::from_str(params).unwrap();
        interest.covers(&Notification::new(method.to_owned().into(), Some(&params)), &mut None)
    }

    #[test]
    fn a_subscription_is_known_by_its_number() {
        let interest = Interest::Subscription(7);
        for (params, hears) in [
            (r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}"#, true),
            (r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":7.0},"uri":"a"}"#, true),
            (r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":8}}"#, false),
            (r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":"7"}}"#, false),
            (r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":{}}}"#, false),
            (r#"{"_meta":{}}"#, false),
            (r#"[7]"#, false),
        ] {
            assert_eq!(covers(&interest, "notifications/tools/list_changed", params), hears, "{params}");
            assert!(covers(&Interest::Everything, "notifications/tools/list_changed", params));
        }
    }

    #[test]
    fn changes_are_known_by_their_method_and_resource() {
        let interest = Interest::Changes {
            lists: vec!["notifications/tools/list_changed"],
            resources: ["file:///dir/", "note:1", "q:?a="].map(str::to_owned).into(),
        };
        for (method, params, hears) in [
            ("notifications/tools/list_changed", "{}", true),
            ("notifications/prompts/list_changed", "{}", false),
            ("notifications/resources/updated", r#"{"uri":"file:///dir/"}"#, true),
            ("notifications/resources/updated", r#"{"uri":"file:///dir/below"}"#, true),
            ("notifications/resources/updated", r#"{"uri":"file:///other"}"#, false),
            ("notifications/resources/updated", r#"{"uri":7}"#, false),
            ("notifications/resources/updated", r#"{"uri":"note:1"}"#, true),
            ("notifications/resources/updated", r#"{"uri":"note:1#first"}"#, true),
            ("notifications/resources/updated", r#"{"uri":"note:1/a"}"#, true),
            ("notifications/resources/updated", r#"{"uri":"note:12"}"#, false),
            ("notifications/resources/updated", r#"{"uri":"note:1.5"}"#, false),
            ("notifications/resources/updated", r#"{"uri":"note:"}"#, false),
            ("notifications/resources/updated", r#"{"uri":"q:?a=b"}"#, true),
            ("notifications/other", r#"{"uri":"file:///dir/"}"#, false),
        ] {
            assert_eq!(covers(&interest, method, params), hears, "{method} {params}");
        }
    }
}
