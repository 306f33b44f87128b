//! Schemas of the plain kind, which say of values what types do: checked while the text is read, in one pass, with nothing
//! built.
//!
//! What is found here to follow a schema does. What is not may do so all the same (`1.0` is an integer), and why it does not
//! is for the full check to say.

mod text;

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Whether that is sound, and says nothing of what is valid: formats are not checked.
fn is_note(key: &str, value: &Value) -> bool {
    match key {
        "title" | "description" | "$comment" | "format" => value.is_string(),
        "deprecated" | "readOnly" | "writeOnly" => value.is_boolean(),
        "examples" => value.is_array(),
        "default" => true,
        _ => false,
    }
}

/// With certain features on, the crate that reads JSON shows what is no object as one with such a name in it.
const NO_MEMBER: &str = "$serde_json::private::";

/// A bit for each type.
type Types = u8;
const NULL: Types = 1;
const BOOLEAN: Types = 2;
const INTEGER: Types = 4;
const NUMBER: Types = 8;
const STRING: Types = 16;
const ARRAY: Types = 32;
const OBJECT: Types = 64;
const ALL: Types = 127;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Plain {
    types: Types,
    /// The only texts there may be; any if `None`.
    texts: Option<Vec<String>>,
    /// Of whole numbers.
    least: i128,
    most: i128,
    items: Option<Box<Plain>>,
    /// By name.
    properties: Vec<Property>,
    /// A bit for each property that must be there.
    required: u64,
    others: Others,
}

/// What everything follows.
pub(super) static ANY: Plain = ANYTHING;
const ANYTHING: Plain = Plain {
    types: ALL,
    texts: None,
    least: i128::MIN,
    most: i128::MAX,
    items: None,
    properties: Vec::new(),
    required: 0,
    others: Others::Any,
};

#[derive(Debug)]
struct Property {
    name: String,
    plain: Plain,
}

/// Of members that are not named.
#[derive(Debug)]
enum Others {
    Any,
    None,
    Like(Box<Plain>),
}

impl Plain {
    /// `None` if the schema says more than can be checked here, or is not sound.
    pub(super) fn of(schema: &Value) -> Option<Plain> {
        match schema {
            Value::Object(keywords) if keywords.get("$schema").is_none_or(|it| it == DIALECT) => Plain::inner(schema),
            _ => None,
        }
    }

    /// Whether `value` surely follows the schema.
    pub(super) fn fits<'de, D: Deserializer<'de>>(&self, value: D) -> bool {
        self.deserialize(value).is_ok()
    }

    fn inner(schema: &Value) -> Option<Plain> {
        let keywords = match schema {
            Value::Bool(true) => return Some(ANYTHING),
            Value::Object(keywords) => keywords,
            _ => return None,
        };
        let mut plain = ANYTHING;
        for (key, value) in keywords {
            match key.as_str() {
                "type" => plain.types = types(value)?,
                "enum" => plain.texts = Some(value.as_array()?.iter().map(text).collect::<Option<_>>()?),
                "minimum" => plain.least = whole(value)?,
                "maximum" => plain.most = whole(value)?,
                "items" => plain.items = Some(Box::new(Plain::inner(value)?)),
                "properties" => plain.properties = properties(value.as_object()?)?,
                "additionalProperties" => {
                    plain.others = match value {
                        Value::Bool(false) => Others::None,
                        other => Others::Like(Box::new(Plain::inner(other)?)),
                    }
                }
                // With the properties, below; the dialect, above.
                "required" | "$schema" => {}
                note if is_note(note, value) => {}
                _ => return None,
            }
        }
        for name in keywords.get("required").map_or(Some(&Vec::new()), Value::as_array)? {
            let at = plain.position(name.as_str()?)?;
            let bit = 1u64.checked_shl(u32::try_from(at).ok()?)?;
            // Named twice: that is not allowed.
            if plain.required & bit != 0 {
                return None;
            }
            plain.required |= bit;
        }
        Some(plain)
    }

    fn position(&self, name: impl AsRef<[u8]>) -> Option<usize> {
        self.properties.binary_search_by(|property| property.name.as_bytes().cmp(name.as_ref())).ok()
    }

    fn only<E: Error>(&self, of: Types) -> Result<(), E> {
        if self.types & of != 0 && self.texts.is_none() { Ok(()) } else { Err(undecided()) }
    }

    fn whole<E: Error>(&self, number: i128) -> Result<(), E> {
        if (self.least..=self.most).contains(&number) { self.only(INTEGER | NUMBER) } else { Err(undecided()) }
    }
}

fn properties(named: &Map<String, Value>) -> Option<Vec<Property>> {
    let property =
        |(name, schema): (&String, &Value)| Some(Property { name: name.clone(), plain: Plain::inner(schema)? });
    let mut all: Vec<Property> = named.iter().map(property).collect::<Option<_>>()?;
    all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Some(all)
}

fn types(value: &Value) -> Option<Types> {
    match value {
        // One at least, and none twice.
        Value::Array(several) if !several.is_empty() => several.iter().try_fold(0, |all, one| {
            let one = one_type(one)?;
            (all & one == 0).then_some(all | one)
        }),
        one => one_type(one),
    }
}

fn one_type(value: &Value) -> Option<Types> {
    Some(match value.as_str()? {
        "null" => NULL,
        "boolean" => BOOLEAN,
        "integer" => INTEGER,
        "number" => NUMBER,
        "string" => STRING,
        "array" => ARRAY,
        "object" => OBJECT,
        _ => return None,
    })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}

/// It is shown to nobody.
fn undecided<E: Error>() -> E {
    E::custom("")
}

impl<'de> DeserializeSeed<'de> for &Plain {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Plain {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what follows the schema")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.only(NULL)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.only(BOOLEAN)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.whole(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.whole(number.into())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        if (self.least, self.most) == (i128::MIN, i128::MAX) { self.only(NUMBER) } else { Err(undecided()) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let may_be = self.texts.as_ref().is_none_or(|texts| texts.iter().any(|it| it == text));
        if may_be && self.types & STRING != 0 { Ok(()) } else { Err(undecided()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.only(ARRAY)?;
        let each = self.items.as_deref().unwrap_or(&ANY);
        while seq.next_element_seed(each)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.only(OBJECT)?;
        let mut missing = self.required;
        while let Some(named) = map.next_key_seed(Name(self))? {
            let value = match named {
                Named::Property(at) => {
                    missing &= !1u64.checked_shl(at as u32).unwrap_or(0);
                    &self.properties[at].plain
                }
                Named::Other => match &self.others {
                    Others::Any => &ANY,
                    Others::None => return Err(undecided()),
                    Others::Like(plain) => plain,
                },
            };
            map.next_value_seed(value)?;
        }
        if missing == 0 { Ok(()) } else { Err(undecided()) }
    }
}

/// Reads the name of a member.
struct Name<'a>(&'a Plain);

enum Named {
    Property(usize),
    Other,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Named;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Named, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Named, E> {
        match self.0.position(name) {
            Some(at) => Ok(Named::Property(at)),
            None if name.starts_with(NO_MEMBER) => Err(undecided()),
            None => Ok(Named::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Schemas, each with texts that it is tried on.
    fn schemas() -> Vec<Value> {
        let of = |name: &str| json!({ "type": name });
        let mut all: Vec<Value> =
            ["null", "boolean", "integer", "number", "string", "array", "object"].map(of).into_iter().collect();
        all.extend([
            json!({}),
            json!({ "type": ["string", "null"], "description": "a", "format": "uri" }),
            json!({ "type": "string", "enum": ["a", "b"] }),
            json!({ "enum": ["a"] }),
            json!({ "type": "integer", "minimum": 0, "maximum": 7 }),
            json!({ "maximum": 7 }),
            json!({ "type": "array", "items": { "type": "integer" } }),
            json!({ "items": { "enum": ["a"] } }),
            json!({ "properties": { "a": { "type": "integer" } }, "required": ["a"] }),
            json!({ "type": "object", "properties": { "b": true, "a": { "type": "string" } }, "additionalProperties": false }),
            json!({ "type": "object", "properties": { "a": {} }, "additionalProperties": { "type": "null" } }),
            json!({ "type": "object", "additionalProperties": { "items": { "type": "string" } }, "$schema": DIALECT }),
        ]);
        all
    }

    const TEXTS: [&str; 30] = [
        "null",
        "true",
        "0",
        "7",
        "8",
        "-1",
        "1.0",
        "1.5",
        "-0",
        "1e2",
        "18446744073709551615",
        "1e400",
        "\"a\"",
        "\"b\"",
        "\"c\"",
        "\"\\u0061\"",
        "[]",
        "[1]",
        "[\"a\"]",
        "[1,\"a\"]",
        "[null,[1.5]]",
        "{}",
        "{\"a\":1}",
        "{\"a\":\"1\"}",
        "{\"a\":null,\"b\":null}",
        "{\"\\u0061\":1}",
        "{\"c\":[\"a\"]}",
        "{\"a\":\"x\",\"a\":1}",
        "{\"a\":1,\"a\":\"x\"}",
        "[1",
    ];

    #[test]
    fn what_is_found_to_fit_does_and_nearly_all_that_fits_is_found() {
        let (mut found, mut valid) = (0, 0);
        for schema in schemas() {
            let plain = Plain::of(&schema).unwrap_or_else(|| panic!("{schema} is plain"));
            let full = super::super::validator(&schema).expect("what is plain is sound");
            for text in TEXTS {
                let fits = plain.fits(&mut serde_json::Deserializer::from_str(text));
                let value: Option<Value> = serde_json::from_str(text).ok();
                let truth = value.as_ref().is_some_and(|value| full.is_valid(value));
                assert!(!fits || truth, "{schema}: {text} does not follow it");
                if let Some(value) = &value {
                    assert!(!plain.fits(value) || truth, "{schema}: {value} does not follow it");
                }
                (found, valid) = (found + usize::from(fits), valid + usize::from(truth));
            }
        }
        assert!(found * 100 > valid * 90, "{found} of {valid}");
    }

    #[test]
    fn what_says_more_is_not_plain() {
        for more in [
            json!(true),
            json!({ "$schema": "http://json-schema.org/draft-04/schema#" }),
            json!({ "$ref": "#/$defs/a" }),
            json!({ "anyOf": [] }),
            json!({ "properties": { "a": { "not": {} } } }),
            json!({ "properties": { "a": false } }),
            json!({ "properties": { "a": { "$schema": DIALECT, "pattern": "a" } } }),
            json!({ "enum": ["a", 1] }),
            json!({ "minimum": 0.5 }),
            json!({ "required": ["a"] }),
            json!({ "items": [{}] }),
            json!({ "minLength": 1 }),
            json!({ "title": 1 }),
            json!({ "examples": {} }),
            json!({ "deprecated": "no" }),
            json!({ "type": [] }),
            json!({ "type": ["null", "null"] }),
            json!({ "type": "text" }),
            json!({ "properties": { "a": {} }, "required": ["a", "a"] }),
        ] {
            assert!(Plain::of(&more).is_none(), "{more}");
        }
        let many: Map<String, Value> = (0..70).map(|n| (format!("p{n:02}"), json!({}))).collect();
        let of = |required: &str| Plain::of(&json!({ "properties": many.clone(), "required": [required] }));
        assert!(of("p63").is_some() && of("p64").is_none(), "there is a bit for 64");
    }

    #[test]
    fn what_only_looks_like_an_object_is_left_to_the_full_check() {
        let number = format!("{{\"{NO_MEMBER}Number\":\"1\"}}");
        assert!(
            !Plain::of(&json!({ "type": "object" })).unwrap().fits(&mut serde_json::Deserializer::from_str(&number))
        );
    }
}
