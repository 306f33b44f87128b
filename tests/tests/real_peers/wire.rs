//! What went over the wire, both ways, and waiting for it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;
use scope_mcp::{Direction, WireLine};
use serde_json::Value;

/// How many lines the message of a failed test shows.
const SHOWN: usize = 12;

/// The messages so far. Clones show the same wire.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Shared>);

#[derive(Default)]
struct Shared {
    messages: Mutex<Vec<(Direction, Value)>>,
    more: Event,
}

impl scope_mcp::Wire for Wire {
    fn line(&self, line: &WireLine<'_>) {
        // What is no JSON is the client's business.
        if let Ok(message) = serde_json::from_str(&line.text()) {
            self.messages().push((line.direction(), message));
            self.0.more.notify(usize::MAX);
        }
    }
}

impl Wire {
    /// How many messages there have been. To wait for what comes after.
    pub(crate) fn position(&self) -> usize {
        self.messages().len()
    }

    /// The messages of that direction, from `since` on, that `wanted` knows.
    pub(crate) fn find(&self, since: usize, direction: Direction, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.messages()[since..]
            .iter()
            .filter(|(which, message)| *which == direction && wanted(message))
            .map(|(_, message)| message.clone())
            .collect()
    }

    /// Waits until [`find`](Wire::find) has `count` of them.
    pub(crate) async fn wait_for(
        &self,
        count: usize,
        since: usize,
        direction: Direction,
        wanted: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        loop {
            // Listens before it looks: what comes in between is not missed.
            let more = self.0.more.listen();
            let found = self.find(since, direction, &wanted);
            if found.len() >= count {
                return found;
            }
            more.await;
        }
    }

    fn messages(&self) -> MutexGuard<'_, Vec<(Direction, Value)>> {
        self.0.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last messages, each cut short: for the message of a test that failed. Nothing if there are none.
impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = self.messages();
        if !messages.is_empty() {
            writeln!(f, "the last lines on the wire:")?;
        }
        for (direction, message) in &messages[messages.len().saturating_sub(SHOWN)..] {
            let text: String = message.to_string().chars().take(160).collect();
            writeln!(f, "  {direction} {text}")?;
        }
        Ok(())
    }
}
