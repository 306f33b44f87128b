//! `SCOPE_TEST_SEED`, seen from outside: the tests here run others of this binary as a user would.

use std::process::{Command, Output};
use std::time::Duration;

use scope_test::SEED_VARIABLE;

/// What the tests below run in a process of its own, with and without the variable.
#[test]
fn sample_over_four_seeds() {
    let mut seeds = Vec::new();
    scope_test::for_each_seed(0..4, async |rt| {
        seeds.push(rt.seed());
        rt.spawn(async {}).unwrap();
        rt.sleep(Duration::from_secs(1)).await;
    });
    println!("seeds run: {seeds:?}");
}

fn sample(seed: Option<&str>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["repeat::sample_over_four_seeds", "--exact", "--nocapture", "--test-threads=1"]);
    match seed {
        Some(seed) => command.env(SEED_VARIABLE, seed),
        None => command.env_remove(SEED_VARIABLE),
    };
    command.output().unwrap()
}

#[test]
fn without_the_variable_all_seeds_are_run_and_nothing_is_printed() {
    let output = sample(None);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("seeds run: [0, 1, 2, 3]"));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("is polled"));
}

#[test]
fn with_the_variable_one_seed_is_run_and_its_steps_are_printed() {
    for (text, seed) in [("2", 2), ("0x2", 2), ("77", 77)] {
        let output = sample(Some(text));
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("seeds run: [{seed}]\n")));
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        for line in ["#1 +0ns root is polled", "#1 +0ns root spawned task 1", "task 1 ended", "+1s timer 0 fires"] {
            assert!(printed.contains(line), "{line:?} is not in:\n{printed}");
        }
        assert_eq!(printed, String::from_utf8_lossy(&sample(Some(text)).stderr));
    }
}

#[test]
fn a_variable_that_is_no_seed_is_refused() {
    let output = sample(Some("seven"));
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("SCOPE_TEST_SEED is \"seven\""));
}
