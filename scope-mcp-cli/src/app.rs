//! A command's run: its scope, what cancels it, and what becomes of its output.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::{Either, select};
use scope_core::event::ObserverGuard;
use scope_core::{CancelCause, nursery};
use scope_mcp::ClientOptions;
use scope_mcp::model::Implementation;

use crate::args::{Cli, Command};
use crate::commands;
use crate::config::{Config, Server};
use crate::exit::{Code, Stop};
use crate::hurry::Hurry;
use crate::progress::{Progress, Shown};
use crate::stderr;
use crate::stdout::{Stdout, Unwritten, Written};
use crate::wire::Record;

/// More than any server is given to end, so that this budget never cuts an ending short.
const CLEAN_UP: Duration = Duration::from_secs(15);

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) options: ClientOptions,
    pub(crate) stdout: Stdout,
    pub(crate) progress: Progress,
    _shown: Option<Shown>,
    _events: Option<ObserverGuard>,
}

impl App {
    pub(crate) fn new(cli: &Cli, stdout: Stdout) -> Result<Self, Stop> {
        let config = match (&cli.common.config, &cli.command) {
            (Some(_), Command::Demo { .. }) => {
                return Err(Stop::usage("demo uses its own servers, and takes no --config; try `scope-mcp check`"));
            }
            (Some(path), _) => Config::read(path)?,
            (None, Command::Demo { .. }) => Config::built_in(vec![bundled("one")?, bundled("two")?]),
            (None, _) => Config::built_in(vec![bundled("bundled")?]),
        };
        let mut options =
            ClientOptions::default().client_info(Implementation::new("scope-mcp", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &cli.common.wire {
            options = options.wire(Arc::new(Record::create(path, &config.servers)?));
        }
        let progress = Progress::default();
        let shown = progress.show();
        let events = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| scope_core::event::observe(|event| tracing::debug!(target: "scope", "{event}")));
        Ok(App { config, options, stdout, progress, _shown: shown, _events: events })
    }
}

/// This program, to be started again as a server.
fn bundled(name: &str) -> Result<Server, Stop> {
    let command = std::env::current_exe()
        .map_err(|error| Stop::server(format!("this program cannot find itself, to be the bundled server: {error}")))?
        .into_os_string()
        .into_string()
        .map_err(|path| Stop::server(format!("this program's own path is not UTF-8: {}", path.display())))?;
    Ok(Server { args: vec!["serve-bundled".to_owned()], ..Server::new(name, command) })
}

enum Event {
    Signal(String),
    /// Stdout cannot be written, or everything has been.
    Written(Option<Unwritten>),
}

/// Runs a command to its end, says what there is to say of it, and gives the code to exit with.
///
/// `next_signal` waits for the next signal that asks for an end, and says its name.
pub(crate) async fn drive(
    app: App,
    command: Command,
    written: Written,
    mut next_signal: impl AsyncFnMut() -> String,
) -> Code {
    stderr::start_writing();
    let code = run(app, command, written, &mut next_signal).await.unwrap_or_else(|stop| {
        stop.lines().iter().for_each(stderr::say);
        stop.code
    });
    if code == Code::Interrupted {
        return code;
    }
    // A terminal that is stopped is not waited for once somebody wants an end.
    match select(pin!(stderr::written()), pin!(next_signal())).await {
        Either::Left(_) => code,
        Either::Right(_) => Code::Interrupted,
    }
}

async fn run(
    app: App,
    command: Command,
    written: Written,
    next_signal: &mut impl AsyncFnMut() -> String,
) -> Result<Code, Stop> {
    let canceller = OnceLock::new();
    let mut interrupted = false;
    let mut unwritten = None;
    let mut hurry = None;
    let mut closing = None;
    let ended = {
        let mut work = pin!(
            nursery(async |n| {
                _ = canceller.set(n.canceller());
                Ok(commands::run(&app, n, command).await)
            })
            .named("scope-mcp")
            .cleanup_budget(CLEAN_UP)
        );
        loop {
            let event = pin!(next_event(next_signal, unwritten.is_none().then_some(&written)));
            // The work goes first: what has ended needs no cancelling.
            match select(work.as_mut(), event).await {
                Either::Left((ended, _)) => break ended,
                Either::Right((Event::Signal(name), _)) if !interrupted => {
                    interrupted = true;
                    closing = Some(app.progress.task("closing the servers"));
                    stderr::say(format_args!("interrupted ({name}): closing; once more to kill the servers at once"));
                    if let Some(canceller) = canceller.get() {
                        canceller.cancel_for(CancelCause::Signal, name);
                    }
                }
                Either::Right((Event::Signal(name), _)) => {
                    if hurry.is_none() {
                        stderr::say(format_args!("interrupted again ({name}): killing the servers"));
                        hurry = Some(Hurry::start());
                    }
                }
                Either::Right((Event::Written(outcome), _)) => {
                    unwritten = Some(outcome);
                    if let Some(canceller) = canceller.get() {
                        canceller.cancel("nobody reads the output");
                    }
                }
            }
        }
    };
    drop((hurry, closing));
    // With it goes the last handle on stdout, so that its writer ends.
    drop(app);
    if interrupted {
        return Ok(Code::Interrupted);
    }
    let unwritten = match unwritten {
        Some(known) => known,
        None => match next_event(next_signal, Some(&written)).await {
            Event::Written(outcome) => outcome,
            // A reader that does not read is not waited for.
            Event::Signal(_) => return Ok(Code::Interrupted),
        },
    };
    match (unwritten, ended) {
        (Some(unwritten), _) => unwritten.stop(),
        (None, Ok(outcome)) => outcome,
        (None, Err(error)) => Err(Stop::server(error.to_string())),
    }
}

async fn next_event(next_signal: &mut impl AsyncFnMut() -> String, written: Option<&Written>) -> Event {
    let signal = pin!(next_signal());
    let Some(written) = written else { return Event::Signal(signal.await) };
    match select(signal, pin!(written.outcome())).await {
        Either::Left((name, _)) => Event::Signal(name),
        Either::Right((outcome, _)) => Event::Written(outcome),
    }
}
