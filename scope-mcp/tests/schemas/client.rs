//! A client of ours that answers everything.

use std::sync::Arc;
use std::time::Duration;

use scope_mcp::model::{ContentBlock, CreateMessageResult, ElicitResult, Implementation, Object, Root};
use scope_mcp::{ClientOptions, Roots};

use crate::judged::Judged;

/// All its handlers, and its roots, which can be changed.
pub(crate) fn options(wire: Arc<Judged>) -> (ClientOptions, Roots) {
    let roots = Roots::new([Root::new("file:///home").name("home")]);
    let options = ClientOptions::default()
        .open_timeout(Duration::from_secs(60))
        .client_info(Implementation::new("everything", "1.0").title("Everything"))
        .roots(roots.clone())
        .on_sampling(|_| async { Ok(CreateMessageResult::new("m", ContentBlock::text("Hi")).stop_reason("endTurn")) })
        .on_elicitation(|question| async move {
            let fields = question.params.requested_schema["properties"].as_object().cloned().unwrap_or_default();
            let filled = Object::from_iter([("name".to_owned(), "Ada".into()), ("some".to_owned(), vec!["a"].into())]);
            Ok(ElicitResult::accept_with(filled.into_iter().filter(|(name, _)| fields.contains_key(name)).collect()))
        })
        .on_elicitation_url(|_| async { Ok(ElicitResult::accept()) })
        .wire(wire);
    (options, roots)
}
