//! What people are told who break a rule: every text of an error, as it is printed, stands in `expected/`.
//!
//! A good one says what happened, to which scope and task, where that was opened, and what to do instead. These are no
//! rows of the contract, and do not depend on the runtime: each is tried on one.
//!
//! `SCOPE_BLESS=1 cargo test -p scope-tests --test messages` writes the texts as they are now; read them before they are
//! committed.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::{env, fs};

use scope_core::rt::Handle;

mod ending;
mod entering;
mod leaves;
mod owned;
mod owned_inner;
mod services;
mod spawning;
mod waiting;

/// Fails unless `text` is what stands in `expected/<name>.txt`, but for numbers that change from run to run.
#[track_caller]
fn says(name: &str, text: impl Display) {
    let text = format!("{}\n", steady(&text.to_string()));
    let path = expected().join(format!("{name}.txt"));
    if env::var_os("SCOPE_BLESS").is_some() {
        fs::write(&path, &text).expect("the source tree can be written");
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == wanted,
        "expected/{name}.txt has another text:\n{wanted}\nit says now:\n{text}\n(SCOPE_BLESS=1 writes it)"
    );
}

fn expected() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages/expected")
}

/// Takes out what differs between two runs, or when a line is added above: the ids of scopes and tasks that have no
/// name, and lines and columns.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let after = number.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &number[..number.len() - after.len()];
        steady.push_str(before);
        let of_a_place = steady.ends_with(".rs:") || steady.ends_with(".rs:LINE:");
        let of_an_id = ["scope ", "task ", "scope #", "task #"].iter().any(|word| steady.ends_with(word));
        match (of_a_place, of_an_id) {
            (true, _) if steady.ends_with("LINE:") => steady.push_str("COLUMN"),
            (true, _) => steady.push_str("LINE"),
            (_, true) => steady.push('N'),
            _ => steady.push_str(digits),
        }
        rest = after;
    }
    steady.push_str(rest);
    steady.replace("tests/tests/messages/", "")
}

#[test]
fn only_what_changes_is_taken_out() {
    let text = "scope 17 (opened at tests/tests/messages/owned.rs:12:34) and task 4 at a.rs:5:6 took 20ms, 3 more";
    let wanted = "scope N (opened at owned.rs:LINE:COLUMN) and task N at a.rs:LINE:COLUMN took 20ms, 3 more";
    assert_eq!(steady(text), wanted);
}

/// Fails if: a text stands there that nobody is told any more, or one is asked for in a line that is never reached.
#[test]
fn the_texts_expected_are_those_asked_for() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let files =
        |dir: &Path| fs::read_dir(dir).expect("in the source tree").map(|entry| entry.expect("readable").path());
    let asked: String = files(&sources)
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .map(|path| fs::read_to_string(path).expect("a source file"))
        .collect();
    let there: BTreeSet<_> = files(&expected())
        .map(|path| path.file_stem().expect("it has a name").to_string_lossy().into_owned())
        .collect();
    let stale: Vec<_> = there.iter().filter(|name| !asked.contains(&format!("\"{name}\""))).collect();
    assert!(stale.is_empty(), "{stale:?}");
    let names = asked.split("says(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let unwritten: Vec<_> = names.filter(|name| !there.contains(*name)).collect();
    assert!(unwritten.is_empty(), "{unwritten:?}");
}

/// Runs a case as a task of a runtime: the deterministic one, with one seed.
fn on_a_runtime<F: Future<Output = ()>>(case: impl FnOnce(Handle) -> F) {
    scope_test::block_on(1, async |runtime| case(runtime.handle()).await);
}
