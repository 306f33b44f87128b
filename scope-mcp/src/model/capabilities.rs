use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Object;

/// The name of the extension for tasks, from the revision 2026-07-28 on.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// What a server can do: by name, with details that differ from revision to revision. All of it is kept as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerCapabilities(Object);

/// What a client can do: by name, with details that differ from revision to revision. All of it is kept as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientCapabilities(Object);

impl ServerCapabilities {
    /// None.
    pub fn new() -> Self {
        ServerCapabilities::default()
    }

    /// Whether `name` (`"tools"`, `"resources"`, …) is declared.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The details of `name`, if it is declared.
    pub fn get(&self, name: &str) -> Option<&Value> {
        at(&self.0, [name])
    }

    /// The settings of an extension, if it is declared.
    pub fn extension(&self, name: &str) -> Option<&Value> {
        at(&self.0, ["extensions", name])
    }

    /// Whether the server tells of changes in a list: of `"tools"`, `"prompts"` or `"resources"`.
    pub fn has_list_changed(&self, name: &str) -> bool {
        at(&self.0, [name, "listChanged"]) == Some(&Value::Bool(true))
    }

    /// Whether the server tells of changes in single resources.
    pub fn has_subscriptions(&self) -> bool {
        at(&self.0, ["resources", "subscribe"]) == Some(&Value::Bool(true))
    }

    /// All of them, as sent.
    pub fn as_object(&self) -> &Object {
        &self.0
    }

    /// Declares `name`, with whatever details; in place of what was declared by that name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, details: impl Into<Value>) -> Self {
        self.0.insert(name.into(), details.into());
        self
    }

    /// It has tools, and may tell when there are others.
    #[must_use]
    pub fn tools(self, list_changed: bool) -> Self {
        self.with("tools", flags([("listChanged", list_changed)]))
    }

    /// It has prompts, and may tell when there are others.
    #[must_use]
    pub fn prompts(self, list_changed: bool) -> Self {
        self.with("prompts", flags([("listChanged", list_changed)]))
    }

    /// It has resources, and may tell when one changes, and when there are others.
    #[must_use]
    pub fn resources(self, subscribe: bool, list_changed: bool) -> Self {
        self.with("resources", flags([("subscribe", subscribe), ("listChanged", list_changed)]))
    }

    /// It completes arguments; from the revision 2025-03-26 on this is declared.
    #[must_use]
    pub fn completions(self) -> Self {
        self.with("completions", Object::new())
    }

    /// It sends lines of its log.
    #[must_use]
    pub fn logging(self) -> Self {
        self.with("logging", Object::new())
    }

    /// It speaks an extension, with these settings (an object in all that are known).
    #[must_use]
    pub fn with_extension(mut self, name: impl Into<String>, settings: impl Into<Value>) -> Self {
        insert(&mut self.0, "extensions", name.into(), settings.into());
        self
    }
}

impl ClientCapabilities {
    /// None.
    pub fn new() -> Self {
        ClientCapabilities::default()
    }

    /// Whether `name` (`"roots"`, `"sampling"`, …) is declared.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The details of `name`, if it is declared.
    pub fn get(&self, name: &str) -> Option<&Value> {
        at(&self.0, [name])
    }

    /// The settings of an extension, if it is declared.
    pub fn extension(&self, name: &str) -> Option<&Value> {
        at(&self.0, ["extensions", name])
    }

    /// Whether it fills in forms. A client that declares `elicitation` and no details does.
    pub fn has_form_elicitation(&self) -> bool {
        let declared = |mode| at(&self.0, ["elicitation", mode]).is_some();
        self.has("elicitation") && (declared("form") || !declared("url"))
    }

    /// Whether it opens addresses for a person.
    pub fn has_url_elicitation(&self) -> bool {
        at(&self.0, ["elicitation", "url"]).is_some()
    }

    /// Whether its model can be given tools.
    pub fn has_sampling_tools(&self) -> bool {
        at(&self.0, ["sampling", "tools"]).is_some()
    }

    /// All of them, as sent.
    pub fn as_object(&self) -> &Object {
        &self.0
    }

    /// Declares `name`, with whatever details; in place of what was declared by that name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, details: impl Into<Value>) -> Self {
        self.0.insert(name.into(), details.into());
        self
    }

    /// It has roots. Only before the revision 2026-07-28 it may tell when there are others.
    #[must_use]
    pub fn roots(self, list_changed: bool) -> Self {
        self.with("roots", flags([("listChanged", list_changed)]))
    }

    /// It has a model, that can be given tools or not.
    #[must_use]
    pub fn sampling(self, tools: bool) -> Self {
        self.with("sampling", details([("tools", tools)]))
    }

    /// It asks people: with forms, by opening addresses, or both. Before the revision 2025-11-25 there are only forms,
    /// and [`with`](ClientCapabilities::with)`("elicitation", {})` is how to say so.
    #[must_use]
    pub fn elicitation(self, form: bool, url: bool) -> Self {
        self.with("elicitation", details([("form", form), ("url", url)]))
    }

    /// It speaks an extension, with these settings (an object in all that are known).
    #[must_use]
    pub fn with_extension(mut self, name: impl Into<String>, settings: impl Into<Value>) -> Self {
        insert(&mut self.0, "extensions", name.into(), settings.into());
        self
    }
}

impl From<Object> for ServerCapabilities {
    fn from(declared: Object) -> Self {
        ServerCapabilities(declared)
    }
}

impl From<Object> for ClientCapabilities {
    fn from(declared: Object) -> Self {
        ClientCapabilities(declared)
    }
}

/// What is there at the end of `path`; nothing if it is `null`.
fn at<'a, const N: usize>(object: &'a Object, path: [&str; N]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let first = object.get(*first)?;
    rest.iter().try_fold(first, |value, name| value.get(*name)).filter(|value| !value.is_null())
}

/// The names that are set, each `true`.
fn flags<const N: usize>(names: [(&str, bool); N]) -> Object {
    set(names, &Value::Bool(true))
}

/// The names that are set, each an empty object.
fn details<const N: usize>(names: [(&str, bool); N]) -> Object {
    set(names, &Value::Object(Object::new()))
}

fn set<const N: usize>(names: [(&str, bool); N], value: &Value) -> Object {
    names.into_iter().filter(|(_, set)| *set).map(|(name, _)| (name.to_owned(), value.clone())).collect()
}

fn insert(object: &mut Object, group: &str, name: String, value: Value) {
    let group = object.entry(group).or_insert_with(|| Value::Object(Object::new()));
    if !group.is_object() {
        *group = Value::Object(Object::new());
    }
    if let Value::Object(group) = group {
        group.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn capabilities_are_present_or_not_whatever_is_in_them() {
        let text = r#"{"tools":{"listChanged":true},"tasks":{},"x":null,"prompts":7,"resources":{"subscribe":"yes"}}"#;
        let them: ServerCapabilities = serde_json::from_str(text).unwrap();
        assert!(them.has("tools") && them.has("tasks") && them.has("prompts"));
        assert!(!them.has("logging") && !them.has("x"));
        assert!(them.has_list_changed("tools") && !them.has_list_changed("prompts") && !them.has_subscriptions());
        assert_eq!(them.get("tools").unwrap()["listChanged"], true);
        assert_eq!(serde_json::to_string(&them).unwrap(), text);
    }

    #[test]
    fn what_is_declared_is_what_is_asked_for() {
        let server = ServerCapabilities::new()
            .tools(true)
            .prompts(false)
            .resources(true, false)
            .completions()
            .with_extension(TASKS_EXTENSION, Object::new());
        assert_eq!(
            serde_json::to_value(&server).unwrap(),
            json!({ "tools": { "listChanged": true }, "prompts": {}, "resources": { "subscribe": true },
                    "completions": {}, "extensions": { TASKS_EXTENSION: {} } })
        );
        assert!(server.has_subscriptions() && server.extension(TASKS_EXTENSION).is_some());
        assert!(server.extension("other").is_none());
        let client = ClientCapabilities::new().roots(true).sampling(false).elicitation(false, true);
        assert_eq!(
            serde_json::to_value(&client).unwrap(),
            json!({ "roots": { "listChanged": true }, "sampling": {}, "elicitation": { "url": {} } })
        );
        let replaced = client.with("extensions", 3).with_extension("a/b", json!({ "c": 1 }));
        assert_eq!(replaced.extension("a/b"), Some(&json!({ "c": 1 })));
    }

    #[test]
    fn a_client_that_declares_no_mode_fills_in_forms() {
        for (declared, form, url) in [
            (json!({}), false, false),
            (json!({ "elicitation": {} }), true, false),
            (json!({ "elicitation": { "form": {} } }), true, false),
            (json!({ "elicitation": { "url": {} } }), false, true),
            (json!({ "elicitation": { "form": {}, "url": {} } }), true, true),
            (json!({ "elicitation": null }), false, false),
        ] {
            let client: ClientCapabilities = serde_json::from_value(declared.clone()).unwrap();
            assert_eq!((client.has_form_elicitation(), client.has_url_elicitation()), (form, url), "{declared}");
        }
    }
}
