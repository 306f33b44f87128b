//! The client of rmcp, the official SDK, on its own child process: this program, started anew, which tells on standard
//! output what it was told.

use std::future::ready;
use std::process::ExitCode;
use std::time::Duration;

use rmcp::model::{
    ArgumentInfo, CallToolRequest, CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
    ClientConfig, ClientRequest, CompleteRequestParams, ContentBlock, DetailedTask, ElicitRequestParams, ElicitResult,
    ElicitationAction, GetPromptRequestParams, GetTaskParams, PaginatedRequestParams, ProgressNotificationParam,
    ProtocolVersion, ReadResourceRequestParams, Reference, ResourceContents, ResourceUpdatedNotificationParam,
    ServerNotification, SubscribeRequestParams, SubscriptionFilter, TaskPayload, UnsubscribeRequestParams,
    UpdateTaskParams,
};
use rmcp::service::{
    ClientLifecycleMode, NotificationContext, PeerRequestOptions, RequestContext, RunningService, ServiceError,
};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, ClientServiceExt, ErrorData, RoleClient};
use scope_mcp::Era;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::mpsc;

type Failed = Box<dyn std::error::Error>;
type Client = RunningService<RoleClient, Hears>;

/// The argument that makes a client of this program; then come the era, and the command that starts the server.
pub(crate) const VISITS: &str = "visit-with-rmcp";

/// Visits the server that a command starts, and prints what it was told.
pub(crate) fn visit(arguments: &[String]) -> ExitCode {
    match tell(arguments) {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("the client of rmcp: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(arguments: &[String]) -> Result<Value, Failed> {
    let [era, command, arguments @ ..] = arguments else {
        return Err("usage: visit-with-rmcp legacy|modern COMMAND [ARGUMENT]...".into());
    };
    let lifecycle = if *era == Era::Modern.to_string() {
        ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None }
    } else {
        ClientLifecycleMode::Initialize
    };
    let mut command = Command::new(command);
    command.args(arguments);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (hears_progress, mut progress) = mpsc::unbounded_channel();
        let (hears_updates, mut updates) = mpsc::unbounded_channel();
        let hears = Hears { progress: hears_progress, updates: hears_updates };
        let client = hears.serve_with_lifecycle(TokioChildProcess::new(command)?, lifecycle).await?;
        let told = asks(&client, &mut progress, &mut updates).await?;
        client.cancel().await?;
        Ok(told)
    })
}

/// Hears of progress and of resources that change, and answers what a server asks.
struct Hears {
    progress: mpsc::UnboundedSender<Value>,
    updates: mpsc::UnboundedSender<String>,
}

impl ClientHandler for Hears {
    fn get_info(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        config.capabilities = ClientCapabilities::builder().enable_elicitation().enable_tasks().build();
        config
    }

    fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> impl Future<Output = Result<ElicitResult, ErrorData>> + Send + '_ {
        ready(Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({"name": "Ada"}))))
    }

    fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) -> impl Future<Output = ()> + Send + '_ {
        // Whole seconds, but as floats.
        let _ = self.progress.send(json!([params.progress as u64, params.total.map(|total| total as u64)]));
        ready(())
    }

    fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) -> impl Future<Output = ()> + Send + '_ {
        let _ = self.updates.send(params.uri);
        ready(())
    }
}

/// What is heard of, in order.
type Heard<T> = mpsc::UnboundedReceiver<T>;

/// Every page of a list.
macro_rules! pages {
    ($client:ident.$list:ident, $items:ident, $name:expr) => {{
        let mut all: Vec<Vec<String>> = Vec::new();
        let mut cursor = None;
        loop {
            let page = $client.$list(Some(PaginatedRequestParams::default().with_cursor(cursor))).await?;
            all.push(page.$items.into_iter().map($name).collect());
            cursor = page.next_cursor;
            if cursor.is_none() {
                break all;
            }
        }
    }};
}

async fn asks(client: &Client, progress: &mut Heard<Value>, updates: &mut Heard<String>) -> Result<Value, Failed> {
    let server = client.peer_info().ok_or("it does not know its server")?;
    let mut account = json!({
        "revision": server.protocol_version,
        "server": server.server_info.as_ref().map(|info| info.name.clone()),
        "instructions": server.instructions,
        "tools": pages!(client.list_tools, tools, |tool| tool.name.into_owned()),
        "resources": pages!(client.list_resources, resources, |resource| resource.uri),
        "templates": pages!(client.list_resource_templates, resource_templates, |template| template.uri_template),
        "prompts": pages!(client.list_prompts, prompts, |prompt| prompt.name),
        "add": told(client.call_tool(call("add", json!({"a": 20, "b": 22}))).await?),
        "divide": told(client.call_tool(call("divide", json!({"a": 1, "b": 0}))).await?),
        "greet": told(client.call_tool(call("greet", json!({}))).await?),
        "read": read(client, "list://5").await?,
        "read_template": read(client, "greeting://Ada").await?,
        "read_nothing": match read(client, "nothing://here").await {
            Err(ServiceError::McpError(error)) => json!(error.code),
            other => json!({ "answered": format!("{other:?}") }),
        },
        "prompt": prompt(client).await?,
        "complete_prompt": complete(client, Reference::for_prompt("review"), "language", "R").await?,
        "complete_template": complete(client, Reference::for_resource("greeting://{name}"), "name", "a").await?,
        "updated": updated(client, updates).await?,
        "wait": cancelled_while_it_waits(client, progress).await?,
        "add_after_that": told(client.call_tool(call("add", json!({"a": 1, "b": 2}))).await?),
    });
    // The tasks of the older revisions it does not know.
    if !server.protocol_version.has_initialize() {
        account["task"] = task(client).await?;
    }
    Ok(account)
}

fn call(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let mut call = CallToolRequestParams::new(tool);
    call.arguments = arguments.as_object().cloned();
    call
}

fn told(result: CallToolResult) -> Value {
    let text: String = result.content.iter().filter_map(ContentBlock::as_text).map(|text| text.text.as_str()).collect();
    json!({ "text": text, "structured": result.structured_content, "failed": result.is_error == Some(true) })
}

async fn read(client: &Client, uri: &str) -> Result<Option<String>, ServiceError> {
    let read = client.read_resource(ReadResourceRequestParams::new(uri)).await?;
    Ok(match read.contents.into_iter().next() {
        Some(ResourceContents::TextResourceContents { text, .. }) => Some(text),
        _ => None,
    })
}

async fn prompt(client: &Client) -> Result<Option<String>, ServiceError> {
    let mut params = GetPromptRequestParams::new("review");
    params.arguments = json!({"code": "1 + 1"}).as_object().cloned();
    let got = client.get_prompt(params).await?;
    Ok(got.messages.first().and_then(|message| message.content.as_text()).map(|text| text.text.clone()))
}

async fn complete(
    client: &Client,
    reference: Reference,
    argument: &str,
    begun: &str,
) -> Result<Vec<String>, ServiceError> {
    let params = CompleteRequestParams::new(reference, ArgumentInfo::new(argument, begun));
    Ok(client.complete(params).await?.completion.values)
}

/// Counts, and is told that the count has changed: by a subscription, which the newest revision has as a stream.
#[allow(deprecated, reason = "the older revisions have nothing else")]
async fn updated(client: &Client, updates: &mut Heard<String>) -> Result<Value, Failed> {
    const COUNT: &str = "count://now";
    let count = call("count", json!({}));
    let uri = if client.peer_info().is_some_and(|server| server.protocol_version.has_initialize()) {
        client.subscribe(SubscribeRequestParams::new(COUNT)).await?;
        client.call_tool(count).await?;
        let uri = updates.recv().await;
        client.unsubscribe(UnsubscribeRequestParams::new(COUNT)).await?;
        uri
    } else {
        let mut changes = client.listen(SubscriptionFilter::builder().resource_subscriptions([COUNT]).build()).await?;
        client.call_tool(count).await?;
        let uri = match changes.next().await? {
            Some(ServerNotification::ResourceUpdatedNotification(updated)) => Some(updated.params.uri),
            _ => None,
        };
        changes.cancel().await?;
        uri
    };
    Ok(json!({ "uri": uri, "says": read(client, COUNT).await? }))
}

/// A tool that becomes a task, and asks for the name while it is one.
async fn task(client: &Client) -> Result<Value, Failed> {
    let CallToolResponse::Task(created) = client.call_tool_once(call("greet_later", json!({}))).await? else {
        return Err("it became no task".into());
    };
    let id = created.task.task_id;
    let mut asked = false;
    loop {
        let DetailedTask { task, payload, .. } = client.get_task(GetTaskParams::new(&id)).await?.task;
        match payload {
            TaskPayload::InputRequired { input_requests } => {
                let answer = json!({"action": "accept", "content": {"name": "Ada"}});
                let answers = input_requests.into_keys().map(|key| (key, answer.clone())).collect();
                client.update_task(UpdateTaskParams::new(&id, answers)).await?;
                asked = true;
            }
            TaskPayload::Completed { result } => {
                let result: CallToolResult = serde_json::from_value(Value::Object(result))?;
                return Ok(json!({ "asked": asked, "text": told(result)["text"] }));
            }
            TaskPayload::Working => {}
            other => return Err(format!("the task came to this: {other:?}").into()),
        }
        // As often as the server would like to be asked.
        tokio::time::sleep(Duration::from_millis(task.poll_interval_ms.unwrap_or(100))).await;
    }
}

/// Gives up a call once the server has said how far it is.
async fn cancelled_while_it_waits(client: &Client, progress: &mut Heard<Value>) -> Result<Value, Failed> {
    let request = CallToolRequest::new(call("wait", json!({"seconds": 600})));
    let request = client
        .send_cancellable_request(ClientRequest::CallToolRequest(request), PeerRequestOptions::no_options())
        .await?;
    let heard = progress.recv().await;
    request.cancel(Some("enough".to_owned())).await?;
    Ok(json!({ "cancelled": true, "progress": [heard] }))
}
