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
mod subscription;
mod task;
mod tool;

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
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    fn round_trip<T: DeserializeOwned + Serialize>(json: &str) -> T {
        let value: T = serde_json::from_str(json).unwrap();
        let before: Value = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_value(&value).unwrap(), before);
        value
    }

    #[test]
    fn a_tool_keeps_what_we_do_not_know() {
        let tool: Tool = round_trip(
            r#"{"name":"echo","title":"Echo","description":"says it again","inputSchema":{"type":"object","x":1e300},
                "outputSchema":{"type":"object"},"annotations":{"readOnlyHint":true,"new":[1]},
                "execution":{"taskSupport":"optional"},"icons":[{"src":"data:"}],"_meta":{"a":1},"future":{"b":null}}"#,
        );
        assert_eq!(tool.name, "echo");
        assert_eq!(tool.annotations.unwrap().read_only, Some(true));
        assert_eq!(tool.extra.keys().collect::<Vec<_>>(), ["future"]);
    }

    #[test]
    fn content_of_every_kind_survives_also_of_kinds_to_come() {
        let result: CallToolResult = round_trip(
            r#"{"content":[{"type":"text","text":"a","annotations":{"priority":1.0}},
                {"type":"image","data":"AA==","mimeType":"image/png"},{"type":"audio","data":"AA==","mimeType":"audio/wav"},
                {"type":"resource_link","uri":"file:///a","name":"a","size":3},
                {"type":"resource","resource":{"uri":"file:///a","text":"t"},"_meta":{}},
                {"type":"hologram","beams":[1,2]}],
                "structuredContent":{"n":1},"isError":true,"_meta":{"k":"v"},"more":1}"#,
        );
        let kinds: Vec<_> = result.content.iter().map(ContentBlock::kind).collect();
        assert!(matches!(kinds[0], ContentKind::Text("a")));
        assert!(matches!(kinds[1], ContentKind::Image { data: "AA==", mime_type: "image/png" }));
        assert!(matches!(kinds[2], ContentKind::Audio { .. }));
        assert!(matches!(kinds[3], ContentKind::ResourceLink { uri: "file:///a", name: "a" }));
        assert!(matches!(kinds[4], ContentKind::Resource { uri: "file:///a", text: Some("t"), blob: None, .. }));
        assert!(matches!(kinds[5], ContentKind::Other("hologram")));
        assert!(result.is_error());
    }

    #[test]
    fn what_is_built_reads_as_what_it_is() {
        let resource = Resource::new("file:///a", "a").size(3).annotations(Annotations::new().priority(f64::NAN));
        let blocks = [
            ContentBlock::text("a"),
            ContentBlock::image("AA==", "image/png")
                .annotations(&Annotations::new().audience([Role::User]).priority(1.0)),
            ContentBlock::audio("AA==", "audio/wav").meta(Object::new()),
            ContentBlock::resource_link(resource),
            ContentBlock::resource(ResourceContents::blob("file:///a", "AA==")),
            ContentBlock::tool_use("1", "echo", Object::new()),
            ContentBlock::tool_result("1", [ContentBlock::text("no")]).failed(),
        ];
        let json = serde_json::to_value(&blocks).unwrap();
        assert_eq!(
            json,
            serde_json::json!([
                { "type": "text", "text": "a" },
                { "type": "image", "data": "AA==", "mimeType": "image/png",
                  "annotations": { "audience": ["user"], "priority": 1 } },
                { "type": "audio", "data": "AA==", "mimeType": "audio/wav", "_meta": {} },
                { "type": "resource_link", "uri": "file:///a", "name": "a", "size": 3, "annotations": {} },
                { "type": "resource", "resource": { "uri": "file:///a", "blob": "AA==" } },
                { "type": "tool_use", "id": "1", "name": "echo", "input": {} },
                { "type": "tool_result", "toolUseId": "1", "content": [{ "type": "text", "text": "no" }],
                  "isError": true },
            ])
        );
        let read: Vec<ContentBlock> = serde_json::from_value(json).unwrap();
        assert_eq!(read, blocks);
        assert!(matches!(read[5].kind(), ContentKind::ToolUse { id: "1", name: "echo", .. }));
        assert!(matches!(read[6].kind(), ContentKind::ToolResult { tool_use_id: "1", content: [_], is_error: true }));
    }

    #[test]
    fn a_resource_cannot_pass_for_another_kind_of_content() {
        let mut resource = Resource::new("file:///a", "a");
        resource.extra.insert("type".to_owned(), "text".into());
        assert!(matches!(ContentBlock::resource_link(resource).kind(), ContentKind::ResourceLink { .. }));
    }

    #[test]
    fn more_proposals_than_may_be_sent_are_cut_and_said() {
        let few = Completion::new(["a", "b"]);
        assert_eq!((few.values.len(), few.has_more), (2, None));
        let many = Completion::new((0..=Completion::MAX_VALUES).map(|n| n.to_string()));
        assert_eq!((many.values.len(), many.has_more), (100, Some(true)));
        let params: CompleteParams = round_trip(
            r#"{"ref":{"type":"ref/prompt","name":"a","title":"A"},"argument":{"name":"n","value":"v"},
                "context":{"arguments":{"x":"y"}},"_meta":{},"future":1}"#,
        );
        assert!(matches!(params.reference, CompletionReference::Prompt { name, .. } if name == "a"));
        assert!(serde_json::from_str::<CompletionReference>(r#"{"type":"ref/other","name":"a"}"#).is_err());
    }

    #[test]
    fn an_error_flag_that_is_not_there_is_not_written() {
        let result: CallToolResult = round_trip(r#"{"content":[]}"#);
        assert!(!result.is_error());
        let result: CallToolResult = round_trip(r#"{"content":[],"isError":false}"#);
        assert!(!result.is_error());
    }

    #[test]
    fn a_block_that_lacks_its_fields_is_an_error_that_names_them() {
        for (block, field) in [
            (r#"{"type":"text"}"#, "text"),
            (r#"{"type":"image","data":"AA=="}"#, "mimeType"),
            (r#"{"type":"audio","data":1,"mimeType":"a"}"#, "data"),
            (r#"{"type":"resource_link","uri":"a"}"#, "name"),
            (r#"{"type":"tool_use","id":"1","name":"a","input":[]}"#, "input"),
            (r#"{"type":"tool_result","toolUseId":"1","content":"a"}"#, "content"),
            (r#"{"type":"resource"}"#, "resource"),
            (r#"{"type":"resource","resource":{}}"#, "resource.uri"),
            (r#"{"text":"a"}"#, "type"),
            (r#"{"type":7}"#, "type"),
        ] {
            let error = serde_json::from_str::<ContentBlock>(block).unwrap_err().to_string();
            assert!(error.contains(&format!("`{field}`")), "{block}: {error}");
        }
        assert!(serde_json::from_str::<ContentBlock>("[]").is_err());
    }

    #[test]
    fn a_value_nested_without_end_is_refused_not_followed() {
        let deep = format!(r#"{{"content":[],"structuredContent":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        let error = serde_json::from_str::<CallToolResult>(&deep).unwrap_err();
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }
}
