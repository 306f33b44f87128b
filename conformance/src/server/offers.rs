//! Resources and prompts, and tools that change what is offered while it runs.

use scope_mcp::model::{
    ContentBlock, Prompt, PromptArgument, PromptMessage, Resource, ResourceContents, ResourceTemplate, Role,
};
use scope_mcp::{
    Completing, Context, HandlerError, NoArguments, PromptArguments, ResourceUri, ServerBuilder, ServerPrompt,
    ServerTool,
};
use serde_json::json;

use crate::media::PNG;

pub(crate) fn add(server: ServerBuilder) -> ServerBuilder {
    changes(prompts(resources(server)))
}

fn resources(server: ServerBuilder) -> ServerBuilder {
    let text = Resource::new("test://static-text", "static text").description("A text").mime_type("text/plain");
    let binary = Resource::new("test://static-binary", "static image").description("An image").mime_type("image/png");
    let watched = Resource::new("test://watched-resource", "watched").description("May change").mime_type("text/plain");
    let template = ResourceTemplate::new("test://template/{id}/data", "data by id").description("The data of an id");
    server
        .resource_updates()
        .resource(text, |_: ResourceUri, _: Context| async { "This is the content of the static text resource." })
        .resource(binary, |uri: ResourceUri, _: Context| async move { ResourceContents::blob(uri.as_str(), PNG) })
        .resource(watched, |_: ResourceUri, _: Context| async { "It has not changed." })
        .template(template.mime_type("application/json"), |uri: ResourceUri, _: Context| async move {
            let id = uri.variable("id")?;
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            Ok::<_, HandlerError>(data.to_string())
        })
}

fn prompts(server: ServerBuilder) -> ServerBuilder {
    let with_arguments = Prompt::new("test_prompt_with_arguments")
        .description("Repeats its arguments")
        .argument(PromptArgument::new("arg1").description("The first").required())
        .argument(PromptArgument::new("arg2").description("The second").required());
    let with_arguments = ServerPrompt::new(with_arguments, |args: PromptArguments, _: Context| async move {
        let (first, second) = (args.required("arg1")?, args.required("arg2")?);
        Ok::<_, HandlerError>(format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))
    })
    .complete("arg1", |it: Completing, _: Context| async move {
        let known = ["paris", "park", "party", "test", "testing"];
        known.into_iter().filter(|word| word.starts_with(&it.value)).collect::<Vec<_>>()
    });
    let with_resource = Prompt::new("test_prompt_with_embedded_resource")
        .description("Embeds a resource")
        .argument(PromptArgument::new("resourceUri").description("Its address").required());
    server
        .prompt(
            Prompt::new("test_simple_prompt").description("Takes nothing"),
            |_: PromptArguments, _: Context| async { "This is a simple prompt for testing." },
        )
        .add_prompt(with_arguments)
        .prompt(with_resource, |args: PromptArguments, _: Context| async move {
            let contents = ResourceContents::text(args.required("resourceUri")?, "What the resource holds.");
            let resource = ContentBlock::resource(contents.mime_type("text/plain"));
            Ok::<_, HandlerError>(vec![
                PromptMessage::new(Role::User, resource),
                PromptMessage::user("Please process the embedded resource above."),
            ])
        })
        .prompt(
            Prompt::new("test_prompt_with_image").description("Shows an image"),
            |_: PromptArguments, _: Context| async {
                vec![
                    PromptMessage::new(Role::User, ContentBlock::image(PNG, "image/png")),
                    PromptMessage::user("Please analyze the image above."),
                ]
            },
        )
}

fn changes(server: ServerBuilder) -> ServerBuilder {
    server
        .dynamic_tools()
        .dynamic_prompts()
        .tool(
            "test_trigger_tool_change",
            "Offers one tool more, or one less",
            |_: NoArguments, cx: Context| async move {
                const NAME: &str = "test_dynamic_tool";
                if !cx.server().remove_tool(NAME)? {
                    let tool = ServerTool::new(NAME, "Comes and goes", |_: NoArguments, _: Context| async { "Here." });
                    cx.server().add_tool(tool)?;
                }
                Ok::<_, HandlerError>("The tools have changed.")
            },
        )
        .tool(
            "test_trigger_prompt_change",
            "Offers one prompt more, or one less",
            |_: NoArguments, cx: Context| async move {
                const NAME: &str = "test_dynamic_prompt";
                if !cx.server().remove_prompt(NAME)? {
                    let prompt = Prompt::new(NAME).description("Comes and goes");
                    cx.server()
                        .add_prompt(ServerPrompt::new(prompt, |_: PromptArguments, _: Context| async { "Here." }))?;
                }
                Ok::<_, HandlerError>("The prompts have changed.")
            },
        )
}
