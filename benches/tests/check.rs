//! The benches work, and the allocation goals hold. Nothing here depends on how fast the machine is.

use std::process::Command;

#[test]
fn every_bench_runs_and_no_allocation_goal_is_missed() {
    let output = Command::new(env!("CARGO_BIN_EXE_benches")).arg("check").output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.lines().count() > 100, "it went through all of them:\n{said}");
    assert!(!said.lines().any(|line| line.starts_with("MISSED: ")), "{said}");
    assert!(output.status.success(), "{said}");
}
