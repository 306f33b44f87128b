//! The resources: a text, bytes, and as many texts as there are addresses.

use serde_json::{Map, Value, json};

use super::output::Error;
use super::page::page;
use super::revision::Revision;
use crate::names;

struct Resource {
    uri: &'static str,
    name: &'static str,
    title: &'static str,
    description: &'static str,
    mime_type: &'static str,
    content: Content,
}

enum Content {
    Text(&'static str),
    /// In base64.
    Blob(&'static str),
}

const RESOURCES: &[Resource] = &[
    Resource {
        uri: "bundled:readme",
        name: "readme",
        title: "Read me",
        description: "What this server is for.",
        mime_type: "text/plain",
        content: Content::Text(
            "This server is bundled with scope-mcp.\nEverything can be tried on it with nothing installed.\n",
        ),
    },
    Resource {
        uri: "bundled:pixel.png",
        name: "pixel",
        title: "A pixel",
        description: "A picture of one pixel: bytes, not text.",
        mime_type: "image/png",
        content: Content::Blob(
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        ),
    },
];

/// What the addresses of the echoes start with.
const ECHO: &str = "bundled:echo/";

pub(super) fn list(cursor: Option<&Value>, revision: Revision) -> Result<Value, Error> {
    page(cursor, "resources", RESOURCES, |resource| {
        let mut described = json!({
            "uri": resource.uri,
            "name": resource.name,
            "description": resource.description,
            "mimeType": resource.mime_type,
        });
        if revision.has_titles() {
            described["title"] = json!(resource.title);
        }
        described
    })
}

pub(super) fn templates(cursor: Option<&Value>) -> Result<Value, Error> {
    page(cursor, "resourceTemplates", &["{text}"], |text| {
        json!({
            "uriTemplate": format!("{ECHO}{text}"),
            "name": "echo",
            "description": "The text of its own address.",
            "mimeType": "text/plain",
        })
    })
}

pub(super) fn read(params: &Map<String, Value>) -> Result<Value, Error> {
    let Some(Value::String(uri)) = params.get("uri") else {
        return Err(Error::invalid_params("\"uri\" should be a string"));
    };
    let mut content = json!({ "uri": uri });
    if let Some(resource) = RESOURCES.iter().find(|resource| resource.uri == uri) {
        content["mimeType"] = json!(resource.mime_type);
        match resource.content {
            Content::Text(text) => content["text"] = json!(text),
            Content::Blob(blob) => content["blob"] = json!(blob),
        }
    } else if let Some(text) = uri.strip_prefix(ECHO) {
        content["mimeType"] = json!("text/plain");
        content["text"] = json!(text);
    } else {
        let suggestion = names::suggestion(uri, RESOURCES.iter().map(|resource| resource.uri));
        return Err(Error::no_resource(format!("there is no resource {uri:?}{suggestion}")));
    }
    Ok(json!({ "contents": [content] }))
}
