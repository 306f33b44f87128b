//! Tools, and a prompt, that have to ask the client's user, model or host first. The same code asks by a request where
//! the client speaks an older revision, and by an answer that wants more input where it speaks a newer one.

use futures_util::future::join3;
use scope_mcp::model::{
    CreateMessageParams, ElicitAction, ElicitFormParams, ElicitResult, FormField, Prompt, SamplingMessage,
};
use scope_mcp::schemars::{self, JsonSchema};
use scope_mcp::{Context, HandlerError, NoArguments, PromptArguments, ServerBuilder};
use serde::Deserialize;

type Said = Result<String, HandlerError>;

pub(crate) fn add(server: ServerBuilder) -> ServerBuilder {
    let server = server
        .tool("test_sampling", "Has the client's model answer a prompt", sampling)
        .tool("test_elicitation", "Asks for a name and an address", elicitation)
        .tool("test_elicitation_sep1034_defaults", "Asks with a form that is filled in already", defaults)
        .tool("test_elicitation_sep1330_enums", "Asks with every kind of choice", choices)
        .tool("test_missing_capability", "Needs sampling, whoever calls", capital)
        .tool("test_streaming_elicitation", "Asks for a confirmation", confirmed)
        .tool("test_input_required_result_elicitation", "Asks for a name", named)
        .tool("test_input_required_result_sampling", "Asks the client's model", capital)
        .tool("test_input_required_result_list_roots", "Asks for the roots", roots)
        .tool("test_input_required_result_request_state", "Asks, and remembers that it did", confirmed)
        .tool("test_input_required_result_tampered_state", "Asks, and knows whether that was forged", confirmed)
        .tool("test_input_required_result_multiple_inputs", "Asks three things at once", at_once)
        .tool("test_input_required_result_multi_round", "Asks two things, one after the other", in_turn)
        .tool("test_input_required_result_capabilities", "Asks whom it can", whom_it_can);
    server.prompt(
        Prompt::new("test_input_required_result_prompt").description("Asks what it shall be about"),
        |_: PromptArguments, cx: Context| async move {
            let form = ElicitFormParams::new("What context should the prompt use?");
            let answer = cx.elicit("user_context", form.required_field("context", FormField::text())).await?;
            Ok::<_, HandlerError>(format!("Use this context: {}", text(&answer, "context")?))
        },
    )
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Ask {
    /// What the model is asked.
    prompt: String,
}

async fn sampling(ask: Ask, cx: Context) -> Said {
    sample(&cx, "prompt", &ask.prompt).await
}

/// What the client's model says to that.
async fn sample(cx: &Context, key: &str, prompt: &str) -> Said {
    let answer = cx.sample(key, &CreateMessageParams::new([SamplingMessage::user(prompt)], 100)).await?;
    Ok(format!("The model {} says: {}", answer.model, serde_json::to_string(&answer.content)?))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Message {
    /// What the user is asked.
    message: String,
}

async fn elicitation(ask: Message, cx: Context) -> Said {
    let form = ElicitFormParams::new(ask.message)
        .required_field("username", FormField::text().description("Their name"))
        .required_field("email", FormField::text().description("Their address").format("email"));
    fill_in(&cx, form).await
}

async fn defaults(_: NoArguments, cx: Context) -> Said {
    let status = FormField::one_of(["active", "inactive", "pending"]);
    let form = ElicitFormParams::new("Is this right?")
        .field("name", FormField::text().default_value("John Doe"))
        .field("age", FormField::integer().default_value(30))
        .field("score", FormField::number().default_value(95.5))
        .field("status", status.default_value("active"))
        .field("verified", FormField::boolean().default_value(true));
    fill_in(&cx, form).await
}

async fn choices(_: NoArguments, cx: Context) -> Said {
    let plain = ["option1", "option2", "option3"];
    let titled = [("value1", "First"), ("value2", "Second"), ("value3", "Third")];
    let names = serde_json::json!(["Option One", "Option Two", "Option Three"]);
    let form = ElicitFormParams::new("Which?")
        .field("untitledSingle", FormField::one_of(plain))
        .field("titledSingle", FormField::one_of_titled(titled))
        .field("legacyEnum", FormField::one_of(["opt1", "opt2", "opt3"]).with("enumNames", names))
        .field("untitledMulti", FormField::any_of(plain))
        .field("titledMulti", FormField::any_of_titled(titled));
    fill_in(&cx, form).await
}

/// Asks with a form, and says what became of it.
async fn fill_in(cx: &Context, form: ElicitFormParams) -> Said {
    let answer = cx.elicit("form", form).await?;
    let content = serde_json::to_string(&answer.content)?;
    Ok(format!("Elicitation completed: action={:?}, content={content}", answer.action))
}

async fn confirmed(_: NoArguments, cx: Context) -> Said {
    let form = ElicitFormParams::new("Please confirm").required_field("ok", FormField::boolean());
    let answer = cx.elicit("confirm", form).await?;
    Ok(format!("state-ok: {:?}", answer.action))
}

async fn named(_: NoArguments, cx: Context) -> Said {
    Ok(format!("Hello, {}!", name(&cx, "user_name", "What is your name?").await?))
}

async fn name(cx: &Context, key: &str, question: &str) -> Said {
    let form = ElicitFormParams::new(question).required_field("name", FormField::text());
    text(&cx.elicit(key, form).await?, "name")
}

async fn capital(_: NoArguments, cx: Context) -> Said {
    sample(&cx, "capital_question", "What is the capital of France?").await
}

async fn greeting(cx: &Context) -> Said {
    sample(cx, "greeting", "Generate a greeting").await
}

async fn roots(_: NoArguments, cx: Context) -> Said {
    roots_of(&cx).await
}

async fn roots_of(cx: &Context) -> Said {
    let roots = cx.roots("client_roots").await?;
    Ok(format!("Its roots: {}", serde_json::to_string(&roots)?))
}

async fn at_once(_: NoArguments, cx: Context) -> Said {
    let name = name(&cx, "user_name", "What is your name?");
    let (name, greeting, roots) = join3(name, greeting(&cx), roots_of(&cx)).await;
    Ok(format!("{}, {}, {}", name?, greeting?, roots?))
}

async fn in_turn(_: NoArguments, cx: Context) -> Said {
    let name = name(&cx, "step1", "Step 1: What is your name?").await?;
    let form = ElicitFormParams::new("Step 2: What is your favourite colour?");
    let answer = cx.elicit("step2", form.required_field("color", FormField::text())).await?;
    Ok(format!("{name} likes {}.", text(&answer, "color")?))
}

async fn whom_it_can(_: NoArguments, cx: Context) -> Said {
    if cx.client_capabilities().has_form_elicitation() {
        return name(&cx, "user_name", "What is your name?").await;
    }
    greeting(&cx).await
}

/// A text that was filled in.
fn text(answer: &ElicitResult, field: &str) -> Said {
    match (answer.action, answer.content.as_ref().and_then(|content| content.get(field))) {
        (ElicitAction::Accept, Some(serde_json::Value::String(text))) => Ok(text.clone()),
        (ElicitAction::Accept, _) => Err(HandlerError::new(format_args!("the form has no text {field:?}"))),
        (action, _) => Err(HandlerError::new(format_args!("the user did not want to: {action:?}"))),
    }
}
