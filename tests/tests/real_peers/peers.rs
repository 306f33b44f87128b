//! The servers that people use, and what can be asked of each: how it is started, and calls whose outcome is known.

mod npm;
mod pypi;
mod rmcp;

use std::env;
use std::path::{Path, PathBuf};

use scope_mcp::Era;
use scope_mcp::model::{CompleteParams, CompletionReference};
use scope_process::Ended;
use serde_json::{Value, json};

pub(crate) use rmcp::{SERVES as SERVES_RMCP, serve as serve_rmcp};

/// All of them.
pub(crate) static PEERS: [&dyn Peer; 9] = [
    &npm::Everything,
    &npm::Memory,
    &npm::Filesystem,
    &npm::SequentialThinking,
    &pypi::Time,
    &pypi::Git,
    &pypi::Fetch,
    &pypi::FastMcp,
    &rmcp::Rmcp,
];

/// A real server.
pub(crate) trait Peer: Sync {
    fn name(&self) -> &'static str;

    fn origin(&self) -> Origin;

    /// Those it speaks.
    fn eras(&self) -> &'static [Era] {
        match self.origin() {
            Origin::Npm(_) => &[Era::Legacy],
            Origin::PyPi(_) | Origin::Here => &[Era::Legacy, Era::Modern],
        }
    }

    /// How to start it, with `scratch` as the only directory it writes to.
    fn start(&self, scratch: &Path) -> Start;

    /// Puts what the calls below read into `scratch`.
    fn prepare(&self, _scratch: &Path) {}

    /// Tools it must have.
    fn tools(&self) -> &'static [&'static str];

    /// Succeeds. It comes before the [many](Peer::one_of_many), which may build upon it.
    fn succeeds(&self, scratch: &Path) -> Call {
        self.one_of_many(0, scratch)
    }

    /// The tool itself says that it failed.
    fn fails(&self, scratch: &Path) -> Call;

    /// Number `i` of [`MANY`] that are made at once. Its answer is no other's, so an answer that reaches the wrong
    /// caller is seen.
    fn one_of_many(&self, i: usize, scratch: &Path) -> Call;

    /// What it has besides tools.
    fn offers(&self, _era: Era) -> Offers {
        Offers::default()
    }

    /// A call that takes far longer than the test, where there is a tool that slow.
    fn slow(&self) -> Option<Call> {
        None
    }

    /// Something it has written to its standard error by its end.
    fn says_on_stderr(&self) -> &'static str;

    /// At which step of closing it ends.
    fn ends(&self) -> Ended {
        Ended::AtEndOfInput
    }
}

/// A call to one of a server's tools, and a piece of the text that must come back.
pub(crate) struct Call {
    pub(crate) tool: &'static str,
    pub(crate) arguments: Value,
    pub(crate) says: String,
}

fn call(tool: &'static str, arguments: Value, says: impl Into<String>) -> Call {
    Call { tool, arguments, says: says.into() }
}

/// What a server may have besides tools, and what is known of it.
#[derive(Default)]
pub(crate) struct Offers {
    /// URIs of resources that must be in its list.
    pub(crate) resources: Vec<&'static str>,
    /// Those of templates.
    pub(crate) templates: Vec<&'static str>,
    /// Names of prompts that must be in its list.
    pub(crate) prompts: Vec<&'static str>,
    /// A URI that can be read, and a piece of the text.
    pub(crate) reads: Vec<(&'static str, &'static str)>,
    /// A prompt, its arguments, and a piece of the text.
    pub(crate) gets: Vec<(&'static str, Value, String)>,
    /// A beginning, and all that it can become.
    pub(crate) completes: Vec<(CompleteParams, Vec<&'static str>)>,
    /// Calls of tools that ask for a name, which is Ada.
    pub(crate) asks_back: Vec<Call>,
    /// URIs that one can subscribe to, each with a call that changes what is read there, and says what it has become.
    pub(crate) changes: Vec<(&'static str, Call)>,
    /// Calls that become tasks, and ask for a name, or for a choice, which is the first.
    pub(crate) tasks: Vec<Call>,
}

/// What our own servers have, on whatever they stand.
fn a_little_of_everything() -> Offers {
    let name = CompletionReference::resource("greeting://{name}");
    Offers {
        resources: vec!["list://0", "list://6"],
        templates: vec!["greeting://{name}"],
        prompts: vec!["review"],
        reads: vec![("list://5", "the list number 5"), ("greeting://Ada", "Hello, Ada.")],
        gets: vec![("review", json!({"code": "1 + 1"}), "Please review: 1 + 1".to_owned())],
        completes: vec![(CompleteParams::new(name, "name", "a"), vec!["ada", "alan"])],
        asks_back: vec![call("greet", json!({}), "Hello, Ada.")],
        changes: vec![],
        tasks: vec![],
    }
}

/// Where a server comes from.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// npm: the script that `npx` runs. The server itself is a grandchild of ours: `npx` starts `sh`, which starts
    /// `node`.
    Npm(&'static str),
    /// PyPI: the module that must be there.
    PyPi(&'static str),
    /// This program.
    Here,
}

impl Origin {
    /// How many processes lie between us and the server.
    pub(crate) fn depth(self) -> usize {
        match self {
            Origin::Npm(_) => 2,
            Origin::PyPi(_) | Origin::Here => 0,
        }
    }

    /// Looks for it where `tests/peers/install` puts it.
    ///
    /// # Errors
    /// What is missing, and what to do about it.
    pub(crate) fn find(self) -> Result<(), String> {
        match self {
            Origin::Npm(script) => needs(&[installed().join("npm/node_modules/.bin").join(script)], &["npx", "node"]),
            Origin::PyPi(module) => needs(&[installed().join("python").join(module)], &["python3", "git"]),
            Origin::Here => needs(&[], &[]),
        }
    }
}

/// How to start one.
pub(crate) struct Start {
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(&'static str, String)>,
    pub(crate) cwd: PathBuf,
}

/// How many calls are made at once.
pub(crate) const MANY: usize = 64;

/// Asks for installed files, and for programs.
///
/// # Errors
/// What is missing, and what to do about it.
pub(crate) fn needs(files: &[PathBuf], tools: &[&str]) -> Result<(), String> {
    if env::var_os("SCOPE_PEERS").is_some_and(|value| value == "off") {
        return Err("switched off; to enable: unset SCOPE_PEERS".to_owned());
    }
    if !Path::new("/proc/self/environ").exists() {
        return Err("no /proc to see its processes in; to enable: run this on Linux".to_owned());
    }
    if let Some(file) = files.iter().find(|file| !file.exists()) {
        return Err(format!("{} does not exist; to enable: tests/peers/install", file.display()));
    }
    match tools.iter().find(|tool| !on_path(tool)) {
        Some(tool) => Err(format!("{tool} is not on PATH; to enable: put it there")),
        None => Ok(()),
    }
}

/// Where servers and clients are installed.
pub(crate) fn installed() -> PathBuf {
    match env::var_os("SCOPE_PEERS_DIR") {
        Some(directory) => directory.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("peers"),
    }
}

/// A file of `tests/peers`.
pub(crate) fn ours(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(file)
}

fn on_path(tool: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|place| place.join(tool).exists()))
}
