//! A program: what a run does, as a tree. Each node has a number of its own and runs at most once, so the number names
//! what happens of it in the journal.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// The number of a node.
pub(crate) type Id = u32;

/// Acts, one after the other.
pub(crate) type Block = Arc<Vec<Act>>;

/// The nursery that is a program's root.
pub(crate) const ROOT: Id = 0;

/// One step of a body. Times are in milliseconds.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A foreign await point that wakes itself.
    Turn,
    Checkpoint,
    Sleep(u32),
    /// A sleep that does not know of scopes.
    ForeignSleep(u32),
    /// A foreign await point that nothing ends.
    Forever,
    OpenGate(Id),
    /// A foreign await point that [`Act::OpenGate`] ends.
    PassGate(Id),
    Fail(Id),
    Panic(Id),
    Nest(Arc<Nest>),
    /// Polls all; the first to end wins, and the others are dropped where they are.
    Race(Vec<Block>),
    /// Polls all to their ends.
    Join(Vec<Block>),
    /// Polls a few times, then drops.
    Abandon(u32, Block),
    /// Polls a scope a few times, at least once, and leaves it where every task can reach it.
    Carry(u32, Arc<Nest>),
    /// Takes up a scope that was left, in whatever task.
    Resume(Id),
    /// Takes up a scope that was left, and drops it.
    Discard(Id),
    /// Waits until a scope is cancelled.
    Told(Id),
    Spawn(Arc<Spawn>),
    /// Awaits the handle of a child.
    Await(Id),
    /// Drops the handle of a child.
    LetGo(Id),
    Cancel {
        id: Id,
        scope: Id,
    },
    /// Cancels a child by its handle.
    CancelChild {
        id: Id,
        child: Id,
    },
    /// Ends the shielding of a scope.
    Lift(Id),
    /// Moves the deadline of a scope to so much after now, or takes it away.
    Deadline {
        scope: Id,
        after: Option<u32>,
    },
    Finalizer(Arc<Finalizer>),
    /// Opens an owned scope and leaves its guard where every task can reach it.
    Own(Id),
    CloseOwned(Id),
    DropOwned(Id),
    Serve(Arc<Server>),
    Ask {
        service: Id,
        how: Ask,
    },
    /// A task that the framework does not know, with a nursery of its own in it.
    Foreign {
        id: Id,
        nest: Arc<Nest>,
    },
    Abort(Id),
    /// Leaves something in the body's future that acts when it is destroyed.
    OnDrop {
        id: Id,
        what: OnDrop,
    },
}

/// A scope around a block.
#[derive(Clone, Debug)]
pub(crate) struct Nest {
    pub(crate) id: Id,
    pub(crate) kind: NestKind,
    pub(crate) deadline: Option<u32>,
    pub(crate) budget: Option<u32>,
    /// Whether a failure ends here instead of being passed on.
    pub(crate) caught: bool,
    pub(crate) block: Block,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NestKind {
    Nursery,
    /// `fail_after`; has a deadline.
    FailAfter,
    /// `move_on_after`; has a deadline.
    MoveOn,
    /// A `CancelScope`, shielded or not.
    CancelScope {
        shielded: bool,
    },
    /// `shield`.
    Shield,
}

#[derive(Clone, Debug)]
pub(crate) struct Spawn {
    pub(crate) id: Id,
    pub(crate) kind: SpawnKind,
    /// Whether there is a handle, and a value that is noted when it is destroyed.
    pub(crate) handle: bool,
    pub(crate) block: Block,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpawnKind {
    /// Same-task, in the innermost nursery.
    Local,
    /// Parallel, in the innermost nursery.
    Erased,
    /// Parallel, by a spawner, into any scope.
    Into(Id),
}

#[derive(Clone, Debug)]
pub(crate) struct Finalizer {
    pub(crate) id: Id,
    /// An owned scope; `None` is the innermost nursery.
    pub(crate) of: Option<Id>,
    pub(crate) share: Option<u32>,
    pub(crate) block: Block,
}

/// A service: what each of its phases does.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) id: Id,
    pub(crate) open: Block,
    /// What it does for each request before it answers.
    pub(crate) serve: Block,
    pub(crate) end: Block,
    /// Whether the one who serves waits until it is open.
    pub(crate) awaited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Ready,
    Request,
    Close,
    BeginClose,
    Closed,
    DropHandle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDrop {
    Cancel(Id),
    /// A child that ends at once, into any scope.
    Spawn(Id),
    Panic,
}

/// A whole program: the root's body.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) root: Arc<Nest>,
}

impl Act {
    /// The blocks in it.
    pub(crate) fn blocks(&self) -> Vec<&Block> {
        match self {
            Act::Nest(nest) | Act::Carry(_, nest) | Act::Foreign { nest, .. } => vec![&nest.block],
            Act::Race(blocks) | Act::Join(blocks) => blocks.iter().collect(),
            Act::Abandon(_, block) => vec![block],
            Act::Spawn(spawn) => vec![&spawn.block],
            Act::Finalizer(finalizer) => vec![&finalizer.block],
            Act::Serve(server) => vec![&server.open, &server.serve, &server.end],
            _ => Vec::new(),
        }
    }

    /// The same act with other blocks in the places of its own.
    pub(crate) fn with_blocks(&self, mut blocks: Vec<Block>) -> Act {
        let mut next = || blocks.remove(0);
        match self {
            Act::Nest(nest) => Act::Nest(Arc::new(Nest { block: next(), ..(**nest).clone() })),
            Act::Carry(polls, nest) => Act::Carry(*polls, Arc::new(Nest { block: next(), ..(**nest).clone() })),
            Act::Foreign { id, nest } => {
                Act::Foreign { id: *id, nest: Arc::new(Nest { block: next(), ..(**nest).clone() }) }
            }
            Act::Race(_) => Act::Race(blocks),
            Act::Join(_) => Act::Join(blocks),
            Act::Abandon(polls, _) => Act::Abandon(*polls, next()),
            Act::Spawn(spawn) => Act::Spawn(Arc::new(Spawn { block: next(), ..(**spawn).clone() })),
            Act::Finalizer(finalizer) => Act::Finalizer(Arc::new(Finalizer { block: next(), ..(**finalizer).clone() })),
            Act::Serve(server) => {
                Act::Serve(Arc::new(Server { open: next(), serve: next(), end: next(), ..(**server).clone() }))
            }
            other => other.clone(),
        }
    }

    /// The name of what it tries, for the summary.
    pub(crate) fn feature(&self) -> &'static str {
        match self {
            Act::Turn => "turn",
            Act::Checkpoint => "checkpoint",
            Act::Sleep(_) => "sleep",
            Act::ForeignSleep(_) => "foreign sleep",
            Act::Forever => "forever",
            Act::OpenGate(_) | Act::PassGate(_) => "gate",
            Act::Fail(_) => "error",
            Act::Panic(_) => "panic",
            Act::Nest(nest) => match (nest.kind, nest.deadline) {
                (NestKind::Nursery, None) => "nursery",
                (NestKind::Nursery, Some(_)) => "nursery with a deadline",
                (NestKind::FailAfter, _) => "fail_after",
                (NestKind::MoveOn, _) => "move_on_after",
                (NestKind::CancelScope { shielded: true }, _) => "shielded cancel scope",
                (NestKind::CancelScope { .. }, _) => "cancel scope",
                (NestKind::Shield, _) => "shield",
            },
            Act::Race(_) => "race",
            Act::Join(_) => "join",
            Act::Abandon(..) => "abandoned",
            Act::Carry(..) => "scope left half-way",
            Act::Resume(_) => "scope taken up elsewhere",
            Act::Discard(_) => "scope dropped elsewhere",
            Act::Told(_) => "cancellation awaited",
            Act::Spawn(spawn) => match spawn.kind {
                SpawnKind::Local => "same-task child",
                SpawnKind::Erased => "parallel child",
                SpawnKind::Into(_) => "child by a spawner",
            },
            Act::Await(_) => "handle awaited",
            Act::LetGo(_) => "handle dropped",
            Act::Cancel { .. } => "cancel",
            Act::CancelChild { .. } => "cancel by a handle",
            Act::Lift(_) => "shield lifted",
            Act::Deadline { .. } => "deadline moved",
            Act::Finalizer(finalizer) => match finalizer.of {
                None => "finalizer",
                Some(_) => "finalizer of an owned scope",
            },
            Act::Own(_) => "owned scope",
            Act::CloseOwned(_) => "owned scope closed",
            Act::DropOwned(_) => "owned scope dropped",
            Act::Serve(_) => "service",
            Act::Ask { how: Ask::Close, .. } => "service closed",
            Act::Ask { .. } => "service asked",
            Act::Foreign { .. } => "foreign task",
            Act::Abort(_) => "abort",
            Act::OnDrop { .. } => "destructor",
        }
    }
}

impl Program {
    /// What it tries.
    pub(crate) fn features(&self) -> BTreeSet<&'static str> {
        fn collect(block: &Block, into: &mut BTreeSet<&'static str>) {
            for act in block.iter() {
                into.insert(act.feature());
                act.blocks().into_iter().for_each(|block| collect(block, into));
            }
        }
        let mut features = BTreeSet::new();
        collect(&self.root.block, &mut features);
        features
    }

    /// How many acts it has.
    pub(crate) fn size(&self) -> usize {
        fn count(block: &Block) -> usize {
            block.iter().map(|act| 1 + act.blocks().into_iter().map(count).sum::<usize>()).sum()
        }
        count(&self.root.block)
    }
}

impl fmt::Display for Program {
    /// Pseudo-code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        print_nest(&self.root, 0, &mut text);
        f.write_str(&text)
    }
}

fn line(depth: usize, text: fmt::Arguments<'_>, into: &mut String) {
    let _ = writeln!(into, "{:width$}{text}", "", width = depth * 4);
}

fn print_block(block: &Block, depth: usize, into: &mut String) {
    for act in block.iter() {
        print_act(act, depth, into);
    }
}

fn print_nest(nest: &Nest, depth: usize, into: &mut String) {
    let kind = match nest.kind {
        NestKind::Nursery => "nursery",
        NestKind::FailAfter => "fail_after",
        NestKind::MoveOn => "move_on_after",
        NestKind::CancelScope { shielded: true } => "cancel scope with a shield",
        NestKind::CancelScope { .. } => "cancel scope",
        NestKind::Shield => "shield",
    };
    let mut options = String::new();
    if let Some(deadline) = nest.deadline {
        let _ = write!(options, " within {deadline}ms");
    }
    if let Some(budget) = nest.budget {
        let _ = write!(options, " budget {budget}ms");
    }
    let caught = if nest.caught { ", caught" } else { "?" };
    line(depth, format_args!("{kind} s{}{options} {{", nest.id), into);
    print_block(&nest.block, depth + 1, into);
    line(depth, format_args!("}}{caught}"), into);
}

fn print_blocks(head: fmt::Arguments<'_>, blocks: &[Block], depth: usize, into: &mut String) {
    line(depth, format_args!("{head} {{"), into);
    for (number, block) in blocks.iter().enumerate() {
        if number > 0 {
            line(depth, format_args!("}} and {{"), into);
        }
        print_block(block, depth + 1, into);
    }
    line(depth, format_args!("}}"), into);
}

fn print_act(act: &Act, depth: usize, into: &mut String) {
    let mut say = |text: fmt::Arguments<'_>| line(depth, text, into);
    match act {
        Act::Turn => say(format_args!("yield")),
        Act::Checkpoint => say(format_args!("checkpoint")),
        Act::Sleep(ms) => say(format_args!("sleep {ms}ms")),
        Act::ForeignSleep(ms) => say(format_args!("foreign sleep {ms}ms")),
        Act::Forever => say(format_args!("wait for ever")),
        Act::OpenGate(gate) => say(format_args!("open gate {gate}")),
        Act::PassGate(gate) => say(format_args!("pass gate {gate}")),
        Act::Fail(id) => say(format_args!("return error e{id}")),
        Act::Panic(id) => say(format_args!("panic p{id}")),
        Act::Nest(nest) => print_nest(nest, depth, into),
        Act::Race(blocks) => print_blocks(format_args!("race"), blocks, depth, into),
        Act::Join(blocks) => print_blocks(format_args!("join"), blocks, depth, into),
        Act::Abandon(polls, block) => {
            print_blocks(format_args!("poll {polls} times and drop"), std::slice::from_ref(block), depth, into);
        }
        Act::Carry(polls, nest) => {
            line(depth, format_args!("poll {polls} times and leave:"), into);
            print_nest(nest, depth + 1, into);
        }
        Act::Resume(scope) => say(format_args!("take up s{scope} and await it")),
        Act::Discard(scope) => say(format_args!("take up s{scope} and drop it")),
        Act::Told(scope) => say(format_args!("wait until s{scope} is cancelled")),
        Act::Spawn(spawn) => {
            let how = match spawn.kind {
                SpawnKind::Local => "spawn_local".to_owned(),
                SpawnKind::Erased => "spawn_erased".to_owned(),
                SpawnKind::Into(scope) => format!("spawner of s{scope}: spawn"),
            };
            let handle = if spawn.handle { " with a handle" } else { "" };
            let blocks = std::slice::from_ref(&spawn.block);
            print_blocks(format_args!("{how} t{}{handle}", spawn.id), blocks, depth, into);
        }
        Act::Await(task) => say(format_args!("await the handle of t{task}")),
        Act::LetGo(task) => say(format_args!("drop the handle of t{task}")),
        Act::Cancel { id, scope } => say(format_args!("cancel s{scope} (c{id})")),
        Act::CancelChild { id, child } => say(format_args!("cancel t{child} by its handle (c{id})")),
        Act::Lift(scope) => say(format_args!("lift the shield of s{scope}")),
        Act::Deadline { scope, after: Some(ms) } => {
            say(format_args!("move the deadline of s{scope} to {ms}ms from now"))
        }
        Act::Deadline { scope, after: None } => say(format_args!("take the deadline of s{scope} away")),
        Act::Finalizer(finalizer) => {
            let of = finalizer.of.map_or_else(String::new, |owned| format!(" of s{owned}"));
            let share = finalizer.share.map_or_else(String::new, |ms| format!(" within {ms}ms"));
            let blocks = std::slice::from_ref(&finalizer.block);
            print_blocks(format_args!("finalizer f{}{of}{share}", finalizer.id), blocks, depth, into);
        }
        Act::Own(id) => say(format_args!("open owned scope s{id}")),
        Act::CloseOwned(id) => say(format_args!("close owned scope s{id}")),
        Act::DropOwned(id) => say(format_args!("drop owned scope s{id}")),
        Act::Serve(server) => {
            let awaited = if server.awaited { " and wait until it is open" } else { "" };
            let blocks = [server.open.clone(), server.serve.clone(), server.end.clone()];
            print_blocks(format_args!("serve v{}{awaited}: open, serve, end", server.id), &blocks, depth, into);
        }
        Act::Ask { service, how } => say(format_args!("service v{service}: {how:?}")),
        Act::Foreign { id, nest } => {
            line(depth, format_args!("foreign task x{id}:"), into);
            print_nest(nest, depth + 1, into);
        }
        Act::Abort(id) => say(format_args!("abort foreign task x{id}")),
        Act::OnDrop { id, what } => say(format_args!("when dropped, d{id}: {what:?}")),
    }
}
