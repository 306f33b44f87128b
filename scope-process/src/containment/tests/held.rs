//! What a cgroup and a shim have in common.

use std::os::unix::process::ExitStatusExt;

use rustix::process::{Pid, Signal};

use super::*;

#[test]
fn a_daemon_with_a_session_of_its_own_and_no_environment_does_not_get_out() {
    for means in both() {
        let mut inside = Inside::new(means, &format!("{ESCAPE}; exec cat"));
        assert_eq!(inside.says(), "out");
        assert!(!inside.held.members().unwrap().is_empty());
        inside.end();
    }
}

#[test]
fn a_daemon_whose_server_has_ended_is_left_alone_and_does_not_get_out() {
    for means in both() {
        let mut inside = Inside::new(means, &format!("{ESCAPE}; read line; exit 3"));
        assert_eq!(inside.says(), "out");
        drop(inside.leader.stdin.take());
        inside.await_server();
        assert!(!inside.held.members().unwrap().is_empty(), "{means:?}: the daemon");
        assert!(!inside.held.wait_empty(Instant::now()), "{means:?}");
        assert_eq!(inside.end().code(), Some(3), "{means:?}: how the server ended");
    }
}

#[test]
fn a_tree_of_fifty_is_killed_whole() {
    // Half of them deaf, in groups and sessions of their own.
    let script = "i=0; while [ $i -lt 25 ]; do i=$((i+1))
        setsid sh -c 'trap \"\" TERM INT HUP; sleep 1000 & echo up; wait; wait' &
    done; exec cat";
    for means in both() {
        let mut inside = Inside::new(means, script);
        (0..25).for_each(|_| assert_eq!(inside.says(), "up"));
        assert!(inside.held.members().unwrap().len() >= 50);
        inside.end();
    }
}

#[test]
fn killing_is_not_asking() {
    for means in both() {
        let mut inside = Inside::new(means, "trap '' TERM INT HUP QUIT; echo deaf; while :; do sleep 1000; done");
        assert_eq!(inside.says(), "deaf");
        assert_eq!(inside.end().signal(), Some(Signal::KILL.as_raw()));
    }
}

#[test]
fn who_is_stopped_is_killed_as_well() {
    for means in both() {
        let mut inside = Inside::new(means, "echo here; kill -STOP 0; exit");
        assert_eq!(inside.says(), "here");
        inside.end();
    }
}

#[test]
fn one_that_starts_itself_again_and_again_is_caught_up_with() {
    // Not for ever, should it get out.
    let script = "export n=0 again='n=$((n+1)); [ $n -lt 20000 ] || exit; sh -c \"$again\" & exit'
        (setsid sh -c 'echo off; eval \"$again\"' &); exec cat";
    for means in both() {
        let mut inside = Inside::new(means, script);
        assert_eq!(inside.says(), "off");
        inside.end();
    }
}

#[test]
fn the_leader_ends_as_the_server_did() {
    for means in both() {
        for code in [0, 1, 77, 255] {
            let mut inside = Inside::new(means, &format!("exit {code}"));
            assert_eq!(inside.leader.wait().unwrap().code(), Some(code));
            assert!(inside.held.wait_empty(later()));
            assert!(inside.held.status().is_none_or(|status| status.code() == Some(code)));
            inside.end();
        }
        // Not INT and HUP: whoever runs the tests in the background may have had them ignored, and so would the server.
        for signal in [Signal::TERM, Signal::KILL, Signal::USR1, Signal::ALARM, Signal::ABORT, Signal::SEGV] {
            let mut inside = Inside::new(means, &format!("ulimit -c 0; kill -{} $$", signal.as_raw()));
            let status = inside.leader.wait().unwrap();
            assert_eq!((status.signal(), status.core_dumped()), (Some(signal.as_raw()), false));
            assert!(inside.held.status().is_none_or(|told| told == status));
            inside.end();
        }
    }
}

#[test]
fn a_signal_to_the_group_reaches_the_server_and_what_it_started_alone() {
    for means in both() {
        let mut inside =
            Inside::new(means, &format!("trap 'echo asked; exit 5' TERM; {ESCAPE}; while :; do sleep 0.01; done"));
        assert_eq!(inside.says(), "out");
        let group = Pid::from_child(&inside.leader);
        rustix::process::kill_process_group(group, Signal::TERM).unwrap();
        assert_eq!(inside.says(), "asked");
        inside.await_server();
        assert!(!inside.held.wait_empty(Instant::now()));
        assert_eq!(inside.end().code(), Some(5));

        let mut inside = Inside::new(means, &format!("{ESCAPE}; exec cat"));
        assert_eq!(inside.says(), "out");
        let group = Pid::from_child(&inside.leader);
        for signal in [Signal::STOP, Signal::KILL] {
            rustix::process::kill_process_group(group, signal).unwrap();
        }
        assert!(!inside.held.members().unwrap().is_empty());
        assert_eq!(inside.end().signal(), Some(Signal::KILL.as_raw()));
    }
}

#[test]
fn the_server_finds_what_it_would_find_with_nobody_around_it() {
    // What it is, what it has open, which signals it blocks and ignores (32 and 33 are the libc's, and std's two ways to
    // start a program differ in them), and variables no shell could write.
    let script = "ps -o pgid= -p $$ | tr -d ' '; ls /proc/self/fd | tr '\\n' ' '; echo
        grep -E '^(SigBlk|SigCgt|NoNewPrivs|Seccomp):' /proc/self/status
        ign=$(sed -n 's/^SigIgn:[^0-9a-f]*/0x/p' /proc/self/status); echo $((ign & 0x7fffffff))
        tr '\\0' '\\n' </proc/$$/environ | grep -E '^(a.b|c-d)=' | sort; echo \"$0 $1\"; pwd";
    let run = |means: Option<Means>| {
        let mut command = Command::new("/bin/sh");
        command.arg0("a name").args(["-c", script, "zero", "one argument"]);
        command.env("a.b", "1").env("c-d", "2").current_dir("/usr");
        let Some(means) = means else {
            let output = command.process_group(0).stdin(Stdio::piped()).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            return text.split_once('\n').unwrap().1.to_owned();
        };
        let mut inside = Inside::of(means, &mut command).unwrap();
        drop(inside.leader.stdin.take());
        let group: u32 = inside.says().parse().unwrap();
        assert_eq!(group, inside.leader.id());
        let text = inside.rest();
        inside.end();
        text
    };
    let expected = run(None);
    assert!(expected.contains("a.b=1\nc-d=2\nzero one argument\n/usr"), "{expected}");
    for means in both() {
        assert_eq!(run(Some(means)), expected, "{means:?}");
    }
}

#[test]
fn a_program_that_cannot_be_run_is_an_error_of_the_start_and_leaves_nothing() {
    for means in both() {
        let held = prepare(means, OwnerId::of_this_host(), marker::next_child()).unwrap();
        let mut command = Command::new("/no/such/program");
        held.arm(&mut command);
        let error = command.process_group(0).spawn().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        let path = held.cgroup_path().map(std::path::Path::to_owned);
        drop(held);
        assert!(path.is_none_or(|path| !path.exists()));
    }
}

#[test]
fn a_drop_kills_although_somebody_watches_the_end() {
    for means in both() {
        let mut inside = Inside::new(means, &format!("{ESCAPE}; exec cat"));
        assert_eq!(inside.says(), "out");
        let watched = inside.held.end_fd().unwrap();
        let path = inside.held.cgroup_path().map(std::path::Path::to_owned);
        drop(inside.held);
        assert!(path.is_none_or(|path| !path.exists()));
        inside.leader.wait().unwrap();
        // The end of what they all had.
        inside.stdout.read_to_end(&mut Vec::new()).unwrap();
        assert!(inside.oracle.is_none_or(|oracle| oracle.wait_empty(later())));
        drop(watched);
    }
}

#[test]
fn what_is_dropped_before_a_start_leaves_nothing() {
    for means in both() {
        let held = prepare(means, OwnerId::of_this_host(), marker::next_child()).unwrap();
        let path = held.cgroup_path().map(std::path::Path::to_owned);
        assert!(path.as_ref().is_none_or(|path| path.exists()));
        drop(held);
        assert!(path.is_none_or(|path| !path.exists()));
    }
}

#[test]
fn a_thousand_cycles_leave_no_descriptor_no_process_and_no_cgroup() {
    let name = "held::a_thousand_cycles_leave_no_descriptor_no_process_and_no_cgroup";
    if word().is_none() {
        return passes(again(Command::new(std::env::current_exe().unwrap()), name, "alone"));
    }
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let own = OwnerId::of_this_host();
    for means in both() {
        let mut folder = None;
        let mut before = 0;
        for cycle in 0..1000 {
            if cycle == 1 {
                before = descriptors();
            }
            let mut held = prepare(means, own, marker::next_child()).unwrap();
            folder = held.cgroup_path().and_then(|path| path.parent()).map(std::path::Path::to_owned);
            let mut command = Command::new("/bin/cat");
            held.arm(&mut command);
            let mut leader = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            drop(command);
            held.started(Pid::from_child(&leader));
            held.kill().unwrap();
            assert!(held.wait_empty(later()));
            leader.wait().unwrap();
            held.remove().unwrap();
        }
        assert_eq!(descriptors(), before, "{means:?}");
        let left = folder.map_or(0, |folder| {
            let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.to_string_lossy().contains(&own.to_string())).count()
        });
        assert_eq!(left, 0);
    }
    let children = rustix::process::waitid(rustix::process::WaitId::All, rustix::process::WaitIdOptions::EXITED);
    assert_eq!(children.unwrap_err(), rustix::io::Errno::CHILD);
}
