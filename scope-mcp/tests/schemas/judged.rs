//! A client whose every line is judged, and those of its server.

use std::collections::BTreeMap;
use std::sync::Arc;

use libtest_mimic::Trial;
use scope_mcp::{Direction, Wire, WireLine};
use scope_mcp_judge::{Judge, Schemas, Side};

/// Hands what passes a client to a judge; without secrets, as all who watch get it, which changes no field's name or type.
pub(crate) struct Judged(Arc<Judge>);

impl Judged {
    /// A judge of these sides, and what brings it the lines.
    pub(crate) fn new(schemas: &Schemas, sides: impl IntoIterator<Item = Side>) -> (Arc<Judge>, Arc<Judged>) {
        let judge = Arc::new(Judge::new(schemas.clone(), sides));
        (Arc::clone(&judge), Arc::new(Judged(judge)))
    }
}

impl Wire for Judged {
    fn line(&self, line: &WireLine<'_>) {
        let side = match line.direction() {
            Direction::Sent => Side::Client,
            Direction::Received => Side::Server,
        };
        self.0.line(side, &line.text());
    }
}

/// All of it was right, and messages of all these types of `revision` were there.
#[track_caller]
pub(crate) fn assert_right(judge: &Judge, revision: &str, types: &[&str]) {
    judge.assert_clean();
    let judged: BTreeMap<String, u64> = judge.judged();
    let missing: Vec<&&str> = types.iter().filter(|name| !judged.contains_key(&format!("{revision} {name}"))).collect();
    assert!(missing.is_empty(), "no message was one of {missing:?}; those of {revision} that were: {judged:#?}");
}

/// A test that needs the schemas.
pub(crate) fn trial(name: String, schemas: Option<&Schemas>, test: impl FnOnce(&Schemas) + Send + 'static) -> Trial {
    let schemas = schemas.cloned();
    Trial::test(name, move || {
        test(schemas.as_ref().ok_or("there are no schemas")?);
        Ok(())
    })
}
