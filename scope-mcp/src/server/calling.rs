//! The call of a tool that is begun at once: nothing of it is checked or looked up any more.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use super::Context;
use super::dispatch::finish;
use super::members::Members;
use super::state::Binding;
use super::tool::{Begun, CheckedTool, Gave};
use super::typed::read_json;
use crate::era::{Era, Revision};
use crate::jsonrpc::{self, Answer, Id, Json, Line, Rejection};
use crate::session::KEPT;

/// See the [module](self).
pub(super) struct Calling {
    tool: Arc<CheckedTool>,
    /// Of the parameters, an object: what is between its braces. The arguments end it. Its memory is the answer's, too.
    members: Members,
    arguments: usize,
    revision: Revision,
    /// In the legacy era until it has been begun: then it is the handler's.
    cx: Option<Context>,
    /// Once it has been begun.
    begun: Option<Begun>,
}

/// What it is answered with.
#[derive(Debug)]
pub(super) enum Called {
    /// One text, and nothing else; and memory for the line that says so.
    Text(String, Vec<u8>),
    Other(Json),
}

impl Calling {
    /// `tool` surely takes these arguments: the last `arguments` bytes of `members`.
    pub(super) fn new(tool: Arc<CheckedTool>, members: Members, arguments: usize, cx: Context) -> Calling {
        Calling { tool, members, arguments, revision: cx.revision(), cx: Some(cx), begun: None }
    }
}

impl Future for Calling {
    type Output = Result<Called, Rejection>;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let Calling { tool, members, arguments, revision, cx, begun } = self.get_mut();
        let begun = match begun {
            Some(begun) => begun,
            begun => {
                let own = match revision.era() {
                    Era::Legacy => cx.take(),
                    Era::Modern => cx.clone(),
                };
                let Some(own) = own else {
                    return Poll::Ready(Err(Rejection::internal("a call is not begun twice")));
                };
                begun.insert(tool.begin(members, *arguments, own))
            }
        };
        let gave = ready!(tool.poll(begun, *revision, task)).or_else(|error| error.for_tool().map(Gave::failure));
        Poll::Ready(match cx {
            None => gave.and_then(|gave| match gave {
                Gave::Text(text) => Ok(Called::Text(text, room(members))),
                gave => gave.written().map(Called::Other),
            }),
            Some(cx) => {
                let binding = || Ok(Binding::of("tools/call", &read_json(&format!("{{{}}}", members.get()))?));
                finish("tools/call", binding, cx, gave.and_then(|gave| gave.written())).map(Called::Other)
            }
        })
    }
}

/// The memory of what is not needed any more. Much of it would be a lot to keep for a short answer.
fn room(members: &mut Members) -> Vec<u8> {
    match members {
        Members::Own(members) if members.capacity() <= KEPT => mem::take(members).into_bytes(),
        _ => Vec::new(),
    }
}

impl Answer for Called {
    fn line(self, id: &Id) -> Line {
        match self {
            Called::Text(text, room) => jsonrpc::text_answer(room, id, text),
            Called::Other(json) => json.line(id),
        }
    }
}
