//! Reading what a tool gave back, which is done for every call: field by field, where a derived reader would keep all of
//! them first, to see which are not known.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::CallToolResult;
use crate::jsonrpc::TextResult;
use crate::model::text::Text;

const COMPLETE: &str = "complete";

impl From<TextResult<String>> for CallToolResult {
    fn from(said: TextResult<String>) -> Self {
        CallToolResult {
            result_type: said.is_complete.then_some(Cow::Borrowed(COMPLETE)),
            error_flag: said.is_no_error.then_some(false),
            ..CallToolResult::text(said.text)
        }
    }
}

impl<'de> Deserialize<'de> for CallToolResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = CallToolResult;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("struct CallToolResult")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CallToolResult, A::Error> {
                let mut result = CallToolResult::default();
                let (mut content, mut structured, mut failed, mut meta, mut kind) = (None, None, None, None, None);
                while let Some(Text(key)) = map.next_key()? {
                    match &*key {
                        "content" => once("content", &mut content, map.next_value()?)?,
                        "structuredContent" => once("structuredContent", &mut structured, map.next_value()?)?,
                        "isError" => once("isError", &mut failed, map.next_value()?)?,
                        "_meta" => once("_meta", &mut meta, map.next_value()?)?,
                        "resultType" => once("resultType", &mut kind, map.next_value::<Option<Text<'de>>>()?)?,
                        _ => {
                            result.extra.insert(key.into_owned(), map.next_value()?);
                        }
                    }
                }
                result.content = content.ok_or_else(|| A::Error::missing_field("content"))?;
                result.structured_content = structured.flatten();
                result.error_flag = failed.flatten();
                result.meta = meta.flatten();
                result.result_type = kind.flatten().map(|Text(kind)| match &*kind {
                    COMPLETE => Cow::Borrowed(COMPLETE),
                    _ => Cow::Owned(kind.into_owned()),
                });
                Ok(result)
            }
        }

        fn once<T, E: serde::de::Error>(field: &'static str, place: &mut Option<T>, value: T) -> Result<(), E> {
            match place.replace(value) {
                None => Ok(()),
                Some(_) => Err(E::duplicate_field(field)),
            }
        }

        deserializer.deserialize_map(Reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::TextAnswer;

    #[test]
    fn a_text_is_read_as_any_other_result_is() {
        for json in [
            r#"{"content":[{"type":"text","text":""}]}"#,
            r#"{"content":[{"type":"text","text":"é }"}],"isError":false}"#,
            r#"{"resultType":"complete","content":[{"type":"text","text":"a"}]}"#,
            r#"{"resultType":"complete","content":[{"type":"text","text":"a"}],"isError":false}"#,
        ] {
            let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{json}}}");
            let answer = TextAnswer::read(line.as_bytes()).unwrap();
            let at_a_glance = CallToolResult::from(answer.result.to_owned());
            assert_eq!(at_a_glance, serde_json::from_str(json).unwrap());
            assert_eq!(serde_json::to_string(&at_a_glance).unwrap(), json);
        }
    }
}
