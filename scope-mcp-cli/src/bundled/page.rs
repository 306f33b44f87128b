//! Lists, a page at a time.

use serde_json::{Value, json};

use super::output::Error;

/// Small, so that a client has to ask for more than one.
const PAGE: usize = 3;

/// What a cursor starts with. It is opaque to clients.
const CURSOR: &str = "from:";

/// One page of `all`, as the member `field` of a result.
pub(super) fn page<T>(
    cursor: Option<&Value>,
    field: &str,
    all: &[T],
    describe: impl Fn(&T) -> Value,
) -> Result<Value, Error> {
    let start = match cursor {
        None => 0,
        Some(Value::String(cursor)) => cursor
            .strip_prefix(CURSOR)
            .and_then(|start| start.parse().ok())
            .filter(|start| (1..all.len()).contains(start))
            .ok_or_else(|| Error::invalid_params(format!("the cursor {cursor:?} is none of ours")))?,
        Some(_) => return Err(Error::invalid_params("a cursor is a string")),
    };
    let end = all.len().min(start + PAGE);
    let mut result = json!({ field: all[start..end].iter().map(describe).collect::<Vec<_>>() });
    if end < all.len() {
        result["nextCursor"] = json!(format!("{CURSOR}{end}"));
    }
    Ok(result)
}
