//! Makes a program that breaks a rule smaller, as long as it breaks that rule.

use std::sync::Arc;

use crate::program::{Act, Block, Finalizer, Nest, Program, Spawn};

/// The programs one step smaller.
fn smaller(program: &Program) -> Vec<Program> {
    let root = &program.root;
    let with = |block: Block| Program { root: Arc::new(Nest { block, ..(**root).clone() }) };
    smaller_blocks(&root.block).into_iter().map(with).collect()
}

fn smaller_blocks(block: &Block) -> Vec<Block> {
    let mut all = Vec::new();
    // Large pieces first.
    let mut piece = block.len();
    while piece > 0 {
        for from in (0..block.len()).step_by(piece) {
            let mut acts = (**block).clone();
            acts.drain(from..(from + piece).min(acts.len()));
            all.push(Arc::new(acts));
        }
        piece /= 2;
    }
    for (at, act) in block.iter().enumerate() {
        let replace = |by: Vec<Act>| {
            let mut acts = (**block).clone();
            acts.splice(at..=at, by);
            Arc::new(acts)
        };
        // What is in it, without it.
        if matches!(act, Act::Nest(_) | Act::Race(_) | Act::Join(_) | Act::Abandon(..)) {
            all.extend(act.blocks().into_iter().map(|inner| replace((**inner).clone())));
        }
        all.extend(simpler(act).into_iter().map(|act| replace(vec![act])));
        let blocks: Vec<Block> = act.blocks().into_iter().cloned().collect();
        for (number, inner) in blocks.iter().enumerate() {
            for inner in smaller_blocks(inner) {
                let mut blocks = blocks.clone();
                blocks[number] = inner;
                all.push(replace(vec![act.with_blocks(blocks)]));
            }
        }
    }
    all
}

/// The act with less to it.
fn simpler(act: &Act) -> Vec<Act> {
    match act {
        Act::Sleep(millis) | Act::ForeignSleep(millis) if *millis > 1 => vec![Act::Sleep(1), Act::Sleep(millis / 2)],
        Act::Sleep(_) | Act::ForeignSleep(_) => vec![Act::Turn],
        Act::Checkpoint => vec![Act::Turn],
        Act::Race(blocks) | Act::Join(blocks) if blocks.len() > 1 => (0..blocks.len())
            .map(|gone| {
                let mut left = blocks.clone();
                left.remove(gone);
                if matches!(act, Act::Race(_)) { Act::Race(left) } else { Act::Join(left) }
            })
            .collect(),
        Act::Abandon(polls, block) if *polls > 0 => vec![Act::Abandon(polls - 1, block.clone())],
        Act::Nest(nest) => {
            let mut all = Vec::new();
            if nest.deadline.is_some() && nest.kind == crate::program::NestKind::Nursery {
                all.push(Nest { deadline: None, ..(**nest).clone() });
            }
            if nest.budget.is_some() {
                all.push(Nest { budget: None, ..(**nest).clone() });
            }
            if !nest.caught {
                all.push(Nest { caught: true, ..(**nest).clone() });
            }
            if nest.deadline.is_some_and(|millis| millis > 1) {
                all.push(Nest { deadline: nest.deadline.map(|millis| millis / 2), ..(**nest).clone() });
            }
            all.into_iter().map(|nest| Act::Nest(Arc::new(nest))).collect()
        }
        Act::Spawn(spawn) if spawn.handle => vec![Act::Spawn(Arc::new(Spawn { handle: false, ..(**spawn).clone() }))],
        Act::Finalizer(finalizer) if finalizer.share.is_some() => {
            vec![Act::Finalizer(Arc::new(Finalizer { share: None, ..(**finalizer).clone() }))]
        }
        _ => Vec::new(),
    }
}

/// The smallest program found for which `fails` still holds, trying `most` programs at the most.
pub(crate) fn shrink(program: &Program, most: usize, mut fails: impl FnMut(&Program) -> bool) -> Program {
    let mut best = program.clone();
    let mut tried = 0;
    loop {
        let Some(better) = smaller(&best).into_iter().find(|candidate| {
            tried += 1;
            tried <= most && fails(candidate)
        }) else {
            return best;
        };
        best = better;
    }
}
