use std::fmt;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::{INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::redact::redact;
use crate::visible::Visible;

/// The error that a request was, or is to be, answered with.
#[derive(Clone)]
pub struct Rejection(Box<Parts>);

#[derive(Clone)]
struct Parts {
    code: Option<i64>,
    message: Option<String>,
    data: Option<Value>,
    raw: Box<RawValue>,
    /// No error at all: see [`needs_input`](Rejection::needs_input).
    needs_input: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    code: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

impl Rejection {
    /// An error to answer with: JSON-RPC's number for it, and what went wrong, for people.
    pub fn new(code: i64, message: impl Into<String>) -> Rejection {
        Rejection::of(code, message.into(), None)
    }

    /// With more about it, for programs.
    #[must_use]
    pub fn with_data(self, data: Value) -> Rejection {
        let Parts { code, message, .. } = *self.0;
        Rejection::of(code.unwrap_or(INTERNAL_ERROR), message.unwrap_or_default(), Some(data))
    }

    /// The parameters are not what the method asks for (-32602).
    pub fn invalid_params(message: impl Into<String>) -> Rejection {
        Rejection::new(INVALID_PARAMS, message)
    }

    /// Something went wrong that the peer can do nothing about (-32603).
    pub fn internal(message: impl Into<String>) -> Rejection {
        Rejection::new(INTERNAL_ERROR, message)
    }

    fn of(code: i64, message: String, data: Option<Value>) -> Rejection {
        let written = Written { code, message: &message, data: data.as_ref() };
        // A number, a string and a value cannot fail to be written.
        let raw = to_raw_value(&written).unwrap_or_default();
        Rejection(Box::new(Parts { code: Some(code), message: Some(message), data, raw, needs_input: false }))
    }

    /// How a handler that has to ask its client first says so to whoever runs it. Never sent.
    pub(crate) fn needs_input() -> Rejection {
        let mut rejection = Rejection::internal("the client is to be asked first");
        rejection.0.needs_input = true;
        rejection
    }

    pub(crate) fn is_needs_input(&self) -> bool {
        self.0.needs_input
    }

    /// That method is not offered (-32601).
    pub fn method_not_found(method: &str) -> Rejection {
        Rejection::new(METHOD_NOT_FOUND, format!("the method {} is not offered", Visible::new(method, 100)))
    }

    /// Reads what can be read of an error object. A peer that sends something else has rejected the request all the
    /// same, so nothing here fails.
    pub(crate) fn from_raw(raw: &RawValue) -> Rejection {
        let mut value: Value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
        let data = value.get_mut("data").map(Value::take);
        Rejection(Box::new(Parts {
            code: value.get("code").and_then(Value::as_i64),
            message: value.get("message").and_then(Value::as_str).map(str::to_owned),
            data,
            raw: raw.to_owned(),
            needs_input: false,
        }))
    }

    /// JSON-RPC's number for the error; `None` if the peer sent none, or something other than a whole number.
    pub fn code(&self) -> Option<i64> {
        self.0.code
    }

    /// What the peer says, as it says it: look at control characters before showing it.
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Whatever else came with it.
    pub fn data(&self) -> Option<&Value> {
        self.0.data.as_ref()
    }

    /// The whole error, exactly as it stood on the wire.
    pub fn raw(&self) -> &RawValue {
        &self.0.raw
    }
}

/// What the peer says, escaped, cut, and without what looks like a secret; and the code.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.message.as_deref().unwrap_or(self.0.raw.get());
        Visible::new(&redact(text), 1000).fmt(f)?;
        match self.0.code {
            Some(code) => write!(f, " (error {code})"),
            None => Ok(()),
        }
    }
}

/// As it is displayed: the data may be anything.
impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejection({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(text: &str) -> Rejection {
        Rejection::from_raw(serde_json::from_str::<&RawValue>(text).unwrap())
    }

    #[test]
    fn the_parts_and_the_whole_can_be_had() {
        let it = rejection(r#"{"code":-32602, "message":"no\u001b such tool","data":{"a":1}}"#);
        assert_eq!(it.code(), Some(-32602));
        assert_eq!(it.message(), Some("no\u{1b} such tool"));
        assert_eq!(it.data().unwrap()["a"], 1);
        assert!(it.raw().get().starts_with(r#"{"code":-32602, "#));
        assert_eq!(it.to_string(), "no\\x1b such tool (error -32602)");
        let secret = rejection(r#"{"code":1,"message":"bad api_key=hush","data":"hush"}"#);
        assert_eq!(format!("{secret} {secret:?}").matches("hush").count(), 0);
    }

    #[test]
    fn one_that_is_made_here_is_read_as_it_was_meant() {
        let made = Rejection::invalid_params("no \"such\" tool").with_data(serde_json::json!({ "a": [1] }));
        assert_eq!(made.raw().get(), r#"{"code":-32602,"message":"no \"such\" tool","data":{"a":[1]}}"#);
        let read = Rejection::from_raw(made.raw());
        assert_eq!((read.code(), read.message(), read.data()), (made.code(), made.message(), made.data()));
        assert_eq!(Rejection::internal("x").raw().get(), r#"{"code":-32603,"message":"x"}"#);
    }

    #[test]
    fn an_error_of_another_shape_is_an_error_all_the_same() {
        for text in ["\"no\"", "null", "{\"code\":\"x\",\"message\":3}", "[]"] {
            let it = rejection(text);
            assert_eq!((it.code(), it.message()), (None, None));
            assert_eq!(it.raw().get(), text);
            assert!(!it.to_string().is_empty());
        }
    }
}
