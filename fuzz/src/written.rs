//! What our side writes: whatever it was told, each line has to be a message.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// As much of a message as matters here.
#[derive(Debug)]
pub struct Written {
    /// Its id, as JSON: it may be one that the peer made up, of any size.
    pub id: Option<String>,
    /// Its method.
    pub method: Option<String>,
}

impl Written {
    /// Reads a line without its end.
    ///
    /// # Panics
    /// If it is no message.
    pub fn read(line: &[u8]) -> Written {
        let shown = || line.escape_ascii().to_string();
        let message: BTreeMap<&str, &RawValue> =
            serde_json::from_slice(line).unwrap_or_else(|error| panic!("{}: {error}", shown()));
        let has = |key: &str| message.contains_key(key);
        assert_eq!(message.get("jsonrpc").map(|it| it.get()), Some("\"2.0\""), "{}", shown());
        let kinds = [has("method"), has("result"), has("error")];
        assert_eq!(kinds.iter().filter(|it| **it).count(), 1, "{}", shown());
        assert!(has("id") || has("method"), "{}", shown());
        let method = message.get("method").map(|it| serde_json::from_str(it.get()).expect("a method is a string"));
        Written { id: message.get("id").map(|it| it.get().to_owned()), method }
    }
}
