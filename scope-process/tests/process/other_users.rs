//! A test run by somebody without rights.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::alone::{alone, alone_under, is_alone};

/// Runs the test `name` again as a user who has no rights, where `body` is run; where that takes root, and this is not,
/// as whoever this is.
pub(crate) fn as_nobody(name: &str, body: impl FnOnce()) {
    if is_alone() || !rustix::process::geteuid().is_root() {
        return alone(name, body);
    }
    // Nobody else has this number: limits count by it.
    static LAST: AtomicU32 = AtomicU32::new(0);
    let user = 1_000_000 + std::process::id() * 10 + LAST.fetch_add(1, Ordering::Relaxed);
    // Where anybody may run it.
    let folder = std::env::temp_dir().join(format!("scope-nobody-{user}"));
    let setup = format!(
        "mkdir -p {folder} && cp \"$0\" {folder}/test && cd / || exit
        exec setpriv --reuid={user} --regid={user} --clear-groups {folder}/test \"$@\"",
        folder = folder.display()
    );
    let ran = catch_unwind(AssertUnwindSafe(|| alone_under(&setup, name, body)));
    std::fs::remove_dir_all(&folder).unwrap();
    ran.unwrap();
}
