//! `scope-mcp check`: does every server start, speak and end as it should?

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use scope_core::Nursery;
use scope_mcp::CloseReport;

use crate::app::App;
use crate::config::Server;
use crate::exit::{Code, Stop};
use crate::open::{Open, not_answered};
use crate::{sanitize, table};

struct Checked {
    era: String,
    revision: String,
    tools: usize,
    messages: String,
    opened: Duration,
    listed: Duration,
    closed: Duration,
    report: Arc<CloseReport>,
}

pub(crate) async fn run(app: &App, n: &Nursery<'_, '_>, timeout: Duration, with_reports: bool) -> Result<Code, Stop> {
    let servers = &app.config.servers;
    let outcomes = join_all(servers.iter().map(|server| check(app, n, server, timeout))).await;
    let heads = ["SERVER", "ERA", "REVISION", "TOOLS", "OUT/IN", "OPENED", "LISTED", "CLOSED", "HOW IT ENDED"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(servers.iter().zip(&outcomes).map(|(server, outcome)| row(server, outcome)));
    for line in table::align(&rows) {
        app.stdout.line(line);
    }
    if with_reports {
        let checked = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
        for process in checked.filter_map(|checked| checked.report.process.as_ref()) {
            app.stdout.line(String::new());
            // A line for each step; the names in it are escaped already.
            format!("{process:#}").lines().for_each(|line| app.stdout.line(line.to_owned()));
        }
    }
    let failed: Vec<String> = servers
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| outcome.is_err())
        .map(|(server, _)| format!("{:?}", server.name))
        .collect();
    match Stop::all(outcomes.iter().filter_map(|outcome| outcome.as_ref().err())) {
        None => Ok(Code::Done),
        // The rows say why.
        Some(stop) => {
            let (few, all) = (failed.len(), servers.len());
            Err(stop.saying(format_args!("{few} of {all} failed: {}", failed.join(", "))))
        }
    }
}

async fn check(app: &App, n: &Nursery<'_, '_>, server: &Server, timeout: Duration) -> Result<Checked, Stop> {
    let open = Open::open(app, n, server, timeout).await?;
    let start = Instant::now();
    let tools = open.list_tools().await;
    let listed = start.elapsed();
    let start = Instant::now();
    let report = open.close().await;
    let closed = start.elapsed();
    // What went wrong first is what is told.
    let tools = tools.map_err(|error| not_answered(&error))?.len();
    let report = report?;
    Ok(Checked {
        era: open.info.revision.era().to_string(),
        revision: open.info.revision.to_string(),
        tools,
        messages: format!("{}/{}", report.traffic.sent, report.traffic.received),
        opened: open.info.opened_in,
        listed,
        closed,
        report,
    })
}

fn ending(report: &CloseReport) -> String {
    let Some(process) = &report.process else { return report.to_string() };
    let mut text = process.ended().to_string();
    if let Some(status) = process.status() {
        text.push_str(&format!(", {status}"));
    }
    if !process.stragglers().is_empty() {
        let processes: Vec<String> = process.stragglers().iter().map(ToString::to_string).collect();
        text.push_str(&format!("; left behind and ended: {}", processes.join(", ")));
    }
    for shortfall in process.shortfalls() {
        text.push_str(&format!("; {shortfall}"));
    }
    if report.traffic.noise > 0 {
        text.push_str(&format!("; {} lines on its stdout were no messages", report.traffic.noise));
    }
    text
}

fn row(server: &Server, outcome: &Result<Checked, Stop>) -> Vec<String> {
    let name = sanitize::line(&server.name);
    let time = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    match outcome {
        Ok(checked) => vec![
            name,
            checked.era.clone(),
            checked.revision.clone(),
            checked.tools.to_string(),
            checked.messages.clone(),
            time(checked.opened),
            time(checked.listed),
            time(checked.closed),
            sanitize::line(&ending(&checked.report)),
        ],
        Err(stop) => vec![name, format!("FAILED: {}", sanitize::line(&stop.to_string()))],
    }
}
