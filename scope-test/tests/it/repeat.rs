//! `SCOPE_TEST_SEED`, seen from outside: the tests here run others of this binary as a user would.

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scope_core::Spawns;
use scope_test::{Config, SEED_VARIABLE};

/// Set for the samples that are to fail.
const TO_FAIL: &str = "SCOPE_TEST_SAMPLE_IS_TO_FAIL";

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

/// Fails in one of the orders in which its children can end, where it is asked to.
#[test]
fn sample_that_fails_in_one_order() {
    if std::env::var_os(TO_FAIL).is_none() {
        return;
    }
    scope_test::explore(64, async |_| {
        let order = Arc::new(Mutex::new(Vec::new()));
        scope_core::nursery(async |n| {
            for name in ["one", "two", "three"] {
                let order = order.clone();
                n.task(name).spawn_erased(async move {
                    scope_core::sleep(Duration::from_secs(60)).await?;
                    scope_core::checkpoint().await;
                    order.lock().unwrap().push(name);
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        assert_ne!(*order.lock().unwrap(), ["three", "one", "two"], "the bad order");
        Ok(())
    });
}

/// Prints its own trace.
#[test]
fn sample_that_shows_its_trace() {
    let report = Config::new(5).try_block_on(async |_| {
        scope_test::nursery(async |n| {
            for name in ["one", "two"] {
                n.task(name).spawn_erased(async { Ok(scope_core::sleep(Duration::from_secs(60)).await?) });
            }
            Ok(())
        })
        .await
        .unwrap();
    });
    print!("{}", report.trace());
}

fn sample(seed: Option<&str>) -> Output {
    sample_of("sample_over_four_seeds", seed, &["--test-threads=1"])
}

/// Runs one test in a process of its own, as cargo-nextest does.
fn sample_of(name: &str, seed: Option<&str>, more: &[&str]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("repeat::{name}"), "--nocapture"]).args(more).env(TO_FAIL, "1");
    // What is looked for is at the ends of the output.
    command.env_remove("RUST_BACKTRACE");
    match seed {
        Some(seed) => command.env(SEED_VARIABLE, seed),
        None => command.env_remove(SEED_VARIABLE),
    };
    command.output().unwrap()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

/// The lines of a step trace.
fn steps(bytes: &[u8]) -> Vec<String> {
    lines(bytes).into_iter().filter(|line| line.starts_with('#')).collect()
}

#[test]
fn a_failing_exploration_prints_a_seed_and_with_it_fails_again_step_by_step() {
    let first = sample_of("sample_that_fails_in_one_order", None, &[]);
    assert!(!first.status.success());
    let printed = lines(&first.stderr);
    let hint =
        printed.iter().find_map(|line| line.strip_prefix("to repeat it, with every step printed: SCOPE_TEST_SEED="));
    let (seed, command) = hint.expect("a seed is printed").split_once(' ').unwrap();
    assert_eq!(command, "cargo test repeat::sample_that_fails_in_one_order -- --nocapture");
    assert_ne!(seed, "0", "not the first that comes, or that any run would have");
    assert!(steps(&first.stderr).is_empty(), "no steps without the variable");
    let last: Vec<_> =
        printed.iter().filter_map(|line| line.strip_prefix("  #")).map(|line| format!("#{line}")).collect();
    assert!(
        last.len() > 10 && last.iter().any(|line| line.contains("task 3") && line.ends_with("is polled")),
        "{printed:#?}"
    );

    let again = sample_of("sample_that_fails_in_one_order", Some(seed), &[]);
    assert!(!again.status.success());
    let steps_again = steps(&again.stderr);
    assert!(steps_again.ends_with(&last), "{last:#?}\nis not the end of\n{steps_again:#?}");
    assert_eq!(steps_again.iter().filter(|line| *line == "#1 +0ns root is polled").count(), 1, "that seed alone");
    for output in [&first, &again] {
        assert!(lines(&output.stderr).iter().any(|line| line.contains("the bad order")));
    }
    assert_eq!(
        steps_again,
        steps(&sample_of("sample_that_fails_in_one_order", Some(seed), &["--test-threads=1"]).stderr)
    );
}

#[test]
fn the_steps_printed_are_the_trace_with_and_without_the_variable() {
    let plain = sample_of("sample_that_shows_its_trace", None, &[]);
    let printing = sample_of("sample_that_shows_its_trace", Some("5"), &[]);
    let trace = steps(&plain.stdout);
    assert!(
        trace.len() > 10 && trace.iter().any(|line| line.contains("+60s timer 1 fires, set by task ")),
        "{trace:#?}"
    );
    assert_eq!(trace, steps(&printing.stdout));
    assert_eq!(trace, steps(&printing.stderr));
    assert!(steps(&plain.stderr).is_empty());
    // Another seed than the run's is none of its business.
    assert!(steps(&sample_of("sample_that_shows_its_trace", Some("6"), &[]).stderr).is_empty());
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
fn a_variable_that_is_no_seed_is_refused_with_what_it_says_and_what_it_takes() {
    for bad in ["seven", "", "-1", "1 2", "0xg", "99999999999999999999"] {
        for name in ["sample_over_four_seeds", "sample_that_shows_its_trace"] {
            let output = sample_of(name, Some(bad), &[]);
            assert!(!output.status.success());
            let printed = String::from_utf8_lossy(&output.stderr);
            let text = format!(
                "SCOPE_TEST_SEED is {bad:?}: it takes one seed, as a decimal number or a hexadecimal one after 0x"
            );
            assert!(printed.contains(&text), "{printed}");
        }
    }
}
