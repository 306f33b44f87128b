//! What a check will cost, counted beforehand: the crate that does the checking has no limit of its own, and there are
//! schemas of a few lines that keep it busy for years.
//!
//! The count goes the ways that the check could go, but decides nothing: every branch of an `anyOf` is counted, every
//! pattern is taken to match. A reference is counted once for each value that it is applied to, and remembered, so that
//! counting takes no more steps than the result says, however often a check would go there. Whatever evaluates a schema
//! has to be counted here; what is not known of (`$dynamicRef`) is refused.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

/// More than this is refused: about a second, at the worst.
const MAX_STEPS: u64 = 10_000_000;

/// Schemas within schemas, references followed, on the way to one value. Each is a frame or two on the stack.
pub(super) const MAX_DEPTH: usize = 300;

/// What one byte may cost that a pattern with a count or a class is matched with: such a pattern can be large.
const LARGE_PATTERN: u64 = 256;

/// Why a value is not checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TooLong,
    TooDeep,
    Reference(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooLong => f.write_str("it is not checked, for that would take too long"),
            Refused::TooDeep => f.write_str("it is not checked, for its schema nests too deep"),
            Refused::Reference(to) => {
                write!(f, "it is not checked, for its schema refers to {}, and only \"#/…\" is followed", to)
            }
        }
    }
}

/// How many steps it takes to check `value` by `schema`, or more.
pub(super) fn of(schema: &Value, value: &Value) -> Result<u64, Refused> {
    let mut count = Count { document: schema, known: HashMap::new(), steps: 0 };
    count.schema(At { schema, named: false, depth: 0 }, value)
}

struct Count<'a> {
    document: &'a Value,
    /// What was counted for a schema that is referred to, and a value. 0 while it is being counted: a reference that
    /// comes back to where it started, with nothing in between, is not followed.
    known: HashMap<(*const Value, *const Value), u64>,
    /// Taken by the counting itself.
    steps: u64,
}

/// A schema on the way.
#[derive(Clone, Copy)]
struct At<'a> {
    schema: &'a Value,
    /// It is within one that has a name of its own (`$id`): what a reference there is relative to, is a matter of dialects.
    named: bool,
    depth: usize,
}

impl<'a> At<'a> {
    fn inner(self, schema: &'a Value) -> At<'a> {
        At { schema, named: self.named || has_name(schema), depth: self.depth + 1 }
    }
}

fn has_name(schema: &Value) -> bool {
    ["$id", "id"].iter().any(|key| schema.get(*key).is_some_and(Value::is_string))
}

/// In the place of the name of a member, which is no [`Value`].
static NO_VALUE: Value = Value::Null;

impl<'a> Count<'a> {
    fn schema(&mut self, at: At<'a>, value: &'a Value) -> Result<u64, Refused> {
        let Value::Object(keywords) = at.schema else { return self.taken(1) };
        if at.depth > MAX_DEPTH {
            return Err(Refused::TooDeep);
        }
        let mut total = self.own(keywords, value)?;
        let in_place = self.in_place(at, keywords, value)?;
        total = total.saturating_add(in_place);
        match value {
            Value::Object(members) => total = total.saturating_add(self.members(at, keywords, members)?),
            Value::Array(items) => total = total.saturating_add(self.items(at, keywords, items)?),
            _ => {}
        }
        if keywords.contains_key("unevaluatedProperties") || keywords.contains_key("unevaluatedItems") {
            // What has been evaluated is found out by doing it again.
            total = total.saturating_add(in_place);
        }
        if total > MAX_STEPS { Err(Refused::TooLong) } else { Ok(total) }
    }

    /// The keywords that look at the value and at no other schema.
    fn own(&mut self, keywords: &Map<String, Value>, value: &Value) -> Result<u64, Refused> {
        let mut cost = 1 + keywords.len() as u64;
        for key in ["enum", "const", "required", "dependentRequired", "dependencies", "type"] {
            if let Some(listed) = keywords.get(key) {
                cost += self.size(listed)?;
            }
        }
        if keywords.contains_key("uniqueItems") {
            cost += 4 * self.size(value)?;
        }
        if let Some(Value::String(pattern)) = keywords.get("pattern") {
            cost = cost.saturating_add(matching(pattern, value.as_str().map_or(0, str::len)));
        }
        if let Value::String(text) = value {
            cost += text.len() as u64 / 8;
            if keywords.contains_key("contentEncoding") || keywords.contains_key("contentMediaType") {
                cost += text.len() as u64;
            }
        }
        self.taken(cost)
    }

    /// The schemas that are applied to the value itself.
    fn in_place(&mut self, at: At<'a>, keywords: &'a Map<String, Value>, value: &'a Value) -> Result<u64, Refused> {
        let mut total = 0u64;
        for key in ["$dynamicRef", "$recursiveRef"] {
            if keywords.contains_key(key) {
                return Err(Refused::Reference(format!("something by {key:?}")));
            }
        }
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            total = self.reference(at, reference, value)?;
        }
        for key in ["allOf", "anyOf", "oneOf"] {
            for schema in keywords.get(key).and_then(Value::as_array).into_iter().flatten() {
                total = total.saturating_add(self.schema(at.inner(schema), value)?);
            }
        }
        for key in ["not", "if", "then", "else"] {
            if let Some(schema) = keywords.get(key) {
                total = total.saturating_add(self.schema(at.inner(schema), value)?);
            }
        }
        for key in ["dependentSchemas", "dependencies"] {
            for schema in keywords.get(key).and_then(Value::as_object).into_iter().flat_map(Map::values) {
                total = total.saturating_add(self.schema(at.inner(schema), value)?);
            }
        }
        Ok(total)
    }

    fn members(
        &mut self,
        at: At<'a>,
        keywords: &'a Map<String, Value>,
        members: &'a Map<String, Value>,
    ) -> Result<u64, Refused> {
        let mut total = 0u64;
        let properties = keywords.get("properties").and_then(Value::as_object);
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        for (key, value) in members {
            let mut schemas: Vec<&'a Value> = Vec::new();
            schemas.extend(properties.and_then(|properties| properties.get(key)));
            for (pattern, schema) in patterns.into_iter().flatten() {
                let cost = matching(pattern, key.len()).saturating_mul(2);
                total = total.saturating_add(self.taken(cost)?);
                schemas.push(schema);
            }
            schemas
                .extend(["additionalProperties", "unevaluatedProperties"].iter().filter_map(|key| keywords.get(*key)));
            for schema in schemas {
                total = total.saturating_add(self.schema(at.inner(schema), value)?);
            }
            total = total.saturating_add(self.taken(1 + key.len() as u64 / 8)?);
        }
        if let Some(names) = keywords.get("propertyNames") {
            // What it costs at one that is empty, for each byte.
            let one = self.schema(at.inner(names), &NO_VALUE)?;
            let bytes: usize = members.keys().map(|key| key.len() + 1).sum();
            total = total.saturating_add(one.saturating_mul(bytes as u64));
        }
        Ok(total)
    }

    fn items(&mut self, at: At<'a>, keywords: &'a Map<String, Value>, items: &'a [Value]) -> Result<u64, Refused> {
        let mut total = 0u64;
        let each: Vec<&'a Value> = ["items", "additionalItems", "unevaluatedItems", "contains"]
            .iter()
            .filter_map(|key| keywords.get(*key).filter(|schema| !schema.is_array()))
            .collect();
        let first = ["prefixItems", "items"].iter().find_map(|key| keywords.get(*key)?.as_array());
        for (place, item) in items.iter().enumerate() {
            let own = first.and_then(|first| first.get(place));
            for schema in each.iter().copied().chain(own) {
                total = total.saturating_add(self.schema(at.inner(schema), item)?);
            }
        }
        Ok(total)
    }

    fn reference(&mut self, at: At<'a>, reference: &str, value: &'a Value) -> Result<u64, Refused> {
        let to = self.resolve(at, reference)?;
        let key = (std::ptr::from_ref(to.schema), std::ptr::from_ref(value));
        if let Some(known) = self.known.get(&key).copied() {
            self.taken(1)?;
            return Ok(known);
        }
        self.known.insert(key, 0);
        let cost = self.schema(to, value)?;
        self.known.insert(key, cost);
        Ok(cost)
    }

    fn resolve(&mut self, at: At<'a>, reference: &str) -> Result<At<'a>, Refused> {
        let refused = || Refused::Reference(super::shown(&format!("{reference:?}")));
        let fragment =
            reference.strip_prefix('#').and_then(percent_decoded).filter(|_| !at.named).ok_or_else(refused)?;
        let mut here = At { schema: self.document, named: false, depth: at.depth + 1 };
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let mut found = Vec::new();
            let looked_at = anchors(here, &fragment, &mut found);
            self.taken(looked_at)?;
            // Two of a name: which of them is meant is more than is known here.
            return if let [one] = found[..] { Ok(At { depth: here.depth, ..one }) } else { Err(refused()) };
        }
        for part in fragment.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let next = match here.schema {
                Value::Object(members) => members.get(&part),
                Value::Array(items) => part.parse().ok().and_then(|place: usize| items.get(place)),
                _ => None,
            };
            here = At { depth: here.depth, ..here.inner(next.ok_or_else(refused)?) };
            self.taken(1)?;
        }
        Ok(here)
    }

    /// How many values it has, and what comparing with it costs.
    fn size(&mut self, value: &Value) -> Result<u64, Refused> {
        let inner = match value {
            Value::Array(items) => items.iter().try_fold(0, |sum, item| Ok(sum + self.size(item)?))?,
            Value::Object(members) => members.values().try_fold(0, |sum, item| Ok(sum + self.size(item)?))?,
            Value::String(text) => text.len() as u64 / 16,
            _ => 0,
        };
        Ok(inner + self.taken(1)?)
    }

    /// Counts what the counting does itself, and gives it back.
    fn taken(&mut self, steps: u64) -> Result<u64, Refused> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > MAX_STEPS { Err(Refused::TooLong) } else { Ok(steps) }
    }
}

/// What it costs to match a pattern with so many bytes.
fn matching(pattern: &str, bytes: usize) -> u64 {
    let large = pattern.contains('{') || pattern.contains("\\p") || pattern.contains("\\P");
    let per_byte = if large { LARGE_PATTERN } else { 1 + pattern.len() as u64 };
    per_byte.saturating_mul(1 + bytes as u64)
}

/// All schemas with that anchor. Returns how much was looked at.
fn anchors<'a>(here: At<'a>, name: &str, found: &mut Vec<At<'a>>) -> u64 {
    match here.schema {
        Value::Array(items) => 1 + items.iter().map(|item| anchors(here.inner(item), name, found)).sum::<u64>(),
        Value::Object(members) => {
            if ["$anchor", "$dynamicAnchor"].iter().any(|key| members.get(*key).and_then(Value::as_str) == Some(name)) {
                found.push(here);
            }
            1 + members.values().map(|item| anchors(here.inner(item), name, found)).sum::<u64>()
        }
        _ => 1,
    }
}

/// `None` if it is not UTF-8 then.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        match after.get(..2).and_then(hex).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}
