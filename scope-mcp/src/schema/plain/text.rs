//! The same check of a text, without anything in between: what is found to fit is JSON, and follows the schema.

use memchr::memchr2;

use super::{ANY, ARRAY, BOOLEAN, INTEGER, NO_MEMBER, NULL, NUMBER, OBJECT, Others, Plain, STRING};
use crate::unescaped::{plain_before, plain_bytes};

/// What is nested deeper is left to others.
const MAX_DEPTH: u32 = 100;

/// So many digits are a whole number that needs no care.
const MAX_DIGITS: usize = 18;

/// Reads from the front of a text. What it looks for is ASCII: so it is read by bytes, and each part of it that stands between
/// two of those is a text again.
struct Rest<'a>(&'a [u8]);

impl Plain {
    /// Whether `json` surely is JSON that follows the schema.
    pub(in crate::schema) fn fits_text(&self, json: &str) -> bool {
        let mut rest = Rest(json.as_bytes());
        let fits = rest.value(self, 0).is_some();
        rest.space();
        fits && rest.0.is_empty()
    }
}

/// Each gives `None` where it is not sure, and where exactly that is does not matter then.
impl<'a> Rest<'a> {
    #[inline]
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    #[inline]
    fn has(&mut self, what: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == what => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn has_word(&mut self, what: &[u8]) -> bool {
        let rest = self.0.strip_prefix(what);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn value(&mut self, plain: &Plain, depth: u32) -> Option<()> {
        self.space();
        let of = match self.0.first()? {
            b'{' => return self.object(plain, depth),
            b'[' => return self.array(plain, depth),
            b'"' => {
                let text = self.string()?;
                return match &plain.texts {
                    None => (plain.types & STRING != 0).then_some(()),
                    Some(texts) => {
                        (plain.types & STRING != 0 && texts.iter().any(|it| text == Some(it.as_bytes()))).then_some(())
                    }
                };
            }
            b't' if self.has_word(b"true") => BOOLEAN,
            b'f' if self.has_word(b"false") => BOOLEAN,
            b'n' if self.has_word(b"null") => NULL,
            _ => return self.number(plain),
        };
        plain.takes(of)
    }

    fn object(&mut self, plain: &Plain, depth: u32) -> Option<()> {
        plain.takes(OBJECT).filter(|()| depth < MAX_DEPTH && self.has(b'{'))?;
        let mut missing = plain.required;
        self.space();
        if !self.has(b'}') {
            loop {
                self.space();
                let name = self.string()??;
                self.space();
                let value = match plain.position(name) {
                    Some(at) => {
                        missing &= !1u64.checked_shl(at as u32).unwrap_or(0);
                        &plain.properties[at].plain
                    }
                    None if name.starts_with(NO_MEMBER.as_bytes()) => return None,
                    None => match &plain.others {
                        Others::Any => &ANY,
                        Others::None => return None,
                        Others::Like(plain) => plain,
                    },
                };
                if !self.has(b':') {
                    return None;
                }
                self.value(value, depth + 1)?;
                self.space();
                if !self.has(b',') {
                    break;
                }
            }
            if !self.has(b'}') {
                return None;
            }
        }
        (missing == 0).then_some(())
    }

    fn array(&mut self, plain: &Plain, depth: u32) -> Option<()> {
        plain.takes(ARRAY).filter(|()| depth < MAX_DEPTH && self.has(b'['))?;
        let each = plain.items.as_deref().unwrap_or(&ANY);
        self.space();
        if self.has(b']') {
            return Some(());
        }
        loop {
            self.value(each, depth + 1)?;
            self.space();
            if !self.has(b',') {
                return self.has(b']').then_some(());
            }
        }
    }

    /// What is between the quotes, or nothing if there is an escape in it.
    fn string(&mut self) -> Option<Option<&'a [u8]>> {
        let text = self.0.strip_prefix(b"\"")?;
        let at = plain_bytes(text);
        if text.get(at) == Some(&b'"') {
            self.0 = &text[at + 1..];
            return Some(Some(&text[..at]));
        }
        self.long_string(text, at)
    }

    /// The same, of `text`, of which the first bytes stand for themselves.
    #[inline(never)]
    fn long_string(&mut self, text: &'a [u8], mut at: usize) -> Option<Option<&'a [u8]>> {
        let mut escaped = false;
        loop {
            at += plain_before(&text[at..]);
            let stop = at + memchr2(b'"', b'\\', &text[at..])?;
            if text[at..stop].iter().fold(false, |any, &byte| any | (byte < b' ')) {
                return None;
            }
            if text[stop] == b'"' {
                self.0 = &text[stop + 1..];
                return Some((!escaped).then_some(&text[..stop]));
            }
            escaped = true;
            at = stop + escape(text.get(stop + 1..)?)?;
        }
    }

    fn number(&mut self, plain: &Plain) -> Option<()> {
        let is_negative = self.has(b'-');
        let whole = self.digits();
        if whole.is_empty() || whole.len() > MAX_DIGITS || (whole.starts_with(b"0") && (whole.len() > 1 || is_negative))
        {
            return None;
        }
        if self.has(b'.') {
            let is_exact_enough = (1..=MAX_DIGITS).contains(&self.digits().len());
            let has_exponent = self.is_exponent();
            let no_range = (plain.least, plain.most) == (i128::MIN, i128::MAX);
            return plain.takes(NUMBER).filter(|()| is_exact_enough && !has_exponent && no_range);
        }
        if self.is_exponent() {
            return None;
        }
        let number = whole.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        let number = if is_negative { -number } else { number };
        plain.takes(INTEGER | NUMBER).filter(|()| (plain.least..=plain.most).contains(&i128::from(number)))
    }

    fn is_exponent(&self) -> bool {
        matches!(self.0, [b'e' | b'E', ..])
    }

    fn digits(&mut self) -> &'a [u8] {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        digits
    }
}

/// How long an escape is, with its backslash; what follows that is given. Half of a pair is none of ours.
fn escape(after: &[u8]) -> Option<usize> {
    match after.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => {
            let digits = after.get(1..5).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            let is_half = matches!(digits, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]);
            (!is_half).then_some(6)
        }
        _ => None,
    }
}

impl Plain {
    fn takes(&self, of: super::Types) -> Option<()> {
        (self.types & of != 0 && self.texts.is_none()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::Random;

    /// As it is found when the text is read by others.
    fn read_fits(plain: &Plain, json: &str) -> bool {
        let mut reader = serde_json::Deserializer::from_str(json);
        plain.fits(&mut reader) && reader.end().is_ok()
    }

    fn schemas() -> Vec<Plain> {
        [
            json!({}),
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] }),
            json!({ "properties": { "a": { "type": ["integer", "null"], "minimum": -5, "maximum": 70 } },
                "additionalProperties": false }),
            json!({ "items": { "type": "number" }, "additionalProperties": { "type": "boolean" } }),
            json!({ "enum": ["a", "b c"] }),
        ]
        .iter()
        .map(|schema| Plain::of(schema).unwrap())
        .collect()
    }

    #[test]
    fn what_most_have_is_found_without_being_read_by_others() {
        let [any, object, ..] = &schemas()[..] else { panic!("there are more") };
        for json in [
            r#"{"a":"x"}"#,
            " { \"a\" :\t\"é\\n\\u0041\\\"\" , \"b\":[1,-2.5,{},[],[ ],true,false,null,{\"c\":0}] }\r\n",
            r#"{"b":{"a":3},"a":""}"#,
        ] {
            assert!(object.fits_text(json) && any.fits_text(json), "{json}");
        }
        assert!(schemas()[4].fits_text("\"b c\""));
        assert!(!any.fits_text(&format!("{}1{}", "[".repeat(101), "]".repeat(101))), "left to others");
    }

    #[test]
    fn what_is_found_to_fit_is_found_so_elsewhere() {
        let bits = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\"a\"",
            "\"b\"",
            "\"b c\"",
            "\\u00e9",
            "\\ud83d",
            "\\udc00",
            "\\x",
            "\\/",
            "\u{1}",
            "é",
            "0",
            "-",
            "-0",
            "1",
            "12",
            "71",
            ".",
            ".5",
            "e",
            "e3",
            "E+1",
            "true",
            "nul",
            "null",
            "false",
            " ",
            "\n",
            "\u{a0}",
            "{\"a\":",
            "\"a\":\"x\"",
            "99999999999999999999",
            "\"$serde_json::private::Number\":\"1\"",
        ];
        let mut random = Random::new(7);
        let (schemas, mut fitting) = (schemas(), 0);
        for _ in 0..200_000 {
            let json: String = (0..=random.below(7)).map(|_| bits[random.below(bits.len())]).collect();
            for plain in &schemas {
                if plain.fits_text(&json) {
                    fitting += 1;
                    assert!(read_fits(plain, &json), "{json:?} {plain:?}");
                }
            }
        }
        assert!(fitting > 1000, "{fitting} is too few to mean anything");
    }

    #[test]
    fn what_was_written_fits_here_as_it_does_elsewhere() {
        fn value(random: &mut Random, depth: usize) -> Value {
            match random.below(if depth == 0 { 6 } else { 8 }) {
                0 => Value::Null,
                1 => json!(random.below(2) == 0),
                2 => json!(random.below(200) as i64 - 100),
                3 => json!(random.below(1000) as f64 / 8.0),
                4 => json!(["", "a", "b c", "é\n\"\\"][random.below(4)]),
                5 => json!({}),
                6 => (0..random.below(3)).map(|_| value(random, depth - 1)).collect(),
                _ => (0..random.below(3))
                    .map(|_| (["a", "b", "c d"][random.below(3)], value(random, depth - 1)))
                    .collect(),
            }
        }
        let mut random = Random::new(8);
        for _ in 0..20_000 {
            let value = value(&mut random, 3);
            let json = if random.below(2) == 0 { value.to_string() } else { format!("{value:#}") };
            for plain in &schemas() {
                assert_eq!(plain.fits_text(&json), read_fits(plain, &json), "{json} {plain:?}");
            }
        }
    }
}
