//! The servers: this binary, started with `--server`. As much MCP as it takes to be open, and then one way to stay.
//!
//! Nobody here lives longer than [`LIFE`], whatever becomes of the test.

use std::io::{BufRead, Read, Write, stderr, stdin, stdout};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio, exit};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::kinds::Server;

/// The longest that any process here lives.
const LIFE: Duration = Duration::from_secs(180);

/// A piece of a message that no pipe takes in one go: whoever has read it and stops knows that the sender is stuck, if
/// there are several of these to come.
const PIECE: usize = 256 * 1024;

/// `--server KIND SOCKET MARK`, or what one of them starts: `--server child|stubborn|daemon - MARK`. The mark is for
/// who looks for it with no environment to see.
pub(crate) fn main(arguments: &[String]) -> ! {
    let [kind, socket, mark] = arguments else { panic!("--server takes three arguments, not {arguments:?}") };
    match kind.as_str() {
        "child" => {
            say_here();
            stay()
        }
        "stubborn" => {
            ignore_signals();
            say_here();
            stay()
        }
        "daemon" => daemon(mark),
        kind => {
            let kind = Server::named(kind).unwrap_or_else(|| panic!("there is no server {kind}"));
            serve(kind, socket, mark)
        }
    }
}

fn serve(kind: Server, socket: &str, mark: &str) -> ! {
    match kind {
        Server::WithChild => start("child", mark, false),
        Server::IgnoresTerm => {
            ignore_signals();
            start("stubborn", mark, false);
        }
        Server::Escapee => start("daemon", mark, false),
        Server::Cleared | Server::ClearedMarked => start("daemon", mark, true),
        Server::ExitsAtOnce => {
            start("child", mark, false);
            exit(3);
        }
        _ => {}
    }
    let mut input = stdin().lock();
    let mut line = String::new();
    loop {
        line.clear();
        match input.read_line(&mut line) {
            Ok(0) | Err(_) if matches!(kind, Server::IgnoresEof | Server::IgnoresTerm) => stay(),
            Ok(0) | Err(_) => exit(0),
            Ok(_) => {}
        }
        let message: Value = serde_json::from_str(&line).expect("a client sends JSON");
        match (message["method"].as_str(), message.get("id")) {
            (Some("initialize"), Some(id)) => {
                let version = &message["params"]["protocolVersion"];
                let info = json!({"name": kind.name(), "version": "1"});
                answer(id, &json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}));
                if kind == Server::NeverReads {
                    never_read(&mut input, socket);
                }
            }
            (Some("tools/list"), Some(id)) => {
                answer(id, &json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}));
            }
            (Some("tools/call"), Some(id)) => match message["params"]["name"].as_str() {
                Some("echo") => answer(id, &json!({"content": [{"type": "text", "text": "here"}]})),
                Some("flood") => {
                    answer(id, &json!({"content": []}));
                    flood(socket);
                }
                // Never answered: a call to be in the middle of.
                _ => {}
            },
            // Some clients ask first whether this is a later revision.
            (Some(_), Some(id)) => {
                let error = json!({"code": -32601, "message": "no such method"});
                send(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
            _ => {}
        }
    }
}

fn answer(id: &Value, result: &Value) {
    send(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
}

fn send(message: &Value) {
    // Nobody to tell it to: the end of the input says the rest.
    _ = writeln!(stdout(), "{message}");
}

/// Reads the beginning of a message that is far longer, so that its sender is in the middle of it, and nothing more.
fn never_read(input: &mut impl BufRead, socket: &str) -> ! {
    let mut piece = vec![0; PIECE];
    match input.read_exact(&mut piece) {
        Ok(()) => tell(socket),
        // The test was over before.
        Err(_) => exit(0),
    }
    stay()
}

/// Writes until nobody takes it any more.
fn flood(socket: &str) -> ! {
    let message = json!({
        "jsonrpc": "2.0",
        "method": "notifications/message",
        "params": {"level": "info", "data": "x".repeat(1000)},
    });
    let many = format!("{message}\n").repeat(64);
    let mut told = false;
    while stdout().write_all(many.as_bytes()).is_ok() {
        if !told {
            tell(socket);
            told = true;
        }
    }
    exit(0)
}

/// Starts another one of us, which holds this one's output open too, and returns when the one that stays is there.
#[expect(clippy::zombie_processes, reason = "these servers do not look after their children")]
fn start(kind: &str, mark: &str, cleared: bool) {
    let mut command = Command::new(std::env::current_exe().expect("a process knows its program"));
    command.args(["--server", kind, "-", mark]).stdin(Stdio::null()).stdout(Stdio::inherit()).stderr(Stdio::piped());
    if cleared {
        command.env_clear();
    }
    let mut child = command.spawn().expect("this binary can be started once more");
    let mut said = child.stderr.take().expect("it is a pipe");
    said.read_exact(&mut [0]).expect("a child says that it is there");
    if kind == "daemon" {
        child.wait().expect("a child can be waited for");
    }
}

/// The parent of a daemon makes a session, and starts the daemon in it, which is not the session's leader.
fn daemon(mark: &str) -> ! {
    rustix::process::setsid().expect("a child leads no group, so it can lead a session");
    let mut command = Command::new(std::env::current_exe().expect("a process knows its program"));
    command.args(["--server", "stubborn", "-", mark]).stdin(Stdio::null());
    drop(command.spawn().expect("this binary can be started once more"));
    exit(0)
}

/// To whoever started this one.
fn say_here() {
    stderr().write_all(b"!").expect("who started this one listens");
}

fn ignore_signals() {
    let ignored = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
        signal_hook::flag::register(signal, Arc::clone(&ignored)).expect("these signals can be handled");
    }
}

/// Tells the test that it has come to what it is for.
fn tell(socket: &str) {
    let address = SocketAddr::from_abstract_name(socket).expect("a short name");
    let ours = UnixDatagram::unbound().expect("a socket can be made");
    // The test may have gone.
    _ = ours.send_to_addr(b"now", &address);
}

fn stay() -> ! {
    thread::sleep(LIFE);
    exit(4)
}
