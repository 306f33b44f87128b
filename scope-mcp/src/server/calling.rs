//! The call of a tool that is begun at once: nothing of it is checked or looked up any more.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use super::Context;
use super::dispatch::finish;
use super::state::Binding;
use super::tool::{CheckedTool, Fault, Gave, Running};
use super::typed::{read_json, written};
use crate::era::{Era, Revision};
use crate::jsonrpc::{self, Answer, Id, Json, Rejection};
use crate::session::KEPT;

/// See the [module](self).
pub(super) struct Calling {
    tool: Arc<CheckedTool>,
    /// Of the parameters, an object: what is between its braces. The arguments end it. Its memory is the answer's, too.
    members: String,
    arguments: usize,
    revision: Revision,
    /// In the legacy era until it has been begun: then it is the handler's.
    cx: Option<Context>,
    /// Once it has been begun.
    running: Option<Running<Gave, Fault>>,
}

/// What it is answered with.
#[derive(Debug)]
pub(super) enum Called {
    /// One text, and nothing else; and memory for the line that says so.
    Text(String, Vec<u8>),
    Other(Json),
}

impl Calling {
    /// `tool` is one that reads its arguments, and surely takes these: the last `arguments` bytes of `members`.
    pub(super) fn new(tool: Arc<CheckedTool>, members: String, arguments: usize, cx: Context) -> Calling {
        Calling { tool, members, arguments, revision: cx.revision(), cx: Some(cx), running: None }
    }
}

impl Future for Calling {
    type Output = Result<Called, Rejection>;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let Calling { tool, members, arguments, revision, cx, running } = self.get_mut();
        let running = match running {
            Some(running) => running,
            running => {
                let own = match revision.era() {
                    Era::Legacy => cx.take(),
                    Era::Modern => cx.clone(),
                };
                let (Some(reads), Some(own)) = (tool.reads(), own) else {
                    return Poll::Ready(Err(Rejection::internal("the tool does not read its arguments")));
                };
                running.insert(reads(&members[members.len() - *arguments..], own))
            }
        };
        let result = ready!(running.as_mut().poll(task));
        let gave = tool.came_to(result, *revision).or_else(|error| error.for_tool().map(Gave::failure));
        Poll::Ready(match cx {
            None => gave.and_then(|gave| match gave {
                Gave::Text(text) => Ok(Called::Text(text, room(members))),
                Gave::Result(result) => written(&result).map(Called::Other),
            }),
            Some(cx) => {
                let binding = || Ok(Binding::of("tools/call", &read_json(&format!("{{{members}}}"))?));
                finish("tools/call", binding, cx, gave.and_then(|gave| gave.written())).map(Called::Other)
            }
        })
    }
}

/// The memory of what is not needed any more. Much of it would be a lot to keep for a short answer.
fn room(members: &mut String) -> Vec<u8> {
    if members.capacity() <= KEPT { mem::take(members).into_bytes() } else { Vec::new() }
}

impl Answer for Called {
    fn line(self, id: &Id) -> Vec<u8> {
        match self {
            Called::Text(text, room) => jsonrpc::text_answer(room, id, &text),
            Called::Other(json) => json.line(id),
        }
    }
}
