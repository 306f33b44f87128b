//! Proposals for the arguments of prompts and the variables of resource templates.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use futures_util::future::BoxFuture;

use super::{CompletionOutput, Context, HandlerError};
use crate::model::CompleteResult;

/// What is to be completed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completing {
    /// What has been typed of it.
    pub value: String,
    /// The other arguments that have been decided upon, as far as the client tells.
    pub arguments: BTreeMap<String, String>,
}

type Run = Box<dyn Fn(Completing, Context) -> BoxFuture<'static, Result<CompleteResult, HandlerError>> + Send + Sync>;

/// By the name of the argument.
#[derive(Default)]
pub(super) struct Completers(HashMap<String, Run>);

impl Completers {
    /// Of two for the same argument, the later counts.
    pub(super) fn add<F, R>(&mut self, argument: String, handler: F)
    where
        F: Fn(Completing, Context) -> R + Send + Sync + 'static,
        R: Future<Output: CompletionOutput> + Send + 'static,
    {
        let run: Run = Box::new(move |completing, cx| {
            let handler = handler(completing, cx);
            Box::pin(async move { handler.await.into_completion() })
        });
        self.0.insert(argument, run);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// For an argument that nobody completes, there are no proposals.
    pub(super) async fn complete(
        &self,
        argument: &str,
        completing: Completing,
        cx: Context,
    ) -> Result<CompleteResult, HandlerError> {
        match self.0.get(argument) {
            Some(run) => run(completing, cx).await,
            None => Vec::<String>::new().into_completion(),
        }
    }
}

impl fmt::Debug for Completers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
