use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Object;

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
    /// Of a type that this crate does not know.
    Other(&'a str),
}

impl ContentBlock {
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
            other => ContentKind::Other(other),
        })
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
