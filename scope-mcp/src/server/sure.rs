//! Reads values of text that is known to be JSON, as serde_json does: it has been checked, so that nothing is looked for but
//! where each value ends. What is seldom in the arguments of a tool is left to serde_json, value by value.

use std::fmt;

use memchr::memchr2;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::de::StrRead;

use crate::unescaped::plain_bytes;

/// So many digits are a number that needs no care.
const MAX_DIGITS: usize = 18;

/// By this the names begin of what serde_json takes for something else: for raw JSON, or for a number.
const PRIVATE: &str = "$serde_json::private::";

/// Reads a value of `json`, which is JSON. `None` where it does not fit, or is better read by serde_json, which says why.
pub(super) fn read<T: DeserializeOwned>(json: &str) -> Option<T> {
    T::deserialize(&mut Reader { text: json, at: 0 }).ok()
}

/// Nobody is told why.
#[derive(Debug)]
struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not read")
    }
}

impl std::error::Error for Unread {}

impl Error for Unread {
    fn custom<T: fmt::Display>(_: T) -> Unread {
        Unread
    }
}

/// Has serde_json read `text`, all of it.
fn by_serde_json<'de, T>(
    text: &'de str,
    read: impl FnOnce(&mut serde_json::Deserializer<StrRead<'de>>) -> serde_json::Result<T>,
) -> Result<T, Unread> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = read(&mut reader).map_err(|_| Unread)?;
    reader.end().map(|()| value).map_err(|_| Unread)
}

struct Reader<'de> {
    text: &'de str,
    /// Up to here it has been read.
    at: usize,
}

/// A string: what is between its quotes, if nothing in it is escaped; else all of it.
enum Text<'de> {
    Plain(&'de str),
    Escaped(&'de str),
}

impl<'de> Reader<'de> {
    #[inline]
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The first byte of the next value, or of what is between values.
    #[inline]
    fn first(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.next() {
            self.at += 1;
        }
        self.next()
    }

    #[inline]
    fn has(&mut self, byte: u8) -> bool {
        let has = self.first() == Some(byte);
        self.at += usize::from(has);
        has
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Unread> {
        if self.has(byte) { Ok(()) } else { Err(Unread) }
    }

    fn has_word(&mut self, word: &str) -> bool {
        self.first();
        let has = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if has { word.len() } else { 0 };
        has
    }

    #[inline]
    fn since(&self, from: usize) -> Result<&'de str, Unread> {
        self.text.get(from..self.at).ok_or(Unread)
    }

    #[inline]
    fn string(&mut self) -> Result<Text<'de>, Unread> {
        self.expect(b'"')?;
        let from = self.at;
        self.at += plain_bytes(&self.text.as_bytes()[from..]);
        if self.next() != Some(b'"') {
            return self.long_string(from);
        }
        let text = self.since(from)?;
        self.at += 1;
        Ok(Text::Plain(text))
    }

    /// One that has begun, and is not at its end yet.
    #[inline(never)]
    fn long_string(&mut self, from: usize) -> Result<Text<'de>, Unread> {
        let mut is_escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).ok_or(Unread)?;
            self.at += memchr2(b'"', b'\\', rest).ok_or(Unread)?;
            if self.next() == Some(b'"') {
                break;
            }
            is_escaped = true;
            // With what it escapes; of more bytes none is one of the two.
            self.at += 2;
        }
        let text = self.since(from)?;
        self.at += 1;
        if is_escaped { self.since(from - 1).map(Text::Escaped) } else { Ok(Text::Plain(text)) }
    }

    /// Passes over a value, and gives its text.
    fn value(&mut self) -> Result<&'de str, Unread> {
        let mut depth = 0u32;
        let from = match self.first() {
            Some(_) => self.at,
            None => return Err(Unread),
        };
        loop {
            match self.next().ok_or(Unread)? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1).ok_or(Unread)?;
                    self.at += 1;
                }
                _ if depth > 0 => self.at += 1,
                _ => self.at += self.scalar(),
            }
            if depth == 0 {
                return self.since(from);
            }
        }
    }

    /// How long the number or the word is that comes next.
    fn scalar(&self) -> usize {
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        self.text.as_bytes()[self.at..].iter().take_while(is_part).count()
    }

    /// A whole number that needs no care, if that is what comes next: whether it is negative, and its digits' worth.
    fn whole(&mut self) -> Option<(bool, u64)> {
        self.first();
        let text = &self.text.as_bytes()[self.at..];
        let is_negative = text.starts_with(b"-");
        let digits = &text[usize::from(is_negative)..];
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let after = digits.get(count);
        if !(1..=MAX_DIGITS).contains(&count)
            || matches!(after, Some(b'.' | b'e' | b'E'))
            || (is_negative && digits[0] == b'0')
        {
            return None;
        }
        self.at += usize::from(is_negative) + count;
        Some((is_negative, digits[..count].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))))
    }
}

/// What serde_json is to read: a value with all that is in it.
macro_rules! left_to_serde_json {
    ($($method:ident($($name:ident: $of:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $of,)* visitor: V) -> Result<V::Value, Unread> {
            let value = self.value()?;
            by_serde_json(value, |reader| reader.$method($($name,)* visitor))
        })*
    };
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
            match self.whole() {
                Some((false, number)) => visitor.visit_u64(number),
                // It has too few digits to be too small.
                Some((true, number)) => visitor.visit_i64(-(number as i64)),
                None => {
                    let value = self.value()?;
                    by_serde_json(value, |reader| reader.$method(visitor))
                }
            }
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self.first().ok_or(Unread)? {
            b'{' => self.deserialize_map(visitor),
            b'[' => self.deserialize_seq(visitor),
            b'"' => self.deserialize_str(visitor),
            b't' | b'f' => self.deserialize_bool(visitor),
            b'n' => self.deserialize_unit(visitor),
            _ => {
                let value = self.value()?;
                by_serde_json(value, |reader| reader.deserialize_any(visitor))
            }
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self.string()? {
            Text::Plain(text) => visitor.visit_borrowed_str(text),
            Text::Escaped(text) => by_serde_json(text, |reader| reader.deserialize_str(visitor)),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        if self.has_word("true") {
            return visitor.visit_bool(true);
        }
        if self.has_word("false") { visitor.visit_bool(false) } else { Err(Unread) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        if self.has_word("null") { visitor.visit_unit() } else { Err(Unread) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        if self.has_word("null") { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Unread> {
        if name.starts_with(PRIVATE) {
            let value = self.value()?;
            return by_serde_json(value, |reader| reader.deserialize_newtype_struct(name, visitor));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.expect(b'[')?;
        let read = visitor.visit_seq(Parts { of: self, is_first: true })?;
        self.expect(b']').map(|()| read)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.expect(b'{')?;
        let read = visitor.visit_map(Parts { of: self, is_first: true })?;
        self.expect(b'}').map(|()| read)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        // A list of the fields' values is left to others.
        self.deserialize_map(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.value()?;
        visitor.visit_unit()
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    }

    left_to_serde_json! {
        deserialize_i128()
        deserialize_u128()
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

/// What is in an object or in a list, up to its end.
struct Parts<'r, 'de> {
    of: &'r mut Reader<'de>,
    is_first: bool,
}

impl Parts<'_, '_> {
    /// Whether there is one more before `end`.
    #[inline]
    fn has_next(&mut self, end: u8) -> Result<bool, Unread> {
        if self.of.first() == Some(end) {
            return Ok(false);
        }
        if !std::mem::replace(&mut self.is_first, false) {
            self.of.expect(b',')?;
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Parts<'_, 'de> {
    type Error = Unread;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unread> {
        if self.has_next(b']')? { seed.deserialize(&mut *self.of).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for Parts<'_, 'de> {
    type Error = Unread;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unread> {
        if self.has_next(b'}')? { seed.deserialize(Name(self.of)).map(Some) } else { Ok(None) }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unread> {
        self.of.expect(b':')?;
        seed.deserialize(&mut *self.of)
    }
}

/// The name of a member: a string. Whoever wants something else of it reads it by serde_json.
struct Name<'r, 'de>(&'r mut Reader<'de>);

impl<'de> Deserializer<'de> for Name<'_, 'de> {
    type Error = Unread;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        self.0.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Unread> {
        if name.starts_with(PRIVATE) { Err(Unread) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde::Deserialize;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::Random;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Unit,
        New(u8),
        Struct { a: i8 },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrapped(Option<String>);

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
        Many(Vec<Either>),
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Some {
        a: Option<i64>,
        b: Vec<f32>,
        c: HashMap<String, u8>,
        d: Option<char>,
        e: Option<Kind>,
        f: BTreeMap<u32, bool>,
        g: Option<Either>,
        h: (u64, String),
        i: Option<Box<Some>>,
        j: Option<Wrapped>,
        k: i128,
        l: (),
        #[serde(flatten)]
        others: BTreeMap<String, Value>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        a: String,
        b: Option<u8>,
    }

    /// `None` where it is left to others.
    fn agrees<T: DeserializeOwned + PartialEq + fmt::Debug>(json: &str) -> Option<bool> {
        let elsewhere: Option<T> = serde_json::from_str(json).ok();
        let here: T = read(json)?;
        Some(elsewhere.as_ref() == Option::Some(&here)).inspect(|same| assert!(same, "{json}: {here:?} {elsewhere:?}"))
    }

    fn agrees_with_all(json: &str) -> usize {
        let raw: Option<Box<RawValue>> = read(json);
        assert_eq!(raw.map(|raw| raw.get().to_owned()), Option::Some(json.trim_ascii().to_owned()));
        let of_each = [
            agrees::<Value>(json),
            agrees::<Some>(json),
            agrees::<Strict>(json),
            agrees::<Either>(json),
            agrees::<BTreeMap<String, Value>>(json),
            agrees::<BTreeMap<String, i64>>(json),
            agrees::<Vec<Option<f64>>>(json),
            agrees::<Kind>(json),
            agrees::<String>(json),
            agrees::<u8>(json),
            agrees::<()>(json),
        ];
        of_each.into_iter().flatten().count()
    }

    #[test]
    fn what_most_have_is_read_here() {
        let text = " {\"a\" : \"x\\n\\u00e9\\\"\\\\\" ,\t\"b\":7 }\n";
        assert_eq!(read::<Strict>(text), Option::Some(Strict { a: "x\né\"\\".into(), b: Option::Some(7) }));
        let long = format!("{{\"a\":\"{}\"}}", "é".repeat(100));
        assert_eq!(read::<Strict>(&long).unwrap().a.chars().count(), 100);
        for other in ["{\"a\":1}", "{\"a\":\"\",\"a\":\"\"}", "{\"a\":\"\",\"c\":0}", "{\"b\":1}", "[\"x\",1]", "null"]
        {
            assert!(read::<Strict>(other).is_none(), "{other}");
        }
        let all = r#"{"a":-5,"b":[1,2.5],"c":{"x":1},"d":"é","e":{"struct":{"a":-1}},"f":{},"g":["x",1,[]],
            "h":[1,"y"],"i":{"a":null,"z":{}},"j":null,"k":-7,"l":null,"m":[true,{"n":"\\"}]}"#;
        assert_eq!(agrees::<Some>(all), Option::Some(true));
    }

    #[test]
    fn what_is_read_here_is_read_so_elsewhere() {
        fn value(random: &mut Random, depth: usize) -> Value {
            match random.below(if depth == 0 { 8 } else { 11 }) {
                0 => Value::Null,
                1 => json!(random.below(2) == 0),
                2 => json!(random.below(300) as i64 - 100),
                3 => json!(random.below(1000) as f64 / 8.0),
                4 => json!(
                    [
                        "",
                        "a",
                        "b c",
                        "é\n\"\\",
                        "unit",
                        "a text of more than sixty-four bytes, which is a long one: it is, \"is it"
                    ][random.below(6)]
                ),
                5 => json!({}),
                6 => json!(["18446744073709551615", "1"][random.below(2)]),
                7 => json!([json!(u64::MAX), json!(i64::MIN), json!(1e300), json!(-0.0)][random.below(4)]),
                8 => (0..random.below(3)).map(|_| value(random, depth - 1)).collect(),
                _ => (0..random.below(4))
                    .map(|_| {
                        (
                            ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "7", "new", "n\"o"]
                                [random.below(15)],
                            value(random, depth - 1),
                        )
                    })
                    .collect(),
            }
        }
        let (mut random, mut read) = (Random::new(5), 0);
        for _ in 0..20_000 {
            let value = value(&mut random, 3);
            let json = if random.below(2) == 0 { value.to_string() } else { format!("{value:#}\n") };
            read += agrees_with_all(&json);
        }
        assert!(read > 30_000, "{read} are too few to mean anything");
    }

    #[test]
    fn what_is_no_json_after_all_does_no_harm() {
        let bits = [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\"a\"", "\"b\":", "é", "0", "-", "1.5", "e", "true", "nul", " ",
        ];
        let mut random = Random::new(6);
        for _ in 0..100_000 {
            let json: String = (0..=random.below(8)).map(|_| bits[random.below(bits.len())]).collect();
            let _ = (read::<Value>(&json), read::<Some>(&json), read::<Box<RawValue>>(&json).is_some());
        }
    }
}
