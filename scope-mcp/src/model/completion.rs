use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::number::read_maybe_whole;
use super::{Object, setters};

/// What is to be completed, and what has been typed of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CompleteParams {
    /// The prompt or the template of resources it belongs to.
    #[serde(rename = "ref")]
    pub reference: CompletionReference,
    /// Its name, and the value so far.
    pub argument: CompletionArgument,
    /// What is known besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<CompletionContext>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl CompleteParams {
    /// Completes the argument `name` of `reference`, of which `value` has been typed.
    pub fn new(reference: CompletionReference, name: impl Into<String>, value: impl Into<String>) -> Self {
        CompleteParams {
            reference,
            argument: CompletionArgument { name: name.into(), value: value.into(), extra: Object::new() },
            context: None,
            meta: None,
            extra: Object::new(),
        }
    }

    /// Adds an argument that has been decided upon to the [`context`](CompleteParams::context).
    #[must_use]
    pub fn given(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let context = self.context.get_or_insert_default();
        context.arguments.get_or_insert_default().insert(name.into(), value.into());
        self
    }
}

/// What an argument belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum CompletionReference {
    /// A prompt.
    #[serde(rename = "ref/prompt")]
    Prompt {
        /// Its name.
        name: String,
        /// What else came with it.
        #[serde(flatten)]
        extra: Object,
    },
    /// A template of resources, or a resource.
    #[serde(rename = "ref/resource")]
    Resource {
        /// Its template or address.
        uri: String,
        /// What else came with it.
        #[serde(flatten)]
        extra: Object,
    },
}

impl CompletionReference {
    /// The prompt of that name.
    pub fn prompt(name: impl Into<String>) -> Self {
        CompletionReference::Prompt { name: name.into(), extra: Object::new() }
    }

    /// The template of resources, as [`ResourceTemplate::uri_template`](super::ResourceTemplate::uri_template) has it.
    pub fn resource(uri_template: impl Into<String>) -> Self {
        CompletionReference::Resource { uri: uri_template.into(), extra: Object::new() }
    }
}

/// What has been typed of an argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompletionArgument {
    /// Which argument.
    pub name: String,
    /// What has been typed.
    pub value: String,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

/// What is known when an argument is completed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompletionContext {
    /// The arguments that have been decided upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<BTreeMap<String, String>>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

/// Proposals for an argument.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompleteResult {
    /// The proposals.
    pub completion: Completion,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl From<Completion> for CompleteResult {
    fn from(completion: Completion) -> Self {
        CompleteResult { completion, ..CompleteResult::default() }
    }
}

/// Proposals for an argument, and whether there are more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Completion {
    /// The proposals, at most [`MAX_VALUES`](Completion::MAX_VALUES) by the protocol.
    pub values: Vec<String>,
    /// How many there are, if known; may be more than were sent.
    #[serde(default, deserialize_with = "read_maybe_whole", skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Whether there are more, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_more: Option<bool>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl Completion {
    /// More than these may not be sent at once.
    pub const MAX_VALUES: usize = 100;

    /// These values, or the first [`MAX_VALUES`](Completion::MAX_VALUES) of them and that there are more.
    pub fn new<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Self {
        let mut values = values.into_iter();
        let first = values.by_ref().take(Completion::MAX_VALUES).map(Into::into).collect();
        let has_more = values.next().is_some();
        Completion { values: first, has_more: has_more.then_some(true), ..Completion::default() }
    }

    /// Sets [`total`](Completion::total).
    #[must_use]
    pub fn total(mut self, total: u64) -> Self {
        self.total = Some(total);
        self
    }

    setters!(Completion { has_more: bool });
}
