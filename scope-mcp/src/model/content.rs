use std::fmt;
use std::sync::OnceLock;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::text::{Text, TextOr};
use super::{Annotations, Object, Resource, ResourceContents};

/// A piece of content, kept whole; [`kind`](ContentBlock::kind) says what it is.
///
/// Its `type` decides how it is read. A block of a known type has been checked to have the fields of that type; one of
/// a type that is not known is kept as it is.
#[derive(Clone)]
pub struct ContentBlock(Block);

/// Most blocks are nothing but a text, and few are looked at as an object.
#[derive(Clone)]
enum Block {
    /// `type` and `text`, in this order, and nothing else; and the object that this is, once it is asked for.
    Text(String, OnceLock<Box<Object>>),
    Any(Object),
}

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
        ContentBlock(Block::Text(text.into(), OnceLock::new()))
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
        let content = content.into_iter().map(|block| Value::Object(block.into_object())).collect();
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

    pub(crate) fn with(self, field: &str, value: Value) -> Self {
        let mut block = self.into_object();
        block.insert(field.to_owned(), value);
        ContentBlock(Block::Any(block))
    }

    fn of<K: Into<String>>(kind: &str, fields: impl IntoIterator<Item = (K, Value)>) -> Self {
        let mut block = Object::new();
        block.insert("type".to_owned(), kind.into());
        block.extend(fields.into_iter().map(|(key, value)| (key.into(), value)));
        // Once more: what a resource has in `extra` may be called the same.
        block.insert("type".to_owned(), kind.into());
        ContentBlock(Block::Any(block))
    }

    /// What it is.
    pub fn kind(&self) -> ContentKind<'_> {
        match &self.0 {
            Block::Text(text, _) => ContentKind::Text(text),
            // Checked when it was read, and nothing can change it since.
            Block::Any(block) => read(block).unwrap_or(ContentKind::Other("")),
        }
    }

    /// All of it.
    pub fn as_object(&self) -> &Object {
        match &self.0 {
            Block::Text(text, object) => object.get_or_init(|| Box::new(text_block(text.clone()))),
            Block::Any(block) => block,
        }
    }

    /// Takes out its text, if it is that and nothing else.
    pub(crate) fn take_text(&mut self) -> Option<String> {
        match &mut self.0 {
            Block::Text(text, _) => Some(std::mem::take(text)),
            Block::Any(_) => None,
        }
    }

    /// All of it, by value.
    pub fn into_object(self) -> Object {
        match self.0 {
            Block::Text(text, _) => text_block(text),
            Block::Any(block) => block,
        }
    }
}

/// The kind, or the field that is missing or is not a string.
fn read(block: &Object) -> Result<ContentKind<'_>, &'static str> {
    let text = |key: &'static str| string(block, key).ok_or(key);
    Ok(match text("type")? {
        "text" => ContentKind::Text(text("text")?),
        "image" => ContentKind::Image { data: text("data")?, mime_type: text("mimeType")? },
        "audio" => ContentKind::Audio { data: text("data")?, mime_type: text("mimeType")? },
        "resource_link" => ContentKind::ResourceLink { uri: text("uri")?, name: text("name")? },
        "resource" => {
            let resource = block.get("resource").and_then(Value::as_object).ok_or("resource")?;
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
            input: block.get("input").and_then(Value::as_object).ok_or("input")?,
        },
        "tool_result" => ContentKind::ToolResult {
            tool_use_id: text("toolUseId")?,
            content: block.get("content").and_then(Value::as_array).ok_or("content")?,
            is_error: block.get("isError") == Some(&Value::Bool(true)),
        },
        other => ContentKind::Other(other),
    })
}

fn text_block(text: String) -> Object {
    let mut block = Object::new();
    block.insert("type".to_owned(), "text".into());
    block.insert("text".to_owned(), text.into());
    block
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
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = Block;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Block, A::Error> {
                let mut begun = Begun::Nothing;
                while let Some((Text(key), value)) = map.next_entry::<Text<'de>, TextOr<'de>>()? {
                    begun = match (begun, &*key, value) {
                        (Begun::Nothing, "type", TextOr::Text(kind)) if kind == "text" => Begun::Type,
                        (Begun::Type, "text", TextOr::Text(text)) => {
                            Begun::Block(Block::Text(text.into_owned(), OnceLock::new()))
                        }
                        (begun, _, value) => {
                            let mut object = begun.into_object();
                            object.insert(key.into_owned(), value.into());
                            Begun::Block(Block::Any(object))
                        }
                    };
                }
                Ok(match begun {
                    Begun::Block(block) => block,
                    begun => Block::Any(begun.into_object()),
                })
            }
        }

        /// What has been read.
        enum Begun {
            Nothing,
            /// That it is a text.
            Type,
            Block(Block),
        }

        impl Begun {
            fn into_object(self) -> Object {
                match self {
                    Begun::Nothing => Object::new(),
                    Begun::Type => Object::from_iter([("type".to_owned(), "text".into())]),
                    Begun::Block(block) => ContentBlock(block).into_object(),
                }
            }
        }

        let block = deserializer.deserialize_map(Reading)?;
        if let Block::Any(object) = &block
            && let Err(field) = read(object)
        {
            return Err(D::Error::custom(format_args!(
                "the field `{field}` of a content block is missing or of the wrong type"
            )));
        }
        Ok(ContentBlock(block))
    }
}

impl Serialize for ContentBlock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Block::Text(text, _) => serializer.collect_map([("type", "text"), ("text", text)]),
            Block::Any(block) => block.serialize(serializer),
        }
    }
}

impl PartialEq for ContentBlock {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Block::Text(one, _), Block::Text(other, _)) => one == other,
            _ => self.as_object() == other.as_object(),
        }
    }
}

impl fmt::Debug for ContentBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContentBlock").field(&self.kind()).finish()
    }
}
