//! Lists that come in pages.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::write;
use super::{CallOptions, Client};
use crate::Era;
use crate::decode::decode;
use crate::error::{CallError, CallName, Delivery, parse_error};
use crate::model::Object;
use crate::visible::Visible;

/// One page of a list, as the server gave it.
///
/// A server may change its list between two pages: then an item can be on both, or on none.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it, in the server's order.
    pub items: Vec<T>,
    /// What to ask for the next page with; `None` on the last one. It means something to the server only.
    pub next_cursor: Option<String>,
    /// What else the server sent: `_meta`, and from the revision 2026-07-28 on `ttlMs` and `cacheScope`.
    pub extra: Object,
}

/// What servers list in pages.
pub(super) trait Listed: DeserializeOwned {
    /// The method that lists it.
    const METHOD: &'static str;
    /// Without this capability a server has none.
    const CAPABILITY: &'static str;
    /// Where they stand in the result.
    const FIELD: &'static str;
    /// One and several of them, in messages.
    const NOUN: [&'static str; 2];
}

impl Client {
    /// All of them, over all pages, in the time for one call. A server that does not declare them is not asked.
    pub(super) async fn list_all<T: Listed>(&self, options: &CallOptions) -> Result<Vec<T>, CallError> {
        let name = self.call_name(T::METHOD, None);
        let server = self.opened(&name).await?;
        if !server.capabilities.has(T::CAPABILITY) {
            return Ok(Vec::new());
        }
        let limits = &self.shared.options;
        let timeout = options.timeout.unwrap_or(limits.call_timeout);
        let allowance = self.allow(timeout);
        let longest = self.allow(options.max_timeout.unwrap_or(limits.max_call_timeout));
        let mut options = options.clone();
        let mut items: Vec<T> = Vec::new();
        let mut bytes = 0;
        // Not the cursors themselves: they may be long.
        let hasher = RandomState::new();
        let mut cursors = HashSet::new();
        let mut cursor: Option<String> = None;
        for page_number in 1.. {
            let left = self.left(allowance);
            if left.is_zero() && page_number > 1 {
                return Err(CallError::timed_out(&name, Delivery::Answered, timeout));
            }
            (options.timeout, options.max_timeout) = (Some(left), Some(self.left(longest)));
            let answer = self.ask_for_page(&name, cursor.as_deref(), &options).await?;
            bytes += answer.get().len();
            if bytes > limits.max_list_bytes {
                let why = format!("the list has more than {} bytes", limits.max_list_bytes);
                return Err(CallError::endless(&name, why));
            }
            let page: Page<T> = read_page(&name, &answer, items.len(), limits.max_items)?;
            items.extend(page.items);
            let Some(next) = page.next_cursor else { return Ok(items) };
            // A cursor like others, says the modern era; before it nothing was said, and servers mean the end.
            if next.is_empty() && server.revision.era() == Era::Legacy {
                return Ok(items);
            }
            if page_number >= limits.max_pages {
                let why = format!("the list has more than {} pages", limits.max_pages);
                return Err(CallError::endless(&name, why));
            }
            if !cursors.insert(hasher.hash_one(&next)) {
                let why = format!("the list has no end: page {page_number} gave a cursor that was given before");
                return Err(CallError::endless(&name, why));
            }
            cursor = Some(next);
        }
        Ok(items)
    }

    /// One page of them: the first, or the one that `cursor` stands for.
    pub(super) async fn list_page<T: Listed>(
        &self,
        cursor: Option<&str>,
        options: &CallOptions,
    ) -> Result<Page<T>, CallError> {
        let name = self.call_name(T::METHOD, None);
        if !self.opened(&name).await?.capabilities.has(T::CAPABILITY) {
            return Ok(Page { items: Vec::new(), next_cursor: None, extra: Object::new() });
        }
        let answer = self.ask_for_page(&name, cursor, options).await?;
        read_page(&name, &answer, 0, self.shared.options.max_items)
    }

    async fn ask_for_page(
        &self,
        name: &CallName<'_>,
        cursor: Option<&str>,
        options: &CallOptions,
    ) -> Result<Box<RawValue>, CallError> {
        #[derive(Serialize)]
        struct Params<'a> {
            cursor: &'a str,
        }
        let params = cursor.map(|cursor| write(name, &Params { cursor })).transpose()?;
        self.ask(name, params, options).await
    }
}

/// `before`: how many items the pages before had.
fn read_page<T: Listed>(
    name: &CallName<'_>,
    answer: &RawValue,
    before: usize,
    max: usize,
) -> Result<Page<T>, CallError> {
    let mut too_many = false;
    let reader = PageReader { before, max, too_many: &mut too_many, of: PhantomData };
    let page = reader.deserialize(&mut serde_json::Deserializer::from_str(answer.get()));
    page.map_err(|error| match too_many {
        true => CallError::endless(name, format!("the list has more than {max} {}", T::NOUN[1])),
        false => CallError::malformed(name, parse_error(&error)),
    })
}

/// Reads a page. Item by item: so that a bad one can be named, for it spoils the list; and so that what a page may hold
/// is bounded by items, and not by how many of them fit into a line.
struct PageReader<'a, T> {
    before: usize,
    max: usize,
    too_many: &'a mut bool,
    of: PhantomData<T>,
}

impl<'de, T: Listed> DeserializeSeed<'de> for PageReader<'_, T> {
    type Value = Page<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page<T>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Listed> Visitor<'de> for PageReader<'_, T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", T::FIELD)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Page<T>, A::Error> {
        let mut items = None;
        let mut next_cursor: Option<Option<String>> = None;
        let mut extra = Object::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == T::FIELD {
                if items.replace(map.next_value_seed(Items(&mut self))?).is_some() {
                    return Err(A::Error::duplicate_field(T::FIELD));
                }
            } else if key == "nextCursor" {
                let cursor = map.next_value().map_err(|error| A::Error::custom(format_args!("nextCursor: {error}")))?;
                if next_cursor.replace(cursor).is_some() {
                    return Err(A::Error::duplicate_field("nextCursor"));
                }
            } else {
                extra.insert(key, map.next_value::<Value>()?);
            }
        }
        let items = items.ok_or_else(|| A::Error::missing_field(T::FIELD))?;
        Ok(Page { items, next_cursor: next_cursor.flatten(), extra })
    }
}

struct Items<'r, 'a, T>(&'r mut PageReader<'a, T>);

impl<'de, T: Listed> DeserializeSeed<'de> for Items<'_, '_, T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Listed> Visitor<'de> for Items<'_, '_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", T::NOUN[1])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<&RawValue>()? {
            let number = self.0.before + items.len() + 1;
            if number > self.0.max {
                *self.0.too_many = true;
                return Err(A::Error::custom("too many"));
            }
            let item = decode(item.get()).map_err(|why| {
                let called = Visible::new(&name_of(item), 100).to_string();
                A::Error::custom(format_args!("{} number {number} (\"{called}\"): {why}", T::NOUN[0]))
            })?;
            items.push(item);
        }
        Ok(items)
    }
}

/// What an item that cannot be read calls itself.
fn name_of(item: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    serde_json::from_str::<Named>(item.get()).map(|it| it.name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tool;

    fn page(json: &str, before: usize, max: usize) -> Result<Page<Tool>, CallError> {
        let name = CallName { server: std::borrow::Cow::Owned("s".into()), method: "tools/list".into(), subject: None };
        read_page(&name, serde_json::from_str(json).unwrap(), before, max)
    }

    #[test]
    fn a_page_is_read_with_all_that_is_on_it() {
        let json = r#"{"ttlMs":5,"nextCursor":"b","tools":[{"name":"a","inputSchema":{},"x":1}],"_meta":{"k":[]}}"#;
        let page = page(json, 0, 1).unwrap();
        assert_eq!((page.items[0].name.as_str(), &page.items[0].extra["x"]), ("a", &1.into()));
        assert_eq!(page.next_cursor.as_deref(), Some("b"));
        assert_eq!(page.extra.keys().collect::<Vec<_>>(), ["ttlMs", "_meta"]);
    }

    #[test]
    fn the_last_page_has_no_cursor_or_none_that_says_anything() {
        assert_eq!(page(r#"{"tools":[]}"#, 0, 0).unwrap().next_cursor, None);
        assert_eq!(page(r#"{"tools":[],"nextCursor":null}"#, 0, 0).unwrap().next_cursor, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, said) in [
            ("[]", "expected an object with tools"),
            ("{}", "missing field `tools`"),
            (r#"{"tools":{}}"#, "expected a list of tools"),
            (r#"{"tools":[],"tools":[]}"#, "duplicate field `tools`"),
            (r#"{"tools":[],"nextCursor":3}"#, "nextCursor: invalid type: integer `3`, expected a string"),
            (r#"{"nextCursor":"a","tools":[],"nextCursor":"b"}"#, "duplicate field `nextCursor`"),
            (
                r#"{"tools":[{"name":"a","inputSchema":{}},{"name":"b\u0007","inputSchema":{},"annotations":{"title":1}}]}"#,
                "tool number 5 (\"b\\x07\"): annotations.title: invalid type: integer `1`, expected a string",
            ),
            (r#"{"tools":[7]}"#, "tool number 4 (\"\"): invalid type: integer `7`"),
        ] {
            let error = page(json, 3, 100).unwrap_err();
            assert!(error.is_malformed() && error.to_string().contains(said), "{json}: {error}");
        }
    }

    #[test]
    fn more_than_may_be_is_not_read() {
        let two = r#"{"tools":[{"name":"a","inputSchema":{}},{"name":"b","inputSchema":{}}]}"#;
        assert_eq!(page(two, 0, 2).unwrap().items.len(), 2);
        let error = page(two, 1, 2).unwrap_err();
        assert!(error.is_endless() && error.to_string().contains("more than 2 tools"), "{error}");
        // Not even looked at.
        let flood = format!("{{\"tools\":[{}0]}}", "0,".repeat(1_000_000));
        assert!(page(&flood, 5, 5).unwrap_err().is_endless());
    }
}
