//! Systems on which something is missing: what can be done is done, and what cannot is said.
//!
//! Each is made in a mount namespace, which takes root.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use scope_process::{CloseReport, Reach, Shortfall};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, span};

use crate::alone::{alone_under, is_alone};
use crate::oracle::{self, Suspect};
use crate::runtimes::on_one;
use crate::servers::{self, SHORT, patient, sh};

/// Runs the test `name` again in a mount namespace that `setup` has changed.
fn mounting(setup: &str, name: &str, body: impl FnOnce()) {
    let may_mount = || Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|ran| ran.status.success());
    if !is_alone() && !may_mount() {
        return println!("SKIPPED: mount namespaces are not for this user");
    }
    alone_under(&format!("exec unshare -m /bin/sh -c '{setup}\nexec \"$0\" \"$@\"' \"$0\" \"$@\""), name, body);
}

/// The warnings of this crate that were given while it was there.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn taken() -> Warnings {
        let warnings = Warnings::default();
        tracing::subscriber::set_global_default(warnings.clone()).unwrap();
        warnings
    }

    fn given(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "scope_process" && *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        span::Id::from_u64(LAST.fetch_add(1, Ordering::Relaxed) as u64 + 1)
    }

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Every server in every reach; `check` looks at the reports.
fn each_server(check: impl Fn(&CloseReport)) {
    on_one(async |rt| {
        for (name, script) in servers::ALL {
            for reach in [Reach::Marked, Reach::Contained] {
                let budgets = patient().with_after_eof(SHORT).with_after_term(SHORT);
                let mut process = sh(script).name(name).reach(reach).budgets(budgets).spawn(&rt).unwrap();
                let mut suspect = Suspect::new(&mut process);
                suspect.says("ready").await;
                let report = process.close().await;
                check(&report);
                suspect.assert_gone();
            }
            let mut process = sh(script).name(name).spawn(&rt).unwrap();
            let mut suspect = Suspect::new(&mut process);
            suspect.says("ready").await;
            drop(process);
            suspect.assert_gone_soon();
        }
        oracle::soon("no children", || oracle::children().is_empty());
    });
}

#[test]
fn without_a_shell_there_is_no_guardian_and_that_is_said() {
    // The servers are scripts of another one.
    mounting(
        "mount -t tmpfs none /mnt && cp /bin/sh /mnt/sh && touch /mnt/none && export PATH=/mnt:$PATH
        mount --bind /mnt/none /bin/sh",
        "missing::without_a_shell_there_is_no_guardian_and_that_is_said",
        || {
            let warnings = Warnings::taken();
            each_server(|report| {
                assert!(report.is_complete(), "{report:#}");
                let [Shortfall::Unguarded(why)] = report.shortfalls() else { panic!("{report:#}") };
                assert!(why.contains("/bin/sh"), "{why}");
            });
            assert_eq!(scope_process::guardian_id(), None);
            let given = warnings.given();
            assert_eq!(given.len(), 1, "{given:?}");
            assert!(given[0].starts_with("no guardian (") && given[0].contains("/bin/sh"), "{given:?}");
        },
    );
}

#[test]
fn where_processes_are_hidden_ones_own_are_not() {
    mounting("mount -t proc -o hidepid=2 proc /proc", "missing::where_processes_are_hidden_ones_own_are_not", || {
        each_server(|report| {
            assert!(report.is_complete() && report.shortfalls().is_empty(), "{report:#}");
        });
    });
}

#[test]
fn without_proc_the_group_is_ended_and_what_could_not_be_seen_is_said() {
    mounting(
        "mount -t tmpfs none /proc",
        "missing::without_proc_the_group_is_ended_and_what_could_not_be_seen_is_said",
        || {
            let warnings = Warnings::taken();
            on_one(async |rt| {
                for script in
                    [servers::POLITE, servers::LEAVES_A_CHILD, servers::IGNORES_EOF_AND_TERM, servers::STOPPED]
                {
                    for reach in [Reach::Marked, Reach::Contained] {
                        let budgets = patient().with_after_eof(SHORT).with_after_term(SHORT);
                        let mut process = sh(script).reach(reach).budgets(budgets).spawn(&rt).unwrap();
                        let mut suspect = Suspect::new(&mut process);
                        suspect.says("ready").await;
                        let report = process.close().await;
                        let unscanned = |shortfall: &Shortfall| matches!(shortfall, Shortfall::Unscanned(_));
                        assert!(report.shortfalls().iter().any(unscanned), "{report:#}");
                        assert!(!report.is_complete(), "{report:#}");
                        // Killed, as the case may be, but nobody could watch them die.
                        oracle::soon("nobody holds its standard output", || suspect.is_silent());
                    }
                    let mut process = sh(script).spawn(&rt).unwrap();
                    let mut suspect = Suspect::new(&mut process);
                    suspect.says("ready").await;
                    drop(process);
                    oracle::soon("nobody holds its standard output", || suspect.is_silent());
                }
            });
            let given = warnings.given();
            let about = |what: &str| given.iter().filter(|warning| warning.contains(what)).count();
            assert_eq!(about("could not look for what it left behind"), 1, "{given:?}");
            assert!(given.len() <= 2 && about("subreaper") == given.len() - 1, "{given:?}");
        },
    );
}
