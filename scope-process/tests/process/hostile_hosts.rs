//! Hosts that are in trouble themselves.

use std::fs::File;
use std::os::fd::AsRawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scope_process::{Budgets, Ended};

use crate::alone::{alone, alone_under};
use crate::oracle::{self, Suspect};
use crate::runtimes::{on_each, within};
use crate::servers::{self, SHORT, patient, sh};

#[test]
fn a_host_without_descriptors_starts_nothing_and_leaves_nothing() {
    alone("hostile_hosts::a_host_without_descriptors_starts_nothing_and_leaves_nothing", || {
        on_each(async |rt| {
            assert!(sh(servers::POLITE).spawn(&rt).unwrap().close().await.is_complete());
            // The limit is on numbers, not on how many there are: the gaps are filled first.
            let gaps = fill_gaps();
            let first_free = gaps.last().unwrap().as_raw_fd() as u64 + 1;
            let before = oracle::descriptors();
            let limits = getrlimit(Resource::Nofile);
            let (mut refused, mut started) = (0, 0);
            for spare in 0..16 {
                let current = Some(first_free + spare);
                setrlimit(Resource::Nofile, Rlimit { current, ..limits }).unwrap();
                let spawned = sh(servers::IGNORES_EOF_AND_TERM).spawn(&rt);
                let ended = match spawned {
                    Ok(process) => {
                        started += 1;
                        drop(process);
                        Ok(())
                    }
                    Err(e) if e.is_resource_exhausted() => {
                        refused += 1;
                        Ok(())
                    }
                    Err(e) => Err(e),
                };
                setrlimit(Resource::Nofile, limits).unwrap();
                ended.unwrap();
                oracle::soon("no children", || oracle::children().is_empty());
                oracle::soon("as few descriptors as before", || oracle::descriptors() == before);
            }
            assert!(refused >= 2 && started >= 2, "{refused} {started}");
        });
    });
}

/// Descriptors in all gaps below the highest open one, and one above it.
fn fill_gaps() -> Vec<File> {
    let number = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().to_str()?.parse().ok();
    let highest: i32 = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(number).max().unwrap();
    let mut files = Vec::new();
    while files.last().is_none_or(|file: &File| file.as_raw_fd() <= highest) {
        files.push(File::open("/dev/null").unwrap());
    }
    files
}

#[test]
fn a_close_without_descriptors_ends_the_group_and_says_what_it_could_not_see() {
    alone("hostile_hosts::a_close_without_descriptors_ends_the_group_and_says_what_it_could_not_see", || {
        on_each(async |rt| {
            let mut process = sh(servers::IGNORES_EOF_AND_TERM)
                .budgets(patient().with_after_eof(SHORT).with_after_term(SHORT))
                .spawn(&rt)
                .unwrap();
            let mut suspect = Suspect::new(&mut process);
            suspect.says("ready").await;
            let limits = getrlimit(Resource::Nofile);
            setrlimit(Resource::Nofile, Rlimit { current: Some(1), ..limits }).unwrap();
            let report = process.close().await;
            setrlimit(Resource::Nofile, limits).unwrap();
            assert_eq!(report.ended(), Ended::AtKill, "{report:#}");
            assert!(report.unscanned().is_some() && !report.is_complete(), "{report:#}");
            // Killed, but nobody could watch them die.
            let gone = async {
                while !suspect.is_silent() {
                    futures_lite::future::yield_now().await;
                }
            };
            within(&rt, "the end of the group", gone).await;
            suspect.assert_gone();
        });
    });
}

#[test]
fn a_host_that_ignores_sigchld_leaves_nothing() {
    alone_under(
        "exec env --ignore-signal=CHLD \"$0\" \"$@\"",
        "hostile_hosts::a_host_that_ignores_sigchld_leaves_nothing",
        || {
            on_each(async |rt| {
                let mut process = sh("exit 7").spawn(&rt).unwrap();
                within(&rt, "its end", process.exited()).await.unwrap();
                assert_eq!(process.status(), None, "this test is of a host without zombies");
                let report = process.close().await;
                assert_eq!((report.ended(), report.status()), (Ended::BeforeClose, None), "{report:#}");
                for (name, script) in servers::ALL {
                    for end_now in [false, true] {
                        let mut process = sh(script)
                            .name(name)
                            .budgets(Budgets::default().with_after_eof(SHORT).with_after_term(SHORT))
                            .spawn(&rt)
                            .unwrap();
                        let mut suspect = Suspect::new(&mut process);
                        suspect.says("ready").await;
                        let report = if end_now { process.end_now() } else { process.close().await };
                        assert!(report.is_complete(), "{report:#}");
                        suspect.assert_gone();
                    }
                }
            });
        },
    );
}

#[test]
fn a_host_whose_blocking_threads_are_all_stuck_still_closes() {
    alone("hostile_hosts::a_host_whose_blocking_threads_are_all_stuck_still_closes", || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
        let rt = scope_core::rt::Handle::new(scope_tokio::TokioRuntime::new(runtime.handle().clone()));
        let (free, stuck) = std::sync::mpsc::channel::<()>();
        rt.spawn_blocking(Box::new(move || {
            let _ = stuck.recv();
        }))
        .unwrap();
        runtime.block_on(async {
            let mut process = sh(servers::LEAVES_A_CHILD).spawn(&rt).unwrap();
            let mut suspect = Suspect::new(&mut process);
            suspect.says("ready").await;
            let report = within(&rt, "close", process.close()).await;
            assert!(report.is_complete(), "{report:#}");
            suspect.assert_gone();
        });
        drop(free);
    });
}
