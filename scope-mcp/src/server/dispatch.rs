//! What is done for each request, by the era it belongs to.
//!
//! A request that says in its `_meta` what it speaks is of the modern era, and stands for itself. Any other is of the legacy
//! era, which begins with `initialize`. One connection can have both.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{complete, input_required};
use super::arguments::{Params, UnreadArguments, place};
use super::ask::{Answers, Questions};
use super::caller::{Caller, LogFilter};
use super::calling::{Called, Calling};
use super::changes::NotWatched;
use super::context::{Asker, Context};
use super::listen::listen;
use super::members::Members;
use super::registry::{Recent, Registry};
use super::shared::Shared;
use super::state::Binding;
use super::tasks::{self, About, NewTask};
use super::tool::CheckedTool;
use super::typed::{read, written};
use crate::era::{CAPABILITIES, VERSION};
use crate::jsonrpc::{BUSY, INVALID_REQUEST, Rejection, ToolCall};
use crate::model::{
    InitializeParams, ListenParams, LoggingLevel, Object, RequestMeta, ResourceParams, SetLevelParams, TaskSupport,
};
use crate::peer::{Outcome, Pace, Respond, Work};
use crate::schema::is_json;
use crate::session::{Arrived, Session};
use crate::{Era, Revision};

/// The revision that a request speaks is not spoken here.
const UNSUPPORTED_VERSION: i64 = -32022;

/// A longer `_meta` is not kept.
const MAX_KEPT: usize = 4096;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) shared: Arc<Shared>,
    /// The last one of the modern era: the next is mostly the same, to the letter.
    said: Option<Said>,
    /// Of the legacy era, once it has been initialized: for requests that have no `_meta`.
    legacy: Option<Arc<Asker>>,
    recent: Recent,
    /// The connection is being closed on this side: nothing new is begun.
    closing: bool,
}

/// A `_meta` of the modern era, and who says that.
#[derive(Clone, Debug)]
struct Said {
    text: Arc<str>,
    asker: Arc<Asker>,
}

/// What is looked at before anything else, as it stands.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    task: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input_responses: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request_state: Option<&'a RawValue>,
}

/// A call of a tool that is there and becomes no task, with nothing beside its arguments that would have to be read.
struct Simple {
    tool: Arc<CheckedTool>,
    /// Where in the parameters.
    arguments: Option<Range<usize>>,
}

impl Head<'_> {
    /// Whether it is the second round of a call, or a later one.
    fn is_of_later_round(&self) -> bool {
        self.input_responses.is_some() || self.request_state.is_some()
    }

    /// `params` is what this is the head of.
    fn simple(&self, registry: &Registry, params: &RawValue) -> Option<Simple> {
        if self.is_of_later_round() || self.task.is_some() {
            return None;
        }
        let name = self.name?.get().strip_prefix('"')?.strip_suffix('"')?;
        if name.contains('\\') {
            // With escapes it spells another one.
            return None;
        }
        let tool = registry.tool(name).filter(|tool| tool.task_support() == TaskSupport::Forbidden)?;
        let arguments = self.arguments.map(|arguments| place(arguments, params));
        Some(Simple { tool, arguments })
    }
}

impl Respond for Dispatch {
    type Call = Calling;
    type Answer = Called;

    fn respond(&mut self, session: &mut Session, arrived: &mut Arrived) -> Work {
        self.work(session, arrived).unwrap_or_else(|rejection| Work::Now(Err(rejection)))
    }

    fn begin_call(
        &mut self,
        session: &mut Session,
        call: &ToolCall<'_>,
        line: Option<&Arc<String>>,
    ) -> Option<(Calling, Pace)> {
        if self.closing {
            return None;
        }
        if let Some(head) = call.head()
            && !self.usual(head)?.tool.may_begin_at_once()
        {
            // Read in the long way, all of it: not here, too.
            return None;
        }
        let members = match line {
            Some(line) => Members::of(line, call.members),
            None => {
                // Kept before it is looked at: text is checked faster where it is aligned.
                let mut members = session.room(call.members.len());
                members.extend_from_slice(call.members);
                Members::Own(String::from_utf8(members).ok()?)
            }
        };
        match self.calling(call, members) {
            Ok(calling) => Some(calling),
            Err(members) => {
                if let Members::Own(members) = members {
                    session.give_back(members.into_bytes());
                }
                None
            }
        }
    }
}

/// A [`Simple`] call in the form that nearly all have.
struct Usual<'a> {
    tool: Arc<CheckedTool>,
    /// If they are JSON: nobody has looked.
    arguments: &'a str,
    asker: Arc<Asker>,
}

impl Dispatch {
    pub(super) fn new(shared: Arc<Shared>) -> Dispatch {
        Dispatch { shared, said: None, legacy: None, recent: Recent::default(), closing: false }
    }

    /// What is done for a call with these members, if it is begun at once.
    fn calling(&mut self, call: &ToolCall<'_>, members: Members) -> Result<(Calling, Pace), Members> {
        let Some(usual) = self.usual(members.get()).filter(|usual| usual.tool.may_begin_at_once()) else {
            return Err(members);
        };
        let Usual { tool, arguments, asker } = usual;
        if !tool.surely_takes(arguments) {
            return Err(members);
        }
        let pace = tool.pace().clone();
        let cx = Context::new(call.id.clone(), asker);
        let arguments = arguments.len();
        Ok((Calling::new(tool, members, arguments, cx), pace))
    }

    /// The call whose parameters have these members, if it is of that form.
    fn usual<'a>(&mut self, members: &'a str) -> Option<Usual<'a>> {
        let (members, asker) = match members.strip_prefix("\"_meta\":") {
            None => (members, self.legacy.as_ref()?),
            Some(rest) => {
                let said = self.said.as_ref()?;
                (rest.strip_prefix(&*said.text)?.strip_prefix(',')?, &said.asker)
            }
        };
        let (name, arguments) = ToolCall::parts(members)?;
        let tool = self.shared.server.registry().tool_again(name, &mut self.recent)?;
        let is_call = tool.task_support() == TaskSupport::Forbidden;
        is_call.then(|| Usual { tool, arguments, asker: Arc::clone(asker) })
    }

    pub(super) fn refuse_more(&mut self) {
        self.closing = true;
    }

    fn work(&mut self, session: &mut Session, arrived: &mut Arrived) -> Result<Work, Rejection> {
        if self.closing {
            return Err(Rejection::new(BUSY, "this server is closing the connection"));
        }
        let params = arrived.params.as_deref();
        if params.is_some_and(|params| !params.get().starts_with('{')) {
            // The fields of a list could be read one by one, and nobody would mean that.
            return Err(Rejection::invalid_params("the parameters of a request must be an object"));
        }
        if &*arrived.method == "tools/call"
            && let Some(params) = params.map(RawValue::get)
            && let Some(members) = params.strip_prefix('{').and_then(|it| it.strip_suffix('}'))
            && let Some(Usual { tool, arguments, asker }) = self.usual(members)
            && is_json(arguments)
        {
            let end = params.len() - 1;
            let simple = Simple { tool, arguments: Some(end - arguments.len()..end) };
            return Ok(self.call(simple, arrived, asker));
        }
        let head: Head<'_> = read(params)?;
        let simple = match params {
            Some(params) if &*arrived.method == "tools/call" => head.simple(self.shared.server.registry(), params),
            _ => None,
        };
        let later_round = head.is_of_later_round();
        let meta = match head.meta {
            None => Object::new(),
            Some(text) => match &self.said {
                Some(said) if *said.text == *text.get() => {
                    let said = said.clone();
                    if let Some(simple) = simple {
                        return Ok(self.call(simple, arrived, said.asker));
                    }
                    self.offered(arrived, said.asker.caller.revision)?;
                    return self.modern(arrived, said.asker, later_round);
                }
                _ => meta(params)?,
            },
        };
        if meta.contains_key(VERSION) {
            let text: Option<Arc<str>> = head.meta.map(RawValue::get).filter(|it| it.len() <= MAX_KEPT).map(Arc::from);
            let revision = revision(&meta)?;
            self.offered(arrived, revision)?;
            let caller = Arc::new(caller(revision, &meta)?);
            let asker = self.asker(caller, meta);
            self.said = text.map(|text| Said { text, asker: Arc::clone(&asker) });
            return match simple {
                Some(simple) => Ok(self.call(simple, arrived, asker)),
                None => self.modern(arrived, asker, later_round),
            };
        }
        match (&*arrived.method, &self.legacy) {
            ("initialize", None) => self.initialize(session, params),
            ("initialize", Some(_)) => {
                Err(Rejection::new(INVALID_REQUEST, "this connection has been initialized already"))
            }
            (_, Some(legacy)) => {
                let asker =
                    if meta.is_empty() { Arc::clone(legacy) } else { self.asker(Arc::clone(&legacy.caller), meta) };
                match simple {
                    Some(simple) => Ok(self.call(simple, arrived, asker)),
                    None => self.legacy(asker, arrived),
                }
            }
            (_, None) => Err(Rejection::invalid_params(format!(
                "_meta must have {VERSION} (this server speaks {}), or the connection begin with initialize",
                Revision::LATEST
            ))),
        }
    }

    fn call(&self, simple: Simple, arrived: &mut Arrived, asker: Arc<Asker>) -> Work {
        let Simple { tool, arguments } = simple;
        let (pace, era) = (tool.pace().clone(), asker.caller.revision.era());
        let cx = Context::new(arrived.id.clone(), asker);
        let (registry, params) = (Arc::clone(self.shared.server.registry()), Params::new(arrived.params.take()));
        let arguments = UnreadArguments::new(params.clone(), arguments);
        let work = async move {
            match era {
                Era::Legacy => registry.call(&tool, arguments, cx).await,
                Era::Modern => {
                    let outcome = registry.call(&tool, arguments, cx.clone()).await;
                    finish("tools/call", || binding("tools/call", params.raw()), &cx, outcome)
                }
            }
        };
        Work::Later(Box::pin(work), Some(pace))
    }

    fn initialize(&mut self, session: &mut Session, params: Option<&RawValue>) -> Result<Work, Rejection> {
        let params: InitializeParams = read(params)?;
        let asked = Revision::from_name(&params.protocol_version).filter(|it| it.era() == Era::Legacy);
        let revision = asked.unwrap_or(Revision::LATEST_LEGACY);
        let registry = self.shared.server.registry();
        let mut info = json!(registry.info());
        if revision < Revision::V2025_06_18 {
            // What later revisions say of a program, the schemas of these would take for anything.
            if let Some(info) = info.as_object_mut() {
                info.retain(|key, _| matches!(key.as_str(), "name" | "version"));
            }
        }
        let mut result = json!({
            "protocolVersion": revision.as_str(),
            "capabilities": registry.capabilities(revision),
            "serverInfo": info,
        });
        if let Some(instructions) = registry.instructions() {
            result["instructions"] = instructions.into();
        }
        let log = LogFilter::new(Some(LoggingLevel::Info));
        let caller = Caller { revision, capabilities: params.capabilities, info: Some(params.client_info), log };
        // Asked for once only: see above.
        let caller = Arc::new(caller);
        let _ = self.shared.legacy.set(Arc::clone(&caller));
        self.legacy = Some(self.asker(caller, Object::new()));
        session.agreed(revision);
        tracing::debug!(client = &*self.shared.client, %revision, "initialized");
        Ok(Work::Now(written(&result)))
    }

    fn legacy(&self, asker: Arc<Asker>, arrived: &mut Arrived) -> Result<Work, Rejection> {
        let (registry, caller) = (self.shared.server.registry(), &asker.caller);
        let params = arrived.params.as_deref();
        if let Some(about) = self.about_tasks(caller.revision, &arrived.method) {
            return tasks::answer(&self.shared, caller, registry.page_size(), about, params);
        }
        Ok(match &*arrived.method {
            "logging/setLevel" if registry.logs() => Work::Now(set_level(caller, params)),
            "resources/subscribe" if registry.tells_of_resources() => Work::Now(self.subscribe(params)),
            "resources/unsubscribe" if registry.tells_of_resources() => Work::Now(self.unsubscribe(params)),
            name => {
                let task = self.becomes_task(caller, arrived)?;
                let cx = Context::new(arrived.id.clone(), asker);
                if let Some(task) = task {
                    return Ok(Work::Now(tasks::begin(
                        registry,
                        &self.shared,
                        task,
                        Params::new(arrived.params.take()),
                        &cx,
                    )));
                }
                let Some(method) = registry.method(name) else {
                    return Ok(Work::Now(Err(Rejection::method_not_found(name))));
                };
                let (registry, params) = (Arc::clone(registry), Params::new(arrived.params.take()));
                let work = async move { registry.answer(method, &params, cx).await };
                Work::Later(Box::pin(work), None)
            }
        })
    }

    fn about_tasks(&self, revision: Revision, method: &str) -> Option<About> {
        tasks::form(revision)
            .and_then(|form| About::of(form, method))
            .filter(|_| self.shared.server.registry().has_tasks())
    }

    fn becomes_task(&self, caller: &Caller, arrived: &Arrived) -> Result<Option<NewTask>, Rejection> {
        if &*arrived.method != "tools/call" {
            return Ok(None);
        }
        tasks::wanted(self.shared.server.registry(), caller, arrived.params.as_deref())
    }

    /// Refuses what is not offered to those who speak `revision`, of the modern era.
    fn offered(&self, arrived: &Arrived, revision: Revision) -> Result<(), Rejection> {
        let method = &*arrived.method;
        if matches!(method, "server/discover" | "subscriptions/listen")
            || self.shared.server.registry().method(method).is_some()
            || self.about_tasks(revision, method).is_some()
        {
            return Ok(());
        }
        Err(Rejection::method_not_found(method))
    }

    fn modern(&self, arrived: &mut Arrived, asker: Arc<Asker>, later_round: bool) -> Result<Work, Rejection> {
        let (registry, caller) = (self.shared.server.registry(), &asker.caller);
        let info = registry.info_json();
        if &*arrived.method == "server/discover" {
            let result = written(&self.discovered());
            return Ok(Work::Now(result.and_then(|result| complete("server/discover", &result, info))));
        }
        if &*arrived.method == "subscriptions/listen" {
            let params: ListenParams = read(arrived.params.as_deref())?;
            let listening = listen(
                self.shared.server.clone(),
                Arc::clone(&self.shared),
                Arc::clone(caller),
                arrived.id.clone(),
                params,
            );
            let registry = Arc::clone(registry);
            let work = async move { complete("subscriptions/listen", &listening.await?, registry.info_json()) };
            return Ok(Work::Later(Box::pin(work), None));
        }
        if let Some(about) = self.about_tasks(caller.revision, &arrived.method) {
            let size = registry.page_size();
            let params = arrived.params.as_deref();
            return Ok(match tasks::answer(&self.shared, caller, size, about, params)? {
                Work::Now(outcome) => Work::Now(outcome.and_then(|result| complete(&arrived.method, &result, info))),
                later @ Work::Later(..) => later,
            });
        }
        if let Some(task) = self.becomes_task(caller, arrived)? {
            let cx = Context::new(arrived.id.clone(), asker);
            let created = tasks::begin(registry, &self.shared, task, Params::new(arrived.params.take()), &cx);
            return Ok(Work::Now(created.and_then(|result| complete(&arrived.method, &result, info))));
        }
        let Some(method) = registry.method(&arrived.method) else {
            return Err(Rejection::method_not_found(&arrived.method));
        };
        let cx = Context::new(arrived.id.clone(), asker);
        let (registry, name) = (Arc::clone(registry), Arc::clone(&arrived.method));
        let params = Params::new(arrived.params.take());
        let work = async move {
            let cx = if later_round { cx.answered(earlier(&registry, &name, params.raw())?) } else { cx };
            let outcome = registry.answer(method, &params, cx.clone()).await;
            finish(&name, || binding(&name, params.raw()), &cx, outcome)
        };
        Ok(Work::Later(Box::pin(work), None))
    }

    fn discovered(&self) -> Value {
        let registry = self.shared.server.registry();
        let supported: Vec<&str> = Revision::of(Era::Modern).map(Revision::as_str).collect();
        let mut result =
            json!({ "supportedVersions": supported, "capabilities": registry.capabilities(Revision::LATEST) });
        if let Some(instructions) = registry.instructions() {
            result["instructions"] = instructions.into();
        }
        result
    }

    fn asker(&self, caller: Arc<Caller>, meta: Object) -> Arc<Asker> {
        Arc::new(Asker { caller, meta, shared: Arc::clone(&self.shared) })
    }

    fn subscribe(&self, params: Option<&RawValue>) -> Outcome {
        let ResourceParams { uri, .. } = read(params)?;
        self.shared.changes.watch(&uri).map_err(NotWatched::rejection)?;
        written(&Object::new())
    }

    fn unsubscribe(&self, params: Option<&RawValue>) -> Outcome {
        let ResourceParams { uri, .. } = read(params)?;
        self.shared.changes.unwatch(&uri);
        written(&Object::new())
    }
}

/// What a request of the modern era is answered with, which may be a question.
pub(super) fn finish(
    method: &str,
    binding: impl FnOnce() -> Result<Binding, Rejection>,
    cx: &Context,
    outcome: Outcome,
) -> Outcome {
    let registry = cx.server().registry();
    let info = registry.info_json();
    match outcome {
        Ok(result) => complete(method, &result, info),
        Err(rejection) if rejection.is_needs_input() => {
            let (asked, answers) = cx.take_questions();
            let state = registry
                .state_key()
                .seal(binding()?, &answers, SystemTime::now())
                .map_err(|error| Rejection::internal(error.to_string()))?;
            input_required(&asked, &state, info)
        }
        Err(rejection) => Err(rejection),
    }
}

/// What a call of a later round has had answered up to here.
fn earlier(registry: &Registry, name: &str, params: Option<&RawValue>) -> Result<Questions, Rejection> {
    let round: Round = read(params)?;
    let earlier: Answers = match &round.request_state {
        Some(state) => registry
            .state_key()
            .open(binding(name, params)?, state, SystemTime::now())
            .map_err(|error| Rejection::invalid_params(error.to_string()))?,
        None => Answers::new(),
    };
    Ok(Questions::new(earlier, round.input_responses.unwrap_or_default()))
}

/// What the state of a call is bound to.
fn binding(method: &str, params: Option<&RawValue>) -> Result<Binding, Rejection> {
    let params: Object = read(params)?;
    Ok(Binding::of(method, &params))
}

/// What stands beside the parameters of a call in its second round, and after.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Round {
    input_responses: Option<Object>,
    request_state: Option<String>,
}

#[derive(serde::Deserialize)]
struct Meta {
    #[serde(rename = "_meta")]
    meta: Option<Object>,
}

fn meta(params: Option<&RawValue>) -> Result<Object, Rejection> {
    let Meta { meta } = read(params)?;
    Ok(meta.unwrap_or_default())
}

/// The revision that a request of the modern era is written in.
fn revision(meta: &Object) -> Result<Revision, Rejection> {
    let Some(Value::String(name)) = meta.get(VERSION) else {
        return Err(Rejection::invalid_params(format!("{VERSION} must be a string")));
    };
    Revision::from_name(name).filter(|it| it.era() == Era::Modern).ok_or_else(|| {
        let supported: Vec<&str> = Revision::of(Era::Modern).map(Revision::as_str).collect();
        let message = format!("this server speaks {}, and not that revision", supported.join(", "));
        Rejection::new(UNSUPPORTED_VERSION, message).with_data(json!({ "supported": supported, "requested": name }))
    })
}

/// Who sends it.
fn caller(revision: Revision, meta: &Object) -> Result<Caller, Rejection> {
    if !meta.get(CAPABILITIES).is_some_and(Value::is_object) {
        return Err(Rejection::invalid_params(format!("_meta must have {CAPABILITIES}, an object")));
    }
    let said: RequestMeta = serde_json::from_value(Value::Object(meta.clone()))
        .map_err(|error| Rejection::invalid_params(format!("_meta does not fit: {error}")))?;
    Ok(Caller {
        revision,
        capabilities: said.client_capabilities.unwrap_or_default(),
        info: said.client_info,
        log: LogFilter::new(said.log_level),
    })
}

fn set_level(caller: &Caller, params: Option<&RawValue>) -> Outcome {
    let SetLevelParams { level, .. } = read(params)?;
    caller.log.set(level);
    written(&Object::new())
}
