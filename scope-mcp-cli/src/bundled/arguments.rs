//! The arguments of a call, checked against what the tool asks for.

use serde_json::{Map, Number, Value};

use crate::names;

/// What is wrong with the arguments, in words for whoever wrote them.
pub(super) type Wrong = String;

/// The arguments of one call.
pub(super) struct Arguments<'a>(&'a Map<String, Value>);

impl<'a> Arguments<'a> {
    /// Takes the arguments if there are none beside those in `known`.
    pub(super) fn of(arguments: &'a Map<String, Value>, known: &[&str]) -> Result<Self, Wrong> {
        match arguments.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(Arguments(arguments)),
            Some(key) => {
                let suggestion = names::suggestion(key, known.iter().copied());
                Err(format!("there is no argument {key:?}{suggestion}"))
            }
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<&'a str, Wrong> {
        match self.get(key)? {
            Value::String(text) => Ok(text),
            other => Err(format!("the argument {key:?} should be a string, but is {}", kind(other))),
        }
    }

    pub(super) fn number(&self, key: &str) -> Result<&'a Number, Wrong> {
        match self.get(key)? {
            Value::Number(number) => Ok(number),
            other => Err(format!("the argument {key:?} should be a number, but is {}", kind(other))),
        }
    }

    /// A number of seconds that is not negative and at most an hour.
    pub(super) fn seconds(&self, key: &str) -> Result<f64, Wrong> {
        let number = self.number(key)?;
        match number.as_f64() {
            Some(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
            _ => Err(format!("the argument {key:?} should be a number from 0 to 3600, but is {number}")),
        }
    }

    fn get(&self, key: &str) -> Result<&'a Value, Wrong> {
        self.0.get(key).ok_or_else(|| format!("the argument {key:?} is missing"))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
