//! n06: the last child may spawn while it finishes, and so may destructors: awaited or refused, never a deadlock.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_lite::future::{pending, yield_now};
use scope_core::{Cause, Failure, Nursery, SpawnError, Spawner, Spawns, nursery};
use scope_tests::{Boom, Gate, Journal, Rt, poll_now, turns, way_to, while_it_waits};

type Answers = Arc<Mutex<Vec<Result<(), SpawnError>>>>;

/// Spawns a child when it is dropped, and keeps what it was told.
struct SpawnsWhenDropped {
    spawner: Spawner,
    gate: Gate,
    journal: Journal,
    answers: Answers,
}

impl Drop for SpawnsWhenDropped {
    fn drop(&mut self) {
        let (gate, journal) = (self.gate.clone(), self.journal.clone());
        let note = self.journal.on_drop("its destructor");
        let answer = self.spawner.spawn_erased(async move {
            let _note = note;
            gate.passed().await;
            turns(2).await;
            journal.add("late child");
            Ok(())
        });
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }
}

/// What the destructors of one case share.
#[derive(Default)]
struct Late {
    gate: Gate,
    journal: Journal,
    answers: Answers,
}

impl Late {
    fn spawns(&self, n: &Nursery<'_, '_>) -> SpawnsWhenDropped {
        SpawnsWhenDropped {
            spawner: n.spawner(),
            gate: self.gate.clone(),
            journal: self.journal.clone(),
            answers: Arc::clone(&self.answers),
        }
    }

    fn answers(&self) -> Vec<Result<(), SpawnError>> {
        std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Fails if: the count of children touches zero between a child's last act and the child it spawned there.
pub(crate) async fn n06_the_last_child_may_spawn_as_its_last_act<R: Rt>() {
    for pauses in 0..3 {
        let (gate, journal) = (Gate::new(), Journal::new());
        let mut waiting = pin!(nursery(async |n| {
            let (spawner, g, j) = (n.spawner(), gate.clone(), journal.clone());
            R::spawn(n, async move {
                turns(pauses).await;
                // The last thing it does, and it is the last child.
                spawner.spawn_erased(async move {
                    g.passed().await;
                    j.add("its child");
                    Ok(())
                })?;
                Ok(())
            });
            Ok(())
        }));
        while_it_waits(waiting.as_mut(), "the last child's child waits").await;
        gate.open();
        waiting.await.expect("nothing fails");
        journal.assert_is(&["its child"]);
    }
}

/// Fails if: the list of same-task children is found empty between one's end and the one it spawned.
pub(crate) async fn n06_the_last_same_task_child_may_spawn_as_its_last_act<R: Rt>() {
    let (gate, journal) = (Gate::new(), Journal::new());
    let mut waiting = pin!(nursery(async |n| {
        n.spawn_local(async {
            yield_now().await;
            n.spawn_local(async {
                yield_now().await;
                // Through the other kind and back.
                let (gate, j) = (gate.clone(), journal.clone());
                R::spawn(n, async move {
                    gate.passed().await;
                    j.add("great-grandchild");
                    Ok(())
                });
                n.spawn_local(async {
                    journal.add("grandchild");
                    Ok(())
                });
                Ok(())
            });
            Ok(())
        });
        Ok(())
    }));
    while_it_waits(waiting.as_mut(), "a great-grandchild waits").await;
    journal.assert_is(&["grandchild"]);
    gate.open();
    waiting.await.expect("nothing fails");
    journal.assert_is(&["grandchild", "great-grandchild"]);
}

/// Fails if: a child is counted out before its destructors have had their say: the last one's spawns.
pub(crate) async fn n06_the_last_childs_destructor_may_spawn<R: Rt>() {
    for what in ["parallel", "same-task", "with a handle", "dropped unpolled"] {
        let late = Late::default();
        let mut waiting = pin!(nursery(async |n| {
            let spawns = late.spawns(n);
            match what {
                "parallel" => R::spawn(n, async move {
                    let _spawns = spawns;
                    turns(2).await;
                    Ok(())
                }),
                "same-task" => n.spawn_local(async move {
                    let _spawns = spawns;
                    yield_now().await;
                    Ok(())
                }),
                "with a handle" => {
                    let handle = n.spawn_erased_with_handle(async move {
                        let _spawns = spawns;
                        turns(2).await;
                        Ok(())
                    });
                    return handle.await.map_err(Failure::from);
                }
                _ => {
                    // Captured, and never polled.
                    let captured = async move {
                        let _spawns = spawns;
                    };
                    drop(captured);
                }
            }
            Ok(())
        }));
        while_it_waits(waiting.as_mut(), "what a destructor spawned waits").await;
        assert!(late.answers().iter().all(Result::is_ok), "{what}");
        late.gate.open();
        waiting.await.expect("nothing fails");
        late.journal.assert_is(&["late child", "its destructor"]);
    }
}

/// Fails if: an output that nobody wants is destroyed after its child was counted out.
pub(crate) async fn n06_an_unwanted_outputs_destructor_spawns_into_the_closing_nursery<R: Rt>() {
    for same_task in [false, true] {
        let late = Late::default();
        let mut waiting = pin!(nursery(async |n| {
            let output = late.spawns(n);
            if same_task {
                drop(n.spawn_local_with_handle(async move {
                    yield_now().await;
                    Ok(output)
                }));
            } else {
                drop(n.spawn_erased_with_handle(async move {
                    turns(2).await;
                    Ok(output)
                }));
            }
            Ok(())
        }));
        while_it_waits(waiting.as_mut(), "what an output's destructor spawned waits").await;
        assert!(late.answers().iter().all(Result::is_ok));
        late.gate.open();
        waiting.await.expect("nothing fails");
        late.journal.assert_is(&["late child", "its destructor"]);
    }
}

/// Fails if: an output dropped with its handle while the nursery closes is neither awaited nor refused.
pub(crate) async fn n06_an_output_dropped_with_its_handle_while_the_nursery_closes<R: Rt>() {
    let late = Late::default();
    let (let_go, made) = (Gate::new(), Gate::new());
    let mut waiting = pin!(nursery(async |n| {
        let (output, m) = (late.spawns(n), made.clone());
        let handle = n.spawn_erased_with_handle(async move {
            m.open();
            Ok(output)
        });
        // The last child holds the handle of one that has ended, and drops it as it ends.
        let gate = let_go.clone();
        n.spawn_erased(async move {
            gate.passed().await;
            while !handle.is_finished() {
                yield_now().await;
            }
            drop(handle);
            Ok(())
        });
        Ok(())
    }));
    while_it_waits(waiting.as_mut(), "the last child waits").await;
    made.passed().await;
    let_go.open();
    while_it_waits(waiting.as_mut(), "what the output's destructor spawned waits").await;
    late.gate.open();
    waiting.await.expect("nothing fails");
    assert_eq!(late.answers().len(), 1);
    late.journal.assert_is(&["late child", "its destructor"]);
}

/// Fails if: an output that is dropped when its nursery has long closed hangs, panics, or revives it.
pub(crate) async fn n06_an_output_dropped_after_its_nursery_is_refused<R: Rt>() {
    for same_task in [false, true] {
        let late = Late::default();
        let handle = nursery(async |n| {
            let output = late.spawns(n);
            Ok(if same_task {
                n.spawn_local_with_handle(async move { Ok(output) })
            } else {
                n.spawn_erased_with_handle(async move { Ok(output) })
            })
        })
        .named("gone")
        .await
        .expect("nothing fails");
        late.journal.assert_is(&[]);
        drop(handle);
        let answers = late.answers();
        let [Err(error)] = &answers[..] else { panic!("{answers:?}") };
        assert!(error.is_closed() && error.to_string().contains("gone"), "{error}");
        late.journal.assert_is(&["its destructor"]);
    }
}

/// Fails if: a destructor in a cancelled scope is refused, or what it spawned is left behind: it ends at its first await
/// point.
pub(crate) async fn n06_destructors_of_cancelled_children_may_spawn<R: Rt>() {
    let late = Late::default();
    let error = nursery(async |n| -> Result<(), Failure> {
        let parked = Gate::new();
        let (spawns, here) = (late.spawns(n), parked.clone());
        R::spawn(n, async move {
            let _spawns = spawns;
            here.open();
            pending().await
        });
        let spawns = late.spawns(n);
        n.spawn_local(async move {
            let _spawns = spawns;
            pending().await
        });
        let _spawns = late.spawns(n);
        parked.passed().await;
        yield_now().await;
        n.cancel("enough");
        pending().await
    })
    .await
    .expect_err("cancelled");
    assert!(error.is_cancelled(), "{error:?}");
    let answers = late.answers();
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    // Started, and ended at the gate; their own destructors have run.
    late.journal.assert_is(&["its destructor"; 3]);
}

/// Fails if: a destructor in a chain of destructors is forgotten, however the nursery ends.
pub(crate) async fn n06_a_destructor_that_spawns_one_that_spawns<R: Rt>() {
    /// Spawns a child that holds the next, `left` times.
    struct Chain(Spawner, Journal, usize);
    impl Drop for Chain {
        fn drop(&mut self) {
            self.1.add("link");
            if let Some(left) = self.2.checked_sub(1) {
                let next = Chain(self.0.clone(), self.1.clone(), left);
                let spawned = self.0.spawn_erased(async move {
                    let _next = next;
                    Ok(())
                });
                assert!(spawned.is_ok(), "a child that has not ended keeps its scope open");
            }
        }
    }
    for way in ["ends", "cancelled", "fails", "dropped"] {
        let journal = Journal::new();
        let outer = nursery(async |_| {
            let ready = Gate::new();
            let mut inner = Box::pin(nursery(async |n| {
                let (chain, here) = (Chain(n.spawner(), journal.clone(), 9), ready.clone());
                R::spawn(n, async move {
                    let _chain = chain;
                    here.open();
                    match way {
                        "ends" => Ok(()),
                        "fails" => Err(Boom("child").into()),
                        _ => pending().await,
                    }
                });
                ready.passed().await;
                match way {
                    "cancelled" => n.cancel("enough"),
                    "dropped" => pending().await,
                    _ => {}
                }
                Ok(())
            }));
            if way == "dropped" {
                while !ready.is_open() {
                    assert!(poll_now(inner.as_mut()).await.is_pending());
                    yield_now().await;
                }
                // Adopted: the scope around waits for the whole chain.
                drop(inner);
                return Ok(true);
            }
            Ok(inner.await.is_ok())
        })
        .await;
        assert_eq!(outer.expect("the inner one's failure is its own"), way != "fails", "{way}");
        assert_eq!(journal.count("link"), 10, "{way}");
    }
}

/// Fails if: the last same-task child's destructor spawns another one, and nobody looks again.
pub(crate) async fn n06_a_same_task_destructor_spawns_same_task_children<R: Rt>() {
    struct Again<'s, 'env>(&'s Nursery<'s, 'env>, &'env Journal, usize);
    impl Drop for Again<'_, '_> {
        fn drop(&mut self) {
            self.1.add("link");
            if let Some(left) = self.2.checked_sub(1) {
                let next = Again(self.0, self.1, left);
                self.0.spawn_local(async move {
                    let _next = next;
                    yield_now().await;
                    Ok(())
                });
            }
        }
    }
    // More than one poll of a nursery does.
    const LINKS: usize = 1000;
    for cancelled in [false, true] {
        let journal = Journal::new();
        let journal = &journal;
        nursery(async move |n| {
            let first = Again(n, journal, LINKS - 1);
            n.spawn_local(async move {
                let _first = first;
                yield_now().await;
                Ok(())
            });
            if cancelled {
                yield_now().await;
                n.cancel("enough");
            }
            Ok(())
        })
        .await
        .expect("the body had its value");
        assert_eq!(journal.count("link"), LINKS);
    }
}

/// Fails if: a value that nobody gets is destroyed where its destructor can still spawn, and that child is not awaited.
pub(crate) async fn n06_a_given_up_values_destructor_is_awaited_or_refused<R: Rt>() {
    let late = Late::default();
    nursery(async |n| -> Result<SpawnsWhenDropped, Failure> {
        let told = n.canceller();
        R::spawn(n, async move {
            let mut told = pin!(told.cancelled());
            // Cancelled by the other child, after the body has returned.
            let _ = poll_now(told.as_mut()).await;
            Ok(())
        });
        let parked = Gate::new();
        let here = parked.clone();
        R::spawn(n, async move {
            here.passed().await;
            turns(2).await;
            Err(Boom("after the body").into())
        });
        parked.open();
        Ok(late.spawns(n))
    })
    .await
    .map(drop)
    .expect_err("a child failed");
    for answer in late.answers() {
        // A child that was taken has run, or has been cut: by now it is gone.
        assert!(answer.is_ok() || answer.is_err_and(|error| error.is_closed()));
    }
    late.journal.assert_is(&["its destructor"]);
}

/// Fails if: a finalizer, which runs when the scope has closed, spawns into it and waits for that for ever.
pub(crate) async fn n06_a_finalizer_that_spawns_is_refused<R: Rt>() {
    let journal = Journal::new();
    nursery(async |n| {
        let (spawner, j) = (n.spawner(), journal.clone());
        n.finalizer("asks", async move |_| {
            let note = j.on_drop("destructor");
            let error = spawner
                .spawn_erased(async move {
                    let _note = note;
                    Ok(())
                })
                .expect_err("all children have ended, and it takes no more");
            assert!(error.is_closed(), "{error:?}");
            j.add("asked");
            Ok(())
        });
        Ok(())
    })
    .await
    .expect("nothing fails");
    journal.assert_is(&["destructor", "asked"]);
}

/// Fails if: a destructor that spawns a same-task child while its nursery is being dropped revives it, or its refusal is
/// lost: it goes where everything of a dropped scope goes.
pub(crate) async fn n06_a_same_task_spawn_while_the_nursery_is_dropped_is_refused<R: Rt>() {
    struct Spawns<'s, 'env>(&'s Nursery<'s, 'env>, &'env Journal);
    impl Drop for Spawns<'_, '_> {
        fn drop(&mut self) {
            let (note, journal) = (self.1.on_drop("dropped"), self.1);
            self.0.task("late").spawn_local(async move {
                let _note = note;
                journal.add("polled");
                Ok(())
            });
        }
    }
    let journal = Journal::new();
    let error = nursery(async |_| {
        let mut unfinished = Box::pin(
            nursery(async |n| -> Result<(), Failure> {
                let spawns = Spawns(n, &journal);
                n.spawn_local(async move {
                    let _spawns = spawns;
                    pending().await
                });
                pending().await
            })
            .named("dropped"),
        );
        for _ in 0..3 {
            assert!(poll_now(unfinished.as_mut()).await.is_pending());
        }
        journal.assert_is(&[]);
        drop(unfinished);
        journal.assert_is(&["dropped"]);
        Ok(())
    })
    .named("around")
    .await
    .expect_err("a child was refused");
    assert_eq!(error.leaves().len(), 1, "{error:?}");
    assert!(matches!(error.cause(), Cause::Refused(why) if why.is_closed()), "{error:?}");
    assert_eq!(way_to(&error.leaves()[0]), ["around", "dropped", "late"]);
}
