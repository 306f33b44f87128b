//! Hosts that are not started as one expects.

use std::process::Command;

use scope_process::Reach;

use crate::alone::{alone_under, is_alone};
use crate::hosts::{self, Host};
use crate::oracle::{self, Suspect};
use crate::runtimes::on_each;
use crate::servers::{self, SHORT, patient, sh};

/// Ends at SIGTERM.
const POLITE_DAEMON: &str = "(setsid sh -c 'echo ready; exec sleep 1000' &) ; exec cat >/dev/null";

/// A daemon that starts others all the time, each for a moment.
const FORKING_DAEMON: &str = "(setsid sh -c 'echo ready; while :; do /bin/true; done' &) ; exec cat >/dev/null";

/// Numbers 0, 1 and 2 are free, so that descriptors of the crate's own get them; in the child they are the streams'.
#[test]
fn a_host_that_has_closed_its_standard_streams_starts_and_leaves_nothing() {
    if hosts::is_one() {
        return bare_host();
    }
    let mut host = Host::start("strange_hosts::a_host_that_has_closed_its_standard_streams_starts_and_leaves_nothing");
    // It has nothing to say this with but its exit status.
    assert_eq!(host.end().code(), Some(42));
    host.assert_nothing_left();
}

fn bare_host() {
    let result = std::panic::catch_unwind(|| {
        fork::close_fd().unwrap();
        on_each(async |rt| {
            for reach in [Reach::Marked, Reach::Contained] {
                for (name, script) in servers::ALL {
                    let budgets = patient().with_after_eof(SHORT).with_after_term(SHORT);
                    let mut process = sh(script).name(name).reach(reach).budgets(budgets).spawn(&rt).unwrap();
                    let mut suspect = Suspect::new(&mut process);
                    suspect.says("ready").await;
                    let report = process.close().await;
                    assert!(report.is_complete() && report.shortfalls().is_empty(), "{report:#}");
                    suspect.assert_gone();
                    drop(sh(script).reach(reach).spawn(&rt).unwrap());
                }
            }
            // It reads what it is given, and says what it is asked, whatever the numbers were.
            let mut process = sh("read line; echo \"$line\"").spawn(&rt).unwrap();
            process.take_stdin().unwrap().write_all(b"hello\n").await.unwrap();
            Suspect::new(&mut process).says("hello").await;
            process.close().await;
            oracle::soon("no children", || oracle::children().is_empty());
        });
    });
    // The panic has been told of on a standard error that is not there.
    if result.is_err() {
        std::process::exit(1);
    }
    std::process::exit(42)
}

#[test]
fn a_host_that_is_the_first_process_leaves_no_zombies() {
    let may = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "true"]).output().is_ok_and(|ran| ran.status.success())
    };
    if !is_alone() && !may() {
        return println!("SKIPPED: pid namespaces are not for this user");
    }
    let name = "strange_hosts::a_host_that_is_the_first_process_leaves_no_zombies";
    alone_under("exec unshare --pid --fork --mount-proc \"$0\" \"$@\"", name, || {
        assert_eq!(std::process::id(), 1);
        on_each(async |rt| {
            for round in 0..36 {
                let reach = if round % 2 == 0 { Reach::Marked } else { Reach::Contained };
                let scripts = [servers::LEAVES_A_CHILD, servers::ESCAPES, servers::IGNORES_EOF_AND_TERM, POLITE_DAEMON];
                let script = match reach {
                    // Only what is contained can be told from strangers when it is dead.
                    Reach::Contained if round % 4 == 1 => FORKING_DAEMON,
                    _ => scripts[(round / 2) % scripts.len()],
                };
                let budgets = patient().with_after_eof(SHORT).with_after_term(SHORT);
                let mut process = sh(script).reach(reach).budgets(budgets).spawn(&rt).unwrap();
                let mut suspect = Suspect::new(&mut process);
                suspect.says("ready").await;
                match round % 3 {
                    0 => drop(process),
                    1 => assert!(process.end_now().is_complete()),
                    _ => assert!(process.close().await.is_complete()),
                }
                suspect.assert_gone_soon();
            }
            // Whoever lost its parent is this one's child, dead or alive.
            oracle::soon("no children", || oracle::children().is_empty());
        });
    });
}

#[test]
fn a_host_that_ignores_sigchld_has_a_guardian() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let name = "strange_hosts::a_host_that_ignores_sigchld_has_a_guardian";
    for start in ["start", "contain"] {
        let mut host = Host::start_under("exec env --ignore-signal=CHLD \"$0\" \"$@\"", name);
        host.ask(start);
        // A drop, while it goes on; then another guardian, and the end.
        let pids = host.ask(start);
        host.ask("drop");
        oracle::soon("the dropped are gone", || {
            pids.split(' ').all(|pid| oracle::in_group(pid.parse().unwrap()).iter().all(|(_, state)| *state == 'Z'))
        });
        let first = host.guardian(0);
        hosts::signal(first, rustix::process::Signal::KILL);
        host.guardian(first);
        host.ask(start);
        host.kill();
        host.end();
        host.assert_nothing_left();
    }
}
