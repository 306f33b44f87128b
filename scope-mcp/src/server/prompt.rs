//! Prompts: what is said of them, and how one is filled in.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::BoxFuture;

use super::complete::{Completers, Completing};
use super::error::{Offered, Wrong};
use super::tool::check_name;
use super::{BuildError, CompletionOutput, Context, HandlerError, PromptOutput, fit};
use crate::jsonrpc::Rejection;
use crate::model::{CompleteResult, GetPromptResult, Prompt};

/// A prompt to be offered, with the function that fills it in.
///
/// ```
/// use scope_mcp::model::{Prompt, PromptArgument};
/// use scope_mcp::{Completing, Context, HandlerError, PromptArguments, ServerPrompt};
///
/// let prompt = Prompt::new("translate")
///     .argument(PromptArgument::new("text").required())
///     .argument(PromptArgument::new("language"));
/// let prompt = ServerPrompt::new(prompt, |args: PromptArguments, _: Context| async move {
///     let language = args.get("language").unwrap_or("English");
///     Ok::<_, HandlerError>(format!("Translate into {language}: {}", args.required("text")?))
/// })
/// .complete("language", |it: Completing, _: Context| async move {
///     let known = ["English", "French", "German"];
///     known.into_iter().filter(|language| language.starts_with(&it.value)).collect::<Vec<_>>()
/// });
/// # let _ = prompt;
/// ```
pub struct ServerPrompt {
    prompt: Prompt,
    completers: Completers,
    run: Run,
}

type Run = Box<dyn Fn(PromptArguments, Context) -> BoxFuture<'static, Filled> + Send + Sync>;
type Filled = Result<GetPromptResult, HandlerError>;

/// What a prompt is filled in with. Those that are required are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptArguments(BTreeMap<String, String>);

impl PromptArguments {
    /// The argument of that name, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The argument of that name.
    ///
    /// # Errors
    /// If it was not given, which cannot be if the prompt declares it as required.
    pub fn required(&self, name: &str) -> Result<&str, HandlerError> {
        self.get(name).ok_or_else(|| missing(name).into())
    }

    /// All of them, also those that the prompt does not declare.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn missing(name: &str) -> Rejection {
    Rejection::invalid_params(format!("the argument {name:?} is required and was not given"))
}

impl ServerPrompt {
    /// The prompt of that description.
    pub fn new<F, R>(prompt: Prompt, handler: F) -> Self
    where
        F: Fn(PromptArguments, Context) -> R + Send + Sync + 'static,
        R: Future<Output: PromptOutput> + Send + 'static,
    {
        let description = prompt.description.clone();
        let run: Run = Box::new(move |arguments, cx| {
            let (handler, description) = (handler(arguments, cx), description.clone());
            Box::pin(async move { handler.await.into_prompt(description.as_deref()) })
        });
        ServerPrompt { prompt, completers: Completers::default(), run }
    }

    /// Proposes values for one of its arguments.
    #[must_use]
    pub fn complete<F, R>(mut self, argument: impl Into<String>, handler: F) -> Self
    where
        F: Fn(Completing, Context) -> R + Send + Sync + 'static,
        R: Future<Output: CompletionOutput> + Send + 'static,
    {
        self.completers.add(argument.into(), handler);
        self
    }

    pub(super) fn check(self) -> Result<CheckedPrompt, BuildError> {
        let prompt = &self.prompt;
        let wrong = |wrong| BuildError::new(Offered::Prompt(prompt.name.clone()), wrong);
        check_name(&prompt.name).map_err(|why| wrong(Wrong::Name(why)))?;
        let arguments = prompt.arguments.as_deref().unwrap_or_default();
        for (at, argument) in arguments.iter().enumerate() {
            let problem = match check_name(&argument.name) {
                Err(why) => why,
                Ok(()) if arguments[..at].iter().any(|other| other.name == argument.name) => "is declared twice",
                Ok(()) => continue,
            };
            return Err(wrong(Wrong::Argument { name: argument.name.clone(), why: problem }));
        }
        for completed in self.completers.arguments() {
            if !arguments.iter().any(|argument| argument.name == completed) {
                let why = "is of an argument that the prompt does not declare";
                return Err(wrong(Wrong::Completion { argument: completed.to_owned(), why }));
            }
        }
        Ok(CheckedPrompt(self))
    }
}

/// A prompt that can be offered.
#[derive(Debug)]
pub(super) struct CheckedPrompt(ServerPrompt);

impl CheckedPrompt {
    pub(super) fn name(&self) -> &str {
        &self.0.prompt.name
    }

    pub(super) fn listed(&self) -> &Prompt {
        &self.0.prompt
    }

    pub(super) fn completes(&self) -> bool {
        !self.0.completers.is_empty()
    }

    pub(super) async fn get(&self, arguments: BTreeMap<String, String>, cx: Context) -> Filled {
        for argument in self.0.prompt.arguments.iter().flatten() {
            if argument.is_required() && !arguments.contains_key(&argument.name) {
                return Err(missing(&argument.name).into());
            }
        }
        let revision = cx.revision();
        let result = (self.0.run)(PromptArguments(arguments), cx).await?;
        Ok(fit::prompt(result, revision))
    }

    pub(super) async fn complete(
        &self,
        argument: &str,
        completing: Completing,
        cx: Context,
    ) -> Result<CompleteResult, HandlerError> {
        if !self.0.prompt.arguments.iter().flatten().any(|declared| declared.name == argument) {
            return Err(Rejection::invalid_params("the prompt has no argument of that name").into());
        }
        self.0.completers.complete(argument, completing, cx).await
    }
}

impl fmt::Debug for ServerPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerPrompt").field("name", &self.prompt.name).finish_non_exhaustive()
    }
}
