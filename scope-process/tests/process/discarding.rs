//! Drop: at once for who drops, wherever that is, and nothing is left soon after.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use scope_core::rt::Handle;
use scope_process::{Process, Reach};
use scope_tokio::TokioRuntime;

use crate::alone::alone;
use crate::hosts::{self, Host};
use crate::oracle::{self, Suspect};
use crate::runtimes::{on_each, on_one};
use crate::servers::{self, sh};

/// A process that is up.
async fn started(rt: &Handle, script: &str, reach: Reach) -> (Process, Suspect) {
    let mut process = sh(script).reach(reach).spawn(rt).unwrap();
    let mut suspect = Suspect::new(&mut process);
    suspect.says("ready").await;
    (process, suspect)
}

/// A drop sends signals and waits for nobody; the least of several counts, for the machine may be busy.
#[test]
fn a_drop_does_not_wait() {
    alone("discarding::a_drop_does_not_wait", || {
        on_one(async |rt| {
            for reach in [Reach::Marked, Reach::Contained] {
                for script in [servers::IGNORES_EOF_AND_TERM, servers::ESCAPES] {
                    let mut least = Duration::MAX;
                    for _ in 0..5 {
                        let (process, suspect) = started(&rt, script, reach).await;
                        let start = Instant::now();
                        drop(process);
                        least = least.min(start.elapsed());
                        suspect.assert_gone_soon();
                    }
                    assert!(least < Duration::from_millis(5), "{script} {reach:?}: {least:?}");
                }
            }
        });
    });
}

#[test]
fn a_thread_that_ends_drops_what_it_holds() {
    thread_local! {
        static HELD: RefCell<Option<Process>> = const { RefCell::new(None) };
    }
    on_each(async |rt| {
        for (_, script) in servers::ALL {
            let (process, suspect) = started(&rt, script, Reach::Marked).await;
            std::thread::spawn(move || HELD.set(Some(process))).join().unwrap();
            suspect.assert_gone_soon();
        }
    });
}

#[test]
fn what_outlives_its_runtime_is_ended_when_it_is_dropped() {
    for reach in [Reach::Marked, Reach::Contained] {
        for (_, script) in servers::ALL {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let rt = Handle::new(TokioRuntime::new(runtime.handle().clone()));
            let (process, suspect) = runtime.block_on(started(&rt, script, reach));
            drop(runtime);
            drop(process);
            suspect.assert_gone_soon();
        }
    }
}

/// One look for all of them. Each look for itself, at some 10 ms, would take a thousand times as long.
#[test]
fn a_thousand_dropped_at_once_are_gone_soon() {
    alone("discarding::a_thousand_dropped_at_once_are_gone_soon", || {
        let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let current = limits.maximum.map_or(Some(8192), |maximum| Some(maximum.min(8192)));
        rustix::process::setrlimit(rustix::process::Resource::Nofile, rustix::process::Rlimit { current, ..limits })
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let rt = Handle::new(TokioRuntime::new(runtime.handle().clone()));
        runtime.block_on(async {
            let mut all = Vec::new();
            for number in 0..1000 {
                // Of some, more is left than the group.
                let script = if number % 20 == 0 { servers::ESCAPES } else { servers::POLITE };
                all.push(started(&rt, script, Reach::Marked).await);
            }
            let (processes, suspects): (Vec<_>, Vec<_>) = all.into_iter().unzip();
            let start = Instant::now();
            drop(processes);
            let dropped = start.elapsed();
            for suspect in &suspects {
                oracle::soon("nobody holds its standard output", || suspect.is_silent());
            }
            oracle::soon("no children", || oracle::children().is_empty());
            let took = start.elapsed();
            assert_eq!(oracle::with_name(&scope_process::OwnerId::of_this_host().variable()), []);
            println!("dropped after {dropped:?}, gone after {took:?}");
            assert!(took < Duration::from_secs(10), "{took:?}");
        });
    });
}

/// `main` returns right after the drop: the rest of it is the guardian's.
#[test]
fn what_is_dropped_as_the_host_returns_is_gone_soon() {
    if hosts::is_one() {
        return hosts::obey();
    }
    for start in ["start", "contain", "many 100"] {
        let mut host = Host::start("discarding::what_is_dropped_as_the_host_returns_is_gone_soon");
        host.ask(start);
        host.tell("return");
        assert!(host.end().success());
        host.assert_nothing_left();
    }
}
