//! A server on rmcp, the official SDK: this program, started anew. With a little of everything: pages of two, a tool
//! that fails, a slow one that says so when it is stopped, resources, a template, prompts, completion.

mod count;
mod task;

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientResult, CompleteRequestParams, CompleteResult,
    CompletionInfo, ContentBlock, ElicitRequest, ElicitResult, ElicitationAction, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, GetTaskParams, GetTaskResult, InputRequest, InputRequests, InputRequiredResult,
    InputResponses, JsonObject, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, Prompt, PromptArgument, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
    Role, ServerCapabilities, ServerConfig, ServerRequest, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use scope_mcp::Era;
use serde_json::json;

use count::{COUNT, Count};
use task::Greeting;

use super::{Call, Offers, Origin, Peer, Start, a_little_of_everything, call};

pub(crate) struct Rmcp;

/// The argument that makes a server of this program.
pub(crate) const SERVES: &str = "serve-rmcp";

impl Peer for Rmcp {
    fn name(&self) -> &'static str {
        "rmcp"
    }

    fn origin(&self) -> Origin {
        Origin::Here
    }

    fn start(&self, scratch: &Path) -> Start {
        let here = env::current_exe().expect("this program should know where it is");
        Start { command: here.display().to_string(), args: vec![SERVES.to_owned()], env: vec![], cwd: scratch.into() }
    }

    fn tools(&self) -> &'static [&'static str] {
        &["add", "divide", "wait"]
    }

    fn fails(&self, _scratch: &Path) -> Call {
        call("divide", json!({"a": 1, "b": 0}), "nothing can be divided by zero")
    }

    fn one_of_many(&self, i: usize, _scratch: &Path) -> Call {
        call("add", json!({"a": 1000, "b": i}), (1000 + i).to_string())
    }

    fn offers(&self, era: Era) -> Offers {
        let mut offers = a_little_of_everything();
        offers.changes.push((COUNT, call("count", json!({}), "1")));
        // The tasks of the older revisions it does not know.
        if era == Era::Modern {
            offers.tasks.push(call("greet_later", json!({}), "Hello, Ada."));
        }
        offers
    }

    fn slow(&self) -> Option<Call> {
        Some(call("wait", json!({"seconds": 600}), "never"))
    }

    fn says_on_stderr(&self) -> &'static str {
        "wait was cancelled"
    }
}

/// Serves whoever started this program, on standard input and output, until that one leaves.
pub(crate) fn serve() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let running =
            Sums::default().serve(rmcp::transport::stdio()).await.expect("the client should begin as it has to");
        running.waiting().await.expect("nothing should panic");
    });
    ExitCode::SUCCESS
}

#[derive(Default)]
struct Sums {
    later: Greeting,
    count: Count,
}

/// Item number `i` of a list of seven, in pages of two; the cursor is the number that comes first.
fn page<T>(request: Option<PaginatedRequestParams>, all: Vec<T>) -> Result<(Vec<T>, Option<String>), ErrorData> {
    const SIZE: usize = 2;
    let first = match request.and_then(|request| request.cursor) {
        Some(cursor) => cursor.parse().map_err(|_| ErrorData::invalid_params("that is no cursor of mine", None))?,
        None => 0,
    };
    let next = (first + SIZE < all.len()).then(|| (first + SIZE).to_string());
    Ok((all.into_iter().skip(first).take(SIZE).collect(), next))
}

async fn wait(seconds: f64, context: &RequestContext<RoleServer>) -> Result<String, ErrorData> {
    let mut second = 0.0;
    while second < seconds {
        if let Some(token) = context.meta.get_progress_token() {
            let progress = ProgressNotificationParam::new(token, second).with_total(seconds);
            let told = context.peer.notify_progress(progress).await;
            told.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        second += 1.0;
    }
    Ok(format!("waited for {seconds} seconds"))
}

fn wrong(why: impl Into<String>) -> ErrorData {
    ErrorData::invalid_params(why.into(), None)
}

/// What `greet` asks.
fn question() -> ElicitRequest {
    let params = json!({
        "mode": "form",
        "message": "Who is to be greeted?",
        "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    });
    ElicitRequest::new(serde_json::from_value(params).expect("it is written as such"))
}

/// The same, where results ask.
fn questions() -> InputRequests {
    [("who".to_owned(), InputRequest::Elicitation(question()))].into()
}

/// What was answered there.
fn answer(mut answers: InputResponses) -> Result<ElicitResult, ErrorData> {
    let answer = answers.remove("who").ok_or_else(|| wrong("no answer"))?;
    serde_json::from_value(answer).map_err(|error| wrong(error.to_string()))
}

fn greeting(answer: &ElicitResult) -> CallToolResult {
    let name = answer.content.as_ref().and_then(|content| content["name"].as_str());
    let text = match (&answer.action, name) {
        (ElicitationAction::Accept, Some(name)) => format!("Hello, {name}."),
        _ => "Then nobody is greeted.".to_owned(),
    };
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// Asks the client: in the older revisions by a request, in the newest by its result.
async fn greet(
    answers: Option<InputResponses>,
    state: Option<String>,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    const STATE: &str = "as it was";
    if context.protocol_version().is_none_or(|version| version.has_initialize()) {
        return match context.peer.send_request(ServerRequest::ElicitRequest(question())).await {
            Ok(ClientResult::ElicitResult(answer)) => Ok(greeting(&answer).into()),
            other => Err(wrong(format!("{other:?}"))),
        };
    }
    match answers {
        None => Ok(InputRequiredResult::new(Some(questions()), Some(STATE.to_owned())).into()),
        Some(answers) if state.as_deref() == Some(STATE) => Ok(greeting(&answer(answers)?).into()),
        Some(_) => Err(wrong(format!("the state came back as {state:?}"))),
    }
}

fn schema(properties: serde_json::Value) -> JsonObject {
    let required: Vec<&String> = properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    match json!({"type": "object", "required": required, "properties": properties}) {
        serde_json::Value::Object(schema) => schema,
        _ => unreachable!("it is written as an object"),
    }
}

impl ServerHandler for Sums {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().enable_completions();
        ServerConfig::new(capabilities.enable_resources_subscribe().enable_tasks().build())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let numbers = || schema(json!({"a": {"type": "number"}, "b": {"type": "number"}}));
        let all = vec![
            Tool::new("add", "Adds two numbers.", numbers()),
            Tool::new("divide", "Divides the first by the second.", numbers()),
            Tool::new("count", "Counts one further.", schema(json!({}))),
            Tool::new("greet_later", "As greet, by a task.", schema(json!({}))),
            Tool::new("greet", "Greets somebody, and asks whom.", schema(json!({}))),
            Tool::new(
                "wait",
                "Waits, and says every second how far it is.",
                schema(json!({"seconds": {"type": "number"}})),
            ),
        ];
        let (tools, next_cursor) = page(request, all)?;
        Ok(ListToolsResult { next_cursor, ..ListToolsResult::with_all_items(tools) })
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let number = |name: &str| {
            let wrong = || ErrorData::invalid_params(format!("{name} has to be a number"), None);
            arguments.get(name).and_then(serde_json::Value::as_f64).ok_or_else(wrong)
        };
        let text = |text: String| vec![ContentBlock::text(text)];
        let result = match &*request.name {
            "add" => CallToolResult::success(text((number("a")? + number("b")?).to_string())),
            "divide" if number("b")? == 0.0 => CallToolResult::error(text("nothing can be divided by zero".to_owned())),
            "divide" => CallToolResult::success(text((number("a")? / number("b")?).to_string())),
            "wait" => {
                let waiting = wait(number("seconds")?, &context);
                match context.ct.run_until_cancelled(waiting).await {
                    Some(waited) => CallToolResult::success(text(waited?)),
                    None => {
                        eprintln!("wait was cancelled");
                        CallToolResult::error(text("cancelled".to_owned()))
                    }
                }
            }
            "count" => CallToolResult::success(text(self.count.goes_on(&context.peer).await?.to_string())),
            "greet_later" => return Ok(self.later.begins().into()),
            "greet" => return greet(request.input_responses, request.request_state, &context).await,
            other => return Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let all = (0..7).map(|i| Resource::new(format!("list://{i}"), format!("list {i}"))).collect();
        let (resources, next_cursor) = page(request, all)?;
        Ok(ListResourcesResult { next_cursor, ..ListResourcesResult::with_all_items(resources) })
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let (templates, next_cursor) = page(request, vec![ResourceTemplate::new("greeting://{name}", "greeting")])?;
        Ok(ListResourceTemplatesResult { next_cursor, ..ListResourceTemplatesResult::with_all_items(templates) })
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let text = match request.uri.split_once("://") {
            _ if request.uri == COUNT => self.count.now().to_string(),
            Some(("list", number)) => format!("the list number {number}"),
            Some(("greeting", name)) => format!("Hello, {name}."),
            _ => return Err(ErrorData::resource_not_found(format!("no resource {}", request.uri), None)),
        };
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, request.uri)]).into())
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let code = PromptArgument::new("code").with_required(true);
        let (prompts, next_cursor) =
            page(request, vec![Prompt::new("review", Some("Asks for a review."), Some(vec![code]))])?;
        Ok(ListPromptsResult { next_cursor, ..ListPromptsResult::with_all_items(prompts) })
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        match (&*request.name, arguments.get("code")) {
            ("review", Some(code)) => {
                let text = format!("Please review: {}", code.as_str().unwrap_or_default());
                Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into())
            }
            (name, _) => Err(ErrorData::invalid_params(format!("no prompt {name} with these arguments"), None)),
        }
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let begun = &request.argument.value;
        let names = ["ada", "alan", "grace"].into_iter().filter(|name| name.starts_with(begun)).map(str::to_owned);
        let completion = CompletionInfo::with_all_values(names.collect());
        Ok(CompleteResult::new(completion.map_err(|why| ErrorData::internal_error(why, None))?))
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.later.is_at(&request.task_id)
    }

    async fn update_task(&self, request: UpdateTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.later.is_told(request)
    }

    #[allow(deprecated, reason = "the older revisions have nothing else")]
    async fn subscribe(&self, request: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.count.subscribe(&request.uri, true)
    }

    #[allow(deprecated, reason = "the older revisions have nothing else")]
    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.count.subscribe(&request.uri, false)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(self.count.accept(requested))
    }

    async fn listen(&self, stream: SubscriptionContext) -> Result<(), ErrorData> {
        self.count.listen(stream).await
    }
}
