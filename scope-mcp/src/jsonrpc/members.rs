use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A JSON object of which only the names are read: in order, each value as it stood.
///
/// So a part of a message can be replaced without touching the spelling of the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members<'a>(Vec<(String, Cow<'a, RawValue>)>);

impl<'a> Members<'a> {
    /// `None` if `raw` is no object.
    pub(crate) fn read(raw: &'a RawValue) -> Option<Members<'a>> {
        serde_json::from_str(raw.get()).ok()
    }

    /// Sets `name`, in its place if it is there already.
    pub(crate) fn set(&mut self, name: &str, value: Cow<'a, RawValue>) {
        match self.0.iter_mut().find(|(it, _)| it == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes `name` out, however often it is there.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(it, _)| it != name);
    }

    /// As JSON text.
    pub(crate) fn write(&self) -> Box<RawValue> {
        // Names and raw values cannot fail to be written.
        to_raw_value(self).unwrap_or_default()
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, Cow::Borrowed(value)));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_not_touched_keeps_its_place_and_spelling() {
        let text = raw(r#"{"b":1.50,"a":"\u0061\/","c": [1e400] ,"b":2}"#);
        let mut members = Members::read(&text).unwrap();
        members.set("a", Cow::Owned(raw("true")));
        members.set("d", Cow::Owned(raw("{}")));
        assert_eq!(members.write().get(), r#"{"b":1.50,"a":true,"c":[1e400],"b":2,"d":{}}"#);
        members.remove("b");
        members.remove("x");
        assert_eq!(members.write().get(), r#"{"a":true,"c":[1e400],"d":{}}"#);
    }

    #[test]
    fn what_is_no_object_is_told() {
        for other in ["[1]", "null", "\"{}\"", "3"] {
            assert!(Members::read(&raw(other)).is_none(), "{other}");
        }
        assert_eq!(Members::default().write().get(), "{}");
    }
}
