//! Looking who is left of children that are being closed: once for all who ask at the same time.
//!
//! A look goes through all processes there are. A host that closes a thousand servers at once would go through them a
//! thousand times, on as many threads. So who asks while somebody looks waits for the next look, which is for all of
//! them.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_channel::oneshot;
use scope_core::rt::Handle;

use crate::blocking::{self, PATIENCE};
use crate::group::{Group, Survey};
use crate::scan;

struct Asked {
    group: Arc<Group>,
    terminate: bool,
    answer: oneshot::Sender<Survey>,
}

struct Queue {
    /// The process they belong to: a copy that a fork made of a host has none of them.
    host: u32,
    asked: Vec<Asked>,
    is_served: bool,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { host: 0, asked: Vec::new(), is_served: false });

fn queue() -> MutexGuard<'static, Queue> {
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    let host = std::process::id();
    if queue.host != host {
        // Not dropped: that would wake tasks of the host we were copied from.
        std::mem::forget(std::mem::take(&mut queue.asked));
        queue.is_served = false;
        queue.host = host;
    }
    queue
}

/// Looks who is left of `group`: as [`Group::survey`] says.
///
/// # Cancel safety
/// A look that has begun is concluded.
pub(crate) async fn survey(rt: &Handle, group: &Arc<Group>, terminate: bool) -> Survey {
    if group.is_contained {
        // It may have to be waited for, which is not to keep the others.
        return alone(rt, group, terminate).await;
    }
    let (answer, mut survey) = oneshot::channel();
    let server = {
        let mut queue = queue();
        queue.asked.push(Asked { group: Arc::clone(group), terminate, answer });
        (!std::mem::replace(&mut queue.is_served, true)).then(|| Server)
    };
    let survey = match server {
        Some(server) => {
            let mut served = pin!(blocking::run(rt, move || server.serve()));
            // No longer than for our own: others may come and come.
            let ours = poll_fn(|cx| match Pin::new(&mut survey).poll(cx) {
                Poll::Ready(answer) => Poll::Ready(answer.ok()),
                Poll::Pending => served.as_mut().poll(cx).map(|_| None),
            });
            match ours.await {
                Some(survey) => Some(survey),
                None => survey.try_recv().ok().flatten(),
            }
        }
        None => {
            let mut patience = Some(rt.sleep(PATIENCE));
            poll_fn(|cx| {
                if let Poll::Ready(answer) = Pin::new(&mut survey).poll(cx) {
                    return Poll::Ready(answer.ok());
                }
                // Nobody has begun: the threads of the runtime that was to do so are all stuck, say.
                if let Some(sleep) = &mut patience
                    && Pin::new(sleep).poll(cx).is_ready()
                {
                    patience = None;
                    if let Some(withdrawn) = withdraw(group) {
                        drop(withdrawn);
                        return Poll::Ready(None);
                    }
                }
                Poll::Pending
            })
            .await
        }
    };
    match survey {
        Some(survey) => survey,
        None => alone(rt, group, terminate).await,
    }
}

async fn alone(rt: &Handle, group: &Arc<Group>, terminate: bool) -> Survey {
    let look = move |group: &Arc<Group>| {
        let (target, has_ended) = group.wanted();
        group.survey(&scan::find(&target), has_ended, terminate)
    };
    let worker = Arc::clone(group);
    let survey = blocking::run(rt, move || look(&worker)).await;
    survey.unwrap_or_else(|| look(group))
}

/// Takes back what was asked for `group`, unless a look for it has begun.
fn withdraw(group: &Arc<Group>) -> Option<Asked> {
    let mut queue = queue();
    let at = queue.asked.iter().position(|asked| Arc::ptr_eq(&asked.group, group))?;
    Some(queue.asked.swap_remove(at))
}

/// The one who looks. There is one at a time; dropped in the middle, it leaves nobody waiting.
struct Server;

/// One thread is not taken for longer, should others come and come.
const ROUNDS: usize = 100;

impl Server {
    /// Blocking.
    fn serve(self) {
        for _ in 0..ROUNDS {
            let mut asked = Vec::new();
            let mut target: Option<scan::Target> = None;
            for one in take() {
                // One that is being killed would keep the others waiting: it looks alone, afterwards.
                let Some((wanted, has_ended)) = one.group.try_wanted() else { continue };
                target = Some(match target {
                    Some(target) => target.or(wanted),
                    None => wanted,
                });
                asked.push((one, has_ended));
            }
            if let Some(target) = target {
                let looked = scan::find(&target);
                for (Asked { group, terminate, answer }, has_ended) in asked {
                    let survey = group.survey(&looked, has_ended, terminate);
                    // Who hears of its end finds nothing held of it any more.
                    drop(group);
                    // Nobody may hear it: the close was given up.
                    let _ = answer.send(survey);
                }
            }
            let mut queue = queue();
            if queue.asked.is_empty() {
                queue.is_served = false;
                drop(queue);
                std::mem::forget(self);
                return;
            }
        }
    }
}

fn take() -> Vec<Asked> {
    std::mem::take(&mut queue().asked)
}

impl Drop for Server {
    fn drop(&mut self) {
        let left = {
            let mut queue = queue();
            queue.is_served = false;
            std::mem::take(&mut queue.asked)
        };
        // Who still waits looks alone.
        drop(left);
    }
}
