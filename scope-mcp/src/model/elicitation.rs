mod field;

use serde::{Deserialize, Serialize};

pub use field::{FieldKind, FormField};

use super::{Object, TaskMetadata, setters};

/// What a server wants of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AsSent", untagged)]
#[non_exhaustive]
pub enum ElicitParams {
    /// To fill in a form, whose contents the server gets.
    Form(ElicitFormParams),
    /// To open an address, where something is done that only the server hears of.
    Url(ElicitUrlParams),
}

/// A form that a server wants filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ElicitFormParams {
    /// Older revisions have no other mode, and do not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<FormMode>,
    /// What is asked, and why.
    pub message: String,
    /// JSON Schema of the contents: an object whose properties are simple [fields](FormField). As it was sent.
    pub requested_schema: Object,
    /// The answer shall be a task (2025-11-25).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskMetadata>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

/// An address that a server wants opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ElicitUrlParams {
    mode: UrlMode,
    /// What it is for.
    pub message: String,
    /// The address, as it was sent: not to be opened before a person has agreed, and not unless it is `https:`.
    pub url: String,
    /// Names it, for the server to say that it has been dealt with (2025-11-25, where it is required).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elicitation_id: Option<String>,
    /// The answer shall be a task (2025-11-25).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskMetadata>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the server sent.
    #[serde(flatten)]
    pub extra: Object,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FormMode {
    Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UrlMode {
    Url,
}

/// Both modes as one, so that the fields are read, and named, before it is known which it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AsSent {
    #[serde(default)]
    mode: Mode,
    message: String,
    requested_schema: Option<Object>,
    url: Option<String>,
    elicitation_id: Option<String>,
    task: Option<TaskMetadata>,
    #[serde(rename = "_meta")]
    meta: Option<Object>,
    #[serde(flatten)]
    extra: Object,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    #[serde(skip)]
    NotSaid,
    Form,
    Url,
}

impl TryFrom<AsSent> for ElicitParams {
    type Error = &'static str;

    fn try_from(sent: AsSent) -> Result<Self, Self::Error> {
        let AsSent { mode, message, requested_schema, url, elicitation_id, task, meta, mut extra } = sent;
        let mut unknown = |name: &str, value: Option<serde_json::Value>| {
            if let Some(value) = value {
                extra.insert(name.to_owned(), value);
            }
        };
        match mode {
            Mode::Url => {
                unknown("requestedSchema", requested_schema.map(Into::into));
                let url = url.ok_or("missing field `url`")?;
                Ok(ElicitParams::Url(ElicitUrlParams {
                    mode: UrlMode::Url,
                    message,
                    url,
                    elicitation_id,
                    task,
                    meta,
                    extra,
                }))
            }
            Mode::Form | Mode::NotSaid => {
                unknown("url", url.map(Into::into));
                unknown("elicitationId", elicitation_id.map(Into::into));
                let requested_schema = requested_schema.ok_or("missing field `requestedSchema`")?;
                let mode = matches!(mode, Mode::Form).then_some(FormMode::Form);
                Ok(ElicitParams::Form(ElicitFormParams { mode, message, requested_schema, task, meta, extra }))
            }
        }
    }
}

impl ElicitFormParams {
    /// Asks `message`, with a form that has no fields yet.
    pub fn new(message: impl Into<String>) -> Self {
        let fields =
            Object::from_iter([("type".to_owned(), "object".into()), ("properties".to_owned(), Object::new().into())]);
        ElicitFormParams::with_schema(message, fields)
    }

    /// Asks `message`, with a form by its JSON Schema.
    pub fn with_schema(message: impl Into<String>, schema: Object) -> Self {
        ElicitFormParams {
            mode: None,
            message: message.into(),
            requested_schema: schema,
            task: None,
            meta: None,
            extra: Object::new(),
        }
    }

    /// Adds a field that may be left empty.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, field: FormField) -> Self {
        if let Some(fields) =
            self.requested_schema.entry("properties").or_insert_with(|| Object::new().into()).as_object_mut()
        {
            fields.insert(name.into(), field.into_object().into());
        }
        self
    }

    /// Adds a field that has to be filled in.
    #[must_use]
    pub fn required_field(self, name: impl Into<String>, field: FormField) -> Self {
        let name = name.into();
        let mut form = self.field(name.clone(), field);
        if let Some(required) =
            form.requested_schema.entry("required").or_insert_with(|| Vec::<String>::new().into()).as_array_mut()
        {
            required.push(name.into());
        }
        form
    }
}

impl ElicitUrlParams {
    /// Asks for `url` to be opened, and says why.
    pub fn new(message: impl Into<String>, url: impl Into<String>) -> Self {
        ElicitUrlParams {
            mode: UrlMode::Url,
            message: message.into(),
            url: url.into(),
            elicitation_id: None,
            task: None,
            meta: None,
            extra: Object::new(),
        }
    }

    setters!(ElicitUrlParams { elicitation_id: String });
}

impl From<ElicitFormParams> for ElicitParams {
    fn from(params: ElicitFormParams) -> Self {
        ElicitParams::Form(params)
    }
}

impl From<ElicitUrlParams> for ElicitParams {
    fn from(params: ElicitUrlParams) -> Self {
        ElicitParams::Url(params)
    }
}

/// What a person made of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ElicitResult {
    /// What they did.
    pub action: ElicitAction,
    /// What they filled in, where it was a form and they accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Object>,
    /// `_meta`.
    #[serde(default, rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<Object>,
    /// What else the client sent.
    #[serde(flatten)]
    pub extra: Object,
}

/// What a person did with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ElicitAction {
    /// They agreed: filled in the form, or let the address be opened.
    Accept,
    /// They said no.
    Decline,
    /// They said nothing: closed the window, for example.
    Cancel,
}

impl ElicitResult {
    /// They agreed to open the address.
    pub fn accept() -> Self {
        ElicitResult::of(ElicitAction::Accept)
    }

    /// They filled in the form like this.
    pub fn accept_with(content: Object) -> Self {
        ElicitResult { content: Some(content), ..ElicitResult::accept() }
    }

    /// They said no.
    pub fn decline() -> Self {
        ElicitResult::of(ElicitAction::Decline)
    }

    /// They said nothing.
    pub fn cancel() -> Self {
        ElicitResult::of(ElicitAction::Cancel)
    }

    fn of(action: ElicitAction) -> Self {
        ElicitResult { action, content: None, meta: None, extra: Object::new() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn both_modes_are_read_and_written_back_as_they_came() {
        for sent in [
            json!({ "message": "m", "requestedSchema": { "type": "object", "properties": {} } }),
            json!({ "mode": "form", "message": "m", "requestedSchema": {}, "url": "x", "elicitationId": "e", "new": 1 }),
            json!({ "mode": "url", "message": "m", "url": "https://a", "_meta": {} }),
            json!({ "mode": "url", "message": "m", "url": "https://a", "elicitationId": "e", "requestedSchema": {} }),
        ] {
            let params: ElicitParams = serde_json::from_value(sent.clone()).unwrap();
            assert_eq!(serde_json::to_value(&params).unwrap(), sent);
            assert_eq!(matches!(params, ElicitParams::Url(_)), sent["mode"] == "url");
        }
    }

    #[test]
    fn what_a_mode_lacks_is_named() {
        for (sent, named) in [
            (r#"{"requestedSchema":{}}"#, "`message`"),
            (r#"{"message":"m","url":"https://a"}"#, "`requestedSchema`"),
            (r#"{"message":"m","mode":"url"}"#, "`url`"),
            (r#"{"message":"m","mode":"phone"}"#, "unknown variant `phone`, expected `form` or `url`"),
        ] {
            let error = serde_json::from_str::<ElicitParams>(sent).unwrap_err().to_string();
            assert!(error.contains(named), "{sent}: {error}");
        }
        let error = crate::decode::decode::<ElicitParams>(r#"{"message":7,"requestedSchema":{}}"#).unwrap_err();
        assert!(error.starts_with("message: "), "{error}");
    }

    #[test]
    fn a_form_is_built_field_by_field() {
        let form = ElicitFormParams::new("Who?")
            .required_field("name", FormField::text().title("Name").max_length(40))
            .field("age", FormField::integer().minimum(0.0).maximum(150.0));
        let written: Value = serde_json::to_value(ElicitParams::from(form)).unwrap();
        assert_eq!(
            written,
            json!({ "message": "Who?", "requestedSchema": { "type": "object", "properties": {
                "name": { "type": "string", "title": "Name", "maxLength": 40 },
                "age": { "type": "integer", "minimum": 0, "maximum": 150 },
            }, "required": ["name"] } })
        );
        let url = ElicitUrlParams::new("Log in", "https://a").elicitation_id("e");
        assert_eq!(
            serde_json::to_value(ElicitParams::from(url)).unwrap(),
            json!({ "mode": "url", "message": "Log in", "url": "https://a", "elicitationId": "e" })
        );
    }
}
