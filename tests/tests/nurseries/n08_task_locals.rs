//! n08: a child's task-locals are those of the task that spawned it, wherever the nursery stands.

use scope_core::{Spawner, Spawns, TaskLocal, nursery};
use scope_tests::{Gate, Journal, Rt, turns};

static WHO: TaskLocal<&'static str> = TaskLocal::new();
static DEPTH: TaskLocal<u32> = TaskLocal::new();

/// Fails if: the child has the values of the nursery's owner, or none.
pub(crate) async fn n08_the_childs_task_locals_are_the_spawning_tasks<R: Rt>() {
    let journal = Journal::new();
    let (sent, got) = async_channel::bounded::<Spawner>(1);
    nursery(async |elsewhere| {
        let (j, spawned) = (journal.clone(), Gate::new());
        let here = spawned.clone();
        elsewhere.spawn_erased(WHO.scope("the spawning task", async move {
            let spawner = got.recv().await?;
            spawner.spawn_erased(async move {
                j.add(WHO.get().unwrap_or("nobody"));
                // Not the owner's either.
                assert_eq!(DEPTH.get(), None);
                turns(2).await;
                j.add(WHO.get().unwrap_or("nobody"));
                Ok(())
            })?;
            here.open();
            Ok(())
        }));
        let body = nursery(async |n| {
            sent.send(n.spawner()).await?;
            spawned.passed().await;
            assert_eq!((WHO.get(), DEPTH.get()), (Some("the owner"), Some(3)));
            Ok(())
        });
        WHO.scope("the owner", DEPTH.scope(3, body)).await?;
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["the spawning task"; 2]);
}

/// Fails if: a value that is set, or gone, after the spawn is seen by the child: it is a snapshot.
pub(crate) async fn n08_they_are_a_snapshot_taken_at_the_spawn<R: Rt>() {
    for same_task in [false, true] {
        let value = WHO
            .scope(
                "before",
                nursery(async |n| {
                    let child = async {
                        turns(3).await;
                        Ok(WHO.get())
                    };
                    let handle =
                        if same_task { n.spawn_local_with_handle(child) } else { n.spawn_erased_with_handle(child) };
                    WHO.scope("after", async {
                        turns(6).await;
                        assert_eq!(WHO.get(), Some("after"));
                    })
                    .await;
                    assert_eq!(WHO.get(), Some("before"));
                    Ok(handle.await?)
                }),
            )
            .await
            .expect("nothing fails");
        assert_eq!(value, Some("before"));
    }
}

/// Fails if: a foreign task's child, which no task of ours spawned, has values at all.
pub(crate) async fn n08_a_child_spawned_from_outside_has_none<R: Rt>() {
    let value = WHO
        .scope(
            "the owner",
            nursery(async |n| {
                let spawner = n.spawner();
                let handle = std::thread::spawn(move || spawner.spawn_erased_with_handle(async { Ok(WHO.get()) }))
                    .join()
                    .expect("it does not panic")?;
                Ok(handle.await?)
            }),
        )
        .await
        .expect("nothing fails");
    assert_eq!(value, None);
}
