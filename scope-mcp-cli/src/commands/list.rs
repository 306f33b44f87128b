//! `scope-mcp list`: the tools of every server, or its resources or prompts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use scope_core::Nursery;
use scope_mcp::model::{Prompt, Resource, ResourceTemplate, Tool};
use scope_mcp::{CallError, ServerInfo};
use serde_json::{Value, json};

use crate::app::App;
use crate::args::What;
use crate::config::Server;
use crate::exit::{Code, Stop};
use crate::names::SEPARATOR;
use crate::open::{Open, not_answered};
use crate::{sanitize, stdout, table};

struct Listing {
    info: Arc<ServerInfo>,
    listed: Listed,
    /// Why the server could not be ended as it should.
    left: Option<Stop>,
}

enum Listed {
    Tools(Vec<Tool>),
    Resources(Vec<Resource>, Vec<ResourceTemplate>),
    Prompts(Vec<Prompt>),
}

pub(crate) async fn run(
    app: &App,
    n: &Nursery<'_, '_>,
    what: What,
    only: Option<&str>,
    timeout: Duration,
    json: bool,
) -> Result<Code, Stop> {
    let servers: Vec<&Server> = match only {
        Some(name) => vec![app.config.server(name)?],
        None => app.config.servers.iter().collect(),
    };
    let listings = join_all(servers.iter().map(|server| list(app, n, what, server, timeout))).await;
    let all: Vec<_> = servers.into_iter().zip(listings).collect();
    if json {
        let servers: Vec<Value> = all.iter().map(|(server, listing)| to_json(server, listing)).collect();
        app.stdout.line(sanitize::json(&json!({ "servers": servers }).to_string()));
    } else {
        let texts: Vec<String> =
            all.iter().filter_map(|(server, listing)| Some(to_text(server, listing.as_ref().ok()?))).collect();
        if !texts.is_empty() {
            app.stdout.line(texts.join("\n\n"));
        }
    }
    let failures = all.iter().filter_map(|(_, listing)| match listing {
        Ok(listing) => listing.left.as_ref(),
        Err(stop) => Some(stop),
    });
    Stop::all(failures).map_or(Ok(Code::Done), Err)
}

async fn list(app: &App, n: &Nursery<'_, '_>, what: What, server: &Server, timeout: Duration) -> Result<Listing, Stop> {
    let open = Open::open(app, n, server, timeout).await?;
    let listed = listed(&open, what).await;
    let left = open.close().await.err();
    // What went wrong first is what is told.
    let listed = listed.map_err(|error| not_answered(&error))?;
    Ok(Listing { info: open.info, listed, left })
}

async fn listed(open: &Open<'_>, what: What) -> Result<Listed, CallError> {
    Ok(match what {
        What::Tools => Listed::Tools(open.list_tools().await?),
        What::Resources => Listed::Resources(open.list_resources().await?, open.list_resource_templates().await?),
        What::Prompts => Listed::Prompts(open.list_prompts().await?),
    })
}

fn to_json(server: &Server, listing: &Result<Listing, Stop>) -> Value {
    match listing {
        Ok(Listing { info, listed, .. }) => {
            let mut described = json!({
                "name": server.name,
                "protocolVersion": info.revision.to_string(),
                "serverInfo": info.server,
            });
            match listed {
                Listed::Tools(tools) => described["tools"] = json!(tools),
                Listed::Resources(resources, templates) => {
                    described["resources"] = json!(resources);
                    described["resourceTemplates"] = json!(templates);
                }
                Listed::Prompts(prompts) => described["prompts"] = json!(prompts),
            }
            described
        }
        Err(stop) => json!({"name": server.name, "error": stop.to_string()}),
    }
}

fn to_text(server: &Server, listing: &Listing) -> String {
    let name = sanitize::line(&server.name);
    let rows = listing.listed.rows(&name);
    let names = rows.iter().map(|row| row.name.chars().count() + 2).max().unwrap_or(0);
    // On a terminal a row is a line; elsewhere there is no width to keep to.
    let left = stdout::columns().map_or(400, |columns| columns.saturating_sub(names + 2).max(20));
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| vec![format!("  {}", row.name), sanitize::short(&row.about, left)]).collect();
    let mut text = format!("{name}: {}, {}", listing.info, listing.listed.count());
    for row in table::align(&rows) {
        text.push('\n');
        text.push_str(&row);
    }
    text
}

/// One of what is listed.
struct Row {
    /// Fit for a terminal.
    name: String,
    /// As the server says it.
    about: String,
}

impl Row {
    fn new(name: String, kind: Option<&str>, description: Option<&str>) -> Row {
        let description = description.unwrap_or_default().trim().lines().next().unwrap_or_default();
        let about = match kind {
            Some(kind) if description.is_empty() => kind.to_owned(),
            Some(kind) => format!("{kind}: {description}"),
            None => description.to_owned(),
        };
        Row { name, about }
    }
}

impl Listed {
    fn count(&self) -> String {
        let count = |count: usize, one: &str| match count {
            1 => format!("1 {one}"),
            many => format!("{many} {one}s"),
        };
        match self {
            Listed::Tools(tools) => count(tools.len(), "tool"),
            Listed::Resources(resources, templates) if templates.is_empty() => count(resources.len(), "resource"),
            Listed::Resources(resources, templates) => {
                format!("{}, {}", count(resources.len(), "resource"), count(templates.len(), "template"))
            }
            Listed::Prompts(prompts) => count(prompts.len(), "prompt"),
        }
    }

    fn rows(&self, server: &str) -> Vec<Row> {
        match self {
            Listed::Tools(tools) => tools
                .iter()
                .map(|tool| {
                    let name = format!("{server}{SEPARATOR}{}", sanitize::line(&tool.name));
                    Row::new(name, None, tool.description.as_deref())
                })
                .collect(),
            Listed::Resources(resources, templates) => {
                let resources = resources.iter().map(|it| (&it.uri, &it.name, &it.mime_type, &it.description));
                let templates = templates.iter().map(|it| (&it.uri_template, &it.name, &it.mime_type, &it.description));
                resources
                    .chain(templates)
                    .map(|(uri, name, kind, description)| {
                        let kind = kind.as_ref().map_or_else(|| name.clone(), |kind| format!("{name} ({kind})"));
                        Row::new(sanitize::line(uri), Some(&kind), description.as_deref())
                    })
                    .collect()
            }
            Listed::Prompts(prompts) => prompts
                .iter()
                .map(|prompt| Row::new(sanitize::line(&usage(prompt)), None, prompt.description.as_deref()))
                .collect(),
        }
    }
}

/// A prompt and what it takes, as `scope-mcp prompt` is to be given it.
fn usage(prompt: &Prompt) -> String {
    let mut usage = prompt.name.clone();
    for argument in prompt.arguments.iter().flatten() {
        usage.push_str(&match argument.is_required() {
            true => format!(" {}=…", argument.name),
            false => format!(" [{}=…]", argument.name),
        });
    }
    usage
}
