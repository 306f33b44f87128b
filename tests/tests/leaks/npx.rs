//! The server from npm that `npx` starts, where `tests/peers/install` puts it.

use std::env;
use std::path::{Path, PathBuf};

use crate::host::Start;

const SCRIPT: &str = "mcp-server-everything";

/// How to start it: npm starts `sh`, and that `node`.
pub(crate) fn start() -> Start {
    let args = ["--no-install", SCRIPT, "stdio"].map(str::to_owned).to_vec();
    Start { command: "npx".to_owned(), args, cwd: Some(installed()) }
}

/// Looks whether it is here.
///
/// # Errors
/// What is missing, and what to do about it.
pub(crate) fn find() -> Result<(), String> {
    if env::var_os("SCOPE_PEERS").is_some_and(|value| value == "off") {
        return Err("switched off; to enable: unset SCOPE_PEERS".to_owned());
    }
    let script = installed().join("node_modules/.bin").join(SCRIPT);
    if !script.exists() {
        return Err(format!("{} does not exist; to enable: tests/peers/install", script.display()));
    }
    let on_path = |tool: &&str| {
        env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|place| place.join(tool).exists()))
    };
    match ["npx", "node"].iter().find(|tool| !on_path(tool)) {
        Some(tool) => Err(format!("{tool} is not on PATH; to enable: put it there")),
        None => Ok(()),
    }
}

/// Whether a test may not be skipped because it is missing.
pub(crate) fn is_required() -> bool {
    env::var_os("SCOPE_REQUIRE_PEERS").is_some_and(|value| !value.is_empty() && value != "0")
}

fn installed() -> PathBuf {
    let peers = match env::var_os("SCOPE_PEERS_DIR") {
        Some(directory) => directory.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("peers"),
    };
    peers.join("npm")
}
