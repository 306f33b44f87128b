//! Rules of the protocol about a message's place in the conversation, which no schema of single messages can have.

use serde_json::Value;

use crate::Side;
use crate::conversation::{Asked, Conversation};

/// The key of the subscription that a notification comes by.
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

impl Conversation {
    /// What is wrong with a notification of `side` at this place.
    pub(crate) fn misplaced(&self, side: Side, revision: &str, method: &str, params: &Value) -> Option<String> {
        match method {
            "notifications/progress" => self.misplaced_progress(side, &params["progressToken"]),
            "notifications/cancelled" => self.misplaced_cancellation(side, revision, &params["requestId"]),
            "notifications/subscriptions/acknowledged"
            | "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated"
            | "notifications/tasks"
                if revision >= "2026-07-28" =>
            {
                let id = &params["_meta"][SUBSCRIPTION];
                let open = self
                    .asked(side.other(), id)
                    .is_some_and(|asked| asked.method == "subscriptions/listen" && !asked.answered);
                (!open).then(|| format!("/params/_meta/{SUBSCRIPTION}: {id} is no subscription that is open"))
            }
            _ => None,
        }
    }

    /// Progress is of a request that asked for it, and comes before its answer; of a task, also after it.
    fn misplaced_progress(&self, side: Side, token: &Value) -> Option<String> {
        let mut of_token = self.all_asked(side.other()).filter(|asked| asked.progress_token.as_ref() == Some(token));
        let open = of_token.any(|asked| !asked.answered || asked.became_task);
        (!open).then(|| format!("/params/progressToken: nobody waits for progress by {token}"))
    }

    /// Who asked may cancel what it asked; in the modern era, a server may end a subscription likewise.
    fn misplaced_cancellation(&self, side: Side, revision: &str, id: &Value) -> Option<String> {
        let own = self.asked(side, id);
        let subscription = self.asked(side.other(), id).filter(|asked| asked.method == "subscriptions/listen");
        match (own, subscription) {
            (Some(Asked { method, .. }), _) if method == "initialize" => {
                Some("/params/requestId: initialize cannot be cancelled".to_owned())
            }
            (Some(_), _) => None,
            (None, Some(_)) if side == Side::Server && revision >= "2026-07-28" => None,
            (None, _) => Some(format!("/params/requestId: {id} is no request of the {side}")),
        }
    }
}
