//! What the server offers, tools, resources, a template, a prompt, and completions, and serving it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use scope_core::{Failure, sleep};
use scope_mcp::model::{
    ElicitAction, ElicitFormParams, FormField, Prompt, PromptArgument, Resource, ResourceTemplate, TaskSupport,
};
use scope_mcp::schemars::{self, JsonSchema};
use scope_mcp::{
    BuildError, Completing, Context, HandlerError, Json, NoArguments, PromptArguments, ResourceUri, ServeOptions,
    Server, ServerPrompt, ServerTemplate, ServerTool, transport,
};
use serde::{Deserialize, Serialize};

/// Serves the client that started this program, until it leaves.
pub(crate) async fn serve() -> Result<(), Failure> {
    // What still runs when the client leaves may take so long to come to its end, then it is cancelled; many hosts end a
    // server by force that is there two seconds later.
    let options = ServeOptions::default().drain(Duration::from_millis(500));
    let report = server()?.serve(transport::stdio()?, options).await?;
    eprintln!("{report}");
    Ok(())
}

/// The address of what is counted.
const COUNT: &str = "count://now";

/// Puts it together. A name that is there twice, or a template that is none, is found here.
fn server() -> Result<Server, BuildError> {
    let greeting = ResourceTemplate::new("greeting://{name}", "greeting").description("A greeting for somebody.");
    let review = Prompt::new("review")
        .description("Asks for a review.")
        .argument(PromptArgument::new("code").required())
        .argument(PromptArgument::new("language"));
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let mut builder = Server::builder("little-of-everything", env!("CARGO_PKG_VERSION"))
        .instructions("Adds, divides, waits, greets and counts.")
        // Small, so that this little has pages too.
        .page_size(3)
        .tool("add", "Adds two numbers", add)
        .tool("divide", "Divides the first number by the second", divide)
        .tool("wait", "Waits, and says every second how far it is", wait)
        .tool("greet", "Greets somebody; asks whom, if nobody is named", greet)
        // The same for a client that does not want to wait: it gets the name of a task at once, and asks for its result.
        .add_tool(
            ServerTool::new("greet_later", "As greet, by a task", greet)
                .describe(|tool| tool.task_support(TaskSupport::Required)),
        )
        // Tools may share what they like with what is read.
        .tool("count", "Counts one further", move |_: NoArguments, cx| {
            let count = count.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                // For clients that have subscribed to it; whoever has not is not told.
                cx.server().resource_updated(COUNT);
                count.to_string()
            }
        })
        .resource_updates()
        .resource(Resource::new(COUNT, "count").description("How far it was counted."), move |_, _| {
            let count = counted.load(Ordering::Relaxed);
            async move { count.to_string() }
        })
        .add_template(ServerTemplate::new(greeting, read_greeting).complete("name", names))
        .add_prompt(ServerPrompt::new(review, write_review).complete("language", languages));
    for number in 0..7 {
        let resource = Resource::new(format!("list://{number}"), format!("list {number}")).mime_type("text/plain");
        builder = builder.resource(resource, move |_, _| async move { format!("the list number {number}") });
    }
    builder.build()
}

// Arguments are checked against the schema of their type before a tool is called. What stands above a field, the model
// reads.

#[derive(Deserialize, JsonSchema)]
struct Add {
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
}

/// Structured: the client learns the schema of this type, too.
#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: i64,
}

async fn add(numbers: Add, _: Context) -> Result<Json<Sum>, HandlerError> {
    let sum = numbers.a.checked_add(numbers.b).ok_or_else(|| HandlerError::new("that is too much"))?;
    Ok(Json(Sum { sum }))
}

#[derive(Deserialize, JsonSchema)]
struct Divide {
    a: f64,
    b: f64,
}

/// A tool that fails says why in its result, for the model to read and to try again.
async fn divide(numbers: Divide, _: Context) -> Result<String, HandlerError> {
    if numbers.b == 0.0 {
        return Err(HandlerError::new("nothing can be divided by zero"));
    }
    Ok((numbers.a / numbers.b).to_string())
}

#[derive(Deserialize, JsonSchema)]
struct Wait {
    seconds: u32,
}

/// When the client gives up, or leaves, this future is dropped where it waits: nothing here has to ask whether it still
/// matters, and what it holds is cleaned up.
async fn wait(wait: Wait, cx: Context) -> Result<String, HandlerError> {
    eprintln!("wait: begins");
    let mut waited = Waited(Some(0));
    for second in 0..wait.seconds {
        waited.0 = Some(second);
        // Standard output is the connection; whoever wants to say something says it to the client, or on standard error.
        cx.progress(second.into(), Some(wait.seconds.into()), None).await;
        sleep(Duration::from_secs(1)).await?;
    }
    waited.0 = None;
    Ok(format!("waited for {} seconds", wait.seconds))
}

/// The seconds waited for, while the wait is not over.
struct Waited(Option<u32>);

impl Drop for Waited {
    fn drop(&mut self) {
        if let Some(seconds) = self.0 {
            eprintln!("wait: cancelled after {seconds} seconds");
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct Greet {
    name: Option<String>,
}

/// Asks the client's user. In the newest revision the question is this call's result, and the client calls again with
/// the answer: so this runs twice, and the question comes before anything that should happen once.
async fn greet(greet: Greet, cx: Context) -> Result<String, HandlerError> {
    let name = match greet.name {
        Some(name) => name,
        None => {
            let form = ElicitFormParams::new("Who is to be greeted?").required_field("name", FormField::text());
            let answer = cx.elicit("name", form).await?;
            match (answer.action, answer.content.as_ref().and_then(|it| it.get("name")?.as_str())) {
                (ElicitAction::Accept, Some(name)) => name.to_owned(),
                _ => return Ok("Then nobody is greeted.".to_owned()),
            }
        }
    };
    Ok(format!("Hello, {name}."))
}

/// For every address that follows the template.
async fn read_greeting(uri: ResourceUri, _: Context) -> Result<String, HandlerError> {
    Ok(format!("Hello, {}.", uri.variable("name")?))
}

async fn names(begun: Completing, _: Context) -> Vec<&'static str> {
    ["ada", "alan", "grace"].into_iter().filter(|name| name.starts_with(&begun.value)).collect()
}

async fn write_review(arguments: PromptArguments, _: Context) -> Result<String, HandlerError> {
    let language = arguments.get("language").map(|language| format!(" of {language}")).unwrap_or_default();
    Ok(format!("Please review this piece{language}: {}", arguments.required("code")?))
}

async fn languages(begun: Completing, _: Context) -> Vec<&'static str> {
    ["Python", "Rust", "TypeScript"].into_iter().filter(|name| name.starts_with(&begun.value)).collect()
}
