//! A host that forks without an exec: the copy is a host of its own.

use crate::hosts::{self, Host};
use crate::oracle;

#[test]
fn a_copy_outlives_the_host_with_its_own_servers_only() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let mut host = Host::start("forking::a_copy_outlives_the_host_with_its_own_servers_only");
    host.ask("start");
    let (owner, guardian) = (host.ask("owner"), host.guardian(0));
    // From here on it is the copy that answers.
    host.ask("fork");
    let copy_owner = host.ask("owner");
    assert_ne!(copy_owner, owner);
    let started = host.ask("start");
    let copy_guardian = host.guardian(0);
    assert_ne!(copy_guardian, guardian);
    assert!(!oracle::with_name(&owner).is_empty());
    host.kill();
    // The copy has a copy of every descriptor of the host's: the kernel tells in another way.
    oracle::soon("the host's servers are gone", || oracle::with_name(&owner).is_empty());
    oracle::soon("its guardian is gone", || oracle::state(guardian).is_none_or(|(state, _)| state == 'Z'));
    // Of the copy's own, all are there but the two who end by themselves.
    oracle::soon("eight servers", || alive(&started) == 8);
    assert_eq!(host.guardian(0), copy_guardian);
    host.tell("exit");
    host.end();
    host.assert_nothing_left();
}

#[test]
fn a_copy_that_drops_what_it_got_does_nothing_to_the_original() {
    if hosts::is_one() {
        return hosts::obey();
    }
    let mut host = Host::start("forking::a_copy_that_drops_what_it_got_does_nothing_to_the_original");
    let started = host.ask("start");
    let guardian = host.guardian(0);
    let echo = host.ask("start an echo");
    assert_eq!(host.ask("fork and drop"), "the copy ended with 0");
    oracle::soon("eight servers", || alive(&started) == 8);
    assert_eq!((alive(&echo), host.guardian(0)), (1, guardian));
    // It still hears of them: what they say, and their end.
    assert_eq!(host.ask("echo"), "it said hello and ended with 5");
    host.kill();
    host.end();
    host.assert_nothing_left();
}

fn alive(pids: &str) -> usize {
    let is_alive = |pid: &str| oracle::state(pid.parse().unwrap()).is_some_and(|(state, _)| state != 'Z');
    pids.split(' ').filter(|pid| is_alive(pid)).count()
}
