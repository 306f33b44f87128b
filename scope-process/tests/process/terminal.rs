//! A host on a terminal.

use std::fs::File;
use std::io::Write;

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::hosts::{self, Host, ended_by};
use crate::oracle;

/// A host whose controlling terminal it is. Its end in the test's hand hangs up when it is dropped.
fn on_a_terminal(name: &str) -> (Host, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    // The leader of a session gets as its terminal what it opens first.
    let setup = format!("exec setsid sh -c 'exec 3<{path}; exec \"$0\" \"$@\"' \"$0\" \"$@\"");
    let host = Host::start_under(&setup, name);
    (host, File::from(terminal))
}

#[test]
fn ctrl_c_reaches_the_host_and_not_its_servers() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let (mut host, mut terminal) = on_a_terminal("terminal::ctrl_c_reaches_the_host_and_not_its_servers");
    host.ask("start");
    host.ask("start who tells of SIGINT");
    terminal.write_all(b"\x03").unwrap();
    assert_eq!(ended_by(host.end()), Some(Signal::INT));
    let said = host.assert_nothing_left();
    assert!(!said.contains("struck"), "{said}");
}

#[test]
fn who_tells_of_sigint_does_so() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let mut host = Host::start("terminal::who_tells_of_sigint_does_so");
    let server = host.ask("start who tells of SIGINT").parse().unwrap();
    hosts::signal(server, Signal::INT);
    oracle::soon("it ends", || oracle::state(server).is_none_or(|(state, _)| state == 'Z'));
    host.kill();
    host.end();
    assert!(host.assert_nothing_left().contains("struck"));
}

#[test]
fn nothing_outlives_a_host_whose_terminal_is_closed() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let (mut host, terminal) = on_a_terminal("terminal::nothing_outlives_a_host_whose_terminal_is_closed");
    host.ask("start");
    host.ask("contain");
    drop(terminal);
    assert_eq!(ended_by(host.end()), Some(Signal::HUP));
    host.assert_nothing_left();
}

#[test]
fn a_server_that_the_terminal_has_stopped_is_ended() {
    if hosts::is_one() {
        return hosts::obey();
    }
    for last in ["close", "drop", "kill"] {
        let (mut host, _terminal) = on_a_terminal("terminal::a_server_that_the_terminal_has_stopped_is_ended");
        for reach in ["start", "contain"] {
            let pids = host.ask(&format!("{reach} who reads the terminal"));
            let readers = || oracle::in_group(pids.parse().unwrap());
            // There is no event for it.
            oracle::soon("it is stopped", || readers().iter().any(|(_, state)| *state == 'T'));
        }
        match last {
            "kill" => host.kill(),
            _ => {
                host.ask(last);
                host.tell("return");
            }
        }
        host.end();
        host.assert_nothing_left();
    }
}
