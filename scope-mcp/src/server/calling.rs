//! The call of a tool that is begun at once: nothing of it is checked or looked up any more.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use super::Context;
use super::dispatch::finish;
use super::state::Binding;
use super::tool::{CheckedTool, Fault, Gave, Reads, Running};
use super::typed::{read_json, written};
use crate::era::Era;
use crate::jsonrpc::{self, Answer, Id, Json, Rejection};

/// See the [module](self).
pub(super) struct Calling {
    tool: Arc<CheckedTool>,
    reads: Arc<Reads>,
    /// Of the parameters, an object: what is between its braces. The arguments end it.
    members: Box<str>,
    arguments: usize,
    cx: Context,
    /// Once it has been begun.
    running: Option<Running<Gave, Fault>>,
}

/// What it is answered with.
#[derive(Debug)]
pub(super) enum Called {
    /// One text, and nothing else.
    Text(String),
    Other(Json),
}

impl Calling {
    /// `reads` is the function that `tool` is, and takes the last `arguments` bytes of `members`.
    pub(super) fn new(
        tool: Arc<CheckedTool>,
        reads: Arc<Reads>,
        members: Box<str>,
        arguments: usize,
        cx: Context,
    ) -> Calling {
        Calling { tool, reads, members, arguments, cx, running: None }
    }
}

impl Future for Calling {
    type Output = Result<Called, Rejection>;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let Calling { tool, reads, members, arguments, cx, running } = self.get_mut();
        let running = running.get_or_insert_with(|| reads(&members[members.len() - *arguments..], cx.clone()));
        let gave = tool
            .came_to(ready!(running.as_mut().poll(task)), cx.revision())
            .or_else(|error| error.for_tool().map(Gave::failure));
        Poll::Ready(match cx.revision().era() {
            Era::Legacy => gave.and_then(|gave| match gave {
                Gave::Text(text) => Ok(Called::Text(text)),
                Gave::Result(result) => written(&result).map(Called::Other),
            }),
            Era::Modern => {
                let binding = || Ok(Binding::of("tools/call", &read_json(&format!("{{{members}}}"))?));
                finish("tools/call", binding, cx, gave.and_then(|gave| gave.written())).map(Called::Other)
            }
        })
    }
}

impl Answer for Called {
    fn line(&self, id: &Id) -> Vec<u8> {
        match self {
            Called::Text(text) => jsonrpc::text_answer(id, text),
            Called::Other(json) => json.line(id),
        }
    }
}
