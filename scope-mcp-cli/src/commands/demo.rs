//! `scope-mcp demo`: what this is about, in one screen.

use std::time::{Duration, Instant};

use scope_core::{Failure, Spawns as _, event, nursery, tree};
use scope_mcp::Client;
use serde_json::json;

use crate::app::App;
use crate::exit::{Code, Stop};
use crate::open::spec;
use crate::sanitize;
use crate::survivor::Survivor;

const USERS: u32 = 4;

/// How long each user keeps both servers busy at the end, so that the tree has something to show.
const BUSY: Duration = Duration::from_millis(100);

pub(crate) async fn run(app: &App, plant_survivor: bool) -> Result<Code, Stop> {
    app.stdout.line(format!(
        "Two servers, each of them this program started again. {USERS} tasks use both at once;\n\
         a task that opened neither closes them.\n"
    ));
    let survivor = plant_survivor
        .then(Survivor::plant)
        .transpose()
        .map_err(|error| Stop::server(format!("the survivor could not be planted: {error}")))?;
    let tree = servers(app).await?;
    app.stdout
        .line(format!("\nThe tree, as it was while {USERS} tasks used both:\n{}", sanitize::text(tree.trim_end())));

    let left = scope_process::marked()
        .map_err(|error| Stop::server(format!("the processes that are left cannot be counted: {error}")))?;
    app.stdout.line(format!("\nprocesses left: {}", left.len()));
    drop(survivor);
    match left.as_slice() {
        [] => Ok(Code::Done),
        [one] => Err(Stop::server(format!("1 process is left: {one}"))),
        [first, ..] => Err(Stop::server(format!("{} processes are left, the first is {first}", left.len()))),
    }
}

/// Opens, uses and closes the servers, and returns the tree as it was in between.
async fn servers(app: &App) -> Result<String, Stop> {
    let start = Instant::now();
    let stdout = app.stdout.clone();
    let _observer = event::observe(move |event| {
        let time = event.time().saturating_duration_since(start).as_secs_f64() * 1000.0;
        stdout.line(format!("{time:>8.1} ms  {}", sanitize::line(&event.to_string())));
    });
    let said = |text: String| app.stdout.line(format!("          --  {text}"));
    nursery(async |n| {
        let mut clients = Vec::new();
        for server in &app.config.servers {
            let client = Client::open(n, spec(server), app.options.clone()).await?;
            if let Some(info) = client.info() {
                let process = info.pid.map_or_else(String::new, |pid| format!("process {pid}, "));
                said(format!("{} is open: {process}{info}", server.name));
            }
            clients.push(client);
        }
        let tree = use_from_many_tasks(&clients).await?;
        said(format!("{USERS} tasks have used both"));

        let closer = n.task("closer").spawn_erased_with_handle(async move {
            let mut reports = Vec::new();
            for client in clients {
                reports.push(client.close().await?);
            }
            Ok(reports)
        });
        for report in closer.await? {
            said(format!("{} is closed: {report}", report.server));
        }
        Ok(tree)
    })
    .named("demo")
    .await
    .map_err(|error| Stop::server(error.to_string()))
}

async fn use_from_many_tasks(clients: &[Client]) -> Result<String, Failure> {
    let (ready, all_ready) = async_channel::unbounded();
    let tree = nursery(async |n| {
        for number in 1..=USERS {
            let (clients, ready) = (clients.to_vec(), ready.clone());
            n.task(format!("user {number}")).spawn_erased(async move {
                for client in &clients {
                    let sum = client.call_tool("add", &json!({"a": number, "b": number})).await?;
                    if sum.structured_content != Some(json!({"sum": 2 * number})) {
                        return Err(Failure::msg(format!("{number} and {number} make {:?}", sum.structured_content)));
                    }
                }
                ready.send(()).await?;
                for client in &clients {
                    client.call_tool("sleep", &json!({"seconds": BUSY.as_secs_f64()})).await?;
                }
                Ok(())
            });
        }
        for _ in 0..USERS {
            all_ready.recv().await?;
        }
        Ok(tree::dump())
    })
    .named("users")
    .await?;
    Ok(tree)
}
