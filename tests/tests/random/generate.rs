//! Makes programs.
//!
//! Each program uses some of the features only, and a few of them often: programs that use a little of everything rarely
//! get two things to meet.

use std::sync::Arc;

use crate::dice::Dice;
use crate::program::{Act, Ask, Block, Finalizer, Id, Nest, NestKind, OnDrop, Program, ROOT, Server, Spawn, SpawnKind};

/// When the root's own deadline ends whatever still waits.
pub(crate) const BELL: u32 = 10_000;

/// What a program may do, with how much weight.
const WEIGHTS: &[(Choice, u32)] = &[
    (Choice::Turn, 6),
    (Choice::Checkpoint, 6),
    (Choice::Sleep, 8),
    (Choice::ForeignSleep, 3),
    (Choice::Forever, 2),
    (Choice::Gate, 5),
    (Choice::Fail, 3),
    (Choice::Panic, 2),
    (Choice::Nursery, 9),
    (Choice::FailAfter, 4),
    (Choice::MoveOn, 3),
    (Choice::CancelScope, 4),
    (Choice::Shield, 6),
    (Choice::Lift, 3),
    (Choice::Race, 5),
    (Choice::Join, 3),
    (Choice::Abandon, 4),
    (Choice::Told, 2),
    (Choice::Local, 9),
    (Choice::Erased, 9),
    (Choice::Into, 6),
    (Choice::Handle, 6),
    (Choice::Cancel, 7),
    (Choice::Deadline, 3),
    (Choice::Finalizer, 9),
    (Choice::Owned, 10),
    (Choice::Service, 9),
    (Choice::Foreign, 4),
    (Choice::OnDrop, 5),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Turn,
    Checkpoint,
    Sleep,
    ForeignSleep,
    Forever,
    Gate,
    Fail,
    Panic,
    Nursery,
    FailAfter,
    MoveOn,
    CancelScope,
    Shield,
    Lift,
    Race,
    Join,
    Abandon,
    Carry,
    Told,
    Local,
    Erased,
    Into,
    Handle,
    Cancel,
    Deadline,
    Finalizer,
    Owned,
    Service,
    Foreign,
    OnDrop,
}

struct Maker {
    dice: Dice,
    weights: Vec<(Choice, u32)>,
    next: Id,
    left: u32,
    /// Scopes, children, owned scopes, services and foreign tasks made so far.
    scopes: Vec<Id>,
    children: Vec<Id>,
    owned: Vec<Id>,
    services: Vec<Id>,
    foreign: Vec<Id>,
    carried: Vec<Id>,
    shields: Vec<Id>,
    /// Nurseries that keep a deadline, which ends whatever still waits.
    bells: Vec<Id>,
}

/// Where an act stands.
#[derive(Clone, Copy)]
struct Place {
    depth: u32,
    /// The innermost nursery, where code can name it, and nothing stands between.
    nursery: Option<Id>,
    /// In a finalizer or a service: short, and without what acts at a distance.
    plain: bool,
}

/// Scopes whose futures are left half-way and taken up elsewhere, where they are asked for.
const CARRIED: (Choice, u32) = (Choice::Carry, 5);

/// The program of a seed; with futures that go from task to task, if `carried`.
pub(crate) fn program(seed: u64, carried: bool) -> Program {
    let mut dice = Dice::new(seed);
    let weights = WEIGHTS
        .iter()
        .chain(carried.then_some(&CARRIED))
        .filter_map(|&(choice, weight)| match dice.below(4) {
            0 => None,
            1 => Some((choice, 3 * weight)),
            _ => Some((choice, weight)),
        })
        .collect();
    let left = 4 + dice.below(60);
    let mut maker = Maker {
        dice,
        weights,
        next: ROOT + 1,
        left,
        scopes: vec![ROOT],
        children: Vec::new(),
        owned: Vec::new(),
        services: Vec::new(),
        foreign: Vec::new(),
        carried: Vec::new(),
        shields: Vec::new(),
        bells: vec![ROOT],
    };
    let mut block = Vec::new();
    while maker.left > 0 {
        let more = maker.block(Place { depth: 0, nursery: Some(ROOT), plain: false }, 8);
        block.extend(more.iter().cloned());
    }
    let root = Nest {
        id: ROOT,
        kind: NestKind::Nursery,
        deadline: Some(BELL),
        budget: None,
        caught: true,
        block: Arc::new(block),
    };
    Program { root: Arc::new(root) }
}

impl Maker {
    fn id(&mut self) -> Id {
        self.next += 1;
        self.next - 1
    }

    /// Short ones, few different ones: so that things happen at the same time, and just before and after.
    fn millis(&mut self) -> u32 {
        match self.dice.below(8) {
            0 => 0,
            1..5 => 1 + self.dice.below(4),
            _ => 1 + self.dice.below(40),
        }
    }

    fn block(&mut self, place: Place, most: u32) -> Block {
        let mut acts = Vec::new();
        let many = 1 + self.dice.below(most);
        for _ in 0..many {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            let act = if place.plain { Some(self.plain()) } else { self.act(place) };
            let ends = matches!(act, Some(Act::Fail(_) | Act::Panic(_) | Act::Forever));
            acts.extend(act);
            if ends {
                return Arc::new(acts);
            }
        }
        // What was begun here is often brought to an end here.
        let more: Vec<Act> = acts.iter().filter_map(|act| self.ending(act)).collect();
        acts.extend(more.into_iter().rev());
        Arc::new(acts)
    }

    fn ending(&mut self, act: &Act) -> Option<Act> {
        match act {
            Act::Own(owned) if self.dice.chance(65) => Some(Act::CloseOwned(*owned)),
            Act::Spawn(spawn) if spawn.handle && self.dice.chance(60) => Some(Act::Await(spawn.id)),
            Act::Serve(server) => {
                let hows = [Ask::Close, Ask::Close, Ask::DropHandle, Ask::Closed, Ask::Request, Ask::Ready];
                let how = self.dice.pick(&hows)?;
                if self.dice.chance(50) { Some(Act::Ask { service: server.id, how }) } else { None }
            }
            _ => None,
        }
    }

    fn plain(&mut self) -> Act {
        match self.dice.below(16) {
            0..3 => Act::Turn,
            3..6 => Act::Checkpoint,
            6..10 => Act::Sleep(self.millis()),
            10 => Act::ForeignSleep(self.millis()),
            11 | 12 => Act::Fail(self.id()),
            13 => Act::Panic(self.id()),
            14 => Act::Sleep(4000),
            _ => Act::Forever,
        }
    }

    fn choose(&mut self) -> Option<Choice> {
        let total = self.weights.iter().map(|(_, weight)| weight).sum::<u32>();
        if total == 0 {
            return None;
        }
        let mut at = self.dice.below(total);
        self.weights.iter().find_map(|(choice, weight)| {
            if at < *weight {
                return Some(*choice);
            }
            at -= weight;
            None
        })
    }

    /// `None` where there is nothing to do it to.
    fn act(&mut self, place: Place) -> Option<Act> {
        let inner = Place { depth: place.depth + 1, ..place };
        let deep = place.depth > 6;
        let act = match self.choose()? {
            Choice::Turn => Act::Turn,
            Choice::Checkpoint => Act::Checkpoint,
            Choice::Sleep => Act::Sleep(self.millis()),
            Choice::ForeignSleep => Act::ForeignSleep(self.millis()),
            Choice::Forever if self.dice.chance(40) => Act::Forever,
            Choice::Forever => Act::Sleep(BELL / 2),
            Choice::Gate => {
                let gate = self.dice.below(3);
                if self.dice.chance(60) { Act::OpenGate(gate) } else { Act::PassGate(gate) }
            }
            Choice::Fail => Act::Fail(self.id()),
            Choice::Panic => Act::Panic(self.id()),
            Choice::Nursery
            | Choice::FailAfter
            | Choice::MoveOn
            | Choice::CancelScope
            | Choice::Shield
            | Choice::Foreign
                if deep =>
            {
                Act::Turn
            }
            Choice::Nursery => Act::Nest(Arc::new(self.nursery(place))),
            Choice::FailAfter => self.around(inner, NestKind::FailAfter),
            Choice::MoveOn => self.around(inner, NestKind::MoveOn),
            Choice::CancelScope => self.around(inner, NestKind::CancelScope { shielded: false }),
            Choice::Shield if self.dice.chance(50) => self.around(inner, NestKind::CancelScope { shielded: true }),
            Choice::Shield => self.around(inner, NestKind::Shield),
            Choice::Lift => Act::Lift(self.dice.pick(&self.shields)?),
            Choice::Race => Act::Race(self.branches(inner)),
            Choice::Join => Act::Join(self.branches(inner)),
            Choice::Abandon => {
                let polls = self.dice.below(5);
                let block = self.block(inner, 4);
                Act::Abandon(polls, block)
            }
            Choice::Carry => match self.dice.pick(&self.carried) {
                Some(scope) if self.dice.chance(60) => {
                    if self.dice.chance(70) {
                        Act::Resume(scope)
                    } else {
                        Act::Discard(scope)
                    }
                }
                _ if deep => Act::Turn,
                _ => {
                    let polls = 1 + self.dice.below(3);
                    let mut nest = self.nursery(Place { nursery: None, ..place });
                    // Who takes it up is not to end with it; and its own child may, and then wait for itself.
                    (nest.caught, nest.deadline) = (true, Some(nest.deadline.unwrap_or(BELL / 2)));
                    self.bells.push(nest.id);
                    self.carried.push(nest.id);
                    Act::Carry(polls, Arc::new(nest))
                }
            },
            Choice::Told => Act::Told(self.scope()?),
            Choice::Local if place.nursery.is_some() => self.spawn(place, SpawnKind::Local),
            Choice::Erased | Choice::Local if place.nursery.is_some() => self.spawn(place, SpawnKind::Erased),
            Choice::Into | Choice::Erased | Choice::Local => {
                let scope = self.scope()?;
                self.spawn(place, SpawnKind::Into(scope))
            }
            Choice::Handle => {
                let child = self.dice.pick(&self.children)?;
                match self.dice.below(8) {
                    0 | 1 => Act::LetGo(child),
                    2..5 => Act::CancelChild { id: self.id(), child },
                    _ => Act::Await(child),
                }
            }
            Choice::Cancel => Act::Cancel { id: self.id(), scope: self.scope()? },
            Choice::Deadline => {
                let scope = self.scope().filter(|scope| *scope != ROOT && !self.owned.contains(scope))?;
                // A foreign task has no root around it that ends it.
                let away = self.dice.chance(20) && !self.bells.contains(&scope);
                Act::Deadline { scope, after: if away { None } else { Some(self.millis()) } }
            }
            Choice::Finalizer => self.finalizer(place)?,
            Choice::Owned => self.own()?,
            Choice::Service => self.service(place)?,
            Choice::Foreign => match self.dice.pick(&self.foreign) {
                Some(id) if self.dice.chance(60) => Act::Abort(id),
                _ => {
                    let id = self.id();
                    self.foreign.push(id);
                    self.bells.push(self.next);
                    let mut nest = self.nursery(Place { depth: place.depth, nursery: None, plain: false });
                    (nest.caught, nest.deadline) = (true, Some(nest.deadline.unwrap_or(BELL / 2)));
                    Act::Foreign { id, nest: Arc::new(nest) }
                }
            },
            Choice::OnDrop => {
                let id = self.id();
                let what = match self.dice.below(3) {
                    0 => OnDrop::Cancel(self.scope()?),
                    1 => OnDrop::Spawn(self.scope()?),
                    _ => OnDrop::Panic,
                };
                Act::OnDrop { id, what }
            }
        };
        Some(act)
    }

    /// One of the scopes made so far, the newest rather than an old one.
    fn scope(&mut self) -> Option<Id> {
        let recent = self.scopes.len().min(3);
        match self.dice.chance(60) {
            true => self.dice.pick(&self.scopes[self.scopes.len() - recent..]),
            false => self.dice.pick(&self.scopes),
        }
    }

    /// A scope without children of its own.
    fn around(&mut self, inner: Place, kind: NestKind) -> Act {
        let id = self.id();
        let shielded = matches!(kind, NestKind::Shield | NestKind::CancelScope { shielded: true });
        let deadline = match kind {
            NestKind::FailAfter | NestKind::MoveOn => Some(self.millis()),
            // One that is shielded ends by itself: nobody else may end it.
            NestKind::CancelScope { shielded: true } => Some(if self.dice.chance(30) { 4000 } else { self.millis() }),
            NestKind::CancelScope { .. } if self.dice.chance(40) => Some(self.millis()),
            _ => None,
        };
        let caught = self.dice.chance(60);
        if kind != NestKind::Shield {
            self.scopes.push(id);
        }
        let block = if kind == NestKind::Shield {
            self.shielded(inner)
        } else {
            if shielded {
                self.shields.push(id);
                self.bells.push(id);
            }
            self.block(inner, 5)
        };
        Act::Nest(Arc::new(Nest { id, kind, deadline, budget: None, caught, block }))
    }

    /// What stands in a `shield`, which nothing ends: a few steps, or a scope with a deadline.
    fn shielded(&mut self, inner: Place) -> Block {
        if self.dice.chance(60) {
            let id = self.id();
            let deadline = Some(self.millis());
            self.scopes.push(id);
            self.bells.push(id);
            let nursery = Place { depth: inner.depth + 1, nursery: Some(id), plain: false };
            let (caught, block) = (self.dice.chance(60), self.block(nursery, 4));
            let nest = Nest { id, kind: NestKind::Nursery, deadline, budget: None, caught, block };
            return Arc::new(vec![Act::Nest(Arc::new(nest))]);
        }
        let steps = [Act::Turn, Act::Checkpoint, Act::Sleep(self.millis()), Act::ForeignSleep(self.millis())];
        let many = 1 + self.dice.below(3) as usize;
        Arc::new((0..many).map(|_| steps[self.dice.below(4) as usize].clone()).collect())
    }

    fn branches(&mut self, place: Place) -> Vec<Block> {
        let many = 1 + self.dice.below(3);
        (0..many).map(|_| self.block(place, 4)).collect()
    }

    fn nursery(&mut self, place: Place) -> Nest {
        let id = self.id();
        let deadline = if self.dice.chance(30) { Some(self.millis()) } else { None };
        let budget = if self.dice.chance(20) { Some(self.millis()) } else { None };
        let caught = self.dice.chance(60);
        self.scopes.push(id);
        let inner = Place { depth: place.depth + 1, nursery: Some(id), plain: false };
        Nest { id, kind: NestKind::Nursery, deadline, budget, caught, block: self.block(inner, 6) }
    }

    fn spawn(&mut self, place: Place, kind: SpawnKind) -> Act {
        let id = self.id();
        let handle = self.dice.chance(35);
        let nursery = if kind == SpawnKind::Local { place.nursery } else { None };
        let block = self.block(Place { depth: place.depth + 1, nursery, plain: false }, 6);
        if handle {
            self.children.push(id);
        }
        Act::Spawn(Arc::new(Spawn { id, kind, handle, block }))
    }

    fn finalizer(&mut self, place: Place) -> Option<Act> {
        let of = match self.dice.pick(&self.owned) {
            Some(owned) if self.dice.chance(40) => Some(owned),
            _ => {
                place.nursery?;
                None
            }
        };
        let id = self.id();
        let share = if of.is_none() && self.dice.chance(25) { Some(self.millis()) } else { None };
        // Most have something to run.
        self.left += 2;
        let block = self.block(Place { depth: place.depth + 1, nursery: None, plain: true }, 3);
        Some(Act::Finalizer(Arc::new(Finalizer { id, of, share, block })))
    }

    fn own(&mut self) -> Option<Act> {
        let open = self.owned.is_empty() || self.dice.chance(30);
        if open {
            let id = self.id();
            self.owned.push(id);
            self.scopes.push(id);
            return Some(Act::Own(id));
        }
        let owned = self.dice.pick(&self.owned)?;
        Some(if self.dice.chance(60) { Act::CloseOwned(owned) } else { Act::DropOwned(owned) })
    }

    fn service(&mut self, place: Place) -> Option<Act> {
        if self.services.is_empty() || self.dice.chance(30) {
            place.nursery?;
            let id = self.id();
            let awaited = self.dice.chance(40);
            self.services.push(id);
            let plain = Place { depth: place.depth + 1, nursery: None, plain: true };
            let (open, serve, end) = (self.block(plain, 2), self.block(plain, 2), self.block(plain, 2));
            return Some(Act::Serve(Arc::new(Server { id, open, serve, end, awaited })));
        }
        let service = self.dice.pick(&self.services)?;
        let asks = [Ask::Ready, Ask::Request, Ask::Request, Ask::Close, Ask::BeginClose, Ask::Closed, Ask::DropHandle];
        Some(Act::Ask { service, how: self.dice.pick(&asks)? })
    }
}
