//! Values as serde_json writes them, but for their strings: those are looked at many bytes at a time, and most of them are
//! then copied as they are. Whatever else there is goes through serde_json, which writes to the same text.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use crate::unescaped::is_all_plain;

/// What is longer is not moved if that can be helped.
const LONG: usize = 4096;

/// Bytes behind a string, as a rule.
const AROUND: usize = 64;

/// By this the names of structs begin whose fields serde_json takes for something else: for raw JSON, or for a number.
const PRIVATE: &str = "$serde_json::private::";

/// Writes `value` at the end of `text`.
///
/// # Errors
/// As [`serde_json::to_writer`]; then a part of it may have been written.
pub(super) fn write_value<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) -> serde_json::Result<()> {
    let sink = Sink { text: RefCell::new(text), deaf: Cell::new(false) };
    value.serialize(Strings { inner: &mut serde_json::Serializer::new(&sink), sink: &sink })
}

/// Where serde_json writes to, and we do.
struct Sink<'t> {
    text: RefCell<&'t mut Vec<u8>>,
    /// What serde_json writes now has been written already.
    deaf: Cell<bool>,
}

impl Sink<'_> {
    fn string(&self, string: &str) {
        let mut text = self.text.borrow_mut();
        // Nor is a long one to be moved for what comes behind it.
        text.reserve(string.len() + if string.len() > LONG { AROUND } else { 2 });
        text.push(b'"');
        text.extend_from_slice(string.as_bytes());
        text.push(b'"');
    }
}

impl io::Write for &Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.deaf.get() {
            self.text.borrow_mut().extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A serializer of serde_json's, but for strings.
struct Strings<'s, 't, S> {
    inner: S,
    sink: &'s Sink<'t>,
}

/// A value that is written so wherever serde_json has it written.
struct With<'s, 't, 'v, T: ?Sized> {
    value: &'v T,
    sink: &'s Sink<'t>,
}

impl<T: Serialize + ?Sized> Serialize for With<'_, '_, '_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Strings { inner, sink: self.sink })
    }
}

macro_rules! as_it_is {
    ($($method:ident($($name:ident: $of:ty),*))*) => {
        $(fn $method(self, $($name: $of),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($name),*)
        })*
    };
}

impl<'s, 't, S: Serializer> Serializer for Strings<'s, 't, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Parts<'s, 't, S::SerializeSeq>;
    type SerializeTuple = Parts<'s, 't, S::SerializeTuple>;
    type SerializeTupleStruct = Parts<'s, 't, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Parts<'s, 't, S::SerializeTupleVariant>;
    type SerializeMap = Parts<'s, 't, S::SerializeMap>;
    type SerializeStruct = Parts<'s, 't, S::SerializeStruct>;
    type SerializeStructVariant = Parts<'s, 't, S::SerializeStructVariant>;

    as_it_is! {
        serialize_bool(value: bool)
        serialize_i8(value: i8)
        serialize_i16(value: i16)
        serialize_i32(value: i32)
        serialize_i64(value: i64)
        serialize_i128(value: i128)
        serialize_u8(value: u8)
        serialize_u16(value: u16)
        serialize_u32(value: u32)
        serialize_u64(value: u64)
        serialize_u128(value: u128)
        serialize_f32(value: f32)
        serialize_f64(value: f64)
        serialize_char(value: char)
        serialize_bytes(value: &[u8])
        serialize_none()
        serialize_unit()
        serialize_unit_struct(name: &'static str)
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str)
    }

    fn serialize_str(self, string: &str) -> Result<S::Ok, S::Error> {
        if !is_all_plain(string.as_bytes()) {
            return self.inner.serialize_str(string);
        }
        self.sink.string(string);
        // It has to say that it has written one.
        self.sink.deaf.set(true);
        let written = self.inner.serialize_str("");
        self.sink.deaf.set(false);
        written
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&With { value, sink: self.sink })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &With { value, sink: self.sink })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_variant(name, index, variant, &With { value, sink: self.sink })
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(Parts::new(self.inner.serialize_seq(len)?, self.sink))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(Parts::new(self.inner.serialize_tuple(len)?, self.sink))
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        Ok(Parts::new(self.inner.serialize_tuple_struct(name, len)?, self.sink))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        Ok(Parts::new(self.inner.serialize_tuple_variant(name, index, variant, len)?, self.sink))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(Parts::new(self.inner.serialize_map(len)?, self.sink))
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        let inner = self.inner.serialize_struct(name, len)?;
        Ok(Parts { inner, sink: self.sink, private: name.starts_with(PRIVATE) })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        Ok(Parts::new(self.inner.serialize_struct_variant(name, index, variant, len)?, self.sink))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// What is made of several values.
struct Parts<'s, 't, S> {
    inner: S,
    sink: &'s Sink<'t>,
    /// Its fields are serde_json's own affair.
    private: bool,
}

impl<'s, 't, S> Parts<'s, 't, S> {
    fn new(inner: S, sink: &'s Sink<'t>) -> Self {
        Parts { inner, sink, private: false }
    }
}

macro_rules! of_values {
    ($($kind:ident :: $method:ident)*) => {
        $(impl<S: $kind> $kind for Parts<'_, '_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.inner.$method(&With { value, sink: self.sink })
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        })*
    };
}

of_values! {
    SerializeSeq::serialize_element
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

/// Keys are short, and have rules of their own.
impl<S: SerializeMap> SerializeMap for Parts<'_, '_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_value(&With { value, sink: self.sink })
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

impl<S: SerializeStruct> SerializeStruct for Parts<'_, '_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
        if self.private {
            self.inner.serialize_field(key, value)
        } else {
            self.inner.serialize_field(key, &With { value, sink: self.sink })
        }
    }

    fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
        self.inner.skip_field(key)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

impl<S: SerializeStructVariant> SerializeStructVariant for Parts<'_, '_, S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_field(key, &With { value, sink: self.sink })
    }

    fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
        self.inner.skip_field(key)
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::write_value;

    fn same<T: Serialize + ?Sized>(value: &T) {
        let mut text = b"before ".to_vec();
        let ours = write_value(&mut text, value);
        match serde_json::to_vec(value) {
            Ok(theirs) => {
                ours.unwrap();
                assert_eq!(
                    String::from_utf8(text).unwrap(),
                    "before ".to_owned() + &String::from_utf8(theirs).unwrap()
                );
            }
            Err(why) => assert_eq!(ours.unwrap_err().to_string(), why.to_string()),
        }
    }

    const STRINGS: [&str; 8] =
        ["", "plain", "é🦀\u{7f}", "a\"b", "\\", "\u{0}\n", "\u{2028}", "sixteen and more\" bytes of it"];

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Newtype(&'static str);

    #[derive(Serialize)]
    struct Pair(&'static str, Option<char>);

    #[derive(Serialize)]
    enum Kind<'a> {
        Unit,
        Newtype(&'a str),
        Tuple(&'a str, f64),
        Struct { of: &'a str, more: Option<Box<Kind<'a>>> },
    }

    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Tagged<'a> {
        Text { text: &'a str },
    }

    #[derive(Serialize)]
    struct All<'a> {
        string: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        none: Option<&'a str>,
        some: Option<&'a str>,
        raw: &'a RawValue,
        number: serde_json::Number,
        kinds: Vec<Kind<'a>>,
        tagged: Tagged<'a>,
        unit: Unit,
        newtype: Newtype,
        pair: Pair,
        tuple: (u8, &'a str, ()),
        by_number: BTreeMap<i64, &'a str>,
        #[serde(flatten)]
        flat: BTreeMap<&'a str, Value>,
    }

    #[test]
    fn whatever_it_is_it_is_written_as_serde_json_writes_it() {
        let raw: Box<RawValue> = serde_json::from_str("{ \"as\" : [\"it\\u0041\", 1.50 ] }").unwrap();
        for string in STRINGS {
            same(string);
            same(&string.chars().next());
            same(string.as_bytes());
            same(&format_args!("{string}"));
            same(&BTreeMap::from([(string, [string])]));
            let kinds = || {
                let more = Some(Box::new(Kind::Tuple(string, -1.5e300)));
                vec![Kind::Unit, Kind::Newtype(string), Kind::Struct { of: string, more }]
            };
            same(&All {
                string,
                none: None,
                some: Some(string),
                raw: &raw,
                number: 7.into(),
                kinds: kinds(),
                tagged: Tagged::Text { text: string },
                unit: Unit,
                newtype: Newtype("new"),
                pair: Pair("a\n", Some('"')),
                tuple: (1, string, ()),
                by_number: BTreeMap::from([(-3, string)]),
                flat: BTreeMap::from([("flat", json!({ "a": [string, null, true, u64::MAX] }))]),
            });
        }
        same(&(f64::NAN, f32::MIN, i128::MIN, u128::MAX, i8::MIN, [Some(1_u16)]));
        same(&*raw);
    }

    #[test]
    fn what_serde_json_cannot_write_is_the_same_error() {
        same(&BTreeMap::from([(Some("no key"), 1)]));
        same(&BTreeMap::from([(vec![1], "no key")]));
    }
}
