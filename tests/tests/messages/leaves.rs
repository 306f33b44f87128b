//! Errors with their paths: what failed where, first cause first.

use futures_lite::future::pending;
use scope_core::{Failure, ScopeError, Spawns, nursery};
use scope_tests::{Boom, Gate};

use crate::{on_a_runtime, says};

/// An error with a cause of its own.
#[derive(Debug, thiserror::Error)]
#[error("the config cannot be read")]
struct Config(#[source] Boom);

#[test]
fn one_child_failed() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |n| {
            n.task("loader").spawn_erased(async { Err(Config(Boom("permission denied")).into()) });
            Ok(())
        })
        .named("start-up")
        .runtime(runtime)
        .await
        .expect_err("a child failed");
        says("leaf", &error);
        says("leaf-debug", format!("{error:?}"));
    });
}

#[test]
fn several_failed_scopes_in_scopes() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |n| {
            n.finalizer("unlock", async |_| Err(Boom("the lock is gone").into()));
            n.task("server").spawn_erased(async {
                nursery(async |n| {
                    let (failed, told) = (Gate::new(), Gate::new());
                    let here = failed.clone();
                    n.task("reader").spawn_erased(async move {
                        here.passed().await;
                        Err(Boom("the peer hung up").into())
                    });
                    // Fails on its way out.
                    n.task("writer").spawn_erased(async move {
                        let _guard = Gate::clone(&told);
                        failed.open();
                        struct Bomb;
                        impl Drop for Bomb {
                            fn drop(&mut self) {
                                panic!("the buffer was not empty");
                            }
                        }
                        let _bomb = Bomb;
                        pending().await
                    });
                    Ok(())
                })
                .named("connection")
                .await?;
                Ok(())
            });
            Ok(())
        })
        .named("main")
        .runtime(runtime)
        .await
        .expect_err("much failed");
        says("leaves", &error);
        says("leaves-debug", format!("{error:?}"));
        let all: Vec<_> = error.all_leaves().into_iter().map(ToString::to_string).collect();
        says("leaves-all", all.join("\n"));
    });
}

/// An error of the user's own around a scope's.
#[derive(Debug, thiserror::Error)]
#[error("the crawl failed")]
struct Crawl(#[source] ScopeError);

/// Two children, both of which fail, the second with a cause of its own; in a scope of that name.
async fn two_fail(name: &'static str) -> Result<(), ScopeError> {
    nursery(async |n| {
        n.task("first").spawn_local(async { Err(Boom("the peer hung up").into()) });
        n.finalizer("second", async |_| Err(Config(Boom("permission denied")).into()));
        Ok(())
    })
    .named(name)
    .await
}

#[test]
fn scopes_in_a_clean_up_and_in_an_error_of_the_users_own() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |n| -> Result<(), Failure> {
            n.finalizer("tell the peers", async |_| Ok(two_fail("farewell").await?));
            two_fail("pages").await.map_err(Crawl)?;
            Ok(())
        })
        .named("crawler")
        .runtime(runtime)
        .await
        .expect_err("much failed");
        says("leaves-inside", &error);
        says("leaves-inside-debug", format!("{error:?}"));
    });
}

#[test]
fn scopes_and_tasks_without_names() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |n| {
            n.spawn_erased(async {
                nursery(async |n| {
                    n.spawn_local(async { Err(Boom("nobody knows who I am").into()) });
                    Ok(())
                })
                .await?;
                Ok(())
            });
            Ok(())
        })
        .runtime(runtime)
        .await
        .expect_err("a child failed");
        says("leaf-unnamed", &error);
        says("leaf-unnamed-debug", format!("{error:?}"));
    });
}

#[test]
fn a_child_that_the_runtime_dropped() {
    on_a_runtime(|on| async move {
        let doomed = scope_tests::Doomed::new(on);
        let error = nursery(async |n| -> Result<(), Failure> {
            let parked = Gate::new();
            let here = parked.clone();
            n.task("reader").spawn_erased(async move {
                here.open();
                pending().await
            });
            parked.passed().await;
            doomed.end();
            pending().await
        })
        .named("session")
        .runtime(doomed.handle())
        .await
        .expect_err("the runtime has ended");
        says("leaf-aborted", &error);
        says("leaf-aborted-debug", format!("{error:?}"));
    });
}

#[test]
fn a_scope_that_was_dropped_and_failed_in_its_clean_up() {
    on_a_runtime(|runtime| async move {
        let error = nursery(async |_| {
            let request = nursery(async |n| -> Result<(), Failure> {
                n.finalizer("give back the lock", async |_| Err(Boom("the lock is gone").into()));
                pending().await
            })
            .named("request 7");
            let mut request = Box::pin(request);
            assert!(scope_tests::poll_now(request.as_mut()).await.is_pending());
            drop(request);
            Ok(())
        })
        .named("server")
        .runtime(runtime)
        .await
        .expect_err("it is told here");
        says("leaf-adopted", &error);
        says("leaf-adopted-debug", format!("{error:?}"));
    });
}

#[test]
fn what_a_handle_says_of_a_child_that_has_no_value() {
    on_a_runtime(|runtime| async move {
        let _ = nursery(async |n| {
            let outer = n.spawner();
            let _ = nursery(async |n| {
                let failed = n.spawn_erased_with_handle(async { Err::<(), _>(Boom("no").into()) });
                outer.spawn_erased(async move {
                    says("handle-failed", failed.await.expect_err("it failed"));
                    Ok(())
                })?;
                Ok(())
            })
            .await;
            Ok(())
        })
        .runtime(runtime)
        .await;
    });
}
