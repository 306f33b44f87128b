//! t05: task-locals are inherited by explicit key, as a snapshot at spawn, from the spawner.

use std::sync::{Arc, Mutex};

use futures_lite::future::{block_on, pending, yield_now};
use futures_util::join;
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, Spawner, Spawns, TaskLocal, nursery};
use scope_tests::{Gate, Rt, poll_now, turns};

static TENANT: TaskLocal<&'static str> = TaskLocal::new();
/// Of the same type: the key tells them apart.
static REGION: TaskLocal<&'static str> = TaskLocal::new();
static SHARED: TaskLocal<Arc<()>> = TaskLocal::new();

/// Fails if: a way to spawn forgets it.
pub(crate) async fn t05_every_kind_of_child_inherits_it<R: Rt>() {
    TENANT
        .scope("acme", async {
            nursery(async |n| {
                assert_eq!(TENANT.get(), Some("acme"), "a body is the same task's code");
                R::spawn(n, async {
                    assert_eq!(TENANT.get(), Some("acme"));
                    yield_now().await;
                    assert_eq!(TENANT.get(), Some("acme"));
                    // And on, to the children's children.
                    nursery(async |n| {
                        n.spawn_local(async {
                            assert_eq!(TENANT.get(), Some("acme"));
                            Ok(())
                        });
                        Ok(())
                    })
                    .await?;
                    Ok(())
                });
                n.spawn_local(async {
                    yield_now().await;
                    assert_eq!(TENANT.get(), Some("acme"));
                    Ok(())
                });
                let seen = n.spawn_erased_with_handle(async { Ok(TENANT.get()) });
                assert_eq!(seen.await?, Some("acme"));
                let seen = n.spawn_local_with_handle(async { Ok(TENANT.get()) });
                assert_eq!(seen.await?, Some("acme"));
                let seen = n.spawner().task("named").spawn_erased_with_handle(async { Ok(TENANT.get()) })?;
                assert_eq!(seen.await?, Some("acme"));
                Ok(())
            })
            .await
        })
        .await
        .expect("nothing fails");
    assert_eq!(TENANT.get(), None);
}

/// Says what its tenant is.
struct Says;

impl Service for Says {
    type Request = Reply<Option<&'static str>>;
    type Info = Option<&'static str>;
    type Report = Option<&'static str>;

    fn name(&self) -> Name {
        Name::new("says")
    }

    async fn open(&mut self) -> Result<Self::Info, Failure> {
        Ok(TENANT.get())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Self::Request>) -> Result<(), Failure> {
        while let Some(reply) = inbox.next().await {
            let _ = reply.send(TENANT.get());
        }
        Ok(())
    }

    async fn end(&mut self, _: Exit) -> Self::Report {
        TENANT.get()
    }
}

/// Fails if: a service forgets what its opener had, or takes on what those who ask it have.
pub(crate) async fn t05_a_service_has_its_openers<R: Rt>() {
    nursery(async |n| {
        let service = TENANT.scope("acme", async { n.open(Says).await }).await?;
        assert_eq!(*service.ready().await?, Some("acme"));
        let asked = TENANT.scope("other", service.ask(|reply| reply)).await?;
        assert_eq!(asked, Some("acme"));
        assert_eq!(*service.close().await?, Some("acme"));
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: what one sets after the spawn is seen by the other, either way.
pub(crate) async fn t05_it_is_a_snapshot<R: Rt>() {
    TENANT
        .scope("first", async {
            nursery(async |n| {
                let (set, go_on) = (Gate::new(), Gate::new());
                let (s, g) = (set.clone(), go_on.clone());
                R::spawn(n, async move {
                    g.passed().await;
                    assert_eq!(TENANT.get(), Some("first"), "as it was at the spawn");
                    TENANT
                        .scope("child's", async {
                            s.open();
                            turns(5).await;
                            assert_eq!(TENANT.get(), Some("child's"));
                        })
                        .await;
                    assert_eq!(TENANT.get(), Some("first"), "and so again");
                    Ok(())
                });
                TENANT
                    .scope("second", async {
                        go_on.open();
                        set.passed().await;
                        assert_eq!(TENANT.get(), Some("second"), "a child sets its own");
                        let seen = n.spawn_erased_with_handle(async { Ok(TENANT.get()) });
                        assert_eq!(seen.await?, Some("second"));
                        Ok::<_, Failure>(())
                    })
                    .await?;
                assert_eq!(TENANT.get(), Some("first"));
                Ok(())
            })
            .await
        })
        .await
        .expect("nothing fails");
}

/// Fails if: it comes from whoever owns the scope, or from whoever made the spawner.
pub(crate) async fn t05_it_comes_from_the_spawner_not_from_the_owner<R: Rt>() {
    async fn seen_by_a_child_of(spawner: &Spawner) -> Result<Option<&'static str>, Failure> {
        Ok(spawner.spawn_erased_with_handle(async { Ok(TENANT.get()) })?.await?)
    }
    nursery(async |outer| {
        let (sent, spawners) = async_channel::bounded::<Spawner>(1);
        let (told, over) = async_channel::bounded(3);
        // Spawned here, where nothing is set.
        R::spawn(outer, async move {
            let spawner = spawners.recv().await?;
            let _ = told.send(seen_by_a_child_of(&spawner).await?).await;
            let set = TENANT.scope("spawner's", seen_by_a_child_of(&spawner)).await?;
            let _ = told.send(set).await;
            Ok(())
        });
        TENANT
            .scope("owner's", async {
                nursery(async |n| {
                    let _ = sent.send(n.spawner()).await;
                    assert_eq!(over.recv().await?, None, "its spawner has none");
                    assert_eq!(over.recv().await?, Some("spawner's"));
                    assert_eq!(seen_by_a_child_of(&n.spawner()).await?, Some("owner's"), "here they are the same");
                    Ok(())
                })
                .await
            })
            .await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: two keys are one, or a key that was never set has a value, or one needs a task to ask.
pub(crate) async fn t05_each_key_is_its_own<R: Rt>() {
    assert_eq!((TENANT.get(), REGION.get()), (None, None));
    TENANT
        .scope("acme", async {
            assert_eq!((TENANT.get(), REGION.get()), (Some("acme"), None));
            REGION
                .scope("north", async {
                    nursery(async |n| {
                        let both = n.spawn_erased_with_handle(async { Ok((TENANT.get(), REGION.get())) });
                        assert_eq!(both.await?, (Some("acme"), Some("north")));
                        Ok(())
                    })
                    .await
                })
                .await
        })
        .await
        .expect("nothing fails");
    let outside = std::thread::spawn(|| (TENANT.get(), TENANT.with(|tenant| tenant.is_none())));
    assert_eq!(outside.join().expect("no panic"), (None, true));
    // Where there is no task it can be set for a future all the same.
    let set = std::thread::spawn(|| block_on(TENANT.scope("acme", async { TENANT.get() })));
    assert_eq!(set.join().expect("no panic"), Some("acme"));
}

/// Fails if: two branches of one task mix theirs, or one that waits leaves its own behind.
pub(crate) async fn t05_branches_of_one_task_do_not_mix<R: Rt>() {
    let branch = |tenant: &'static str| {
        TENANT.scope(tenant, async move {
            for _ in 0..5 {
                assert_eq!(TENANT.get(), Some(tenant));
                yield_now().await;
            }
        })
    };
    nursery(async |n| {
        n.spawn_local(async {
            join!(branch("a"), branch("b"), async {
                for _ in 0..5 {
                    assert_eq!(TENANT.get(), None);
                    yield_now().await;
                }
            });
            Ok(())
        });
        // One that is dropped half-way, and one that panics.
        {
            let mut half = Box::pin(TENANT.scope("half", pending::<()>()));
            assert!(poll_now(half.as_mut()).await.is_pending());
            assert_eq!(TENANT.get(), None);
        }
        let panics = TENANT.scope("panics", async { panic!("in a scope") });
        let panicked = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(panics)).await;
        let _: Box<_> = Result::<(), _>::expect_err(panicked, "it panics");
        assert_eq!(TENANT.get(), None);
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Says what it finds where it is dropped.
struct SaysInDrop(Arc<Mutex<Vec<Option<&'static str>>>>);

impl Drop for SaysInDrop {
    fn drop(&mut self) {
        self.0.lock().expect("no panic").push(TENANT.get());
    }
}

/// Fails if: a destructor in a cancelled child, or of its output, finds another task's, or none.
pub(crate) async fn t05_it_holds_in_destructors<R: Rt>() {
    let seen = Arc::default();
    nursery(async |n| {
        let (parallel, local, output) =
            (SaysInDrop(Arc::clone(&seen)), SaysInDrop(Arc::clone(&seen)), SaysInDrop(Arc::clone(&seen)));
        TENANT
            .scope("acme", async {
                let parked = Gate::new();
                let here = parked.clone();
                R::spawn(n, async move {
                    let _says = parallel;
                    here.open();
                    pending().await
                });
                n.spawn_local(async move {
                    let _says = local;
                    pending().await
                });
                let untaken = n.spawn_erased_with_handle(async move { Ok(output) });
                parked.passed().await;
                while !untaken.is_finished() {
                    yield_now().await;
                }
            })
            .await;
        assert_eq!(TENANT.get(), None);
        n.cancel("enough");
        Ok(())
    })
    .await
    .expect("the body had its value");
    assert_eq!(*seen.lock().expect("no panic"), [Some("acme"); 3]);
}

/// Fails if: a value is kept after the last task that has it, or `with` shows another than `get` clones.
pub(crate) async fn t05_a_value_goes_with_the_last_task_that_has_it<R: Rt>() {
    let value = Arc::new(());
    nursery(async |n| {
        let (goes_on, told) = (Gate::new(), Gate::new());
        let (here, there) = (goes_on.clone(), told.clone());
        SHARED
            .scope(Arc::clone(&value), async {
                assert!(SHARED.with(|shared| shared.is_some_and(|shared| Arc::ptr_eq(shared, &value))));
                n.spawn_erased(async move {
                    there.open();
                    here.passed().await;
                    assert!(SHARED.get().is_some());
                    Ok(())
                });
            })
            .await;
        told.passed().await;
        assert!(Arc::strong_count(&value) > 1, "the child has it");
        goes_on.open();
        Ok(())
    })
    .await
    .expect("nothing fails");
    assert_eq!(Arc::strong_count(&value), 1);
}
