//! Adoption where it is tokio that drops: `select!`, `timeout`, `JoinHandle::abort`, a LocalSet, and a server's handler.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_lite::future::pending;
use scope_core::event::{self, EventKind};
use scope_core::{Failure, NotClosed, OwnedScope, task};
use scope_tests::{Gate, Journal, Rt, TokioCt, TokioMt, within_bound};
use scope_tokio::{SpawnExt, nursery};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, LocalSet};

fn both() -> [Runtime; 2] {
    let mut many = Builder::new_multi_thread();
    many.worker_threads(4);
    [Builder::new_current_thread(), many].map(|mut builder| builder.enable_all().build().expect("a tokio runtime"))
}

/// A scope that has a child and a finalizer when the gate opens, and goes on for ever.
async fn holds_something(journal: Journal, ready: Gate) -> Result<(), Failure> {
    nursery(async |n| {
        let j = journal.clone();
        n.finalizer("hang up", async move |_| {
            tokio::task::yield_now().await;
            j.add("cleaned up");
            Ok(())
        });
        let (note, begun) = (journal.on_drop("child ended"), ready.clone());
        n.spawn(async move {
            let _note = note;
            begun.open();
            pending().await
        });
        pending().await
    })
    .await?;
    Ok(())
}

const ENDED: &[&str] = &["child ended", "cleaned up"];

fn dropped_by_select_and_timeout<R: Rt>() {
    R::check("f05_dropped_by_tokios_select_and_timeout", async || {
        for by_select in [true, false] {
            let (journal, ready) = (Journal::new(), Gate::new());
            nursery(async |_| {
                let half = holds_something(journal.clone(), ready.clone());
                if by_select {
                    tokio::select! {
                        ended = half => ended?,
                        () = ready.passed() => {}
                    }
                } else {
                    let mut half = Box::pin(half);
                    while !ready.is_open() {
                        tokio::time::timeout(Duration::from_millis(1), half.as_mut())
                            .await
                            .expect_err("goes on for ever");
                    }
                    tokio::time::timeout(Duration::ZERO, half).await.expect_err("goes on for ever");
                }
                Ok(())
            })
            .await
            .expect("nothing fails");
            journal.assert_is(ENDED);
        }
    });
}

/// Fails if: what these drop is lost, or the scope around returns before it has ended.
#[test]
fn f05_dropped_by_tokios_select_and_timeout() {
    dropped_by_select_and_timeout::<TokioCt>();
    dropped_by_select_and_timeout::<TokioMt>();
}

/// Fails if: a root that is aborted through its JoinHandle loses its clean-up, or `settle` does not wait for it.
#[test]
fn f05_aborted_through_its_join_handle() {
    within_bound("f05_aborted_through_its_join_handle", || {
        for runtime in both() {
            let (journal, ready) = (Journal::new(), Gate::new());
            runtime.block_on(async {
                let root = tokio::spawn(holds_something(journal.clone(), ready.clone()));
                ready.passed().await;
                root.abort();
                assert!(root.await.expect_err("aborted").is_cancelled());
                scope_tokio::settle(Duration::from_secs(30)).await.expect("it takes no time");
            });
            journal.assert_is(ENDED);
        }
    });
}

/// Fails if: a LocalSet that goes takes the parallel half of a scope with it.
#[test]
fn f05_dropped_with_its_local_set() {
    within_bound("f05_dropped_with_its_local_set", || {
        for runtime in both() {
            let (journal, ready) = (Journal::new(), Gate::new());
            let local = LocalSet::new();
            let (j, r) = (journal.clone(), ready.clone());
            local.spawn_local(async move { drop(holds_something(j, r).await) });
            local.block_on(&runtime, ready.passed());
            drop(local);
            runtime.block_on(async {
                scope_tokio::settle(Duration::from_secs(30)).await.expect("it takes no time");
            });
            journal.assert_is(ENDED);
        }
    });
}

/// A server like any other: it knows nothing of scopes, and drops the handler of a client that hangs up.
async fn serve<H, F>(listener: TcpListener, handler: H)
where
    H: Fn() -> F,
    F: Future<Output = ()> + Send + 'static,
{
    while let Ok((mut stream, _)) = listener.accept().await {
        let handling = handler();
        tokio::spawn(async move {
            tokio::select! {
                () = hung_up(&mut stream) => {}
                () = handling => {}
            }
        });
    }
}

/// Reads the request, and returns when there is nobody any more to answer.
async fn hung_up(stream: &mut TcpStream) {
    let mut read = [0; 64];
    loop {
        match stream.read(&mut read).await {
            Ok(0) => return,
            Err(error) if error.kind() != ErrorKind::Interrupted => return,
            Ok(_) | Err(_) => {}
        }
    }
}

async fn ask(server: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(server).await.expect("it listens");
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("it reads");
    client
}

/// Fails if: a handler that its server drops leaves what it had begun to nobody.
#[test]
fn f05_a_handler_dropped_by_its_server_on_disconnect() {
    within_bound("f05_a_handler_dropped_by_its_server_on_disconnect", || {
        for runtime in both() {
            let journal = Journal::new();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let address = listener.local_addr().expect("it is bound");
                let (j, ready) = (journal.clone(), Gate::new());
                let r = ready.clone();
                let server = tokio::spawn(serve(listener, move || {
                    let (j, r) = (j.clone(), r.clone());
                    async move { drop(holds_something(j, r).await) }
                }));
                let client = ask(address).await;
                ready.passed().await;
                journal.assert_is(&[]);
                drop(client);
                while journal.lines().len() < 2 {
                    tokio::task::yield_now().await;
                }
                scope_tokio::settle(Duration::from_secs(30)).await.expect("it takes no time");
                server.abort();
            });
            journal.assert_is(ENDED);
        }
    });
}

/// Fails if: a handler that entered a living scope leaves what it had begun to anybody else, or that scope does not wait.
#[test]
fn f05_a_handler_that_entered_a_scope_is_dropped_on_disconnect() {
    within_bound("f05_a_handler_that_entered_a_scope_is_dropped_on_disconnect", || {
        for runtime in both() {
            let journal = Journal::new();
            scope_tokio::run_on(
                &runtime,
                nursery(async |app| {
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    let address = listener.local_addr()?;
                    let (j, ready, app) = (journal.clone(), Gate::new(), app.spawner());
                    let r = ready.clone();
                    let server = tokio::spawn(serve(listener, move || {
                        let (app, j, r) = (app.task("request"), j.clone(), r.clone());
                        async move { drop(app.enter(holds_something(j, r)).await) }
                    }));
                    let client = ask(address).await;
                    ready.passed().await;
                    journal.assert_is(&[]);
                    drop(client);
                    while !journal.has("child ended") {
                        tokio::task::yield_now().await;
                    }
                    server.abort();
                    Ok(())
                }),
            )
            .expect("nothing fails");
            journal.assert_is(ENDED);
        }
    });
}

/// What broken rules are told with this scope's name.
fn violations_of(name: &'static str) -> (Arc<Mutex<Vec<String>>>, event::ObserverGuard) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let into = told.clone();
    let guard = event::observe(move |event| {
        if let (Some(scope), EventKind::Violated(how)) = (event.scope().name(), event.kind())
            && scope == name
        {
            into.lock().unwrap_or_else(PoisonError::into_inner).push(how.clone());
        }
    });
    (told, guard)
}

/// Fails if: a session that a handler opened, and put where other requests find it, outlives that handler; or the request
/// that comes to close it is not told that it is too late.
#[test]
fn o09_a_session_kept_when_its_handler_was_dropped() {
    within_bound("o09_a_session_kept_when_its_handler_was_dropped", || {
        let (told, _guard) = violations_of("session of a dropped handler");
        for runtime in both() {
            told.lock().expect("no panic").clear();
            let (journal, sessions) = (Journal::new(), Arc::new(Mutex::new(Vec::<OwnedScope>::new())));
            let error: NotClosed = runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let address = listener.local_addr().expect("it is bound");
                let (j, s, ready) = (journal.clone(), sessions.clone(), Gate::new());
                let r = ready.clone();
                let server = tokio::spawn(serve(listener, move || {
                    let (j, s, r) = (j.clone(), s.clone(), r.clone());
                    async move {
                        // In the handler itself nobody would own it, and the error says so.
                        assert!(task::current().is_none());
                        OwnedScope::<Failure>::open("nobody's").expect_err("a foreign task");
                        let request = nursery(async |_| -> Result<(), Failure> {
                            let session = OwnedScope::open("session of a dropped handler")?;
                            let (cleaned, note) = (j.clone(), j.on_drop("child ended"));
                            session.spawn(async move {
                                let _note = note;
                                pending().await
                            })?;
                            session.finalizer("hang up", async move |_| {
                                cleaned.add("cleaned up");
                                Ok(())
                            })?;
                            s.lock().expect("no panic").push(session);
                            r.open();
                            pending().await
                        });
                        drop(request.named("request").await);
                    }
                }));
                let client = ask(address).await;
                ready.passed().await;
                drop(client);
                while journal.lines().len() < 2 {
                    tokio::task::yield_now().await;
                }
                scope_tokio::settle(Duration::from_secs(30)).await.expect("it takes no time");
                server.abort();
                // The next request finds it.
                let session = sessions.lock().expect("no panic").pop().expect("it was kept");
                let closed = nursery(async |_| Ok(session.close().await)).named("next request").await;
                closed.expect("an error is a value here").expect_err("its home has ended")
            });
            journal.assert_is(ENDED);
            assert!(error.is_home_ended(), "{error}");
            let told = told.lock().expect("no panic").clone();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains("request") && told[0].contains("still open"), "{told:?}");
        }
    });
}

/// Fails if: an owner that its JoinHandle aborts, while another task of tokio's has the guard, leaves the scope open.
#[test]
fn o09_an_owner_aborted_through_its_join_handle() {
    within_bound("o09_an_owner_aborted_through_its_join_handle", || {
        let (told, _guard) = violations_of("lent to a tokio task");
        for runtime in both() {
            told.lock().expect("no panic").clear();
            let (journal, lent) = (Journal::new(), async_channel::bounded::<OwnedScope>(1));
            runtime.block_on(async {
                let (j, send) = (journal.clone(), lent.0);
                let owner = tokio::spawn(async move {
                    let root = nursery(async |_| -> Result<(), Failure> {
                        let owned = OwnedScope::open("lent to a tokio task")?;
                        let (cleaned, note) = (j.clone(), j.on_drop("child ended"));
                        owned.spawn(async move {
                            let _note = note;
                            pending().await
                        })?;
                        owned.finalizer("hang up", async move |_| {
                            cleaned.add("cleaned up");
                            Ok(())
                        })?;
                        assert!(send.send(owned).await.is_ok());
                        pending().await
                    });
                    drop(root.named("owner").await);
                });
                let got = Gate::new();
                let (g, aborted) = (got.clone(), Gate::new());
                let a = aborted.clone();
                let holder = tokio::spawn(async move {
                    let owned = lent.1.recv().await.expect("it is sent");
                    g.open();
                    a.passed().await;
                    // No task, and no home any more.
                    owned.close().await.expect_err("its home has ended").is_home_ended()
                });
                got.passed().await;
                owner.abort();
                assert!(owner.await.expect_err("aborted").is_cancelled());
                scope_tokio::settle(Duration::from_secs(30)).await.expect("it takes no time");
                journal.assert_is(ENDED);
                aborted.open();
                assert!(holder.await.expect("no panic"));
            });
            let told = told.lock().expect("no panic").clone();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains("owner"), "{told:?}");
        }
    });
}

/// A journal to which the observer adds "told" when a rule of this scope's is broken: at leisure, for others to be faster.
fn told_slowly(name: &'static str) -> (Journal, event::ObserverGuard) {
    let journal = Journal::new();
    let into = journal.clone();
    let guard = event::observe(move |event| {
        if let (Some(scope), EventKind::Violated(_)) = (event.scope().name(), event.kind())
            && scope == name
        {
            std::thread::sleep(Duration::from_millis(100));
            into.add("told");
        }
    });
    (journal, guard)
}

/// What `owner` opens, and sends away. It ends when it is aborted, or told to go on.
fn opens_and_sends(journal: Journal, go_on: Gate, to: async_channel::Sender<OwnedScope>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let root = nursery(async |_| -> Result<(), Failure> {
            let owned = OwnedScope::open("told before it is clean")?;
            owned.finalizer("hang up", async move |_| {
                journal.add("cleaned up");
                Ok(())
            })?;
            assert!(to.send(owned).await.is_ok());
            go_on.passed().await;
            Ok(())
        });
        drop(root.named("owner").await);
    })
}

/// Fails if: whoever has seen a scope cleaned up, that was dropped elsewhere or was left open by its home, may still have to
/// wait to be told of the broken rule.
#[test]
fn o02_a_broken_rule_is_told_before_it_is_cleaned_up() {
    within_bound("o02_a_broken_rule_is_told_before_it_is_cleaned_up", || {
        for dropped in [true, false] {
            let (journal, _guard) = told_slowly("told before it is clean");
            let [_, many] = both();
            many.block_on(async {
                let (go_on, lent) = (Gate::new(), async_channel::bounded(1));
                let owner = opens_and_sends(journal.clone(), go_on.clone(), lent.0);
                let owned = lent.1.recv().await.expect("it is sent");
                if dropped {
                    drop(owned);
                    go_on.open();
                } else {
                    owner.abort();
                }
                let _ = owner.await;
                scope_tokio::settle(Duration::from_secs(30)).await.expect("it takes no time");
            });
            journal.assert_is(&["told", "cleaned up"]);
        }
    });
}

/// Fails if: a guard that outlives its runtime panics or hangs when it is dropped, or nobody is told of what was lost.
#[test]
fn o02_dropped_after_the_end_of_its_runtime() {
    within_bound("o02_dropped_after_the_end_of_its_runtime", || {
        let (told, _guard) = violations_of("outlives its runtime");
        for runtime in both() {
            told.lock().expect("no panic").clear();
            let (journal, lent) = (Journal::new(), async_channel::bounded::<OwnedScope>(1));
            let j = journal.clone();
            runtime.spawn(async move {
                let root = nursery(async |_| -> Result<(), Failure> {
                    let owned = OwnedScope::open("outlives its runtime")?;
                    let note = j.on_drop("child ended");
                    owned.spawn(async move {
                        let _note = note;
                        pending().await
                    })?;
                    let note = j.on_drop("finalizer dropped");
                    owned.finalizer("hang up", async move |_| {
                        drop(note);
                        Ok(())
                    })?;
                    assert!(lent.0.send(owned).await.is_ok());
                    pending().await
                });
                drop(root.named("owner").await);
            });
            let owned = runtime.block_on(lent.1.recv()).expect("it is sent");
            drop(runtime);
            let mut lines = journal.lines();
            lines.sort();
            assert_eq!(lines, ["child ended", "finalizer dropped"], "what it held has been destroyed");
            // Its home has ended with the runtime, so this is no news any more.
            drop(owned);
            let told = told.lock().expect("no panic").clone();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains("owner"), "{told:?}");
        }
    });
}
