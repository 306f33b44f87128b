//! v04: "why has this scope not closed?" has an answer: what is still running, by name and location.

use futures_lite::future::pending;
use scope_core::{Canceller, Failure, Spawns, nursery};
use scope_tests::{Gate, Rt, Still, poll_now, turns};

/// What is in the way, as it is printed.
fn why(scope: &Canceller) -> String {
    scope.why_open().to_string()
}

#[track_caller]
fn assert_names(why: &str, parts: &[&str]) {
    for part in parts {
        assert!(why.contains(part), "{part} is not in:\n{why}");
    }
}

#[track_caller]
fn assert_does_not_name(why: &str, parts: &[&str]) {
    for part in parts {
        assert!(!why.contains(part), "{part} is in:\n{why}");
    }
}

/// Asks again until `is` holds: what runs on another thread may be on its way.
async fn why_once(scope: &Canceller, is: impl Fn(&str) -> bool) -> String {
    for _ in 0..10_000 {
        let why = why(scope);
        if is(&why) {
            return why;
        }
        turns(1).await;
    }
    panic!("it stays:\n{}", why(scope));
}

/// Fails if: a child of either kind is not named, or not where it was spawned; or one that has ended is.
pub(crate) async fn v04_the_children_still_running_are_named<R: Rt>() {
    nursery(async |n| {
        let (first, second) = (Gate::new(), Gate::new());
        let (f, s) = (first.clone(), second.clone());
        let parallel = line!() + 1;
        n.task("reader").spawn_erased(async move {
            f.passed().await;
            Ok(())
        });
        let same_task = line!() + 1;
        n.task("writer").spawn_local(async move {
            s.passed().await;
            Ok(())
        });
        let scope = n.canceller();
        let why = why_once(&scope, |why| why.contains("reader") && why.contains("writer")).await;
        assert_names(&why, &["session", &format!("v04.rs:{parallel}:"), &format!("v04.rs:{same_task}:")]);
        first.open();
        let why = why_once(&scope, |why| !why.contains("reader")).await;
        assert_names(&why, &["writer"]);
        second.open();
        why_once(&scope, |why| !why.contains("writer")).await;
        Ok(())
    })
    .named("session")
    .await
    .expect("nothing fails");
}

/// Fails if: the finalizer that runs is not told from those that are to, or one that is done is still named.
pub(crate) async fn v04_the_finalizers_still_running_are_named<R: Rt>() {
    nursery(async |outer| {
        let (running, may_end) = (Gate::new(), Gate::new());
        let (sent, scope) = async_channel::bounded(1);
        let (r, m) = (running.clone(), may_end.clone());
        let lines = line!();
        let inner = outer.spawn_erased_with_handle(async move {
            nursery(async |n| {
                n.finalizer("close the file", async |_| Ok(()));
                n.finalizer("flush", async move |_| {
                    r.open();
                    m.passed().await;
                    Ok(())
                });
                n.finalizer("say goodbye", async |_| Ok(()));
                let _ = sent.send(n.canceller()).await;
                Ok(())
            })
            .named("session")
            .await?;
            Ok(())
        });
        let scope: Canceller = scope.recv().await?;
        running.passed().await;
        let why_now = why(&scope);
        assert_names(&why_now, &["session", "flush", "close the file"]);
        assert_names(&why_now, &[&format!("v04.rs:{}:", lines + 4), &format!("v04.rs:{}:", lines + 3)]);
        assert_does_not_name(&why_now, &["say goodbye"]);
        let told = |what: &str| why_now.lines().find(|line| line.contains(what)).expect("just seen").to_owned();
        let (flush, close) = (told("flush"), told("close the file"));
        let differs = flush.replace("flush", "?")
            != close.replace("close the file", "?").replace(&(lines + 3).to_string(), &(lines + 4).to_string());
        assert!(differs, "which of them runs?\n{why_now}");
        may_end.open();
        inner.await?;
        assert_does_not_name(&why(&scope), &["flush", "close the file"]);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: a service, or a scope that was dropped and is cleaned up in this one, is in the way and not named.
pub(crate) async fn v04_services_and_adopted_scopes_are_named<R: Rt>() {
    nursery(async |n| {
        let scope = n.canceller();
        let service = n.open(Still("database")).await?;
        assert_names(&why_once(&scope, |why| why.contains("database")).await, &["v04.rs"]);
        service.close().await?;

        let (cleaning, may_end) = (Gate::new(), Gate::new());
        {
            let (c, m) = (cleaning.clone(), may_end.clone());
            let half = nursery(async |n| -> Result<(), Failure> {
                n.finalizer("roll back", async move |_| {
                    c.open();
                    m.passed().await;
                    Ok(())
                });
                pending().await
            });
            let mut half = Box::pin(half.named("request 7"));
            assert!(poll_now(half.as_mut()).await.is_pending());
        }
        cleaning.passed().await;
        assert_names(&why(&scope), &["request 7", "roll back"]);
        may_end.open();
        why_once(&scope, |why| !why.contains("request 7")).await;
        Ok(())
    })
    .named("server")
    .await
    .expect("nothing fails");
}

/// Fails if: what hangs three scopes further in is not found from the outermost.
pub(crate) async fn v04_what_is_in_the_way_further_in_is_named<R: Rt>() {
    nursery(async |n| {
        let go_on = Gate::new();
        let g = go_on.clone();
        n.task("worker").spawn_erased(async move {
            nursery(async |n| {
                n.task("helper").spawn_erased(async move {
                    nursery(async |n| {
                        n.task("culprit").spawn_erased(async move {
                            g.passed().await;
                            Ok(())
                        });
                        Ok(())
                    })
                    .named("third")
                    .await?;
                    Ok(())
                });
                Ok(())
            })
            .named("second")
            .await?;
            Ok(())
        });
        let scope = n.canceller();
        let parts = ["worker", "second", "helper", "third", "culprit"];
        let why = why_once(&scope, |why| parts.iter().all(|part| why.contains(part))).await;
        assert_names(&why, &["v04.rs"]);
        go_on.open();
        Ok(())
    })
    .named("first")
    .await
    .expect("nothing fails");
}

/// Fails if: it answers with something that runs where nothing does any more; or is for the scope's own task alone.
pub(crate) async fn v04_of_a_scope_that_has_closed_it_says_so<R: Rt>() {
    let scope = nursery(async |n| {
        n.task("reader").spawn_erased(async { Ok(()) });
        Ok(n.canceller())
    })
    .named("session")
    .await
    .expect("nothing fails");
    let told = std::thread::spawn(move || why(&scope)).join().expect("no panic");
    assert_names(&told, &["session", "closed"]);
    assert_does_not_name(&told, &["reader"]);
}
