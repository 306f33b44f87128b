//! Finalizers, owned scopes and services, as a program uses them.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use scope_core::{Exit, Failure, Spawns};

use crate::interpret::{Env, Here, InNursery, block, ms};
use crate::journal::{Closed, Leaf, What};
use crate::program::{Ask, Finalizer, Id, Server};
use crate::serve::Served;
use crate::watch::{Boxed, leaf_of_panic, leaves_of_error};

/// Notes when a finalizer's future, or what would have made it, is destroyed.
struct FinalizerGone {
    env: Arc<Env>,
    id: Id,
    started: bool,
    ended: bool,
}

impl Drop for FinalizerGone {
    fn drop(&mut self) {
        self.env.note(What::FinalizerGone(self.id));
        if self.started && !self.ended {
            self.env.note(What::Raised(Leaf::Overran(self.id)));
        }
    }
}

pub(crate) fn add_finalizer(env: &Arc<Env>, n: InNursery<'_, '_>, finalizer: &Arc<Finalizer>) {
    let id = finalizer.id;
    let run = || finalizer_of(env, finalizer);
    let name = format!("f{id}");
    let Some(owned) = finalizer.of else {
        let Some(n) = n else { return };
        match finalizer.share {
            Some(share) => n.finalizer_within(ms(share), name, run()),
            None => n.finalizer(name, run()),
        }
        env.note(What::FinalizerAdded(id));
        return;
    };
    // Taken out meanwhile, so that no lock is held; nobody else runs before it is back.
    let guard = env.reach().owned.remove(&owned);
    let Some(guard) = guard else { return };
    match guard.finalizer(name, run()) {
        Ok(()) => env.note(What::FinalizerAdded(id)),
        Err(_) => env.note(What::FinalizerRefused(id)),
    }
    env.reach().owned.insert(owned, guard);
}

fn finalizer_of(
    env: &Arc<Env>,
    finalizer: &Finalizer,
) -> impl FnOnce(Exit) -> Boxed<'static, Result<(), Failure>> + use<> {
    let id = finalizer.id;
    let acts = finalizer.block.clone();
    let mut gone = FinalizerGone { env: env.clone(), id, started: false, ended: false };
    move |exit| {
        gone.env.note(What::FinalizerStarted { id, exit: exit.to_string() });
        gone.started = true;
        Box::pin(async move {
            let here = Here { body: id, task: id, quiet: false };
            let result = AssertUnwindSafe(block(gone.env.clone(), here, None, acts)).catch_unwind().await;
            gone.ended = true;
            gone.env.note(What::FinalizerEnded(id));
            result.unwrap_or_else(|payload| resume_unwind(payload))
        })
    }
}

pub(crate) async fn close(env: &Env, here: Here, owned: Id) {
    let guard = env.reach().owned.remove(&owned);
    let Some(guard) = guard else { return };
    env.note(What::CloseBegun { owned, task: here.task });
    let tried = |result: Closed| env.note(What::CloseTried { owned, task: here.task, by: here.body, result });
    match AssertUnwindSafe(guard.close()).catch_unwind().await {
        Ok(Ok(())) => tried(Closed::Ok),
        Ok(Err(error)) if error.is_home_ended() => tried(Closed::HomeEnded),
        Ok(Err(error)) if error.is_wrong_task() => {
            tried(Closed::WrongTask);
            if let Some(guard) = error.into_scope() {
                env.reach().owned.insert(owned, guard);
            }
        }
        Ok(Err(error)) if error.is_from_within() => {
            tried(Closed::FromWithin);
            if let Some(guard) = error.into_scope() {
                env.reach().owned.insert(owned, guard);
            }
        }
        Ok(Err(error)) if error.is_closed_already() => tried(Closed::WithOuter),
        Ok(Err(error)) if error.is_out_of_order() => {
            let leaves = error.failed().map_or_else(Vec::new, |failed| leaves_of_error(failed, &env.scopes));
            tried(Closed::OutOfOrder(leaves.clone()));
            env.note(What::Caught(leaves));
        }
        Ok(Err(error)) => {
            let leaves = error.failed().map_or_else(Vec::new, |failed| leaves_of_error(failed, &env.scopes));
            tried(Closed::Failed(leaves.clone()));
            env.note(What::Caught(leaves));
        }
        Err(payload) => {
            tried(Closed::Failed(vec![leaf_of_panic(&*payload)]));
            resume_unwind(payload)
        }
    }
}

pub(crate) async fn serve(env: &Arc<Env>, here: Here, n: InNursery<'_, '_>, server: &Arc<Server>) {
    let Some(n) = n else { return };
    let id = server.id;
    let handle = n.serve(Served::new(env.clone(), server.clone()));
    env.reach().services.insert(id, handle);
    if server.awaited {
        ask(env, here, id, Ask::Ready).await;
    }
}

pub(crate) async fn ask(env: &Env, here: Here, service: Id, how: Ask) {
    let handle = match how {
        Ask::DropHandle => env.reach().services.remove(&service),
        _ => env.reach().services.get(&service).cloned(),
    };
    let Some(handle) = handle else { return };
    let asked = env.runtime.elapsed();
    let mut refused = false;
    let result = match how {
        Ask::Ready => handle.ready().await.map(drop).map_err(|error| error.to_string()),
        Ask::Request => handle.ask(|reply| reply).await.map_err(|error| error.to_string()),
        Ask::Close => handle.close().await.map(drop).map_err(|error| {
            refused = error.is_from_within();
            error.to_string()
        }),
        Ask::Closed => Err(handle.closed().await.error().to_string()),
        Ask::BeginClose => {
            handle.begin_close();
            Ok(())
        }
        Ask::DropHandle => Ok(()),
    };
    drop(handle);
    if matches!(how, Ask::Close | Ask::Closed) {
        env.note(What::Answered { by: here.body, service, asked, refused });
    }
    env.note(What::Answer { service, how, result });
}
