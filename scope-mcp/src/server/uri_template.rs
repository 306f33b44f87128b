//! URI templates (RFC 6570), read backwards: from an address to the values of its variables.
//!
//! What is there: `{name}` (level 1) and `{+name}` (level 2). A `{name}` matches what such an expansion can give, and is
//! generous about characters that ought to have been escaped: anything but `/`, `?` and `#`. A `{+name}` matches
//! anything. Neither matches nothing at all.
//!
//! Matching is a table over parts and positions, filled once: it takes time in proportion to the template's length times
//! the address's, whatever is in them, and [`MAX_URI`] bounds that.

use std::collections::BTreeMap;
use std::fmt;

/// No address is longer than this, in bytes.
pub(super) const MAX_URI: usize = 16 * 1024;

/// The values of a template's variables, unescaped.
pub(super) type Variables = BTreeMap<String, String>;

#[derive(Debug)]
pub(super) struct UriTemplate {
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Literal(String),
    Variable { name: String, reserved: bool },
}

/// Why a text is no template that can be matched.
#[derive(Debug, PartialEq)]
pub(super) enum TemplateError {
    Unclosed(usize),
    Stray(usize),
    NoName(usize),
    Operator(char),
    BadName(String),
    Twice(String),
    Adjacent(String, String),
    NoVariable,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Unclosed(at) => write!(f, "the brace at byte {at} is not closed"),
            TemplateError::Stray(at) => write!(f, "the brace at byte {at} closes nothing"),
            TemplateError::NoName(at) => write!(f, "the braces at byte {at} hold no name"),
            TemplateError::Operator(operator) => {
                write!(f, "the operator {operator:?} is not supported; there are {{name}} and {{+name}}")
            }
            TemplateError::BadName(name) => {
                write!(f, "{name:?} is no name of one variable: letters, digits, \"_\" and \".\" are allowed")
            }
            TemplateError::Twice(name) => write!(f, "the variable {name:?} stands in it twice"),
            TemplateError::Adjacent(first, second) => {
                write!(f, "nothing stands between the variables {first:?} and {second:?}, so where one ends is open")
            }
            TemplateError::NoVariable => f.write_str("it has no variable; offer it as a resource"),
        }
    }
}

impl UriTemplate {
    pub(super) fn parse(text: &str) -> Result<UriTemplate, TemplateError> {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let brace = rest.find(['{', '}']).unwrap_or(rest.len());
            if brace > 0 {
                parts.push(Part::Literal(rest[..brace].to_owned()));
                at += brace;
                continue;
            }
            if rest.starts_with('}') {
                return Err(TemplateError::Stray(at));
            }
            let close = rest.find('}').ok_or(TemplateError::Unclosed(at))?;
            parts.push(variable(&rest[1..close], at, &parts)?);
            at += close + 1;
        }
        if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
            return Err(TemplateError::NoVariable);
        }
        Ok(UriTemplate { parts })
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { name, .. } => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The values with which this template gives `uri`, if there are any; where there are several, the first variables
    /// are as short as can be.
    pub(super) fn read(&self, uri: &str) -> Option<Variables> {
        if uri.len() > MAX_URI {
            return None;
        }
        let ends = self.ends(uri.as_bytes());
        if !ends[0][0] {
            return None;
        }
        let mut values = Variables::new();
        let mut at = 0;
        for (part, after) in self.parts.iter().zip(&ends[1..]) {
            match part {
                Part::Literal(literal) => at += literal.len(),
                Part::Variable { name, .. } => {
                    // The table says that there is one.
                    let end = (at + 1..=uri.len()).find(|end| after[*end])?;
                    values.insert(name.clone(), unescape(uri.get(at..end)?)?);
                    at = end;
                }
            }
        }
        Some(values)
    }

    /// `ends[part][at]`: whether the parts from `part` on match the address from `at` on.
    fn ends(&self, uri: &[u8]) -> Vec<Vec<bool>> {
        let mut after = vec![false; uri.len() + 1];
        after[uri.len()] = true;
        let mut rows = vec![after];
        for part in self.parts.iter().rev() {
            let after = &rows[rows.len() - 1];
            let mut row = vec![false; uri.len() + 1];
            match part {
                Part::Literal(literal) => {
                    for at in 0..=uri.len().saturating_sub(literal.len()) {
                        row[at] = uri[at..].starts_with(literal.as_bytes()) && after[at + literal.len()];
                    }
                }
                Part::Variable { reserved, .. } => {
                    // Whether some end further on can be reached from here.
                    let mut reach = false;
                    for at in (0..uri.len()).rev() {
                        let passes = *reserved || !matches!(uri[at], b'/' | b'?' | b'#');
                        reach = passes && (reach || after[at + 1]);
                        row[at] = reach;
                    }
                }
            }
            rows.push(row);
        }
        rows.reverse();
        rows
    }
}

/// What stands between two braces, the first at byte `at`, after `parts`.
fn variable(inside: &str, at: usize, parts: &[Part]) -> Result<Part, TemplateError> {
    let (name, reserved) = match inside.chars().next() {
        None => return Err(TemplateError::NoName(at)),
        Some('+') => (&inside[1..], true),
        Some(operator @ ('#' | '.' | '/' | ';' | '?' | '&' | '=' | ',' | '!' | '@' | '|')) => {
            return Err(TemplateError::Operator(operator));
        }
        Some(_) => (inside, false),
    };
    if name.is_empty() {
        return Err(TemplateError::NoName(at));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
        return Err(TemplateError::BadName(name.to_owned()));
    }
    for part in parts {
        if matches!(part, Part::Variable { name: other, .. } if other == name) {
            return Err(TemplateError::Twice(name.to_owned()));
        }
    }
    if let Some(Part::Variable { name: before, .. }) = parts.last() {
        return Err(TemplateError::Adjacent(before.clone(), name.to_owned()));
    }
    Ok(Part::Variable { name: name.to_owned(), reserved })
}

/// `None` if an escape is not one, or what comes out is not UTF-8.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(digits[0])? << 4 | digit(digits[1])?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn read(template: &str, uri: &str) -> Option<Vec<(String, String)>> {
        UriTemplate::parse(template).unwrap().read(uri).map(|values| values.into_iter().collect())
    }

    fn one(name: &str, value: &str) -> Option<Vec<(String, String)>> {
        Some(vec![(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_variable_is_one_segment_of_the_address_unescaped() {
        assert_eq!(read("user://{id}", "user://7"), one("id", "7"));
        assert_eq!(read("user://{id}/name", "user://a%20%C3%A9/name"), one("id", "a é"));
        for no in ["user://", "user:///name", "user://a/b/name", "user://a/name2", "user://a/nam", "xuser://a/name", ""]
        {
            assert_eq!(read("user://{id}/name", no), None, "{no}");
        }
        assert_eq!(read("a:{x}", "a:b?c"), None);
        assert_eq!(read("a:{x}", "a:é"), one("x", "é"));
    }

    #[test]
    fn a_reserved_variable_takes_slashes() {
        assert_eq!(read("file:///{+path}", "file:///a/b?c#d"), one("path", "a/b?c#d"));
        let both = Some(vec![("a".to_owned(), "p-q/r".to_owned()), ("b".to_owned(), "s".to_owned())]);
        assert_eq!(read("{+a}-{b}", "p-q/r-s"), both, "the first split leaves a slash to the second");
    }

    #[test]
    fn where_several_splits_fit_the_first_variable_is_shortest() {
        let values = read("{a}-{b}", "1-2-3").unwrap();
        assert_eq!(values, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2-3".to_owned())]);
    }

    #[test]
    fn what_is_no_escape_or_no_text_does_not_match() {
        for no in ["a:%", "a:%4", "a:%zz", "a:%+1", "a:%ff"] {
            assert_eq!(read("a:{x}", no), None, "{no}");
        }
    }

    #[test]
    fn a_template_that_cannot_be_matched_says_why() {
        for (text, why) in [
            ("a{b", "byte 1 is not closed"),
            ("a}b", "byte 1 closes nothing"),
            ("a{}", "hold no name"),
            ("a{+}", "hold no name"),
            ("a{?q}", "operator '?'"),
            ("a{b,c}", "no name of one variable"),
            ("a{b*}", "no name of one variable"),
            ("a{b{c}", "no name of one variable"),
            ("{b}/{b}", "twice"),
            ("{a}{+b}", "between the variables \"a\" and \"b\""),
            ("a:b", "no variable"),
            ("", "no variable"),
        ] {
            let error = UriTemplate::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn no_address_makes_matching_explode() {
        let template = format!("{}x", (0..30).map(|n| format!("{{+v{n}}}a")).collect::<String>());
        let template = UriTemplate::parse(&template).unwrap();
        assert_eq!(template.variables().count(), 30);
        assert_eq!(template.read(&"a".repeat(MAX_URI)), None);
        assert!(template.read(&format!("{}x", "a".repeat(1000))).is_some());
        assert_eq!(template.read(&format!("{}x", "a".repeat(MAX_URI))), None, "over the bound");
    }

    #[test]
    fn what_a_template_gives_it_reads_back() {
        let mut random = Random::new(5);
        let template = UriTemplate::parse("s://{a}/x{+b}y").unwrap();
        for _ in 0..2000 {
            let mut value = |slash: bool| -> String {
                let pool: &[char] = if slash { &['q', '/', '?', '5'] } else { &['q', '-', '5', '.'] };
                (0..=random.below(6)).map(|_| pool[random.below(pool.len())]).collect()
            };
            let (a, b) = (value(false), value(true));
            let values = template.read(&format!("s://{a}/x{b}y")).unwrap();
            assert_eq!((&values["a"], &values["b"]), (&a, &b));
        }
    }
}
