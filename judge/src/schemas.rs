//! The official schemas, and what is asked of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fmt, fs};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::extension;

/// The revisions there are schemas of.
const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// Where the official schemas are: where `MCP_SCHEMA_DIR` says, else `shared/mcp-schema` beside the project.
///
/// # Errors
/// Why they are not there, for the line that says that a test is skipped.
///
/// # Panics
/// If `MCP_SCHEMA_DIR` is set, and they are not there: whoever set it wants no test to be skipped.
pub fn folder() -> Result<PathBuf, String> {
    let has_schemas = |folder: &Path| folder.join("2026-07-28.json").is_file();
    if let Some(folder) = env::var_os("MCP_SCHEMA_DIR").filter(|folder| !folder.is_empty()) {
        let folder = PathBuf::from(folder);
        assert!(has_schemas(&folder), "MCP_SCHEMA_DIR is {}, but there is no 2026-07-28.json", folder.display());
        return Ok(folder);
    }
    // Cargo runs a test in the folder of its package, which is in that of the project.
    let here = env::current_dir().map_err(|error| format!("the current directory is not known: {error}"))?;
    let beside = here.ancestors().skip(2).map(|above| above.join("shared").join("mcp-schema")).next();
    beside.filter(|folder| has_schemas(folder)).ok_or_else(|| {
        "the official schemas are not beside the project (shared/mcp-schema); MCP_SCHEMA_DIR says where they are"
            .to_owned()
    })
}

/// The schemas of all revisions. Cheap to clone.
#[derive(Clone)]
pub struct Schemas(Arc<HashMap<&'static str, Revision>>);

impl Schemas {
    /// Those in [`folder`].
    ///
    /// # Errors
    /// As [`folder`].
    ///
    /// # Panics
    /// As [`folder`]; and if they are there but cannot be read.
    pub fn find() -> Result<Schemas, String> {
        folder().map(|folder| Schemas::load(&folder))
    }

    /// Those in `folder`.
    ///
    /// # Panics
    /// If they cannot be read.
    pub fn load(folder: &Path) -> Schemas {
        Schemas(Arc::new(REVISIONS.into_iter().map(|name| (name, Revision::load(folder, name))).collect()))
    }

    /// The schema of that revision.
    pub(crate) fn revision(&self, name: &str) -> Option<&Revision> {
        self.0.get(name)
    }

    /// What is wrong with `value` as a `type_name` of `revision`: the place in it, and why; nothing if all is well.
    ///
    /// # Panics
    /// If there is no such revision or type.
    pub fn check(&self, revision: &str, type_name: &str, value: &Value) -> Vec<String> {
        let revision = self.revision(revision).unwrap_or_else(|| panic!("no schema of the revision {revision}"));
        revision.check(type_name, "", value)
    }
}

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schemas").field(&REVISIONS).finish()
    }
}

/// The schema of one revision.
pub(crate) struct Revision {
    name: &'static str,
    /// `definitions`, or `$defs`.
    keyword: &'static str,
    types: Map<String, Value>,
    dialect: Value,
    /// By their type, made when first wanted.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Revision {
    fn load(folder: &Path, name: &'static str) -> Revision {
        let path = folder.join(format!("{name}.json"));
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut schema: Value =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let keyword = if schema.get("$defs").is_some() { "$defs" } else { "definitions" };
        let Some(Value::Object(mut types)) = schema.get_mut(keyword).map(Value::take) else {
            panic!("{} has no {keyword}", path.display());
        };
        if name == "2026-07-28" {
            types.extend(extension::tasks());
        }
        Revision { name, keyword, types, dialect: schema["$schema"].take(), validators: Mutex::default() }
    }

    pub(crate) fn has(&self, type_name: &str) -> bool {
        self.types.contains_key(type_name)
    }

    /// The type of messages with that method among those of `union` (`ClientRequest`, `ServerNotification`, …), and of
    /// those that an extension adds.
    pub(crate) fn type_of_method<'a>(&'a self, union: &'a str, method: &str) -> Option<&'a str> {
        let members = match self.types.get(union)?.get("anyOf").and_then(Value::as_array) {
            Some(members) => members.iter().filter_map(referenced).collect(),
            // Of one type only, the union is that type.
            None => vec![union],
        };
        let added = extension::METHODS.iter().filter(|added| added.union == union).map(|added| added.type_name);
        let has_method =
            |name: &&str| self.types.get(*name).is_some_and(|schema| schema["properties"]["method"]["const"] == method);
        members.into_iter().chain(added).find(has_method)
    }

    /// The types of whole answers that have an error of this code.
    pub(crate) fn types_of_error(&self, code: &Value) -> impl Iterator<Item = &str> {
        let has_code = |schema: &Value| {
            schema["properties"]["error"]["allOf"]
                .as_array()
                .is_some_and(|parts| parts.iter().any(|part| part["properties"]["code"]["const"] == *code))
        };
        self.types.iter().filter(move |(_, schema)| has_code(schema)).map(|(name, _)| name.as_str())
    }

    /// See [`Schemas::check`]. The value stands at `place`, a JSON pointer, in the message.
    pub(crate) fn check(&self, type_name: &str, place: &str, value: &Value) -> Vec<String> {
        let validator = self.validator(type_name);
        let wrong = |error: jsonschema::ValidationError<'_>| {
            let place = format!("{place}{}", error.instance_path());
            let place = if place.is_empty() { "as a whole" } else { &place };
            let why: String = error.to_string().chars().take(500).collect();
            format!("{place}: {why}")
        };
        validator.iter_errors(value).map(wrong).collect()
    }

    fn validator(&self, type_name: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = validators.get(type_name) {
            return Arc::clone(validator);
        }
        assert!(self.has(type_name), "the revision {} has no type {type_name}", self.name);
        let schema = json!({
            "$schema": self.dialect,
            "$ref": format!("#/{}/{type_name}", self.keyword),
            self.keyword: self.types,
        });
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .with_format("byte", is_base64)
            .build(&schema)
            .unwrap_or_else(|error| panic!("the schema of {type_name} in {}: {error}", self.name));
        let validator = Arc::new(validator);
        validators.insert(type_name.to_owned(), Arc::clone(&validator));
        validator
    }
}

fn referenced(member: &Value) -> Option<&str> {
    member.get("$ref")?.as_str()?.rsplit('/').next()
}

/// What the schemas call `byte`.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && body.bytes().all(alphabet)
}
