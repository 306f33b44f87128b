use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::number::{no_float, write_maybe_float};
use super::{Object, setters};

/// Who says something, or is meant to hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// The person, or the program for them.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// As it stands in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// What a server hints about a resource or a piece of content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Annotations {
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Vec<Role>>,
    /// From 0, of no importance, to 1, necessary. One that is not finite is not written.
    #[serde(default, serialize_with = "write_maybe_float", skip_serializing_if = "no_float")]
    pub priority: Option<f64>,
    /// When it was changed last: a moment as in ISO 8601, not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl Annotations {
    /// None.
    pub fn new() -> Self {
        Annotations::default()
    }

    /// Sets [`audience`](Annotations::audience).
    #[must_use]
    pub fn audience(mut self, audience: impl IntoIterator<Item = Role>) -> Self {
        self.audience = Some(audience.into_iter().collect());
        self
    }

    /// Sets [`priority`](Annotations::priority).
    #[must_use]
    pub fn priority(mut self, priority: f64) -> Self {
        self.priority = Some(priority);
        self
    }

    setters!(Annotations { last_modified: String });
}

/// A picture that stands for something.
///
/// Whoever shows one loads it from an address that a peer chose: only `https:` and `data:` should be followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Icon {
    /// Where it is.
    pub src: String,
    /// Its media type, where `src` does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// The sizes it is made for: `48x48`, or `any`. Some servers, of a draft, send one text of them; it is taken apart.
    #[serde(default, deserialize_with = "read_sizes", skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Vec<String>>,
    /// What background it is made for: `light` or `dark`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
    /// What else came with it.
    #[serde(flatten)]
    pub extra: Object,
}

impl Icon {
    /// The picture at `src`.
    pub fn new(src: impl Into<String>) -> Self {
        Icon { src: src.into(), mime_type: None, sizes: None, theme: None, extra: Object::new() }
    }

    setters!(Icon { mime_type: String, theme: String });

    /// Sets [`sizes`](Icon::sizes).
    #[must_use]
    pub fn sizes<S: Into<String>>(mut self, sizes: impl IntoIterator<Item = S>) -> Self {
        self.sizes = Some(sizes.into_iter().map(Into::into).collect());
        self
    }
}

fn read_sizes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    struct Sizes;

    impl<'de> Visitor<'de> for Sizes {
        type Value = Option<Vec<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of sizes")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_str<E>(self, sizes: &str) -> Result<Self::Value, E> {
            Ok(Some(sizes.split_ascii_whitespace().map(str::to_owned).collect()))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, sizes: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(sizes)).map(Some)
        }
    }

    deserializer.deserialize_any(Sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_a_list_and_as_a_text() {
        for (json, sizes) in [
            (r#"{"src":"a"}"#, None),
            (r#"{"src":"a","sizes":null}"#, None),
            (r#"{"src":"a","sizes":["48x48","any"]}"#, Some(vec!["48x48", "any"])),
            (r#"{"src":"a","sizes":"48x48 any"}"#, Some(vec!["48x48", "any"])),
        ] {
            let icon: Icon = serde_json::from_str(json).unwrap();
            assert_eq!(
                icon.sizes.as_deref(),
                sizes.map(|it| it.into_iter().map(str::to_owned).collect::<Vec<_>>()).as_deref()
            );
        }
        let error = crate::decode::decode::<Icon>(r#"{"src":"a","sizes":["48x48",7]}"#).unwrap_err();
        assert!(error.starts_with("sizes[1]: "), "{error}");
        assert!(crate::decode::decode::<Icon>(r#"{"src":"a","sizes":7}"#).unwrap_err().contains("a list of sizes"));
    }
}
