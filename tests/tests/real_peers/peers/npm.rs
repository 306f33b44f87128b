//! The reference servers of npm, each started as its page there says.

use std::fs;
use std::path::Path;

use scope_mcp::Era;
use scope_mcp::model::{CompleteParams, CompletionReference};
use scope_process::Ended;
use serde_json::{Value, json};

use super::{Call, MANY, Offers, Origin, Peer, Start, call, installed};

fn npx(args: &[&str], env: Vec<(&'static str, String)>) -> Start {
    Start {
        command: "npx".into(),
        args: ["--no-install"].iter().chain(args).map(|arg| (*arg).to_owned()).collect(),
        env,
        cwd: installed().join("npm"),
    }
}

/// `@modelcontextprotocol/server-everything`
pub(crate) struct Everything;

impl Peer for Everything {
    fn name(&self) -> &'static str {
        "everything"
    }

    fn origin(&self) -> Origin {
        Origin::Npm("mcp-server-everything")
    }

    fn start(&self, _scratch: &Path) -> Start {
        npx(&["mcp-server-everything", "stdio"], vec![])
    }

    fn tools(&self) -> &'static [&'static str] {
        &["echo", "get-sum", "trigger-long-running-operation"]
    }

    fn succeeds(&self, _scratch: &Path) -> Call {
        call("get-sum", json!({"a": 20, "b": 22}), "42")
    }

    fn fails(&self, _scratch: &Path) -> Call {
        call("echo", json!({}), "Invalid arguments for tool echo")
    }

    fn one_of_many(&self, i: usize, _scratch: &Path) -> Call {
        call("echo", json!({"message": format!("<{i}>")}), format!("Echo: <{i}>"))
    }

    fn offers(&self, _era: Era) -> Offers {
        let completion = |reference, name, begun| CompleteParams::new(reference, name, begun);
        Offers {
            resources: vec!["demo://resource/static/document/features.md"],
            templates: vec!["demo://resource/dynamic/text/{resourceId}", "demo://resource/dynamic/blob/{resourceId}"],
            prompts: vec!["simple-prompt", "args-prompt"],
            reads: vec![("demo://resource/dynamic/text/7", "Resource 7")],
            gets: vec![("args-prompt", json!({"city": "Oslo"}), "What's weather in Oslo?".to_owned())],
            completes: vec![
                (completion(CompletionReference::prompt("completable-prompt"), "department", "E"), vec!["Engineering"]),
                (
                    completion(
                        CompletionReference::resource("demo://resource/dynamic/text/{resourceId}"),
                        "resourceId",
                        "12",
                    ),
                    vec!["12"],
                ),
            ],
            asks_back: vec![call("trigger-elicitation-request", json!({}), "Ada")],
            changes: vec![],
            tasks: vec![call(
                "simulate-research-query",
                json!({"topic": "python", "ambiguous": true}),
                "After receiving clarification (",
            )],
        }
    }

    fn slow(&self) -> Option<Call> {
        Some(call("trigger-long-running-operation", json!({"duration": 600, "steps": 2}), "never"))
    }

    fn says_on_stderr(&self) -> &'static str {
        "Starting default (STDIO) server"
    }

    /// It does not stop what it was told to stop, so it does not leave at the end of its input.
    fn ends(&self) -> Ended {
        Ended::AtTerm
    }
}

/// `@modelcontextprotocol/server-memory`
pub(crate) struct Memory;

fn node(i: usize) -> String {
    format!("node-{i}-")
}

impl Peer for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn origin(&self) -> Origin {
        Origin::Npm("mcp-server-memory")
    }

    fn start(&self, scratch: &Path) -> Start {
        let file = scratch.join("memory.jsonl");
        npx(&["mcp-server-memory"], vec![("MEMORY_FILE_PATH", file.display().to_string())])
    }

    fn tools(&self) -> &'static [&'static str] {
        &["create_entities", "open_nodes", "read_graph"]
    }

    fn succeeds(&self, _scratch: &Path) -> Call {
        let entity = |i| json!({"name": node(i), "entityType": "number", "observations": [format!("is {i}")]});
        let entities: Vec<Value> = (0..MANY).map(entity).collect();
        call("create_entities", json!({"entities": entities}), node(MANY - 1))
    }

    fn fails(&self, _scratch: &Path) -> Call {
        call(
            "add_observations",
            json!({"observations": [{"entityName": "nobody", "contents": ["x"]}]}),
            "Entity with name nobody not found",
        )
    }

    fn one_of_many(&self, i: usize, _scratch: &Path) -> Call {
        call("open_nodes", json!({"names": [node(i)]}), node(i))
    }

    fn says_on_stderr(&self) -> &'static str {
        "Knowledge Graph MCP Server running on stdio"
    }
}

/// `@modelcontextprotocol/server-filesystem`
pub(crate) struct Filesystem;

fn file(i: usize) -> String {
    format!("{i}.txt")
}

fn content(i: usize) -> String {
    format!("file {i} ends here\n")
}

impl Peer for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn origin(&self) -> Origin {
        Origin::Npm("mcp-server-filesystem")
    }

    fn start(&self, scratch: &Path) -> Start {
        npx(&["mcp-server-filesystem", &scratch.display().to_string()], vec![])
    }

    fn prepare(&self, scratch: &Path) {
        for i in 0..MANY {
            fs::write(scratch.join(file(i)), content(i)).expect("the scratch directory should be writable");
        }
    }

    fn tools(&self) -> &'static [&'static str] {
        &["read_text_file", "write_file", "list_allowed_directories"]
    }

    fn fails(&self, _scratch: &Path) -> Call {
        call("read_text_file", json!({"path": "/etc/passwd"}), "Access denied")
    }

    fn one_of_many(&self, i: usize, scratch: &Path) -> Call {
        call("read_text_file", json!({"path": scratch.join(file(i))}), content(i))
    }

    fn says_on_stderr(&self) -> &'static str {
        "Secure MCP Filesystem Server running on stdio"
    }
}

/// `@modelcontextprotocol/server-sequential-thinking`
pub(crate) struct SequentialThinking;

impl Peer for SequentialThinking {
    fn name(&self) -> &'static str {
        "sequential-thinking"
    }

    fn origin(&self) -> Origin {
        Origin::Npm("mcp-server-sequential-thinking")
    }

    fn start(&self, _scratch: &Path) -> Start {
        npx(&["mcp-server-sequential-thinking"], vec![])
    }

    fn tools(&self) -> &'static [&'static str] {
        &["sequentialthinking"]
    }

    fn fails(&self, _scratch: &Path) -> Call {
        call("sequentialthinking", json!({"thought": "a thought"}), "Invalid arguments for tool sequentialthinking")
    }

    fn one_of_many(&self, i: usize, _scratch: &Path) -> Call {
        let number = 1000 + i;
        let thought =
            json!({"thought": "one more", "nextThoughtNeeded": true, "thoughtNumber": number, "totalThoughts": 2000});
        call("sequentialthinking", thought, format!("\"thoughtNumber\": {number}"))
    }

    /// It draws every thought there; what it said at first is too long ago.
    fn says_on_stderr(&self) -> &'static str {
        "Thought 1001/2000"
    }
}
