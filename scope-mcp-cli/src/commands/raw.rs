//! `scope-mcp raw`: one request as it is, one answer as it is, past all of our types.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use scope_core::Nursery;
use serde_json::value::RawValue;

use crate::app::App;
use crate::exit::{Code, Stop};
use crate::open::{Open, not_answered};
use crate::sanitize;

pub(crate) async fn run(
    app: &App,
    n: &Nursery<'_, '_>,
    server: &str,
    method: &str,
    params: Option<Box<RawValue>>,
    timeout: Duration,
) -> Result<Code, Stop> {
    let open = Open::open(app, n, app.config.server(server)?, timeout).await?;
    let answer = {
        let _task = app.progress.task(format!("asking {server} for {method}"));
        open.client.request_raw_with(method, params, &open.options()).await
    };
    let closed = open.close().await;
    match answer {
        Ok(result) => print(app, result.get()),
        Err(error) => match error.rejection() {
            Some(rejection) => {
                print(app, rejection.raw().get());
                return Err(Stop::tool_error(error));
            }
            None => return Err(not_answered(&error)),
        },
    }
    closed.map(|_| Code::Done)
}

/// To a terminal the same JSON goes, but with escapes for what would act on it.
fn print(app: &App, json: &str) {
    if io::stdout().is_terminal() {
        app.stdout.line(sanitize::json(json));
    } else {
        app.stdout.line(json);
    }
}
