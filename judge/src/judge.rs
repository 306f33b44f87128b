use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::Schemas;
use crate::conversation::Conversation;

/// Who writes a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

impl Side {
    pub(crate) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Side::Client => "client",
            Side::Server => "server",
        })
    }
}

/// Something that the schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Which line of the conversation, from 1 on.
    pub number: u64,
    /// Who wrote it.
    pub side: Side,
    /// The revision it was judged by.
    pub revision: String,
    /// What it was to be, by its name in the schema; or the method, if there is no such type.
    pub type_name: String,
    /// Where in it, and why.
    pub reason: String,
    /// The line.
    pub line: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { number, side, revision, type_name, reason, line } = self;
        let short: String = line.chars().take(600).collect();
        write!(f, "line {number}, of the {side}, is no {type_name} of {revision}: {reason}\n    {short}")
    }
}

/// See the [crate](crate).
pub struct Judge {
    sides: Vec<Side>,
    state: Mutex<State>,
}

struct State {
    conversation: Conversation,
    violations: Vec<Violation>,
    judged: BTreeMap<String, u64>,
    lines: u64,
}

impl Judge {
    /// For one conversation, of which these sides are judged. The other is only listened to.
    pub fn new(schemas: Schemas, sides: impl IntoIterator<Item = Side>) -> Judge {
        let state = State {
            conversation: Conversation::new(schemas),
            violations: Vec::new(),
            judged: BTreeMap::new(),
            lines: 0,
        };
        Judge { sides: sides.into_iter().collect(), state: Mutex::new(state) }
    }

    /// Hears one line, without its end. A batch counts as one line.
    pub fn line(&self, side: Side, line: &str) {
        let mut state = self.state();
        state.lines += 1;
        let number = state.lines;
        let judged = self.sides.contains(&side);
        let messages = match serde_json::from_str(line) {
            Ok(Value::Array(messages)) => messages,
            Ok(message) => vec![message],
            // What the other side writes may be anything.
            Err(_) if !judged => return,
            Err(error) => {
                let reason = format!("it is not JSON: {error}");
                let revision = state.conversation.revision().to_owned();
                let type_name = "JSONRPCMessage".to_owned();
                state.violations.push(Violation { number, side, revision, type_name, reason, line: line.to_owned() });
                return;
            }
        };
        for message in messages {
            let verdict = state.conversation.hear(side, &message);
            if judged {
                for reason in verdict.reasons {
                    state.violations.push(Violation {
                        number,
                        side,
                        revision: verdict.revision.clone(),
                        type_name: verdict.type_name.clone(),
                        reason,
                        line: line.to_owned(),
                    });
                }
                *state.judged.entry(format!("{} {}", verdict.revision, verdict.type_name)).or_default() += 1;
            }
        }
    }

    /// What was not as the schema has it, so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.state().violations.clone()
    }

    /// How many messages were judged so far, by revision and type (`2026-07-28 CallToolRequest`): whoever wants to have
    /// tested something looks here whether it was there.
    pub fn judged(&self) -> BTreeMap<String, u64> {
        self.state().judged.clone()
    }

    /// Whether everything so far was as the schema has it.
    ///
    /// # Errors
    /// What was not, for people; or that there was nothing to be judged.
    pub fn verdict(&self) -> Result<(), String> {
        let state = self.state();
        let judged: u64 = state.judged.values().sum();
        let list: Vec<String> = state.violations.iter().map(ToString::to_string).collect();
        match (list.is_empty(), judged) {
            (false, _) => Err(format!("{} of {judged} messages:\n{}", list.len(), list.join("\n"))),
            (true, 0) => Err("there was nothing to be judged".to_owned()),
            (true, _) => Ok(()),
        }
    }

    /// Panics unless everything so far was as the schema has it, as [`verdict`](Judge::verdict) says.
    #[track_caller]
    pub fn assert_clean(&self) {
        if let Err(why) = self.verdict() {
            panic!("{why}");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Judge")
            .field("sides", &self.sides)
            .field("lines", &state.lines)
            .field("violations", &state.violations.len())
            .finish_non_exhaustive()
    }
}
