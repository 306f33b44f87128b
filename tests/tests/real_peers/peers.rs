//! The servers that people use, and what can be asked of each: how it is started, and calls whose outcome is known.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A call to one of a server's tools, and a piece of the text that must come back.
pub(crate) struct Call {
    pub(crate) tool: &'static str,
    pub(crate) arguments: Value,
    pub(crate) says: String,
}

fn call(tool: &'static str, arguments: Value, says: impl Into<String>) -> Call {
    Call { tool, arguments, says: says.into() }
}

/// How to start one.
pub(crate) struct Start {
    pub(crate) command: &'static str,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(&'static str, String)>,
    pub(crate) cwd: PathBuf,
}

/// A real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// npm `@modelcontextprotocol/server-everything`
    Everything,
    /// npm `@modelcontextprotocol/server-memory`
    Memory,
    /// npm `@modelcontextprotocol/server-filesystem`
    Filesystem,
    /// PyPI `mcp-server-time`
    Time,
}

impl Peer {
    pub(crate) const ALL: [Peer; 4] = [Peer::Everything, Peer::Memory, Peer::Filesystem, Peer::Time];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Everything => "everything",
            Peer::Memory => "memory",
            Peer::Filesystem => "filesystem",
            Peer::Time => "time",
        }
    }

    /// The script that `npx` runs, for those that come from npm.
    fn npm_script(self) -> Option<&'static str> {
        match self {
            Peer::Everything => Some("mcp-server-everything"),
            Peer::Memory => Some("mcp-server-memory"),
            Peer::Filesystem => Some("mcp-server-filesystem"),
            Peer::Time => None,
        }
    }

    /// Whether the server itself is a grandchild of ours: `npx` starts `sh`, which starts `node`.
    pub(crate) fn is_grandchild(self) -> bool {
        self.npm_script().is_some()
    }

    /// How to start it, with `scratch` as the only directory it writes to.
    ///
    /// # Errors
    /// Why it cannot be started here, for the line that says it is skipped.
    pub(crate) fn start(self, scratch: &Path) -> Result<Start, String> {
        self.find()?;
        let scratch = scratch.display().to_string();
        let npm = |args: &[&str], env| Start {
            command: "npx",
            args: ["--no-install"].iter().chain(args).map(|arg| (*arg).to_owned()).collect(),
            env,
            cwd: installed().join("npm"),
        };
        Ok(match self {
            Peer::Everything => npm(&["mcp-server-everything", "stdio"], vec![]),
            Peer::Memory => npm(&["mcp-server-memory"], vec![("MEMORY_FILE_PATH", format!("{scratch}/memory.jsonl"))]),
            Peer::Filesystem => npm(&["mcp-server-filesystem", &scratch], vec![]),
            Peer::Time => Start {
                command: "python3",
                args: vec!["-m".to_owned(), "mcp_server_time".to_owned()],
                env: vec![("PYTHONPATH", installed().join("python").display().to_string())],
                cwd: scratch.into(),
            },
        })
    }

    /// Looks for it where `tests/peers/install` puts it.
    ///
    /// # Errors
    /// What is missing, and what to do about it.
    pub(crate) fn find(self) -> Result<(), String> {
        if env::var_os("SCOPE_PEERS").is_some_and(|value| value == "off") {
            return Err("switched off; to enable: unset SCOPE_PEERS".to_owned());
        }
        if !Path::new("/proc/self/environ").exists() {
            return Err("no /proc to see its processes in; to enable: run this on Linux".to_owned());
        }
        let (file, tools): (PathBuf, &[&str]) = match self.npm_script() {
            Some(script) => (installed().join("npm/node_modules/.bin").join(script), &["npx", "node"]),
            None => (installed().join("python/mcp_server_time/__main__.py"), &["python3"]),
        };
        if !file.exists() {
            return Err(format!("{} does not exist; to enable: tests/peers/install", file.display()));
        }
        match tools.iter().find(|tool| !on_path(tool)) {
            Some(tool) => Err(format!("{tool} is not on PATH; to enable: put it there")),
            None => Ok(()),
        }
    }

    /// Puts what the calls below read into `scratch`.
    pub(crate) fn prepare(self, scratch: &Path) {
        if self == Peer::Filesystem {
            for i in 0..MANY {
                fs::write(scratch.join(file(i)), content(i)).expect("the scratch directory should be writable");
            }
        }
    }

    /// Tools it must have.
    pub(crate) fn tools(self) -> &'static [&'static str] {
        match self {
            Peer::Everything => &["echo", "get-sum", "trigger-long-running-operation"],
            Peer::Memory => &["create_entities", "open_nodes", "read_graph"],
            Peer::Filesystem => &["read_text_file", "write_file", "list_allowed_directories"],
            Peer::Time => &["get_current_time", "convert_time"],
        }
    }

    /// Succeeds. It comes before the [many](Peer::one_of_many), which may build upon it.
    pub(crate) fn succeeds(self, scratch: &Path) -> Call {
        match self {
            Peer::Everything => call("get-sum", json!({"a": 20, "b": 22}), "42"),
            Peer::Memory => {
                let entity = |i| json!({"name": node(i), "entityType": "number", "observations": [format!("is {i}")]});
                let entities: Vec<Value> = (0..MANY).map(entity).collect();
                call("create_entities", json!({"entities": entities}), node(MANY - 1))
            }
            Peer::Filesystem => call("read_text_file", json!({"path": scratch.join(file(0))}), content(0)),
            Peer::Time => call(
                "convert_time",
                json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}),
                "T21:00:00+09:00",
            ),
        }
    }

    /// The tool itself says that it failed.
    pub(crate) fn fails(self) -> Call {
        match self {
            Peer::Everything => call("echo", json!({}), "Invalid arguments for tool echo"),
            Peer::Memory => call(
                "add_observations",
                json!({"observations": [{"entityName": "nobody", "contents": ["x"]}]}),
                "Entity with name nobody not found",
            ),
            Peer::Filesystem => call("read_text_file", json!({"path": "/etc/passwd"}), "Access denied"),
            Peer::Time => call("get_current_time", json!({"timezone": "Nowhere/Land"}), "Invalid timezone"),
        }
    }

    /// Number `i` of [`MANY`] that are made at once. Its answer is no other's, so an answer that reaches the wrong
    /// caller is seen.
    pub(crate) fn one_of_many(self, i: usize, scratch: &Path) -> Call {
        match self {
            Peer::Everything => call("echo", json!({"message": format!("<{i}>")}), format!("Echo: <{i}>")),
            Peer::Memory => call("open_nodes", json!({"names": [node(i)]}), node(i)),
            Peer::Filesystem => call("read_text_file", json!({"path": scratch.join(file(i))}), content(i)),
            Peer::Time => {
                let time = format!("{:02}:{:02}", i / 60, i % 60);
                call(
                    "convert_time",
                    json!({"source_timezone": "UTC", "time": time, "target_timezone": "UTC"}),
                    format!("T{time}:00+00:00"),
                )
            }
        }
    }

    /// Something it writes to its standard error.
    pub(crate) fn says_on_stderr(self) -> &'static str {
        match self {
            Peer::Everything => "Starting default (STDIO) server",
            Peer::Memory => "Knowledge Graph MCP Server running on stdio",
            Peer::Filesystem => "Secure MCP Filesystem Server running on stdio",
            Peer::Time => "Nowhere/Land",
        }
    }

    /// A call that takes far longer than the test, where there is a tool that slow.
    pub(crate) fn slow(self) -> Option<Call> {
        (self == Peer::Everything)
            .then(|| call("trigger-long-running-operation", json!({"duration": 600, "steps": 2}), "never"))
    }
}

/// How many calls are made at once.
pub(crate) const MANY: usize = 64;

fn file(i: usize) -> String {
    format!("{i}.txt")
}

fn content(i: usize) -> String {
    format!("file {i} ends here\n")
}

fn node(i: usize) -> String {
    format!("node-{i}-")
}

/// Where the servers are installed.
fn installed() -> PathBuf {
    match env::var_os("SCOPE_PEERS_DIR") {
        Some(directory) => directory.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("peers"),
    }
}

fn on_path(tool: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|place| place.join(tool).exists()))
}
