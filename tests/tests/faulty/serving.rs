//! The server's side: one tool, which does what the plan says.

use std::sync::Arc;

use scope_mcp::model::{CreateMessageParams, LoggingLevel, Object, SamplingMessage, Tool};
use scope_mcp::{BuildError, Context, HandlerError, ServeOptions, Server, ServerTool};
use serde_json::json;

use crate::journal::{Journal, Which};
use crate::plan::{Act, LONG, Plan};

/// The tool's name.
pub(crate) const ACT: &str = "act";

pub(crate) fn options(plan: &Plan) -> ServeOptions {
    ServeOptions::default().max_requests(plan.max_requests).ask_timeout(LONG)
}

pub(crate) fn server(plan: &Arc<Plan>, journal: &Journal) -> Result<Server, BuildError> {
    let (plan, journal) = (Arc::clone(plan), journal.clone());
    let schema = Object::from_iter([("type".to_owned(), json!("object"))]);
    let tool = ServerTool::raw(Tool::new(ACT, schema), move |arguments, cx| {
        act(Arc::clone(&plan), journal.clone(), arguments, cx)
    });
    Server::builder("faulty", "1").logging().add_tool(tool).build()
}

async fn act(plan: Arc<Plan>, journal: Journal, arguments: Object, cx: Context) -> Result<String, HandlerError> {
    let nonce = arguments["nonce"].as_u64().unwrap_or_default();
    let handling = journal.handle(nonce, Which::Tool);
    let Some(call) = plan.call(nonce).filter(|call| arguments["pad"] == call.padding()) else {
        handling.mistaken();
        return Err(HandlerError::new("nobody was to ask that"));
    };
    match call.act {
        Act::Answer => {}
        Act::Sleep(time) => scope_core::sleep(time).await?,
        Act::Report(steps, between) => {
            for step in 1..=steps {
                scope_core::sleep(between).await?;
                handling.told();
                cx.progress(step.into(), Some(steps.into()), None).await;
                cx.log(LoggingLevel::Warning, Some(&nonce.to_string()), step).await;
            }
        }
        Act::Refuse => {
            handling.finish();
            return Err(HandlerError::new(format_args!("{nonce} is refused")));
        }
        // Without the hook, which would print it.
        Act::Panic => std::panic::resume_unwind(Box::new("on purpose")),
        Act::Wait => std::future::pending().await,
        Act::Ask(_) => {
            let question = CreateMessageParams::new([SamplingMessage::user(nonce.to_string())], 1);
            match cx.sample("question", &question).await {
                Ok(answer) if answer.model == nonce.to_string() => {}
                Ok(_) => handling.mistaken(),
                // In the modern era it is only then asked, and this is run once more.
                Err(error) => {
                    handling.finish();
                    return Err(error.into());
                }
            }
        }
    }
    handling.finish();
    Ok(call.answer())
}
