//! Starts that the system refuses, and processes that it does not let us end.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use scope_process::{Budgets, Ended, Process, Reach};

use crate::alone::{alone, alone_under};
use crate::oracle::{self, Suspect};
use crate::other_users::as_nobody;
use crate::runtimes::{on_each, on_one};
use crate::servers::{self, SHORT, patient, sh};

#[test]
fn a_host_that_may_start_no_more_processes_is_told_so_and_goes_on() {
    let test = "refusals::a_host_that_may_start_no_more_processes_is_told_so_and_goes_on";
    as_nobody(test, || {
        // Of this user, who has no other processes.
        let limits = getrlimit(Resource::Nproc);
        setrlimit(Resource::Nproc, Rlimit { current: Some(24), ..limits }).unwrap();
        on_each(async |rt| {
            for reach in [Reach::Marked, Reach::Contained] {
                let mut all: Vec<Process> = Vec::new();
                let refused = loop {
                    match sh("exec sleep 1000").reach(reach).spawn(&rt) {
                        Ok(process) => all.push(process),
                        Err(e) => break e,
                    }
                    assert!(all.len() < 24);
                };
                assert!(refused.is_resource_exhausted(), "{refused:?}");
                assert!(refused.to_string().contains("ulimit -u"), "{refused}");
                assert!(all.len() >= 4, "{}", all.len());
                drop(all);
                oracle::soon("no children", || oracle::children().is_empty());
                let mut process = sh(servers::POLITE).reach(reach).spawn(&rt).unwrap();
                let report = process.close().await;
                assert!(report.is_complete(), "{report:#}");
            }
        });
    });
}

#[test]
fn a_host_without_memory_is_told_so_and_goes_on() {
    alone("refusals::a_host_without_memory_is_told_so_and_goes_on", || {
        on_each(async |rt| {
            assert!(sh(servers::POLITE).spawn(&rt).unwrap().close().await.is_complete());
            let before = oracle::descriptors();
            let limits = getrlimit(Resource::As);
            // What a start takes for itself in small pieces is there: it is for the new process that there is no room.
            let pieces: Vec<Vec<u8>> = (0..64).map(|_| vec![1; 32 << 10]).collect();
            let last = vec![1_u8; 1 << 10];
            drop(pieces);
            let command = sh(servers::POLITE);
            setrlimit(Resource::As, Rlimit { current: Some(1 << 20), ..limits }).unwrap();
            let spawned = command.spawn(&rt);
            setrlimit(Resource::As, limits).unwrap();
            drop(last);
            let refused = spawned.map(drop).unwrap_err();
            assert!(refused.is_resource_exhausted(), "{refused:?}");
            oracle::soon("no children", || oracle::children().is_empty());
            oracle::soon("as few descriptors as before", || oracle::descriptors() == before);
            assert!(command.spawn(&rt).unwrap().close().await.is_complete());
        });
    });
}

/// Runs `test` without the right to signal other users' processes, but with that to start some.
fn without_kill(test: &str, body: impl FnOnce()) {
    if !rustix::process::geteuid().is_root() {
        return println!("SKIPPED: it takes root to start somebody else's process");
    }
    alone_under("exec setpriv --bounding-set -kill --inh-caps -kill \"$0\" \"$@\"", test, body);
}

/// A child of another user's, and one that becomes another user's itself.
const OTHERS: [&str; 2] = [
    "setpriv --reuid=65534 sh -c 'echo $$; exec sleep 1000' & exec cat >/dev/null",
    "exec setpriv --reuid=65534 sh -c 'echo $$; exec sleep 1000'",
];

#[test]
fn who_may_not_be_signalled_is_named() {
    without_kill("refusals::who_may_not_be_signalled_is_named", || {
        on_one(async |rt| {
            for script in OTHERS {
                for end_now in [false, true] {
                    let budgets = Budgets::default().with_after_eof(SHORT).with_after_term(SHORT);
                    let mut process = sh(script).budgets(budgets).spawn(&rt).unwrap();
                    let mut suspect = Suspect::new(&mut process);
                    let other: u32 = suspect.line().await.parse().unwrap();
                    let start = Instant::now();
                    let report = if end_now { process.end_now() } else { process.close().await };
                    // SIGKILL has a second.
                    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
                    assert!(oracle::state(other).is_some(), "it could be killed: this test shows nothing");
                    let survivors: Vec<u32> = report.survivors().iter().map(|survivor| survivor.pid).collect();
                    assert_eq!(survivors, [other], "{report:#}");
                    assert!(!report.is_complete(), "{report:#}");
                    assert!(report.to_string().contains(&format!("NOT ended: {other} s")), "{report}");
                    as_root_again(other);
                }
            }
        });
    });
}

/// Ends a process of another user's: by becoming that one.
fn as_root_again(pid: u32) {
    let killed = Command::new("setpriv").args(["--reuid=65534", "kill", "-9", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    oracle::soon("it is gone", || oracle::state(pid).is_none_or(|(state, _)| state == 'Z'));
}

#[test]
fn a_cgroup_ends_also_who_may_not_be_signalled() {
    without_kill("refusals::a_cgroup_ends_also_who_may_not_be_signalled", || {
        on_each(async |rt| {
            for script in OTHERS {
                let budgets = Budgets::default().with_after_eof(SHORT).with_after_term(SHORT);
                let mut process = sh(script).reach(Reach::Contained).budgets(budgets).spawn(&rt).unwrap();
                let mut suspect = Suspect::new(&mut process);
                let other: u32 = suspect.line().await.parse().unwrap();
                if !std::fs::read_to_string(format!("/proc/{other}/cgroup")).unwrap().contains("/scope-") {
                    as_root_again(other);
                    return println!("SKIPPED: no cgroup can be made here");
                }
                let report = process.close().await;
                assert!(report.is_complete(), "{report:#}");
                suspect.assert_gone();
                assert!(oracle::state(other).is_none_or(|(state, _)| state == 'Z'));
            }
        });
    });
}

/// Six chains in a group of their own, deaf to SIGTERM, each of which is another process before one can look twice. Not for ever,
/// should they escape.
const FORKS_ALL_THE_TIME: &str = "setsid sh -c 'trap \"\" TERM
    next() { [ $n -lt 5000 ] || exit; n=$((n+1)); next & exit; }
    echo $$
    for chain in 1 2 3 4 5 6; do n=0; next & done' &
    exec cat >/dev/null";

#[test]
fn who_forks_faster_than_it_is_killed_is_reported() {
    alone("refusals::who_forks_faster_than_it_is_killed_is_reported", || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let rt = scope_core::rt::Handle::new(scope_tokio::TokioRuntime::new(runtime.handle().clone()));
        runtime.block_on(async {
            for reach in [Reach::Marked, Reach::Contained] {
                let budgets = patient().with_after_term(SHORT).with_after_kill(Budgets::MIN_AFTER_KILL);
                let mut process = sh(FORKS_ALL_THE_TIME).reach(reach).budgets(budgets).spawn(&rt).unwrap();
                let mut suspect = Suspect::new(&mut process);
                let group: i32 = suspect.line().await.parse().unwrap();
                let start = Instant::now();
                let report = process.close().await;
                let took = start.elapsed();
                let left = oracle::of_child(process.number());
                println!("{reach:?}: {took:?}, {} left; {report:#}", left.len());
                // All at once, by their group: nobody can slip through that.
                let group = rustix::process::Pid::from_raw(group).unwrap();
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
                assert!(took < Duration::from_secs(20), "{took:?}");
                if report.is_complete() {
                    assert_eq!(left, [], "{report:#}");
                    suspect.assert_gone();
                } else {
                    assert_eq!(reach, Reach::Marked, "{report:#}");
                    assert!(report.ran_out_of_time(), "{report:#}");
                    assert!(!report.survivors().is_empty() && report.to_string().contains("NOT ended: "), "{report:#}");
                    oracle::soon("nobody holds its standard output", || suspect.is_silent());
                }
                assert_eq!(report.ended(), Ended::AtEndOfInput, "{report:#}");
            }
        });
    });
}

#[test]
fn budgets_of_zero_are_enough_in_every_reach() {
    on_one(async |rt| {
        for reach in [Reach::Session, Reach::Marked, Reach::Contained] {
            for (name, script) in servers::ALL {
                // Session leaves daemons alone.
                if reach == Reach::Session && name.starts_with("escapes") {
                    continue;
                }
                // How long the system takes to carry out a SIGKILL is not asked here, but whether it is enough.
                let budgets = Budgets::NONE.with_after_kill(patient().after_kill);
                let mut process = sh(script).name(name).reach(reach).budgets(budgets).spawn(&rt).unwrap();
                let mut suspect = Suspect::new(&mut process);
                suspect.says("ready").await;
                let report = process.close().await;
                assert!(report.is_complete(), "{report:#}");
                suspect.assert_gone();
            }
        }
    });
}
