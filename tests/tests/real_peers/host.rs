//! Our server, as clients visit it: that of `examples/mcp_server`, in this program, started anew. And what a visitor must
//! have been told by it.

#[path = "../../../examples/mcp_server/server.rs"]
mod server;

use std::env;
use std::iter;
use std::process::ExitCode;

use scope_mcp::{Era, Revision};
use serde_json::{Map, Value, json};

use crate::visit::Runtime;

/// The argument that makes a server of this program; then comes the runtime.
pub(crate) const SERVES: &str = "serve-ours";

/// The command that starts it.
pub(crate) fn command(runtime: Runtime) -> Vec<String> {
    let here = env::current_exe().expect("this program should know where it is");
    vec![here.display().to_string(), SERVES.to_owned(), runtime.name().to_owned()]
}

/// Serves whoever started this program, on the runtime that the argument names.
pub(crate) fn serve(arguments: &[String]) -> ExitCode {
    let served = match arguments {
        [runtime] if runtime == Runtime::Tokio.name() => scope_tokio::run(async |_| server::serve().await),
        [runtime] if runtime == Runtime::Smol.name() => scope_smol::run(async |_| server::serve().await),
        _ => panic!("usage: {SERVES} tokio|smol"),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Compares what a visitor was told with what there is. `not_found`: the error of a resource that does not exist;
/// `besides`: what it cannot tell.
pub(crate) fn check(told: Value, era: Era, not_found: i32, besides: &[&str]) {
    let Value::Object(mut told) = told else { panic!("that is no account of a visit: {told}") };
    for list in ["tools", "resources", "templates", "prompts"] {
        if let Some(pages) = told.get_mut(list) {
            flatten(pages);
        }
    }
    let mut expected = expected(era, not_found);
    expected.retain(|name, _| !besides.contains(&name.as_str()));
    for (name, value) in &expected {
        assert_eq!(told.get(name), Some(value), "{name}");
    }
    let more: Vec<&String> = told.keys().filter(|name| !expected.contains_key(*name)).collect();
    assert!(more.is_empty(), "nobody knows whether this is right: {more:?}");
}

/// Some tell pages, some only what is on them.
fn flatten(pages: &mut Value) {
    let items = pages.as_array_mut().map(std::mem::take).unwrap_or_default().into_iter();
    *pages = items.flat_map(|item| item.as_array().cloned().unwrap_or_else(|| vec![item])).collect();
}

fn expected(era: Era, not_found: i32) -> Map<String, Value> {
    let revision = match era {
        Era::Legacy => Revision::LATEST_LEGACY,
        Era::Modern => Revision::LATEST,
    };
    let failed = |text| json!({"text": text, "structured": null, "failed": true});
    let sum = |sum| json!({"text": json!({"sum": sum}).to_string(), "structured": {"sum": sum}, "failed": false});
    let lists = (0..7).map(|number| format!("list://{number}"));
    let resources: Vec<String> = iter::once("count://now".to_owned()).chain(lists).collect();
    let expected = json!({
        "revision": revision.as_str(),
        "server": "little-of-everything",
        "instructions": "Adds, divides, waits, greets and counts.",
        "tools": ["add", "divide", "wait", "greet", "greet_later", "count"],
        "resources": resources,
        "templates": ["greeting://{name}"],
        "prompts": ["review"],
        "add": sum(42),
        "divide": failed("nothing can be divided by zero"),
        "greet": json!({"text": "Hello, Ada.", "structured": null, "failed": false}),
        "read": "the list number 5",
        "read_template": "Hello, Ada.",
        "read_nothing": not_found,
        "prompt": "Please review this piece: 1 + 1",
        "complete_prompt": ["Rust"],
        "complete_template": ["ada", "alan"],
        "updated": {"uri": "count://now", "says": "1"},
        "task": {"asked": true, "text": "Hello, Ada."},
        "wait": {"cancelled": true, "progress": [[0, 600]]},
        "add_after_that": sum(3),
    });
    match expected {
        Value::Object(expected) => expected,
        _ => unreachable!("it is written as an object"),
    }
}
