//! `Process::close`: the steps, and what the report says of them.

use std::future::{Future, poll_fn};
use std::os::unix::process::ExitStatusExt;
use std::task::Poll;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use scope_core::rt::Handle;
use scope_process::{Action, Budgets, CloseReport, Ended, Process, Sent};

use crate::oracle::{self, Suspect};
use crate::runtimes::{on_each, within};
use crate::servers::{self, SHORT, patient, sh};

async fn ready(rt: &Handle, script: &str, budgets: Budgets) -> (Process, Suspect) {
    let mut process = sh(script).budgets(budgets).spawn(rt).unwrap();
    let mut suspect = Suspect::new(&mut process);
    within(rt, "ready", suspect.says("ready")).await;
    (process, suspect)
}

async fn close(rt: &Handle, script: &str, budgets: Budgets) -> CloseReport {
    let (mut process, suspect) = ready(rt, script, budgets).await;
    let report = process.close().await;
    suspect.assert_gone();
    report
}

fn actions(report: &CloseReport) -> Vec<Action> {
    report.steps().iter().map(|step| step.action).collect()
}

#[test]
fn a_polite_server_ends_at_the_end_of_its_input() {
    on_each(async |rt| {
        let report = close(&rt, servers::POLITE, patient()).await;
        assert_eq!(report.ended(), Ended::AtEndOfInput, "{report:#}");
        assert_eq!(report.status().unwrap().code(), Some(0));
        assert_eq!(actions(&report), [Action::EndInput, Action::Scan]);
        assert!(report.is_polite() && report.is_complete() && report.stragglers().is_empty(), "{report:#}");
        assert!(report.signals().is_empty());
        assert!(report.to_string().starts_with("server (pid "), "{report}");
        assert_eq!(report.to_string().lines().count(), 1);
        assert_eq!(format!("{report:#}").lines().count(), 3);
    });
}

#[test]
fn a_child_left_behind_is_told_to_end() {
    on_each(async |rt| {
        let report = close(&rt, servers::LEAVES_A_CHILD, patient()).await;
        assert_eq!(report.ended(), Ended::AtEndOfInput, "{report:#}");
        assert_eq!(report.status().unwrap().code(), Some(3));
        assert_eq!(report.signals(), [Sent::Term], "{report:#}");
        assert_eq!(report.stragglers().len(), 1, "{report:#}");
        assert_eq!(report.stragglers()[0].comm, "sleep");
        assert!(report.is_complete() && !report.is_polite(), "{report:#}");
    });
}

/// They are looked for together; each is told of its own, and only of those.
#[test]
fn of_many_that_are_closed_at_once_each_is_told_what_it_left() {
    let servers = [
        (servers::POLITE, Some(0), 0),
        (servers::LEAVES_A_CHILD, Some(3), 1),
        (servers::ENDS_AT_ONCE, Some(7), 0),
        (servers::NEVER_READS, None, 0),
    ];
    on_each(async |rt| {
        let mut closing = Vec::new();
        for n in 0..40 {
            let (script, code, left) = servers[n % servers.len()];
            let budgets = patient().with_after_eof(SHORT * 10);
            let (mut process, suspect) = ready(&rt, script, budgets).await;
            closing.push(Some(Box::pin(async move {
                let report = process.close().await;
                assert_eq!(report.status().unwrap().code(), code, "{report:#}");
                assert!(report.is_complete() && report.stragglers().len() == left, "{report:#}");
                suspect.assert_gone();
            })));
        }
        let mut polled = 0;
        poll_fn(|cx| {
            polled += 1;
            for (n, place) in closing.iter_mut().enumerate() {
                let ended = place.as_mut().is_some_and(|closing| closing.as_mut().poll(cx).is_ready());
                // Some are given up on the way, whatever is being done for them.
                if ended || n % 7 == polled {
                    *place = None;
                }
            }
            if closing.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
}

#[test]
fn a_server_that_ignores_the_end_of_its_input_gets_sigterm() {
    on_each(async |rt| {
        let report = close(&rt, servers::IGNORES_EOF, patient().with_after_eof(SHORT)).await;
        assert_eq!(report.ended(), Ended::AtTerm, "{report:#}");
        assert_eq!(report.status().unwrap().signal(), Some(15));
        assert_eq!(report.signals(), [Sent::Term]);
        assert!(report.steps()[0].took >= SHORT, "{report:#}");
        assert_eq!(actions(&report), [Action::EndInput, Action::Scan, Action::Terminate]);
    });
}

#[test]
fn a_server_that_ignores_everything_is_killed_with_its_children() {
    on_each(async |rt| {
        let budgets = patient().with_after_eof(SHORT).with_after_term(SHORT);
        let report = close(&rt, servers::IGNORES_EOF_AND_TERM, budgets).await;
        assert_eq!(report.ended(), Ended::AtKill, "{report:#}");
        assert_eq!(report.status().unwrap().signal(), Some(9));
        assert_eq!(report.signals(), [Sent::Term, Sent::Kill]);
        assert!(!report.stragglers().is_empty(), "{report:#}");
        assert!(report.is_complete(), "{report:#}");
    });
}

#[test]
fn a_stopped_server_is_woken_to_take_its_sigterm() {
    on_each(async |rt| {
        let (mut process, suspect) = ready(&rt, servers::STOPPED, patient().with_after_eof(SHORT)).await;
        let (tell, stopped) = futures_channel::oneshot::channel();
        let pid = Pid::from_raw(process.id() as i32).unwrap();
        std::thread::spawn(move || {
            // It waits, and takes nothing away from whoever waits for the end.
            let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = tell.send(waitid(WaitId::Pid(pid), options));
        });
        let stopped = within(&rt, "the server stops itself", stopped).await.unwrap();
        assert!(stopped.unwrap().unwrap().stopped());
        let report = process.close().await;
        assert_eq!(report.ended(), Ended::AtTerm, "{report:#}");
        assert_eq!(report.status().unwrap().signal(), Some(15));
        suspect.assert_gone();
    });
}

#[test]
fn a_daemon_that_keeps_the_marker_does_not_escape() {
    on_each(async |rt| {
        for script in [servers::ESCAPES, servers::ESCAPES_AND_ENDS] {
            let report = close(&rt, script, patient().with_after_term(SHORT)).await;
            assert_eq!(report.signals(), [Sent::Term, Sent::Kill], "{report:#}");
            assert!(report.stragglers().iter().all(|straggler| straggler.group != report.id()), "{report:#}");
            assert!(!report.stragglers().is_empty(), "{report:#}");
            assert!(report.is_complete(), "{report:#}");
        }
    });
}

#[test]
fn a_server_that_ended_on_its_own_is_reported_as_such() {
    on_each(async |rt| {
        let (mut process, suspect) = ready(&rt, servers::ENDS_AT_ONCE, patient()).await;
        within(&rt, "its end", process.exited()).await.unwrap();
        let report = process.close().await;
        assert_eq!(report.ended(), Ended::BeforeClose, "{report:#}");
        assert_eq!(report.status().unwrap().code(), Some(7));
        assert!(report.is_polite(), "{report:#}");
        assert_eq!(actions(&report), [Action::Scan]);
        suspect.assert_gone();
    });
}

#[test]
fn a_server_that_cleans_up_at_sigterm_is_given_the_time() {
    on_each(async |rt| {
        let (mut process, mut suspect) = ready(&rt, servers::CLEANS_UP, patient().with_after_eof(SHORT)).await;
        let report = process.close().await;
        assert_eq!(report.ended(), Ended::AtTerm, "{report:#}");
        assert_eq!(report.status().unwrap().code(), Some(0), "{report:#}");
        assert_eq!(report.signals(), [Sent::Term]);
        suspect.says("cleaned").await;
        suspect.assert_gone();
    });
}

#[test]
fn no_time_means_sigkill_at_once() {
    on_each(async |rt| {
        let report = close(&rt, servers::IGNORES_EOF_AND_TERM, Budgets::NONE).await;
        assert_eq!(report.ended(), Ended::AtKill, "{report:#}");
        assert_eq!(report.signals(), [Sent::Kill]);
        assert!(report.is_complete(), "{report:#}");
    });
}

#[test]
fn output_that_nobody_took_does_not_keep_a_server_from_ending() {
    on_each(async |rt| {
        // More than a pipe holds, on both, when it is told to end.
        let script = "cat >/dev/null; head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 4";
        let mut process = sh(script).stderr(scope_process::Stdio::Piped).spawn(&rt).unwrap();
        let report = process.close().await;
        assert_eq!(report.ended(), Ended::AtEndOfInput, "{report:#}");
        assert_eq!(report.status().unwrap().code(), Some(4));
        assert!(report.is_polite());
    });
}

#[test]
fn a_second_close_says_the_same_again() {
    on_each(async |rt| {
        let (mut process, _suspect) = ready(&rt, servers::LEAVES_A_CHILD, patient()).await;
        assert!(process.report().is_none());
        let first = process.close().await;
        assert_eq!(format!("{first:#}"), format!("{:#}", process.close().await));
        assert_eq!(format!("{first:#}"), format!("{:#}", process.report().unwrap()));
        assert_eq!(process.status(), first.status());
        within(&rt, "an end that is past", process.exited()).await.unwrap();
    });
}

#[test]
fn a_close_that_was_dropped_can_be_taken_up_again() {
    on_each(async |rt| {
        let (mut process, suspect) = ready(&rt, servers::IGNORES_EOF_AND_TERM, patient()).await;
        assert!(futures_lite::future::poll_once(process.close()).await.is_none());
        // Its input has ended by now, and it has ignored that; what comes next is in a hurry.
        let report = within(&rt, "close", process.close_with(Budgets::NONE)).await;
        assert_eq!(report.ended(), Ended::AtKill, "{report:#}");
        suspect.assert_gone();
    });
}

#[test]
fn closing_one_server_leaves_its_sibling_alone() {
    on_each(async |rt| {
        let (mut one, suspect) = ready(&rt, servers::ESCAPES, patient().with_after_term(SHORT)).await;
        let (mut other, other_suspect) = ready(&rt, servers::LEAVES_A_CHILD, patient()).await;
        one.close().await;
        suspect.assert_gone();
        assert_eq!(oracle::of_child(other.number()).len(), 3, "the shell, its cat, its child");
        let report = other.close().await;
        assert_eq!(report.ended(), Ended::AtEndOfInput, "{report:#}");
        other_suspect.assert_gone();
    });
}

#[test]
fn many_are_closed_at_once() {
    on_each(async |rt| {
        let mut all = Vec::new();
        for (_, script) in servers::ALL.iter().cycle().take(20) {
            all.push(ready(&rt, script, patient().with_after_eof(SHORT).with_after_term(SHORT)).await);
        }
        let closes: Vec<_> = all
            .into_iter()
            .map(|(mut process, suspect)| async move {
                let report = process.close().await;
                assert!(report.is_complete(), "{report:#}");
                suspect.assert_gone();
            })
            .map(Box::pin)
            .collect();
        join_all(closes).await;
    });
}

async fn join_all<F: Future<Output = ()> + Unpin>(mut futures: Vec<F>) {
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| std::pin::Pin::new(future).poll(cx).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
