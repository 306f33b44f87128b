//! One client's session: which message is what, and which answer it gets.

use std::cell::Cell;
use std::io;

use serde_json::{Map, Value, json};

use super::output::{Batch, Error, Output, Reply};
use super::revision::Revision;
use super::running::Running;
use super::{prompts, resources, tools};

/// The state of the conversation. It lives on the thread that reads.
pub(super) struct Session {
    output: Output,
    running: Running,
    /// Unknown before `initialize`.
    revision: Cell<Option<Revision>>,
}

impl Session {
    pub(super) fn new(output: Output) -> Self {
        Session { output, running: Running::default(), revision: Cell::new(None) }
    }

    /// Handles one line.
    pub(super) fn message(&self, line: &[u8]) -> io::Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let message: Value = match serde_json::from_slice(line) {
            Ok(message) => message,
            Err(error) => return self.refuse(Error::parse(format!("this is not JSON: {error}"))),
        };
        match message {
            Value::Array(batch) if self.revision.get().is_some_and(Revision::has_batches) && !batch.is_empty() => {
                let answers = Batch::new(self.output.clone());
                batch.into_iter().try_for_each(|one| self.one(one, |id| Reply::in_batch(id, &answers)))
            }
            one => self.one(one, |id| Reply::alone(id, &self.output)),
        }
    }

    /// Says that a line was longer than `limit` bytes, and skipped.
    pub(super) fn too_long(&self, limit: usize) -> io::Result<()> {
        self.refuse(Error::invalid_request(format!("a message may have {limit} bytes, and this one had more")))
    }

    /// Answers what has no id that could be trusted.
    fn refuse(&self, error: Error) -> io::Result<()> {
        Reply::alone(Value::Null, &self.output).error(error)
    }

    fn one(&self, message: Value, reply: impl Fn(Value) -> Reply) -> io::Result<()> {
        let Value::Object(mut message) = message else {
            return reply(Value::Null).error(Error::invalid_request("a message is a JSON object"));
        };
        let id = message.remove("id");
        let usable = matches!(&id, None | Some(Value::String(_) | Value::Number(_)));
        let params = message.remove("params").unwrap_or_else(|| json!({}));
        match (message.get("method"), params, id) {
            (Some(Value::String(method)), Value::Object(params), Some(id)) if usable => {
                self.request(method, &params, id.clone(), reply(id))
            }
            (Some(Value::String(method)), Value::Object(params), None) => {
                self.notification(method, &params);
                Ok(())
            }
            // An answer. We never ask, so it is none of ours.
            (None, _, Some(_)) if message.contains_key("result") || message.contains_key("error") => Ok(()),
            (_, _, id) => {
                let id = id.filter(|_| usable).unwrap_or(Value::Null);
                let why = "a request has a \"method\", an \"id\" that is a string or a number, and \"params\" that \
                           are an object, if it has any";
                reply(id).error(Error::invalid_request(why))
            }
        }
    }

    fn notification(&self, method: &str, params: &Map<String, Value>) {
        if method == "notifications/cancelled"
            && let Some(id) = params.get("requestId")
        {
            self.running.cancel(id);
        }
    }

    fn request(&self, method: &str, params: &Map<String, Value>, id: Value, reply: Reply) -> io::Result<()> {
        let cursor = params.get("cursor");
        match method {
            "initialize" => reply.either(self.initialize(params)),
            "ping" => reply.result(json!({})),
            "tools/list" => reply.either(self.agreed(method).and_then(|revision| tools::list(cursor, revision))),
            "tools/call" => match self.agreed(method) {
                Ok(revision) => {
                    tools::Call { params, revision, id, output: &self.output, running: &self.running }.run(reply)
                }
                Err(error) => reply.error(error),
            },
            "resources/list" => {
                reply.either(self.agreed(method).and_then(|revision| resources::list(cursor, revision)))
            }
            "resources/templates/list" => reply.either(self.agreed(method).and_then(|_| resources::templates(cursor))),
            "resources/read" => reply.either(self.agreed(method).and_then(|_| resources::read(params))),
            "prompts/list" => reply.either(self.agreed(method).and_then(|revision| prompts::list(cursor, revision))),
            "prompts/get" => reply.either(self.agreed(method).and_then(|_| prompts::get(params))),
            _ => reply.error(Error::unknown_method(method)),
        }
    }

    /// What was agreed upon in the beginning.
    fn agreed(&self, method: &str) -> Result<Revision, Error> {
        self.revision.get().ok_or_else(|| Error::invalid_request(format!("{method:?} comes after \"initialize\"")))
    }

    fn initialize(&self, params: &Map<String, Value>) -> Result<Value, Error> {
        let Some(Value::String(wanted)) = params.get("protocolVersion") else {
            return Err(Error::invalid_params("\"protocolVersion\" should be a string"));
        };
        let revision = Revision::negotiate(wanted);
        self.revision.set(Some(revision));
        let mut server = json!({"name": "scope-mcp-bundled", "version": env!("CARGO_PKG_VERSION")});
        if revision.has_titles() {
            server["title"] = json!("The server bundled with scope-mcp");
        }
        Ok(json!({
            "protocolVersion": revision.as_str(),
            "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
            "serverInfo": server,
            "instructions": "To try a client on. Tools: text back, a sum, time that passes, an error, a child process. Besides, \
                             resources of text and bytes, and prompts.",
        }))
    }
}
