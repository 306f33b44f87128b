//! What a host starts as a server, and calls there.

use std::env;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::Plan;
use crate::kinds::Server;
use crate::npx;

/// The name of the variable that the mark is the value of.
pub(crate) const VARIABLE: &str = "SCOPE_LEAKS_MARK";

/// A program to start.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) cwd: Option<PathBuf>,
}

/// How the server is started.
pub(crate) fn start(plan: &Plan) -> Start {
    if plan.server == Server::Npx {
        return npx::start();
    }
    let command = env::current_exe().expect("a process knows its program").into_os_string().into_string();
    let args = ["--server", plan.server.name(), &plan.socket, &plan.mark].map(str::to_owned).to_vec();
    Start { command: command.expect("cargo's paths are UTF-8"), args, cwd: None }
}

/// A call that is answered at once: when it is, the server has read all that came before.
pub(crate) fn echo() -> (&'static str, Value) {
    ("echo", json!({"message": "here"}))
}

/// A call that is never answered.
pub(crate) fn hang() -> (&'static str, Value) {
    ("trigger-long-running-operation", json!({"duration": 600, "steps": 2}))
}

/// A call that the pipe takes a small part of.
pub(crate) fn large() -> (&'static str, Value) {
    ("hang", json!({"message": "x".repeat(4 << 20)}))
}
