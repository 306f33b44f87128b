//! The client's side: calls, and what it is asked in turn.

use std::sync::Arc;

use futures_lite::future::or;
use scope_core::{Failure, Spawns};
use scope_mcp::model::{
    ContentBlock, ContentKind, CreateMessageParams, CreateMessageResult, LoggingLevel, SamplingMessage,
};
use scope_mcp::{CallOptions, Client, ClientOptions, Rejection};
use scope_test::{TestRuntime, Wire};
use serde_json::json;

use crate::journal::{Journal, Outcome, Which};
use crate::plan::{Act, Call, LONG, Plan, Reply};
use crate::serving::ACT;

pub(crate) fn options(plan: &Arc<Plan>, journal: &Journal) -> ClientOptions {
    let (plan, journal) = (Arc::clone(plan), journal.clone());
    let options = ClientOptions::default().open_timeout(plan.open_timeout).max_in_flight(plan.max_in_flight);
    let options = plan.era.into_iter().fold(options, ClientOptions::era);
    options.on_sampling(move |question| {
        let (plan, journal) = (Arc::clone(&plan), journal.clone());
        async move { answer(&plan, &journal, &question.params).await }
    })
}

async fn answer(
    plan: &Plan,
    journal: &Journal,
    question: &CreateMessageParams,
) -> Result<CreateMessageResult, Rejection> {
    let asked = question.messages.first().map(|message| text(message.content.blocks())).unwrap_or_default();
    let nonce = asked.parse().unwrap_or_default();
    let handling = journal.handle(nonce, Which::Question);
    match plan.call(nonce).map(|call| call.act) {
        Some(Act::Ask(Reply::After(time))) => {
            if scope_core::sleep(time).await.is_err() {
                handling.mistaken();
            }
        }
        Some(Act::Ask(Reply::Refuse)) => {
            handling.finish();
            return Err(Rejection::new(-1, "the user says no"));
        }
        Some(Act::Ask(Reply::Panic)) => std::panic::resume_unwind(Box::new("on purpose")),
        Some(Act::Ask(Reply::Wait)) => std::future::pending().await,
        _ => handling.mistaken(),
    }
    handling.finish();
    Ok(CreateMessageResult::new(asked, SamplingMessage::assistant("yes").content))
}

/// Makes all calls, each in a task of its own, and waits until they are over.
pub(crate) async fn make_all(
    rt: &TestRuntime,
    client: &Client,
    up: &Wire,
    plan: &Plan,
    journal: &Journal,
) -> Result<(), Failure> {
    scope_core::nursery(async |n| {
        let (opening, opened) = (client.clone(), journal.clone());
        n.spawn_erased(async move {
            if let Ok(info) = opening.wait_ready().await {
                opened.opened(info.revision.era());
            }
            Ok(())
        });
        for call in plan.calls.clone() {
            let (rt, client, up, journal) = (rt.clone(), client.clone(), up.clone(), journal.clone());
            n.spawn_erased(async move {
                rt.sleep(call.begins).await;
                make(&rt, &client, &up, &journal, &call).await;
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    Ok(())
}

async fn make(rt: &TestRuntime, client: &Client, up: &Wire, journal: &Journal, call: &Call) {
    let nonce = call.nonce;
    let arguments = json!({ "nonce": nonce, "pad": call.padding() });
    let options = CallOptions::new().timeout(call.timeout).max_timeout(LONG).log_level(LoggingLevel::Warning);
    let (options, mut progress) = if call.listens {
        let (options, progress) = options.with_progress(100);
        (options, Some(progress))
    } else {
        (options, None)
    };
    let mut said = client.notifications();
    journal.began(nonce);
    journal.writes(up);
    let answer = async { Some(client.call_tool_with(ACT, &arguments, &options).await) };
    let answer = match call.given_up {
        None => answer.await,
        Some(after) => {
            let given_up = async {
                rt.sleep(after).await;
                None
            };
            or(answer, given_up).await
        }
    };
    // What came before the answer is there by now.
    let steps: Vec<u32> = std::iter::from_fn(|| progress.as_mut()?.try_next())
        .filter_map(|said| said.as_progress())
        .map(|step| step.progress as u32)
        .collect();
    let lines: Vec<u32> = std::iter::from_fn(|| said.try_next())
        .filter_map(|said| said.as_log_message())
        .filter(|line| line.logger.as_ref() == Some(&nonce.to_string()))
        .map(|line| line.data.as_u64().unwrap_or_default() as u32)
        .collect();
    if let Some(Err(error)) = &answer
        && error.is_timeout()
        && error.is_sent_unknown()
    {
        // The server is told.
        journal.writes(up);
    }
    journal.note(nonce, |seen| (seen.progress, seen.logged) = (steps, lines));
    journal.ended(
        nonce,
        match answer {
            None => Outcome::GivenUp,
            Some(Err(error)) => Outcome::Error(error),
            Some(Ok(result)) if result.is_error() => Outcome::Failed(text(&result.content)),
            Some(Ok(result)) => Outcome::Answered(text(&result.content)),
        },
    );
}

/// All text, one after the other.
fn text(content: &[ContentBlock]) -> String {
    content.iter().map(|block| if let ContentKind::Text(text) = block.kind() { text } else { "" }).collect()
}
