//! A test in a process of its own: for those that count what the whole process holds, or that change it.

use std::process::Command;

const INNER: &str = "SCOPE_TEST_ALONE";

/// Runs the test `name` (its path, as the harness prints it) again in a process of its own, where `body` is run.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    alone_under("", name, body);
}

/// The same; the shell commands in `setup` change the process first: its limits, its signals.
pub(crate) fn alone_under(setup: &str, name: &str, body: impl FnOnce()) {
    if is_alone() {
        return body();
    }
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("{setup}\nexec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INNER, "1")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{name} alone: {}\n{text}", output.status);
    assert!(text.contains("1 passed"), "{name} is not the test's name:\n{text}");
}

/// Whether this process runs one test for another.
pub(crate) fn is_alone() -> bool {
    std::env::var_os(INNER).is_some()
}
