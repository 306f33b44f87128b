//! A test run by somebody without rights.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::alone::{alone_under, is_alone};

/// Runs the test `name` again as a user who has no rights, after `setup`, where `body` is run; as who else ran it, if that
/// is not root.
pub(crate) fn as_nobody(setup: &str, name: &str, body: impl FnOnce()) {
    if is_alone() || !rustix::process::geteuid().is_root() {
        return alone_under(setup, name, body);
    }
    // Where anybody may run it. And nobody else has this number: limits count by it.
    let folder = std::env::temp_dir().join(format!("scope-nobody-{}", std::process::id()));
    let user = 1_000_000 + std::process::id();
    let setup = format!(
        "mkdir -p {folder} && cp \"$0\" {folder}/test && cd / || exit
        exec setpriv --reuid={user} --regid={user} --clear-groups sh -c '{setup}
        exec {folder}/test \"$@\"' sh \"$@\"",
        folder = folder.display()
    );
    let ran = catch_unwind(AssertUnwindSafe(|| alone_under(&setup, name, body)));
    std::fs::remove_dir_all(&folder).unwrap();
    ran.unwrap();
}
