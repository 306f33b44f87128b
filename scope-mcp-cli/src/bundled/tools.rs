//! The tools, and how they are listed and called.

use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::arguments::{Arguments, Wrong};
use super::output::{Error, Output, Reply};
use super::page::page;
use super::revision::Revision;
use super::running::{Place, Running};
use crate::names;

struct Tool {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    /// Name, JSON type and description; all of them are required.
    arguments: &'static [(&'static str, &'static str, &'static str)],
    /// Likewise, of the structured result.
    result: &'static [(&'static str, &'static str, &'static str)],
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "echo",
        title: "Echo",
        description: "Says the text back.",
        arguments: &[("text", "string", "what to say back")],
        result: &[],
    },
    Tool {
        name: "add",
        title: "Add",
        description: "Adds two numbers.",
        arguments: &[("a", "number", "the first number"), ("b", "number", "the second number")],
        result: &[("sum", "number", "the sum")],
    },
    Tool {
        name: "sleep",
        title: "Sleep",
        description: "Answers after some seconds; reports progress, and can be cancelled.",
        arguments: &[("seconds", "number", "how long, from 0 to 3600")],
        result: &[],
    },
    Tool {
        name: "fail",
        title: "Fail",
        description: "Reports an error of its own.",
        arguments: &[("message", "string", "what the error says")],
        result: &[],
    },
    Tool {
        name: "spawn_child",
        title: "Spawn a child process",
        description: "Starts a process that sleeps, and leaves it running: whoever started this server has to end it.",
        arguments: &[("seconds", "number", "how long it sleeps, from 0 to 3600")],
        result: &[("pid", "integer", "the process that was started")],
    },
];

/// One page of tools.
pub(super) fn list(cursor: Option<&Value>, revision: Revision) -> Result<Value, Error> {
    page(cursor, "tools", TOOLS, |tool| tool.describe(revision))
}

impl Tool {
    fn describe(&self, revision: Revision) -> Value {
        let mut tool = json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": schema(self.arguments),
        });
        if revision.has_annotations() {
            tool["annotations"] = json!({"readOnlyHint": self.name != "spawn_child", "openWorldHint": false});
        }
        if revision.has_titles() {
            tool["title"] = json!(self.title);
        }
        if revision.has_structured_results() && !self.result.is_empty() {
            tool["outputSchema"] = schema(self.result);
        }
        tool
    }
}

fn schema(members: &[(&str, &str, &str)]) -> Value {
    let mut properties = Map::new();
    for (name, kind, description) in members {
        properties.insert((*name).to_owned(), json!({"type": kind, "description": description}));
    }
    let required: Vec<&str> = members.iter().map(|(name, ..)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// One call, on its way.
pub(super) struct Call<'a> {
    pub(super) params: &'a Map<String, Value>,
    pub(super) revision: Revision,
    pub(super) id: Value,
    pub(super) output: &'a Output,
    pub(super) running: &'a Running,
}

impl Call<'_> {
    /// Runs the tool. One that takes its time goes on in a thread of its own.
    pub(super) fn run(self, reply: Reply) -> io::Result<()> {
        let (tool, arguments) = match self.tool() {
            Ok(found) => found,
            Err(error) => return reply.error(error),
        };
        match self.start(tool, &arguments) {
            Ok(Started::Done(result)) => reply.result(result),
            Ok(Started::Sleep(seconds)) => self.sleep(seconds, reply),
            Err(wrong) if self.revision.wrong_arguments_are_the_tools_error() => reply.result(failure(wrong)),
            Err(wrong) => reply.error(Error::invalid_params(wrong)),
        }
    }

    fn tool(&self) -> Result<(&'static Tool, Map<String, Value>), Error> {
        let Some(Value::String(name)) = self.params.get("name") else {
            return Err(Error::invalid_params("\"name\" should be a string"));
        };
        let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
            let suggestion = names::suggestion(name, TOOLS.iter().map(|tool| tool.name));
            return Err(Error::invalid_params(format!("unknown tool {name:?}{suggestion}")));
        };
        match self.params.get("arguments") {
            None => Ok((tool, Map::new())),
            Some(Value::Object(arguments)) => Ok((tool, arguments.clone())),
            Some(_) => Err(Error::invalid_params("\"arguments\" should be an object")),
        }
    }

    fn start(&self, tool: &Tool, arguments: &Map<String, Value>) -> Result<Started, Wrong> {
        let known: Vec<&str> = tool.arguments.iter().map(|(name, ..)| *name).collect();
        let arguments = Arguments::of(arguments, &known)?;
        Ok(match tool.name {
            "echo" => Started::Done(success(arguments.text("text")?)),
            "add" => {
                let (a, b) = (arguments.number("a")?, arguments.number("b")?);
                let exact = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b)).map(Value::from);
                let sum = exact.or_else(|| {
                    let sum = a.as_f64()? + b.as_f64()?;
                    serde_json::Number::from_f64(sum).map(Value::Number)
                });
                Started::Done(match sum {
                    Some(sum) => self.structured(&sum.to_string(), json!({ "sum": sum })),
                    None => failure(format!("the sum of {a} and {b} is too large")),
                })
            }
            "sleep" => Started::Sleep(arguments.seconds("seconds")?),
            "fail" => Started::Done(failure(arguments.text("message")?.to_owned())),
            "spawn_child" => {
                let seconds = arguments.seconds("seconds")?;
                Started::Done(match spawn_child(seconds) {
                    Ok(pid) => {
                        self.structured(&format!("process {pid} sleeps for {seconds} seconds"), json!({ "pid": pid }))
                    }
                    Err(error) => failure(format!("`sleep {seconds}` could not be started: {error}")),
                })
            }
            other => unreachable!("the tool {other} is in the table above"),
        })
    }

    fn sleep(self, seconds: f64, reply: Reply) -> io::Result<()> {
        let Some(place) = self.running.enter(&self.id) else {
            return reply.result(failure("too many calls are in progress".to_owned()));
        };
        let progress = Progress {
            token: self.params.get("_meta").and_then(|meta| meta.get("progressToken")).cloned(),
            output: self.output.clone(),
            revision: self.revision,
            total: seconds,
        };
        // Shared, so that it is still here if no thread is to be had.
        let reply = Arc::new(Mutex::new(Some(reply)));
        let take = |reply: &Mutex<Option<Reply>>| reply.lock().unwrap_or_else(PoisonError::into_inner).take();
        let threads_reply = reply.clone();
        let sleeper = move || {
            if sleep(&place, seconds, &progress) {
                drop(place);
                if let Some(reply) = take(&threads_reply) {
                    // If the client is gone, the next read says so.
                    _ = reply.result(success(&format!("slept for {seconds} seconds")));
                }
            }
        };
        match thread::Builder::new().name("sleep".into()).stack_size(128 << 10).spawn(sleeper) {
            Ok(_) => Ok(()),
            Err(error) => match take(&reply) {
                Some(reply) => reply.result(failure(format!("no thread can be started: {error}"))),
                None => Ok(()),
            },
        }
    }

    fn structured(&self, text: &str, structured: Value) -> Value {
        let mut result = success(text);
        if self.revision.has_structured_results() {
            result["structuredContent"] = structured;
        }
        result
    }
}

enum Started {
    Done(Value),
    Sleep(f64),
}

fn success(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": false})
}

fn failure(text: String) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": true})
}

struct Progress {
    token: Option<Value>,
    output: Output,
    revision: Revision,
    total: f64,
}

impl Progress {
    const EVERY: Duration = Duration::from_millis(200);

    fn report(&self, elapsed: f64) {
        let Some(token) = &self.token else { return };
        let mut params = json!({"progressToken": token, "progress": elapsed, "total": self.total});
        if self.revision.has_progress_messages() {
            params["message"] = json!("asleep");
        }
        let message = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
        _ = self.output.send(&message);
    }
}

/// `false` if it was cancelled: there is no answer then.
fn sleep(place: &Place, seconds: f64, progress: &Progress) -> bool {
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        if !place.sleep(left.min(Progress::EVERY)) {
            return false;
        }
        progress.report(start.elapsed().as_secs_f64().min(seconds));
    }
}

fn spawn_child(seconds: f64) -> io::Result<u32> {
    let mut child = Command::new("sleep")
        .arg(seconds.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pid = child.id();
    // Someone has to collect it, or it stays as a zombie for as long as this server lives.
    thread::Builder::new().name("reaper".into()).stack_size(64 << 10).spawn(move || child.wait())?;
    Ok(pid)
}
