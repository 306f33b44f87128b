//! v02: the live tree can be printed at any time.
//!
//! It is the whole process's: each case gives its scopes names that no other run has, and looks for these.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_lite::future::pending;
use scope_core::{Exit, Failure, Inbox, Name, OwnedScope, Service, Spawns, nursery, tree};
use scope_tests::{Gate, Rt, poll_now, turns};

pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("v02-{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The line of the tree that this stands in first.
pub(crate) fn line(what: &str) -> String {
    let tree = tree::dump();
    let line = tree.lines().find(|line| has_word(line, what));
    line.unwrap_or_else(|| panic!("{what} is not in the tree:\n{tree}")).to_owned()
}

/// Names end in a number, and one must not pass for another.
fn has_word(line: &str, what: &str) -> bool {
    line.match_indices(what).any(|(at, _)| !line[at + what.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

pub(crate) fn is_shown(what: &str) -> bool {
    tree::dump().lines().any(|line| has_word(line, what))
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Fails if: a scope is not shown, or without its name or the place where it was opened, or elsewhere than under its own.
pub(crate) async fn v02_each_scope_has_its_name_its_place_and_its_line_under_its_own<R: Rt>() {
    let (outer, inner, child, owned) = (unique("outer"), unique("inner"), unique("child"), unique("owned"));
    let opened_outer = line!() + 1;
    nursery(async |n| {
        let parked = Gate::new();
        let (here, name) = (parked.clone(), inner.clone());
        let opened_inner = line!() + 2;
        n.task(child.clone()).spawn_erased(async move {
            nursery(async |n| {
                // What refers to it makes it worth a line.
                let _spawner = n.spawner();
                here.open();
                pending().await
            })
            .named(name)
            .await
            .map_err(Failure::from)
        });
        parked.passed().await;
        turns(3).await;
        let opened_owned = line!() + 1;
        let guard: OwnedScope = OwnedScope::open(owned.clone())?;
        let lines = [line(&outer), line(&inner), line(&owned)];
        for (line, opened) in lines.iter().zip([opened_outer, opened_inner, opened_owned]) {
            assert!(line.contains(&format!("v02.rs:{opened}:")), "{opened}: {line}");
        }
        for further_in in &lines[1..] {
            assert!(depth(further_in) > depth(&lines[0]), "{lines:?}");
        }
        let whole = tree::dump();
        let at = |name: &str| whole.lines().position(|line| has_word(line, name)).expect("just seen");
        assert!(at(&outer) < at(&inner) && at(&outer) < at(&owned), "{whole}");
        guard.close().await?;
        n.cancel("enough");
        Ok(())
    })
    .named(outer.clone())
    .await
    .expect("its body had its value");
    for name in [outer, inner, child, owned] {
        assert!(!is_shown(&name), "it has ended: {}", line(&name));
    }
}

/// Fails if: one cannot see that a scope is ending, or why.
pub(crate) async fn v02_a_scope_that_is_ending_says_why<R: Rt>() {
    let name = unique("stopped");
    let n_name = name.clone();
    nursery(async |n| -> Result<(), Failure> {
        n.finalizer("last words", async move |_| {
            let line = line(&n_name);
            assert!(line.contains("the user pressed stop"), "{line}");
            Ok(())
        });
        let line = line(&name);
        assert!(!line.contains("pressed"), "not yet: {line}");
        n.cancel("the user pressed stop");
        pending().await
    })
    .named(name.clone())
    .await
    .expect_err("cancelled");
}

/// Fails if: a deadline is not shown, or not as it stands now.
pub(crate) async fn v02_a_deadline_is_shown_as_it_stands<R: Rt>() {
    let name = unique("timed");
    nursery(async |n| {
        let _spawner = n.spawner();
        assert!(!line(&name).contains("left"), "{}", line(&name));
        let now = n.runtime()?.now();
        // Half an hour would do on a machine that stands still that long.
        for hours in [2, 1] {
            n.set_deadline(Some(now + Duration::from_secs(hours * 3600)));
            let line = line(&name);
            let left = line.split(", ").find_map(|part| part.strip_suffix(" s left")).expect("a deadline");
            let left: f64 = left.parse().expect("a number of seconds");
            let hours = f64::from(u32::try_from(hours).expect("small"));
            assert!(left <= hours * 3600.0 && left > (hours - 0.5) * 3600.0, "{line}");
        }
        n.set_deadline(None);
        assert!(!line(&name).contains("left"), "{}", line(&name));
        Ok(())
    })
    .named(name.clone())
    .await
    .expect("in time");
}

/// Fails if: a child that waits, or a finalizer that is to run, is not shown with the scope it is of.
pub(crate) async fn v02_children_and_finalizers_stand_under_their_scope<R: Rt>() {
    let (name, child, last) = (unique("scope"), unique("child"), unique("last"));
    nursery(async |n| {
        n.finalizer(last.clone(), async |_| Ok(()));
        let parked = Gate::new();
        let here = parked.clone();
        let spawned = line!() + 1;
        n.task(child.clone()).spawn_erased(async move {
            here.open();
            pending().await
        });
        parked.passed().await;
        // On many threads it may be on its way to park.
        while !is_shown(&child) {
            turns(1).await;
        }
        let scope = line(&name);
        assert!(scope.contains("1 running"), "{scope}");
        let child_line = line(&child);
        assert!(child_line.contains(&format!("v02.rs:{spawned}:")), "{child_line}");
        let tree = tree::dump();
        let own: Vec<_> = tree
            .lines()
            .skip_while(|line| !has_word(line, &name))
            .skip(1)
            .take_while(|line| line.trim_start().starts_with("- "))
            .collect();
        let at = |what: &str| own.iter().position(|line| has_word(line, what));
        let (children, finalizers) = (at(&child), at(&last));
        assert!(children.is_some() && finalizers > children, "{tree}");
        n.cancel("enough");
        Ok(())
    })
    .named(name.clone())
    .await
    .expect("its body had its value");
    assert!(!is_shown(&child) && !is_shown(&last));
}

struct Quiet(String);

impl Service for Quiet {
    type Request = ();
    type Info = ();
    type Report = ();

    fn name(&self) -> Name {
        Name::from(self.0.clone())
    }

    async fn open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn serve(&mut self, inbox: &mut Inbox<()>) -> Result<(), Failure> {
        while inbox.next().await.is_some() {}
        Ok(())
    }

    async fn end(&mut self, _: Exit) {}
}

/// Fails if: a service, or what an adopted scope has left to do, is not shown while it lives.
pub(crate) async fn v02_services_and_adopted_scopes_are_shown<R: Rt>() {
    let (name, service, dropped) = (unique("scope"), unique("service"), unique("dropped"));
    nursery(async |n| {
        let handle = n.open(Quiet(service.clone())).await?;
        assert!(line(&name).contains("1 service"), "{}", line(&name));
        assert!(depth(&line(&format!("service {service}"))) > depth(&line(&name)));
        handle.close().await?;

        let (cleaning, may_end) = (Gate::new(), Gate::new());
        {
            let (c, m) = (cleaning.clone(), may_end.clone());
            let half = nursery(async |n| -> Result<(), Failure> {
                n.finalizer("slow", async move |_| {
                    c.open();
                    m.passed().await;
                    Ok(())
                });
                pending().await
            });
            let mut half = Box::pin(half.named(dropped.clone()));
            assert!(poll_now(half.as_mut()).await.is_pending());
        }
        cleaning.passed().await;
        assert!(depth(&line(&dropped)) > depth(&line(&name)), "{}", tree::dump());
        may_end.open();
        Ok(())
    })
    .named(name.clone())
    .await
    .expect("nothing fails");
    assert!(!is_shown(&service) && !is_shown(&dropped));
}

/// Fails if: printing it takes a lock that somebody holds who prints it, or needs a task or a runtime.
pub(crate) async fn v02_it_can_be_printed_anywhere<R: Rt>() {
    struct Prints(String);
    impl Drop for Prints {
        fn drop(&mut self) {
            assert!(is_shown(&self.0));
        }
    }
    let name = unique("anywhere");
    nursery(async |n| {
        let _spawner = n.spawner();
        // In a body, a child, a destructor, a finalizer, a foreign task, and on a thread of nobody's.
        assert!(is_shown(&name));
        let prints = Prints(name.clone());
        R::spawn(n, async move {
            assert!(is_shown(&prints.0));
            Ok(())
        });
        let prints = Prints(name.clone());
        n.finalizer("prints", async move |_| {
            assert!(is_shown(&prints.0));
            Ok(())
        });
        let (done, there, told) = (Gate::new(), name.clone(), name.clone());
        let opens = done.clone();
        R::foreign(async move {
            assert!(is_shown(&there));
            opens.open();
        });
        done.passed().await;
        std::thread::spawn(move || assert!(is_shown(&told))).join().expect("no panic");
        Ok(())
    })
    .named(name.clone())
    .await
    .expect("nothing fails");
}

/// Fails if: a scope that comes or goes meanwhile is printed half, or stands in the way.
pub(crate) async fn v02_it_can_be_printed_while_all_changes<R: Rt>() {
    let name = unique("busy");
    nursery(async |n| {
        let _spawner = n.spawner();
        for _ in 0..4 {
            let n_name = name.clone();
            R::spawn(n, async move {
                for _ in 0..10 {
                    nursery(async |n| {
                        n.spawn_erased(turns_then_ok());
                        n.cancel("again");
                        Ok(())
                    })
                    .await?;
                    assert!(is_shown(&n_name));
                }
                Ok(())
            });
        }
        for _ in 0..20 {
            assert!(is_shown(&name));
            turns(1).await;
        }
        Ok(())
    })
    .named(name.clone())
    .await
    .expect("nothing fails");
    assert!(!is_shown(&name));
}

async fn turns_then_ok() -> Result<(), Failure> {
    turns(2).await;
    Ok(())
}
