//! Do the rules see what they are for? Journals of good runs are spoilt, one fault each, and judged.

use std::sync::Arc;
use std::time::Duration;

use crate::journal::{Closed, Entry, How, Leaf, Outcome, Phase, What};
use crate::program::{Act, Ask, Block, Finalizer, Id, Nest, NestKind, Program, Server, Spawn, SpawnKind};
use crate::rules::judge;
use crate::run::run;

fn block(acts: Vec<Act>) -> Block {
    Arc::new(acts)
}

fn nest(id: Id, deadline: Option<u32>, acts: Vec<Act>) -> Arc<Nest> {
    Arc::new(Nest { id, kind: NestKind::Nursery, deadline, budget: None, caught: true, block: block(acts) })
}

fn spawn(id: Id, handle: bool, acts: Vec<Act>) -> Act {
    Act::Spawn(Arc::new(Spawn { id, kind: SpawnKind::Erased, handle, block: block(acts) }))
}

fn finalizer(id: Id) -> Act {
    Act::Finalizer(Arc::new(Finalizer { id, of: None, share: None, block: block(vec![Act::Sleep(2)]) }))
}

/// Something of everything that the rules are about.
fn program() -> Program {
    let failing = nest(
        1,
        None,
        vec![
            finalizer(2),
            finalizer(3),
            spawn(4, false, vec![Act::Sleep(5), Act::Fail(5)]),
            spawn(6, false, vec![Act::Forever]),
            Act::Forever,
        ],
    );
    let timed = nest(10, Some(7), vec![spawn(11, false, vec![Act::Forever]), Act::Forever]);
    let cancelled = nest(20, None, vec![Act::Cancel { id: 21, scope: 20 }, Act::Checkpoint]);
    let server =
        Server { id: 30, open: block(vec![]), serve: block(vec![]), end: block(vec![Act::Sleep(1)]), awaited: true };
    let acts = vec![
        Act::Nest(failing),
        Act::Nest(timed),
        Act::Nest(cancelled),
        Act::Serve(Arc::new(server)),
        Act::Ask { service: 30, how: Ask::Close },
        spawn(40, true, vec![Act::Turn]),
        Act::Await(40),
        Act::Own(50),
        spawn(51, true, vec![Act::CloseOwned(50)]),
        Act::Await(51),
        Act::CloseOwned(50),
        Act::Own(52),
    ];
    Program { root: nest(0, Some(1000), acts) }
}

/// Judges the run of [`program`] after `spoil` has been at its journal.
#[track_caller]
fn is_seen(rule: &str, spoil: impl FnOnce(&mut Vec<Entry>)) {
    let program = program();
    let mut report = run(&program, 3);
    let before = judge(&program, &report);
    assert!(before.is_good(), "{:?}", before.broken);
    spoil(&mut report.entries);
    let broken = judge(&program, &report).broken;
    assert!(broken.iter().any(|(name, _)| name.starts_with(rule)), "{rule} is not seen: {broken:?}");
}

fn at(entries: &[Entry], is: impl Fn(&What) -> bool) -> usize {
    entries.iter().position(|entry| is(&entry.what)).expect("it happens")
}

/// Moves the first such entry to behind the first one that `behind` finds.
fn delay(entries: &mut Vec<Entry>, is: impl Fn(&What) -> bool, behind: impl Fn(&What) -> bool) {
    let moved = entries.remove(at(entries, is));
    let to = at(entries, behind) + 1;
    let time = entries[to - 1].at;
    entries.insert(to, Entry { at: time, ..moved });
}

fn replace(entries: &mut [Entry], is: impl Fn(&What) -> bool, by: What) {
    let at = at(entries, is);
    entries[at].what = by;
}

fn returned(id: Id) -> impl Fn(&What) -> bool {
    move |what| matches!(what, What::Returned(scope, _) if *scope == id)
}

#[test]
fn lifetimes_are_judged() {
    is_seen("n01: every future", |entries| {
        let gone = at(entries, |what| *what == What::Gone(6));
        entries.remove(gone);
    });
    is_seen("n01: destroyed before", |entries| delay(entries, |what| *what == What::Gone(6), returned(1)));
    is_seen("n01: nothing runs", |entries| delay(entries, |what| *what == What::Acts(6), returned(1)));
    is_seen("n01: a value", |entries| {
        let gone = at(entries, |what| *what == What::ValueGone(40));
        entries.remove(gone);
    });
    is_seen("n01: a scope returns as soon", |entries| {
        let at = at(entries, returned(1));
        entries[at..].iter_mut().for_each(|entry| entry.at += Duration::from_millis(1));
    });
    is_seen("v01", |entries| {
        let closed = at(entries, |what| matches!(what, What::SawClosed(_)));
        entries.remove(closed);
    });
}

#[test]
fn finalizers_are_judged() {
    is_seen("f01: a finalizer runs exactly once", |entries| {
        let started = at(entries, |what| matches!(what, What::FinalizerStarted { id: 2, .. }));
        entries.remove(started);
    });
    is_seen("f01: the last added", |entries| {
        let (one, other) = (
            at(entries, |what| *what == What::FinalizerAdded(2)),
            at(entries, |what| *what == What::FinalizerAdded(3)),
        );
        entries.swap(one, other);
    });
    is_seen("f01: after the children", |entries| {
        delay(entries, |what| *what == What::Gone(6), |what| matches!(what, What::FinalizerStarted { id: 3, .. }));
    });
    is_seen("f01: before the scope", |entries| delay(entries, |what| *what == What::FinalizerGone(2), returned(1)));
    is_seen("f01: within", |entries| {
        let gone = at(entries, |what| *what == What::FinalizerGone(2));
        entries[gone..].iter_mut().for_each(|entry| entry.at += Duration::from_secs(6));
    });
    is_seen("f02", |entries| {
        let is = |what: &What| matches!(what, What::FinalizerStarted { id: 2, .. });
        replace(entries, is, What::FinalizerStarted { id: 2, exit: "ok".to_owned() });
    });
}

#[test]
fn failures_are_judged() {
    let caught = |what: &What| matches!(what, What::Caught(_));
    is_seen("n03: no failure is lost", |entries| replace(entries, caught, What::Caught(Vec::new())));
    is_seen("n03: no failure turns up twice", |entries| {
        replace(entries, caught, What::Caught(vec![Leaf::Error(5), Leaf::Error(5)]));
    });
    is_seen("n03: no failure is made up", |entries| {
        replace(entries, caught, What::Caught(vec![Leaf::Error(5), Leaf::Panic(99)]));
    });
    let failed =
        |own: Vec<(Leaf, String)>, all: Vec<Leaf>| What::Returned(1, Outcome::Failed { own, all, reason: None });
    is_seen("n03: what failed in a scope's", |entries| replace(entries, returned(1), failed(vec![], vec![])));
    is_seen("n03: each leaf has its path", |entries| {
        replace(entries, returned(1), failed(vec![(Leaf::Error(5), "t6".to_owned())], vec![Leaf::Error(5)]));
    });
    is_seen("n02", |entries| replace(entries, returned(1), What::Returned(1, Outcome::Ok)));
    is_seen("n04", |entries| {
        replace(entries, returned(1), What::Returned(1, Outcome::Panicked(Leaf::Panic(99))));
    });
}

#[test]
fn cancellations_are_judged() {
    is_seen("c02: no await point", |entries| {
        let gone = at(entries, |what| *what == What::Gone(20));
        entries.insert(gone, Entry { at: entries[gone].at, what: What::PassedOurs(20) });
    });
    is_seen("c02: after its next Pending", |entries| {
        let gone = at(entries, |what| *what == What::Gone(6));
        let parked = Entry { at: entries[gone].at, what: What::Parked(6) };
        entries.splice(gone..gone, [parked.clone(), parked]);
    });
    is_seen("c02: a cancellation is delivered at once", |entries| {
        let gone = at(entries, |what| *what == What::Gone(20));
        entries[gone..].iter_mut().for_each(|entry| entry.at += Duration::from_millis(1));
    });
    is_seen("c01: a scope is cancelled once", |entries| {
        let cancelled = at(entries, |what| matches!(what, What::Cancelled { scope: 20, .. }));
        let again = entries[cancelled].clone();
        entries.insert(cancelled, again);
    });
    is_seen("c01: the first reason wins", |entries| {
        replace(entries, returned(20), What::Returned(20, Outcome::Cancelled(None)))
    });
    is_seen("c02: a scope is cut short", |entries| replace(entries, returned(20), What::Returned(20, Outcome::Ok)));
    is_seen("c03", |entries| replace(entries, returned(0), What::Returned(0, Outcome::Cancelled(None))));
    is_seen("c06", |entries| {
        let returned = at(entries, returned(20));
        let by = Entry { at: entries[returned].at, what: What::Cancelled { by: 99, scope: 0, did: true } };
        entries.insert(returned, by);
    });
    is_seen("c11: a time-out is exact", |entries| {
        let cut = at(entries, |what| *what == What::Gone(10)).min(at(entries, |what| *what == What::Gone(11)));
        entries[cut..].iter_mut().for_each(|entry| entry.at += Duration::from_millis(1));
    });
    is_seen("c11: nothing goes on after the deadline", |entries| {
        let cut = at(entries, |what| *what == What::Gone(10)).min(at(entries, |what| *what == What::Gone(11)));
        entries[cut..].iter_mut().for_each(|entry| entry.at += Duration::from_millis(1));
    });
}

#[test]
fn owners_services_and_handles_are_judged() {
    is_seen("o01: closing elsewhere", |entries| {
        let is = |what: &What| matches!(what, What::CloseTried { owned: 50, task: 51, .. });
        replace(entries, is, What::CloseTried { owned: 50, task: 51, by: 51, result: Closed::Ok });
    });
    is_seen("o02", |entries| {
        let seen = at(entries, |what| matches!(what, What::SawViolation(_)));
        entries.remove(seen);
    });
    is_seen("s01: a service is ended", |entries| {
        let ended = at(entries, |what| matches!(what, What::Phase { phase: Phase::End, .. }));
        entries.remove(ended);
    });
    is_seen("s01: one task", |entries| {
        let is = |what: &What| matches!(what, What::Phase { phase: Phase::End, .. });
        replace(entries, is, What::Phase { service: 30, phase: Phase::End, task: None });
    });
    is_seen("s07", |entries| delay(entries, |what| *what == What::ServiceGone(30), returned(0)));
    is_seen("n07: a handle says", |entries| {
        let is = |what: &What| *what == What::Ended(40, How::Ok);
        replace(entries, is, What::Ended(40, How::Panicked(Leaf::Unknown)));
    });
    is_seen("n07: a handle is ready", |entries| {
        let told = at(entries, |what| matches!(what, What::Handle { task: 40, .. }));
        entries[told..].iter_mut().for_each(|entry| entry.at += Duration::from_millis(1));
    });
    is_seen("s02", |entries| {
        let told = at(entries, |what| matches!(what, What::Answered { .. }));
        entries[told..].iter_mut().for_each(|entry| entry.at += Duration::from_millis(1));
    });
}

#[test]
fn what_is_never_reached_is_missed() {
    let mut tally = crate::tally::Tally::default();
    assert!(tally.missing().contains(&"shield"));
    tally.features.insert("shield", 1_000_000);
    assert!(!tally.missing().contains(&"shield"));
}

#[test]
fn a_program_shrinks_to_what_matters() {
    // "It has an error in a child" is as good a fault as any.
    fn has_it(block: &Block) -> bool {
        block.iter().any(|act| {
            matches!(act, Act::Spawn(spawn) if spawn.block.iter().any(|act| matches!(act, Act::Fail(_))))
                || act.blocks().into_iter().any(has_it)
        })
    }
    let small = crate::shrink::shrink(&program(), 10_000, |candidate| has_it(&candidate.root.block));
    assert_eq!(small.size(), 2, "{small}");
}
