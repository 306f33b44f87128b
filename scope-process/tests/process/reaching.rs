//! `Reach`: who counts as a server's own, however it is ended.

use std::os::unix::process::ExitStatusExt;

use scope_core::rt::Handle;
use scope_process::{Command, Ended, Process, Reach, Stdio};

use crate::alone::alone;
use crate::hosts::{self, Host};
use crate::oracle::{self, Suspect};
use crate::other_users::as_nobody;
use crate::runtimes::{on_each, within};
use crate::servers::{self, SHORT, patient, sh};

/// Leaves the group, but not the session: what an interactive shell does with its jobs. It says its number.
const LEAVES_THE_GROUP: &str = "set -m; sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' 2>/dev/null &
    echo; exec cat >/dev/null";

/// A daemon. It says its number.
const DAEMON: &str = "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' & echo; exec cat >/dev/null";

/// The same, with nothing of its own in its environment.
const BARE_DAEMON: &str =
    "env -i /usr/bin/setsid /bin/sh -c 'trap \"\" TERM; echo $$; exec /bin/sleep 1000' & echo; exec cat >/dev/null";

fn reaching(script: &str, reach: Reach) -> Command {
    let mut command = sh(script);
    command.reach(reach).budgets(patient().with_after_term(SHORT));
    command
}

/// Starts one; gives the number of whoever got away from it.
async fn started(rt: &Handle, command: &Command) -> (Process, Suspect, u32) {
    let mut process = command.spawn(rt).unwrap();
    let mut suspect = Suspect::new(&mut process);
    let numbers = [suspect.line().await, suspect.line().await].concat();
    (process, suspect, numbers.parse().unwrap())
}

fn is_alive(pid: u32) -> bool {
    oracle::state(pid).is_some_and(|(state, _)| state != 'Z')
}

/// Every way in which a living host ends a server.
const WAYS: [&str; 3] = ["close", "end_now", "drop"];

async fn end(way: &str, mut process: Process) {
    let report = match way {
        "close" => process.close().await,
        "end_now" => process.end_now(),
        _ => return drop(process),
    };
    assert!(report.is_complete(), "{report:#}");
    assert_eq!(report.shortfalls(), [], "{report:#}");
}

#[test]
fn session_ends_who_left_the_group_and_leaves_daemons_alone() {
    on_each(async |rt| {
        for way in WAYS {
            let (process, suspect, job) = started(&rt, &reaching(LEAVES_THE_GROUP, Reach::Session)).await;
            end(way, process).await;
            suspect.assert_gone_soon();
            assert!(!is_alive(job), "{way}");

            let (process, _, daemon) = started(&rt, &reaching(DAEMON, Reach::Session)).await;
            let leader = process.id();
            end(way, process).await;
            oracle::soon("it is reaped", || oracle::state(leader).is_none());
            assert!(is_alive(daemon), "{way}");
            hosts::signal(daemon, rustix::process::Signal::KILL);
        }
    });
}

#[test]
fn marked_ends_daemons() {
    on_each(async |rt| {
        for way in WAYS {
            let (process, suspect, daemon) = started(&rt, &reaching(DAEMON, Reach::Marked)).await;
            end(way, process).await;
            suspect.assert_gone_soon();
            assert!(!is_alive(daemon), "{way}");
        }
    });
}

#[test]
fn nobody_gets_out_of_a_containment() {
    on_each(async |rt| {
        for script in [BARE_DAEMON, DAEMON, LEAVES_THE_GROUP] {
            for way in WAYS {
                let (process, suspect, daemon) = started(&rt, &reaching(script, Reach::Contained)).await;
                end(way, process).await;
                suspect.assert_gone_soon();
                oracle::soon("the daemon is gone", || !is_alive(daemon));
            }
        }
    });
}

#[test]
fn nobody_gets_out_of_a_containment_of_a_host_without_rights() {
    let test = "reaching::nobody_gets_out_of_a_containment_of_a_host_without_rights";
    as_nobody(test, || {
        assert!(!rustix::process::geteuid().is_root());
        on_each(async |rt| {
            for way in WAYS {
                let (process, suspect, daemon) = started(&rt, &reaching(BARE_DAEMON, Reach::Contained)).await;
                end(way, process).await;
                suspect.assert_gone_soon();
                oracle::soon("the daemon is gone", || !is_alive(daemon));
            }
            behaves_as_any_other(&rt).await;
        });
    });
}

#[test]
fn a_contained_server_behaves_as_any_other() {
    alone("reaching::a_contained_server_behaves_as_any_other", || {
        on_each(async |rt| {
            behaves_as_any_other(&rt).await;
        });
    });
}

async fn behaves_as_any_other(rt: &Handle) {
    for reach in [Reach::Marked, Reach::Contained] {
        let spawn = |script: &str| {
            let mut process = reaching(script, reach).spawn(rt).unwrap();
            let suspect = Suspect::new(&mut process);
            (process, suspect)
        };
        // Its exit code, as soon as it has ended, though a child of it goes on.
        let (mut process, mut suspect) = spawn("sleep 1000 & echo ready; read line; exit 5");
        suspect.says("ready").await;
        assert_eq!(process.status(), None);
        process.take_stdin().unwrap().write_all(b"\n").await.unwrap();
        within(rt, "its end", process.exited()).await.unwrap();
        assert_eq!(process.status().unwrap().code(), Some(5));
        let report = process.close().await;
        assert_eq!((report.ended(), report.status().unwrap().code()), (Ended::BeforeClose, Some(5)), "{report:#}");
        assert_eq!(report.stragglers().len(), 1, "{report:#}");
        assert!(report.is_complete() && report.shortfalls().is_empty(), "{report:#}");
        suspect.assert_gone();

        // The signal that ended it.
        let (mut process, _) = spawn("kill -9 $$");
        within(rt, "its end", process.exited()).await.unwrap();
        assert_eq!(process.status().unwrap().signal(), Some(9));
        let report = process.close().await;
        assert_eq!((report.ended(), report.status().unwrap().signal()), (Ended::BeforeClose, Some(9)), "{report:#}");

        // The end of its output is that of the last who holds it: nobody between it and the host has it open.
        let (mut process, suspect) = spawn("exec >/dev/null; read line");
        oracle::soon("its output ends", || suspect.is_silent());
        let report = process.close().await;
        assert_eq!(report.ended(), Ended::AtEndOfInput, "{report:#}");
        assert!(report.is_polite(), "{report:#}");

        // One that does what it is asked has the time for it, on a machine as busy as it may be.
        for (script, budgets, ended, signal) in [
            (servers::POLITE, patient(), Ended::AtEndOfInput, None),
            ("echo ready; exec sleep 1000", patient().with_after_eof(SHORT), Ended::AtTerm, Some(15)),
            (
                servers::IGNORES_EOF_AND_TERM,
                patient().with_after_eof(SHORT).with_after_term(SHORT),
                Ended::AtKill,
                Some(9),
            ),
        ] {
            let mut process = reaching(script, reach).budgets(budgets).spawn(rt).unwrap();
            let mut suspect = Suspect::new(&mut process);
            suspect.says("ready").await;
            let report = process.close().await;
            assert_eq!((report.ended(), report.status().unwrap().signal()), (ended, signal), "{reach:?} {report:#}");
            assert!(report.is_complete() && report.survivors().is_empty(), "{report:#}");
            suspect.assert_gone();
        }

        // Its number is its group's.
        let (mut process, mut suspect) = spawn("ps -o pgid= -p $$");
        assert_eq!(suspect.line().await.trim(), process.id().to_string());
        process.close().await;

        // Errors of a start are those of the program.
        let missing = Command::new("/no/such/program").reach(reach).spawn(rt).unwrap_err();
        assert!(missing.is_not_found(), "{missing}");
        let folder = Command::new("/usr").reach(reach).stdout(Stdio::Null).spawn(rt).unwrap_err();
        assert!(folder.is_directory(), "{folder}");
        assert_eq!(oracle::children(), []);
    }
}

#[test]
fn nobody_outlives_the_host_in_a_containment() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let name = "reaching::nobody_outlives_the_host_in_a_containment";
    for end in ["kill", "abort", "exit"] {
        let mut host = Host::start(name);
        host.ask("contain");
        host.ask("contain a bare daemon");
        match end {
            "kill" => host.kill(),
            _ => host.tell(end),
        }
        host.end();
        host.assert_nothing_left();
    }
}
