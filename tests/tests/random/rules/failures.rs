//! n03: whatever fails turns up exactly once, in somebody's hands, and nothing else does.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::Kind;
use crate::journal::{How, Leaf, Outcome, What};
use crate::program::ROOT;
use crate::rules::Judge;

const LOST: &str = "n03: no failure is lost";
const TWICE: &str = "n03: no failure turns up twice";
const INVENTED: &str = "n03: no failure is made up";

pub(crate) fn judge(judge: &mut Judge<'_, '_>) {
    let facts = judge.facts;
    let mut raised = BTreeMap::<Leaf, (usize, usize)>::new();
    let mut caught = BTreeMap::<Leaf, usize>::new();
    for (at, entry) in facts.entries.iter().enumerate() {
        match &entry.what {
            What::Raised(leaf) => {
                let times = raised.entry(*leaf).or_insert((at, 0));
                times.1 += 1;
            }
            What::Caught(leaves) => {
                for leaf in leaves {
                    *caught.entry(*leaf).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    // A root of a foreign task that is dropped has nobody to give its failures to; they are told as lost.
    let told: BTreeSet<&str> = facts
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::SawLost(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let told_lost = |leaf: &Leaf| {
        let word = match leaf {
            Leaf::Error(id) => format!("e{id}"),
            Leaf::Panic(id) => format!("p{id}"),
            Leaf::Cut(_) => return told.iter().any(|text| text.contains(" ended early")),
            Leaf::Overran(id) => format!("f{id}"),
            Leaf::Refused(id) | Leaf::Aborted(id) => format!("t{id}"),
            Leaf::Unknown => return false,
        };
        told.iter().any(|text| {
            // Of a scope's error, the event names the first cause only.
            text.contains(" more)") || text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word)
        })
    };
    // The value of a block's body, an error or not, goes with the block if that is dropped while it joins.
    let went_with: BTreeSet<Leaf> = facts
        .lives
        .iter()
        .filter(|(id, _)| {
            facts.get(**id).is_some_and(|fact| fact.kind == Kind::Block) && facts.dropped.contains_key(id)
        })
        .flat_map(|(_, life)| &life.ended)
        .flat_map(|(_, how)| if let How::Failed(leaves) = how { leaves.clone() } else { Vec::new() })
        .collect();
    let left_to_its_holder =
        |leaf: &Leaf| matches!(leaf, Leaf::Overran(id) if facts.get(*id).is_some_and(|fact| fact.carried));
    for (leaf, (_, times)) in &raised {
        match caught.get(leaf).copied().unwrap_or(0) {
            0 if told_lost(leaf) || went_with.contains(leaf) || left_to_its_holder(leaf) => {}
            0 => judge.broken(LOST, format!("{leaf:?}")),
            found if found > *times => judge.broken(TWICE, format!("{leaf:?} is caught {found} times")),
            _ => {}
        }
    }
    for (leaf, times) in &caught {
        let known = match leaf {
            Leaf::Refused(child) => {
                let life = facts.lives.get(child);
                *times == 1 && life.is_some_and(|life| life.started.is_empty())
            }
            Leaf::Unknown | Leaf::Aborted(_) => false,
            leaf => raised.contains_key(leaf),
        };
        if !known {
            judge.broken(INVENTED, format!("{leaf:?}"));
        }
    }
    // A root that panics has nobody to give the rest to.
    let root_panics = matches!(facts.returned.get(&ROOT), Some((_, Outcome::Panicked(_))));
    for entry in facts.entries {
        if let What::SawLost(text) = &entry.what
            && !root_panics
            && !facts.facts.values().any(|fact| fact.kind == Kind::Foreign || fact.carried)
        {
            judge.broken(LOST, text.clone());
        }
    }
}
