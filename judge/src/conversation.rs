//! Which type of which revision each message of a conversation is to be.

use std::collections::HashMap;

use serde_json::Value;

use crate::schemas::Revision;
use crate::{Schemas, Side, extension};

/// Where a request of the modern era names its revision.
const MODERN_REVISION: &str = "io.modelcontextprotocol/protocolVersion";

/// A request that was heard.
pub(crate) struct Asked {
    pub(crate) method: String,
    revision: String,
    pub(crate) progress_token: Option<Value>,
    /// The client wants a task instead of the result (2025-11-25).
    as_task: bool,
    pub(crate) became_task: bool,
    pub(crate) answered: bool,
}

impl Asked {
    /// Whether it is answered with a task: in the core a field of the result says so, in the extension its type.
    fn becomes_task(&self, result: &Value) -> bool {
        let (instead_of, kind, _) = extension::TASK_INSTEAD;
        (self.as_task && result.get("task").is_some()) || (self.method == instead_of && result["resultType"] == kind)
    }
}

/// What a message was to be, and why it is not.
pub(crate) struct Verdict {
    pub(crate) revision: String,
    pub(crate) type_name: String,
    pub(crate) reasons: Vec<String>,
}

pub(crate) struct Conversation {
    schemas: Schemas,
    /// The one spoken, as far as is known: that of the last handshake, or of the last request that was answered.
    revision: Option<String>,
    /// By who asked and the id as it is written.
    asked: HashMap<(Side, String), Asked>,
}

impl Conversation {
    pub(crate) fn new(schemas: Schemas) -> Conversation {
        Conversation { schemas, revision: None, asked: HashMap::new() }
    }

    /// The revision that counts where a message does not name another.
    pub(crate) fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("2025-11-25")
    }

    pub(crate) fn hear(&mut self, side: Side, message: &Value) -> Verdict {
        match (message.get("method"), message.get("id")) {
            (Some(Value::String(method)), Some(id)) => self.request(side, method, id, message),
            (Some(Value::String(method)), None) => self.notification(side, method, message),
            (None, _) if message.get("result").is_some() || message.get("error").is_some() => {
                self.answer(side, message)
            }
            _ => self
                .verdict(self.revision(), "JSONRPCMessage", |revision| revision.check("JSONRPCMessage", "", message)),
        }
    }

    fn request(&mut self, side: Side, method: &str, id: &Value, message: &Value) -> Verdict {
        let params = &message["params"];
        let named = match method {
            "initialize" => params["protocolVersion"].as_str(),
            _ => params["_meta"][MODERN_REVISION].as_str(),
        };
        let known = named.filter(|name| self.schemas.revision(name).is_some());
        let revision = known.unwrap_or(self.revision()).to_owned();
        if self.revision.is_none() {
            self.revision = Some(revision.clone());
        }
        let as_task = params.get("task").is_some();
        let asked = Asked {
            method: method.to_owned(),
            revision: revision.clone(),
            progress_token: params["_meta"].get("progressToken").cloned(),
            as_task,
            became_task: false,
            answered: false,
        };
        let before = self.asked.insert((side, id.to_string()), asked);
        let union = match side {
            Side::Client => "ClientRequest",
            Side::Server => "ServerRequest",
        };
        let mut verdict = self.by_method(&revision, union, method, message);
        if before.is_some_and(|before| !before.answered) {
            verdict.reasons.push("/id: a request with this id has not been answered yet".to_owned());
        }
        verdict
    }

    fn notification(&mut self, side: Side, method: &str, message: &Value) -> Verdict {
        let union = match side {
            Side::Client => "ClientNotification",
            Side::Server => "ServerNotification",
        };
        // What is about a request is written as that was; in the opening there may be requests of both eras.
        let about = match method {
            "notifications/cancelled" => message["params"].get("requestId"),
            _ => None,
        };
        let about = about.and_then(|id| self.asked(side, id).or_else(|| self.asked(side.other(), id)));
        let revision = about.map_or(self.revision(), |asked| &asked.revision).to_owned();
        let mut verdict = self.by_method(&revision, union, method, message);
        if verdict.reasons.is_empty() {
            verdict.reasons.extend(self.misplaced(side, &revision, method, &message["params"]));
        }
        verdict
    }

    /// The request that `side` made with that id, the last one if there were several.
    pub(crate) fn asked(&self, side: Side, id: &Value) -> Option<&Asked> {
        self.asked.get(&(side, id.to_string()))
    }

    pub(crate) fn all_asked(&self, side: Side) -> impl Iterator<Item = &Asked> {
        self.asked.iter().filter(move |((asker, _), _)| *asker == side).map(|(_, asked)| asked)
    }

    fn by_method(&self, revision: &str, union: &str, method: &str, message: &Value) -> Verdict {
        let known = self.schemas.revision(revision).and_then(|it| it.type_of_method(union, method));
        // The types of older revisions say nothing of the envelope.
        let envelope = if message.get("id").is_some() { "JSONRPCRequest" } else { "JSONRPCNotification" };
        match known {
            Some(type_name) => self.verdict(revision, type_name, |revision| {
                let mut reasons = revision.check(type_name, "", message);
                reasons.extend(revision.check(envelope, "", message));
                reasons.dedup();
                reasons
            }),
            None => self.verdict(revision, method, |_| vec![format!("{union} has no such method")]),
        }
    }

    fn answer(&mut self, side: Side, message: &Value) -> Verdict {
        let id = message.get("id").filter(|id| !id.is_null());
        let asked = id.and_then(|id| self.asked.get_mut(&(side.other(), id.to_string())));
        let twice = asked.as_ref().is_some_and(|asked| asked.answered);
        if let Some(asked) = asked {
            asked.answered = true;
            asked.became_task = asked.becomes_task(&message["result"]);
        }
        let asked = id.and_then(|id| self.asked(side.other(), id));
        let spoken = asked.map_or(self.revision(), |asked| &asked.revision).to_owned();
        let mut verdict = match (message.get("error"), asked) {
            (Some(error), asked) => {
                let mut verdict = self.error(&spoken, error, message);
                // A line that could not be read may have been a request all the same.
                if asked.is_none() && id.is_some() && !is_unreadable(error) {
                    verdict.reasons.push("/id: nobody asked".to_owned());
                }
                verdict
            }
            (None, Some(asked)) => self.result(asked, message),
            (None, None) => {
                let reasons = vec!["/id: nobody asked".to_owned()];
                Verdict { revision: spoken.clone(), type_name: "JSONRPCResponse".to_owned(), reasons }
            }
        };
        if twice {
            verdict.reasons.push("/id: it has been answered before".to_owned());
        }
        if let Some(result) = message.get("result") {
            self.learn(side, &spoken, result, asked.map(|asked| asked.method.clone()).as_deref());
        }
        verdict
    }

    /// An answer tells which revision is spoken from here on.
    fn learn(&mut self, side: Side, spoken: &str, result: &Value, method: Option<&str>) {
        let agreed = match method {
            Some("initialize") => {
                result["protocolVersion"].as_str().filter(|name| self.schemas.revision(name).is_some())
            }
            _ => Some(spoken),
        };
        if let Some(agreed) = agreed.filter(|_| side == Side::Server) {
            self.revision = Some(agreed.to_owned());
        }
    }

    fn result(&self, asked: &Asked, message: &Value) -> Verdict {
        let result = &message["result"];
        let by = match asked.method.as_str() {
            // The server may choose another revision than it was asked for.
            "initialize" => result["protocolVersion"].as_str().unwrap_or(&asked.revision),
            _ => &asked.revision,
        };
        let unions = ["ClientRequest", "ServerRequest"];
        let known = self.schemas.revision(by);
        let request = unions.iter().find_map(|union| known?.type_of_method(union, &asked.method));
        let (Some(known), Some(request)) = (known, request) else {
            let reasons = vec![format!("there is no revision {by} with the method {}", asked.method)];
            return Verdict { revision: by.to_owned(), type_name: asked.method.clone(), reasons };
        };
        let stem = request.strip_suffix("Request").unwrap_or(request);
        let (_, _, instead) = extension::TASK_INSTEAD;
        let task = asked.becomes_task(result);
        // Newer schemas have a type for the whole answer, which knows what else a result may be.
        let whole = format!("{stem}ResultResponse");
        if known.has(&whole) && !task {
            return self.verdict(by, &whole, |known| known.check(&whole, "", message));
        }
        let of_method = format!("{stem}Result");
        let type_name = match &*of_method {
            _ if task && known.has(instead) => instead,
            of_method if known.has(of_method) => of_method,
            _ => "EmptyResult",
        };
        let envelope = if known.has("JSONRPCResultResponse") { "JSONRPCResultResponse" } else { "JSONRPCResponse" };
        self.verdict(by, type_name, |known| {
            let mut reasons = known.check(envelope, "", message);
            reasons.extend(known.check(type_name, "/result", result));
            reasons
        })
    }

    fn error(&self, revision: &str, error: &Value, message: &Value) -> Verdict {
        let old = self.schemas.revision(revision).is_some_and(|known| known.has("JSONRPCError"));
        let type_name = if old { "JSONRPCError" } else { "JSONRPCErrorResponse" };
        let mut message = message.clone();
        if old && message["id"].is_null() && is_unreadable(error) {
            // JSON-RPC wants it so where the id could not be read; these schemas have no word for it.
            message["id"] = 0.into();
        }
        self.verdict(revision, type_name, |known| {
            let mut reasons = known.check(type_name, "", &message);
            if let Some(code) = error.get("code") {
                for special in known.types_of_error(code) {
                    reasons
                        .extend(known.check(special, "", &message).into_iter().map(|why| format!("{why} ({special})")));
                }
            }
            reasons
        })
    }

    fn verdict(&self, revision: &str, type_name: &str, judge: impl FnOnce(&Revision) -> Vec<String>) -> Verdict {
        let reasons = match self.schemas.revision(revision) {
            Some(known) => judge(known),
            None => vec![format!("there is no schema of the revision {revision}")],
        };
        Verdict { revision: revision.to_owned(), type_name: type_name.to_owned(), reasons }
    }
}

/// Whether an error says that the request could not be read.
fn is_unreadable(error: &Value) -> bool {
    matches!(error["code"].as_i64(), Some(-32700 | -32600))
}
