//! The configuration file: the usual `{"mcpServers": {NAME: {"command", "args", "env", "cwd"}}}`.
//!
//! Two keys that other hosts write are understood as well: `"type": "stdio"`, which is what we do anyway, and
//! `"disabled": true`, which leaves a server out. One is our own: `"reach"`, what counts as the server's when it is ended.
//! Everything else is an error: a key that is silently ignored is a setting that its author believes in.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use scope_process::Reach;
use serde_json::value::RawValue;

use crate::exit::Stop;
use crate::names::{self, SEPARATOR};
use crate::position::{Members, Position};
use crate::sanitize;

/// Larger than any configuration; small enough that a mistaken `/dev/zero` ends.
const LIMIT: u64 = 16 << 20;

const EXAMPLE: &str = r#"{"mcpServers": {"NAME": {"command": "PROGRAM", "args": []}}}"#;

/// One server, as the configuration describes it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) reach: Reach,
}

impl Server {
    pub(crate) fn new(name: &str, command: String) -> Server {
        Server { name: name.to_owned(), command, args: Vec::new(), env: Vec::new(), cwd: None, reach: Reach::default() }
    }
}

// The environment often holds secrets: its values are not for logs.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .field("command", &self.command)
            .field("args", &self.args)
            .field("env", &self.env.iter().map(|(key, _)| key).collect::<Vec<_>>())
            .field("cwd", &self.cwd)
            .field("reach", &self.reach)
            .finish()
    }
}

/// The servers there are: at least one.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) servers: Vec<Server>,
    /// The names of those that the configuration leaves out.
    disabled: Vec<String>,
    /// What to call this configuration in messages.
    source: String,
}

impl Config {
    /// The servers of a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Stop> {
        let source = sanitize::line(&path.display().to_string());
        let cannot =
            |why: &dyn std::fmt::Display| Stop::usage(format!("cannot read the configuration {source}: {why}"));
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
            .map_err(|error| cannot(&error))?;
        if bytes.len() as u64 > LIMIT {
            return Err(cannot(&format_args!("it is larger than {} MiB", LIMIT >> 20)));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            cannot(&format_args!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to()))
        })?;
        Self::parse(&source, text.strip_prefix('\u{feff}').unwrap_or(&text))
    }

    /// Servers that no file describes.
    pub(crate) fn built_in(servers: Vec<Server>) -> Self {
        Config { servers, disabled: Vec::new(), source: "the built-in configuration".into() }
    }

    fn parse(source: &str, text: &str) -> Result<Self, Stop> {
        Parser { source, text }.config()
    }

    /// The servers' names, in the order of the file.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.servers.iter().map(|server| server.name.as_str())
    }

    /// The server with this name.
    pub(crate) fn server(&self, name: &str) -> Result<&Server, Stop> {
        if let Some(server) = self.servers.iter().find(|server| server.name == name) {
            return Ok(server);
        }
        if self.disabled.iter().any(|disabled| disabled == name) {
            return Err(Stop::usage(format!(
                "server {name:?} is disabled in {}; remove \"disabled\": true to use it",
                self.source
            )));
        }
        let suggestion = names::suggestion(name, self.names());
        Err(Stop::usage(format!("{} has no server {name:?}{suggestion}", self.source)))
    }

    /// The server and the tool that `SERVER__TOOL` means.
    pub(crate) fn target<'a>(&self, target: &'a str) -> Result<(&Server, &'a str), Stop> {
        match names::split(target, self.names().chain(self.disabled.iter().map(String::as_str))) {
            Ok((server, tool)) => Ok((self.server(server)?, &target[target.len() - tool.len()..])),
            Err(names::SplitError::Unknown(server)) => {
                Err(self.server(server).err().unwrap_or_else(|| Stop::usage(format!("{target:?} names no tool"))))
            }
            Err(names::SplitError::Shape) => {
                let server = self.names().next().unwrap_or("SERVER");
                Err(Stop::usage(format!(
                    "{target:?} is not SERVER{SEPARATOR}TOOL, such as \"{server}{SEPARATOR}echo\"; \
                     `scope-mcp list` prints what there is"
                )))
            }
        }
    }
}

/// One run over the text of a file.
#[derive(Clone, Copy)]
struct Parser<'a> {
    source: &'a str,
    text: &'a str,
}

impl<'a> Parser<'a> {
    fn config(self) -> Result<Config, Stop> {
        if self.text.trim().is_empty() {
            return Err(Stop::usage(format!("{} is empty; it should look like {EXAMPLE}", self.source)));
        }
        let root: &RawValue = serde_json::from_str(self.text).map_err(|error| {
            let what = Position::strip(&error);
            let at = Position { line: error.line(), column: error.column() };
            Stop::usage(format!("{}:{at}: this is not JSON: {what}", self.source))
        })?;
        let mut servers = None;
        for (key, value) in self.members("", root)? {
            match key.as_str() {
                "mcpServers" => servers = Some(value),
                "$schema" => {}
                _ => return Err(self.unknown_key(value, "", &key, &["mcpServers"])),
            }
        }
        let Some(servers) = servers else {
            return Err(self.at(root, format!("the key \"mcpServers\" is missing; write {EXAMPLE}")));
        };
        let mut config = Config { servers: Vec::new(), disabled: Vec::new(), source: self.source.to_owned() };
        for (name, value) in self.members("mcpServers", servers)? {
            self.check_name(value, &name)?;
            match self.server(&name, value)? {
                Some(server) => config.servers.push(server),
                None => config.disabled.push(name),
            }
        }
        if config.servers.is_empty() {
            let why = if config.disabled.is_empty() {
                format!("\"mcpServers\" names no server; write {EXAMPLE}")
            } else {
                "every server is disabled; remove \"disabled\": true from the one to use".to_owned()
            };
            return Err(self.at(servers, why));
        }
        Ok(config)
    }

    fn check_name(self, value: &RawValue, name: &str) -> Result<(), Stop> {
        if name.is_empty() {
            return Err(self.at(value, "a server has an empty name; give it one"));
        }
        if name.contains(SEPARATOR) {
            return Err(self.at(
                value,
                format!(
                    "the server name {name:?} contains \"{SEPARATOR}\", which stands between a server and its tool; \
                     rename it, for example to {:?}",
                    name.replace(SEPARATOR, "-")
                ),
            ));
        }
        Ok(())
    }

    /// `None` for one that is disabled; it is checked all the same.
    fn server(self, name: &str, value: &'a RawValue) -> Result<Option<Server>, Stop> {
        const KEYS: &[&str] = &["command", "args", "env", "cwd", "reach", "type", "disabled"];
        let here = format!("mcpServers.{name}");
        let mut command = None;
        let mut server = Server::new(name, String::new());
        let mut disabled = false;
        for (key, value) in self.members(&here, value)? {
            let path = format!("{here}.{key}");
            match key.as_str() {
                "command" => command = Some(self.string(&path, value)?),
                "args" => {
                    let args: Vec<&RawValue> = serde_json::from_str(value.get())
                        .map_err(|error| self.wrong_type(&path, value, "a list", &error))?;
                    for (index, arg) in args.into_iter().enumerate() {
                        server.args.push(self.string(&format!("{path}[{index}]"), arg)?);
                    }
                }
                "env" => {
                    for (variable, value) in self.members(&path, value)? {
                        let path = format!("{path}.{variable}");
                        if variable.is_empty() || variable.contains(['=', '\0']) {
                            return Err(self.at(
                                value,
                                format!("{path:?}: {variable:?} cannot be the name of an environment variable"),
                            ));
                        }
                        let value = self.string(&path, value)?;
                        server.env.push((variable, value));
                    }
                }
                "cwd" => server.cwd = Some(PathBuf::from(self.string(&path, value)?)),
                "reach" => {
                    let reach = self.string(&path, value)?;
                    server.reach = match reach.as_str() {
                        "session" => Reach::Session,
                        "marked" => Reach::Marked,
                        "contained" => Reach::Contained,
                        _ => {
                            return Err(self.at(
                                value,
                                format!(
                                    "{path:?} is {reach:?}; write \"marked\" (as without it), \"contained\" (nothing gets \
                                     out) or \"session\" (daemons that it starts are left running)"
                                ),
                            ));
                        }
                    };
                }
                "disabled" => {
                    disabled = serde_json::from_str(value.get())
                        .map_err(|error| self.wrong_type(&path, value, "true or false", &error))?;
                }
                "type" => {
                    let kind = self.string(&path, value)?;
                    if kind != "stdio" {
                        return Err(self.at(
                            value,
                            format!(
                                "{path:?} is {kind:?}, but only \"stdio\" servers, started from a command, can be used"
                            ),
                        ));
                    }
                }
                "url" | "serverUrl" | "httpUrl" | "headers" => {
                    return Err(self.at(
                        value,
                        format!(
                            "{path:?} belongs to a server on the network, but only \"stdio\" servers, started from a \
                             command, can be used"
                        ),
                    ));
                }
                _ => return Err(self.unknown_key(value, &here, &key, KEYS)),
            }
        }
        let Some(command) = command else {
            return Err(self.at(value, format!("{here:?} has no \"command\"; name the program to start")));
        };
        if command.trim().is_empty() {
            return Err(self.at(value, format!("\"{here}.command\" is empty; name the program to start")));
        }
        server.command = command;
        Ok((!disabled).then_some(server))
    }

    fn members(self, path: &str, value: &'a RawValue) -> Result<Vec<(String, &'a RawValue)>, Stop> {
        let Members(members) =
            serde_json::from_str(value.get()).map_err(|error| self.wrong_type(path, value, "an object", &error))?;
        for (index, (key, value)) in members.iter().enumerate() {
            if members[..index].iter().any(|(earlier, _)| earlier == key) {
                let place = if path.is_empty() { String::new() } else { format!(" in {path:?}") };
                return Err(self.at(value, format!("{key:?} stands twice{place}; remove one")));
            }
        }
        Ok(members)
    }

    fn string(self, path: &str, value: &RawValue) -> Result<String, Stop> {
        let text: String =
            serde_json::from_str(value.get()).map_err(|error| self.wrong_type(path, value, "a string", &error))?;
        if text.contains('\0') {
            return Err(self.at(value, format!("{path:?} contains a NUL character, which no program can be given")));
        }
        Ok(text)
    }

    fn wrong_type(self, path: &str, value: &RawValue, wanted: &str, error: &serde_json::Error) -> Stop {
        let (kind, hint) = match value.get().as_bytes().first() {
            Some(b'{') => ("an object", ""),
            Some(b'[') => ("a list", ""),
            Some(b'"') => ("a string", ""),
            Some(b't' | b'f') => ("true or false", "; put it in quotes"),
            Some(b'n') => ("null", "; remove it or give it a value"),
            _ => ("a number", "; put it in quotes"),
        };
        let hint = if wanted == "a string" || kind == "null" { hint } else { "" };
        let path = if path.is_empty() { "the configuration".to_owned() } else { format!("{path:?}") };
        if kind == wanted {
            // Half a surrogate pair, for example.
            return self.at(value, format!("{path} cannot be read: {}", Position::strip(error)));
        }
        self.at(value, format!("{path} should be {wanted}, but is {kind}{hint}"))
    }

    fn unknown_key(self, value: &RawValue, path: &str, key: &str, known: &[&str]) -> Stop {
        let place = if path.is_empty() { String::new() } else { format!(" in {path:?}") };
        let hint = match names::nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => {
                let known: Vec<String> = known.iter().map(|key| format!("{key:?}")).collect();
                format!("known here: {}", known.join(", "))
            }
        };
        self.at(value, format!("unknown key {key:?}{place}; {hint}"))
    }

    fn at(self, value: &RawValue, message: impl AsRef<str>) -> Stop {
        let at = Position::of(value.get(), self.text);
        Stop::usage(format!("{}:{at}: {}", self.source, message.as_ref()))
    }
}

#[cfg(test)]
mod tests;
