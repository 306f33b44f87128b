//! A form that a server asks for: the flat object of plain fields that the protocol allows, what fits in it, and what is
//! filled in when the user leaves a field out.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::format::Format;
use crate::model::{FieldKind, FormField, Object};
use crate::visible::Visible;

/// What a requested schema says, as far as an answer can be checked by it. Words it has besides those of the protocol
/// are hints: the server checks what it gets.
#[derive(Debug)]
pub(crate) struct Form {
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: Kind,
    required: bool,
    /// Only one that fits.
    default: Option<Value>,
}

#[derive(Debug)]
enum Kind {
    Text { min: Option<u64>, max: Option<u64>, format: Option<Format> },
    Number { whole: bool, min: Option<f64>, max: Option<f64> },
    Boolean,
    One(HashSet<String>),
    Many { of: HashSet<String>, min: Option<u64>, max: Option<u64> },
}

impl Form {
    /// Reads a requested schema.
    ///
    /// # Errors
    /// What in it is no form, in words for whoever wrote the server.
    pub(crate) fn read(schema: &Object) -> Result<Form, String> {
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err("the requested schema must be of the type \"object\"".to_owned());
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return Err("the requested schema has no `properties`".to_owned());
        };
        let required: HashSet<&str> = match schema.get("required") {
            None => HashSet::new(),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(_) => return Err("`required` of the requested schema must be a list".to_owned()),
        };
        if !required.iter().all(|name| properties.contains_key(*name)) {
            return Err("`required` names what is no field of the requested schema".to_owned());
        }
        let mut fields = Vec::with_capacity(properties.len());
        for (name, schema) in properties {
            let kind = Kind::read(schema).map_err(|why| format!("the field {}: {why}", Quoted(name)))?;
            let default = schema.get("default").filter(|default| kind.check(default).is_ok()).cloned();
            fields.push(Field { name: name.clone(), kind, required: required.contains(&**name), default });
        }
        Ok(Form { fields })
    }

    /// Gives each field that `content` lacks its default, if it has one.
    pub(crate) fn fill_in(&self, content: &mut Object) {
        for field in &self.fields {
            if let Some(default) = &field.default
                && !content.contains_key(&field.name)
            {
                content.insert(field.name.clone(), default.clone());
            }
        }
    }

    /// Whether the server gets what it asked for.
    ///
    /// # Errors
    /// The first field that is missing, unasked for or does not fit, without its value, which is the user's.
    pub(crate) fn check(&self, content: &Object) -> Result<(), String> {
        let mut known = 0;
        for field in &self.fields {
            match content.get(&field.name) {
                Some(value) => {
                    known += 1;
                    field
                        .kind
                        .check(value)
                        .map_err(|wanted| format!("the field {} must be {wanted}", Quoted(&field.name)))?;
                }
                None if field.required => return Err(format!("the field {} is required", Quoted(&field.name))),
                None => {}
            }
        }
        if known == content.len() {
            return Ok(());
        }
        let unknown = content.keys().find(|name| self.fields.iter().all(|field| field.name != **name));
        Err(format!("the form has no field {}", Quoted(unknown.map_or("", String::as_str))))
    }
}

impl Kind {
    fn read(schema: &Value) -> Result<Kind, String> {
        let field = FormField::deserialize(schema).map_err(|error| error.to_string())?;
        let size = |key: &str| schema.get(key).and_then(Value::as_u64);
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let values = |of: Vec<(&str, Option<&str>)>| match of.is_empty() {
            true => Err("there is nothing to choose from".to_owned()),
            false => Ok(of.into_iter().map(|(value, _)| value.to_owned()).collect()),
        };
        Ok(match field.kind() {
            FieldKind::Text => Kind::Text {
                min: size("minLength"),
                max: size("maxLength"),
                format: schema.get("format").and_then(Value::as_str).and_then(Format::from_name),
            },
            FieldKind::Number => Kind::Number { whole: false, min: bound("minimum"), max: bound("maximum") },
            FieldKind::Integer => Kind::Number { whole: true, min: bound("minimum"), max: bound("maximum") },
            FieldKind::Boolean => Kind::Boolean,
            FieldKind::OneOf(of) => Kind::One(values(of)?),
            FieldKind::AnyOf(of) => Kind::Many { of: values(of)?, min: size("minItems"), max: size("maxItems") },
        })
    }

    /// # Errors
    /// What it must be.
    fn check(&self, value: &Value) -> Result<(), String> {
        match self {
            Kind::Text { min, max, format } => {
                let Some(text) = value.as_str() else { return Err("text".to_owned()) };
                if min.is_some() || max.is_some() {
                    within(text.chars().count() as u64, *min, *max, "characters long")?;
                }
                match format {
                    Some(format) if !format.fits(text) => Err(format.spoken().to_owned()),
                    _ => Ok(()),
                }
            }
            Kind::Number { whole, min, max } => {
                let kind = if *whole { "a whole number" } else { "a number" };
                let number = value.as_f64().filter(|number| !whole || number.fract() == 0.0);
                let Some(number) = number else { return Err(kind.to_owned()) };
                if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
                    return Err(format!("{kind}{}{}", spoken(" from ", *min), spoken(" to ", *max)));
                }
                Ok(())
            }
            Kind::Boolean if value.is_boolean() => Ok(()),
            Kind::Boolean => Err("true or false".to_owned()),
            Kind::One(of) if value.as_str().is_some_and(|text| of.contains(text)) => Ok(()),
            Kind::One(_) => Err("one of its choices".to_owned()),
            Kind::Many { of, min, max } => {
                let Some(list) = value.as_array() else { return Err("a list".to_owned()) };
                if !list.iter().all(|value| value.as_str().is_some_and(|text| of.contains(text))) {
                    return Err("a list of its choices".to_owned());
                }
                within(list.len() as u64, *min, *max, "of its choices")
            }
        }
    }
}

fn within(count: u64, min: Option<u64>, max: Option<u64>, what: &str) -> Result<(), String> {
    if min.is_some_and(|min| count < min) {
        return Err(format!("at least {} {what}", min.unwrap_or_default()));
    }
    if max.is_some_and(|max| count > max) {
        return Err(format!("at most {} {what}", max.unwrap_or_default()));
    }
    Ok(())
}

fn spoken(word: &str, bound: Option<f64>) -> String {
    bound.map(|bound| format!("{word}{bound}")).unwrap_or_default()
}

/// A name the server gave, for messages.
struct Quoted<'a>(&'a str);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", Visible::new(self.0, 100))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    fn form(properties: Value, required: Value) -> Result<Form, String> {
        Form::read(&object(json!({ "type": "object", "properties": properties, "required": required })))
    }

    /// What is wrong with `value` in a form of one field.
    fn wrong(schema: Value, value: Value) -> Option<String> {
        let form = form(json!({ "it": schema }), json!([])).unwrap();
        form.check(&object(json!({ "it": value }))).err()
    }

    #[test]
    fn what_fits_is_let_through() {
        for (schema, value) in [
            (json!({ "type": "string" }), json!("")),
            (json!({ "type": "string", "minLength": 2, "maxLength": 2 }), json!("äö")),
            (json!({ "type": "string", "format": "date" }), json!("2026-07-28")),
            (json!({ "type": "string", "format": "color", "pattern": "(a+)+$" }), json!("b")),
            (json!({ "type": "number", "minimum": 0.5, "maximum": 1 }), json!(0.5)),
            (json!({ "type": "integer", "minimum": -3 }), json!(-3)),
            (json!({ "type": "integer" }), json!(18446744073709551615u64)),
            (json!({ "type": "integer" }), json!(3.0)),
            (json!({ "type": "boolean" }), json!(false)),
            (json!({ "type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"] }), json!("b")),
            (json!({ "type": "string", "oneOf": [{ "const": "a", "title": "A" }] }), json!("a")),
            (json!({ "type": "array", "items": { "type": "string", "enum": ["a"] }, "maxItems": 1 }), json!(["a"])),
            (json!({ "type": "array", "items": { "anyOf": [{ "const": "a", "title": "A" }] } }), json!([])),
        ] {
            assert_eq!(wrong(schema.clone(), value), None, "{schema}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_and_the_value_is_not() {
        for (schema, value, told) in [
            (json!({ "type": "string" }), json!(7), "text"),
            (json!({ "type": "string" }), json!(null), "text"),
            (json!({ "type": "string", "minLength": 3 }), json!("äö"), "at least 3 characters long"),
            (json!({ "type": "string", "maxLength": 1 }), json!("hush"), "at most 1 characters long"),
            (json!({ "type": "string", "format": "email" }), json!("hush"), "an e-mail address"),
            (json!({ "type": "number" }), json!("1"), "a number"),
            (json!({ "type": "number", "minimum": 1, "maximum": 2.5 }), json!(3), "a number from 1 to 2.5"),
            (json!({ "type": "integer", "minimum": 18 }), json!(17), "a whole number from 18"),
            (json!({ "type": "integer" }), json!(1.5), "a whole number"),
            (json!({ "type": "boolean" }), json!("true"), "true or false"),
            (json!({ "type": "string", "enum": ["a"] }), json!("A"), "one of its choices"),
            (json!({ "type": "array", "items": { "enum": ["a"] } }), json!("a"), "a list"),
            (json!({ "type": "array", "items": { "enum": ["a"] } }), json!(["a", "hush"]), "a list of its choices"),
            (
                json!({ "type": "array", "items": { "enum": ["a"] }, "minItems": 1 }),
                json!([]),
                "at least 1 of its choices",
            ),
        ] {
            assert_eq!(wrong(schema, value).unwrap(), format!("the field \"it\" must be {told}"));
        }
    }

    #[test]
    fn a_field_that_is_missing_is_filled_in_and_one_that_is_there_is_not_touched() {
        let schema = json!({
            "name": { "type": "string", "default": "John" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["on", "off"], "default": "on" },
            "verified": { "type": "boolean", "default": true },
            "tags": { "type": "array", "items": { "enum": ["a", "b"] }, "default": ["a"] },
            "wrong": { "type": "integer", "default": "x" },
        });
        let form = form(schema, json!(["age", "name"])).unwrap();
        let mut content = object(json!({ "age": 7, "verified": false }));
        form.fill_in(&mut content);
        form.check(&content).unwrap();
        let filled =
            json!({ "age": 7, "verified": false, "name": "John", "score": 95.5, "status": "on", "tags": ["a"] });
        assert_eq!(Value::Object(content), filled);
    }

    #[test]
    fn what_is_required_must_come_and_what_was_not_asked_for_must_not() {
        let form = form(json!({ "a": { "type": "string" }, "b": { "type": "string" } }), json!(["a"])).unwrap();
        assert_eq!(form.check(&Object::new()).unwrap_err(), "the field \"a\" is required");
        let more = object(json!({ "a": "", "x\u{1b}": 1 }));
        assert_eq!(form.check(&more).unwrap_err(), "the form has no field \"x\\x1b\"");
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for (schema, why) in [
            (json!({ "properties": {} }), "\"object\""),
            (json!({ "type": "object" }), "`properties`"),
            (json!({ "type": "object", "properties": { "a": {} } }), "field \"a\": `type`"),
            (json!({ "type": "object", "properties": { "a": true } }), "field \"a\": invalid type"),
            (json!({ "type": "object", "properties": { "a": { "type": "object" } } }), "`type`"),
            (json!({ "type": "object", "properties": { "a": { "type": "array" } } }), "`items`"),
            (json!({ "type": "object", "properties": { "a": { "type": "string", "enum": [] } } }), "nothing to choose"),
            (json!({ "type": "object", "properties": {}, "required": ["a"] }), "no field"),
            (json!({ "type": "object", "properties": {}, "required": "a" }), "must be a list"),
        ] {
            let refused = Form::read(&object(schema.clone())).unwrap_err();
            assert!(refused.contains(why), "{schema}: {refused}");
        }
    }
}
