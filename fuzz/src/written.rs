//! What our side writes: whatever it was told, each line has to be a message, or several in a list.

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
    pub fn read(line: &[u8]) -> Vec<Written> {
        let read = match line.first() {
            Some(b'[') => serde_json::from_slice(line),
            _ => serde_json::from_slice(line).map(|one| vec![one]),
        };
        match read {
            Ok(messages) if !messages.is_empty() => messages.into_iter().map(Written::read_one).collect(),
            other => panic!("{}: {other:?}", line.escape_ascii()),
        }
    }

    fn read_one(json: &RawValue) -> Written {
        let message: BTreeMap<&str, &RawValue> =
            serde_json::from_str(json.get()).unwrap_or_else(|error| panic!("{json}: {error}"));
        let has = |key: &str| message.contains_key(key);
        assert_eq!(message.get("jsonrpc").map(|it| it.get()), Some("\"2.0\""), "{json}");
        let kinds = [has("method"), has("result"), has("error")];
        assert_eq!(kinds.iter().filter(|it| **it).count(), 1, "{json}");
        // An error about something that had no id needs none.
        assert!(has("id") || has("method") || has("error"), "{json}");
        let method = message.get("method").map(|it| serde_json::from_str(it.get()).expect("a method is a string"));
        Written { id: message.get("id").map(|it| it.get().to_owned()), method }
    }
}
