//! The call of a tool that is begun at once: nothing of it is checked or looked up any more.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use super::Context;
use super::dispatch::finish;
use super::registry::answered;
use super::tool::{CheckedTool, Fault, Reads, Running};
use crate::era::Era;
use crate::model::CallToolResult;
use crate::peer::Outcome;

/// See the [module](self).
pub(super) struct Calling {
    tool: Arc<CheckedTool>,
    reads: Arc<Reads>,
    params: Box<str>,
    arguments: Range<usize>,
    cx: Context,
    /// Once it has been begun.
    running: Option<Running<CallToolResult, Fault>>,
}

impl Calling {
    /// `reads` is the function that `tool` is, and takes the `arguments`, a part of the `params`.
    pub(super) fn new(
        tool: Arc<CheckedTool>,
        reads: Arc<Reads>,
        params: Box<str>,
        arguments: Range<usize>,
        cx: Context,
    ) -> Calling {
        Calling { tool, reads, params, arguments, cx, running: None }
    }
}

impl Future for Calling {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Outcome> {
        let Calling { tool, reads, params, arguments, cx, running } = self.get_mut();
        let arguments = params.get(arguments.clone()).unwrap_or("{}");
        let running = running.get_or_insert_with(|| reads(arguments, cx.clone()));
        let outcome = answered(tool.came_to(ready!(running.as_mut().poll(task)), cx.revision()));
        Poll::Ready(match cx.revision().era() {
            Era::Legacy => outcome,
            Era::Modern => finish("tools/call", Some(params), cx, outcome),
        })
    }
}
