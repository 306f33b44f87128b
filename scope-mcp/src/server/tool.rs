//! Tools: what is said of them, and how a call is checked and run.

use std::fmt;
use std::future::ready;
use std::task::{Context as TaskContext, Poll};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::arguments::UnreadArguments;
use super::error::{Offered, Wrong};
use super::members::Members;
use super::output::schema_of;
use super::typed::{read_json, written};
use super::{BuildError, Context, HandlerError, ToolOutput, fit};
use crate::era::{Era, Revision};
use crate::error::parse_error;
use crate::jsonrpc::{Json, Rejection};
use crate::model::{CallToolResult, Object, TaskSupport, Tool};
use crate::peer::Pace;
use crate::schema::{Schema, is_json};

/// A tool to be offered, with the function that it is.
///
/// Its arguments are checked against its schema before the function is called; a call that does not fit is answered with
/// the place that is wrong, for the model to try again.
///
/// Calls run beside each other, each as a task of its own. Where the last call of the tool was answered within 200 µs, and
/// four more for each KiB of its parameters, and without waiting, the next is begun in the task that serves the connection, up
/// to where it waits: so a function that blocks its thread, if only at times, holds up the connection that long. Long
/// computations and what blocks belong into [`blocking`](scope_core::blocking).
///
/// ```
/// use schemars::JsonSchema;
/// use scope_mcp::model::ToolAnnotations;
/// use scope_mcp::{Context, HandlerError, ServerTool};
///
/// #[derive(serde::Deserialize, JsonSchema)]
/// struct Divide {
///     dividend: i64,
///     /// Not 0.
///     divisor: i64,
/// }
///
/// let tool = ServerTool::new("divide", "Divides two numbers", |args: Divide, _: Context| async move {
///     let quotient = args.dividend.checked_div(args.divisor);
///     quotient.map(|it| it.to_string()).ok_or_else(|| HandlerError::new("that cannot be divided"))
/// })
/// .describe(|tool| tool.title("Division").annotations(ToolAnnotations::new().read_only(true)));
/// # let _ = tool;
/// ```
pub struct ServerTool {
    tool: Tool,
    run: Run,
}

/// The function that a tool is.
enum Run {
    /// Called with an object, as JSON that follows the schema.
    Reads(Box<Reads>),
    /// Called with an object.
    Passes(Box<Passes>),
}

type Reads = dyn Fn(&str, Context) -> Running<Gave, Fault> + Send + Sync;

type Passes = dyn Fn(UnreadArguments, Context) -> Running<Box<RawValue>, HandlerError> + Send + Sync;

pub(super) type Running<T, E> = BoxFuture<'static, Result<T, E>>;

/// What a tool gave.
pub(super) enum Gave {
    /// A result that is one text and nothing else: most are.
    Text(String),
    /// In a box, for it is large, and moved several times.
    Result(Box<CallToolResult>),
    /// Whatever is passed on.
    Raw(Box<RawValue>),
}

/// A call that has been begun.
pub(super) enum Begun {
    Reads(Running<Gave, Fault>),
    Passes(Running<Box<RawValue>, HandlerError>),
}

impl Gave {
    pub(super) fn failure(text: String) -> Gave {
        Gave::Result(Box::new(CallToolResult::failure(text)))
    }

    fn of(mut result: Box<CallToolResult>) -> Gave {
        match result.take_text() {
            Some(text) => Gave::Text(text),
            None => Gave::Result(result),
        }
    }

    /// What was given by who passes it on.
    fn passed(result: Box<RawValue>) -> Result<Gave, HandlerError> {
        if result.get().starts_with('{') {
            Ok(Gave::Raw(result))
        } else {
            Err(Rejection::internal("what the tool gave is no object").into())
        }
    }

    pub(super) fn written(self) -> Result<Json, Rejection> {
        match self {
            Gave::Text(text) => Ok(Json::of_text(&text)),
            Gave::Result(result) => written(&result),
            Gave::Raw(json) => Ok(json.into()),
        }
    }
}

/// Why a call has no result of its tool's.
pub(super) enum Fault {
    Arguments(String),
    Failed(HandlerError),
}

impl ServerTool {
    /// The tool `name`. The schemas of its arguments and of its result are those of their types.
    ///
    /// The arguments of a tool have names: a struct is what fits, and [`NoArguments`](super::NoArguments) for none. A
    /// server does not build with another type.
    pub fn new<A, F, R>(name: impl Into<String>, description: impl Into<String>, handler: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(A, Context) -> R + Send + Sync + 'static,
        R: Future<Output: ToolOutput> + Send + 'static,
    {
        let mut tool = Tool::new(name, schema_of::<A>(false)).description(description);
        tool.output_schema = R::Output::output_schema();
        ServerTool { tool, run: reads(handler) }
    }

    /// A tool as it is described, with schemas as they stand there: for those that come from elsewhere. A result has to
    /// follow [`Tool::output_schema`], if there is one.
    pub fn raw<F, R>(tool: Tool, handler: F) -> Self
    where
        F: Fn(Object, Context) -> R + Send + Sync + 'static,
        R: Future<Output: ToolOutput> + Send + 'static,
    {
        ServerTool { tool, run: reads(handler) }
    }

    /// A tool that passes on what it is given, for gateways and for large values: `handler` gets the arguments unread, and
    /// what it gives, the JSON of a [`CallToolResult`], is sent as it is.
    ///
    /// Only that both are objects is checked, so the schemas are what clients are told and nothing more; and what a
    /// client's revision does not know is for the handler to leave out.
    ///
    /// ```
    /// use scope_mcp::model::{Object, Tool};
    /// use scope_mcp::{Context, HandlerError, ServerTool, UnreadArguments};
    /// use serde_json::value::{RawValue, to_raw_value};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Payload<'a> {
    ///     #[serde(borrow)]
    ///     payload: &'a RawValue,
    /// }
    ///
    /// let schema = Object::from_iter([("type".to_owned(), "object".into())]);
    /// let tool = ServerTool::passing(Tool::new("echo", schema), |arguments: UnreadArguments, _: Context| async move {
    ///     let Payload { payload } = arguments.read()?;
    ///     Ok::<_, HandlerError>(to_raw_value(&serde_json::json!({ "content": [], "structuredContent": payload }))?)
    /// });
    /// # let _ = tool;
    /// ```
    pub fn passing<F, R, E>(tool: Tool, handler: F) -> Self
    where
        F: Fn(UnreadArguments, Context) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Box<RawValue>, E>> + Send + 'static,
        E: Into<HandlerError>,
    {
        let run = move |arguments, cx| -> Running<Box<RawValue>, HandlerError> {
            let handler = handler(arguments, cx);
            Box::pin(async move { handler.await.map_err(Into::into) })
        };
        ServerTool { tool, run: Run::Passes(Box::new(run)) }
    }

    /// Says more about it: title, annotations, icons.
    ///
    /// Also whether it can be called [as a task](Tool::task_support): one that goes on after the call was answered, until
    /// the client has asked for its result, or [its time](super::ServeOptions::task_lifetime) or the connection is over.
    /// In the revision 2025-11-25 a client chooses; from 2026-07-28 on every call becomes one, of clients that know them.
    #[must_use]
    pub fn describe(mut self, more: impl FnOnce(Tool) -> Tool) -> Self {
        self.tool = more(self.tool);
        self
    }

    pub(super) fn check(self) -> Result<CheckedTool, BuildError> {
        let ServerTool { tool, run } = self;
        let wrong = |wrong| BuildError::new(Offered::Tool(tool.name.clone()), wrong);
        check_name(&tool.name).map_err(|why| wrong(Wrong::Name(why)))?;
        let schema = |which, schema: &Object| {
            Schema::compile(&Value::Object(schema.clone()))
                .map_err(|error| wrong(Wrong::Schema { which, why: format!("cannot be used: {error}") }))
        };
        if !is_of_object(&tool.input_schema) {
            let why = "is not one of an object: the arguments of a tool are always named (\"type\": \"object\")";
            return Err(wrong(Wrong::Schema { which: "input", why: why.to_owned() }));
        }
        let input = schema("input", &tool.input_schema)?;
        let output = tool.output_schema.as_ref().map(|output| schema("output", output)).transpose()?;
        Ok(CheckedTool { tool, input, output, run, pace: Pace::default() })
    }
}

fn reads<A, F, R>(handler: F) -> Run
where
    A: DeserializeOwned,
    F: Fn(A, Context) -> R + Send + Sync + 'static,
    R: Future<Output: ToolOutput> + Send + 'static,
{
    Run::Reads(Box::new(move |arguments: &str, cx| match arguments_of(arguments) {
        Ok(arguments) => run(handler(arguments, cx)),
        Err(why) => Box::pin(ready(Err(Fault::Arguments(why)))),
    }))
}

/// Reads arguments. As a value first only where that fails: of a member that is there twice the last one counts then, and
/// the error names the field.
fn arguments_of<A: DeserializeOwned>(json: &str) -> Result<A, String> {
    serde_json::from_str(json).or_else(|_| {
        let value: Value = serde_json::from_str(json).map_err(|error| parse_error(&error))?;
        serde_path_to_error::deserialize(value).map_err(|error| error.to_string())
    })
}

fn run<R>(handler: R) -> Running<Gave, Fault>
where
    R: Future<Output: ToolOutput> + Send + 'static,
{
    Box::pin(async move {
        match handler.await.into_text() {
            Ok(text) => Ok(Gave::Text(text)),
            Err(other) => other.into_tool_result().map(|it| Gave::Result(Box::new(it))).map_err(Fault::Failed),
        }
    })
}

/// Why that is no name for something.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("is empty")
    } else if name.len() > 128 {
        Err("is longer than 128 bytes")
    } else if name.contains(char::is_control) {
        Err("has a control character in it")
    } else {
        Ok(())
    }
}

fn is_of_object(schema: &Object) -> bool {
    schema.get("type").is_some_and(|of| of == "object")
}

/// A tool that can be offered.
pub(super) struct CheckedTool {
    tool: Tool,
    input: Schema,
    output: Option<Schema>,
    run: Run,
    pace: Pace,
}

impl CheckedTool {
    pub(super) fn name(&self) -> &str {
        &self.tool.name
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Whether a call may be begun where its line is read, if this [takes](CheckedTool::surely_takes) it.
    pub(super) fn may_begin_at_once(&self) -> bool {
        self.pace.is_quick()
    }

    pub(super) fn task_support(&self) -> TaskSupport {
        let execution = self.tool.execution.as_ref();
        execution.and_then(|execution| execution.task_support).unwrap_or(TaskSupport::Forbidden)
    }

    /// As it is listed for those who speak `revision`.
    pub(super) fn listed(&self, revision: Revision) -> Tool {
        let mut tool = self.tool.clone();
        if !has_structured(revision) || !tool.output_schema.as_ref().is_some_and(|it| fits(revision, is_of_object(it)))
        {
            tool.output_schema = None;
        }
        if revision != Revision::V2025_11_25 {
            // Before, there are no tasks; after, that is for the server to know.
            tool.execution = None;
        }
        tool
    }

    /// Checks the arguments, calls the tool, and checks what it gives.
    pub(super) async fn call(&self, arguments: UnreadArguments, cx: Context) -> Result<Json, HandlerError> {
        let revision = cx.revision();
        let no_object = || Rejection::invalid_params("the arguments of a tool must be an object");
        let reads = match &self.run {
            Run::Reads(reads) => reads,
            Run::Passes(passes) => {
                if !arguments.get().starts_with('{') {
                    return Err(no_object().into());
                }
                return Ok(Gave::passed(passes(arguments, cx).await?)?.written()?);
            }
        };
        if !self.input.surely_fits(arguments.get()) {
            let value: Value = read_json(arguments.get())?;
            if !value.is_object() {
                return Err(no_object().into());
            }
            if let Err(violation) = self.input.check(&value) {
                return self.bad_arguments(&violation, revision);
            }
        }
        let running = reads(arguments.get(), cx);
        drop(arguments);
        Ok(self.came_to(running.await, revision)?.written()?)
    }

    /// Calls it with arguments that it [takes](CheckedTool::surely_takes): those at the end of `members` that have so many
    /// bytes.
    pub(super) fn begin(&self, members: &Members, arguments: usize, cx: Context) -> Begun {
        let at = members.get().len() - arguments;
        match &self.run {
            Run::Reads(reads) => Begun::Reads(reads(&members.get()[at..], cx)),
            Run::Passes(passes) => Begun::Passes(passes(UnreadArguments::of_members(members.clone(), at), cx)),
        }
    }

    /// Whether these are JSON in which nothing is missing or wrong.
    pub(super) fn surely_takes(&self, arguments: &str) -> bool {
        match &self.run {
            Run::Reads(_) => self.input.surely_fits(arguments),
            Run::Passes(_) => arguments.starts_with('{') && is_json(arguments),
        }
    }

    /// What a call comes to.
    pub(super) fn poll(
        &self,
        begun: &mut Begun,
        revision: Revision,
        task: &mut TaskContext<'_>,
    ) -> Poll<Result<Gave, HandlerError>> {
        match begun {
            Begun::Reads(running) => running.as_mut().poll(task).map(|result| self.came_to(result, revision)),
            Begun::Passes(running) => running.as_mut().poll(task).map(|result| Gave::passed(result?)),
        }
    }

    /// What is answered where a call came to that.
    fn came_to(&self, result: Result<Gave, Fault>, revision: Revision) -> Result<Gave, HandlerError> {
        match result {
            Ok(Gave::Text(text)) if self.output.is_none() => Ok(Gave::Text(text)),
            Ok(Gave::Text(text)) => self.fit(Box::new(CallToolResult::text(text)), revision),
            Ok(Gave::Result(result)) => self.fit(result, revision),
            Ok(raw @ Gave::Raw(_)) => Ok(raw),
            Err(Fault::Arguments(why)) => self.bad_arguments(&why, revision),
            Err(Fault::Failed(error)) => Err(error),
        }
    }

    /// Since 2025-11-25 that is for the model to read, so that it tries again; before, an error of the protocol.
    fn bad_arguments<T>(&self, why: &dyn fmt::Display, revision: Revision) -> Result<T, HandlerError> {
        let message = HandlerError::new(format_args!("the arguments of {:?} do not fit: {why}", self.tool.name));
        if revision >= Revision::V2025_11_25 {
            return Err(message);
        }
        Err(Rejection::invalid_params(message.to_string()).into())
    }

    fn fit(&self, mut result: Box<CallToolResult>, revision: Revision) -> Result<Gave, HandlerError> {
        if let Some(schema) = &self.output
            && !result.is_error()
        {
            let broken = match &result.structured_content {
                None => Some("it gave no structured content".to_owned()),
                Some(content) => schema.check(content).err().map(|violation| violation.to_string()),
            };
            if let Some(why) = broken {
                let name = &self.tool.name;
                let error = format!("the tool {name:?} does not keep to the output schema it declares: {why}");
                return Err(Rejection::internal(error).into());
            }
        }
        if !has_structured(revision)
            || !result.structured_content.as_ref().is_some_and(|content| fits(revision, content.is_object()))
        {
            result.structured_content = None;
        }
        if revision < fit::ALL_CONTENT {
            let content = std::mem::take(&mut result.content);
            result.content = content.into_iter().map(|block| fit::content(block, revision)).collect();
        }
        Ok(Gave::of(result))
    }
}

fn has_structured(revision: Revision) -> bool {
    revision >= Revision::V2025_06_18
}

/// Before the modern era, structured content is always an object.
fn fits(revision: Revision, of_object: bool) -> bool {
    of_object || revision.era() == Era::Modern
}

impl fmt::Debug for ServerTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTool").field("name", &self.tool.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for CheckedTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedTool").field("name", &self.tool.name).finish_non_exhaustive()
    }
}
