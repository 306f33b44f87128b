//! JSON Schema, where neither the schema nor the value can be trusted.
//!
//! A schema comes from a server as often as not, and so may what is checked by it. So a check ends in a bounded time and
//! within a bounded stack, and reads nothing but what it was given:
//! * `$ref` is followed to places in the schema itself only (`#/…`, `#anchor`); nothing is fetched, no file is opened;
//! * patterns are matched in linear time: look-around and back-references are not offered;
//! * what would take too many steps, as some small schemas do (`allOf` of two references to the same, thirty times), is
//!   [refused](SchemaViolation::is_too_costly) before it is begun.
//!
//! `$schema` names the dialect: 2020-12 if it is missing, or draft 4, 6, 7 or 2019-09. `format` is not checked.
//!
//! ```
//! use scope_mcp::schema::Schema;
//! use serde_json::json;
//! let schema = Schema::compile(&json!({ "type": "object", "properties": { "n": { "minimum": 3 } } })).unwrap();
//! assert!(schema.check(&json!({ "n": 4 })).is_ok());
//! assert_eq!(schema.check(&json!({ "n": 2 })).unwrap_err().to_string(), "at /n: the value is less than the minimum of 3");
//! ```

mod cost;
mod plain;

use std::fmt;
use std::sync::OnceLock;

use jsonschema::error::{ValidationError, ValidationErrorKind};
use jsonschema::{PatternOptions, Validator};
use plain::Plain;
use serde_json::Value;

use crate::error::SHOWN;
use crate::redact::redact;
use crate::visible::Visible;

/// How many values a schema may have in all, objects, lists and bare ones.
const MAX_VALUES: usize = 20_000;

/// How many bytes all its texts and names may have.
const MAX_TEXT: usize = 4 << 20;

/// How deep its values may be nested.
const MAX_DEPTH: usize = 128;

/// How many patterns it may have, and how large each may get, in bytes.
const MAX_PATTERNS: usize = 100;
const MAX_PATTERN: usize = 1 << 20;

/// Up to so many steps a check is made again for the sake of a better reason.
const EXPLAINED: u64 = 100_000;

/// A schema, ready to check values by. See the [module](self) for what holds.
pub struct Schema {
    /// What the costs are counted by.
    source: Value,
    /// If it is of that kind. Then it is sound, and the validator is made when something does not fit.
    plain: Option<Plain>,
    validator: OnceLock<Validator>,
}

impl Schema {
    /// Makes a schema ready: a matter of milliseconds, but for a hostile one of up to a second.
    ///
    /// # Errors
    /// [`SchemaError`] if it is no schema, refers to something outside itself, or is too large.
    pub fn compile(schema: &Value) -> Result<Schema, SchemaError> {
        let mut size = Size::default();
        size.add(schema, 0)?;
        let compiled = Schema { source: schema.clone(), plain: Plain::of(schema), validator: OnceLock::new() };
        if compiled.plain.is_none() {
            let _ = compiled.validator.set(validator(schema)?);
        }
        Ok(compiled)
    }

    /// Checks a value. Does not wait for anything, but may compute for a second at the worst; where that is too long for
    /// the thread, do it elsewhere.
    ///
    /// # Errors
    /// [`SchemaViolation`]: the first thing that is wrong, or that the check would be too costly.
    pub fn check(&self, value: &Value) -> Result<(), SchemaViolation> {
        if self.plain.as_ref().is_some_and(|plain| plain.fits(value)) {
            return Ok(());
        }
        let steps = cost::of(&self.source, value).map_err(|refused| SchemaViolation {
            path: String::new(),
            why: refused.to_string(),
            unchecked: true,
        })?;
        let validator = self.validator()?;
        // A reason can be many times as large as the value: every branch of an `anyOf` has one for every item.
        if validator.is_valid(value) {
            return Ok(());
        }
        let violation = |path: String, why: String| SchemaViolation { path, why, unchecked: false };
        if steps > EXPLAINED {
            return Err(violation(
                String::new(),
                "it does not follow its schema, and is too large to say where".into(),
            ));
        }
        match validator.validate(value) {
            Ok(()) => Ok(()),
            Err(error) => {
                Err(violation(error.instance_path().to_string(), shown(&error.masked_with("the value").to_string())))
            }
        }
    }
}

impl Schema {
    /// Whether `json` is JSON and surely follows the schema, found out without building a value; if not,
    /// [`check`](Schema::check) it.
    pub(crate) fn surely_fits(&self, json: &str) -> bool {
        self.plain.as_ref().is_some_and(|plain| plain.fits_text(json))
    }
}

impl Schema {
    fn validator(&self) -> Result<&Validator, SchemaViolation> {
        if let Some(validator) = self.validator.get() {
            return Ok(validator);
        }
        let made = validator(&self.source).map_err(|error| SchemaViolation::of_the_whole(error.to_string()))?;
        Ok(self.validator.get_or_init(|| made))
    }
}

/// Whether `text` surely is JSON, a single value and nothing else: found out in less time than it takes to read it.
pub(crate) fn is_json(text: &str) -> bool {
    plain::ANY.fits_text(text)
}

fn validator(schema: &Value) -> Result<Validator, SchemaError> {
    jsonschema::options()
        .offline()
        .should_validate_formats(false)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN))
        .build(schema)
        .map_err(|error| SchemaError(explain(&error)))
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Size {
    values: usize,
    text: usize,
    patterns: usize,
}

impl Size {
    fn add(&mut self, value: &Value, depth: usize) -> Result<(), SchemaError> {
        let too_large = |what: fmt::Arguments<'_>| Err(SchemaError(format!("it is too large: {what}")));
        if depth > MAX_DEPTH {
            return too_large(format_args!("nested deeper than {MAX_DEPTH}"));
        }
        self.values += 1;
        match value {
            Value::String(text) => self.text += text.len(),
            Value::Array(items) => items.iter().try_for_each(|item| self.add(item, depth + 1))?,
            Value::Object(members) => {
                for (key, value) in members {
                    self.text += key.len();
                    self.patterns += match (key.as_str(), value) {
                        ("pattern", Value::String(_)) => 1,
                        ("patternProperties", Value::Object(patterns)) => patterns.len(),
                        _ => 0,
                    };
                    self.add(value, depth + 1)?;
                }
            }
            _ => {}
        }
        if self.values > MAX_VALUES {
            return too_large(format_args!("more than {MAX_VALUES} values"));
        }
        if self.text > MAX_TEXT {
            return too_large(format_args!("more than {MAX_TEXT} bytes of text"));
        }
        if self.patterns > MAX_PATTERNS {
            return too_large(format_args!("more than {MAX_PATTERNS} patterns"));
        }
        Ok(())
    }
}

/// What is wrong with a schema, and where in it.
fn explain(error: &ValidationError<'_>) -> String {
    let why = match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => {
            "is no regular expression that can be used: not one, too large, or with look-around or back-references, \
             which are not supported"
                .to_owned()
        }
        ValidationErrorKind::Referencing(_) => {
            format!("{}; nothing outside the schema itself is looked at", shown(&error.to_string()))
        }
        _ => shown(&error.masked_with("what stands there").to_string()),
    };
    located(error.instance_path().as_str(), &why)
}

/// Somebody else's words, in a message.
fn shown(text: &str) -> String {
    Visible::new(&redact(text), SHOWN).to_string()
}

/// A reason, after the path it is about.
fn located(path: &str, why: &str) -> String {
    if path.is_empty() { why.to_owned() } else { format!("at {}: {why}", shown(path)) }
}

/// Why something cannot be used as a schema: where in it (a JSON pointer), and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError(String);

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SchemaError {}

/// How a value fails its schema: where (a JSON pointer), and what is wrong there. The value itself is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaViolation {
    path: String,
    why: String,
    unchecked: bool,
}

impl SchemaViolation {
    /// That something is wrong with the value as a whole.
    pub(crate) fn of_the_whole(why: impl Into<String>) -> Self {
        SchemaViolation { path: String::new(), why: why.into(), unchecked: false }
    }

    /// Where in the value it is wrong, as a JSON pointer with the value's own names; empty for all of it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// It was not checked: that would take too long, or too deep a stack, or follows `$ref` in a way that is not
    /// offered.
    pub fn is_too_costly(&self) -> bool {
        self.unchecked
    }
}

impl fmt::Display for SchemaViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&located(&self.path, &self.why))
    }
}

impl std::error::Error for SchemaViolation {}

#[cfg(test)]
mod tests;
