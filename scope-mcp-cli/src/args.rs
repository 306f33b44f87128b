//! The command line.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tracing_subscriber::filter::LevelFilter;

use crate::exit::{Code, Stop};
use crate::stdout;

const AFTER_HELP: &str = "\
Without --config, a server bundled with this program is used.

Exit codes:
  0    done
  1    the tool reported an error (its content is on stdout), or the server refused
  2    usage or configuration; or stdout cannot be written
  3    a server could not be started or spoken to
  4    time-out
  130  interrupted

Ctrl-C closes the servers properly; a second Ctrl-C hurries.";

/// Opens MCP servers, uses them, and leaves nothing running.
#[derive(Debug, Parser)]
#[command(name = "scope-mcp", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do where the command line is none, or asks for help.
pub(crate) fn refused(error: &clap::Error) -> Result<Code, Stop> {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = if io::stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() };
            return stdout::print_now(&text);
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Nothing at all was asked for: by someone who does not know yet what there is.
            _ = error.print();
            return Ok(Code::Usage);
        }
        ErrorKind::MissingSubcommand => {
            return Err(Stop::usage("a command is missing: demo, list, call, read, prompt, check or raw (see --help)"));
        }
        _ => {}
    }
    // One line, as everywhere: what is wrong, and the tip. The rest is the usage, which --help has in full.
    let mut said = String::new();
    let text = text.to_string();
    for line in text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more")) {
        let line = line.trim();
        let line = line.strip_prefix("error: ").unwrap_or(line);
        if !said.is_empty() && !line.is_empty() {
            said.push_str(if said.ends_with(':') { " " } else { "; " });
        }
        said.push_str(line);
    }
    Err(Stop::usage(format_args!("{said} (see --help)")))
}

/// What every command takes, before or after its name.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The servers: a file with {"mcpServers": {NAME: {"command", "args", "env", "cwd"}}}
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The runtime to run on
    #[arg(long, global = true, value_name = "NAME", default_value = "tokio")]
    pub(crate) runtime: Runtime,
    /// What to log to stderr
    #[arg(long, global = true, value_name = "LEVEL", default_value = "warn")]
    pub(crate) log: Level,
    /// Record every line to and from the servers, with secrets redacted
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) wire: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what this is about: two bundled servers, used from many tasks, closed by their owner
    Demo {
        /// Leave a process behind, to see it counted
        #[arg(long, hide = true)]
        plant_survivor: bool,
    },
    /// List the tools of every server, or its resources or prompts
    List {
        /// What to list
        #[arg(value_name = "WHAT", default_value = "tools")]
        what: What,
        /// Only this server
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
        #[command(flatten)]
        timeout: Timeout,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Call a tool
    Call {
        /// The server and its tool, such as bundled__echo
        #[arg(value_name = "SERVER__TOOL")]
        target: String,
        /// The arguments, a JSON object such as '{"text": "hello"}'
        #[arg(value_name = "ARGUMENTS", value_parser = arguments, default_value = "{}", hide_default_value = true)]
        arguments: Arguments,
        #[command(flatten)]
        timeout: Timeout,
        /// Print the whole result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read a resource: its text, made safe for a terminal; into a file or a pipe all that it has, as it is
    Read {
        /// The server that has it
        server: String,
        /// Its address, as `list resources` prints it
        uri: String,
        /// Save what it has in this file
        #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
        output: Option<PathBuf>,
        /// Print what it has as it is, also to a terminal
        #[arg(long, conflicts_with_all = ["json", "output"])]
        raw: bool,
        #[command(flatten)]
        timeout: Timeout,
        /// Print the whole result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Have a prompt filled in, and print its messages
    Prompt {
        /// The server that has it
        server: String,
        /// Its name, as `list prompts` prints it
        #[arg(value_name = "PROMPT")]
        prompt: String,
        /// What to fill in, such as language=French
        #[arg(value_name = "NAME=VALUE", value_parser = filled_in)]
        arguments: Vec<FilledIn>,
        #[command(flatten)]
        timeout: Timeout,
        /// Print the whole result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Open every server, list its tools and close it; print a row each
    Check {
        /// Print how each server ended, step by step
        #[arg(long)]
        report: bool,
        #[command(flatten)]
        timeout: Timeout,
    },
    /// Send one request as it is, and print the answer as it is
    Raw {
        /// The server to ask
        server: String,
        /// The method, such as tools/list
        method: String,
        /// The params, as JSON
        #[arg(value_name = "PARAMS", value_parser = params)]
        params: Option<Params>,
        #[command(flatten)]
        timeout: Timeout,
    },
    /// Be the bundled server, on stdin and stdout
    #[command(hide = true)]
    ServeBundled,
}

/// What a server can list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    Tools,
    Resources,
    Prompts,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Timeout {
    /// Give up after this time, from start to answer; the closing comes on top
    #[arg(long = "timeout", value_name = "SECONDS", value_parser = seconds, default_value = "60", allow_hyphen_values = true)]
    pub(crate) duration: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    Tokio,
    Smol,
}

/// A level of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(pub(crate) LevelFilter);

impl ValueEnum for Level {
    fn value_variants<'a>() -> &'a [Self] {
        const LEVELS: &[Level] = &[
            Level(LevelFilter::OFF),
            Level(LevelFilter::ERROR),
            Level(LevelFilter::WARN),
            Level(LevelFilter::INFO),
            Level(LevelFilter::DEBUG),
            Level(LevelFilter::TRACE),
        ];
        LEVELS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self.0.into_level() {
            None => "off",
            Some(tracing::Level::ERROR) => "error",
            Some(tracing::Level::WARN) => "warn",
            Some(tracing::Level::INFO) => "info",
            Some(tracing::Level::DEBUG) => "debug",
            Some(tracing::Level::TRACE) => "trace",
        }))
    }
}

/// The arguments of a tool: a JSON object.
#[derive(Clone, Debug)]
pub(crate) struct Arguments(pub(crate) Map<String, Value>);

fn arguments(text: &str) -> Result<Arguments, String> {
    const EXAMPLE: &str = "write a JSON object such as '{\"text\": \"hello\"}'";
    match serde_json::from_str(text) {
        Ok(Value::Object(arguments)) => Ok(Arguments(arguments)),
        Ok(other) => {
            let kind = match other {
                Value::Array(_) => "a list",
                Value::String(_) => "a string",
                Value::Number(_) => "a number",
                _ => "a single word",
            };
            Err(format!("this is {kind}; {EXAMPLE}"))
        }
        Err(error) => Err(format!("this is not JSON: {error}; {EXAMPLE}")),
    }
}

/// An argument of a prompt: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilledIn {
    pub(crate) name: String,
    pub(crate) value: String,
}

fn filled_in(text: &str) -> Result<FilledIn, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(FilledIn { name: name.to_owned(), value: value.to_owned() }),
        _ => Err("this is not NAME=VALUE, such as language=French".to_owned()),
    }
}

/// The params of a raw request: any JSON, kept as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Params(pub(crate) Box<RawValue>);

fn params(text: &str) -> Result<Params, String> {
    // A message is one line, and a newline in JSON can only stand between tokens.
    let line: String = text.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }).collect();
    serde_json::from_str(&line).map(Params).map_err(|error| format!("this is not JSON: {error}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "this is not a number of seconds, such as 10 or 0.5".to_owned())?;
    let longest = 365.0 * 86400.0;
    if !(seconds > 0.0 && seconds <= longest) {
        return Err("the time should be more than 0 and at most a year".into());
    }
    let duration = Duration::from_secs_f64(seconds);
    if duration.is_zero() {
        return Err("the time should be at least a nanosecond".into());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn common_flags_stand_before_or_after_the_command() {
        for line in [
            "scope-mcp --config c.json --runtime smol list --server a",
            "scope-mcp list --server a --config c.json --runtime smol",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.common.config, Some(PathBuf::from("c.json")));
            assert_eq!(cli.common.runtime, Runtime::Smol);
            assert!(matches!(cli.command, Command::List { server: Some(name), .. } if name == "a"));
        }
    }

    #[test]
    fn a_time_is_a_positive_number_of_seconds() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        for wrong in ["0", "-1", "NaN", "inf", "", "ten", "1e300", "1e-300", "-0"] {
            assert!(seconds(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn arguments_are_an_object() {
        assert_eq!(arguments(r#"{"a": [1]}"#).unwrap().0.len(), 1);
        for (wrong, expected) in [
            ("[1]", "this is a list; write a JSON object"),
            ("7", "this is a number"),
            ("\"x\"", "this is a string"),
            ("null", "this is a single word"),
            ("{a: 1}", "this is not JSON: key must be a string at line 1 column 2; write"),
            ("", "this is not JSON: EOF"),
        ] {
            let said = arguments(wrong).unwrap_err();
            assert!(said.contains(expected), "{wrong:?} says {said}");
        }
    }

    #[test]
    fn what_is_filled_in_has_a_name_and_any_value() {
        let it = |name: &str, value: &str| Ok(FilledIn { name: name.into(), value: value.into() });
        assert_eq!(filled_in("a=b=c"), it("a", "b=c"));
        assert_eq!(filled_in("a="), it("a", ""));
        for wrong in ["a", "=b", ""] {
            assert!(filled_in(wrong).unwrap_err().contains("NAME=VALUE"), "{wrong:?} was taken");
        }
    }

    #[test]
    fn params_keep_their_form_on_one_line() {
        assert_eq!(params("{\"b\":1e2,\n \"a\" : 1.0}").unwrap().0.get(), "{\"b\":1e2,  \"a\" : 1.0}");
        assert!(params("{").is_err());
    }
}
