//! What is done for each request, by the era it belongs to.
//!
//! A request that says in its `_meta` what it speaks is of the modern era, and stands for itself. Any other is of the legacy
//! era, which begins with `initialize`. One connection can have both.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Server;
use super::answer::{complete, input_required};
use super::ask::{Answers, Questions};
use super::caller::{Caller, LogFilter};
use super::changes::NotWatched;
use super::context::Context;
use super::listen::listen;
use super::shared::Shared;
use super::state::Binding;
use super::tasks::{self, About, NewTask};
use super::typed::{read, written};
use crate::era::{CAPABILITIES, VERSION};
use crate::jsonrpc::{BUSY, INVALID_REQUEST, Rejection};
use crate::model::{InitializeParams, ListenParams, LoggingLevel, Object, RequestMeta, ResourceParams, SetLevelParams};
use crate::peer::{Outcome, Work};
use crate::session::{Arrived, Session};
use crate::{Era, Revision};

/// The revision that a request speaks is not spoken here.
const UNSUPPORTED_VERSION: i64 = -32022;

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Dispatch {
    pub(super) server: Server,
    pub(super) shared: Arc<Shared>,
    /// The connection is being closed on this side: nothing new is begun.
    closing: bool,
}

impl Dispatch {
    pub(super) fn new(server: Server, shared: Arc<Shared>) -> Dispatch {
        Dispatch { server, shared, closing: false }
    }

    pub(super) fn refuse_more(&mut self) {
        self.closing = true;
    }

    pub(super) fn respond(&self, session: &mut Session, arrived: &Arrived) -> Work {
        self.work(session, arrived).unwrap_or_else(|rejection| Work::Now(Err(rejection)))
    }

    fn work(&self, session: &mut Session, arrived: &Arrived) -> Result<Work, Rejection> {
        if self.closing {
            return Err(Rejection::new(BUSY, "this server is closing the connection"));
        }
        if arrived.params.as_ref().is_some_and(|params| !params.get().starts_with('{')) {
            // The fields of a list could be read one by one, and nobody would mean that.
            return Err(Rejection::invalid_params("the parameters of a request must be an object"));
        }
        let meta = meta(arrived.params.as_deref())?;
        if meta.contains_key(VERSION) {
            return self.modern(arrived, meta);
        }
        match (&*arrived.method, self.shared.legacy.get()) {
            ("initialize", None) => self.initialize(session, arrived.params.as_deref()),
            ("initialize", Some(_)) => {
                Err(Rejection::new(INVALID_REQUEST, "this connection has been initialized already"))
            }
            (_, Some(caller)) => self.legacy(Arc::clone(caller), arrived, meta),
            (_, None) => Err(Rejection::invalid_params(format!(
                "_meta must have {VERSION} (this server speaks {}), or the connection begin with initialize",
                Revision::LATEST
            ))),
        }
    }

    fn initialize(&self, session: &mut Session, params: Option<&RawValue>) -> Result<Work, Rejection> {
        let params: InitializeParams = read(params)?;
        let asked = Revision::from_name(&params.protocol_version).filter(|it| it.era() == Era::Legacy);
        let revision = asked.unwrap_or(Revision::LATEST_LEGACY);
        let registry = self.server.registry();
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
        let _ = self.shared.legacy.set(Arc::new(caller));
        session.agreed(revision);
        tracing::debug!(client = &*self.shared.client, %revision, "initialized");
        Ok(Work::Now(written(&result)))
    }

    fn legacy(&self, caller: Arc<Caller>, arrived: &Arrived, meta: Object) -> Result<Work, Rejection> {
        let registry = self.server.registry();
        let params = arrived.params.as_deref();
        if let Some(about) = self.about_tasks(caller.revision, &arrived.method) {
            return tasks::answer(&self.shared, &caller, registry.page_size(), about, params);
        }
        Ok(match &*arrived.method {
            "logging/setLevel" if registry.logs() => Work::Now(set_level(&caller, params)),
            "resources/subscribe" if registry.tells_of_resources() => Work::Now(self.subscribe(params)),
            "resources/unsubscribe" if registry.tells_of_resources() => Work::Now(self.unsubscribe(params)),
            method => {
                let task = self.becomes_task(&caller, arrived)?;
                let cx = self.context(arrived, caller, meta, Questions::default());
                if let Some(task) = task {
                    return Ok(Work::Now(tasks::begin(registry, &self.shared, task, arrived.params.clone(), &cx)));
                }
                match registry.dispatch(method, arrived.params.clone(), cx) {
                    Some(work) => Work::Later(work),
                    None => Work::Now(Err(Rejection::method_not_found(method))),
                }
            }
        })
    }

    fn about_tasks(&self, revision: Revision, method: &str) -> Option<About> {
        tasks::form(revision).filter(|_| self.server.registry().has_tasks()).and_then(|form| About::of(form, method))
    }

    fn becomes_task(&self, caller: &Caller, arrived: &Arrived) -> Result<Option<NewTask>, Rejection> {
        if &*arrived.method != "tools/call" {
            return Ok(None);
        }
        tasks::wanted(self.server.registry(), caller, arrived.params.as_deref())
    }

    fn modern(&self, arrived: &Arrived, meta: Object) -> Result<Work, Rejection> {
        let revision = match meta.get(VERSION) {
            Some(Value::String(name)) => {
                Revision::from_name(name).filter(|it| it.era() == Era::Modern).ok_or_else(|| {
                    let supported: Vec<&str> = Revision::of(Era::Modern).map(Revision::as_str).collect();
                    let message = format!("this server speaks {}, and not that revision", supported.join(", "));
                    Rejection::new(UNSUPPORTED_VERSION, message)
                        .with_data(json!({ "supported": supported, "requested": name }))
                })?
            }
            _ => return Err(Rejection::invalid_params(format!("{VERSION} must be a string"))),
        };
        let discovers = &*arrived.method == "server/discover";
        let listens = &*arrived.method == "subscriptions/listen";
        let about = self.about_tasks(revision, &arrived.method);
        if !discovers && !listens && about.is_none() && !self.server.registry().offers(&arrived.method) {
            return Err(Rejection::method_not_found(&arrived.method));
        }
        if !meta.get(CAPABILITIES).is_some_and(Value::is_object) {
            return Err(Rejection::invalid_params(format!("_meta must have {CAPABILITIES}, an object")));
        }
        let said: RequestMeta = serde_json::from_value(Value::Object(meta.clone()))
            .map_err(|error| Rejection::invalid_params(format!("_meta does not fit: {error}")))?;
        let caller = Arc::new(Caller {
            revision,
            capabilities: said.client_capabilities.unwrap_or_default(),
            info: said.client_info,
            log: LogFilter::new(said.log_level),
        });
        let info = self.server.registry().info_json();
        if discovers {
            let result = written(&self.discovered());
            return Ok(Work::Now(result.and_then(|result| complete("server/discover", &result, &info))));
        }
        if listens {
            let params: ListenParams = read(arrived.params.as_deref())?;
            let listening = listen(self.server.clone(), Arc::clone(&self.shared), caller, arrived.id.clone(), params);
            return Ok(Work::Later(Box::pin(
                async move { complete("subscriptions/listen", &listening.await?, &info) },
            )));
        }
        if let Some(about) = about {
            let size = self.server.registry().page_size();
            let params = arrived.params.as_deref();
            return Ok(match tasks::answer(&self.shared, &caller, size, about, params)? {
                Work::Now(outcome) => Work::Now(outcome.and_then(|result| complete(&arrived.method, &result, &info))),
                later => later,
            });
        }
        if let Some(task) = self.becomes_task(&caller, arrived)? {
            let cx = self.context(arrived, caller, meta, Questions::default());
            let created = tasks::begin(self.server.registry(), &self.shared, task, arrived.params.clone(), &cx);
            return Ok(Work::Now(created.and_then(|result| complete(&arrived.method, &result, &info))));
        }
        let this = self.clone();
        let arrived = arrived.clone();
        Ok(Work::Later(Box::pin(async move { this.run(&arrived, caller, meta, &info).await })))
    }

    /// Runs a request of the modern era, which may ask the client something.
    async fn run(&self, arrived: &Arrived, caller: Arc<Caller>, meta: Object, info: &str) -> Outcome {
        let registry = self.server.registry();
        let round: Round = read(arrived.params.as_deref())?;
        let binding = || -> Result<Binding, Rejection> {
            let params: Object = read(arrived.params.as_deref())?;
            Ok(Binding::of(&arrived.method, &params))
        };
        let earlier: Answers = match &round.request_state {
            Some(state) => registry
                .state_key()
                .open(binding()?, state, SystemTime::now())
                .map_err(|error| Rejection::invalid_params(error.to_string()))?,
            None => Answers::new(),
        };
        let questions = Questions::new(earlier, round.input_responses.unwrap_or_default());
        let cx = self.context(arrived, caller, meta, questions);
        let Some(work) = registry.dispatch(&arrived.method, arrived.params.clone(), cx.clone()) else {
            return Err(Rejection::method_not_found(&arrived.method));
        };
        match work.await {
            Ok(result) => complete(&arrived.method, &result, info),
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

    fn discovered(&self) -> Value {
        let registry = self.server.registry();
        let supported: Vec<&str> = Revision::of(Era::Modern).map(Revision::as_str).collect();
        let mut result =
            json!({ "supportedVersions": supported, "capabilities": registry.capabilities(Revision::LATEST) });
        if let Some(instructions) = registry.instructions() {
            result["instructions"] = instructions.into();
        }
        result
    }

    fn context(&self, arrived: &Arrived, caller: Arc<Caller>, meta: Object, questions: Questions) -> Context {
        Context::new(arrived.id.clone(), caller, meta, self.server.clone(), Arc::clone(&self.shared), questions)
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

fn set_level(caller: &Caller, params: Option<&RawValue>) -> Outcome {
    let SetLevelParams { level, .. } = read(params)?;
    caller.log.set(level);
    written(&Object::new())
}
