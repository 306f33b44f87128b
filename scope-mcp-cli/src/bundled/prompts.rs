//! The prompts, and how they are filled in.

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::output::Error;
use super::page::page;
use super::revision::Revision;
use crate::names;

struct Prompt {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    /// Name, description, and whether it is required.
    arguments: &'static [(&'static str, &'static str, bool)],
}

const PROMPTS: &[Prompt] = &[
    Prompt {
        name: "greet",
        title: "Greet",
        description: "Asks for a greeting.",
        arguments: &[("name", "whom to greet", true), ("language", "in which language; English, if none", false)],
    },
    Prompt { name: "haiku", title: "A haiku", description: "Shows a haiku, and asks for another.", arguments: &[] },
];

pub(super) fn list(cursor: Option<&Value>, revision: Revision) -> Result<Value, Error> {
    page(cursor, "prompts", PROMPTS, |prompt| {
        let arguments: Vec<Value> = prompt
            .arguments
            .iter()
            .map(|(name, description, required)| {
                json!({ "name": name, "description": description, "required": required })
            })
            .collect();
        let mut described = json!({ "name": prompt.name, "description": prompt.description, "arguments": arguments });
        if revision.has_titles() {
            described["title"] = json!(prompt.title);
        }
        described
    })
}

pub(super) fn get(params: &Map<String, Value>) -> Result<Value, Error> {
    let Some(Value::String(name)) = params.get("name") else {
        return Err(Error::invalid_params("\"name\" should be a string"));
    };
    let Some(prompt) = PROMPTS.iter().find(|prompt| prompt.name == name) else {
        let suggestion = names::suggestion(name, PROMPTS.iter().map(|prompt| prompt.name));
        return Err(Error::invalid_params(format!("unknown prompt {name:?}{suggestion}")));
    };
    let none = Map::new();
    let given = match params.get("arguments") {
        None => &none,
        Some(Value::Object(given)) => given,
        Some(_) => return Err(Error::invalid_params("\"arguments\" should be an object")),
    };
    let messages = fill(prompt, given).map_err(Error::invalid_params)?;
    Ok(json!({ "description": prompt.description, "messages": messages }))
}

fn fill(prompt: &Prompt, given: &Map<String, Value>) -> Result<Value, String> {
    let known: Vec<&str> = prompt.arguments.iter().map(|(name, ..)| *name).collect();
    let arguments = Arguments::of(given, &known)?;
    let says = |role: &str, text: &str| json!({ "role": role, "content": { "type": "text", "text": text } });
    Ok(match prompt.name {
        "greet" => {
            let name = arguments.text("name")?;
            let language = if given.contains_key("language") { arguments.text("language")? } else { "English" };
            json!([says("user", &format!("Greet {name} in {language}."))])
        }
        "haiku" => json!([
            says("user", "Write a haiku about scopes."),
            says("assistant", "What was opened ends\nbefore the door falls shut. Look:\nnobody is left."),
            says("user", "Another one, please."),
        ]),
        other => unreachable!("the prompt {other} is in the table above"),
    })
}
