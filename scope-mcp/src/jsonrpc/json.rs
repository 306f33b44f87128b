use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use super::strings::write_value;
use super::write::{string, text_result};

/// Bytes that most parameters do not need more of, nor the request that is made of them.
const USUAL: usize = 192;

/// Text that is known to be JSON, for it was read or written as such: a [`RawValue`] that parts can be added to without
/// all of it being read again.
#[derive(Clone)]
pub(crate) struct Json(String);

impl Json {
    /// Takes over what was made of JSON, as JSON.
    pub(crate) fn trusted(text: String) -> Json {
        Json(text)
    }

    /// The result of a call of a tool that gave this text and nothing else.
    pub(crate) fn of_text(text: &str) -> Json {
        let mut json = Vec::with_capacity(text.len() + USUAL);
        text_result(&mut json, text);
        // All of it is text.
        Json(String::from_utf8(json).unwrap_or_default())
    }

    pub(crate) fn get(&self) -> &str {
        &self.0
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Json {
        Json(Box::<str>::from(raw).into())
    }
}

/// The parameters of a request of ours: JSON, as it was written here.
#[derive(Clone, Debug)]
pub(crate) struct Written(Vec<u8>);

impl Written {
    /// # Errors
    /// What `value` says itself, or that it cannot be JSON.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Written> {
        let mut text = Vec::with_capacity(USUAL);
        write_value(&mut text, value)?;
        Ok(Written(text))
    }

    /// An object, of whose members `members` writes each by [`member`].
    ///
    /// # Errors
    /// Those of `members`.
    pub(crate) fn object<E>(members: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Written, E> {
        let mut text = Vec::with_capacity(USUAL);
        text.push(b'{');
        members(&mut text)?;
        text.push(b'}');
        Ok(Written(text))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The same, to be looked into.
    pub(crate) fn as_raw(&self) -> Option<&RawValue> {
        serde_json::from_slice(&self.0).ok()
    }
}

/// Writes a member of an [object](Written::object) behind those before it. `key` is none that JSON would escape. Returns
/// where its value begins.
///
/// # Errors
/// As [`Written::of`].
pub(crate) fn member<T: Serialize + ?Sized>(text: &mut Vec<u8>, key: &str, value: &T) -> serde_json::Result<usize> {
    if !text.ends_with(b"{") {
        text.push(b',');
    }
    text.push(b'"');
    text.extend_from_slice(key.as_bytes());
    text.extend_from_slice(b"\":");
    let at = text.len();
    write_value(text, value)?;
    Ok(at)
}

/// Writes the members of a call of a tool, from the value of `name` on. Returns where the arguments begin.
///
/// # Errors
/// As [`Written::of`].
pub(crate) fn name_and_arguments<T: Serialize + ?Sized>(
    text: &mut Vec<u8>,
    name: &str,
    arguments: &T,
) -> serde_json::Result<usize> {
    string(text, name);
    text.extend_from_slice(b",\"arguments\":");
    let at = text.len();
    write_value(text, arguments)?;
    Ok(at)
}

impl From<Box<RawValue>> for Written {
    fn from(raw: Box<RawValue>) -> Written {
        Written(Box::<str>::from(raw).into_boxed_bytes().into())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
