//! What drop does, told by `end_now`.

use std::os::unix::process::ExitStatusExt;
use std::pin::pin;

use scope_process::{Action, Ended, Sent};

use crate::alone::alone;
use crate::oracle::Suspect;
use crate::runtimes::{on_each, within};
use crate::servers::{self, sh};

#[test]
fn ending_at_once_kills_all_and_says_so() {
    on_each(async |rt| {
        let mut process = sh(servers::ESCAPES).spawn(&rt).unwrap();
        let mut suspect = Suspect::new(&mut process);
        suspect.says("ready").await;
        let report = process.end_now();
        assert_eq!(report.ended(), Ended::InDrop, "{report:#}");
        assert_eq!(report.status().unwrap().signal(), Some(9));
        assert_eq!(report.signals(), [Sent::Kill]);
        assert_eq!(report.steps().iter().map(|step| step.action).collect::<Vec<_>>(), [Action::Kill]);
        assert!(!report.stragglers().is_empty(), "{report:#}");
        assert!(report.is_complete(), "{report:#}");
        suspect.assert_gone();
    });
}

#[test]
fn ending_at_once_what_has_ended_sends_nothing() {
    on_each(async |rt| {
        let process = sh(servers::ENDS_AT_ONCE).spawn(&rt).unwrap();
        process.exited().await.unwrap();
        let report = process.end_now();
        assert_eq!(report.ended(), Ended::BeforeClose, "{report:#}");
        assert_eq!(report.status().unwrap().code(), Some(7));
        assert!(report.signals().is_empty() && report.is_complete(), "{report:#}");
    });
}

#[test]
fn ending_at_once_what_was_closed_repeats_the_report() {
    on_each(async |rt| {
        let mut process = sh(servers::POLITE).spawn(&rt).unwrap();
        let report = process.close().await;
        assert_eq!(report.to_string(), process.end_now().to_string());
    });
}

#[test]
fn a_daemon_that_becomes_another_program_all_the_time_does_not_escape() {
    on_each(async |rt| {
        for _ in 0..30 {
            let mut process = sh(servers::ESCAPES_AND_EXECS).spawn(&rt).unwrap();
            let mut suspect = Suspect::new(&mut process);
            suspect.says("ready").await;
            let report = process.end_now();
            assert!(report.is_complete(), "{report:#}");
            suspect.assert_gone();
        }
    });
}

#[test]
fn all_that_a_host_has_can_be_killed_while_it_is_being_closed() {
    alone("dropping::all_that_a_host_has_can_be_killed_while_it_is_being_closed", || {
        on_each(async |rt| {
            let mut closing = sh(servers::IGNORES_EOF_AND_TERM).budgets(servers::patient()).spawn(&rt).unwrap();
            let mut idle = sh(servers::ESCAPES).spawn(&rt).unwrap();
            let mut suspects = [Suspect::new(&mut closing), Suspect::new(&mut idle)];
            for suspect in &mut suspects {
                suspect.says("ready").await;
            }
            // Begun, with half a minute to go for each step, when the hurry comes.
            let mut close = pin!(closing.close());
            assert!(futures_lite::future::poll_once(close.as_mut()).await.is_none());
            // Twice: whoever is in a hurry may be in a great one.
            scope_process::kill_all();
            scope_process::kill_all();
            let report = within(&rt, "the close", close).await;
            assert!(report.is_complete(), "{report:#}");
            suspects[0].assert_gone();
            within(&rt, "the other's end", idle.exited()).await.unwrap();
            assert_eq!(idle.status().unwrap().signal(), Some(9));
            let report = idle.close().await;
            assert!(report.is_complete(), "{report:#}");
            suspects[1].assert_gone();
        });
    });
}
