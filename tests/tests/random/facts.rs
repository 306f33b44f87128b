//! What can be read off a program and a journal, before anything is judged.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::journal::{Entry, How, Outcome, What};
use crate::program::{Act, Block, Id, Nest, NestKind, OnDrop, Program, Spawn, SpawnKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nursery,
    /// A scope without children of its own: `fail_after`, a `CancelScope`, a shield.
    Block,
    Owned,
    Local,
    Parallel,
    Finalizer,
    Service,
    Foreign,
}

/// What a program says of a node.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) kind: Kind,
    /// The scope around a scope; the scope of a child, a finalizer or a service.
    pub(crate) scope: Option<Id>,
    /// The body that the act stands in.
    pub(crate) body: Id,
    pub(crate) deadline: Option<u32>,
    pub(crate) budget: Option<u32>,
    pub(crate) share: Option<u32>,
    pub(crate) handle: bool,
    /// In a scope that is left half-way: it is not polled all the time.
    pub(crate) carried: bool,
    /// Masks what is cancelled further out.
    pub(crate) shielded: bool,
}

#[derive(Clone, Copy)]
struct Place {
    body: Id,
    scope: Option<Id>,
    nursery: Option<Id>,
    carried: bool,
}

fn walk_nest(nest: &Nest, place: Place, facts: &mut BTreeMap<Id, Fact>) {
    let id = nest.id;
    let kind = match nest.kind {
        NestKind::Nursery => Kind::Nursery,
        _ => Kind::Block,
    };
    let fact = Fact {
        kind,
        scope: place.scope,
        body: place.body,
        deadline: nest.deadline,
        budget: nest.budget,
        share: None,
        handle: false,
        carried: place.carried,
        shielded: matches!(nest.kind, NestKind::Shield | NestKind::CancelScope { shielded: true }),
    };
    facts.insert(id, fact);
    let nursery = if kind == Kind::Nursery { Some(id) } else { place.nursery };
    walk(&nest.block, Place { body: id, scope: Some(id), nursery, ..place }, facts);
}

fn walk(block: &Block, place: Place, facts: &mut BTreeMap<Id, Fact>) {
    let plain = |kind, scope| Fact {
        kind,
        scope,
        body: place.body,
        deadline: None,
        budget: None,
        share: None,
        handle: false,
        carried: place.carried,
        shielded: false,
    };
    for act in block.iter() {
        match act {
            Act::Nest(nest) => walk_nest(nest, place, facts),
            Act::Race(blocks) | Act::Join(blocks) => blocks.iter().for_each(|block| walk(block, place, facts)),
            Act::Abandon(_, block) => walk(block, place, facts),
            Act::Carry(_, nest) => walk_nest(nest, Place { nursery: None, carried: true, ..place }, facts),
            Act::Spawn(spawn) => {
                let Spawn { id, kind, handle, ref block } = **spawn;
                let (scope, nursery) = match kind {
                    SpawnKind::Local => (place.nursery, place.nursery),
                    SpawnKind::Erased => (place.nursery, None),
                    SpawnKind::Into(scope) => (Some(scope), None),
                };
                let kind = if kind == SpawnKind::Local { Kind::Local } else { Kind::Parallel };
                let carried = place.carried && kind == Kind::Local;
                facts.insert(id, Fact { handle, carried, ..plain(kind, scope) });
                walk(block, Place { body: id, scope, nursery, carried }, facts);
            }
            Act::OnDrop { id, what: OnDrop::Spawn(scope) } => {
                facts.insert(*id, plain(Kind::Parallel, Some(*scope)));
            }
            Act::Finalizer(finalizer) => {
                let id = finalizer.id;
                let scope = finalizer.of.or(place.nursery);
                facts.insert(id, Fact { share: finalizer.share, ..plain(Kind::Finalizer, scope) });
                walk(&finalizer.block, Place { body: id, scope: Some(id), nursery: None, carried: false }, facts);
            }
            Act::Own(id) => {
                facts.insert(*id, plain(Kind::Owned, place.scope));
            }
            Act::Serve(server) => {
                facts.insert(server.id, plain(Kind::Service, place.nursery));
            }
            Act::Foreign { id, nest } => {
                facts.insert(*id, plain(Kind::Foreign, None));
                walk_nest(nest, Place { body: *id, scope: None, nursery: None, carried: false }, facts);
            }
            _ => {}
        }
    }
}

/// All nodes of a program that happen, by number.
fn facts_of(program: &Program) -> BTreeMap<Id, Fact> {
    let mut facts = BTreeMap::new();
    let root = program.root.id;
    walk_nest(&program.root, Place { body: root, scope: None, nursery: None, carried: false }, &mut facts);
    facts
}

/// A body, as the journal has it: positions in the journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Life {
    pub(crate) made: Vec<usize>,
    pub(crate) started: Vec<usize>,
    pub(crate) parked: Vec<usize>,
    pub(crate) ended: Vec<(usize, How)>,
    pub(crate) gone: Vec<usize>,
    pub(crate) value_gone: Vec<usize>,
}

impl Life {
    /// Whether its future was destroyed before it was ready.
    pub(crate) fn was_cut(&self) -> bool {
        !self.started.is_empty() && self.ended.is_empty()
    }
}

/// A program and its journal.
pub(crate) struct Facts<'r> {
    pub(crate) facts: BTreeMap<Id, Fact>,
    pub(crate) entries: &'r [Entry],
    pub(crate) lives: BTreeMap<Id, Life>,
    pub(crate) returned: BTreeMap<Id, (usize, Outcome)>,
    pub(crate) dropped: BTreeMap<Id, usize>,
    pub(crate) drop_over: BTreeMap<Id, usize>,
    /// Where the first finalizer of a scope starts: it takes nothing over from there on.
    closed: BTreeMap<Id, usize>,
    cancelled: BTreeMap<Id, Option<usize>>,
}

impl<'r> Facts<'r> {
    pub(crate) fn new(program: &Program, entries: &'r [Entry]) -> Self {
        let mut facts = Facts {
            facts: facts_of(program),
            entries,
            lives: BTreeMap::new(),
            returned: BTreeMap::new(),
            dropped: BTreeMap::new(),
            drop_over: BTreeMap::new(),
            closed: BTreeMap::new(),
            cancelled: BTreeMap::new(),
        };
        for (at, entry) in entries.iter().enumerate() {
            let lives = &mut facts.lives;
            match &entry.what {
                What::Made(id) => lives.entry(*id).or_default().made.push(at),
                What::Started(id) => lives.entry(*id).or_default().started.push(at),
                What::Parked(id) => lives.entry(*id).or_default().parked.push(at),
                What::Ended(id, how) => lives.entry(*id).or_default().ended.push((at, how.clone())),
                What::Gone(id) => lives.entry(*id).or_default().gone.push(at),
                What::ValueGone(id) => lives.entry(*id).or_default().value_gone.push(at),
                What::Returned(id, outcome) => drop(facts.returned.insert(*id, (at, outcome.clone()))),
                What::Dropped(id) => drop(facts.dropped.insert(*id, at)),
                What::DropOver(id) => drop(facts.drop_over.insert(*id, at)),
                What::FinalizerStarted { id, .. } => {
                    if let Some(scope) = facts.facts.get(id).and_then(|fact| fact.scope) {
                        facts.closed.entry(scope).or_insert(at);
                    }
                }
                _ => {}
            }
        }
        for id in facts.facts.keys().copied().collect::<Vec<_>>() {
            let at = facts.find_cancelled(id);
            facts.cancelled.insert(id, at);
        }
        facts
    }

    pub(crate) fn get(&self, id: Id) -> Option<&Fact> {
        self.facts.get(&id)
    }

    pub(crate) fn time(&self, at: usize) -> Duration {
        self.entries.get(at).map_or(Duration::MAX, |entry| entry.at)
    }

    /// The scope that a body ends with: a scope's own body is of that scope.
    pub(crate) fn scope_of(&self, body: Id) -> Option<Id> {
        let fact = self.get(body)?;
        match fact.kind {
            Kind::Nursery | Kind::Block | Kind::Owned | Kind::Finalizer => Some(body),
            _ => fact.scope,
        }
    }

    /// The bodies of a scope: its own and its children's.
    pub(crate) fn bodies_of(&self, scope: Id) -> impl Iterator<Item = (Id, &Life)> {
        self.lives.iter().map(|(id, life)| (*id, life)).filter(move |(id, _)| self.scope_of(*id) == Some(scope))
    }

    /// Where the owned scope was closed at home, if it was.
    pub(crate) fn closed_at(&self, owned: Id) -> Option<usize> {
        use crate::journal::Closed;
        self.entries.iter().position(|entry| {
            matches!(&entry.what, What::CloseTried { owned: o, result, .. }
                if *o == owned && matches!(result, Closed::Ok | Closed::Failed(_) | Closed::OutOfOrder(_)))
        })
    }

    /// Before which position all of a scope has to have ended.
    pub(crate) fn end_of(&self, scope: Id) -> usize {
        let mut at = scope;
        // One that has ended before the drop, or only has its clean-up to do, takes over nothing.
        let mut since = 0;
        loop {
            let returned = self.returned.get(&at).map(|(returned, _)| *returned).or_else(|| self.closed_at(at));
            let closed = self.closed.get(&at).is_some_and(|closed| *closed < since);
            if let Some(returned) = returned.filter(|returned| *returned >= since && !closed) {
                return returned;
            }
            since = since.max(self.dropped.get(&at).copied().unwrap_or(0));
            match self.get(at).and_then(|fact| fact.scope) {
                Some(around) => at = around,
                None => return self.entries.len(),
            }
        }
    }

    /// The deadlines of a scope: from which position on, and when.
    fn deadlines(&self, scope: Id) -> Vec<(usize, Option<Duration>)> {
        let mut deadlines = Vec::new();
        let entered = self.lives.get(&scope).and_then(|life| life.started.first()).copied();
        if let (Some(entered), Some(within)) = (entered, self.get(scope).and_then(|fact| fact.deadline)) {
            deadlines.push((entered, Some(self.time(entered) + Duration::from_millis(within.into()))));
        }
        for (at, entry) in self.entries.iter().enumerate() {
            if let What::DeadlineSet { scope: set, at: when } = entry.what
                && set == scope
            {
                deadlines.push((at, when));
            }
        }
        deadlines
    }

    /// When the deadline of a scope passed, and the first position after that: strictly after, since what happens at the
    /// very time may come before.
    pub(crate) fn expired(&self, scope: Id) -> Option<(usize, Duration)> {
        // Who is not polled does not look at the clock.
        if self.get(scope).is_none_or(|fact| fact.carried) {
            return None;
        }
        let deadlines = self.deadlines(scope);
        for (number, (from, when)) in deadlines.iter().enumerate() {
            let until = deadlines.get(number + 1).map_or(self.entries.len(), |(at, _)| *at);
            if let Some(when) = when
                && let Some(at) = (*from..until).find(|at| self.time(*at) > *when)
            {
                return Some((at, *when));
            }
        }
        None
    }

    /// Whether it is by a deadline that a scope is known to be cancelled from this position on.
    pub(crate) fn expired_by(&self, scope: Id, at: usize) -> bool {
        let mut next = Some(scope);
        while let Some(scope) = next {
            if self.expired(scope).is_some_and(|(expired, _)| expired == at) {
                return true;
            }
            next = self.get(scope).and_then(|fact| fact.scope);
        }
        false
    }

    /// All the times at which a deadline of the scope may have struck.
    pub(crate) fn deadline_times(&self, scope: Id) -> Vec<Duration> {
        self.deadlines(scope).into_iter().filter_map(|(_, when)| when).collect()
    }

    fn find_cancelled(&self, scope: Id) -> Option<usize> {
        let mut first: Option<usize> = None;
        // What comes before a shield is lifted comes when it is.
        let mut not_before = 0;
        let mut at = scope;
        loop {
            let fact = self.get(at)?;
            let own = self.cancelled_itself(at).map(|own| own.max(not_before));
            first = first.into_iter().chain(own).min();
            // Clean-up is masked, and so is the end of a service.
            if matches!(fact.kind, Kind::Finalizer | Kind::Service) {
                return first;
            }
            if fact.shielded {
                let Some(lifted) = self.lifted(at) else { return first };
                not_before = not_before.max(lifted);
            }
            let by_handle = self.cancelled_by_handle(fact.body).map(|cancelled| cancelled.max(not_before));
            first = first.into_iter().chain(by_handle).min();
            match fact.scope {
                Some(around) => at = around,
                None => return first,
            }
        }
    }

    fn lifted(&self, scope: Id) -> Option<usize> {
        self.entries.iter().position(|entry| entry.what == What::Lifted(scope))
    }

    fn cancelled_by_handle(&self, child: Id) -> Option<usize> {
        self.entries.iter().position(
            |entry| matches!(entry.what, What::CancelledChild { child: told, did: true, .. } if told == child),
        )
    }

    /// From which position on a body is certainly to end: its scope is cancelled, or it is, by its handle.
    pub(crate) fn body_cancelled(&self, body: Id) -> Option<usize> {
        let scope = self.scope_of(body).and_then(|scope| self.cancelled(scope));
        scope.into_iter().chain(self.cancelled_by_handle(body)).min()
    }

    /// From which position on what is around a scope is certainly cancelled, and it not shielded from that.
    pub(crate) fn cancelled_around(&self, scope: Id) -> Option<usize> {
        let fact = self.get(scope)?;
        // The body that polls it is in the scope around, or is that scope's own.
        let around = fact.scope.and_then(|around| self.cancelled(around));
        let first = around.into_iter().chain(self.cancelled_by_handle(fact.body)).min()?;
        if fact.shielded { self.lifted(scope).map(|lifted| lifted.max(first)) } else { Some(first) }
    }

    /// The shields that hold back a delivery to the body: from where to where each is open.
    pub(crate) fn shields_in(&self, body: Id) -> Vec<(usize, usize)> {
        self.facts
            .iter()
            .filter(|(_, fact)| fact.shielded)
            .filter(|(id, _)| self.on_the_way(**id, body))
            .filter_map(|(id, _)| {
                let opened = *self.lives.get(id)?.started.first()?;
                let ends = [self.returned.get(id).map(|(at, _)| *at), self.dropped.get(id).copied(), self.lifted(*id)];
                Some((opened, ends.into_iter().flatten().min().unwrap_or(self.entries.len())))
            })
            .collect()
    }

    /// Whether `body` stands between a scope and the task of the runtime's own that polls it.
    fn on_the_way(&self, scope: Id, body: Id) -> bool {
        let Some(mut at) = self.get(scope).map(|fact| fact.body) else { return false };
        loop {
            if at == body {
                return true;
            }
            let Some(fact) = self.get(at) else { return false };
            at = match fact.kind {
                Kind::Nursery | Kind::Block if at != fact.body => fact.body,
                // Polled by the nursery, and that by the body around it.
                Kind::Local => {
                    match fact.scope.and_then(|nursery| self.get(nursery).map(|fact| (nursery, fact.body))) {
                        Some((nursery, around)) if nursery != around => around,
                        _ => return false,
                    }
                }
                _ => return false,
            };
        }
    }

    /// Whether the code of a body runs inside a scope.
    pub(crate) fn is_within(&self, body: Id, scope: Id) -> bool {
        let mut next = self.scope_of(body);
        while let Some(at) = next {
            if at == scope {
                return true;
            }
            next = self.get(at).and_then(|fact| fact.scope);
        }
        false
    }

    /// Whether one of the scopes around is an owned one.
    pub(crate) fn is_inside_owned(&self, scope: Id) -> bool {
        let mut next = self.get(scope).and_then(|fact| fact.scope);
        while let Some(at) = next {
            let Some(fact) = self.get(at) else { return false };
            if fact.kind == Kind::Owned {
                return true;
            }
            next = fact.scope;
        }
        false
    }

    /// From which position on the scope is certainly cancelled, by itself or from further out.
    pub(crate) fn cancelled(&self, scope: Id) -> Option<usize> {
        self.cancelled.get(&scope).copied().flatten()
    }

    /// The same, by itself.
    pub(crate) fn cancelled_itself(&self, scope: Id) -> Option<usize> {
        let kind = self.get(scope)?.kind;
        let mut first: Option<usize> = self.dropped.get(&scope).copied();
        let mut note = |at: usize| first = Some(first.map_or(at, |first| first.min(at)));
        for (at, entry) in self.entries.iter().enumerate() {
            match &entry.what {
                What::Cancelled { scope: told, did: true, .. } if *told == scope => note(at),
                What::DroppedOwned { owned, .. } if *owned == scope => note(at),
                What::Ended(body, How::Failed(_) | How::Panicked(_))
                    if self.scope_of(*body) == Some(scope) && kind != Kind::Block =>
                {
                    note(at);
                }
                _ => {}
            }
        }
        if let Some((at, _)) = self.expired(scope) {
            note(at);
        }
        // To one that has ended already it means nothing, nor to what was carried out of it.
        let returned = self.returned.get(&scope).map_or(usize::MAX, |(at, _)| *at);
        first.filter(|first| *first < returned)
    }
}
