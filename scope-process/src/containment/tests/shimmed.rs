//! What is particular to the shim.

use std::fs;

use super::*;

fn field(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_server_is_known_and_its_end_is_told_before_the_leaders() {
    let mut inside = Inside::new(Means::Shim, &format!("echo $$; {ESCAPE}; read line; kill -TERM $$"));
    let server: i32 = inside.says().parse().unwrap();
    assert_eq!(inside.held.server().unwrap().as_raw_pid(), server);
    assert_eq!(inside.says(), "out");
    let end = inside.held.end_fd().unwrap().unwrap();
    assert!(!crate::exit::wait_all(&[end.as_fd()], Duration::ZERO));
    assert_eq!(inside.held.status(), None);
    drop(inside.leader.stdin.take());
    assert!(crate::exit::wait_all(&[end.as_fd()], Duration::from_secs(60)));
    let told = inside.held.status().unwrap();
    assert!(inside.leader.try_wait().unwrap().is_none(), "the daemon is there");
    assert_eq!(inside.end(), told);
}

#[test]
fn an_end_of_output_is_seen_while_the_server_lives() {
    let mut inside = Inside::new(Means::Shim, "exec >/dev/null; read line");
    assert_eq!(inside.rest(), "");
    assert!(!inside.held.wait_empty(Instant::now()));
    inside.end();
}

#[test]
fn the_shim_has_nothing_of_the_hosts() {
    let large = std::hint::black_box(vec![1u8; 64 << 20]);
    let inside = Inside::new(Means::Shim, "exec cat");
    let shim = inside.leader.id();
    assert_eq!(fs::read_to_string(format!("/proc/{shim}/comm")).unwrap(), "scope-shim\n");
    assert_eq!(fs::read_link(format!("/proc/{shim}/cwd")).unwrap().to_str(), Some("/"));
    // It gives the memory back after the start, for which it opens a file, and nothing tells when it has.
    let deadline = later();
    let open = || fs::read_dir(format!("/proc/{shim}/fd")).unwrap().count();
    while open() != 3 || field(shim, "RssAnon") > 4096 {
        assert!(Instant::now() < deadline, "{} descriptors, {} KiB", open(), field(shim, "RssAnon"));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(large.iter().all(|byte| *byte == 1), "the host has lost nothing");
    inside.end();
}

#[test]
fn the_dead_are_cleared_away_while_the_server_runs() {
    let script = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); (sh -c : &); done; echo done; exec cat";
    let mut inside = Inside::new(Means::Shim, script);
    assert_eq!(inside.says(), "done");
    let shim = inside.leader.id();
    // Nothing tells when the last of them has been.
    let deadline = later();
    while fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap().split_whitespace().count() > 1 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    inside.end();
}

#[test]
fn a_shim_that_was_killed_is_not_taken_for_proof() {
    let mut inside = Inside::new(Means::Shim, &format!("{ESCAPE}; exec cat"));
    assert_eq!(inside.says(), "out");
    let Some(oracle) = inside.oracle.take() else { return println!("SKIPPED: no cgroup to clear up with") };
    inside.leader.kill().unwrap();
    assert!(!inside.held.wait_empty(later()));
    oracle.kill().unwrap();
    assert!(oracle.wait_empty(later()));
    inside.leader.wait().unwrap();
}

#[test]
fn a_shim_needs_a_group_to_leave_to_the_server() {
    let held = prepare(Means::Shim, OwnerId::of_this_host(), marker::next_child()).unwrap();
    let mut command = sh("exit");
    held.arm(&mut command);
    assert_eq!(command.spawn().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}
