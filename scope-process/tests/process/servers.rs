//! Servers, as shell scripts. Each says "ready" when it has become what it is.

use std::time::Duration;

use scope_process::{Budgets, Command};

pub(crate) const POLITE: &str = "echo ready; exec cat >/dev/null";
/// Its child is called what it is from when it has become that, which may be after the fork has returned.
pub(crate) const LEAVES_A_CHILD: &str =
    "sleep 1000 & while read name </proc/$!/comm && [ \"$name\" != sleep ]; do :; done
echo ready; cat >/dev/null; exit 3";
pub(crate) const IGNORES_EOF: &str = "echo ready; cat >/dev/null; while :; do sleep 1000; done";
pub(crate) const IGNORES_EOF_AND_TERM: &str =
    "trap '' TERM; sleep 1000 & echo ready; cat >/dev/null; while :; do sleep 1000; done";
pub(crate) const STOPPED: &str = "echo ready; kill -STOP $$; cat >/dev/null; while :; do sleep 1000; done";
/// A daemon: a session of its own, a parent that is gone, deaf to TERM. Its leader is polite.
pub(crate) const ESCAPES: &str =
    "(setsid sh -c 'trap \"\" TERM; echo ready; while :; do sleep 1000; done' &) ; exec cat >/dev/null";
/// The same, with the leader ended on its own before anyone asks.
pub(crate) const ESCAPES_AND_ENDS: &str = "(setsid sh -c 'trap \"\" TERM; echo ready; exec sleep 1000' &) ; exit 0";
/// A daemon with nothing of its own in its environment.
pub(crate) const ESCAPES_WITHOUT_A_MARKER: &str =
    "env -i /usr/bin/setsid /bin/sh -c 'trap \"\" TERM; echo ready; exec /bin/sleep 1000' & exec cat >/dev/null";
pub(crate) const ENDS_AT_ONCE: &str = "echo ready; exit 7";
pub(crate) const NEVER_READS: &str = "echo ready; exec sleep 1000";
/// Cleans up for a moment when told to end, with a program that was not there before.
pub(crate) const CLEANS_UP: &str =
    "trap 'sleep 0.05; echo cleaned; exit 0' TERM; echo ready; cat >/dev/null; while :; do sleep 0.01; done";

/// A daemon that becomes another program all the time, each time without an environment for a moment.
/// Not for ever, should it escape.
pub(crate) const ESCAPES_AND_EXECS: &str =
    "export n=0 again='[ $n -lt 20000 ] || exit; n=$((n+1)); exec sh -c \"$again\"'
(setsid sh -c 'echo ready; eval \"$again\"' &)
exec cat >/dev/null";

pub(crate) const ALL: [(&str, &str); 10] = [
    ("polite", POLITE),
    ("leaves a child", LEAVES_A_CHILD),
    ("ignores EOF", IGNORES_EOF),
    ("ignores EOF and TERM", IGNORES_EOF_AND_TERM),
    ("stopped", STOPPED),
    ("escapes", ESCAPES),
    ("escapes and ends", ESCAPES_AND_ENDS),
    ("ends at once", ENDS_AT_ONCE),
    ("never reads", NEVER_READS),
    ("cleans up", CLEANS_UP),
];

/// A server that gets all the time it may need.
pub(crate) fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).name("server").stderr(scope_process::Stdio::Null);
    command.budgets(patient());
    command
}

/// No slow machine runs out of these: for what must happen before they are over.
pub(crate) fn patient() -> Budgets {
    let long = Duration::from_secs(30);
    Budgets::default().with_after_eof(long).with_after_term(long).with_after_kill(long)
}

/// For those that let the time pass.
pub(crate) const SHORT: Duration = Duration::from_millis(30);
