use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value};

use crate::model::Object;

/// A field of a form, as a simple JSON Schema, kept whole; [`kind`](FormField::kind) says what it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct FormField(Object);

/// What a [`FormField`] takes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FieldKind<'a> {
    /// A text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// One of several values, each with what to call it, if that is something else.
    OneOf(Vec<(&'a str, Option<&'a str>)>),
    /// Any of several values.
    AnyOf(Vec<(&'a str, Option<&'a str>)>),
}

impl FormField {
    /// A text.
    pub fn text() -> Self {
        FormField::of("string")
    }

    /// A number.
    pub fn number() -> Self {
        FormField::of("number")
    }

    /// A whole number.
    pub fn integer() -> Self {
        FormField::of("integer")
    }

    /// Yes or no.
    pub fn boolean() -> Self {
        FormField::of("boolean")
    }

    /// One of these values.
    pub fn one_of<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Self {
        FormField::of("string").with("enum", names(values))
    }

    /// One of these values, each with what to call it; from the revision 2025-11-25 on.
    pub fn one_of_titled<S: Into<String>>(values: impl IntoIterator<Item = (S, S)>) -> Self {
        FormField::of("string").with("oneOf", titled(values))
    }

    /// Any of these values; from the revision 2025-11-25 on.
    pub fn any_of<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Self {
        let items = FormField::of("string").with("enum", names(values));
        FormField::of("array").with("items", items.0)
    }

    /// Any of these values, each with what to call it; from the revision 2025-11-25 on.
    pub fn any_of_titled<S: Into<String>>(values: impl IntoIterator<Item = (S, S)>) -> Self {
        let items = Object::from_iter([("anyOf".to_owned(), titled(values))]);
        FormField::of("array").with("items", items)
    }

    /// What people see instead of its name.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        self.with("title", title.into())
    }

    /// What to fill in.
    #[must_use]
    pub fn description(self, description: impl Into<String>) -> Self {
        self.with("description", description.into())
    }

    /// What it is filled in with at first. The revision 2025-06-18 has this for yes or no only.
    #[must_use]
    pub fn default_value(self, value: impl Into<Value>) -> Self {
        self.with("default", value)
    }

    /// What form a text has: `email`, `uri`, `date` or `date-time`.
    #[must_use]
    pub fn format(self, format: impl Into<String>) -> Self {
        self.with("format", format.into())
    }

    /// The least characters of a text.
    #[must_use]
    pub fn min_length(self, characters: u32) -> Self {
        self.with("minLength", characters)
    }

    /// The most characters of a text.
    #[must_use]
    pub fn max_length(self, characters: u32) -> Self {
        self.with("maxLength", characters)
    }

    /// The least of a number; ignored if it is not finite.
    #[must_use]
    pub fn minimum(self, least: f64) -> Self {
        self.bound("minimum", least)
    }

    /// The most of a number; ignored if it is not finite.
    #[must_use]
    pub fn maximum(self, most: f64) -> Self {
        self.bound("maximum", most)
    }

    /// The fewest of several values.
    #[must_use]
    pub fn min_items(self, values: u32) -> Self {
        self.with("minItems", values)
    }

    /// The most of several values.
    #[must_use]
    pub fn max_items(self, values: u32) -> Self {
        self.with("maxItems", values)
    }

    /// Adds any keyword of JSON Schema.
    #[must_use]
    pub fn with(mut self, keyword: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(keyword.into(), value.into());
        self
    }

    /// What it takes.
    pub fn kind(&self) -> FieldKind<'_> {
        // Checked when it was read; what is added since may have made a text of it, at worst.
        self.read().unwrap_or(FieldKind::Text)
    }

    /// All of it.
    pub fn as_object(&self) -> &Object {
        &self.0
    }

    /// All of it, by value.
    pub fn into_object(self) -> Object {
        self.0
    }

    fn of(kind: &str) -> Self {
        FormField(Object::from_iter([("type".to_owned(), kind.into())]))
    }

    fn bound(self, keyword: &str, number: f64) -> Self {
        // Whole ones without a fraction, as most write them.
        let whole = number as i64;
        let number = if whole as f64 == number { Some(whole.into()) } else { Number::from_f64(number) };
        match number {
            Some(number) => self.with(keyword, number),
            None => self,
        }
    }

    /// The kind, or the keyword that is missing or of the wrong type.
    fn read(&self) -> Result<FieldKind<'_>, &'static str> {
        let get = |keyword: &str| self.0.get(keyword);
        match get("type").and_then(Value::as_str).ok_or("type")? {
            "string" => match (get("oneOf"), get("enum")) {
                (Some(values), _) => titled_values(values).map(FieldKind::OneOf).ok_or("oneOf"),
                (None, Some(values)) => {
                    let mut values = plain_values(values).ok_or("enum")?;
                    // The older way to say what to call them.
                    if let Some(titles) = get("enumNames") {
                        let titles = titles.as_array().ok_or("enumNames")?;
                        for (value, title) in values.iter_mut().zip(titles) {
                            value.1 = title.as_str();
                        }
                    }
                    Ok(FieldKind::OneOf(values))
                }
                (None, None) => Ok(FieldKind::Text),
            },
            "number" => Ok(FieldKind::Number),
            "integer" => Ok(FieldKind::Integer),
            "boolean" => Ok(FieldKind::Boolean),
            "array" => {
                let items = get("items").ok_or("items")?;
                let values = match (items.get("anyOf"), items.get("enum")) {
                    (Some(values), _) => titled_values(values),
                    (None, Some(values)) => plain_values(values),
                    (None, None) => None,
                };
                values.map(FieldKind::AnyOf).ok_or("items")
            }
            _ => Err("type"),
        }
    }
}

fn names<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Vec<Value> {
    values.into_iter().map(|value| Value::String(value.into())).collect()
}

fn titled<S: Into<String>>(values: impl IntoIterator<Item = (S, S)>) -> Value {
    let values = values.into_iter().map(|(value, title)| {
        Object::from_iter([
            ("const".to_owned(), Value::String(value.into())),
            ("title".to_owned(), Value::String(title.into())),
        ])
    });
    Value::Array(values.map(Value::Object).collect())
}

fn plain_values(values: &Value) -> Option<Vec<(&str, Option<&str>)>> {
    values.as_array()?.iter().map(|value| Some((value.as_str()?, None))).collect()
}

fn titled_values(values: &Value) -> Option<Vec<(&str, Option<&str>)>> {
    let titled = values.as_array()?.iter();
    titled.map(|it| Some((it.get("const")?.as_str()?, it.get("title").and_then(Value::as_str)))).collect()
}

impl<'de> Deserialize<'de> for FormField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let field = FormField(Object::deserialize(deserializer)?);
        if let Err(keyword) = field.read() {
            return Err(D::Error::custom(format_args!(
                "`{keyword}` of a form's field is missing or not of a kind that forms have"
            )));
        }
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_built_as_they_are_read() {
        for (field, kind, json) in [
            (FormField::text().format("email"), FieldKind::Text, json!({ "type": "string", "format": "email" })),
            (FormField::number().minimum(0.5), FieldKind::Number, json!({ "type": "number", "minimum": 0.5 })),
            (FormField::number().maximum(f64::INFINITY), FieldKind::Number, json!({ "type": "number" })),
            (FormField::integer().maximum(9.0), FieldKind::Integer, json!({ "type": "integer", "maximum": 9 })),
            (
                FormField::boolean().default_value(true),
                FieldKind::Boolean,
                json!({ "type": "boolean", "default": true }),
            ),
            (FormField::one_of(["a"]), FieldKind::OneOf(vec![("a", None)]), json!({ "type": "string", "enum": ["a"] })),
            (
                FormField::one_of_titled([("a", "A")]),
                FieldKind::OneOf(vec![("a", Some("A"))]),
                json!({ "type": "string", "oneOf": [{ "const": "a", "title": "A" }] }),
            ),
            (
                FormField::any_of(["a"]).min_items(1).max_items(2),
                FieldKind::AnyOf(vec![("a", None)]),
                json!({ "type": "array", "items": { "type": "string", "enum": ["a"] }, "minItems": 1, "maxItems": 2 }),
            ),
            (
                FormField::any_of_titled([("a", "A")]),
                FieldKind::AnyOf(vec![("a", Some("A"))]),
                json!({ "type": "array", "items": { "anyOf": [{ "const": "a", "title": "A" }] } }),
            ),
        ] {
            assert_eq!(serde_json::to_value(&field).unwrap(), json);
            let read: FormField = serde_json::from_value(json).unwrap();
            assert_eq!((read.kind(), &read), (kind, &field));
        }
        let legacy = json!({ "type": "string", "enum": ["a", "b"], "enumNames": ["A"] });
        let legacy: FormField = serde_json::from_value(legacy).unwrap();
        assert_eq!(legacy.kind(), FieldKind::OneOf(vec![("a", Some("A")), ("b", None)]));
    }

    #[test]
    fn what_no_form_has_is_refused_by_name() {
        for (field, keyword) in [
            (json!({}), "`type`"),
            (json!({ "type": "object" }), "`type`"),
            (json!({ "type": "string", "enum": [1] }), "`enum`"),
            (json!({ "type": "string", "enum": ["a"], "enumNames": "A" }), "`enumNames`"),
            (json!({ "type": "string", "oneOf": [{ "title": "A" }] }), "`oneOf`"),
            (json!({ "type": "array" }), "`items`"),
            (json!({ "type": "array", "items": { "type": "number" } }), "`items`"),
        ] {
            let error = serde_json::from_value::<FormField>(field.clone()).unwrap_err().to_string();
            assert!(error.contains(keyword), "{field}: {error}");
        }
    }
}
