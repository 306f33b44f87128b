//! v02: what each task waits at, and how old a scope is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_lite::future::pending;
use scope_core::{Exit, Failure, Inbox, Name, Reply, Service, Spawns, nursery, sleep, tree};
use scope_tests::{Gate, Rt, turns};

use crate::v02::{is_shown, line, unique};

/// The line of a task, once it says this: on many threads it may be on its way to wait.
async fn line_saying(task: &str, what: &str) -> String {
    for _ in 0..10_000 {
        if is_shown(task) {
            let line = line(task);
            if line.contains(what) {
                return line;
            }
        }
        turns(1).await;
    }
    panic!("{task} does not wait for {what}:\n{}", tree::dump());
}

/// Never answers.
struct Mute;

impl Service for Mute {
    type Request = Reply<()>;
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::new("mute")
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<Reply<()>>) -> Result<(), Failure> {
        let _held = inbox.next().await;
        inbox.closing().await;
        Ok(())
    }

    async fn end(&mut self, _: Exit) {}
}

const HOUR: Duration = Duration::from_secs(3600);

/// Fails if: one cannot see what a child waits at, of either kind, or takes what is foreign for one of ours.
pub(crate) async fn v02_what_each_child_waits_at_is_shown<R: Rt>() {
    nursery(async |n| {
        let service = n.open(Mute).await?;
        for parallel in [true, false] {
            let names = ["sleeper", "asker", "stranger", "joiner"].map(unique);
            let [sleeper, asker, stranger, joiner] = names.clone();
            let asks = service.clone();
            let sleeping = async {
                sleep(HOUR).await?;
                Ok(())
            };
            let asking = async move {
                asks.ask(|reply| reply).await?;
                Ok(())
            };
            let foreign = async {
                Gate::new().passed().await;
                Ok(())
            };
            let joining = async {
                nursery(async |n| {
                    n.spawn_erased(pending());
                    Ok(())
                })
                .await?;
                Ok(())
            };
            if parallel {
                n.task(sleeper).spawn_erased(sleeping);
                n.task(asker).spawn_erased(asking);
                n.task(stranger).spawn_erased(foreign);
                n.task(joiner).spawn_erased(joining);
            } else {
                n.task(sleeper).spawn_local(sleeping);
                n.task(asker).spawn_local(asking);
                n.task(stranger).spawn_local(foreign);
                n.task(joiner).spawn_local(joining);
            }
            for (name, what) in names.iter().zip(["sleep", "answer", "foreign", "nursery"]) {
                let line = line_saying(name, what).await;
                assert!(line.contains("v02_waits.rs:"), "where it was spawned: {line}");
                if what != "foreign" {
                    assert!(!line.contains("foreign"), "{line}");
                }
            }
        }
        n.cancel("enough");
        Ok(())
    })
    .await
    .expect("its body had its value");
}

/// Fails if: what it waited at before is still shown, or what it has passed.
pub(crate) async fn v02_it_is_the_last_one_that_is_shown<R: Rt>() {
    nursery(async |n| {
        let (name, go_on) = (unique("walker"), Gate::new());
        let (g, h) = (go_on.clone(), Gate::new());
        let second = h.clone();
        n.task(name.clone()).spawn_erased(async move {
            g.passed().await;
            futures_lite::future::or(async { sleep(HOUR).await.expect("on a runtime") }, second.passed()).await;
            // What was waited for in the same turn is the last that is known.
            turns(1).await;
            pending().await
        });
        line_saying(&name, "foreign").await;
        go_on.open();
        line_saying(&name, "sleep").await;
        h.open();
        let last = line_saying(&name, "foreign").await;
        assert!(!last.contains("sleep"), "{last}");
        n.cancel("enough");
        Ok(())
    })
    .await
    .expect("its body had its value");
}

/// Fails if: a same-task child is not shown, or before it has waited for the first time, or after its end.
pub(crate) async fn v02_same_task_children_are_shown_from_their_first_pending<R: Rt>() {
    nursery(async |n| {
        let (name, go_on) = (unique("same-task"), Gate::new());
        let g = go_on.clone();
        n.task(name.clone()).spawn_local(async move {
            g.passed().await;
            Ok(())
        });
        assert!(!is_shown(&name), "it has not been polled yet");
        turns(1).await;
        assert!(is_shown(&name), "{}", tree::dump());
        go_on.open();
        while is_shown(&name) {
            turns(1).await;
        }
        Ok(())
    })
    .await
    .expect("nothing fails");
}

/// Fails if: ages are shown, and the clock is read for them, though nobody asked; or are not where they were asked for.
#[expect(clippy::await_holding_lock, reason = "whoever waits for it is on a thread of its own")]
pub(crate) async fn v02_ages_are_shown_where_they_are_asked_for<R: Rt>() {
    // It is switched for the whole process.
    static SWITCH: Mutex<()> = Mutex::new(());
    let _alone = SWITCH.lock().unwrap_or_else(PoisonError::into_inner);
    for asked in [false, true, false] {
        tree::record_ages(asked);
        let name = unique("aged");
        nursery(async |n| {
            let _spawner = n.spawner();
            if R::VIRTUAL {
                sleep(Duration::from_secs(90)).await?;
            }
            let line = line(&name);
            assert_eq!(line.contains(" ago"), asked, "{line}");
            if asked && R::VIRTUAL {
                assert!(line.contains("90.0 s ago"), "by the clock of its runtime: {line}");
            }
            Ok(())
        })
        .named(name.clone())
        .await
        .expect("nothing fails");
    }
}
