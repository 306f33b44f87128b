use serde::{Deserialize, Serialize};

use super::{ContentBlock, Icon, Object, Role, setters};

/// A prompt that a server has ready, as it describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Prompt {
    /// What it is asked for by.
    pub name: String,
    /// What people may call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What can be filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Vec<PromptArgument>>,
    /// Pictures for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icons: Option<Vec<Icon>>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl Prompt {
    /// The prompt of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Prompt {
            name: name.into(),
            title: None,
            description: None,
            arguments: None,
            icons: None,
            meta: None,
            extra: Object::new(),
        }
    }

    setters!(Prompt { title: String, description: String, meta: Object });

    /// Adds one of the [`arguments`](Prompt::arguments).
    #[must_use]
    pub fn argument(mut self, argument: PromptArgument) -> Self {
        self.arguments.get_or_insert_default().push(argument);
        self
    }

    /// Adds one of the [`icons`](Prompt::icons).
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.get_or_insert_default().push(icon);
        self
    }
}

/// Something to be filled in a [`Prompt`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PromptArgument {
    /// For programs.
    pub name: String,
    /// What people may call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What to fill in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// As the server sent it; ask [`is_required`](PromptArgument::is_required).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl PromptArgument {
    /// The argument of that name. It may be left out.
    pub fn new(name: impl Into<String>) -> Self {
        PromptArgument { name: name.into(), title: None, description: None, required: None, extra: Object::new() }
    }

    /// Whether the prompt cannot be had without it.
    pub fn is_required(&self) -> bool {
        self.required == Some(true)
    }

    setters!(PromptArgument { title: String, description: String });

    /// The prompt cannot be had without it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = Some(true);
        self
    }
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PromptMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: ContentBlock,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl PromptMessage {
    /// `role` says `content`.
    pub fn new(role: Role, content: ContentBlock) -> Self {
        PromptMessage { role, content, extra: Object::new() }
    }

    /// The user says `text`.
    pub fn user(text: impl Into<String>) -> Self {
        PromptMessage::new(Role::User, ContentBlock::text(text))
    }

    /// The model says `text`.
    pub fn assistant(text: impl Into<String>) -> Self {
        PromptMessage::new(Role::Assistant, ContentBlock::text(text))
    }
}

/// A prompt, filled in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct GetPromptResult {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What to tell a model.
    pub messages: Vec<PromptMessage>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl GetPromptResult {
    /// These messages.
    pub fn new(messages: impl IntoIterator<Item = PromptMessage>) -> Self {
        GetPromptResult { messages: messages.into_iter().collect(), ..GetPromptResult::default() }
    }

    setters!(GetPromptResult { description: String, meta: Object });
}

impl From<PromptMessage> for GetPromptResult {
    fn from(message: PromptMessage) -> Self {
        GetPromptResult::new([message])
    }
}
