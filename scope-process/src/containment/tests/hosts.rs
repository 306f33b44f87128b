//! Hosts that end, or are not what one expects.

use super::*;

/// Plays the host: starts a server with a daemon, tells, and waits for its own end. Everything has its standard output.
#[expect(clippy::zombie_processes, reason = "the host ends before its children do")]
fn host(means: Means) {
    let mut held = prepare(means, OwnerId::of_this_host(), marker::next_child()).unwrap();
    println!("held by {}", if held.cgroup_path().is_some() { "a cgroup" } else { "a shim" });
    let mut command = sh(&format!("{ESCAPE}; exec sleep 1000"));
    held.arm(&mut command);
    let leader = command.process_group(0).stdin(Stdio::null()).spawn().unwrap();
    held.started(Pid::from_child(&leader));
    // One that outlives the host and holds the host's end of the socket.
    let mut copy = Command::new("/bin/sleep");
    if let Some(end) = held.end_fd().unwrap() {
        let copy = copy.arg("1000").stdin(end).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        println!("copy {}", copy.id());
    }
    // When all of them are there, the test says so.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    match word().as_deref() {
        Some("abort") => {
            // It leaves no core.
            rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).unwrap();
            std::process::abort()
        }
        Some("exit") => std::process::exit(0),
        _ => loop {
            std::thread::park();
        },
    }
}

/// Starts a host and reads what it says up to "out"; gives the pid of the copy.
fn started(name: &str, word: &str) -> (Child, BufReader<ChildStdout>, Option<Pid>) {
    let mut command = again(Command::new(std::env::current_exe().unwrap()), name, word);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (mut out, mut copy) = (false, None);
    while !out || copy.is_none() {
        let mut line = String::new();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "the host has ended");
        out |= line.trim_end().ends_with("out");
        copy = copy.or(line.trim().strip_prefix("copy ").and_then(|pid| Pid::from_raw(pid.parse().unwrap())));
    }
    (child, stdout, copy)
}

#[test]
fn whoever_is_held_by_a_shim_does_not_outlive_the_host() {
    if word().is_some() {
        return host(Means::Shim);
    }
    for end in ["kill", "abort", "exit"] {
        let (mut child, mut stdout, copy) = started("hosts::whoever_is_held_by_a_shim_does_not_outlive_the_host", end);
        if end == "kill" {
            child.kill().unwrap();
        }
        drop(child.stdin.take());
        child.wait().unwrap();
        // The end of the pipe: server and daemon had it.
        stdout.read_to_end(&mut Vec::new()).unwrap();
        rustix::process::kill_process(copy.unwrap(), rustix::process::Signal::KILL).unwrap();
    }
}

#[test]
fn a_user_without_privileges_gets_a_shim() {
    let name = "hosts::a_user_without_privileges_gets_a_shim";
    if word().is_some() {
        let why = prepare(Means::Cgroup, OwnerId::of_this_host(), marker::next_child()).err().unwrap();
        println!("{why}");
        assert!(why.to_string().starts_with("no cgroup of its own (cannot make /"), "{why}");
        let any = prepare(Means::Any, OwnerId::of_this_host(), marker::next_child()).unwrap();
        assert!(any.cgroup_path().is_none());
        let mut inside = Inside::new(Means::Any, &format!("{ESCAPE}; exec cat"));
        assert_eq!(inside.says(), "out");
        inside.end();
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return println!("SKIPPED: it takes root to become somebody else");
    }
    // Where anybody may run it.
    let folder = std::env::temp_dir().join(format!("scope-contained-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("test");
    // Not through a descriptor of this process: a child that another test forks could hold it open for writing, and then
    // it cannot be run.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program).current_dir("/");
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| passes(again(command, name, "nobody"))));
    std::fs::remove_dir_all(&folder).unwrap();
    ran.unwrap();
}

#[test]
fn a_host_that_ignores_the_end_of_its_children_still_learns_of_it() {
    let name = "hosts::a_host_that_ignores_the_end_of_its_children_still_learns_of_it";
    if word().is_none() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' CHLD; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
        return passes(again(command, name, "deaf"));
    }
    for means in both() {
        let mut inside = Inside::new(means, &format!("{ESCAPE}; exit 4"));
        assert_eq!(inside.says(), "out");
        inside.held.kill().unwrap();
        assert!(inside.held.wait_empty(later()));
        assert!(inside.held.status().is_none_or(|status| status.code() == Some(4)));
        inside.rest();
        inside.held.remove().unwrap();
    }
}

#[test]
fn a_host_without_standard_streams_can_hold_a_server() {
    let name = "hosts::a_host_without_standard_streams_can_hold_a_server";
    if word().is_none() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec \"$0\" \"$@\" <&-"]).arg(std::env::current_exe().unwrap());
        return passes(again(command, name, "bare"));
    }
    for means in both() {
        let mut inside = Inside::new(means, &format!("{ESCAPE}; exec cat"));
        assert_eq!(inside.says(), "out");
        inside.end();
    }
}
