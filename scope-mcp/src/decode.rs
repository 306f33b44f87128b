//! Reading what a peer sent into a type; where that fails, the reason says at which field.

use serde::Deserialize;

use crate::error::{SHOWN, parse_error};
use crate::redact::redact;
use crate::visible::Visible;

/// `json` as a `T`, or what is wrong with it, with the path of the field (`content[0].text: …`), fit for a message.
pub(crate) fn decode<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    // What is right, as nearly everything is, is not slowed down by keeping track of the path.
    serde_json::from_str(json).map_err(|error| match path::<T>(json) {
        Some(path) => format!("{}: {}", Visible::new(&redact(&path), SHOWN), parse_error(&error)),
        None => parse_error(&error),
    })
}

/// Where in `json` it goes wrong; `None` if that is no place in particular.
fn path<'a, T: Deserialize<'a>>(json: &'a str) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let error = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err()?;
    let path = error.path();
    path.iter().next().is_some().then(|| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CallToolResult;

    fn wrong(json: &str) -> String {
        decode::<CallToolResult>(json).unwrap_err()
    }

    #[test]
    fn the_field_that_is_wrong_is_named_by_its_path() {
        for (json, path) in [
            (r#"{"content":3}"#, "content: invalid type: integer `3`, expected a sequence"),
            (r#"{"content":[{"type":"text","text":"a"},{"type":7}]}"#, "content[1]: the field `type` of a content"),
            (r#"{"content":[],"isError":"no"}"#, "isError: invalid type: string"),
            (r#"{"content":[],"_meta":[]}"#, "_meta: invalid type: sequence"),
        ] {
            assert!(wrong(json).starts_with(path), "{json}: {}", wrong(json));
        }
    }

    #[test]
    fn what_is_wrong_as_a_whole_has_no_path() {
        assert!(wrong("[]").starts_with("invalid type: sequence") || wrong("[]").starts_with("invalid length"));
        assert!(wrong("{}").starts_with("missing field `content`"), "{}", wrong("{}"));
        assert!(wrong(r#"{"content":[],"content":[]}"#).contains("duplicate field `content`"));
    }

    #[test]
    fn a_path_of_hostile_names_is_escaped_cut_and_holds_no_secret() {
        type Nested = std::collections::BTreeMap<String, std::collections::BTreeMap<String, u8>>;
        let json = format!(r#"{{"token=hush\u001b{}":{{"b":"x"}}}}"#, "x".repeat(10_000));
        let said = decode::<Nested>(&json).unwrap_err();
        assert!(said.len() < 1000 && !said.contains("hush") && !said.contains('\u{1b}'), "{said}");
        assert_eq!(decode::<u8>("7"), Ok(7));
    }
}
