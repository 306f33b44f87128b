//! The prompts.

use scope_mcp::model::{Prompt, PromptArgument, PromptMessage};
use scope_mcp::{Context, HandlerError, PromptArguments, ServerBuilder};

pub(super) fn add(server: ServerBuilder) -> ServerBuilder {
    let name = PromptArgument::new("name").description("whom to greet").required();
    let language = PromptArgument::new("language").description("in which language; English, if none");
    let greet =
        Prompt::new("greet").title("Greet").description("Asks for a greeting.").argument(name).argument(language);
    let haiku = Prompt::new("haiku").title("A haiku").description("Shows a haiku, and asks for another.");
    server.prompt(greet, greeting).prompt(haiku, another_haiku)
}

async fn greeting(given: PromptArguments, _: Context) -> Result<String, HandlerError> {
    Ok(format!("Greet {} in {}.", given.required("name")?, given.get("language").unwrap_or("English")))
}

async fn another_haiku(_: PromptArguments, _: Context) -> Vec<PromptMessage> {
    vec![
        PromptMessage::user("Write a haiku about scopes."),
        PromptMessage::assistant("What was opened ends\nbefore the door falls shut. Look:\nnobody is left."),
        PromptMessage::user("Another one, please."),
    ]
}
