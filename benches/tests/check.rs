//! The benches work, and the allocation goals hold.

use std::process::Command;

/// It does not say that we are fast: what depends on the machine is not tested.
#[test]
fn every_bench_runs_and_no_allocation_goal_is_missed() {
    let output = Command::new(env!("CARGO_BIN_EXE_benches")).arg("check").output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.lines().count() > 100, "it went through all of them:\n{said}");
}
