use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::value::RawValue;

/// The id of a request: a JSON number or string, kept exactly as it stood on the wire.
///
/// `1`, `1.0` and `"1"` are three different ids here, because the peer that sent one expects the same text back.
#[derive(Clone)]
pub struct Id(Text);

/// Nearly all ids are short, and each is copied several times.
#[derive(Clone)]
enum Text {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Arc<str>),
}

const SHORT: usize = 22;

impl Id {
    /// In bytes of JSON. A longer one is none: each is kept as long as its request, and nobody needs that much.
    pub(crate) const LONGEST: usize = 1024;

    /// Takes over `text`, a JSON value, if it can be an id, which an object, an array, a boolean, `null` and what is too
    /// long cannot.
    pub(crate) fn from_value(text: &str) -> Option<Id> {
        match text.as_bytes().first()? {
            b'"' | b'-' | b'0'..=b'9' if text.len() <= SHORT => {
                let mut bytes = [0; SHORT];
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                Some(Id(Text::Short { len: text.len() as u8, bytes }))
            }
            b'"' | b'-' | b'0'..=b'9' if text.len() <= Id::LONGEST => Some(Id(Text::Long(text.into()))),
            _ => None,
        }
    }

    /// As [`Id::from_value`], of a whole number that is not negative, by its digits. A longer one is read by others.
    pub(super) fn from_digits(digits: &[u8]) -> Option<Id> {
        let mut bytes = [0; SHORT];
        bytes.get_mut(..digits.len())?.copy_from_slice(digits);
        match digits {
            [] | [b'0', _, ..] => None,
            _ => Some(Id(Text::Short { len: digits.len() as u8, bytes })),
        }
    }

    /// As [`Id::from_value`], from bytes that were cut out of a message and have not been checked yet.
    pub(crate) fn from_json(text: &[u8]) -> Option<Id> {
        let raw: &RawValue = serde_json::from_slice(text).ok()?;
        Id::from_value(raw.get())
    }

    /// The id as JSON text.
    pub fn as_json(&self) -> &str {
        match &self.0 {
            // It was a text.
            Text::Short { len, bytes } => std::str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or_default(),
            Text::Long(text) => text,
        }
    }

    /// The same, without a look whether it is text: it was.
    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Short { len, bytes } => &bytes[..usize::from(*len)],
            Text::Long(text) => text.as_bytes(),
        }
    }

    /// The id as a whole number, if it is one. `1.0` is: JSON has only one kind of number, and some peers answer that
    /// way. `"1"` is not.
    pub fn as_u64(&self) -> Option<u64> {
        whole_number(self.as_json())
    }
}

/// The largest whole number up to which a JSON number written as a float is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `text`, a JSON number, as a whole number.
pub(crate) fn whole_number(text: &str) -> Option<u64> {
    if let Ok(number) = text.parse::<u64>() {
        return Some(number);
    }
    if text.starts_with('"') {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    // In this range the conversion loses nothing.
    ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.as_json())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<Id> {
        Id::from_json(text.as_bytes())
    }

    #[test]
    fn an_id_is_a_number_or_a_string_and_nothing_else() {
        assert_eq!(id("1").unwrap().as_json(), "1");
        assert_eq!(id("\"a\\u0062\"").unwrap().as_json(), "\"a\\u0062\"");
        assert_eq!(id("-3").unwrap().as_json(), "-3");
        for no in ["null", "true", "{}", "[1]", "", "1 2", "nan", "\"open"] {
            assert!(id(no).is_none(), "{no} was taken for an id");
        }
        let long = format!("\"{}\"", "x".repeat(Id::LONGEST - 2));
        assert!(id(&long).is_some() && id(&format!("1{}", "0".repeat(Id::LONGEST))).is_none());
    }

    #[test]
    fn whole_numbers_are_found_however_they_are_written() {
        assert_eq!(id("1").unwrap().as_u64(), Some(1));
        assert_eq!(id("1.0").unwrap().as_u64(), Some(1));
        assert_eq!(id("1e3").unwrap().as_u64(), Some(1000));
        assert_eq!(id("9007199254740993").unwrap().as_u64(), Some(9_007_199_254_740_993));
        assert_eq!(id("18446744073709551615").unwrap().as_u64(), Some(u64::MAX));
        for no in ["\"1\"", "1.5", "-1", "1e40", "18446744073709551616"] {
            assert_eq!(id(no).unwrap().as_u64(), None, "{no}");
        }
    }

    #[test]
    fn ids_that_read_alike_are_not_the_same() {
        assert_ne!(id("1"), id("1.0"));
        assert_ne!(id("1"), id("\"1\""));
    }
}
