//! `scope-mcp prompt`: a prompt, filled in.

use std::time::Duration;

use scope_core::Nursery;
use scope_mcp::CallError;
use scope_mcp::model::{GetPromptResult, Prompt};
use serde_json::{Map, Value};

use crate::app::App;
use crate::args::FilledIn;
use crate::exit::{Code, Stop};
use crate::open::{Open, refused};
use crate::{content, names, sanitize};

pub(crate) async fn run(
    app: &App,
    n: &Nursery<'_, '_>,
    server: &str,
    prompt: &str,
    given: Vec<FilledIn>,
    timeout: Duration,
    json: bool,
) -> Result<Code, Stop> {
    let arguments = arguments(given)?;
    let open = Open::open(app, n, app.config.server(server)?, timeout).await?;
    let outcome = get(app, &open, prompt, &arguments).await;
    let closed = open.close().await;
    let result = outcome?.map_err(|error| refused(&format!("{server} {prompt}"), timeout, &error))?;
    app.stdout.line(if json { sanitize::to_json(&result)? } else { content::of_prompt(&result) });
    closed.map(|_| Code::Done)
}

fn arguments(given: Vec<FilledIn>) -> Result<Map<String, Value>, Stop> {
    let mut arguments = Map::new();
    for FilledIn { name, value } in given {
        if arguments.insert(name.clone(), Value::String(value)).is_some() {
            return Err(Stop::usage(format_args!("the argument {name:?} is given twice")));
        }
    }
    Ok(arguments)
}

/// The answer; and an error of the outer kind if it was asked for wrongly, as far as the server's own list tells.
async fn get(
    app: &App,
    open: &Open<'_>,
    prompt: &str,
    arguments: &Map<String, Value>,
) -> Result<Result<GetPromptResult, CallError>, Stop> {
    let answer = {
        let _task = app.progress.task(format!("asking {} for {prompt}", open.name));
        open.client.get_prompt_with(prompt, arguments, &open.options()).await
    };
    if let Err(error) = &answer
        && let Some(said) = error.rejection()
        && let Ok(prompts) = open.list_prompts().await
        && let Some(wrong) = wrong(open.name, &prompts, prompt, arguments, &said.to_string())
    {
        return Err(Stop::usage(wrong));
    }
    Ok(answer)
}

/// What is not as the server's list has it.
fn wrong(server: &str, prompts: &[Prompt], name: &str, arguments: &Map<String, Value>, said: &str) -> Option<String> {
    let Some(prompt) = prompts.iter().find(|prompt| prompt.name == name) else {
        return Some(names::missing(server, "prompt", name, prompts.iter().map(|known| known.name.as_str()), said));
    };
    let known = prompt.arguments.as_deref().unwrap_or_default();
    if let Some(missing) = known.iter().find(|known| known.is_required() && !arguments.contains_key(&known.name)) {
        return Some(format!("the prompt {name:?} of the server {server:?} needs {}=VALUE", missing.name));
    }
    let unknown = arguments.keys().find(|given| known.iter().all(|known| known.name != **given))?;
    let suggestion = names::suggestion(unknown, known.iter().map(|known| known.name.as_str()));
    Some(format!("the prompt {name:?} of the server {server:?} has no argument {unknown:?}{suggestion}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_asked_for_wrongly_is_told_by_the_list() {
        let prompts: Vec<Prompt> = serde_json::from_value(json!([
            { "name": "greet", "arguments": [{ "name": "name", "required": true }, { "name": "language" }] },
            { "name": "haiku" },
        ]))
        .unwrap();
        let said = |name: &str, arguments: Value| wrong("s", &prompts, name, arguments.as_object().unwrap(), "");
        assert_eq!(
            said("great", json!({})).unwrap(),
            "the server \"s\" lists no prompt \"great\"; did you mean \"greet\"?"
        );
        assert_eq!(
            said("greet", json!({ "language": "x" })).unwrap(),
            "the prompt \"greet\" of the server \"s\" needs name=VALUE"
        );
        assert_eq!(
            said("greet", json!({ "name": "x", "langage": "y" })).unwrap(),
            "the prompt \"greet\" of the server \"s\" has no argument \"langage\"; did you mean \"language\"?"
        );
        assert_eq!(
            said("haiku", json!({ "a": "b" })).unwrap(),
            "the prompt \"haiku\" of the server \"s\" has no argument \"a\""
        );
        assert_eq!(said("greet", json!({ "name": "x" })), None);
    }

    #[test]
    fn an_argument_is_given_once() {
        let given = |name: &str| FilledIn { name: name.into(), value: "x".into() };
        assert_eq!(arguments(vec![given("a"), given("b")]).unwrap().len(), 2);
        assert!(arguments(vec![given("a"), given("a")]).unwrap_err().to_string().contains("given twice"));
    }
}
