use super::*;
use crate::testing::Random;

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(redact(text), expected);
    assert_eq!(redact(expected), expected, "not the same the second time");
}

#[test]
fn json_values_under_secret_names_go() {
    check(r#"{"password":"a\"b","x":"y"}"#, r#"{"password":"[redacted]","x":"y"}"#);
    check(r#"{"X-Api-Key" : "abc"}"#, r#"{"X-Api-Key" : "[redacted]"}"#);
    check(r#"{"env":{"GITHUB_TOKEN":"ghx"}}"#, r#"{"env":{"GITHUB_TOKEN":"[redacted]"}}"#);
    check(r#"{"client_secret":12345}"#, r#"{"client_secret":"[redacted]"}"#);
    check(r#"{"credentials":{"user":"u","p":["}\"",1]},"a":1}"#, r#"{"credentials":"[redacted]","a":1}"#);
    check(r#"{"Cookie":["a=b","c"]}"#, r#"{"Cookie":"[redacted]"}"#);
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":"p-7"},"name":"echo"}}"#,
        r#"{"maxTokens":100,"stop":["a"]}"#,
        r#"{"token":null,"password":true}"#,
        r#"{"description":"the token of the day, a secret and Basic authentication"}"#,
        r#"{"uri":"file:///home/a@b/c","at":"https://example.org/a@b"}"#,
        "",
        "\\",
        "🦀",
    ] {
        assert!(matches!(redact(text), Cow::Borrowed(same) if same == text), "{text} → {}", redact(text));
    }
}

#[test]
fn json_in_strings_is_looked_into() {
    check(
        r#"{"text":"{\"token\":\"a\\\"b\",\"n\":\"keep\"}"}"#,
        r#"{"text":"{\"token\":\"[redacted]\",\"n\":\"keep\"}"}"#,
    );
    check(
        r#"{"t":"{\"t\":\"{\\\"secret\\\":\\\"x y\\\",\\\"n\\\":1}\"}"}"#,
        r#"{"t":"{\"t\":\"{\\\"secret\\\":\\\"[redacted]\\\",\\\"n\\\":1}\"}"}"#,
    );
    check(r#"{"t":"{\"secret\":{\"a\":\"}\"},\"n\":1}"}"#, r#"{"t":"{\"secret\":\"[redacted]\",\"n\":1}"}"#);
    // Cut off inside, so that it is text: the string around it still ends where it did.
    check(r#"{"t":"{\"token\":\"abc","n":1"#, r#"{"t":"{\"token\":\"[redacted]","n":1"#);
    check(r#"{"t":"{\"token\":{\"a\":\"abc","n":1"#, r#"{"t":"{\"token\":[redacted]","n":1"#);
}

#[test]
fn headers_variables_and_addresses_in_text() {
    check("Authorization: Basic dTpw and more\nnext", "Authorization: [redacted]\nnext");
    check(r#"{"e":"sent authorization: Bearer abc.DEF-1\nthen"}"#, r#"{"e":"sent authorization: [redacted]\nthen"}"#);
    check("got Bearer eyJhbGciOi.x.y from", "got Bearer [redacted] from");
    check("API_KEY=abc123; B=1", "API_KEY=[redacted]; B=1");
    check("https://h/?access_token=abc&x=1", "https://h/?access_token=[redacted]&x=1");
    check("postgres://u:p@host/db", "postgres://[redacted]@host/db");
    check("key sk-abcdefghijklmnop0 x", "key [redacted] x");
    check(r#"{"t":"a\ntoken=abc\nb"}"#, r#"{"t":"a\ntoken=[redacted]\nb"}"#);
}

#[test]
fn long_text_of_any_kind_takes_neither_stack_nor_patience() {
    // Anything that is not linear, or recurs, does not come back from these.
    let bits = [
        "\\n",
        "\\",
        "token",
        "token=",
        "\"token\":",
        "\"token\":{",
        "a://",
        "Bearer ",
        "basic.",
        "[",
        "{\"a\":",
        "\\\"",
        "\"",
        "'",
    ];
    for bit in bits {
        let text = bit.repeat(500_000 / bit.len());
        for before in ["", "token:{", "\\\"token\\\":{"] {
            let text = format!("{before}{text}");
            let _ = redact(&text);
            let _ = redact(&serde_json::Value::from(text).to_string());
        }
    }
    let mut nested = String::from("{\"token\":\"x\"}");
    for _ in 0..12 {
        nested = serde_json::json!({ "t": nested }).to_string();
    }
    assert!(!redact(&nested).contains("\"x"), "{nested}");
}

#[test]
fn any_text_is_cut_at_characters_and_stays_json() {
    let bits = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\\"",
        "\\\\\\\"",
        "\\",
        ":",
        "=",
        ",",
        "token",
        "\"secret\":",
        "\\\"password\\\":\\\"",
        "é🦀",
        "x",
        " ",
        "\n",
        "Bearer ",
        "://",
        "@",
        "null",
        "12",
        "'",
        "sk-abcdefghijklmnopq",
    ];
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let text: String = (0..random.below(30)).map(|_| bits[random.below(bits.len())]).collect();
        // No panic, whatever it is.
        let _ = redact(&text);
        // As a string in JSON it stays JSON.
        let json = serde_json::json!({ "a": &text, "token": &text, "n": 1 }).to_string();
        let redacted = redact(&json).into_owned();
        let back: serde_json::Value =
            serde_json::from_str(&redacted).unwrap_or_else(|error| panic!("seed {seed}: {json} → {redacted}: {error}"));
        assert_eq!(back["n"], 1, "seed {seed}: {json} → {redacted}");
        if !text.is_empty() {
            assert_eq!(back["token"], MARK, "seed {seed}: {json} → {redacted}");
        }
    }
}
