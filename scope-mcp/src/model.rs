//! What is inside the messages, as far as this crate reads it.
//!
//! There is one set of types for all revisions; what only some of them have is optional. Every type keeps the fields it
//! does not know in `extra`, so that reading and writing back loses nothing but this: an optional field that was `null`
//! is left out, and numbers are written in their shortest form (`50.0` as `50`, `1e2` as `100.0` in fields that are not
//! known) and to the precision of 64 bits. Where even that matters, use
//! [`Client::request_raw`](crate::Client::request_raw).

mod annotations;
mod capabilities;
mod completion;
mod content;
mod elicitation;
mod input;
mod lifecycle;
mod list;
mod logging;
mod meta;
mod notification;
mod number;
mod params;
mod prompt;
mod resource;
mod root;
mod sampling;
mod setters;
mod subscription;
mod task;
mod text;
mod tool;

use setters::setters;

pub use annotations::{Annotations, Icon, Role};
pub use capabilities::{ClientCapabilities, ServerCapabilities, TASKS_EXTENSION};
pub use completion::{
    CompleteParams, CompleteResult, Completion, CompletionArgument, CompletionContext, CompletionReference,
};
pub use content::{ContentBlock, ContentKind};
pub use elicitation::{
    ElicitAction, ElicitFormParams, ElicitParams, ElicitResult, ElicitUrlParams, FieldKind, FormField,
};
pub use input::{InputRequest, InputRequests, InputRequired, InputResponses};
pub use lifecycle::{DiscoverResult, Implementation, InitializeParams, InitializeResult};
pub use list::{ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListTasksResult, ListToolsResult};
pub use logging::{LogMessage, LoggingLevel, UnknownLevel};
pub use meta::{RequestMeta, meta_key};
pub use notification::{Notification, Progress};
pub use params::{
    CallToolParams, CancelledParams, GetPromptParams, ListParams, ListenParams, ResourceParams, SetLevelParams,
};
pub use prompt::{GetPromptResult, Prompt, PromptArgument, PromptMessage};
pub use resource::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
pub use root::{ListRootsResult, Root};
pub use sampling::{
    CreateMessageParams, CreateMessageResult, ModelHint, ModelPreferences, SamplingContent, SamplingMessage,
    ToolChoice, ToolChoiceMode,
};
pub use subscription::SubscriptionFilter;
pub use task::{CreateTaskResult, Task, TaskForm, TaskMetadata, TaskParams, TaskStatus, UpdateTaskParams};
pub use tool::{CallToolResult, TaskSupport, Tool, ToolAnnotations, ToolExecution};

/// A JSON object.
pub type Object = serde_json::Map<String, serde_json::Value>;

#[cfg(test)]
mod tests;
