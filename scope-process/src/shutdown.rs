//! Ending a process step by step: [`Process::close`].

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use scope_core::rt::Handle;

use crate::exit::{ExitWatch, Exited};
use crate::group::Survey;
use crate::report::{Action, Sent};
use crate::{Budgets, PipeReader, Process, Tail, blocking, looks};

/// Between two looks at those who were told to end, from the second on: someone who starts others all the time must not
/// keep us scanning.
const PAUSE: Duration = Duration::from_millis(5);

/// Ends it and reaps it, last. How it ended, if nobody else has reaped it.
pub(crate) async fn run(process: &mut Process, budgets: Budgets) -> Option<ExitStatus> {
    end(process, budgets).await;
    hear_last(process);
    let group = Arc::clone(&process.group);
    if let Some(status) = group.reaped() {
        return status;
    }
    let reaped = blocking::run(&process.rt, move || group.reap()).await;
    reaped.unwrap_or_else(|| process.group.reap())
}

async fn end(process: &mut Process, budgets: Budgets) {
    let rt = process.rt.clone();
    let group = Arc::clone(&process.group);

    let start = rt.now();
    let had_ended = group.exit.has_ended();
    process.log.notice(had_ended);
    process.stdin = None;
    process.log.input_ended = true;
    if !had_ended {
        let ended = wait(process, &mut [process.exited()], after(&rt, budgets.after_eof)).await;
        process.log.notice(ended);
        process.log.step(Action::EndInput, rt.now() - start, usize::from(!ended));
    }

    let start = rt.now();
    let terminate = !budgets.after_term.is_zero();
    let survey = looks::survey(&rt, &group, terminate).await;
    let scanned = rt.now();
    // As it was before anything was sent.
    process.log.notice(survey.leader_ended);
    process.log.found(&survey.found);
    process.log.step(Action::Scan, scanned - start, survey.left());
    if let Some(e) = &survey.error {
        process.log.unscanned(e);
    }
    if survey.is_empty() {
        return;
    }
    if terminate {
        process.log.sent(Sent::Term);
        let left = settle(process, survey, after(&rt, budgets.after_term)).await;
        process.log.step(Action::Terminate, rt.now() - scanned, left);
        if left == 0 {
            return;
        }
    }

    let start = rt.now();
    let limit = budgets.for_kill();
    let swept = {
        let group = Arc::clone(&group);
        blocking::run(&rt, move || group.sweep(limit)).await
    };
    // The worker was lost on the way, which only a panic does: the work is done here then.
    let swept = swept.unwrap_or_else(|| group.sweep(limit));
    process.record_kill(swept, rt.now() - start);
}

/// Waits until all that have been told to end have, or `deadline`. How many are left.
async fn settle(process: &mut Process, mut survey: Survey, deadline: Instant) -> usize {
    let rt = process.rt.clone();
    let group = Arc::clone(&process.group);
    for round in 0_u64.. {
        let watched = survey.fds.len();
        let mut ends: Vec<Exited> =
            survey.fds.drain(..).filter_map(|fd| ExitWatch::of_fd(&rt, fd).ok()).map(Exited::new).collect();
        let all_watched = ends.len() == watched && watched == survey.found.len();
        ends.push(process.exited());
        let ended = wait(process, &mut ends, deadline).await;
        process.log.notice(group.exit.has_ended());
        if !ended {
            // The scan that SIGKILL begins with finds out who is left; these are at least.
            return survey.left().max(1);
        }
        if round > 0 || !all_watched {
            rt.sleep_until(deadline.min(rt.now() + PAUSE)).await;
        }
        survey = looks::survey(&rt, &group, false).await;
        process.log.found(&survey.found);
        if survey.is_empty() {
            return 0;
        }
        if rt.now() >= deadline {
            break;
        }
    }
    survey.left().max(1)
}

/// Waits until all of `ends` have come, or `deadline`. Whether they have.
async fn wait(process: &mut Process, ends: &mut [Exited], deadline: Instant) -> bool {
    let mut timer = process.rt.sleep_until(deadline);
    let mut ended = vec![false; ends.len()];
    poll_fn(|cx| {
        for (end, ended) in ends.iter_mut().zip(&mut ended).filter(|(_, ended)| !**ended) {
            match Pin::new(end).poll(cx) {
                Poll::Ready(Ok(())) => *ended = true,
                // The runtime that was to watch it has shut down: no time is left to be polite.
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => {}
            }
        }
        if ended.iter().all(|ended| *ended) {
            return Poll::Ready(true);
        }
        // A process that cannot get rid of its last words does not end.
        if hear(process, cx) {
            // There is more; but others want their turn.
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut timer).poll(cx).map(|()| false)
    })
    .await
}

/// Reads what it says. Whether there may be more at once.
fn hear(process: &mut Process, cx: &mut Context<'_>) -> bool {
    let Process { stdout, stderr, tail, .. } = process;
    read(stdout, None, |reader, buf| reader.poll_read(cx, buf))
        | read(stderr, tail.as_ref(), |reader, buf| reader.poll_read(cx, buf))
}

/// Reads what it said last, as much as a pipe holds. It is all there when it has ended, but the runtime may not have been told.
fn hear_last(process: &mut Process) {
    let Process { stderr, tail, .. } = process;
    read(stderr, tail.as_ref(), |reader, buf| match reader.read_now(buf) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        read => Poll::Ready(read),
    });
}

fn read(
    pipe: &mut Option<PipeReader>,
    tail: Option<&Tail>,
    mut take: impl FnMut(&mut PipeReader, &mut [u8]) -> Poll<io::Result<usize>>,
) -> bool {
    let mut buf = [0; 4096];
    for _ in 0..16 {
        let Some(reader) = pipe else { return false };
        match take(reader, &mut buf) {
            Poll::Pending => return false,
            Poll::Ready(Ok(count)) if count > 0 => {
                if let Some(tail) = tail {
                    tail.push(&buf[..count]);
                }
            }
            Poll::Ready(_) => *pipe = None,
        }
    }
    true
}

fn after(rt: &Handle, budget: Duration) -> Instant {
    let now = rt.now();
    now.checked_add(budget).unwrap_or(now + Duration::from_secs(86400 * 365))
}
