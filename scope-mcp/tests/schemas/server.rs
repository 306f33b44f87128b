//! A server of ours that has and says everything.

use schemars::JsonSchema;
use scope_mcp::model::{
    Annotations, CallToolResult, Completion, ContentBlock, CreateMessageParams, ElicitFormParams, ElicitUrlParams,
    FormField, Icon, LoggingLevel, Prompt, PromptArgument, PromptMessage, Resource, ResourceContents, ResourceTemplate,
    Role, SamplingMessage, TaskSupport, ToolAnnotations,
};
use scope_mcp::{
    Completing, Context, HandlerError, Json, NoArguments, PromptArguments, Revision, Server, ServerPrompt,
    ServerTemplate, ServerTool, schemars,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Pair {
    /// The first.
    a: f64,
    b: Option<i64>,
}

/// In pages of two.
pub(crate) fn server() -> Server {
    let icon = || Icon::new("https://example.org/a.png").mime_type("image/png").sizes(["48x48"]).theme("dark");
    Server::builder("everything", "1.0")
        .describe(|info| {
            info.title("Everything").description("all of it").website_url("https://example.org").icon(icon())
        })
        .instructions("Ask for anything.")
        .dynamic_tools()
        .dynamic_resources()
        .dynamic_prompts()
        .resource_updates()
        .logging()
        .page_size(2)
        .tool("echo", "Says it again", |pair: Pair, _: Context| async move { Json(pair) })
        .tool("list", "Gives what is no object", |_: NoArguments, _: Context| async { Json(vec![1.5, 2.0]) })
        .tool("number", "Gives a number", |_: NoArguments, _: Context| async { Json(7) })
        .tool("structured", "Gives what is no object, and does not say so", |_: NoArguments, _: Context| async {
            CallToolResult::structured(serde_json::json!([1, null]))
        })
        .tool("contents", "Gives all kinds of content", contents)
        .tool("fails", "Fails", |_: NoArguments, _: Context| async { Err::<(), _>(HandlerError::new("on purpose")) })
        .tool("panics", "Panics", |_: NoArguments, _: Context| async { panics() })
        .tool("works", "Says what it does", works)
        .tool("asks", "Asks for everything", asks)
        .tool("never", "Never ends", |_: NoArguments, _: Context| std::future::pending::<()>())
        .tool("changes", "Changes what there is", changes)
        .add_tool(
            ServerTool::new("slow", "Asks, in its time", slow)
                .describe(|tool| tool.task_support(TaskSupport::Optional)),
        )
        .add_tool(
            ServerTool::new("breaks", "Breaks, in its time", |_: NoArguments, _: Context| async { panics() })
                .describe(|tool| tool.task_support(TaskSupport::Optional)),
        )
        .add_tool(
            ServerTool::new("endless", "Takes all time", |_: NoArguments, _: Context| std::future::pending::<()>())
                .describe(|tool| tool.task_support(TaskSupport::Required)),
        )
        .add_tool(ServerTool::new("described", "Does nothing", |_: NoArguments, _: Context| async {}).describe(
            |tool| {
                let hints = ToolAnnotations::new()
                    .title("d")
                    .read_only(true)
                    .destructive(false)
                    .idempotent(true)
                    .open_world(false);
                tool.title("Described").annotations(hints).icon(icon())
            },
        ))
        .resource(
            Resource::new("file:///text", "text")
                .title("Text")
                .description("a text")
                .mime_type("text/plain")
                .size(4)
                .annotations(
                    Annotations::new().audience([Role::User]).priority(1.0).last_modified("2025-01-01T00:00:00Z"),
                )
                .icon(icon()),
            |_, _| async { "text" },
        )
        .resource(Resource::new("file:///bytes", "bytes"), |_, _| async { vec![0_u8, 1, 2, 255] })
        .resource(Resource::new("file:///ask", "ask"), |_, cx: Context| async move {
            cx.elicit("q", form()).await?;
            Ok::<_, HandlerError>("asked")
        })
        .add_template(
            ServerTemplate::new(
                ResourceTemplate::new("file:///named/{name}", "named")
                    .title("Named")
                    .mime_type("text/plain")
                    .icon(icon()),
                |uri: scope_mcp::ResourceUri, _| async move { uri.variable("name").map(str::to_owned) },
            )
            .complete("name", |_: Completing, _| async { Completion::new(["Ada"]).total(1).has_more(false) }),
        )
        .add_prompt(
            ServerPrompt::new(
                Prompt::new("greeting")
                    .title("Greeting")
                    .description("Greets")
                    .argument(PromptArgument::new("name").title("Name").description("whom").required())
                    .icon(icon()),
                |arguments: PromptArguments, _| async move {
                    let name = arguments.required("name")?.to_owned();
                    let sound = ContentBlock::audio("AA==", "audio/wav");
                    let link = ContentBlock::resource_link(Resource::new("file:///a", "a"));
                    let more = [sound, link].map(|block| PromptMessage::new(Role::Assistant, block));
                    Ok::<_, HandlerError>([PromptMessage::user(name)].into_iter().chain(more).collect::<Vec<_>>())
                },
            )
            .complete("name", |_: Completing, _| async { (0..200).map(|n| n.to_string()).collect::<Vec<_>>() }),
        )
        .prompt(Prompt::new("asking"), |_, cx: Context| async move {
            cx.elicit("q", form()).await?;
            Ok::<_, HandlerError>(vec![PromptMessage::user("asked")])
        })
        .build()
        .expect("a server")
}

fn panics() -> &'static str {
    panic!("on purpose, in a test")
}

/// Of all kinds, also those that older revisions do not have.
async fn contents(_: NoArguments, _: Context) -> CallToolResult {
    CallToolResult::new([
        ContentBlock::text("a").annotations(&Annotations::new().priority(0.5)),
        ContentBlock::image("AA==", "image/png"),
        ContentBlock::audio("AA==", "audio/wav"),
        ContentBlock::resource_link(Resource::new("file:///a", "a").size(1)),
        ContentBlock::resource(ResourceContents::text("file:///a", "a").mime_type("text/plain")),
        ContentBlock::resource(ResourceContents::blob("file:///a", "AA==")),
    ])
}

async fn works(_: NoArguments, cx: Context) -> &'static str {
    cx.progress(1.0, Some(2.0), Some("half")).await;
    cx.progress(1.5, None, None).await;
    cx.log(LoggingLevel::Error, Some("works"), "text").await;
    cx.log(LoggingLevel::Warning, None, serde_json::json!({ "a": [1] })).await;
    "worked"
}

fn form() -> ElicitFormParams {
    ElicitFormParams::new("Who?")
        .required_field("name", FormField::text().title("Name").description("yours").min_length(1).max_length(40))
        .field("mail", FormField::text().format("email"))
        .field("age", FormField::integer().minimum(0.0).maximum(150.0))
        .field("tall", FormField::number())
        .field("sure", FormField::boolean().default_value(true))
        .field("one", FormField::one_of(["a", "b"]))
}

/// As much as the revision has.
async fn asks(_: NoArguments, cx: Context) -> Result<&'static str, HandlerError> {
    let revision = cx.revision();
    let roots = cx.roots("roots").await?;
    assert!(roots.len() < 100);
    let several = vec![ContentBlock::text("a"), ContentBlock::audio("AA==", "audio/wav")];
    let messages = [SamplingMessage::user("Hello"), SamplingMessage::new(Role::User, several)];
    let sampling = CreateMessageParams::new(messages, 10).system_prompt("Be kind").temperature(0.5);
    cx.sample("sample", &sampling).await?;
    if revision >= Revision::V2025_06_18 {
        cx.elicit("form", form()).await?;
    }
    if revision >= Revision::V2025_11_25 {
        let form = ElicitFormParams::new("Which?")
            .field("titled", FormField::one_of_titled([("a", "A")]).default_value("a"))
            .field("some", FormField::any_of(["a", "b"]).min_items(1).max_items(2))
            .field("some titled", FormField::any_of_titled([("a", "A")]));
        let mut url = ElicitUrlParams::new("Log in", "https://example.org/login");
        if revision == Revision::V2025_11_25 {
            url = url.elicitation_id("e1");
        }
        let (form, url) = futures_util::join!(cx.elicit("which", form), cx.elicit("url", url));
        form?;
        url?;
    }
    Ok("asked")
}

async fn slow(_: NoArguments, cx: Context) -> Result<&'static str, HandlerError> {
    cx.elicit("form", form()).await?;
    Ok("done")
}

async fn changes(_: NoArguments, cx: Context) -> Result<&'static str, HandlerError> {
    let server = cx.server();
    server.add_tool(ServerTool::new("new", "Is new", |_: NoArguments, _: Context| async {}))?;
    server.remove_tool("new")?;
    server.add_prompt(ServerPrompt::new(Prompt::new("new"), |_, _| async { "a".to_owned() }))?;
    server.remove_prompt("new")?;
    server.remove_resource("file:///bytes")?;
    server.resource_updated("file:///text");
    Ok("changed")
}
