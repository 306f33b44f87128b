//! What a handler knows of the request it answers, and what it can say meanwhile.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::ask::{Answers, AskError, Questions};
use super::caller::Caller;
use super::shared::Shared;
use super::tasks::Job;
use super::{Server, fit};
use crate::decode::decode;
use crate::era::splice;
use crate::error::{CallError, CallName, Delivery};
use crate::jsonrpc::{self, Id};
use crate::model::{
    ClientCapabilities, CreateMessageParams, CreateMessageResult, ElicitParams, ElicitResult, Implementation,
    InputRequests, ListRootsResult, LoggingLevel, Object, Root, meta_key,
};
use crate::peer::Ask;
use crate::session::{Given, NewCall, pair};
use crate::{Era, Revision};

const ELICIT: &str = "elicitation/create";
const SAMPLE: &str = "sampling/createMessage";
const ROOTS: &str = "roots/list";

/// What a handler knows of the request it answers, and what it can say to the client before it does.
///
/// Cheap to clone. A handler is cancelled (dropped at an await point) when the client does not want the answer any more, or
/// is gone; it need not look after that itself.
#[derive(Clone)]
pub struct Context {
    asker: Arc<Asker>,
    id: Id,
    /// Mostly none.
    beside: Option<Arc<Beside>>,
}

/// Who asks, on which connection, and with which `_meta`: mostly the same, request after request.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) caller: Arc<Caller>,
    pub(super) meta: Object,
    pub(super) shared: Arc<Shared>,
}

/// What only some calls have. There in the modern era, where a handler asks by what lies here, and for a task.
struct Beside {
    /// Made when one is asked, mostly never.
    questions: OnceLock<Questions>,
    /// What this call has become, if that is a task.
    task: Option<Arc<Job>>,
}

impl Context {
    pub(super) fn new(id: Id, asker: Arc<Asker>) -> Context {
        let beside = match asker.caller.revision.era() {
            Era::Legacy => None,
            Era::Modern => Some(Arc::new(Beside { questions: OnceLock::new(), task: None })),
        };
        Context { asker, id, beside }
    }

    /// That of a round of the task that this call has become.
    pub(super) fn of_task(&self, job: Arc<Job>, answers: Answers) -> Context {
        self.with(Questions::new(answers, Object::new()), Some(job))
    }

    /// The same, of a call some of whose questions have been answered.
    pub(super) fn answered(&self, questions: Questions) -> Context {
        self.with(questions, None)
    }

    fn with(&self, questions: Questions, task: Option<Arc<Job>>) -> Context {
        let beside = Beside { questions: OnceLock::from(questions), task };
        Context { asker: Arc::clone(&self.asker), id: self.id.clone(), beside: Some(Arc::new(beside)) }
    }

    /// The revision that the request speaks.
    pub fn revision(&self) -> Revision {
        self.asker.caller.revision
    }

    /// The request's id, as the client wrote it.
    pub fn request_id(&self) -> &Id {
        &self.id
    }

    /// What the client calls itself, if it does. It can say anything.
    pub fn client_info(&self) -> Option<&Implementation> {
        self.asker.caller.info.as_ref()
    }

    /// What the client can be asked for.
    pub fn client_capabilities(&self) -> &ClientCapabilities {
        &self.asker.caller.capabilities
    }

    /// The request's `_meta`: a trace context, for instance.
    pub fn meta(&self) -> &Object {
        &self.asker.meta
    }

    /// The server: to change what it offers, and to tell of a resource that has changed.
    pub fn server(&self) -> &Server {
        &self.asker.shared.server
    }

    /// Tells the client how far this is, if it wants to know: `progress` of `total`, in units of one's own; it should grow
    /// from time to time. The client has it before the answer. Waits while the client does not read.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing is said.
    pub async fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let Some(token) = self.asker.meta.get("progressToken").filter(|token| token.is_string() || token.is_number())
        else {
            return;
        };
        let mut params = json!({ "progressToken": token, "progress": progress });
        if let Some(total) = total {
            params["total"] = total.into();
        }
        // The first revision has no texts here.
        if let Some(message) = message.filter(|_| self.revision() > Revision::V2024_11_05) {
            params["message"] = message.into();
        }
        self.notify("notifications/progress", &params).await;
    }

    /// Writes a line to the client's log, if the server declares that it logs and the client wants lines of that level; in
    /// the modern era it says so with each request. The client has it before the answer. Waits while the client does not
    /// read.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing is said.
    pub async fn log(&self, level: LoggingLevel, logger: Option<&str>, data: impl Serialize + Send) {
        if !self.server().registry().logs() || !self.asker.caller.log.wants(level) {
            return;
        }
        // What cannot be written as JSON says so in its own place.
        let data = serde_json::to_value(data).unwrap_or_else(|error| format!("(not JSON: {error})").into());
        let mut params = json!({ "level": level, "data": data });
        if let Some(logger) = logger {
            params["logger"] = logger.into();
        }
        self.notify("notifications/message", &params).await;
    }

    /// Asks the client's user: a form, or to visit an address.
    ///
    /// `key` names the question within this call, and has to be the same when the handler runs again: in the modern era a
    /// handler that asks ends with the error, which it has to pass on, and runs anew from its start when the answer is
    /// there. So whatever it does before a question it does more than once; ask first, act then. Several questions can be
    /// asked at once, by `join!`.
    ///
    /// # Errors
    /// See [`AskError`].
    ///
    /// # Cancel safety
    /// In the legacy era the client is told that nobody waits any more.
    pub async fn elicit(&self, key: &str, params: impl Into<ElicitParams>) -> Result<ElicitResult, AskError> {
        let params = params.into();
        let (offered, needed) = match &params {
            ElicitParams::Form(_) => (self.client_capabilities().has_form_elicitation(), json!({ "form": {} })),
            ElicitParams::Url(_) => (self.client_capabilities().has_url_elicitation(), json!({ "url": {} })),
        };
        self.offers(offered, ELICIT, json!({ "elicitation": needed }))?;
        self.ask(key, ELICIT, Some(self.written(ELICIT, &params)?)).await
    }

    /// Asks the client's model. See [`elicit`](Context::elicit) for `key`, and for what happens in the modern era.
    ///
    /// # Errors
    /// See [`AskError`].
    ///
    /// # Cancel safety
    /// As [`elicit`](Context::elicit).
    pub async fn sample(&self, key: &str, params: &CreateMessageParams) -> Result<CreateMessageResult, AskError> {
        let capabilities = self.client_capabilities();
        self.offers(capabilities.has("sampling"), SAMPLE, json!({ "sampling": {} }))?;
        let tools = params.tools.is_none() && params.tool_choice.is_none();
        self.offers(tools || capabilities.has_sampling_tools(), SAMPLE, json!({ "sampling": { "tools": {} } }))?;
        let params = fit::sampling(params, self.revision());
        self.ask(key, SAMPLE, Some(self.written(SAMPLE, &params)?)).await
    }

    /// Asks the client where it works. See [`elicit`](Context::elicit) for `key`, and for what happens in the modern era.
    ///
    /// # Errors
    /// See [`AskError`].
    ///
    /// # Cancel safety
    /// As [`elicit`](Context::elicit).
    pub async fn roots(&self, key: &str) -> Result<Vec<Root>, AskError> {
        self.offers(self.client_capabilities().has("roots"), ROOTS, json!({ "roots": {} }))?;
        let result: ListRootsResult = self.ask(key, ROOTS, None).await?;
        Ok(result.roots)
    }

    /// What this call asked, and what is to be remembered until that is answered.
    pub(super) fn take_questions(&self) -> (InputRequests, Answers) {
        self.questions().map(Questions::take).unwrap_or_default()
    }

    /// Sends a notification that belongs to this request.
    pub(super) async fn notify(&self, method: &str, params: &Value) {
        let related = match self.task() {
            // A task has neither progress nor a log there: who wants to know how far it is asks.
            Some(_) if self.era() == Era::Modern => return,
            Some(job) => Some(job.related()),
            None => None,
        };
        let Ok(params) = to_raw_value(params) else { return };
        let params = match related.map(|related| splice(params.get(), &[], &[(meta_key::RELATED_TASK, &related)])) {
            Some(Ok(params)) => params,
            _ => params,
        };
        // An error: the connection is over, and so is this.
        let _ = self.asker.shared.desk.leave(Ask::Line(jsonrpc::notification(method, Some(&params)))).await;
    }

    fn offers(&self, offered: bool, method: &'static str, capability: Value) -> Result<(), AskError> {
        if offered { Ok(()) } else { Err(AskError::not_offered(self.era(), method, capability)) }
    }

    fn written(&self, method: &'static str, params: &impl Serialize) -> Result<Box<RawValue>, AskError> {
        to_raw_value(params).map_err(|error| AskError::wrong(self.era(), method, error.to_string()))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        key: &str,
        method: &'static str,
        params: Option<Box<RawValue>>,
    ) -> Result<T, AskError> {
        let answer = match self.era() {
            Era::Modern => match self.questions() {
                Some(questions) => questions.answer(key, method, params)?.to_string(),
                None => return Err(AskError::wrong(Era::Modern, method, "nothing can be asked here".to_owned())),
            },
            Era::Legacy => {
                self.request(method, params).await.map_err(|error| AskError::call(method, error))?.get().into()
            }
        };
        decode(&answer).map_err(|why| AskError::malformed(self.era(), method, why))
    }

    /// A request of ours, in the legacy era.
    async fn request(&self, method: &str, params: Option<Box<RawValue>>) -> Result<Box<RawValue>, CallError> {
        let shared = &self.asker.shared;
        let name = CallName { server: Cow::Borrowed(&shared.client), method: method.into(), subject: None };
        let id = shared.next_id();
        let (reply, pending) = pair(id, name.clone(), &shared.abandoned);
        let params = match self.task() {
            Some(job) => {
                let params = params.as_ref().map_or("{}", |params| params.get());
                splice(params, &[], &[(meta_key::RELATED_TASK, &job.related())]).ok()
            }
            None => params,
        };
        let line = jsonrpc::request(id, method, params.as_ref().map(|params| params.get().as_bytes()));
        let call = NewCall::new(id, method, line, shared.ask_timeout(), reply);
        let waits = self.task().map(|job| job.waits_for_client());
        let answer = match shared.desk.leave(Ask::Call(call)).await {
            Ok(()) => pending.await.map(Given::into_raw),
            Err(_) => Err(CallError::closed(&name, Delivery::NotSent)),
        };
        drop(waits);
        answer
    }

    fn questions(&self) -> Option<&Questions> {
        self.beside.as_ref().map(|beside| beside.questions.get_or_init(Questions::default))
    }

    fn task(&self) -> Option<&Arc<Job>> {
        self.beside.as_ref()?.task.as_ref()
    }

    fn era(&self) -> Era {
        self.revision().era()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("id", &self.id).field("caller", &self.asker.caller).finish_non_exhaustive()
    }
}
