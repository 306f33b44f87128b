//! The way out: whole lines, one at a time, whichever thread they come from.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// Where messages go. Cheap to clone.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<dyn Write + Send>>);

impl Output {
    pub(super) fn stdout() -> Self {
        Self::new(io::stdout())
    }

    pub(super) fn new(sink: impl Write + Send + 'static) -> Self {
        Output(Arc::new(Mutex::new(sink)))
    }

    /// Writes one message and its newline.
    pub(super) fn send(&self, message: &Value) -> io::Result<()> {
        let mut line = message.to_string();
        line.push('\n');
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sink.write_all(line.as_bytes())?;
        sink.flush()
    }
}

/// Where the answer to one request goes. Dropped unused, there is no answer.
pub(super) struct Reply {
    id: Value,
    to: To,
}

#[derive(Clone)]
enum To {
    Alone(Output),
    Batch(Arc<Batch>),
}

/// The answers to the requests of one batch: they leave together, when the last request is done with.
pub(super) struct Batch {
    output: Output,
    answers: Mutex<Vec<Value>>,
}

impl Batch {
    pub(super) fn new(output: Output) -> Arc<Self> {
        Arc::new(Batch { output, answers: Mutex::default() })
    }

    fn push(&self, answer: Value) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let answers = std::mem::take(self.answers.get_mut().unwrap_or_else(PoisonError::into_inner));
        if !answers.is_empty() {
            // If the client is gone, the next read says so.
            _ = self.output.send(&Value::Array(answers));
        }
    }
}

impl Reply {
    pub(super) fn alone(id: Value, output: &Output) -> Self {
        Reply { id, to: To::Alone(output.clone()) }
    }

    pub(super) fn in_batch(id: Value, batch: &Arc<Batch>) -> Self {
        Reply { id, to: To::Batch(batch.clone()) }
    }

    pub(super) fn result(self, result: Value) -> io::Result<()> {
        let answer = json!({"jsonrpc": "2.0", "id": self.id, "result": result});
        self.to.send(answer)
    }

    pub(super) fn error(self, error: Error) -> io::Result<()> {
        let answer = json!({"jsonrpc": "2.0", "id": self.id, "error": {"code": error.code, "message": error.message}});
        self.to.send(answer)
    }

    pub(super) fn either(self, outcome: Result<Value, Error>) -> io::Result<()> {
        match outcome {
            Ok(result) => self.result(result),
            Err(error) => self.error(error),
        }
    }
}

impl To {
    fn send(self, answer: Value) -> io::Result<()> {
        match self {
            To::Alone(output) => output.send(&answer),
            To::Batch(batch) => {
                batch.push(answer);
                Ok(())
            }
        }
    }
}

/// An error of the protocol.
#[derive(Debug)]
pub(super) struct Error {
    code: i32,
    message: String,
}

impl Error {
    pub(super) fn parse(message: impl Into<String>) -> Self {
        Error { code: -32700, message: message.into() }
    }

    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Error { code: -32600, message: message.into() }
    }

    pub(super) fn unknown_method(method: &str) -> Self {
        Error { code: -32601, message: format!("unknown method {method:?}") }
    }

    pub(super) fn no_resource(message: impl Into<String>) -> Self {
        Error { code: -32002, message: message.into() }
    }

    pub(super) fn invalid_params(message: impl Into<String>) -> Self {
        Error { code: -32602, message: message.into() }
    }
}
