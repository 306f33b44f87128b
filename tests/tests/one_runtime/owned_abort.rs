//! The policy that ends the process: seen from another one, which runs this very test again.

use std::env;
use std::process::{Command, Output};

use scope_core::{OwnedScope, Policy, nursery};
use scope_tests::{Rt, Smol, TokioCt, TokioMt};

/// Set in the process that is to break the rule.
const BREAKS: &str = "SCOPE_TESTS_BREAKS_A_RULE";

/// Drops a guard where it does not belong, under `policy`.
fn break_a_rule<R: Rt>(policy: Policy) {
    R::run(async move || {
        nursery(async |_| {
            let owned: OwnedScope = OwnedScope::open("broken")?;
            std::thread::spawn(move || drop(owned)).join().expect("a drop never panics");
            Ok(())
        })
        .policy(policy)
        .await
        .expect("a broken rule is no failure");
    });
    println!("went on");
}

/// Runs the test `name` again in a process of its own, where it breaks the rule.
fn in_another_process(name: &str, policy: &str) -> Output {
    let itself = env::current_exe().expect("this test is a program");
    let mut again = Command::new(itself);
    again.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(BREAKS, policy).env("RUST_BACKTRACE", "0");
    again.output().expect("it runs")
}

fn aborts_on<R: Rt>(name: &str) {
    match env::var(BREAKS).as_deref() {
        Ok("abort") => break_a_rule::<R>(Policy::Abort),
        Ok(_) => break_a_rule::<R>(Policy::Report),
        Err(_) => {
            let name = format!("owned_abort::{name}");
            let ended = in_another_process(&name, "abort");
            let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
            assert!(!ended.status.success() && !out.contains("went on"), "{out}\n{err}");
            for part in ["a rule was broken", "broken", "no task at all", "owned_abort.rs"] {
                assert!(err.contains(part), "{part}: {err}");
            }
            // The same process without that policy ends well: it was the policy that ended the other.
            let ended = in_another_process(&name, "report");
            assert!(ended.status.success(), "{ended:?}");
            assert!(String::from_utf8_lossy(&ended.stdout).contains("went on"), "{ended:?}");
        }
    }
}

/// Fails if: the process goes on, or ends without a word.
#[test]
fn o08_abort_ends_the_process_on_tokio_ct() {
    aborts_on::<TokioCt>("o08_abort_ends_the_process_on_tokio_ct");
}

/// The same on four workers.
#[test]
fn o08_abort_ends_the_process_on_tokio_mt() {
    aborts_on::<TokioMt>("o08_abort_ends_the_process_on_tokio_mt");
}

/// The same on smol.
#[test]
fn o08_abort_ends_the_process_on_smol() {
    aborts_on::<Smol>("o08_abort_ends_the_process_on_smol");
}
