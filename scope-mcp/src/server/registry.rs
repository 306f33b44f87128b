//! What a server offers, and how a request for it is answered.
//!
//! Requests are read here and nowhere else: parameters are decoded by the method, and what does not fit is refused before
//! a handler sees it. Handlers run in the future that is given out, so their panics and their time are those of its task.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::arguments::{Params, UnreadArguments, place};
use super::changes::{Change, Changes, Watchers};
use super::complete::Completing;
use super::error::{Offered, Wrong};
use super::page::{BadCursor, Listed, Page, Taken};
use super::prompt::CheckedPrompt;
use super::resource::{CheckedResource, CheckedTemplate};
use super::state::StateKey;
use super::tool::CheckedTool;
use super::typed::{part, read, written};
use super::uri_template::MAX_URI;
use super::{BuildError, Context};
use crate::era::{Era, Revision};
use crate::error::Quoted;
use crate::jsonrpc::{INVALID_PARAMS, Rejection};
use crate::model::{
    CallToolResult, CompleteParams, CompletionReference, GetPromptParams, Implementation, InputResponses, ListParams,
    ResourceParams, ServerCapabilities, TASKS_EXTENSION, TaskForm, TaskMetadata, TaskSupport,
};
use crate::peer::Outcome;

/// A resource that is not there, before 2026-07-28.
const RESOURCE_NOT_FOUND: i64 = -32002;

/// [`CallToolParams`](crate::model::CallToolParams) as they are read here: those members that mean something, each checked,
/// and nothing copied.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(default, rename = "task")]
    _task: Option<TaskMetadata>,
    #[serde(default, rename = "inputResponses")]
    _input_responses: Option<InputResponses>,
    #[serde(borrow, default, rename = "requestState")]
    _request_state: Option<Cow<'a, str>>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Registry {
    info: Implementation,
    info_json: String,
    pub(super) instructions: Option<String>,
    pub(super) switches: Switches,
    /// Of lists.
    pub(super) page_size: usize,
    pub(super) state_key: StateKey,
    lists: RwLock<Lists>,
    /// How often they have changed, or are about to.
    changes: AtomicU64,
    watchers: Watchers,
}

/// The tool that was called last, for one who calls many: mostly it is the next one, too.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// When it was looked up.
    changes: u64,
    /// Who takes a tool away takes away what it holds.
    tool: Weak<CheckedTool>,
}

/// What a server does besides answering.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Switches {
    pub(super) dynamic_tools: bool,
    pub(super) dynamic_resources: bool,
    pub(super) dynamic_prompts: bool,
    pub(super) resource_updates: bool,
    pub(super) logging: bool,
}

#[derive(Debug)]
pub(super) struct Lists {
    pub(super) tools: Listed<CheckedTool>,
    pub(super) resources: Listed<CheckedResource>,
    pub(super) templates: Listed<CheckedTemplate>,
    pub(super) prompts: Listed<CheckedPrompt>,
}

impl Lists {
    pub(super) fn new() -> Lists {
        Lists {
            tools: Listed::new(b't'),
            resources: Listed::new(b'r'),
            templates: Listed::new(b'm'),
            prompts: Listed::new(b'p'),
        }
    }

    pub(super) fn add_tool(&mut self, tool: &Arc<CheckedTool>) -> Result<(), BuildError> {
        let twice = |Taken| BuildError::new(Offered::Tool(tool.name().to_owned()), Wrong::Twice);
        self.tools.add(tool.name(), tool).map_err(twice)
    }

    pub(super) fn add_resource(&mut self, resource: &Arc<CheckedResource>) -> Result<(), BuildError> {
        let twice = |Taken| BuildError::new(Offered::Resource(resource.uri().to_owned()), Wrong::Twice);
        self.resources.add(resource.uri(), resource).map_err(twice)
    }

    pub(super) fn add_template(&mut self, template: &Arc<CheckedTemplate>) -> Result<(), BuildError> {
        let twice = |Taken| BuildError::new(Offered::Template(template.uri_template().to_owned()), Wrong::Twice);
        self.templates.add(template.uri_template(), template).map_err(twice)
    }

    pub(super) fn add_prompt(&mut self, prompt: &Arc<CheckedPrompt>) -> Result<(), BuildError> {
        let twice = |Taken| BuildError::new(Offered::Prompt(prompt.name().to_owned()), Wrong::Twice);
        self.prompts.add(prompt.name(), prompt).map_err(twice)
    }

    fn tasks(&self) -> bool {
        self.tools.iter().any(|tool| tool.task_support() != TaskSupport::Forbidden)
    }

    fn complete(&self) -> bool {
        self.prompts.iter().any(|prompt| prompt.completes())
            || self.templates.iter().any(|template| template.completes())
    }
}

/// The requests that are answered with what is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    ListTools,
    CallTool,
    ListResources,
    ListTemplates,
    ReadResource,
    ListPrompts,
    GetPrompt,
    Complete,
}

impl Registry {
    pub(super) fn new(
        info: Implementation,
        instructions: Option<String>,
        switches: Switches,
        page_size: usize,
        state_key: StateKey,
        lists: Lists,
    ) -> Registry {
        let (lists, watchers) = (RwLock::new(lists), Watchers::default());
        // Made of strings.
        let info_json = serde_json::to_string(&info).unwrap_or_else(|_| "{}".to_owned());
        let changes = AtomicU64::new(0);
        Registry { info, info_json, instructions, switches, page_size, state_key, lists, changes, watchers }
    }

    /// How it introduces itself.
    pub(crate) fn info(&self) -> &Implementation {
        &self.info
    }

    /// What a model should know about it.
    pub(crate) fn instructions(&self) -> Option<&str> {
        self.instructions.as_deref()
    }

    /// How it introduces itself, as JSON.
    pub(crate) fn info_json(&self) -> &str {
        &self.info_json
    }

    /// Whether it declares that it writes to its clients' logs.
    pub(crate) fn logs(&self) -> bool {
        self.switches.logging
    }

    /// Whether it declares that it tells of resources that change.
    pub(crate) fn tells_of_resources(&self) -> bool {
        self.switches.resource_updates
    }

    /// Whether there is a tool that can be called as a task.
    pub(crate) fn has_tasks(&self) -> bool {
        self.read().tasks()
    }

    /// Whether that tool can be called as a task; `None` if there is none of that name.
    pub(crate) fn task_support(&self, tool: &str) -> Option<TaskSupport> {
        self.read().tools.get(tool).map(|tool| tool.task_support())
    }

    /// How many entries a page of a list has.
    pub(crate) fn page_size(&self) -> usize {
        self.page_size
    }

    /// For the `requestState` of its calls.
    pub(crate) fn state_key(&self) -> &StateKey {
        &self.state_key
    }

    /// What has changed, from now on.
    pub(crate) fn watch(&self) -> Changes {
        self.watchers.watch()
    }

    pub(super) fn tell(&self, change: &Change) {
        self.watchers.tell(change);
    }

    /// What it can do, for those who speak `revision`.
    pub(crate) fn capabilities(&self, revision: Revision) -> ServerCapabilities {
        let Switches { dynamic_tools, dynamic_resources, dynamic_prompts, resource_updates, logging } = self.switches;
        let lists = self.read();
        let mut all = ServerCapabilities::new();
        if dynamic_tools || !lists.tools.is_empty() {
            all = all.tools(dynamic_tools);
        }
        if dynamic_resources || !lists.resources.is_empty() || !lists.templates.is_empty() {
            all = all.resources(resource_updates, dynamic_resources);
        }
        if dynamic_prompts || !lists.prompts.is_empty() {
            all = all.prompts(dynamic_prompts);
        }
        // The first revision completes without saying so.
        if lists.complete() && revision > Revision::V2024_11_05 {
            all = all.completions();
        }
        if logging {
            all = all.logging();
        }
        match super::tasks::form(revision).filter(|_| lists.tasks()) {
            Some(TaskForm::Core) => {
                all.with("tasks", json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } }))
            }
            Some(TaskForm::Extension) => all.with_extension(TASKS_EXTENSION, json!({})),
            None => all,
        }
    }

    /// The tool of that name, if there is one.
    pub(super) fn tool(&self, name: &str) -> Option<Arc<CheckedTool>> {
        self.read().tools.get(name)
    }

    /// The same, looked up only if it is not the `recent` one.
    pub(super) fn tool_again(&self, name: &str, recent: &mut Recent) -> Option<Arc<CheckedTool>> {
        // Before it is looked up: who changes the lists counts first.
        let changes = self.changes.load(Ordering::Acquire);
        if recent.changes == changes
            && let Some(tool) = recent.tool.upgrade().filter(|tool| tool.name() == name)
        {
            return Some(tool);
        }
        let tool = self.tool(name)?;
        *recent = Recent { changes, tool: Arc::downgrade(&tool) };
        Some(tool)
    }

    /// Which request that is, if anything of the kind is offered.
    pub(crate) fn method(&self, method: &str) -> Option<Method> {
        let method = match method {
            "tools/list" => Method::ListTools,
            "tools/call" => Method::CallTool,
            "resources/list" => Method::ListResources,
            "resources/templates/list" => Method::ListTemplates,
            "resources/read" => Method::ReadResource,
            "prompts/list" => Method::ListPrompts,
            "prompts/get" => Method::GetPrompt,
            "completion/complete" => Method::Complete,
            _ => return None,
        };
        let (lists, switches) = (self.read(), &self.switches);
        let offered = match method {
            Method::ListTools | Method::CallTool => switches.dynamic_tools || !lists.tools.is_empty(),
            Method::ListResources | Method::ListTemplates | Method::ReadResource => {
                switches.dynamic_resources || !lists.resources.is_empty() || !lists.templates.is_empty()
            }
            Method::ListPrompts | Method::GetPrompt => switches.dynamic_prompts || !lists.prompts.is_empty(),
            Method::Complete => lists.complete(),
        };
        offered.then_some(method)
    }

    /// Answers a request, without what the era adds.
    pub(crate) async fn answer(&self, method: Method, params: &Params, cx: Context) -> Outcome {
        let all = params;
        let params = params.raw();
        match method {
            Method::ListTools => {
                self.list(params, "tools", |lists| &lists.tools, |tool| part(&tool.listed(cx.revision())))
            }
            Method::ListResources => self.list(params, "resources", |lists| &lists.resources, |it| part(it.listed())),
            Method::ListTemplates => {
                self.list(params, "resourceTemplates", |lists| &lists.templates, |it| part(it.listed()))
            }
            Method::ListPrompts => self.list(params, "prompts", |lists| &lists.prompts, |it| part(it.listed())),
            Method::CallTool => self.call_tool(all, cx).await,
            Method::ReadResource => self.read_resource(read(params)?, cx).await,
            Method::GetPrompt => self.get_prompt(read(params)?, cx).await,
            Method::Complete => self.complete(read(params)?, cx).await,
        }
    }

    fn list<T>(
        &self,
        params: Option<&RawValue>,
        key: &str,
        list: impl FnOnce(&Lists) -> &Listed<T>,
        entry: impl Fn(&T) -> Result<Box<RawValue>, Rejection>,
    ) -> Outcome {
        let ListParams { cursor, .. } = read(params)?;
        let page = list(&self.read()).page(cursor.as_deref(), self.page_size);
        let Page { entries, next_cursor } = page.map_err(|BadCursor| BadCursor::rejection())?;
        let entries: Result<Vec<_>, _> = entries.iter().map(|it| entry(it)).collect();
        let mut result = BTreeMap::from([(key, part(&entries?)?)]);
        if let Some(cursor) = next_cursor {
            result.insert("nextCursor", part(&cursor)?);
        }
        written(&result)
    }

    async fn call_tool(&self, params: &Params, cx: Context) -> Outcome {
        let Call { name, arguments, .. } = read(params.raw())?;
        let tool = self.tool(&name);
        let tool =
            tool.ok_or_else(|| Rejection::invalid_params(format!("there is no tool of the name {}", Quoted(&name))))?;
        let at = arguments.zip(params.raw()).map(|(arguments, params)| place(arguments, params));
        self.call(&tool, UnreadArguments::new(params.clone(), at), cx).await
    }

    /// Calls a tool.
    pub(super) async fn call(&self, tool: &CheckedTool, arguments: UnreadArguments, cx: Context) -> Outcome {
        match tool.call(arguments, cx).await {
            Ok(result) => Ok(result),
            // A failure of the tool's is a result, too.
            Err(error) => written(&CallToolResult::failure(error.for_tool()?)),
        }
    }

    async fn read_resource(&self, params: ResourceParams, cx: Context) -> Outcome {
        let ResourceParams { uri, .. } = params;
        if uri.len() > MAX_URI {
            return Err(Rejection::invalid_params(format!(
                "the address has {} bytes, over the limit of {MAX_URI}",
                uri.len()
            )));
        }
        let code = match cx.revision().era() {
            Era::Legacy => RESOURCE_NOT_FOUND,
            Era::Modern => INVALID_PARAMS,
        };
        let asked = uri.clone();
        let not_found = |message| Rejection::new(code, message).with_data(json!({ "uri": asked }));
        let resource = self.read().resources.get(&uri);
        let result = match resource {
            Some(resource) => resource.read(uri, cx).await,
            None => match self.template(&uri) {
                Some((template, variables)) => template.read(uri, variables, cx).await,
                None => return Err(not_found(format!("there is no resource at {}", Quoted(&uri)))),
            },
        };
        match result {
            Ok(result) => written(&result),
            Err(error) => Err(error.rejection(not_found)),
        }
    }

    fn template(&self, uri: &str) -> Option<(Arc<CheckedTemplate>, BTreeMap<String, String>)> {
        let templates: Vec<_> = self.read().templates.iter().cloned().collect();
        templates.into_iter().find_map(|template| template.fits(uri).map(|variables| (template, variables)))
    }

    async fn get_prompt(&self, params: GetPromptParams, cx: Context) -> Outcome {
        let GetPromptParams { name, arguments, .. } = params;
        let prompt = self.prompt(&name)?;
        match prompt.get(arguments.unwrap_or_default(), cx).await {
            Ok(result) => written(&result),
            Err(error) => Err(error.rejection(Rejection::invalid_params)),
        }
    }

    fn prompt(&self, name: &str) -> Result<Arc<CheckedPrompt>, Rejection> {
        let prompt = self.read().prompts.get(name);
        prompt.ok_or_else(|| Rejection::invalid_params(format!("there is no prompt of the name {}", Quoted(name))))
    }

    async fn complete(&self, params: CompleteParams, cx: Context) -> Outcome {
        let CompleteParams { reference, argument, context, .. } = params;
        let arguments = context.and_then(|context| context.arguments).unwrap_or_default();
        let completing = Completing { value: argument.value, arguments };
        let result = match reference {
            CompletionReference::Prompt { name, .. } => {
                self.prompt(&name)?.complete(&argument.name, completing, cx).await
            }
            CompletionReference::Resource { uri, .. } => {
                let template = self.read().templates.get(&uri);
                let template = template.ok_or_else(|| {
                    Rejection::invalid_params(format!("there is no resource template {}", Quoted(&uri)))
                })?;
                template.complete(&argument.name, completing, cx).await
            }
        };
        match result {
            Ok(result) => written(&result),
            Err(error) => Err(error.rejection(Rejection::invalid_params)),
        }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Lists> {
        // Nothing that holds the lock can panic half-way.
        self.lists.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Lists> {
        let lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::Release);
        lists
    }
}

#[cfg(test)]
mod tests;
