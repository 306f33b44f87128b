//! `Command::spawn`: what the child gets, and what is said when it cannot be started.

use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use scope_core::rt::Handle;
use scope_process::{Command, Inherit, OwnerId, SpawnError, Stdio};
use scope_tokio::TokioRuntime;

use crate::alone::{alone, alone_under};
use crate::oracle;
use crate::runtimes::{on_each, within};
use crate::servers::sh;

async fn output(rt: &Handle, command: &Command) -> String {
    let mut process = command.spawn(rt).unwrap();
    let mut stdout = process.take_stdout().unwrap();
    let mut text = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match within(rt, "output", stdout.read(&mut buf)).await.unwrap() {
            0 => break,
            n => text.extend_from_slice(&buf[..n]),
        }
    }
    process.close().await;
    String::from_utf8(text).unwrap()
}

#[test]
fn a_child_has_its_own_group_its_arguments_its_directory_and_its_environment() {
    on_each(async |rt| {
        let mut command = Command::new("sh");
        command.args(["-c", "ps -o pgid= -p $$; echo $$; pwd; echo \"$1\" \"$GREETING\"", "sh", "one argument"]);
        command.cwd("/usr").env("GREETING", "hello");
        let text = output(&rt, &command).await;
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[0], lines[1], "leader of its group");
        assert_eq!(lines[2..], ["/usr", "one argument hello"]);
    });
}

#[test]
fn secrets_of_the_host_are_not_handed_down_unless_told() {
    let test = "starting::secrets_of_the_host_are_not_handed_down_unless_told";
    alone_under("export SECRET=token", test, || {
        on_each(async |rt| {
            let mut command = sh("echo ${SECRET-none} ${HOME+home}");
            assert_eq!(output(&rt, &command).await.trim(), "none home");
            command.inherit(Inherit::All);
            assert_eq!(output(&rt, &command).await.trim(), "token home");
            command.env_remove("SECRET");
            assert_eq!(output(&rt, &command).await.trim(), "none home");
        });
    });
}

#[test]
fn children_carry_the_owner_in_the_name_and_their_number_in_the_value() {
    on_each(async |rt| {
        let command = sh(&format!("echo ${}", OwnerId::of_this_host().variable()));
        let first: u64 = output(&rt, &command).await.trim().parse().unwrap();
        let second: u64 = output(&rt, &command).await.trim().parse().unwrap();
        assert!(second > first);
    });
}

#[test]
fn the_marks_of_outer_hosts_are_handed_down() {
    let test = "starting::the_marks_of_outer_hosts_are_handed_down";
    alone_under("export SCOPE_OWNER_0123=outer", test, || {
        on_each(async |rt| {
            let mut command = sh("echo $SCOPE_OWNER_0123");
            command.inherit(Inherit::Nothing).env("PATH", std::env::var_os("PATH").unwrap());
            assert_eq!(output(&rt, &command).await.trim(), "outer");
        });
    });
}

#[test]
fn the_path_that_counts_is_the_childs() {
    on_each(async |rt| {
        let folder = Folder::new();
        folder.file("greet", "#!/bin/sh\necho from \"$PWD\"\n", 0o755);
        let mut command = Command::new("greet");
        command.env("PATH", format!("/nowhere:{}:/bin:/usr/bin", folder.0.display()));
        assert!(output(&rt, &command).await.starts_with("from /"));
        // By a path, and from `PATH`: relative to where the child runs.
        let mut command = Command::new("./greet");
        assert_eq!(output(&rt, command.cwd(&folder.0)).await.trim(), format!("from {}", folder.0.display()));
        let mut command = Command::new("greet");
        let text = output(&rt, command.cwd(&folder.0).env("PATH", "/nowhere::/bin:/usr/bin")).await;
        assert_eq!(text.trim(), format!("from {}", folder.0.display()));
    });
}

#[test]
fn streams_that_are_not_piped_are_not_there_to_take() {
    on_each(async |rt| {
        let mut process =
            Command::new("cat").stdin(Stdio::Null).stdout(Stdio::Null).stderr(Stdio::Inherit).spawn(&rt).unwrap();
        assert!(process.take_stdin().is_none() && process.take_stdout().is_none() && process.take_stderr().is_none());
        within(&rt, "the end of what has no input", process.exited()).await.unwrap();
        assert!(process.close().await.is_polite());
    });
}

/// What is said of a command that cannot be started.
fn error(command: &Command) -> SpawnError {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rt = Handle::new(TokioRuntime::new(runtime.handle().clone()));
    let error = runtime.block_on(async { command.spawn(&rt) }).unwrap_err();
    println!("{error}");
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot start {:?}: ", error.name())) && text.lines().count() == 1, "{text}");
    error
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let e = error(Command::new("no-such-program").name("files"));
    assert!(e.is_not_found() && e.to_string().contains("\"no-such-program\" in the"), "{e}");
    assert_eq!(e.name().as_str(), "files");
    let e = error(&Command::new("/no/such/program"));
    assert!(e.is_not_found() && e.to_string().contains("\"/no/such/program\""), "{e}");
    let e = error(&Command::new("/etc/passwd/program"));
    assert!(e.is_not_found(), "{e}");
    let e = error(Command::new("no-such-program").inherit(Inherit::Nothing));
    assert!(e.is_not_found() && e.to_string().contains("no PATH"), "{e}");
}

#[test]
fn arguments_in_the_programs_name_are_pointed_out() {
    let e = error(&Command::new("npx -y some-server"));
    assert!(e.is_not_found() && e.to_string().contains("give \"-y some-server\" as its arguments"), "{e}");
}

#[test]
fn a_directory_is_no_program() {
    assert!(error(&Command::new("/usr/bin")).is_directory());
    // Found by its name only.
    assert!(error(Command::new("bin").env("PATH", "/usr")).is_directory());
}

#[test]
fn a_file_that_cannot_be_run_says_why() {
    let folder = Folder::new();
    let e = error(&Command::new(folder.file("plain", "#!/bin/sh\n", 0o644)));
    assert!(e.is_not_executable() && e.to_string().contains("chmod +x"), "{e}");
    let e = error(Command::new("plain").env("PATH", &folder.0));
    assert!(e.is_not_executable(), "{e}");
    let e = error(&Command::new(folder.file("orphan", "#!/no/such/interpreter\n", 0o755)));
    assert!(e.is_not_executable() && e.to_string().contains("first line"), "{e}");
    assert!(e.source().is_some());
    let e = error(&Command::new(folder.file("garbage", "no program\n", 0o755)));
    assert!(e.is_not_executable() && e.to_string().contains("#!/bin/sh"), "{e}");
    let e = error(&Command::new("/dev/null"));
    assert!(e.is_not_executable(), "{e}");
}

#[test]
fn a_working_directory_that_cannot_be_used_is_named() {
    let e = error(Command::new("cat").cwd("/no/such/place"));
    assert!(e.is_bad_cwd() && e.to_string().contains("\"/no/such/place\""), "{e}");
    assert!(error(Command::new("cat").cwd("/etc/passwd")).is_bad_cwd());
}

#[test]
fn malformed_input_is_refused_without_showing_values() {
    assert!(error(&Command::new("")).is_invalid_input());
    assert!(error(&Command::new("a\0b")).is_invalid_input());
    assert!(error(Command::new("cat").arg("a\0b")).is_invalid_input());
    assert!(error(Command::new("cat").cwd("/a\0b")).is_bad_cwd());
    for name in ["", "A=B", "A\0"] {
        assert!(error(Command::new("cat").env(name, "x")).is_invalid_input());
    }
    let e = error(Command::new("cat").env("TOKEN", "secret\0"));
    assert!(e.is_invalid_input() && !format!("{e} {e:?}").contains("secret"), "{e}");
    assert!(error(Command::new("cat").arg("x".repeat(10_000_000))).is_invalid_input());
    let mut command = Command::new("cat");
    command.env("TOKEN", "secret").arg("--password=secret");
    assert!(!format!("{command:?}").contains("secret"));
}

#[test]
fn a_runtime_that_cannot_watch_pipes_starts_nothing() {
    alone("starting::a_runtime_that_cannot_watch_pipes_starts_nothing", || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let rt = Handle::new(TokioRuntime::new(runtime.handle().clone()));
        let refused = || {
            let e = sh("sleep 1000").spawn(&rt).unwrap_err();
            assert!(e.is_unwatchable(), "{e}");
            oracle::soon("no children", || oracle::children().is_empty());
        };
        // The first start opens what the host keeps, for its guardian.
        refused();
        let before = oracle::descriptors();
        refused();
        oracle::soon("as few descriptors as before", || oracle::descriptors() == before);
    });
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("scope-process-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().canonicalize().unwrap().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        // Not through a descriptor of this process: a child forked by another test could hold it open for writing, and
        // then the file cannot be run.
        let status = std::process::Command::new("sh")
            .args(["-c", "printf %s \"$1\" >\"$0\""])
            .arg(&path)
            .arg(text)
            .status()
            .unwrap();
        assert!(status.success());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
