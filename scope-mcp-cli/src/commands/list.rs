//! `scope-mcp list`: the tools of every server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use scope_core::Nursery;
use scope_mcp::ServerInfo;
use scope_mcp::model::Tool;
use serde_json::{Value, json};

use crate::app::App;
use crate::config::Server;
use crate::exit::{Code, Stop};
use crate::names::SEPARATOR;
use crate::open::{Open, not_answered};
use crate::{sanitize, stdout, table};

struct Listing {
    info: Arc<ServerInfo>,
    tools: Vec<Tool>,
}

pub(crate) async fn run(
    app: &App,
    n: &Nursery<'_, '_>,
    only: Option<&str>,
    timeout: Duration,
    json: bool,
) -> Result<Code, Stop> {
    let servers: Vec<&Server> = match only {
        Some(name) => vec![app.config.server(name)?],
        None => app.config.servers.iter().collect(),
    };
    let listings = join_all(servers.iter().map(|server| list(app, n, server, timeout))).await;
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
    Stop::all(all.iter().filter_map(|(_, listing)| listing.as_ref().err())).map_or(Ok(Code::Done), Err)
}

async fn list(app: &App, n: &Nursery<'_, '_>, server: &Server, timeout: Duration) -> Result<Listing, Stop> {
    let open = Open::open(app, n, server, timeout).await?;
    let tools = open.list_tools().await;
    open.close().await?;
    let tools = tools.map_err(|error| not_answered(&error))?;
    Ok(Listing { info: open.info, tools })
}

fn to_json(server: &Server, listing: &Result<Listing, Stop>) -> Value {
    match listing {
        Ok(Listing { info, tools }) => json!({
            "name": server.name,
            "protocolVersion": info.revision.to_string(),
            "serverInfo": info.server,
            "tools": tools,
        }),
        Err(stop) => json!({"name": server.name, "error": stop.to_string()}),
    }
}

fn to_text(server: &Server, listing: &Listing) -> String {
    let name = sanitize::line(&server.name);
    let Listing { info, tools } = listing;
    let count = match tools.len() {
        1 => "1 tool".to_owned(),
        many => format!("{many} tools"),
    };
    let mut rows: Vec<Vec<String>> =
        tools.iter().map(|tool| vec![format!("  {name}{SEPARATOR}{}", sanitize::line(&tool.name))]).collect();
    let names = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(0);
    // On a terminal a row is a line; elsewhere there is no width to keep to.
    let left = stdout::columns().map_or(400, |columns| columns.saturating_sub(names + 2).max(20));
    for (row, tool) in rows.iter_mut().zip(tools) {
        let description = tool.description.as_deref().unwrap_or_default().trim();
        row.push(sanitize::short(description.lines().next().unwrap_or_default(), left));
    }
    let mut text = format!("{name}: {info}, {count}");
    for row in table::align(&rows) {
        text.push('\n');
        text.push_str(&row);
    }
    text
}
