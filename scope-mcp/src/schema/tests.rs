use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::testing::Random;

fn check(schema: Value, value: Value) -> Result<(), SchemaViolation> {
    Schema::compile(&schema).unwrap().check(&value)
}

/// Definitions `a0`, `a1`, …, each made of a reference to the next; and a schema that refers to the first.
fn chain(length: usize, link: impl Fn(Value) -> Value, end: Value) -> Value {
    let mut all = serde_json::Map::new();
    for n in 0..length {
        all.insert(format!("a{n}"), link(json!({ "$ref": format!("#/$defs/a{}", n + 1) })));
    }
    all.insert(format!("a{length}"), end);
    json!({ "$ref": "#/$defs/a0", "$defs": all })
}

fn nested(depth: usize, inner: Value) -> Value {
    (0..depth).fold(inner, |value, _| json!({ "a": value }))
}

/// On no more stack than a thread of a runtime has, and in no more time than a user has.
fn bounded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let start = Instant::now();
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap();
    let result = thread.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(60), "took {:?}", start.elapsed());
    result
}

#[test]
fn a_violation_says_where_and_why_and_not_what() {
    let schema = json!({
        "type": "object",
        "properties": { "list": { "items": { "$ref": "#/$defs/n" } } },
        "required": ["list"],
        "$defs": { "n": { "type": "integer", "minimum": 3 } },
    });
    assert_eq!(check(schema.clone(), json!({ "list": [3, 4] })), Ok(()));
    let error = check(schema.clone(), json!({ "list": [3, "hush"] })).unwrap_err();
    assert_eq!((error.path(), error.is_too_costly()), ("/list/1", false));
    assert_eq!(error.to_string(), "at /list/1: the value is not of type \"integer\"");
    assert_eq!(check(schema, json!({})).unwrap_err().to_string(), "\"list\" is a required property");
}

#[test]
fn names_in_a_violation_are_escaped_and_cut() {
    let name = format!("\u{1b}[2J{}", "x".repeat(5000));
    let error = check(json!({ "additionalProperties": { "type": "null" } }), json!({ name: 1 })).unwrap_err();
    let said = error.to_string();
    assert!(said.len() < 1000 && !said.contains('\u{1b}') && error.path().len() > 5000, "{said}");
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    for (schema, said) in [
        (
            json!({ "properties": { "a": { "type": "strin" } } }),
            "at /properties/a/type: what stands there is not valid",
        ),
        (json!({ "properties": { "a": { "pattern": "(" } } }), "at /properties/a/pattern: is no regular expression"),
        (json!({ "pattern": "^(?=a)b" }), "look-around or back-references"),
        (json!({ "pattern": "(a)\\1" }), "look-around or back-references"),
        (json!({ "pattern": "((a{1000}){1000}){1000}" }), "too large"),
        (json!({ "$ref": "#/$defs/none" }), "'/$defs/none' does not exist"),
        (json!({ "$schema": "urn:x-other" }), "urn:x-other"),
        (json!(7), "what stands there is not"),
    ] {
        let error = Schema::compile(&schema).unwrap_err().to_string();
        assert!(error.contains(said), "{schema}: {error}");
    }
}

#[test]
fn nothing_outside_the_schema_is_looked_at() {
    // Somebody who listens would hear of it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let there = format!("http://{}/schema.json", listener.local_addr().unwrap());
    let file = std::env::current_exe().unwrap();
    for reference in [there.as_str(), &format!("file://{}", file.display()), "other.json", "../x"] {
        for schema in [json!({ "$ref": reference }), json!({ "properties": { "a": { "$ref": reference } } })] {
            let error = Schema::compile(&schema).unwrap_err().to_string();
            assert!(error.contains("nothing outside"), "{error}");
        }
        let based = json!({ "$id": there, "$ref": reference.replace(&there, "/other") });
        assert!(Schema::compile(&based).unwrap_err().to_string().contains("nothing outside"));
    }
    // These are not fetched either: a name is no address.
    assert_eq!(check(json!({ "$id": there, "type": "string" }), json!("a")), Ok(()));
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn references_within_the_schema_are_followed() {
    for reference in ["#/$defs/a", "#/%24defs/a", "#here"] {
        let schema = json!({ "$ref": reference, "$defs": { "a": { "$anchor": "here", "type": "string" } } });
        assert_eq!(check(schema.clone(), json!("x")), Ok(()));
        assert!(!check(schema, json!(1)).unwrap_err().is_too_costly());
    }
    let slashes = json!({ "$ref": "#/$defs/a~1b~0c", "$defs": { "a/b~c": { "type": "string" } } });
    assert!(check(slashes, json!(1)).is_err());
    let tree = json!({ "properties": { "a": { "$ref": "#" } }, "additionalProperties": false });
    assert_eq!(check(tree.clone(), nested(100, json!({}))), Ok(()));
    assert!(check(tree, nested(30, json!({ "b": 1 }))).unwrap_err().path().starts_with("/a/a/a"));
}

#[test]
fn dialects_that_are_named_are_spoken() {
    let draft7 = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": { "a": { "type": "string" } },
        "items": [{ "$ref": "#/definitions/a" }],
    });
    assert_eq!(check(draft7.clone(), json!(["a", 1])), Ok(()));
    assert_eq!(check(draft7, json!([1])).unwrap_err().path(), "/0");
}

#[test]
fn a_pattern_that_explodes_takes_no_time() {
    let text = "a".repeat(30_000) + "!";
    for pattern in
        ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^([a-z]+)*$", "(.*)*(.*)*(.*)*=", "^(([a-z])+.)+[A-Z]([a-z])+$"]
    {
        let (schema, text) = (json!({ "pattern": pattern }), text.clone());
        let outcome = bounded(move || check(schema, json!(text)));
        let error = outcome.expect_err(pattern);
        assert!(!error.is_too_costly(), "{pattern}: {error}");
    }
    // One that is large by itself, and makes an automaton without end.
    let large = json!({ "pattern": "[ab]*a[ab]{3000}c" });
    let long = "ab".repeat(500_000);
    assert!(bounded(move || check(large, json!(long))).unwrap_err().is_too_costly());
}

#[test]
fn a_schema_that_multiplies_is_refused_before_it_is_tried() {
    let two = |reference: Value| json!({ "allOf": [reference, reference] });
    let any = |reference: Value| json!({ "anyOf": [reference, reference] });
    let not = |reference: Value| json!({ "not": { "anyOf": [reference, { "not": reference }] } });
    for schema in [
        chain(60, two, json!({ "type": "string" })),
        chain(60, any, json!({ "type": "number" })),
        chain(60, not, json!({ "type": "number" })),
    ] {
        let error = bounded(move || check(schema, json!("x"))).unwrap_err();
        assert!(error.is_too_costly(), "{error}");
        assert_eq!(error.to_string(), "it is not checked, for that would take too long");
    }
    // At each level of the value.
    let deep = json!({ "properties": { "a": { "allOf": [{ "$ref": "#" }, { "$ref": "#" }] } } });
    assert!(bounded(move || check(deep, nested(60, json!(1)))).unwrap_err().is_too_costly());
    // As often as there are items.
    let consts: Vec<Value> = (0..3000).map(|n| json!({ "const": n })).collect();
    let many: Vec<u32> = (10_000..110_000).collect();
    let wide = json!({ "items": { "not": { "anyOf": consts } } });
    assert!(bounded(move || check(wide, json!(many))).unwrap_err().is_too_costly());
    // By the names of members.
    let names = json!({ "propertyNames": { "pattern": "[ab]*a[ab]{3000}c" } });
    let name = "ab".repeat(50_000);
    assert!(bounded(move || check(names, json!({ name: 1 }))).unwrap_err().is_too_costly());
}

#[test]
fn a_loop_of_references_ends() {
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/b" }] }, "b": { "$ref": "#/$defs/a" } } }),
    ] {
        bounded(move || check(schema, nested(50, json!(1)))).unwrap();
    }
}

#[test]
fn a_schema_that_nests_too_deep_leaves_the_stack_alone() {
    let all = |reference: Value| json!({ "allOf": [reference] });
    let error = bounded(move || check(chain(3000, all, json!(true)), json!(1))).unwrap_err();
    assert!(error.is_too_costly() && error.to_string().contains("too deep"), "{error}");
    // As deep as it may be.
    for keyword in ["allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas"] {
        let link = move |reference: Value| match keyword {
            "not" => json!({ "not": reference }),
            "if" => json!({ "if": reference, "then": true, "else": false }),
            "dependentSchemas" => json!({ "dependentSchemas": { "a": reference } }),
            _ => json!({ keyword: [reference] }),
        };
        let most = chain(cost::MAX_DEPTH / 2 - 2, link, json!({ "required": ["b"] }));
        let said = bounded(move || check(most, json!({ "a": 1 })));
        assert!(!said.is_err_and(|error| error.is_too_costly()), "{keyword}");
    }
    let list = json!({ "items": { "$ref": "#" }, "prefixItems": [{ "$ref": "#" }] });
    let lists = (0..120).fold(json!([]), |list, _| json!([1, list]));
    assert_eq!(bounded(move || check(list, lists)), Ok(()));
    let deep = (0..200).fold(json!(true), |schema, _| json!({ "not": schema }));
    assert!(Schema::compile(&deep).unwrap_err().to_string().contains("nested deeper than 128"));
}

#[test]
fn ways_round_the_count_are_closed() {
    let bomb = |first: Value| {
        let mut schema = chain(60, |reference| json!({ "allOf": [reference, reference] }), json!(true));
        schema["$ref"] = json!("#/$defs/start");
        schema["$defs"]["start"] = first;
        schema
    };
    let named = json!({ "$id": "urn:a", "$ref": "#/$defs/a0", "$defs": { "a0": true } });
    let old_name = json!({ "id": "urn:a", "$ref": "#/$defs/a0", "$defs": { "a0": true } });
    for (dialect, start) in [("http://json-schema.org/draft-07/schema#", &named), ("", &old_name), ("", &named)] {
        let mut schema = bomb(start.clone());
        if !dialect.is_empty() {
            schema["$schema"] = json!(dialect);
        }
        assert!(bounded(move || check(schema, json!("x"))).unwrap_err().is_too_costly());
    }
    // By a name that stands in two places, by absolute address, by a reference that depends on where one comes from.
    let mut twice = bomb(json!({ "$ref": "#x" }));
    twice["$defs"]["a0"]["$anchor"] = json!("x");
    twice["default"] = json!({ "$anchor": "x" });
    let mut absolute = bomb(json!({ "$ref": "urn:root#/$defs/a0" }));
    absolute["$id"] = json!("urn:root");
    let mut dynamic = bomb(json!({ "$dynamicRef": "#d" }));
    dynamic["$defs"]["a0"]["$dynamicAnchor"] = json!("d");
    for schema in [twice, absolute, dynamic] {
        let error = bounded(move || check(schema, json!("x"))).unwrap_err();
        assert!(error.is_too_costly() && error.to_string().contains("is followed"), "{error}");
    }
}

#[test]
fn a_schema_that_is_too_large_is_refused() {
    let many: Vec<Value> = (0..30_000).map(|n| json!(n)).collect();
    let patterns: serde_json::Map<String, Value> = (0..300).map(|n| (format!("a{n}"), json!(true))).collect();
    for (schema, said) in [
        (json!({ "enum": many }), "more than 20000 values"),
        (json!({ "patternProperties": patterns }), "more than 100 patterns"),
        (json!({ "description": "x".repeat(5 << 20) }), "bytes of text"),
    ] {
        let error = Schema::compile(&schema).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn patterns_as_large_and_as_many_as_may_be_are_made_ready_in_time() {
    let patterns: serde_json::Map<String, Value> =
        (0..MAX_PATTERNS).map(|n| (format!("^.{{1,1000}}{n}$"), json!(true))).collect();
    assert!(bounded(move || Schema::compile(&json!({ "patternProperties": patterns })).is_ok()));
}

#[test]
fn a_large_value_that_is_wrong_everywhere_makes_one_short_error() {
    let schema = json!({ "anyOf": [{ "items": { "type": "string" } }, { "items": { "type": "null" } }] });
    let value: Vec<u32> = (0..200_000).collect();
    let error = bounded(move || check(schema, json!(value))).unwrap_err();
    assert!(!error.is_too_costly() && error.to_string().contains("too large to say where"), "{error}");
}

/// Schemas put together at random from the keywords there are, with references everywhere: each check ends.
#[test]
fn no_schema_takes_long() {
    fn schema(random: &mut Random, depth: usize) -> Value {
        const KEYWORDS: [&str; 16] = [
            "allOf",
            "anyOf",
            "oneOf",
            "not",
            "if",
            "then",
            "else",
            "properties",
            "patternProperties",
            "items",
            "prefixItems",
            "additionalProperties",
            "unevaluatedProperties",
            "unevaluatedItems",
            "contains",
            "propertyNames",
        ];
        let mut it = serde_json::Map::new();
        if random.below(2) == 0 {
            it.insert("$ref".into(), json!(format!("#/$defs/d{}", random.below(6))));
        }
        for _ in 0..random.below(4) {
            let keyword = KEYWORDS[random.below(KEYWORDS.len())];
            let mut inner = || if depth == 0 { json!({ "type": "object" }) } else { schema(random, depth - 1) };
            let value = match keyword {
                "allOf" | "anyOf" | "oneOf" | "prefixItems" => json!([inner(), inner()]),
                "properties" | "patternProperties" => json!({ "a": inner(), "b": inner() }),
                _ => inner(),
            };
            it.insert(keyword.into(), value);
        }
        Value::Object(it)
    }
    let mut random = Random::new(7);
    let (mut checked, mut refused) = (0, 0);
    for round in 0..150 {
        let defs: serde_json::Map<String, Value> = (0..6).map(|n| (format!("d{n}"), schema(&mut random, 2))).collect();
        let schema = json!({ "$ref": "#/$defs/d0", "$defs": defs });
        let value = (0..random.below(40)).fold(json!({ "a": [1, "x"] }), |value, _| match random.below(3) {
            0 => json!([value, 1]),
            1 => json!({ "a": value, "b": {} }),
            _ => json!({ "b": value }),
        });
        let mut text = String::new();
        let _ = write!(text, "round {round}: {schema}");
        let start = Instant::now();
        match bounded(move || check(schema, value)) {
            Err(error) if error.is_too_costly() => refused += 1,
            _ => checked += 1,
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{text}");
    }
    assert!(checked > 20 && refused > 5, "{checked} {refused}");
}
