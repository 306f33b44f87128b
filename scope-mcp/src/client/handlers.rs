//! What a client answers when a server asks: its roots, a sample of its model, what its user says.
//!
//! In the legacy era a server asks by requests of its own; in the modern era by an `input_required` result, which names
//! the same methods and parameters. Both come here.

mod form;
mod format;
mod roots;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use self::form::Form;
use self::format::https_host;
pub use self::roots::Roots;
pub(crate) use self::roots::RootsWatch;
use super::ClientOptions;
use crate::decode::decode;
use crate::jsonrpc::METHOD_NOT_FOUND;
use crate::model::{
    ClientCapabilities, ContentKind, CreateMessageParams, CreateMessageResult, ElicitAction, ElicitFormParams,
    ElicitParams, ElicitResult, ElicitUrlParams, ListRootsResult, Object, SamplingContent, TASKS_EXTENSION,
};
use crate::peer::Caught;
use crate::{Era, Rejection, Revision};

/// By this a message says which task it belongs to (2025-11-25).
const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// What an answer becomes: the result, or an error to answer with.
pub(crate) type Answering = BoxFuture<'static, Result<Box<RawValue>, Rejection>>;

type Handler<P, R> = Arc<dyn Fn(Question<P>) -> BoxFuture<'static, Result<R, Rejection>> + Send + Sync>;

/// What a server asks, for a handler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question<P> {
    /// The server that asks, by the name it is configured by. Show it: a user must know who asks.
    pub server: Arc<str>,
    /// What it asks. All of it is the server's: look at control characters before showing it.
    pub params: P,
}

impl Question<ElicitUrlParams> {
    /// The host the address leads to, with its port if it names one. Show it beside the whole address, and ask before
    /// opening it.
    pub fn host(&self) -> &str {
        // Checked before the question was put.
        https_host(&self.params.url).unwrap_or_default()
    }
}

/// The handlers of a client, and what they offer.
#[derive(Clone, Default)]
pub(crate) struct ClientHandlers {
    server: Arc<str>,
    max_form_bytes: usize,
    roots: Option<Roots>,
    sampling: Option<Handler<CreateMessageParams, CreateMessageResult>>,
    sampling_tools: bool,
    sampling_context: bool,
    form: Option<Handler<ElicitFormParams, ElicitResult>>,
    url: Option<Handler<ElicitUrlParams, ElicitResult>>,
    no_tasks: bool,
}

/// What a server can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Roots,
    Sample,
    Elicit,
}

impl Kind {
    fn of(method: &str) -> Option<Kind> {
        match method {
            "roots/list" => Some(Kind::Roots),
            "sampling/createMessage" => Some(Kind::Sample),
            "elicitation/create" => Some(Kind::Elicit),
            _ => None,
        }
    }
}

impl ClientHandlers {
    /// For one connection: with the name of its server.
    pub(crate) fn bound_to(&self, server: &Arc<str>, max_form_bytes: usize) -> Arc<ClientHandlers> {
        Arc::new(ClientHandlers { server: Arc::clone(server), max_form_bytes, ..self.clone() })
    }

    /// The roots, where a connection can tell its server of changes.
    pub(crate) fn watch_roots(&self) -> Option<RootsWatch> {
        self.roots.as_ref().map(Roots::watch)
    }

    /// What is declared to a server of that revision: exactly what there is, and what the revision knows.
    pub(crate) fn capabilities(&self, revision: Revision) -> ClientCapabilities {
        let mut all = ClientCapabilities::new();
        if self.roots.is_some() {
            all = all.roots(revision.era() == Era::Legacy);
        }
        let detailed = revision >= Revision::V2025_11_25;
        if self.sampling.is_some() {
            let details = [("tools", detailed && self.sampling_tools), ("context", detailed && self.sampling_context)];
            all = all.with("sampling", present(&details));
        }
        if self.elicits(revision) {
            let details = [("form", detailed && self.form.is_some()), ("url", detailed && self.url.is_some())];
            all = all.with("elicitation", present(&details));
        }
        if revision.era() == Era::Modern && self.takes_tasks() {
            all = all.with_extension(TASKS_EXTENSION, Object::new());
        }
        all
    }

    /// Whether a modern server may answer a call with a task.
    pub(crate) fn takes_tasks(&self) -> bool {
        !self.no_tasks
    }

    fn elicits(&self, revision: Revision) -> bool {
        match revision {
            Revision::V2024_11_05 | Revision::V2025_03_26 => false,
            Revision::V2025_06_18 => self.form.is_some(),
            _ => self.form.is_some() || self.url.is_some(),
        }
    }

    fn offers(&self, revision: Revision, kind: Kind) -> bool {
        match kind {
            Kind::Roots => self.roots.is_some(),
            Kind::Sample => self.sampling.is_some(),
            Kind::Elicit => self.elicits(revision),
        }
    }

    /// The answer to a request of a server; `None` for a method that this client does not offer. Nothing is read or
    /// run before the future is polled. A panic is for whoever polls it.
    pub(crate) fn answer(
        self: &Arc<Self>,
        revision: Revision,
        method: &str,
        params: Option<&RawValue>,
    ) -> Option<Answering> {
        let kind = Kind::of(method).filter(|kind| self.offers(revision, *kind))?;
        let this = Arc::clone(self);
        let params = params.map(ToOwned::to_owned);
        Some(async move { this.read(revision, kind, params.as_deref())?.await }.boxed())
    }

    /// Reads a question and checks it. Its handler runs when the future is polled, and not before; so all the questions
    /// of an answer can be read before the first is put to anybody. A handler that panics has refused.
    ///
    /// # Errors
    /// Why it is not answered, in words for whoever wrote the server.
    pub(crate) fn prepare(
        &self,
        revision: Revision,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Answering, Rejection> {
        let not_offered = |how: &str| Rejection::new(METHOD_NOT_FOUND, format!("this client does not offer that{how}"));
        match Kind::of(method) {
            None => Err(not_offered("")),
            Some(kind) if self.offers(revision, kind) => {
                Ok(Caught::new(method.to_owned(), self.read(revision, kind, params)?).boxed())
            }
            Some(Kind::Roots) => Err(not_offered(", for it was given no roots")),
            Some(Kind::Sample | Kind::Elicit) => Err(not_offered(", for it was given no handler for it")),
        }
    }

    fn read(&self, revision: Revision, kind: Kind, params: Option<&RawValue>) -> Result<Answering, Rejection> {
        let task = params.and_then(related_task);
        let answer = match (kind, &self.roots, &self.sampling) {
            (Kind::Roots, Some(roots), _) => {
                let roots = roots.clone();
                async move { written(&ListRootsResult::new(roots.get())) }.boxed()
            }
            (Kind::Sample, _, Some(handler)) => {
                let params: CreateMessageParams = parse(params)?;
                if !self.sampling_tools && (params.tools.is_some() || params.tool_choice.is_some()) {
                    return Err(Rejection::invalid_params("this client has not declared sampling with tools"));
                }
                self.ask(handler, params, move |answer: &mut CreateMessageResult| fit(revision, &mut answer.content))
            }
            (Kind::Elicit, ..) => {
                let (bytes, max) = (params.map_or(0, |params| params.get().len()), self.max_form_bytes);
                if bytes > max {
                    let why = format!("the form has {bytes} bytes, and this client takes no more than {max}");
                    return Err(Rejection::invalid_params(why));
                }
                match parse(params)? {
                    ElicitParams::Form(asked) => self.elicit_form(asked)?,
                    ElicitParams::Url(asked) => self.elicit_url(revision, asked)?,
                }
            }
            _ => return Err(Rejection::internal("this client does not offer that")),
        };
        match task {
            None => Ok(answer),
            Some(task) => Ok(async move { related_to(task, &answer.await?) }.boxed()),
        }
    }

    fn elicit_form(&self, asked: ElicitFormParams) -> Result<Answering, Rejection> {
        let Some(handler) = &self.form else {
            return Err(Rejection::invalid_params("this client has not declared elicitation by a form"));
        };
        let form = Form::read(&asked.requested_schema).map_err(Rejection::invalid_params)?;
        Ok(self.ask(handler, asked, move |answer| {
            if answer.action != ElicitAction::Accept {
                answer.content = None;
                return Ok(());
            }
            let content = answer.content.get_or_insert_default();
            form.fill_in(content);
            form.check(content)
        }))
    }

    fn elicit_url(&self, revision: Revision, asked: ElicitUrlParams) -> Result<Answering, Rejection> {
        let handler = self.url.as_ref().filter(|_| revision >= Revision::V2025_11_25);
        let Some(handler) = handler else {
            return Err(Rejection::invalid_params("this client has not declared elicitation by a URL"));
        };
        if let Err(why) = https_host(&asked.url) {
            return Err(Rejection::invalid_params(format!(
                "this client does not show that address to its user: {why}"
            )));
        }
        Ok(self.ask(handler, asked, |answer| {
            // What the user did there is between them and that address.
            answer.content = None;
            Ok(())
        }))
    }

    /// Puts a question to its handler. The answer goes through `check` before it goes out.
    fn ask<P, R>(
        &self,
        handler: &Handler<P, R>,
        params: P,
        check: impl FnOnce(&mut R) -> Result<(), String> + Send + 'static,
    ) -> Answering
    where
        P: Send + 'static,
        R: Serialize + Send + 'static,
    {
        let (server, handler) = (Arc::clone(&self.server), Arc::clone(handler));
        async move {
            let mut answer = handler(Question { server: Arc::clone(&server), params }).await?;
            check(&mut answer).map_err(|why| {
                tracing::warn!(server = &*server, why, "a handler's answer is not sent: it is not what was asked for");
                Rejection::internal(format!("the client failed to answer as asked: {why}"))
            })?;
            written(&answer)
        }
        .boxed()
    }
}

impl ClientOptions {
    /// Lets servers know of these places, and of their changes. The list can be [changed](Roots::set) at any time.
    #[must_use]
    pub fn roots(mut self, roots: Roots) -> Self {
        self.handlers.roots = Some(roots);
        self
    }

    /// Lets servers ask for a sample of a model (`sampling/createMessage`). Without a handler that is not offered.
    ///
    /// Show the user what is asked and what goes back, and let them refuse: return an error then. A handler that panics
    /// has refused too, and the connection lives. When the server takes its question back, or the connection ends, the
    /// future is dropped.
    ///
    /// ```
    /// use scope_mcp::{ClientOptions, Rejection};
    /// let options = ClientOptions::default()
    ///     .on_sampling(|question| async move { Err(Rejection::new(-1, format!("{} may not", question.server))) });
    /// # drop(options);
    /// ```
    #[must_use]
    pub fn on_sampling<F, A>(mut self, handler: F) -> Self
    where
        F: Fn(Question<CreateMessageParams>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<CreateMessageResult, Rejection>> + Send + 'static,
    {
        self.handlers.sampling = Some(Arc::new(move |question| handler(question).boxed()));
        self
    }

    /// Says that the [sampling](ClientOptions::on_sampling) handler can let the model use the tools that the server
    /// describes. Unless it is said, a question with tools is refused before the handler sees it.
    #[must_use]
    pub fn sampling_with_tools(mut self) -> Self {
        self.handlers.sampling_tools = true;
        self
    }

    /// Says that the [sampling](ClientOptions::on_sampling) handler heeds `includeContext`.
    #[must_use]
    pub fn sampling_with_context(mut self) -> Self {
        self.handlers.sampling_context = true;
        self
    }

    /// Lets servers ask the user for data by a form (`elicitation/create`). Without a handler that is not offered.
    ///
    /// What an accepted answer leaves out gets the default that the form gives for it, and then the answer is checked:
    /// one that is not what the form asks for is not sent, and the server gets an error. A form that is none, or has more
    /// than [`max_form_bytes`](ClientOptions::max_form_bytes), is refused before the handler sees it. For panics and
    /// dropping see [`on_sampling`](ClientOptions::on_sampling).
    ///
    /// ```
    /// use scope_mcp::{ClientOptions, model::ElicitResult};
    /// let options = ClientOptions::default().on_elicitation(|question| async move {
    ///     println!("{} asks: {:?}", question.server, question.params.message);
    ///     Ok(ElicitResult::decline())
    /// });
    /// # drop(options);
    /// ```
    #[must_use]
    pub fn on_elicitation<F, A>(mut self, handler: F) -> Self
    where
        F: Fn(Question<ElicitFormParams>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<ElicitResult, Rejection>> + Send + 'static,
    {
        self.handlers.form = Some(Arc::new(move |question| handler(question).boxed()));
        self
    }

    /// Lets servers send the user to an address (`elicitation/create` with the mode `url`), from the revision 2025-11-25
    /// on. Without a handler that is not offered.
    ///
    /// The handler sees only `https` addresses without a user name in them, of printable ASCII. It must show the whole
    /// address and its [host](Question::host), must not open it before the user has agreed, and must not look at what is
    /// behind it. To accept means that the user has agreed, not that they are done there; content is not sent. For panics
    /// and dropping see [`on_sampling`](ClientOptions::on_sampling).
    #[must_use]
    pub fn on_elicitation_url<F, A>(mut self, handler: F) -> Self
    where
        F: Fn(Question<ElicitUrlParams>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<ElicitResult, Rejection>> + Send + 'static,
    {
        self.handlers.url = Some(Arc::new(move |question| handler(question).boxed()));
        self
    }
}

impl ClientOptions {
    /// Whether servers of the modern era may make a task of a call (the extension `io.modelcontextprotocol/tasks`). Unless
    /// set: yes. [`call_tool`](crate::Client::call_tool) waits for its result then, no longer than for a call that tells of
    /// its progress ([`max_call_timeout`](ClientOptions::max_call_timeout)), and has it cancelled when it is dropped;
    /// [`start_tool`](crate::Client::start_tool) gives it out.
    #[must_use]
    pub fn tasks(mut self, may: bool) -> Self {
        self.handlers.no_tasks = !may;
        self
    }
}

impl fmt::Debug for ClientHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandlers")
            .field("roots", &self.roots)
            .field("sampling", &self.sampling.is_some())
            .field("form", &self.form.is_some())
            .field("url", &self.url.is_some())
            .finish_non_exhaustive()
    }
}

/// Makes a sample's content what `revision` has a form for.
fn fit(revision: Revision, content: &mut SamplingContent) -> Result<(), String> {
    if revision >= Revision::V2025_11_25 {
        return Ok(());
    }
    if let SamplingContent::Many(blocks) = content
        && let [block] = &blocks[..]
    {
        *content = SamplingContent::One(block.clone());
    }
    let fits = match content.blocks() {
        [block] => match block.kind() {
            ContentKind::Text(_) | ContentKind::Image { .. } => true,
            ContentKind::Audio { .. } => revision >= Revision::V2025_03_26,
            _ => false,
        },
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("a sample is one block of text or media in the revision {revision}")) }
}

/// An object with an empty object for each that is there.
fn present(details: &[(&str, bool)]) -> Value {
    details.iter().filter(|(_, there)| *there).map(|(name, _)| (*name, json!({}))).collect()
}

fn parse<T: DeserializeOwned>(params: Option<&RawValue>) -> Result<T, Rejection> {
    decode(params.map_or("{}", RawValue::get)).map_err(Rejection::invalid_params)
}

fn written<T: Serialize>(answer: &T) -> Result<Box<RawValue>, Rejection> {
    to_raw_value(answer).map_err(|error| Rejection::internal(format!("the client's answer cannot be written: {error}")))
}

/// The task that a question belongs to.
fn related_task(params: &RawValue) -> Option<Value> {
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "_meta")]
        meta: Option<Object>,
    }
    // Nearly none has it: then nothing is read twice.
    memchr::memmem::find(params.get().as_bytes(), b"related-task")?;
    let params: Params = serde_json::from_str(params.get()).ok()?;
    params.meta?.remove(RELATED_TASK)
}

/// The answer, saying which task it belongs to.
fn related_to(task: Value, answer: &RawValue) -> Result<Box<RawValue>, Rejection> {
    let mut answer: Object = parse(Some(answer))?;
    let meta = answer.entry("_meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut() {
        meta.insert(RELATED_TASK.to_owned(), task);
    }
    written(&answer)
}

#[cfg(test)]
mod tests;
