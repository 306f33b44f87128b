mod result;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ContentBlock, Icon, Object, setters};

/// A tool, as a server describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Tool {
    /// What it is called by.
    pub name: String,
    /// What people may call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, for a model or a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub input_schema: Object,
    /// JSON Schema of its [structured content](CallToolResult::structured_content).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Object>,
    /// Hints; from a server one does not trust, they mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ToolAnnotations>,
    /// How it can be called, where the revision has several ways (2025-11-25).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ToolExecution>,
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

impl Tool {
    /// The tool `name`, whose arguments follow `input_schema`.
    pub fn new(name: impl Into<String>, input_schema: Object) -> Self {
        Tool {
            name: name.into(),
            title: None,
            description: None,
            input_schema,
            output_schema: None,
            annotations: None,
            execution: None,
            icons: None,
            meta: None,
            extra: Object::new(),
        }
    }

    setters!(Tool { title: String, description: String, output_schema: Object, meta: Object });

    /// Sets [`annotations`](Tool::annotations).
    #[must_use]
    pub fn annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.annotations = Some(annotations);
        self
    }

    /// Sets [`execution`](Tool::execution).
    #[must_use]
    pub fn task_support(mut self, support: TaskSupport) -> Self {
        self.execution.get_or_insert_default().task_support = Some(support);
        self
    }

    /// Adds one of the [`icons`](Tool::icons).
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.get_or_insert_default().push(icon);
        self
    }
}

/// How a tool can be called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ToolExecution {
    /// Whether as a task; not at all if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_support: Option<TaskSupport>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

/// Whether a tool can be called as a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TaskSupport {
    /// Not as a task.
    Forbidden,
    /// Either way.
    Optional,
    /// As a task only.
    Required,
}

/// What a server hints about a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolAnnotations {
    /// What people may call it; [`Tool::title`] comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It changes nothing.
    #[serde(default, rename = "readOnlyHint", skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// It may destroy something.
    #[serde(default, rename = "destructiveHint", skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// Calling it again with the same arguments changes nothing more.
    #[serde(default, rename = "idempotentHint", skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// It deals with things outside the server.
    #[serde(default, rename = "openWorldHint", skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl ToolAnnotations {
    /// None.
    pub fn new() -> Self {
        ToolAnnotations::default()
    }

    setters!(ToolAnnotations { title: String, read_only: bool, destructive: bool, idempotent: bool, open_world: bool });
}

/// What a tool gave back.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CallToolResult {
    /// What kind of result it is, from the revision 2026-07-28 on: `complete`, where a server says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_type: Option<Cow<'static, str>>,
    /// For a model or a person.
    pub content: Vec<ContentBlock>,
    /// For a program; follows [`Tool::output_schema`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Value>,
    /// As the server sent it; ask [`is_error`](CallToolResult::is_error()).
    #[serde(rename = "isError", skip_serializing_if = "Option::is_none")]
    pub error_flag: Option<bool>,
    /// `_meta`.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

impl CallToolResult {
    /// This content.
    pub fn new(content: impl IntoIterator<Item = ContentBlock>) -> Self {
        CallToolResult { content: content.into_iter().collect(), ..CallToolResult::default() }
    }

    /// Takes out the text that it is, if it is one and nothing else.
    pub(crate) fn take_text(&mut self) -> Option<String> {
        let alone = self.result_type.is_none()
            && self.structured_content.is_none()
            && self.error_flag.is_none()
            && self.meta.is_none()
            && self.extra.is_empty();
        match &mut self.content[..] {
            [block] if alone => block.take_text(),
            _ => None,
        }
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        CallToolResult::new([ContentBlock::text(text)])
    }

    /// The tool failed, and this is what a model or a person should know of it.
    pub fn failure(text: impl Into<String>) -> Self {
        CallToolResult { error_flag: Some(true), ..CallToolResult::text(text) }
    }

    /// A value for a program, and for those who do not read [it](CallToolResult::structured_content), the same as text.
    pub fn structured(value: Value) -> Self {
        CallToolResult { structured_content: Some(value.clone()), ..CallToolResult::text(value.to_string()) }
    }

    setters!(CallToolResult { meta: Object });

    /// Whether the tool reports that it failed. The call itself succeeded, and the content says what went wrong.
    pub fn is_error(&self) -> bool {
        self.error_flag == Some(true)
    }
}
