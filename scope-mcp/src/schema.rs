//! JSON Schema: whether a value keeps to one, and where it does not.
//!
//! Nothing is ever fetched for a `$ref`, and patterns take time in proportion to what they are tried on: look-around and
//! back-references, which cannot, are refused when the schema is compiled.

use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use crate::error::SHOWN;
use crate::redact::redact;
use crate::visible::Visible;

/// How large a compiled pattern may get, in bytes.
const PATTERN_MAX: usize = 1 << 20;

/// A schema, ready to be held against values.
#[derive(Debug)]
pub(crate) struct Schema(Validator);

/// Why something is no schema that can be used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaError(String);

/// Where a value does not keep to its schema, and why; the first place only, and without the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaViolation(String);

impl Schema {
    pub(crate) fn compile(schema: &Value) -> Result<Schema, SchemaError> {
        let patterns = PatternOptions::regex().size_limit(PATTERN_MAX).dfa_size_limit(PATTERN_MAX);
        let options = jsonschema::options().offline().with_pattern_options(patterns);
        options.build(schema).map(Schema).map_err(|error| {
            let why = match error.kind() {
                ValidationErrorKind::Format { format } if format == "regex" => {
                    "is no regular expression that can be used: not one, too large, or with look-around or \
                     back-references, which are not supported"
                        .to_owned()
                }
                _ => error.masked_with("what stands there").to_string(),
            };
            SchemaError(at(&error, &why))
        })
    }

    pub(crate) fn check(&self, value: &Value) -> Result<(), SchemaViolation> {
        // The first violation only: to list all of them could take far more memory than the value does.
        self.0.validate(value).map_err(|error| SchemaViolation(at(&error, &error.masked_with("the value").to_string())))
    }
}

/// What is wrong, with its place before it, fit for a message.
fn at(error: &ValidationError<'_>, why: &str) -> String {
    let place = error.instance_path().as_str();
    let why = Visible::new(&redact(why), SHOWN).to_string();
    if place.is_empty() { why } else { format!("at {}: {why}", Visible::new(&redact(place), SHOWN)) }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SchemaViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SchemaError {}

impl std::error::Error for SchemaViolation {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        let part = json!({ "type": "object", "required": ["n"], "properties": {
            "n": { "type": "integer", "maximum": 3 }, "api_key": { "pattern": "^[a-z]+$" } } });
        let schema = json!({ "type": "object", "additionalProperties": false, "properties": {
            "parts": { "type": "array", "items": { "$ref": "#/$defs/part" } } }, "$defs": { "part": part } });
        Schema::compile(&schema).unwrap()
    }

    fn wrong(value: &Value) -> String {
        schema().check(value).unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_place() {
        assert_eq!(schema().check(&json!({ "parts": [{ "n": 1 }] })), Ok(()));
        assert_eq!(wrong(&json!([])), "the value is not of type \"object\"");
        assert_eq!(wrong(&json!({ "parts": [{ "n": 1 }, {}] })), "at /parts/1: \"n\" is a required property");
        let large = wrong(&json!({ "parts": [{ "n": 4 }] }));
        assert_eq!(large, "at /parts/0/n: the value is greater than the maximum of 3");
    }

    #[test]
    fn the_value_is_not_repeated() {
        let said = wrong(&json!({ "parts": [{ "n": 1, "api_key": "HUSH" }] }));
        assert!(said.contains("at /parts/0/api_key") && !said.contains("HUSH"), "{said}");
        let said = wrong(&json!({ ("\u{1b}".to_owned() + &"x".repeat(10_000)): 1 }));
        assert!(said.len() < 500 && !said.contains('\u{1b}'), "{said}");
    }

    #[test]
    fn what_is_no_schema_is_refused_and_nothing_is_fetched() {
        for (schema, why) in [
            (json!({ "properties": { "a": { "type": "objekt" } } }), "at /properties/a/type: what stands there"),
            (json!({ "properties": { "a": { "pattern": "(?=x)" } } }), "at /properties/a/pattern: is no regular"),
            (json!({ "pattern": "(a{1000}){1000}" }), "at /pattern: is no regular expression"),
            (json!({ "$ref": "https://example.com/x" }), "https://example.com/x"),
            (json!({ "$ref": "file:///etc/hostname" }), "file:///etc/hostname"),
            (json!({ "$ref": "#/$defs/no" }), "'/$defs/no' does not exist"),
            (json!(7), "what stands there is not"),
        ] {
            let said = Schema::compile(&schema).unwrap_err().to_string();
            assert!(said.contains(why), "{schema}: {said}");
        }
    }

    #[test]
    fn a_pattern_that_explodes_elsewhere_does_not_here() {
        let schema = Schema::compile(&json!({ "pattern": "^(a+)+$" })).unwrap();
        assert!(schema.check(&Value::String("a".repeat(100_000) + "!")).is_err());
    }
}
