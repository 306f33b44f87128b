use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Annotations, Object, Resource, ResourceContents};

/// A piece of content, kept whole; [`kind`](ContentBlock::kind) says what it is.
///
/// Its `type` decides how it is read. A block of a known type has been checked to have the fields of that type; one of
/// a type that is not known is kept as it is.
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ContentBlock(Object);

/// What a [`ContentBlock`] is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ContentKind<'a> {
    /// Text.
    Text(&'a str),
    /// An image.
    Image {
        /// Base64.
        data: &'a str,
        /// Its media type.
        mime_type: &'a str,
    },
    /// Sound.
    Audio {
        /// Base64.
        data: &'a str,
        /// Its media type.
        mime_type: &'a str,
    },
    /// The address of a resource.
    ResourceLink {
        /// Where it is.
        uri: &'a str,
        /// What it is called.
        name: &'a str,
    },
    /// A resource itself.
    Resource {
        /// Where it is.
        uri: &'a str,
        /// Its media type, if the server says.
        mime_type: Option<&'a str>,
        /// Its text, if it is text.
        text: Option<&'a str>,
        /// Its bytes in base64, if it is not.
        blob: Option<&'a str>,
    },
    /// A model wants to call a tool.
    ToolUse {
        /// Names this use; its result says it too.
        id: &'a str,
        /// The tool.
        name: &'a str,
        /// The arguments.
        input: &'a Object,
    },
    /// What a tool gave back, for a model.
    ToolResult {
        /// Which use of a tool it belongs to.
        tool_use_id: &'a str,
        /// Blocks of content, as they were sent.
        content: &'a [Value],
        /// Whether the tool failed.
        is_error: bool,
    },
    /// Of a type that this crate does not know.
    Other(&'a str),
}

impl ContentBlock {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        ContentBlock::of("text", [("text", text.into().into())])
    }

    /// An image, its bytes given in base64.
    pub fn image(base64: impl Into<String>, mime_type: impl Into<String>) -> Self {
        ContentBlock::of("image", [("data", base64.into().into()), ("mimeType", mime_type.into().into())])
    }

    /// Sound, its bytes given in base64.
    pub fn audio(base64: impl Into<String>, mime_type: impl Into<String>) -> Self {
        ContentBlock::of("audio", [("data", base64.into().into()), ("mimeType", mime_type.into().into())])
    }

    /// The address of a resource, with its description.
    pub fn resource_link(resource: Resource) -> Self {
        ContentBlock::of("resource_link", written(&resource))
    }

    /// A resource itself.
    pub fn resource(contents: ResourceContents) -> Self {
        ContentBlock::of("resource", [("resource", Value::Object(written(&contents)))])
    }

    /// A model wants to call the tool `name`.
    pub fn tool_use(id: impl Into<String>, name: impl Into<String>, input: Object) -> Self {
        let fields = [("id", id.into().into()), ("name", name.into().into()), ("input", Value::Object(input))];
        ContentBlock::of("tool_use", fields)
    }

    /// What the tool gave back that was called as `tool_use_id`.
    pub fn tool_result(tool_use_id: impl Into<String>, content: impl IntoIterator<Item = ContentBlock>) -> Self {
        let content = content.into_iter().map(|block| Value::Object(block.0)).collect();
        ContentBlock::of("tool_result", [("toolUseId", tool_use_id.into().into()), ("content", Value::Array(content))])
    }

    /// Marks the result of a tool as a failure; without meaning for other kinds.
    #[must_use]
    pub fn failed(self) -> Self {
        self.with("isError", Value::Bool(true))
    }

    /// Adds hints.
    #[must_use]
    pub fn annotations(self, annotations: &Annotations) -> Self {
        self.with("annotations", Value::Object(written(annotations)))
    }

    /// Sets `_meta`.
    #[must_use]
    pub fn meta(self, meta: Object) -> Self {
        self.with("_meta", Value::Object(meta))
    }

    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.0.insert(field.to_owned(), value);
        self
    }

    fn of<K: Into<String>>(kind: &str, fields: impl IntoIterator<Item = (K, Value)>) -> Self {
        let mut block = Object::new();
        block.insert("type".to_owned(), kind.into());
        block.extend(fields.into_iter().map(|(key, value)| (key.into(), value)));
        // Once more: what a resource has in `extra` may be called the same.
        block.insert("type".to_owned(), kind.into());
        ContentBlock(block)
    }

    /// What it is.
    pub fn kind(&self) -> ContentKind<'_> {
        // Checked when it was read, and nothing can change it since.
        self.read().unwrap_or(ContentKind::Other(""))
    }

    /// All of it.
    pub fn as_object(&self) -> &Object {
        &self.0
    }

    /// All of it, by value.
    pub fn into_object(self) -> Object {
        self.0
    }

    /// The kind, or the field that is missing or is not a string.
    fn read(&self) -> Result<ContentKind<'_>, &'static str> {
        let text = |key: &'static str| string(&self.0, key).ok_or(key);
        Ok(match text("type")? {
            "text" => ContentKind::Text(text("text")?),
            "image" => ContentKind::Image { data: text("data")?, mime_type: text("mimeType")? },
            "audio" => ContentKind::Audio { data: text("data")?, mime_type: text("mimeType")? },
            "resource_link" => ContentKind::ResourceLink { uri: text("uri")?, name: text("name")? },
            "resource" => {
                let resource = self.0.get("resource").and_then(Value::as_object).ok_or("resource")?;
                ContentKind::Resource {
                    uri: string(resource, "uri").ok_or("resource.uri")?,
                    mime_type: string(resource, "mimeType"),
                    text: string(resource, "text"),
                    blob: string(resource, "blob"),
                }
            }
            "tool_use" => ContentKind::ToolUse {
                id: text("id")?,
                name: text("name")?,
                input: self.0.get("input").and_then(Value::as_object).ok_or("input")?,
            },
            "tool_result" => ContentKind::ToolResult {
                tool_use_id: text("toolUseId")?,
                content: self.0.get("content").and_then(Value::as_array).ok_or("content")?,
                is_error: self.0.get("isError") == Some(&Value::Bool(true)),
            },
            other => ContentKind::Other(other),
        })
    }
}

/// One of our types as an object, which they all are. Nothing in them can fail to be written.
fn written<T: Serialize>(value: &T) -> Object {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => Object::new(),
    }
}

fn string<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

impl<'de> Deserialize<'de> for ContentBlock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let block = ContentBlock(Object::deserialize(deserializer)?);
        if let Err(field) = block.read() {
            return Err(D::Error::custom(format_args!(
                "the field `{field}` of a content block is missing or of the wrong type"
            )));
        }
        Ok(block)
    }
}

impl fmt::Debug for ContentBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContentBlock").field(&self.kind()).finish()
    }
}
