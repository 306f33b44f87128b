//! The guardian's script, run by every shell there is here, for a host that is played by the test.

use std::fmt::Write as _;
use std::io::{PipeReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::oracle;

const SCRIPT: &str = include_str!("../../src/guardian/guardian.sh");

/// Those that are installed, each with its arguments.
fn shells() -> Vec<Vec<&'static str>> {
    let all = [vec!["/bin/dash"], vec!["/bin/bash"], vec!["/bin/bash", "--posix"], vec!["/bin/busybox", "sh"]];
    let (there, missing): (Vec<_>, Vec<_>) = all.into_iter().partition(|shell| Path::new(shell[0]).exists());
    if !missing.is_empty() {
        println!("SKIPPED, for they are not installed: {missing:?}");
    }
    assert!(!there.is_empty());
    there
}

/// A guardian of a host that is `cat`, and who is to end with it.
struct Guarded {
    host: Child,
    guardian: Child,
    /// Deaf to SIGTERM, with a child that is too.
    group: Child,
    /// Carries the marker, and is in a group of its own.
    marked: Child,
    /// At the end of it, nobody of these is left.
    witness: PipeReader,
}

impl Guarded {
    fn new(shell: &[&str], path: &str) -> Guarded {
        let (witness, writer) = std::io::pipe().unwrap();
        let host = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        // Tests run beside each other.
        let mark = format!("SCOPE_OWNER_{}", host.id());
        let mut guardian = Command::new(shell[0]);
        guardian.args(&shell[1..]).args(["-c", SCRIPT, "scope-guardian", &mark]).arg(host.id().to_string());
        guardian.process_group(0).env("PATH", path).env("LC_ALL", "C").stdin(Stdio::piped());
        let guardian = guardian.spawn().unwrap();
        let start = |script: &str, mark: Option<&String>| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).envs(mark.map(|mark| (mark, "1"))).process_group(0);
            command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).spawn().unwrap()
        };
        let group = start("trap '' TERM; sleep 1000 & echo up; wait; sleep 1000", None);
        // By the shell too: tests beside this one have theirs.
        let marked = start("trap '' TERM; echo up; exec sleep 1000", Some(&mark));
        drop(writer);
        let mut guarded = Guarded { host, guardian, group, marked, witness };
        let mut said = [0; "up\nup\n".len()];
        guarded.witness.read_exact(&mut said).unwrap();
        guarded.tell(&format!("add {}\n", guarded.group.id()));
        guarded
    }

    fn tell(&mut self, lines: &str) {
        self.guardian.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// Ends the host, and waits for the end of the guardian.
    fn end(&mut self) {
        self.host.kill().unwrap();
        self.host.wait().unwrap();
        drop(self.guardian.stdin.take());
        // As init would: where there is no grep, a group with a zombie in it is one with somebody in it.
        self.group.wait().unwrap();
        let status = self.guardian.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    fn has_ended(child: &Child) -> bool {
        oracle::state(child.id()).is_none_or(|(state, _)| state == 'Z')
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        for child in [&mut self.host, &mut self.guardian, &mut self.group, &mut self.marked] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn every_shell_ends_groups_and_whoever_is_marked() {
    for shell in shells() {
        let start = Instant::now();
        let mut guarded = Guarded::new(&shell, "/usr/bin:/bin");
        guarded.end();
        println!("{shell:?}: {:?}", start.elapsed());
        guarded.witness.read_to_end(&mut Vec::new()).unwrap();
        assert!(Guarded::has_ended(&guarded.marked));
    }
}

#[test]
fn without_grep_the_groups_are_ended_still() {
    let folder = std::env::temp_dir().join(format!("scope-no-grep-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink("/bin/sleep", folder.join("sleep")).unwrap();
    // busybox has a grep of its own.
    for shell in shells().into_iter().filter(|shell| shell[0] != "/bin/busybox") {
        let mut guarded = Guarded::new(&shell, folder.to_str().unwrap());
        guarded.end();
        assert!(!Guarded::has_ended(&guarded.marked), "there was a grep: this test shows nothing");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn thousands_of_groups_come_and_go_quickly() {
    for shell in shells() {
        let mut guarded = Guarded::new(&shell, "/usr/bin:/bin");
        // No process has such numbers.
        let (mut adds, mut dels) = (String::new(), String::new());
        for group in 1_000_000_000..1_000_003_000_u32 {
            writeln!(adds, "add {group}").unwrap();
            writeln!(dels, "del {group}").unwrap();
        }
        let start = Instant::now();
        guarded.tell(&adds);
        guarded.tell(&dels);
        // It reads in order.
        guarded.end();
        let took = start.elapsed();
        println!("{shell:?}: {took:?}");
        assert!(took < Duration::from_secs(20), "{shell:?}: {took:?}");
    }
}
