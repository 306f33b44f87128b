use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A string, borrowed where nothing in it is escaped: serde's own `Cow` always copies.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(Reading)
    }
}

/// A string as [`Text`] is, or any other value.
pub(super) enum TextOr<'a> {
    Text(Cow<'a, str>),
    Other(Value),
}

impl From<TextOr<'_>> for Value {
    fn from(it: TextOr<'_>) -> Value {
        match it {
            TextOr::Text(text) => text.into(),
            TextOr::Other(value) => value,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for TextOr<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = TextOr<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Text(Cow::Owned(text)))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Other(value.into()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Other(value.into()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Other(value.into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Other(value.into()))
            }

            fn visit_unit<E: Error>(self) -> Result<TextOr<'de>, E> {
                Ok(TextOr::Other(Value::Null))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<TextOr<'de>, A::Error> {
                Value::deserialize(SeqAccessDeserializer::new(seq)).map(TextOr::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TextOr<'de>, A::Error> {
                Value::deserialize(MapAccessDeserializer::new(map)).map(TextOr::Other)
            }
        }

        deserializer.deserialize_any(Reading)
    }
}
