//! Adds members to a JSON object without touching the spelling of the rest.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};
use serde_json::value::RawValue;

/// A member: its key, and its value as JSON.
pub(crate) type Member<'a> = (&'a str, &'a str);

/// The key of what is about the message itself, as it is looked for.
const META: &str = "\"_meta\"";

/// Why nothing could be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoObject(pub(crate) &'static str);

/// `object` with `members` where it has none of that key, and with `meta` in its `_meta`, whatever stood there of that key.
pub(crate) fn splice(object: &str, members: &[Member<'_>], meta: &[Member<'_>]) -> Result<Box<RawValue>, NoObject> {
    let Some(rest) = object.trim_ascii_start().strip_prefix('{') else { return Err(NoObject("it is no object")) };
    let more: usize = members.iter().chain(meta).map(|(key, value)| key.len() + value.len() + 4).sum();
    let mut text = String::with_capacity(object.len() + more + 16);
    text.push('{');
    if !may_have_meta(object.as_bytes())
        && !members.iter().any(|(key, _)| may_have(object.as_bytes(), &format!("\"{key}\"")))
    {
        if !meta.is_empty() {
            open_meta(&mut text, meta);
            text.push('}');
        }
        for (key, value) in members {
            member(&mut text, key, value);
        }
        if !text.ends_with('{') && !rest.trim_ascii_start().starts_with('}') {
            text.push(',');
        }
        text.push_str(rest);
    } else {
        let theirs: BTreeMap<String, &RawValue> =
            serde_json::from_str(object).map_err(|_| NoObject("it is not proper JSON"))?;
        if let Some(old) = theirs.get("_meta") {
            let old: BTreeMap<String, &RawValue> =
                serde_json::from_str(old.get()).map_err(|_| NoObject("its \"_meta\" is no object"))?;
            open_meta(&mut text, meta);
            for (key, value) in old.iter().filter(|(key, _)| !meta.iter().any(|(ours, _)| ours == key)) {
                member(&mut text, key, value.get());
            }
            text.push('}');
        } else if !meta.is_empty() {
            open_meta(&mut text, meta);
            text.push('}');
        }
        for (key, value) in members.iter().filter(|(key, _)| !theirs.contains_key(*key)) {
            member(&mut text, key, value);
        }
        for (key, value) in theirs.iter().filter(|(key, _)| *key != "_meta") {
            member(&mut text, key, value.get());
        }
        text.push('}');
    }
    RawValue::from_string(text).map_err(|_| NoObject("it is not proper JSON"))
}

/// Whether `object` may have a `_meta`, as [`may_have`] says it.
pub(super) fn may_have_meta(object: &[u8]) -> bool {
    /// Made once: nearly every request is searched.
    static META_FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(META));
    META_FINDER.find(object).is_some()
}

/// Whether `object` may have the member whose key, in quotes, is `quoted`. A key that is written with an escape is there
/// without being found. Then it stands there twice: who writes so, and what we add, is its own doing.
fn may_have(object: &[u8], quoted: &str) -> bool {
    memmem::find(object, quoted.as_bytes()).is_some()
}

fn open_meta(text: &mut String, meta: &[Member<'_>]) {
    text.push_str("\"_meta\":{");
    for (key, value) in meta {
        member(text, key, value);
    }
}

/// Adds a member to what is to be an object.
pub(super) fn member(text: &mut String, key: &str, value: &str) {
    if !text.is_empty() && !text.ends_with('{') {
        text.push(',');
    }
    // `Value`'s Display writes the JSON of a string.
    text.push_str(&serde_json::Value::from(key).to_string());
    text.push(':');
    text.push_str(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spliced(object: &str, members: &[Member<'_>], meta: &[Member<'_>]) -> String {
        splice(object, members, meta).unwrap().get().to_owned()
    }

    #[test]
    fn what_is_there_stays_as_it_is_written() {
        assert_eq!(spliced(r#" { "a" : 1.0e2 }"#, &[("b", "2")], &[]), r#"{"b":2, "a" : 1.0e2 }"#);
        assert_eq!(spliced("{ }", &[("b", "2")], &[("m", "1")]), r#"{"_meta":{"m":1},"b":2 }"#);
        assert_eq!(spliced(r#"{"a":"\u0041"}"#, &[], &[]), r#"{"a":"\u0041"}"#);
        assert_eq!(spliced("{}", &[], &[("m", "1")]), r#"{"_meta":{"m":1}}"#);
    }

    #[test]
    fn a_member_that_is_there_wins_and_a_member_of_meta_does_not() {
        assert_eq!(
            spliced(r#"{"b":1.50,"_meta":{"m":7,"n":1.0}}"#, &[("b", "2"), ("c", "3")], &[("m", "1")]),
            r#"{"_meta":{"m":1,"n":1.0},"c":3,"b":1.50}"#
        );
        // Found in a value only.
        assert_eq!(spliced(r#"{"a":["b"]}"#, &[("b", "2")], &[]), r#"{"b":2,"a":["b"]}"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(splice("[1]", &[], &[]).unwrap_err(), NoObject("it is no object"));
        assert_eq!(splice(r#"{"_meta":1}"#, &[], &[("m", "1")]).unwrap_err(), NoObject("its \"_meta\" is no object"));
    }
}
