//! Every official example of the revision 2026-07-28 is read by its type and written back without loss.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use scope_mcp::model::{
    CallToolParams, CallToolResult, CancelledParams, ClientCapabilities, CompleteParams, CompleteResult, ContentBlock,
    CreateMessageParams, CreateMessageResult, DiscoverResult, ElicitFormParams, ElicitParams, ElicitResult,
    ElicitUrlParams, FormField, GetPromptParams, GetPromptResult, InputRequest, InputRequired, ListParams,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListRootsResult, ListToolsResult,
    ListenParams, LogMessage, ModelPreferences, Object, Progress, ReadResourceResult, RequestMeta, Resource,
    ResourceContents, ResourceParams, Root, SamplingMessage, ServerCapabilities, Tool, UpdateTaskParams,
};
use scope_mcp_judge::Schemas;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::wire;

/// A test for each type that there are examples of.
pub(crate) fn trials(folder: Option<&Path>, schemas: Option<&Schemas>) -> Vec<Trial> {
    const ALL: &str = "examples::there_are_as_many_as_ever";
    // Stands for them all where they are not there, and is skipped.
    let Some((folder, schemas)) = folder.zip(schemas) else { return vec![Trial::test(ALL, || Ok(()))] };
    let root = folder.join("examples-2026-07-28");
    let types = names(&root);
    let count = types.len();
    let mut trials = vec![Trial::test(ALL, move || {
        assert!(count >= 88, "of 88 types with examples, {count} are there");
        Ok(())
    })];
    for type_name in types {
        let (folder, schemas) = (root.join(&type_name), schemas.clone());
        trials.push(Trial::test(format!("examples::{type_name}"), move || {
            let files = names(&folder);
            assert!(!files.is_empty(), "there is no example");
            for file in files {
                let text = fs::read_to_string(folder.join(&file))?;
                let example: Value = serde_json::from_str(&text)?;
                // An example of nothing else than what the schema says, and of that the judge is a judge.
                assert_eq!(schemas.check("2026-07-28", &type_name, &example), [""; 0], "{file}");
                back_and_forth(&type_name, &example).map_err(|why| format!("{file}: {why}"))?;
            }
            Ok(())
        }));
    }
    trials
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn back_and_forth(type_name: &str, example: &Value) -> Result<(), String> {
    match type_name {
        "AudioContent" | "EmbeddedResource" | "ImageContent" | "ResourceLink" | "TextContent" | "ToolResultContent"
        | "ToolUseContent" => same::<ContentBlock>(example),
        "BlobResourceContents" | "TextResourceContents" => same::<ResourceContents>(example),
        "BooleanSchema"
        | "NumberSchema"
        | "StringSchema"
        | "TitledMultiSelectEnumSchema"
        | "TitledSingleSelectEnumSchema"
        | "UntitledMultiSelectEnumSchema"
        | "UntitledSingleSelectEnumSchema" => same::<FormField>(example),
        "ClientCapabilities" => same::<ClientCapabilities>(example),
        "ServerCapabilities" => same::<ServerCapabilities>(example),
        "CreateMessageRequestParams" => same::<CreateMessageParams>(example),
        "ElicitRequestFormParams" => same::<ElicitFormParams>(example).and_then(|()| same::<ElicitParams>(example)),
        "ElicitRequestURLParams" => same::<ElicitUrlParams>(example).and_then(|()| same::<ElicitParams>(example)),
        "InputRequests" => {
            let mut requests = example.as_object().into_iter().flat_map(Object::values);
            same::<InputRequired>(&json!({ "resultType": "input_required", "inputRequests": example }))?;
            requests.try_for_each(input_request)
        }
        "InputResponses" => same::<UpdateTaskParams>(&json!({ "taskId": "a", "inputResponses": example })),
        "ModelPreferences" => same::<ModelPreferences>(example),
        "Resource" => same::<Resource>(example),
        "Root" => same::<Root>(example),
        "SamplingMessage" => same::<SamplingMessage>(example),
        "Tool" => same::<Tool>(example),
        // Inside other results, never as a message.
        "CreateMessageResult" | "ElicitResult" | "ListRootsResult" => result(type_name, example),
        "CreateMessageRequest" | "ElicitRequest" | "ListRootsRequest" => input_request(example),
        "HeaderMismatchError" | "MissingRequiredClientCapabilityError" | "UnsupportedProtocolVersionError" => {
            wire::rejected(&example["error"])
        }
        _ if type_name.ends_with("Error") => wire::rejected(example),
        _ if type_name.ends_with("RequestParams") => params(type_name.trim_end_matches("RequestParams"), example),
        _ if type_name.ends_with("NotificationParams") => {
            notification_params(type_name.trim_end_matches("NotificationParams"), example)
        }
        _ if type_name.ends_with("Request") => {
            params(type_name.trim_end_matches("Request"), &example["params"])?;
            same_but(example, &["jsonrpc", "id", "method", "params"])
        }
        _ if type_name.ends_with("Notification") => {
            notification_params(type_name.trim_end_matches("Notification"), &example["params"])?;
            wire::heard(example)
        }
        _ if type_name.ends_with("ResultResponse") => {
            result(type_name.trim_end_matches("Response"), &example["result"])?;
            wire::answered(&example["result"])
        }
        _ => result(type_name, example),
    }
}

/// The parameters of a request, and its `_meta`.
fn params(request: &str, example: &Value) -> Result<(), String> {
    same::<RequestMeta>(&example["_meta"])?;
    match request {
        "CallTool" => same::<CallToolParams>(example),
        "Complete" => same::<CompleteParams>(example),
        // It has none of its own.
        "Discover" => same_but(example, &["_meta"]),
        "GetPrompt" => same::<GetPromptParams>(example),
        "ListPrompts" | "ListResourceTemplates" | "ListResources" | "ListTools" | "Paginated" => {
            same::<ListParams>(example)
        }
        "ReadResource" => same::<ResourceParams>(example),
        "SubscriptionsListen" => same::<ListenParams>(example),
        other => Err(format!("nobody knows the parameters of {other}")),
    }
}

fn notification_params(notification: &str, example: &Value) -> Result<(), String> {
    match notification {
        "Cancelled" => same::<CancelledParams>(example),
        "LoggingMessage" => same::<LogMessage>(example),
        "Progress" => same::<Progress>(example),
        "ResourceUpdated" => same::<ResourceParams>(example),
        "SubscriptionsAcknowledged" => same::<ListenParams>(example),
        // They have none of their own.
        "PromptListChanged" | "ResourceListChanged" | "ToolListChanged" => match example {
            Value::Null => Ok(()),
            params => same_but(params, &["_meta"]),
        },
        other => Err(format!("nobody knows the parameters of {other}")),
    }
}

fn result(name: &str, example: &Value) -> Result<(), String> {
    match name {
        "CallToolResult" => same::<CallToolResult>(example),
        "CompleteResult" => same::<CompleteResult>(example),
        "CreateMessageResult" => same::<CreateMessageResult>(example),
        "DiscoverResult" => {
            same::<DiscoverResult>(example)?;
            let result: DiscoverResult = read(example)?;
            // What it says of itself is in `_meta`, and not lost there.
            if result.server_info().is_some() { Ok(()) } else { Err("it does not say who it is".to_owned()) }
        }
        "ElicitResult" => same::<ElicitResult>(example),
        "GetPromptResult" => same::<GetPromptResult>(example),
        "InputRequiredResult" => same::<InputRequired>(example),
        "ListPromptsResult" => same::<ListPromptsResult>(example),
        "ListResourceTemplatesResult" => same::<ListResourceTemplatesResult>(example),
        "ListResourcesResult" => same::<ListResourcesResult>(example),
        "ListRootsResult" => same::<ListRootsResult>(example),
        "ListToolsResult" => same::<ListToolsResult>(example),
        "ReadResourceResult" => same::<ReadResourceResult>(example),
        // It is nothing but its `_meta`.
        "SubscriptionsListenResult" => same_but(example, &["resultType", "_meta"]),
        other => Err(format!("nobody knows the result {other}")),
    }
}

/// A question inside a result.
fn input_request(example: &Value) -> Result<(), String> {
    same::<InputRequest>(example)?;
    match example["method"].as_str() {
        Some("elicitation/create") => same::<ElicitParams>(&example["params"]),
        Some("sampling/createMessage") => same::<CreateMessageParams>(&example["params"]),
        Some("roots/list") => Ok(()),
        other => Err(format!("nobody knows the question {other:?}")),
    }
}

fn read<T: DeserializeOwned>(example: &Value) -> Result<T, String> {
    // From text, as it comes from the wire.
    serde_json::from_str(&example.to_string()).map_err(|error| error.to_string())
}

/// Read as a `T` and written back, it is what it was; also when there are fields in it that nobody knows.
fn same<T: DeserializeOwned + Serialize>(example: &Value) -> Result<(), String> {
    let mut of_tomorrow = example.clone();
    add_unknown(&mut of_tomorrow);
    for example in [example, &of_tomorrow] {
        let written = serde_json::to_string(&read::<T>(example)?).map_err(|error| error.to_string())?;
        let written: Value = serde_json::from_str(&written).map_err(|error| error.to_string())?;
        if written != *example {
            let name = std::any::type_name::<T>();
            return Err(format!("as a {name}, this is written: {written}\n of this: {example}"));
        }
    }
    Ok(())
}

/// Adds a field to every object, but for those whose fields are not of the protocol's choosing.
fn add_unknown(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                if !["arguments", "inputRequests", "inputResponses"].contains(&name.as_str()) {
                    add_unknown(value);
                }
            }
            object.insert("ofTomorrow".to_owned(), json!({ "deep": [1, null, "\u{1f600}"] }));
        }
        Value::Array(values) => values.iter_mut().for_each(add_unknown),
        _ => {}
    }
}

/// There is nothing in it but these fields, which somebody else reads.
fn same_but(example: &Value, fields: &[&str]) -> Result<(), String> {
    let object = example.as_object().ok_or("it is not an object")?;
    let unknown: BTreeSet<&str> = object.keys().map(String::as_str).filter(|name| !fields.contains(name)).collect();
    if unknown.is_empty() { Ok(()) } else { Err(format!("nobody reads {unknown:?}")) }
}
