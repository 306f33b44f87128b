//! A server in use: within the time that the user gave, and with what is shown meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scope_core::Nursery;
use scope_mcp::model::{Prompt, Resource, ResourceTemplate, Tool};
use scope_mcp::{CallError, CallOptions, Client, CloseReport, OpenError, ServerInfo, ServerSpec};

use crate::app::App;
use crate::config;
use crate::exit::Stop;

/// A server that has been opened.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    app: &'a App,
    pub(crate) name: &'a str,
    pub(crate) client: Client,
    pub(crate) info: Arc<ServerInfo>,
    until: Instant,
}

impl<'a> Open<'a> {
    /// Opens `server`. The time runs from here to the last answer.
    pub(crate) async fn open(
        app: &'a App,
        n: &Nursery<'_, '_>,
        server: &'a config::Server,
        timeout: Duration,
    ) -> Result<Self, Stop> {
        let until = Instant::now() + timeout;
        let _task = app.progress.task(format!("opening {}", server.name));
        let options = app.options.clone().open_timeout(timeout);
        let client = Client::open(n, spec(server), options).await.map_err(|error| not_opened(&error))?;
        let info = client.wait_ready().await.map_err(|error| not_opened(&error))?;
        Ok(Open { app, name: &server.name, client, info, until })
    }

    pub(crate) async fn list_tools(&self) -> Result<Vec<Tool>, CallError> {
        let _task = self.app.progress.task(format!("listing {}", self.name));
        self.client.list_tools_with(&self.options()).await
    }

    pub(crate) async fn list_resources(&self) -> Result<Vec<Resource>, CallError> {
        let _task = self.app.progress.task(format!("listing {}", self.name));
        self.client.list_resources_with(&self.options()).await
    }

    /// A server that has resources need not know what a template is.
    pub(crate) async fn list_resource_templates(&self) -> Result<Vec<ResourceTemplate>, CallError> {
        const UNKNOWN_METHOD: i64 = -32601;
        let _task = self.app.progress.task(format!("listing {}", self.name));
        match self.client.list_resource_templates_with(&self.options()).await {
            Err(error) if error.rejection().is_some_and(|it| it.code() == Some(UNKNOWN_METHOD)) => Ok(Vec::new()),
            answer => answer,
        }
    }

    pub(crate) async fn list_prompts(&self) -> Result<Vec<Prompt>, CallError> {
        let _task = self.app.progress.task(format!("listing {}", self.name));
        self.client.list_prompts_with(&self.options()).await
    }

    /// Ends the server, and says how that went; something that is left running is an error.
    pub(crate) async fn close(&self) -> Result<Arc<CloseReport>, Stop> {
        let _task = self.app.progress.task(format!("closing {}", self.name));
        let report = self
            .client
            .close()
            .await
            .map_err(|error| Stop::server(format!("cannot close the server {:?}: {error}", self.name)))?;
        if report.is_complete() { Ok(report) } else { Err(Stop::server(format!("{:?}: {report}", self.name))) }
    }

    /// For a call that may take what is left of the time.
    pub(crate) fn options(&self) -> CallOptions {
        CallOptions::new().timeout(self.until.saturating_duration_since(Instant::now()))
    }
}

/// What is to be started, as the configuration describes it.
pub(crate) fn spec(server: &config::Server) -> ServerSpec {
    let mut spec = ServerSpec::new(&server.name, &server.command).args(&server.args).reach(server.reach);
    spec.env = server.env.clone();
    spec.cwd = server.cwd.clone();
    spec
}

/// Why a server could not be opened, as the program's end.
fn not_opened(error: &OpenError) -> Stop {
    if error.is_timeout() { Stop::timed_out(error.to_string()) } else { Stop::server(error.to_string()) }
}

/// Why there is no answer that is of use, as the program's end.
pub(crate) fn not_answered(error: &CallError) -> Stop {
    match error.open_error() {
        Some(error) => not_opened(error),
        None if error.is_rejected() => Stop::tool_error(error),
        None if error.is_timeout() => Stop::timed_out(error.to_string()),
        None if error.is_invalid_params() => Stop::usage(error.to_string()),
        None => Stop::server(error.to_string()),
    }
}

/// Why something that was asked for by name, `what`, is not there, as the program's end.
pub(crate) fn refused(what: &str, timeout: Duration, error: &CallError) -> Stop {
    if error.is_timeout() {
        Stop::timed_out(format_args!("{what}: no answer in {} s", timeout.as_secs_f64()))
    } else {
        not_answered(error)
    }
}
