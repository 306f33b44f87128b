//! Names as people type them: `SERVER__TOOL`, and what they may have meant by one that does not exist.

use crate::sanitize;

/// What stands between the name of a server and the name of its tool.
pub(crate) const SEPARATOR: &str = "__";

/// The candidate nearest to `name`, if one is near enough that it may have been meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let other = candidate.to_lowercase();
            // A beginning or an end that is right counts as near, however much is missing.
            let part = wanted.len() >= 3 && (other.starts_with(&wanted) || other.ends_with(&wanted));
            let distance = if part { 1 } else { strsim::osa_distance(&wanted, &other) };
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            let longer = wanted.chars().count().max(candidate.chars().count());
            *distance <= (longer / 3).max(1) && *distance < longer
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or else what there is to choose from, or nothing where there is nothing.
pub(crate) fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(name, candidates.clone()) {
        return format!("; did you mean {near:?}?");
    }
    const SHOWN: usize = 8;
    let mut candidates = candidates.into_iter();
    let some: Vec<String> = candidates.by_ref().take(SHOWN).map(|one| format!("{one:?}")).collect();
    let more = candidates.count();
    match (some.len(), more) {
        (0, _) => String::new(),
        (1, _) => format!("; there is only {}", some[0]),
        (_, 0) => format!("; there are {}", some.join(", ")),
        (_, more) => format!("; there are {} and {more} more", some.join(", ")),
    }
}

/// That what was asked for by `name` is not in a server's list: no such `kind`, and what there is. And what the server `said`
/// when it was asked all the same: not all that there is has to be in a list.
pub(crate) fn missing<'a>(
    server: &str,
    kind: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    said: &str,
) -> String {
    const SHOWN: usize = 300;
    let others = match known.clone().into_iter().next() {
        None => ", and no other".to_owned(),
        Some(_) => suggestion(name, known),
    };
    let said = match said.trim() {
        "" => String::new(),
        said => format!("; it says: {}", sanitize::short(said, SHOWN)),
    };
    format!("the server {server:?} lists no {kind} {name:?}{others}{said}")
}

/// Why a `SERVER__TOOL` names no server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SplitError<'a> {
    /// There is no separator, or nothing on one side of it.
    Shape,
    /// No server has this name.
    Unknown(&'a str),
}

/// Splits `SERVER__TOOL`, given the servers there are.
///
/// A tool may have the separator in its own name, a server may not; and a server's name may end in the character that
/// the separator is made of. So the longest server that fits is taken.
pub(crate) fn split<'a>(
    target: &'a str,
    servers: impl IntoIterator<Item = &'a str>,
) -> Result<(&'a str, &'a str), SplitError<'a>> {
    let fitting = servers
        .into_iter()
        .filter_map(|server| {
            let tool = target.strip_prefix(server)?.strip_prefix(SEPARATOR)?;
            (!tool.is_empty()).then_some((server, tool))
        })
        .max_by_key(|(server, _)| server.len());
    match (fitting, target.split_once(SEPARATOR)) {
        (Some(found), _) => Ok(found),
        (None, Some((server, tool))) if !server.is_empty() && !tool.is_empty() => Err(SplitError::Unknown(server)),
        (None, _) => Err(SplitError::Shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_is_recognised() {
        let tools = ["echo", "add", "sleep", "spawn_child"];
        assert_eq!(nearest("ecko", tools), Some("echo"));
        assert_eq!(nearest("ECHO", tools), Some("echo"));
        assert_eq!(nearest("slepe", tools), Some("sleep"));
        assert_eq!(nearest("spawn", tools), Some("spawn_child"));
        assert_eq!(nearest("child", tools), Some("spawn_child"));
    }

    #[test]
    fn something_else_is_not_a_typing_mistake() {
        assert_eq!(nearest("rm", ["echo", "add"]), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("", ["a"]), None);
        assert_eq!(nearest("a", []), None);
    }

    #[test]
    fn a_suggestion_names_the_nearest_or_what_there_is() {
        assert_eq!(suggestion("ad", ["add", "echo"]), "; did you mean \"add\"?");
        assert_eq!(suggestion("zzz", ["add", "echo"]), "; there are \"add\", \"echo\"");
        assert_eq!(suggestion("zzz", ["add"]), "; there is only \"add\"");
        assert_eq!(suggestion("zzz", []), "");
        let many: Vec<String> = (0..10).map(|i| format!("tool-{i}")).collect();
        let said = suggestion("zzz", many.iter().map(String::as_str));
        assert!(said.ends_with("\"tool-7\" and 2 more"), "{said}");
    }

    #[test]
    fn what_is_missing_is_told_with_what_there_is() {
        let said = missing("s", "tool", "ad", ["add"], "");
        assert_eq!(said, "the server \"s\" lists no tool \"ad\"; did you mean \"add\"?");
        let said = missing("s", "prompt", "a", [], "not\nfor you\u{1b}\n");
        assert_eq!(said, "the server \"s\" lists no prompt \"a\", and no other; it says: not\\nfor you\\x1b");
    }

    #[test]
    fn a_target_is_split_at_the_server() {
        let servers = ["files", "files_", "a"];
        assert_eq!(split("files__read", servers), Ok(("files", "read")));
        assert_eq!(split("files__read__all", servers), Ok(("files", "read__all")));
        assert_eq!(split("files___read", servers), Ok(("files_", "read")));
        assert_eq!(split("a___read", servers), Ok(("a", "_read")));
    }

    #[test]
    fn a_target_that_names_no_server_is_told_apart() {
        assert_eq!(split("echo", ["a"]), Err(SplitError::Shape));
        assert_eq!(split("a__", ["a"]), Err(SplitError::Shape));
        assert_eq!(split("__x", ["a"]), Err(SplitError::Shape));
        assert_eq!(split("b__x", ["a"]), Err(SplitError::Unknown("b")));
    }
}
