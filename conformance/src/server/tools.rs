//! Tools that answer by themselves: every kind of content, an error, progress, logs, a schema of our own.

use std::time::Duration;

use scope_core::sleep;
use scope_mcp::model::{ContentBlock, LoggingLevel, ResourceContents, Tool};
use scope_mcp::{Context, HandlerError, NoArguments, ServerBuilder, ServerTool};
use serde_json::{Map, Value, json};

use crate::media::{PNG, WAV};

/// So that what is sent in between arrives in between.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn add(server: ServerBuilder) -> ServerBuilder {
    server
        .tool("test_simple_text", "Gives a text", |_: NoArguments, _: Context| async { "A simple text." })
        .tool("test_image_content", "Gives an image", |_: NoArguments, _: Context| async { image() })
        .tool("test_audio_content", "Gives a sound", |_: NoArguments, _: Context| async {
            ContentBlock::audio(WAV, "audio/wav")
        })
        .tool("test_embedded_resource", "Gives a resource", |_: NoArguments, _: Context| async {
            let contents = ResourceContents::text("test://embedded-resource", "What an embedded resource holds.");
            ContentBlock::resource(contents.mime_type("text/plain"))
        })
        .tool("test_multiple_content_types", "Gives a text, an image and a resource", several)
        .tool("test_error_handling", "Fails", |_: NoArguments, _: Context| async {
            Err::<(), _>(HandlerError::new("this tool always fails"))
        })
        .tool("test_tool_with_logging", "Logs three times", log_thrice)
        .tool("test_logging_tool", "Logs three times", log_thrice)
        .tool("test_tool_with_progress", "Tells how far it is", progress)
        .add_tool(schema())
}

fn image() -> ContentBlock {
    ContentBlock::image(PNG, "image/png")
}

async fn several(_: NoArguments, _: Context) -> Vec<ContentBlock> {
    let contents = ResourceContents::text("test://mixed-content-resource", r#"{"test":"data","value":123}"#);
    vec![
        ContentBlock::text("Several kinds of content:"),
        image(),
        ContentBlock::resource(contents.mime_type("application/json")),
    ]
}

async fn log_thrice(_: NoArguments, cx: Context) -> Result<&'static str, HandlerError> {
    cx.log(LoggingLevel::Info, None, "Tool execution started").await;
    sleep(PAUSE).await?;
    cx.log(LoggingLevel::Info, None, "Tool processing data").await;
    sleep(PAUSE).await?;
    cx.log(LoggingLevel::Info, None, "Tool execution completed").await;
    Ok("Logged.")
}

async fn progress(_: NoArguments, cx: Context) -> Result<&'static str, HandlerError> {
    for done in [0.0, 50.0] {
        cx.progress(done, Some(100.0), None).await;
        sleep(PAUSE).await?;
    }
    cx.progress(100.0, Some(100.0), None).await;
    Ok("Done.")
}

/// A schema with what `schemars` would not write: it has to arrive as it stands.
fn schema() -> ServerTool {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    });
    let Value::Object(schema) = schema else { unreachable!("it is written as an object") };
    let tool = Tool::new("json_schema_2020_12_tool", schema).description("Takes a contact, by a schema of 2020-12");
    ServerTool::raw(
        tool,
        |arguments: Map<String, Value>, _: Context| async move { Value::Object(arguments).to_string() },
    )
}
