use std::fmt;

use serde_json::value::RawValue;

/// Text that is known to be JSON, for it was read or written as such: a [`RawValue`] that parts can be added to without
/// all of it being read again.
#[derive(Clone)]
pub(crate) struct Json(String);

impl Json {
    /// Takes over what was made of JSON, as JSON.
    pub(crate) fn trusted(text: String) -> Json {
        Json(text)
    }

    pub(crate) fn get(&self) -> &str {
        &self.0
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Json {
        Json(Box::<str>::from(raw).into())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
