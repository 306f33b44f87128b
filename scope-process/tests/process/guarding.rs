//! The guardian: whatever becomes of the host, or of it, nothing is left.

use rustix::process::Signal;

use crate::hosts::{self, Host, ended_by, signal};
use crate::oracle;

#[test]
fn nothing_outlives_a_host_however_it_ends() {
    if hosts::is_one() {
        return hosts::obey();
    }
    for end in ["kill", "terminate", "abort", "exit", "panic", "return", "forget", "drop"] {
        let mut host = Host::start("guarding::nothing_outlives_a_host_however_it_ends");
        host.ask("start");
        match end {
            "kill" => host.kill(),
            "terminate" => signal(host.id(), Signal::TERM),
            "abort" | "exit" | "panic" | "return" => host.tell(end),
            "forget" | "drop" => {
                host.ask(end);
                host.tell("return");
            }
            _ => unreachable!(),
        }
        let status = host.end();
        let expected = match end {
            "kill" => (Some(Signal::KILL), None),
            "terminate" => (Some(Signal::TERM), None),
            "abort" => (Some(Signal::ABORT), None),
            // The harness's own.
            "panic" => (None, Some(101)),
            _ => (None, Some(0)),
        };
        assert_eq!((ended_by(status), status.code()), expected, "{end}");
        eprint!("{end}: ");
        host.assert_nothing_left();
    }
}

#[test]
fn a_guardian_that_was_killed_is_followed_by_another() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let mut host = Host::start("guarding::a_guardian_that_was_killed_is_followed_by_another");
    host.ask("start");
    // So many groups that it could not be told of them one by one before it reads.
    host.ask("many 400");
    let first = host.guardian(0);
    signal(first, Signal::KILL);
    let second = host.guardian(first);
    assert_eq!(oracle::state(first), None, "a zombie is left");
    signal(second, Signal::KILL);
    host.guardian(second);
    host.kill();
    host.end();
    host.assert_nothing_left();
}

#[test]
fn what_ends_other_processes_does_not_end_the_guardian() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let mut host = Host::start("guarding::what_ends_other_processes_does_not_end_the_guardian");
    host.ask("start");
    let guardian = host.guardian(0);
    for sent in [
        Signal::INT,
        Signal::HUP,
        Signal::TERM,
        Signal::QUIT,
        Signal::TSTP,
        Signal::PIPE,
        Signal::ALARM,
        Signal::USR1,
        Signal::USR2,
        Signal::CONT,
    ] {
        signal(guardian, sent);
    }
    // It has heard all of them, and goes on reading.
    host.ask("churn 3");
    assert_eq!(host.guardian(0), guardian);
    assert!(oracle::state(guardian).is_some_and(|(state, _)| !"ZXT".contains(state)));
    host.kill();
    host.end();
    host.assert_nothing_left();
}

#[test]
fn a_stopped_guardian_wakes_when_the_host_dies() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let mut host = Host::start("guarding::a_stopped_guardian_wakes_when_the_host_dies");
    host.ask("start");
    let guardian = host.guardian(0);
    signal(guardian, Signal::STOP);
    host.kill();
    host.end();
    host.assert_nothing_left();
}

#[test]
fn a_guardian_that_does_not_read_keeps_nobody_waiting() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let mut host = Host::start("guarding::a_guardian_that_does_not_read_keeps_nobody_waiting");
    host.ask("start");
    let first = host.guardian(0);
    signal(first, Signal::STOP);
    // More than there is room for in the socket: it is replaced.
    host.ask("churn 300");
    let second = host.guardian(first);
    oracle::soon("the first has gone", || oracle::state(first).is_none());
    // And the next one is stopped with little to read.
    signal(second, Signal::STOP);
    host.ask("churn 3");
    host.kill();
    host.end();
    host.assert_nothing_left();
}

/// Somebody who kills it again and again gets rid of it for a while, which is said, and not for good.
#[test]
fn a_guardian_that_is_killed_again_and_again_comes_back() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let mut host = Host::start("guarding::a_guardian_that_is_killed_again_and_again_comes_back");
    host.ask("start");
    let mut last = 0;
    // Five in a row that lived for less than a second: on a machine that is busy elsewhere it may take more.
    let mut shortfalls = host.ask("shortfalls");
    for _ in 0..50 {
        if shortfalls != "[]" {
            break;
        }
        last = host.guardian(0);
        signal(last, Signal::KILL);
        shortfalls = host.ask("shortfalls");
    }
    assert!(shortfalls.starts_with("[Unguarded("), "{shortfalls}");
    host.guardian(last);
    assert_eq!(host.ask("shortfalls"), "[]");
    host.kill();
    host.end();
    host.assert_nothing_left();
}
